//! The head of the chain, kept where the database cannot reach it: in an object on the hub and in the log.
//!
//! A ladder of heads is kept, dense at the new end and thin at the old one, so that a chain that was hashed anew from
//! some row on is not only found: the ladder says between which rows it began. A head that the database no longer has is
//! never overwritten: it is the evidence.

use std::time::Duration;

use tokio::sync::watch;

use crate::cluster::own::{Heads, OwnObjects};
use crate::db::audit::{self, Head};
use crate::db::{Db, DbError};

/// How often the head is put there, where it has moved.
const EVERY: Duration = Duration::from_secs(10);
/// So many of the newest heads are all kept.
const DENSE: usize = 32;

/// How the head compares with what was anchored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchored {
    /// The newest anchored row.
    pub seq: i64,
    /// The first anchored row that the database no longer has as it was.
    pub lost: Option<i64>,
    /// Why the head could not be put there, the last time.
    pub failing: Option<String>,
}

/// Reads heads from text: a line each, `<seq> <hash> …`, also within a line of the log (`audit head <seq> <hash>`).
#[must_use]
pub fn parse(text: &str) -> Vec<Head> {
    let mut heads: Vec<Head> = text.lines().filter_map(head_of_line).collect();
    heads.sort_by_key(|head| head.seq);
    heads.dedup();
    heads
}

fn head_of_line(line: &str) -> Option<Head> {
    let rest = line
        .split_once("audit head ")
        .map_or(line, |(_, rest)| rest);
    let mut words = rest.split_whitespace();
    let seq = words.next()?.parse().ok().filter(|seq| *seq > 0)?;
    let hash = words
        .next()?
        .trim_end_matches(|c: char| !c.is_ascii_hexdigit());
    let whole = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| Head {
        seq,
        at: 0,
        hash: hash.to_owned(),
    })
}

/// A line of [`parse`].
#[must_use]
pub fn line(head: &Head) -> String {
    let at = jiff::Timestamp::from_microsecond(head.at).unwrap_or_default();
    format!("{} {} {at:.0}", head.seq, head.hash)
}

/// The heads that are kept of a ladder, newest first: all of the newest, then the oldest of each of two or three stretches
/// for every doubling of the distance. Stretches are laid over the numbers, so that growing old does not empty them.
#[must_use]
pub fn thin(mut heads: Vec<String>) -> Vec<String> {
    heads.dedup();
    let number = |line: &String| head_of_line(line).map_or(0, |head| head.seq);
    let newest = heads.first().map_or(0, number);
    let mut kept: Vec<String> = Vec::new();
    let mut last = None;
    for (nth, line) in heads.into_iter().enumerate() {
        if nth < DENSE {
            kept.push(line);
            continue;
        }
        let seq = number(&line);
        let width = (newest - seq).max(2).ilog2() - 1;
        let stretch = Some((width, seq >> width));
        if last == stretch {
            kept.pop();
        }
        kept.push(line);
        last = stretch;
    }
    kept
}

/// Puts the head there every few seconds where it has moved, and once more at the end.
pub async fn keep(
    db: Db,
    objects: OwnObjects,
    state: watch::Sender<Anchored>,
    mut ending: watch::Receiver<bool>,
) {
    let mut said = 0;
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(EVERY) => false,
            _ = ending.wait_for(|ending| *ending) => true,
        };
        match put(&db, &objects, &mut said).await {
            Ok(anchored) => _ = state.send_replace(anchored),
            Err(why) => state.send_modify(|state| {
                if state.failing.as_deref() != Some(&why) {
                    tracing::warn!(error = %why, "the head of the ledger could not be anchored");
                }
                state.failing = Some(why);
            }),
        }
        if last {
            return;
        }
    }
}

async fn put(db: &Db, objects: &OwnObjects, said: &mut i64) -> Result<Anchored, String> {
    let words = |error: DbError| error.to_string();
    let mut connection = db.acquire().await.map_err(words)?;
    let head = audit::head(&mut connection).await.map_err(words)?;
    if head.seq > *said {
        // The second witness: a log that is shipped away cannot be changed here.
        tracing::info!("audit head {}", line(&head));
        *said = head.seq;
    }
    let Heads { text, version } = objects.heads().await.map_err(|error| error.to_string())?;
    for known in parse(&text).iter().rev() {
        let hash = audit::hash_of(&mut connection, known.seq)
            .await
            .map_err(words)?;
        let first = audit::first(&mut connection).await.map_err(words)?;
        if hash.as_ref() != Some(&known.hash) && known.seq >= first {
            tracing::error!(
                audit.seq = known.seq,
                "the ledger was tampered with: an anchored row is not in the database; run `qipan-portal audit verify`"
            );
            return Ok(Anchored {
                seq: known.seq,
                lost: Some(known.seq),
                failing: None,
            });
        }
        // The newest one that is as it was vouches for all before it, by the chain.
        if hash.is_some() {
            break;
        }
    }
    let newest = parse(&text).last().map_or(0, |head| head.seq);
    if head.seq > newest {
        let older = text.lines().map(str::to_owned);
        let lines = thin(std::iter::once(line(&head)).chain(older).collect());
        objects
            .put_heads(&Heads {
                text: lines.join("\n"),
                version,
            })
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(Anchored {
        seq: head.seq.max(newest),
        lost: None,
        failing: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: i64) -> Head {
        Head {
            seq,
            at: 1_700_000_000_000_000,
            hash: format!("{seq:064x}"),
        }
    }

    #[test]
    fn heads_are_read_from_the_object_and_from_the_log() {
        let text = format!(
            "{}\n2026-11-22T10:00:00Z  INFO portal::audit: audit head {}\nno head\n5 abc\n",
            line(&head(7)),
            line(&head(12))
        );
        let seqs: Vec<_> = parse(&text).iter().map(|head| head.seq).collect();
        assert_eq!(seqs, [7, 12]);
    }

    #[test]
    fn the_ladder_is_dense_at_the_new_end_and_reaches_far_back() {
        let mut ladder = Vec::new();
        for seq in (1..=200_000).step_by(10) {
            ladder.insert(0, line(&head(seq)));
            ladder = thin(ladder);
        }
        let seqs: Vec<_> = parse(&ladder.join("\n"))
            .iter()
            .map(|head| head.seq)
            .collect();
        assert!(ladder.len() <= 96, "{}", ladder.len());
        assert_eq!(seqs[seqs.len() - 1], 199_991);
        assert_eq!(seqs[seqs.len() - 32], 199_991 - 310);
        assert_eq!(seqs[0], 1);
        // The gap before an anchored row is never wider than its distance from the end.
        for pair in seqs.windows(2).filter(|pair| pair[1] < 199_000) {
            assert!(pair[1] - pair[0] <= 199_991 - pair[0], "{pair:?}");
            assert!(
                pair[1] - pair[0] <= (199_991 - pair[1]),
                "{pair:?} in {seqs:?}"
            );
        }
    }
}
