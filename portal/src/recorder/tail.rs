//! Reads the hub's audit log as it grows: who wrote which version, and what was refused. Rotated files are followed.

use std::fs::{File, Metadata};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Recorder;
use super::witness::{Told, read};
use crate::audit::append::append_in;
use crate::audit::{Entry, Outcome, Via};
use crate::background;
use crate::cluster::objects::AnyKind;
use crate::db::{DbError, micros, recorder as table};

const SOURCE: &str = "hub-audit";
/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The pause after something failed.
const PAUSE: Duration = Duration::from_secs(2);
/// So much is read at once, in bytes.
const CHUNK: u64 = 4 * 1024 * 1024;

/// Where in which file the reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    inode: u64,
    offset: u64,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (inode, offset) = text.split_once(' ')?;
        Some(Self {
            inode: inode.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    }

    fn text(self) -> String {
        format!("{} {}", self.inode, self.offset)
    }
}

/// What was read, and where the reading is then.
#[derive(Debug, Default, PartialEq, Eq)]
struct Chunk {
    lines: Vec<String>,
    next: Option<Place>,
    /// The file that was being read is not there any more.
    lost: bool,
}

#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("failed to read the hub's audit log: {0}")]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Database(#[from] DbError),
}

impl Recorder {
    /// Settles where the reading begins: at the end of the log as it is at the first start.
    pub(super) async fn begin_tail(&self) {
        let Some(path) = &self.audit_log else { return };
        let begun = async {
            let mut connection = self.db.acquire().await?;
            if table::position(&mut connection, SOURCE).await?.is_none() {
                let metadata = std::fs::metadata(path)?;
                let place = Place {
                    inode: metadata.ino(),
                    offset: metadata.len(),
                };
                let now = micros(background::now());
                table::move_position(&mut connection, SOURCE, (None, &place.text()), now).await?;
            }
            Ok::<_, Stopped>(())
        };
        if let Err(error) = begun.await {
            tracing::warn!(%error, "the hub's audit log is not read yet");
        }
    }

