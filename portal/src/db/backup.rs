//! Backup and restore, the same for both engines: a backup of SQLite restores into PostgreSQL and the other way round.
//!
//! Lines of JSON: a first one that says what it is, a row each as `["table", value, …]`, and a last one with the count and
//! the SHA-256 of all before. It is taken in one transaction, so it is of one moment. Sessions stay out: whoever holds a
//! backup signs in as nobody.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use futures::TryStreamExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::{Db, DbError, Engine, hex, migrations};

const FORMAT: &str = "qipan-portal-backup";

/// A column's type, of the three there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// BIGINT.
    Number,
    /// TEXT.
    Text,
    /// DOUBLE PRECISION.
    Real,
}

/// What tables hold, read from the steps that make them: table, then columns with their types.
#[must_use]
pub fn tables() -> Vec<(String, Vec<(String, Type)>)> {
    let mut tables = Vec::new();
    for (_, _, sql) in migrations::STEPS {
        for table in sql.split("CREATE TABLE ").skip(1) {
            let Some((name, body)) = table.split_once(" (") else {
                continue;
            };
            let body = body.split_once("\n)").map_or(body, |(body, _)| body);
            let columns = body.lines().map(str::trim).filter_map(|line| {
                let (column, rest) = line.split_once(' ')?;
                let kind = match rest.split(' ').next()? {
                    "BIGINT" => Type::Number,
                    "DOUBLE" => Type::Real,
                    _ => Type::Text,
                };
                Some((column.to_owned(), kind))
            });
            tables.push((name.to_owned(), columns.collect()));
        }
    }
    tables
}

fn is_kept(table: &str) -> bool {
    !matches!(
        table,
        "sessions" | "sign_ins" | "taken_tokens" | "witnesses"
    )
}

/// Writes a backup into a new file and says how many rows are in it.
///
/// # Errors
/// The database or the file fails.
pub async fn backup(db: &Db, path: &Path) -> anyhow::Result<u64> {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let file = file.with_context(|| {
        format!(
            "failed to create {} (an existing file is not overwritten)",
            path.display()
        )
    })?;
    let mut out = Lines {
        out: BufWriter::new(file),
        digest: Sha256::new(),
        count: 0,
    };
    let steps = migrations::STEPS.len();
    out.write(&json!({ "format": FORMAT, "version": 1, "steps": steps }))?;
    let begin = match db.engine() {
        Engine::Sqlite => "BEGIN",
        Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    };
    let mut transaction = db.pool().begin_with(begin).await.map_err(DbError::from)?;
    for (table, columns) in tables().iter().filter(|(table, _)| is_kept(table)) {
        let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let sql = format!("SELECT {} FROM {table} ORDER BY 1", names.join(", "));
        let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut *transaction);
        while let Some(row) = rows.try_next().await.map_err(DbError::from)? {
            let mut line = vec![json!(table)];
            for (index, (_, kind)) in columns.iter().enumerate() {
                line.push(cell(&row, index, *kind)?);
            }
            out.write(&Value::Array(line))?;
        }
    }
    let (count, sha256) = (out.count - 1, hex(&out.digest.clone().finalize()));
    out.write(&json!({ "rows": count, "sha256": sha256 }))?;
    out.out.flush()?;
    out.out.get_ref().sync_all()?;
    Ok(count)
}

struct Lines {
    out: BufWriter<File>,
    digest: Sha256,
    count: u64,
}

impl Lines {
    fn write(&mut self, value: &Value) -> anyhow::Result<()> {
        let line = format!("{value}\n");
        self.digest.update(line.as_bytes());
        self.count += 1;
        Ok(self.out.write_all(line.as_bytes())?)
    }
}

fn cell(row: &AnyRow, index: usize, kind: Type) -> Result<Value, DbError> {
    Ok(match kind {
        Type::Number => json!(row.try_get::<i64, _>(index)?),
        Type::Text => json!(row.try_get::<String, _>(index)?),
        Type::Real => json!(row.try_get::<f64, _>(index)?),
    })
}

