//! `qipan-portal audit …`: for the security administrator, at a terminal.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use jiff::{SignedDuration, Timestamp};

use super::anchor;
use super::archive::{self, Segment};
use super::chain::Row;
use super::verify::{Proof, verify};
use crate::args::{Archive, AuditCommand, Export, ExportFormat, Hub, Verify};
use crate::background;
use crate::cluster::{self, own::OwnObjects};
use crate::db::audit::{self as table, Head};
use crate::db::{Db, micros};
use crate::export;

/// The ledger is kept in the database for at least this long (Cybersecurity Law, art. 21: six months).
pub const KEPT_DAYS: i64 = 180;
/// So many rows are read at once.
const CHUNK: i64 = 1_000;

/// Runs one of them.
///
/// # Errors
/// What it says is for the person at the terminal.
pub async fn run(command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify(flags) => prove(flags).await,
        AuditCommand::Export(flags) => export(flags).await,
        AuditCommand::Archive(flags) => archive(flags).await,
    }
}

async fn prove(flags: Verify) -> anyhow::Result<()> {
    for file in &flags.segments {
        let segment = archive::read(file)?;
        println!(
            "intact: archived rows {} to {} in {}",
            segment.first,
            segment.through,
            file.display()
        );
    }
    let url = flags.database.url()?;
    let anchors = known_heads(&flags.hub, &flags.heads, flags.without_anchor).await?;
    let db = Db::connect(&url).await?;
    let proof = sound(&db, &anchors).await?;
    if proof.last == 0 {
        println!("the ledger is empty");
        return Ok(());
    }
    println!(
        "intact: rows {} to {}, head {} {}",
        proof.first, proof.last, proof.last, proof.hash
    );
    match proof.anchored {
        Some(seq) if seq == proof.last => println!("anchored: the newest row is the anchored one"),
        Some(seq) => println!(
            "anchored: up to row {seq}; the {} rows since then are not anchored yet",
            proof.last - seq
        ),
        None => println!(
            "not anchored: that newest rows were cut off, or all of them hashed anew, would not show"
        ),
    }
    Ok(())
}

async fn sound(db: &Db, anchors: &[Head]) -> anyhow::Result<Proof> {
    match verify(db, anchors).await? {
        Ok(proof) => Ok(proof),
        Err(bad) => bail!("the ledger is not intact: {bad}"),
    }
}

async fn known_heads(
    hub: &Hub,
    files: &[std::path::PathBuf],
    without: bool,
) -> anyhow::Result<Vec<Head>> {
    let mut text = String::new();
    for file in files {
        let lines = std::fs::read_to_string(file)
            .with_context(|| format!("failed to read {}", file.display()))?;
        if anchor::parse(&lines).is_empty() {
            bail!(
                "{} holds no head (`<seq> <hash>`, or lines of the portal's log)",
                file.display()
            );
        }
        text.push_str(&lines);
        text.push('\n');
    }
    if !without {
        let client = cluster::connect(hub.kubeconfig.as_deref())
            .await
            .context("the hub cannot be configured")?;
        let heads = OwnObjects::new(client, &hub.namespace).heads().await;
        let heads = heads.context("the anchored head cannot be read from the hub; --without-anchor proves the chain alone")?;
        text.push_str(&heads.text);
    }
    Ok(anchor::parse(&text))
}

async fn export(flags: Export) -> anyhow::Result<()> {
    let db = Db::connect(&flags.database.url()?).await?;
    let (from, to) = (
        day(flags.from.as_deref(), i64::MIN)?,
        day(flags.to.as_deref(), i64::MAX)?,
    );
    let file = create(&flags.out)?;
    let mut rows = 0_usize;
    let mut out = Output::new(flags.format, BufWriter::new(file))?;
    let mut seq = 0;
    loop {
        let chunk = table::after(&mut *db.acquire().await?, seq, CHUNK).await?;
        let Some(last) = chunk.last() else { break };
        seq = last.seq;
        for row in chunk.iter().filter(|row| row.at >= from && row.at < to) {
            out.row(row)?;
            rows += 1;
        }
    }
    out.end()
        .with_context(|| format!("failed to write {}", flags.out.display()))?;
    let what = serde_json::json!({ "rows": rows, "from": flags.from, "to": flags.to });
    super::append::append(
        &db,
        flags.audit_hash,
        &[archive::act("export", &what)?],
        micros(background::now()),
    )
    .await?;
    println!(
        "{rows} rows in {}; the export is a row of the ledger",
        flags.out.display()
    );
    Ok(())
}

