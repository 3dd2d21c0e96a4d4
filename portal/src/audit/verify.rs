//! Proves the chain, or names the first bad row.
//!
//! [`Verifier`] is pure: rows go in, in their order, and what is wrong comes out. Heads that are known from elsewhere
//! (the anchor on the hub, lines of the log) show what the database alone cannot: that newest rows were cut off, or that
//! everything was hashed anew from some row on.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::chain::{GENESIS, Row};
use crate::db::audit::{self, Head};
use crate::db::{Db, DbError};

/// So many rows are read at once.
const CHUNK: i64 = 1_000;
/// So far back an inserted row is told from an altered one.
const REMEMBERED: usize = 4_096;

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// Its fields do not give its hash.
    Altered,
    /// It was changed and hashed anew: the next row is bound to another hash.
    Rewritten,
    /// It was put in: the next row is bound to the one before it.
    Inserted,
    /// It and what follows are gone: the chain is known to have been longer.
    Cut {
        /// The newest row that is known.
        known: i64,
    },
    /// It is not what was anchored: some row up to `through` was changed and everything after it hashed anew.
    Rehashed {
        /// The anchored row that differs.
        through: i64,
    },
    /// It is beyond the recorded end of the chain.
    BeyondHead,
}

/// The first bad row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its number.
    pub seq: i64,
    /// What is wrong with it.
    pub fault: Fault,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match &self.fault {
            Fault::Missing => write!(f, "row {seq} is missing: it was deleted"),
            Fault::Altered => write!(f, "row {seq} was altered: its fields do not give its hash"),
            Fault::Rewritten => write!(
                f,
                "row {seq} was altered and hashed anew: row {} is bound to another",
                seq + 1
            ),
            Fault::Inserted => write!(
                f,
                "row {seq} was inserted: what follows is bound to row {}",
                seq - 1
            ),
            Fault::Cut { known } => write!(
                f,
                "row {seq} is missing: the newest rows were cut off; row {known} is known to have been written"
            ),
            Fault::Rehashed { through } if *through == seq => write!(
                f,
                "row {seq} is not the one that was anchored: it was changed and everything after it hashed anew"
            ),
            Fault::Rehashed { through } => write!(
                f,
                "row {seq} or a later one up to {through} was changed and everything after it hashed anew: row {through} is \
                 not the one that was anchored, row {} is",
                seq - 1
            ),
            Fault::BeyondHead => write!(
                f,
                "row {seq} was added by another program: it is beyond the recorded end of the chain"
            ),
        }
    }
}

/// What was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The oldest row that is here; those before it are archived. 0: there is none.
    pub first: i64,
    /// The newest row.
    pub last: i64,
    /// Its hash.
    pub hash: String,
    /// The newest row that an anchored head confirms.
    pub anchored: Option<i64>,
}

/// Goes through the rows.
#[derive(Debug)]
pub struct Verifier {
    first: i64,
    /// What the first row that is here is bound to.
    bound_to: String,
    last: i64,
    hash: String,
    recent: VecDeque<(i64, String)>,
    anchors: BTreeMap<i64, String>,
    agreed: i64,
    broken: Option<BadRow>,
    archived: Vec<(i64, String)>,
}

impl Verifier {
    /// A verifier that knows heads from elsewhere.
    #[must_use]
    pub fn new(anchors: &[Head]) -> Self {
        Self {
            first: 0,
            bound_to: GENESIS.to_owned(),
            last: 0,
            hash: GENESIS.to_owned(),
            recent: VecDeque::new(),
            anchors: anchors
                .iter()
                .filter(|head| head.seq > 0)
                .map(|head| (head.seq, head.hash.clone()))
                .collect(),
            agreed: 0,
            broken: None,
            archived: Vec::new(),
        }
    }

    /// The next row. False once something is wrong: later rows tell nothing then.
    pub fn feed(&mut self, row: &Row) -> bool {
        if self.broken.is_some() {
            return false;
        }
        if self.first == 0 {
            self.begin(row);
        }
        if let Some(bad) = self.judge(row) {
            self.broken = Some(bad);
            return false;
        }
        if let Some(expected) = self.anchors.get(&row.seq) {
            if *expected != row.hash {
                let fault = Fault::Rehashed { through: row.seq };
                self.broken = Some(BadRow {
                    seq: self.agreed + 1,
                    fault,
                });
                return false;
            }
            self.agreed = row.seq;
        }
        if row.verb == super::archive::VERB {
            self.archived.extend(super::archive::end_of(row));
        }
        self.last = row.seq;
        self.hash.clone_from(&row.hash);
        self.recent.push_back((row.seq, row.hash.clone()));
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        true
    }

    /// Rows before the first one may be archived; a row of the chain must say so, which is seen at the end.
    fn begin(&mut self, row: &Row) {
        self.first = row.seq;
        if row.seq > 1 {
            self.last = row.seq - 1;
            self.agreed = self.last;
            self.bound_to.clone_from(&row.prev);
            self.hash.clone_from(&row.prev);
        }
    }

