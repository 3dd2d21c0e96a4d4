//! How a row of the ledger is hashed. Others can compute it from this page alone.
//!
//! The bytes are the 14 of `qipan.audit.v1`, then each field in the order of `Row::fields`, as its length in bytes
//! (8 bytes, most significant first) and its UTF-8 text; numbers are decimal text. The hash is SHA-256 or SM3 of that, in
//! small hexadecimal letters. `prev` is the hash of the row before, 64 zeros for the first: it is the last field.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sm3::Sm3;

use super::Entry;
use crate::db::{hex, text};

/// What the first row is bound to.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Names and keys are no longer than this, in bytes: PostgreSQL indexes no long texts.
const LONGEST_WORD: usize = 512;
/// What was before and after is no longer than this, in bytes.
const LONGEST_STATE: usize = 256 * 1024;

const DOMAIN: &[u8] = b"qipan.audit.v1";

/// What rows are hashed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Algorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SM3 (GB/T 32905).
    Sm3,
}

impl Algorithm {
    /// Its word in the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sm3 => "sm3",
        }
    }

    /// The algorithm of a row.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Sha256, Self::Sm3]
            .into_iter()
            .find(|algorithm| algorithm.word() == word)
    }

    fn hash(self, row: &Row) -> String {
        match self {
            Self::Sha256 => digest::<Sha256>(row),
            Self::Sm3 => digest::<Sm3>(row),
        }
    }
}

fn digest<D: Digest>(row: &Row) -> String {
    let mut digest = D::new();
    digest.update(DOMAIN);
    let (seq, at, happened) = (
        row.seq.to_string(),
        row.at.to_string(),
        row.happened.to_string(),
    );
    let numbers = [seq.as_str(), at.as_str(), happened.as_str()];
    for field in numbers.into_iter().chain(row.fields()) {
        digest.update((field.len() as u64).to_be_bytes());
        digest.update(field.as_bytes());
    }
    hex(&digest.finalize())
}

/// Text as a row keeps it: without what PostgreSQL cannot store, and what is too long by its beginning and its digest.
fn bounded(value: &str, longest: usize) -> String {
    let value = text(value);
    if value.len() <= longest {
        return value.into_owned();
    }
    let mut end = longest - 100;
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    let digest = hex(&Sha256::digest(value.as_bytes()));
    format!(
        "{}… [{} bytes, sha256 {digest}]",
        &value[..end],
        value.len()
    )
}

/// A row as it is stored. Its words are text: what somebody wrote into the database by hand is read as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the fields are those of `Entry`, and the columns"
)]
pub struct Row {
    /// 1, 2, 3 and so on.
    pub seq: i64,
    /// When it was recorded, in microseconds; never earlier than the row before.
    pub at: i64,
    pub happened: i64,
    pub actor: String,
    pub groups: String,
    pub via: String,
    pub verb: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    pub before: String,
    pub after: String,
    pub request_id: String,
    pub outcome: String,
    pub key: String,
    pub algorithm: String,
    pub prev: String,
    pub hash: String,
}

impl Row {
    /// The row of an act, bound to the one before it.
    #[must_use]
    pub fn bind(entry: &Entry, seq: i64, at: i64, algorithm: Algorithm, prev: &str) -> Self {
        let clean = |value: &str| bounded(value, LONGEST_WORD);
        let state = |value: &str| bounded(value, LONGEST_STATE);
        let mut row = Self {
            seq,
            at,
            happened: entry.happened,
            actor: clean(&entry.actor),
            groups: clean(&entry.groups),
            via: entry.via.word().to_owned(),
            verb: clean(&entry.verb),
            kind: clean(&entry.kind),
            namespace: clean(&entry.namespace),
            name: clean(&entry.name),
            uid: clean(&entry.uid),
            resource_version: clean(&entry.resource_version),
            before: state(&entry.before),
            after: state(&entry.after),
            request_id: clean(&entry.request_id),
            outcome: entry.outcome.word().to_owned(),
            key: clean(&entry.key),
            algorithm: algorithm.word().to_owned(),
            prev: prev.to_owned(),
            hash: String::new(),
        };
        row.hash = algorithm.hash(&row);
        row
    }

    /// What its fields are called, in the order of [`Self::cells`].
    pub const COLUMNS: [&str; 20] = [
        "seq",
        "at",
        "happened",
        "actor",
        "groups",
        "via",
        "verb",
        "kind",
        "namespace",
        "name",
        "uid",
        "resourceVersion",
        "before",
        "after",
        "requestId",
        "outcome",
        "key",
        "algorithm",
        "prev",
        "hash",
    ];