    /// Reads the log. It does not end.
    pub(super) async fn tail(&self, kinds: &[AnyKind]) {
        let Some(path) = self.audit_log.clone() else {
            tracing::warn!(
                "no audit log of the hub is given (--hub-audit-log): who changed an object stays unknown"
            );
            return std::future::pending().await;
        };
        let mut said = String::new();
        loop {
            let pause = match self.tail_once(&path, kinds).await {
                Ok(true) => Duration::ZERO,
                Ok(false) => LOOK,
                Err(why) => {
                    let why = why.to_string();
                    if why != said {
                        tracing::warn!(error = %why, "who changed what stays unknown for now");
                        said = why;
                    }
                    PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Reads what is there; false where there is nothing new.
    async fn tail_once(&self, path: &Path, kinds: &[AnyKind]) -> Result<bool, Stopped> {
        let stored = table::position(&mut *self.db.acquire().await?, SOURCE).await?;
        let Some(from) = stored.as_deref().and_then(Place::parse) else {
            self.begin_tail().await;
            return Ok(false);
        };
        let file = path.to_owned();
        let read_on = tokio::task::spawn_blocking(move || read_on(&file, from));
        let lines = read_on.await.map_err(std::io::Error::other)??;
        let Some(next) = lines.next else {
            return Ok(false);
        };
        let kind_of = |plural: &str| {
            let kind = kinds.iter().find(|kind| kind.plural == plural)?;
            Some(kind.name.clone())
        };
        let (mut witnesses, mut rows) = (Vec::new(), Vec::new());
        for line in &lines.lines {
            match read(line, &self.programs, &kind_of) {
                Some(Told::Wrote(witness)) => witnesses.push(witness),
                Some(Told::Refused(entry)) => rows.push(*entry),
                None => {}
            }
        }
        let now = micros(background::now());
        if lines.lost {
            rows.push(lost(from, now));
        }
        let mut transaction = self.db.begin().await?;
        for witness in &witnesses {
            table::witness(&mut transaction, witness).await?;
        }
        if !rows.is_empty() {
            append_in(&mut transaction, self.algorithm, &rows, now).await?;
        }
        table::move_position(
            &mut transaction,
            SOURCE,
            (Some(&from.text()), &next.text()),
            now,
        )
        .await?;
        transaction.commit().await.map_err(DbError::from)?;
        Ok(true)
    }
}

/// Who did what between two files of the log is not known: said in the ledger.
fn lost(from: Place, now: i64) -> Entry {
    Entry {
        happened: now,
        actor: String::new(),
        groups: String::new(),
        via: Via::Unknown,
        verb: "gap".to_owned(),
        kind: "hub-audit-log".to_owned(),
        namespace: String::new(),
        name: String::new(),
        uid: String::new(),
        resource_version: String::new(),
        before: String::new(),
        after: String::new(),
        request_id: String::new(),
        outcome: Outcome::Ok,
        key: format!("gap/hub-audit/{}", from.text()),
    }
}

/// Whole lines after a place. At the end of a rotated file the reading goes on in the next one.
fn read_on(path: &Path, from: Place) -> std::io::Result<Chunk> {
    let current = std::fs::metadata(path)?;
    if current.ino() == from.inode {
        if current.len() < from.offset {
            // Truncated in place.
            return Ok(Chunk {
                next: Some(Place { offset: 0, ..from }),
                lost: true,
                ..Chunk::default()
            });
        }
        return lines_of(path, from);
    }
    let files = siblings(path)?;
    let Some(at) = files
        .iter()
        .position(|(_, metadata)| metadata.ino() == from.inode)
    else {
        let oldest = files
            .first()
            .map_or(current.ino(), |(_, metadata)| metadata.ino());
        return Ok(Chunk {
            next: Some(Place {
                inode: oldest,
                offset: 0,
            }),
            lost: true,
            ..Chunk::default()
        });
    };
    let lines = lines_of(&files[at].0, from)?;
    if lines.next.is_some() {
        return Ok(lines);
    }
    // A rotated file is not written any more: at its end comes the next.
    let next = files
        .get(at + 1)
        .map_or(current.ino(), |(_, metadata)| metadata.ino());
    Ok(Chunk {
        next: Some(Place {
            inode: next,
            offset: 0,
        }),
        ..Chunk::default()
    })
}

/// The log and its rotated files (`audit-2026-….log` beside `audit.log`), oldest first.
fn siblings(path: &Path) -> std::io::Result<Vec<(PathBuf, Metadata)>> {
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&stem) {
            files.push((entry.path(), entry.metadata()?));
        }
    }
    files.sort_by_key(|(file, metadata)| (file == path, metadata.mtime(), metadata.mtime_nsec()));
    Ok(files)
}

fn lines_of(path: &Path, from: Place) -> std::io::Result<Chunk> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from.offset))?;
    let mut reader = BufReader::new(file);
    let (mut lines, mut offset) = (Vec::new(), from.offset);
    while offset - from.offset < CHUNK {
        let mut line = Vec::new();
        let read = reader.by_ref().read_until(b'\n', &mut line)?;
        // The last line may be half written.
        if line.pop() != Some(b'\n') {
            break;
        }
        offset += read as u64;
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }
    let next = (offset > from.offset).then_some(Place { offset, ..from });
    Ok(Chunk {
        lines,
        next,
        lost: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn rotation_loses_no_line_and_half_a_line_waits() {
        let dir = std::env::temp_dir().join(crate::db::new_id().unwrap());
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("hub-audit.log");
        let mut log = File::create(&path).unwrap();
        let mut place = Place {
            inode: std::fs::metadata(&path).unwrap().ino(),
            offset: 0,
        };
        let mut all = Vec::new();
        let mut drain = |place: &mut Place| {
            while let Some(next) = {
                let lines = read_on(&path, *place).unwrap();
                assert!(!lines.lost);
                all.extend(lines.lines);
                lines.next
            } {
                *place = next;
            }
            all.clone()
        };
        write!(log, "one\ntw").unwrap();
        assert_eq!(drain(&mut place), ["one"]);
        write!(log, "o\nthree\n").unwrap();
        std::fs::rename(&path, dir.join("hub-audit-2026-11-22.log")).unwrap();
        std::fs::write(&path, "four\n").unwrap();
        assert_eq!(drain(&mut place), ["one", "two", "three", "four"]);
        // A file that was removed unread is a loss that is said.
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(dir.join("hub-audit-2026-11-22.log")).unwrap();
        std::fs::write(&path, "six\n").unwrap();
        place.inode = u64::MAX;
        let lines = read_on(&path, place).unwrap();
        assert!(lines.lost);
        assert_eq!(read_on(&path, lines.next.unwrap()).unwrap().lines, ["six"]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