    fn judge(&self, row: &Row) -> Option<BadRow> {
        let bad = |seq, fault| Some(BadRow { seq, fault });
        if row.seq != self.last + 1 {
            return bad(self.last + 1, Fault::Missing);
        }
        let sound = row.expected_hash().as_ref() == Some(&row.hash);
        if row.prev == self.hash {
            return if sound {
                None
            } else {
                bad(row.seq, Fault::Altered)
            };
        }
        // Bound to an older row than the one before it: those between were put in.
        let older = self.recent.iter().rev().find(|(_, hash)| *hash == row.prev);
        match older {
            Some((seq, _)) => bad(seq + 1, Fault::Inserted),
            None if sound && row.seq > 1 => bad(row.seq - 1, Fault::Rewritten),
            None => bad(row.seq, Fault::Altered),
        }
    }

    /// The judgement, once every row was seen.
    ///
    /// # Errors
    /// The first bad row.
    pub fn finish(self, head: &Head) -> Result<Proof, BadRow> {
        if let Some(bad) = self.broken {
            return Err(bad);
        }
        let bad = |seq, fault| Err(BadRow { seq, fault });
        let archived = (self.first - 1, self.bound_to);
        if self.first > 1 && !self.archived.contains(&archived) {
            // What is archived is not missing: the first that is comes after it.
            let ends = self.archived.iter().map(|(seq, _)| *seq);
            let end = ends.filter(|seq| *seq < archived.0).max();
            return bad(end.unwrap_or(0) + 1, Fault::Missing);
        }
        let known = self
            .anchors
            .keys()
            .next_back()
            .copied()
            .unwrap_or(0)
            .max(head.seq);
        if known > self.last {
            return bad(self.last + 1, Fault::Cut { known });
        }
        if head.seq < self.last {
            return bad(head.seq + 1, Fault::BeyondHead);
        }
        if head.seq > 0 && head.hash != self.hash {
            return bad(head.seq, Fault::Altered);
        }
        let anchored = self.anchors.keys().next_back().copied();
        Ok(Proof {
            first: self.first,
            last: self.last,
            hash: self.hash,
            anchored,
        })
    }
}