async fn archive(flags: Archive) -> anyhow::Result<()> {
    let db = Db::connect(&flags.database.url()?).await?;
    let now = background::now();
    let oldest = now - SignedDuration::from_hours(24 * KEPT_DAYS);
    let before = day(Some(&flags.before), 0)?;
    ensure!(
        before <= micros(oldest),
        "--before {} would archive rows of the last {KEPT_DAYS} days, which are kept: name {} or an earlier day",
        flags.before,
        oldest.strftime("%Y-%m-%d")
    );
    let anchors = known_heads(&flags.hub, &[], flags.without_anchor).await?;
    sound(&db, &anchors).await?;
    let Some(segment) = write_segment(&db, before, &flags.to).await? else {
        println!("no row is older than {}", flags.before);
        return Ok(());
    };
    // What was written is read again before anything leaves the database.
    let file = flags.to.join(segment.file_name());
    ensure!(
        archive::read(&file)? == segment,
        "{} does not read as it was written",
        file.display()
    );
    archive::remove(&db, flags.audit_hash, &segment, micros(now)).await?;
    println!(
        "rows {} to {} are in {}; keep it: they are no longer in the database",
        segment.first,
        segment.through,
        file.display()
    );
    Ok(())
}

async fn write_segment(db: &Db, before: i64, folder: &Path) -> anyhow::Result<Option<Segment>> {
    let temporary = folder.join("qipan-audit.part");
    let mut writer = archive::Writer::new(BufWriter::new(create(&temporary)?));
    let mut seq = 0;
    loop {
        let chunk = table::after(&mut *db.acquire().await?, seq, CHUNK).await?;
        let (Some(last), old) = (
            chunk.last(),
            chunk.iter().take_while(|row| row.at < before).count(),
        ) else {
            break;
        };
        seq = last.seq;
        for row in &chunk[..old] {
            writer.row(row)?;
        }
        if old < chunk.len() {
            break;
        }
    }
    let segment = writer.end()?;
    match &segment {
        Some(segment) => std::fs::rename(&temporary, folder.join(segment.file_name()))?,
        None => std::fs::remove_file(&temporary)?,
    }
    Ok(segment)
}

/// A file that is not there yet, and that only its owner may read.
fn create(path: &Path) -> anyhow::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| {
            format!(
                "failed to create {} (an existing file is not overwritten)",
                path.display()
            )
        })
}

fn day(text: Option<&str>, absent: i64) -> anyhow::Result<i64> {
    let Some(text) = text else { return Ok(absent) };
    let at: Timestamp = match text.parse::<jiff::civil::Date>() {
        Ok(date) if text.len() == 10 => date
            .to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)))?
            .timestamp(),
        _ => text.parse().with_context(|| {
            format!(
                "{text:?} is no day (2026-01-31, Beijing time) and no time (2026-01-31T10:00:00Z)"
            )
        })?,
    };
    Ok(micros(at))
}

/// Rows as lines of JSON, from which the chain can be computed again, or as CSV for reading.
enum Output<W: Write> {
    Json(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Output<W> {
    fn new(format: ExportFormat, mut out: W) -> anyhow::Result<Self> {
        Ok(match format {
            ExportFormat::Jsonl => Self::Json(out),
            ExportFormat::Csv => {
                out.write_all("\u{feff}".as_bytes())?;
                let mut csv = csv::WriterBuilder::new()
                    .terminator(csv::Terminator::CRLF)
                    .from_writer(out);
                csv.write_record(Row::COLUMNS)?;
                Self::Csv(Box::new(csv))
            }
        })
    }

    fn row(&mut self, row: &Row) -> anyhow::Result<()> {
        match self {
            Self::Json(out) => {
                serde_json::to_writer(&mut *out, row)?;
                out.write_all(b"\n")?;
            }
            Self::Csv(csv) => {
                csv.write_record(row.cells().iter().map(|cell| export::inert(cell)))?;
            }
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        match self {
            Self::Json(mut out) => out.flush()?,
            Self::Csv(mut csv) => csv.flush()?,
        }
        Ok(())
    }
}
