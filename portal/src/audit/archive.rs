//! Old rows leave the database only into a file, and a row of the chain says which ones and with what hash.
//!
//! A segment is lines of JSON, a row each, and a last line with its bounds and the SHA-256 of everything before. The chain
//! goes on through it: its last row's hash is what the first row in the database is bound to.

use std::io::{BufRead as _, BufReader, Write};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::append::append_in;
use super::chain::{Algorithm, Row};
use super::{Entry, Outcome, Via};
use crate::background;
use crate::db::{Db, DbError, audit as table, hex, micros, new_id};

/// The verb of the row that says so.
pub const VERB: &str = "archive";

/// What that row says, and the last line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The oldest archived row.
    pub first: i64,
    /// What it is bound to.
    pub prev: String,
    /// The newest archived row.
    pub through: i64,
    /// Its hash.
    pub hash: String,
    /// The SHA-256 of the file's lines before the last.
    pub sha256: String,
}

impl Segment {
    /// What its file is called.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("qipan-audit-{:010}-{:010}.jsonl", self.first, self.through)
    }
}

/// The end of the archived rows, as a row of the chain says it.
#[must_use]
pub fn end_of(row: &Row) -> Option<(i64, String)> {
    let value: serde_json::Value = serde_json::from_str(&row.after).ok()?;
    Some((
        value["through"].as_i64()?,
        value["hash"].as_str()?.to_owned(),
    ))
}

/// Writes a segment.
pub struct Writer<W: Write> {
    out: W,
    digest: Sha256,
    segment: Option<Segment>,
}

impl<W: Write> Writer<W> {
    /// A writer of a segment without rows.
    pub fn new(out: W) -> Self {
        Self {
            out,
            digest: Sha256::new(),
            segment: None,
        }
    }

    /// The next row.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn row(&mut self, row: &Row) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(row)?;
        line.push(b'\n');
        self.digest.update(&line);
        self.out.write_all(&line)?;
        let segment = self.segment.get_or_insert_with(|| Segment {
            first: row.seq,
            prev: row.prev.clone(),
            through: 0,
            hash: String::new(),
            sha256: String::new(),
        });
        segment.through = row.seq;
        segment.hash.clone_from(&row.hash);
        Ok(())
    }

    /// The last line. Nothing where there was no row.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(mut self) -> anyhow::Result<Option<Segment>> {
        if let Some(segment) = &mut self.segment {
            segment.sha256 = hex(&self.digest.finalize());
            serde_json::to_writer(&mut self.out, segment)?;
            self.out.write_all(b"\n")?;
        }
        self.out.flush()?;
        Ok(self.segment)
    }
}

/// Reads a segment and proves it.
///
/// # Errors
/// It cannot be read, or is not as it was written: then the first bad line is named.
pub fn read(path: &Path) -> anyhow::Result<Segment> {
    let file =
        std::fs::File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let place = |line: usize| format!("{}, line {line}", path.display());
    let (mut digest, mut last, mut first): (Sha256, Option<Row>, Option<Row>) =
        (Sha256::new(), None, None);
    for (line, number) in BufReader::new(file).split(b'\n').zip(1..) {
        let mut line = line?;
        if let Ok(segment) = serde_json::from_slice::<Segment>(&line) {
            let (Some(first), Some(last)) = (first, last) else {
                bail!("{} has no rows", path.display())
            };
            let found = Segment {
                first: first.seq,
                prev: first.prev,
                through: last.seq,
                hash: last.hash,
                sha256: hex(&digest.finalize()),
            };
            ensure!(
                found == segment,
                "{}: the file was altered: it does not end as it says",
                place(number)
            );
            return Ok(segment);
        }
        let row: Row = serde_json::from_slice(&line).with_context(|| place(number))?;
        ensure!(
            row.expected_hash().as_ref() == Some(&row.hash),
            "{}: row {} was altered",
            place(number),
            row.seq
        );
        if let Some(last) = &last {
            ensure!(
                row.prev == last.hash && row.seq == last.seq + 1,
                "{}: row {} does not follow row {}",
                place(number),
                row.seq,
                last.seq
            );
        }
        line.push(b'\n');
        digest.update(&line);
        first.get_or_insert_with(|| row.clone());
        last = Some(row);
    }
    bail!("{} was cut off: its last line is missing", path.display())
}

/// Removes a segment's rows from the database; the row that says so is written with it.
///
/// # Errors
/// The database fails; nothing is removed then.
pub async fn remove(
    db: &Db,
    algorithm: Algorithm,
    segment: &Segment,
    now: i64,
) -> anyhow::Result<()> {
    let mut entry = act(VERB, &serde_json::to_value(segment)?)?;
    entry.key = format!("archive/{}/{}", segment.first, segment.hash);
    let mut transaction = db.begin().await?;
    append_in(&mut transaction, algorithm, &[entry], now).await?;
    let removed = table::remove_through(&mut transaction, segment.through).await?;
    let expected = u64::try_from(segment.through - segment.first + 1)?;
    ensure!(
        removed == expected,
        "{removed} rows would go and not {expected}: nothing was removed"
    );
    transaction.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// An act at a terminal: all that is known of who did it is the account of the operating system.
///
/// # Errors
/// There are no random numbers.
pub fn act(verb: &str, what: &serde_json::Value) -> Result<Entry, DbError> {
    use std::os::unix::fs::MetadataExt as _;
    let uid = std::fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid());
    Ok(Entry {
        happened: micros(background::now()),
        actor: format!("os-account:{uid}"),
        groups: String::new(),
        via: Via::Terminal,
        verb: verb.to_owned(),
        kind: "ledger".to_owned(),
        namespace: String::new(),
        name: String::new(),
        uid: String::new(),
        resource_version: String::new(),
        before: String::new(),
        after: what.to_string(),
        request_id: String::new(),
        outcome: Outcome::Ok,
        key: format!("terminal/{}", new_id()?),
    })
}