/// Reads the whole chain and proves it against heads that are known from elsewhere, which must have been read before.
///
/// # Errors
/// The database fails. What is wrong with the chain is the inner error.
pub async fn verify(db: &Db, anchors: &[Head]) -> Result<Result<Proof, BadRow>, DbError> {
    let mut connection = db.acquire().await?;
    let mut verifier = Verifier::new(anchors);
    let mut seq = 0;
    loop {
        let rows = audit::after(&mut connection, seq, CHUNK).await?;
        if let Some(row) = rows.last() {
            seq = row.seq;
            if rows.iter().all(|row| verifier.feed(row)) {
                continue;
            }
        }
        // Rows and head are written together: what was appended during the reading is read as well.
        let head = audit::head(&mut connection).await?;
        if verifier.broken.is_none() && head.seq > verifier.last {
            let more = audit::after(&mut connection, seq, 1).await?;
            if !more.is_empty() {
                continue;
            }
        }
        return Ok(verifier.finish(&head));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::Algorithm;
    use crate::audit::chain::tests::entry;

    fn chain(rows: usize) -> Vec<Row> {
        let mut chain: Vec<Row> = Vec::new();
        for (nth, seq) in (1..=rows).zip(1..) {
            let prev = chain
                .last()
                .map_or(GENESIS, |row| row.hash.as_str())
                .to_owned();
            let algorithm = if nth % 2 == 0 {
                Algorithm::Sm3
            } else {
                Algorithm::Sha256
            };
            chain.push(Row::bind(&entry(nth), seq, 1_000 + seq, algorithm, &prev));
        }
        chain
    }

    /// Hashes anew from an index on, as somebody would who has the whole database.
    fn rehash(chain: &mut [Row], from: usize) {
        for index in from..chain.len() {
            let prev = if index == 0 {
                GENESIS.to_owned()
            } else {
                chain[index - 1].hash.clone()
            };
            let row = &mut chain[index];
            row.prev = prev;
            row.seq = i64::try_from(index).unwrap() + 1;
            row.hash = row.expected_hash().unwrap();
        }
    }

    fn head(chain: &[Row]) -> Head {
        chain.last().map_or(
            Head {
                seq: 0,
                at: 0,
                hash: String::new(),
            },
            |row| Head {
                seq: row.seq,
                at: row.at,
                hash: row.hash.clone(),
            },
        )
    }

    fn judge(chain: &[Row], head: &Head, anchors: &[Head]) -> Result<Proof, BadRow> {
        let mut verifier = Verifier::new(anchors);
        for row in chain {
            if !verifier.feed(row) {
                break;
            }
        }
        verifier.finish(head)
    }

    fn bad(seq: i64, fault: Fault) -> Result<Proof, BadRow> {
        Err(BadRow { seq, fault })
    }

    #[test]
    fn an_untouched_chain_is_proven() {
        let rows = chain(9);
        let anchors = [head(&rows[..4]), head(&rows[..9])];
        let proof = judge(&rows, &head(&rows), &anchors).unwrap();
        assert_eq!((proof.first, proof.last, proof.anchored), (1, 9, Some(9)));
        assert_eq!(judge(&[], &head(&[]), &[]).unwrap().last, 0);
    }

    #[test]
    fn each_way_of_tampering_names_the_first_bad_row() {
        let whole = chain(9);
        let end = head(&whole);
        let edited = |change: fn(&mut Vec<Row>)| {
            let mut rows = whole.clone();
            change(&mut rows);
            judge(&rows, &end, &[])
        };
        assert_eq!(
            edited(|rows| rows[4].actor.push('x')),
            bad(5, Fault::Altered)
        );
        assert_eq!(
            edited(|rows| rows[4].algorithm = "md5".into()),
            bad(5, Fault::Altered)
        );
        assert_eq!(
            edited(|rows| {
                rows[4].actor.push('x');
                rows[4].hash = rows[4].expected_hash().unwrap();
            }),
            bad(5, Fault::Rewritten)
        );
        assert_eq!(edited(|rows| drop(rows.remove(4))), bad(5, Fault::Missing));
        assert_eq!(edited(|rows| drop(rows.drain(..2))), bad(1, Fault::Missing));
        assert_eq!(
            edited(|rows| drop(rows.drain(7..))),
            bad(8, Fault::Cut { known: 9 })
        );
        assert_eq!(
            edited(|rows| {
                rows.swap(2, 6);
                (rows[2].seq, rows[6].seq) = (3, 7);
            }),
            bad(3, Fault::Altered)
        );
        // Numbers were closed up after a deletion.
        assert_eq!(
            edited(|rows| {
                rows.remove(4);
                rows.iter_mut()
                    .zip(1..)
                    .for_each(|(row, seq)| row.seq = seq);
            }),
            bad(5, Fault::Altered)
        );
    }

    #[test]
    fn a_row_that_was_put_in_is_named() {
        let whole = chain(9);
        let end = head(&whole);
        let mut rows = whole.clone();
        let forged = Row::bind(&entry(77), 5, 1_005, Algorithm::Sha256, &rows[3].hash);
        rows.insert(4, forged);
        rows.iter_mut()
            .zip(1..)
            .for_each(|(row, seq)| row.seq = seq);
        assert_eq!(judge(&rows, &end, &[]), bad(5, Fault::Inserted));
        // Added at the end, without the head.
        let mut rows = whole.clone();
        rows.push(Row::bind(
            &entry(77),
            10,
            1_010,
            Algorithm::Sha256,
            &rows[8].hash,
        ));
        assert_eq!(judge(&rows, &end, &[]), bad(10, Fault::BeyondHead));
    }

    #[test]
    fn what_the_database_alone_cannot_show_the_anchors_do() {
        let whole = chain(9);
        let every: Vec<_> = (1..=9).map(|n| head(&whole[..n])).collect();
        let some: Vec<_> = [3, 6, 9].map(|n| head(&whole[..n])).into();
        for from in 0..9 {
            let mut rows = whole.clone();
            rows[from].actor.push('x');
            rehash(&mut rows, from);
            assert!(
                judge(&rows, &head(&rows), &[]).is_ok(),
                "consistent in itself"
            );
            let seq = i64::try_from(from).unwrap() + 1;
            assert_eq!(
                judge(&rows, &head(&rows), &every),
                bad(seq, Fault::Rehashed { through: seq })
            );
            let low = (seq - 1) / 3 * 3 + 1;
            assert_eq!(
                judge(&rows, &head(&rows), &some),
                bad(low, Fault::Rehashed { through: low + 2 })
            );
        }
        for left in 0..9 {
            let rows = &whole[..left];
            let seq = i64::try_from(left).unwrap() + 1;
            assert_eq!(
                judge(rows, &head(rows), &some),
                bad(seq, Fault::Cut { known: 9 })
            );
        }
    }

    #[test]
    fn archived_rows_are_missing_unless_the_chain_says_that_they_are_archived() {
        let mut rows = chain(9);
        let (through, hash) = (rows[3].seq, rows[3].hash.clone());
        assert_eq!(judge(&rows[4..], &head(&rows), &[]), bad(1, Fault::Missing));
        rows[7].verb = crate::audit::archive::VERB.to_owned();
        rows[7].after =
            serde_json::json!({ "first": 1, "through": through, "hash": hash }).to_string();
        rehash(&mut rows, 7);
        let proof = judge(&rows[4..], &head(&rows), &[]).unwrap();
        assert_eq!((proof.first, proof.last), (5, 9));
        // What lies between the archived ones and the first that is here.
        assert_eq!(judge(&rows[5..], &head(&rows), &[]), bad(5, Fault::Missing));
        assert_eq!(judge(&rows[6..], &head(&rows), &[]), bad(5, Fault::Missing));
        // Another end than the archived one.
        assert_eq!(judge(&rows[3..], &head(&rows), &[]), bad(1, Fault::Missing));
    }
}