/// Restores a backup into a database that holds nothing, and says how many rows came back. Whole or not at all.
///
/// # Errors
/// The backup is not whole, the database is not empty, or one of them fails.
pub async fn restore(db: &Db, path: &Path) -> anyhow::Result<u64> {
    // The whole file is proven first: nothing of a damaged one reaches the database.
    let rows = check(path)?;
    let mut transaction = db.begin().await?;
    let tables = tables();
    for (table, _) in tables.iter().filter(|(table, _)| table != "audit_head") {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let held: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *transaction)
            .await
            .map_err(DbError::from)?;
        ensure!(
            held == 0,
            "the database is not empty ({table} holds {held} rows): restore into a new one, and keep this one as evidence"
        );
    }
    sqlx::query("DELETE FROM audit_head")
        .execute(&mut *transaction)
        .await
        .map_err(DbError::from)?;
    for line in BufReader::new(File::open(path)?).lines() {
        let value: Value = serde_json::from_str(&line?)?;
        let Some(cells) = value.as_array() else {
            continue;
        };
        let table = cells.first().and_then(Value::as_str).unwrap_or_default();
        let Some((_, columns)) = tables.iter().find(|(name, _)| name == table) else {
            bail!(
                "the backup has a table {table:?}, which this version does not know: restore it with a newer one"
            );
        };
        insert(&mut transaction, table, columns, &cells[1..]).await?;
    }
    transaction.commit().await.map_err(DbError::from)?;
    Ok(rows)
}

async fn insert(
    connection: &mut AnyConnection,
    table: &str,
    columns: &[(String, Type)],
    cells: &[Value],
) -> anyhow::Result<()> {
    ensure!(
        cells.len() == columns.len(),
        "a row of {table} has {} columns and not {}",
        cells.len(),
        columns.len()
    );
    let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let places: Vec<_> = (1..=columns.len()).map(|nth| format!("${nth}")).collect();
    let sql = format!(
        "INSERT INTO {table} ({}) VALUES ({})",
        names.join(", "),
        places.join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (cell, (name, kind)) in cells.iter().zip(columns) {
        let wrong = || format!("{table}.{name} is {cell}");
        query = match kind {
            Type::Number => query.bind(cell.as_i64().with_context(wrong)?),
            Type::Text => query.bind(cell.as_str().with_context(wrong)?.to_owned()),
            Type::Real => query.bind(cell.as_f64().with_context(wrong)?),
        };
    }
    query.execute(connection).await.map_err(DbError::from)?;
    Ok(())
}

/// Proves that a backup is whole and as it was written.
fn check(path: &Path) -> anyhow::Result<u64> {
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let (mut digest, mut count, mut last) = (Sha256::new(), 0_u64, Value::Null);
    for line in BufReader::new(file).lines() {
        let line = line.with_context(|| format!("failed to read {}", path.display()))?;
        let value: Value = serde_json::from_str(&line).with_context(|| {
            format!(
                "{} is no backup of the portal, or was cut off",
                path.display()
            )
        })?;
        if count == 0 {
            ensure!(
                value["format"] == FORMAT,
                "{} is no backup of the portal",
                path.display()
            );
            let steps = value["steps"].as_u64().unwrap_or(u64::MAX);
            ensure!(
                steps == migrations::STEPS.len() as u64,
                "{} was taken by a version with {steps} migrations, this one has {}: restore it with that version, then upgrade",
                path.display(),
                migrations::STEPS.len()
            );
        }
        if value["sha256"].is_string() {
            last = value;
            break;
        }
        digest.update(line.as_bytes());
        digest.update(b"\n");
        count += 1;
    }
    ensure!(
        last["sha256"] == hex(&digest.finalize()),
        "{} was altered or cut off: its checksum does not fit",
        path.display()
    );
    Ok(count.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_from_the_steps() {
        let tables = tables();
        let (name, columns) = &tables[0];
        assert_eq!((name.as_str(), columns.len()), ("audit", 20));
        assert_eq!(columns[0], ("seq".to_owned(), Type::Number));
        assert!(tables.iter().any(|(name, _)| name == "positions"));
    }
}
