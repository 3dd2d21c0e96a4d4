//! The steps that bring an older database to this version. A released step is never edited: a new one is added.

use sqlx::AnyPool;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::DbError;

/// Every step: its number, its name, its text.
pub const STEPS: &[(i64, &str, &str)] = &[
    (
        1,
        "foundation",
        include_str!("../../migrations/0001_foundation.sql"),
    ),
    (
        2,
        "recorder",
        include_str!("../../migrations/0002_recorder.sql"),
    ),
    (
        3,
        "history_outbox",
        include_str!("../../migrations/0003_history_outbox.sql"),
    ),
    (
        4,
        "identity",
        include_str!("../../migrations/0004_identity.sql"),
    ),
    (
        5,
        "notices",
        include_str!("../../migrations/0005_notices.sql"),
    ),
    (
        6,
        "attachments",
        include_str!("../../migrations/0006_attachments.sql"),
    ),
    (7, "views", include_str!("../../migrations/0007_views.sql")),
];

/// Brings the tables to this version; steps that ran are left alone.
///
/// # Errors
/// A step fails, or the database is ahead of this version.
pub async fn run(pool: &AnyPool) -> Result<(), DbError> {
    run_to(pool, i64::MAX).await
}

/// The same up to one step: what a release of that step left behind.
///
/// # Errors
/// As of [`run`].
pub async fn run_to(pool: &AnyPool, last: i64) -> Result<(), DbError> {
    let steps = STEPS.iter().filter(|(number, _, _)| *number <= last);
    let migrations = steps.map(|&(number, name, sql)| {
        Migration::new(
            number,
            name.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
        .run(pool)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_step_and_steps_count_on() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| {
                std::path::Path::new(name)
                    .extension()
                    .is_some_and(|e| e == "sql")
            })
            .collect();
        files.sort();
        let named: Vec<_> = STEPS
            .iter()
            .map(|(number, name, _)| format!("{number:04}_{name}.sql"))
            .collect();
        assert_eq!(files, named);
        assert!(
            STEPS
                .iter()
                .zip(1..)
                .all(|((number, _, _), nth)| *number == nth)
        );
    }

    /// Both engines take them; the design says which.
    #[test]
    fn columns_have_the_three_types_that_both_engines_share() {
        for (number, _, sql) in STEPS {
            for table in sql.split("CREATE TABLE").skip(1) {
                let body = &table[table.find('(').unwrap() + 1..table.find("\n)").unwrap()];
                for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
                    let typed = line.split_once(' ').unwrap().1;
                    assert!(
                        [
                            "BIGINT NOT NULL",
                            "TEXT NOT NULL",
                            "DOUBLE PRECISION NOT NULL"
                        ]
                        .iter()
                        .any(|known| typed.trim_end_matches(',').starts_with(known)),
                        "step {number}: {line}"
                    );
                }
            }
        }
    }
}