    /// Its fields as text; moments as people read them.
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        let moment = |at| {
            jiff::Timestamp::from_microsecond(at)
                .unwrap_or_default()
                .to_string()
        };
        let mut cells = vec![self.seq.to_string(), moment(self.at), moment(self.happened)];
        cells.extend(self.fields().map(str::to_owned));
        cells.push(self.hash.clone());
        cells
    }

    /// The texts that are hashed after the three numbers, in this order.
    fn fields(&self) -> [&str; 16] {
        [
            &self.actor,
            &self.groups,
            &self.via,
            &self.verb,
            &self.kind,
            &self.namespace,
            &self.name,
            &self.uid,
            &self.resource_version,
            &self.before,
            &self.after,
            &self.request_id,
            &self.outcome,
            &self.key,
            &self.algorithm,
            &self.prev,
        ]
    }

    /// The hash that its fields should have; nothing where its algorithm is none of ours.
    #[must_use]
    pub fn expected_hash(&self) -> Option<String> {
        Algorithm::of(&self.algorithm).map(|algorithm| algorithm.hash(self))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::audit::{Outcome, Via};

    pub(crate) fn entry(nth: usize) -> Entry {
        Entry {
            happened: 1_700_000_000_000_000,
            actor: "cs-approver".into(),
            groups: String::new(),
            via: Via::Kubectl,
            verb: "update".into(),
            kind: "TenantQuota".into(),
            namespace: "qp-shuiwu".into(),
            name: format!("pei-{nth}"),
            uid: "u-7".into(),
            resource_version: nth.to_string(),
            before: "{}".into(),
            after: "{\"spec\":{\"hard\":{\"cpu\":\"4\"}}}".into(),
            request_id: "r-1".into(),
            outcome: Outcome::Ok,
            key: format!("u-7/{nth}"),
        }
    }

    /// Computed by another program (Python's hashlib) from the description above: an implementation that others can
    /// repeat.
    #[test]
    fn the_hash_is_the_described_one() {
        let row = Row::bind(
            &entry(1),
            1,
            1_700_000_000_000_001,
            Algorithm::Sha256,
            GENESIS,
        );
        assert_eq!(
            row.hash,
            "fb0a26e1156f0b669507060179f483baf176308ee873277f023f0d4c3ad0b98b"
        );
        let row = Row::bind(&entry(1), 1, 1_700_000_000_000_001, Algorithm::Sm3, GENESIS);
        assert_eq!(
            row.hash,
            "8bd1208cd57f4e99ef5cebb85f7738f72c9b80a00d6f043197af59ffdff4ecde"
        );
    }

    #[test]
    fn what_is_too_long_keeps_its_beginning_and_its_digest() {
        let mut long = entry(1);
        long.actor = "长".repeat(10_000);
        long.before = "x\0y".into();
        let row = Row::bind(&long, 1, 5, Algorithm::Sha256, GENESIS);
        assert!(row.actor.len() <= LONGEST_WORD && row.actor.starts_with("长长"));
        assert!(row.actor.contains("30000 bytes, sha256 "));
        assert_eq!(row.before, "x\u{fffd}y");
        assert_eq!(row.expected_hash().as_deref(), Some(row.hash.as_str()));
    }

    #[test]
    fn every_field_counts_and_none_can_flow_into_the_next() {
        let first = Row::bind(&entry(1), 1, 5, Algorithm::Sha256, GENESIS);
        let mut shifted = first.clone();
        shifted.kind = "TenantQuotaqp".into();
        shifted.namespace = "-shuiwu".into();
        assert_ne!(shifted.expected_hash(), first.expected_hash());
        for change in [
            |row: &mut Row| row.seq += 1,
            |row: &mut Row| row.at += 1,
            |row: &mut Row| row.happened += 1,
            |row: &mut Row| row.actor.push('x'),
            |row: &mut Row| row.groups.push('x'),
            |row: &mut Row| row.via.push('x'),
            |row: &mut Row| row.verb.push('x'),
            |row: &mut Row| row.kind.push('x'),
            |row: &mut Row| row.namespace.push('x'),
            |row: &mut Row| row.name.push('x'),
            |row: &mut Row| row.uid.push('x'),
            |row: &mut Row| row.resource_version.push('x'),
            |row: &mut Row| row.before.push('x'),
            |row: &mut Row| row.after.push('x'),
            |row: &mut Row| row.request_id.push('x'),
            |row: &mut Row| row.outcome.push('x'),
            |row: &mut Row| row.key.push('x'),
            |row: &mut Row| row.algorithm = "sm3".into(),
            |row: &mut Row| row.prev.push('x'),
        ] {
            let mut changed = first.clone();
            change(&mut changed);
            assert_ne!(
                changed.expected_hash().as_deref(),
                Some(first.hash.as_str()),
                "{changed:?}"
            );
        }
    }
}
