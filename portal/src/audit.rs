//! The ledger of acts: every change, sign-in, refusal and export is a row, and each row is bound to the one before it.
//!
//! `chain.rs` hashes, `append.rs` writes, `verify.rs` proves or names the first bad row, `keeper.rs` keeps acts while the
//! database cannot be written, `anchor.rs` puts the head where the database cannot reach it.

pub mod anchor;
pub mod append;
pub mod archive;
pub mod chain;
pub mod commands;
pub mod keeper;
pub mod page;
pub mod verify;

use sha2::{Digest as _, Sha256};

use crate::db::hex;
use crate::identity::User;

/// By which way something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// In the portal.
    Portal,
    /// With kubectl.
    Kubectl,
    /// By the operator.
    Operator,
    /// By another client of the API server.
    Api,
    /// At a terminal, with `qipan-portal`.
    Terminal,
    /// Nobody says.
    Unknown,
}

impl Via {
    /// Its word in the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Portal => "portal",
            Self::Kubectl => "kubectl",
            Self::Operator => "operator",
            Self::Api => "api",
            Self::Terminal => "terminal",
            Self::Unknown => "unknown",
        }
    }

    /// The way that a word names.
    #[must_use]
    pub fn of(word: &str) -> Self {
        let known = [
            Self::Portal,
            Self::Kubectl,
            Self::Operator,
            Self::Api,
            Self::Terminal,
        ];
        let found = known.into_iter().find(|via| via.word() == word);
        found.unwrap_or(Self::Unknown)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// Its word in the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
        }
    }
}

/// What is to be recorded. Text that is not known is empty; an unknown person is empty with [`Via::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it happened, in microseconds.
    pub happened: i64,
    /// Who: the username that the API server sees.
    pub actor: String,
    /// The digest of their groups, by [`groups_digest`].
    pub groups: String,
    /// By which way.
    pub via: Via,
    /// What was done: a verb of Kubernetes, or one of the portal's (`sign-in`, `export`).
    pub verb: String,
    /// The kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion after the act.
    pub resource_version: String,
    /// What was there before, as JSON.
    pub before: String,
    /// What is there now, as JSON; of a refusal, its reason.
    pub after: String,
    /// The request's id, as the API server's audit log has it.
    pub request_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Names the act: recorded once, however often it is tried.
    pub key: String,
}

impl Entry {
    /// An act of a person in the portal, without an object.
    #[must_use]
    pub fn of_portal(user: &User, verb: &str, request_id: &str, now: jiff::Timestamp) -> Self {
        Self {
            happened: crate::db::micros(now),
            actor: user.name.clone(),
            groups: groups_digest(&user.groups_as_authenticated()),
            via: Via::Portal,
            verb: verb.to_owned(),
            kind: String::new(),
            namespace: String::new(),
            name: String::new(),
            uid: String::new(),
            resource_version: String::new(),
            before: String::new(),
            after: String::new(),
            request_id: request_id.to_owned(),
            outcome: Outcome::Ok,
            key: format!("portal/{verb}/{request_id}"),
        }
    }

    /// The same, refused for a reason.
    #[must_use]
    pub fn refused(mut self, reason: &str) -> Self {
        self.outcome = Outcome::Refused;
        self.after = serde_json::json!({ "reason": reason }).to_string();
        self.key.push_str("/refused");
        self
    }
}

/// The digest of a set of groups: says whether two acts were done with the same, and not which.
#[must_use]
pub fn groups_digest(groups: &[String]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<_> = groups.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sorted.dedup();
    hex(&Sha256::digest(sorted.join("\n").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_one_digest_in_any_order() {
        let one = groups_digest(&["b".into(), "a".into(), "a".into()]);
        assert_eq!(one, groups_digest(&["a".into(), "b".into()]));
        assert_ne!(one, groups_digest(&["ab".into()]));
        assert_eq!(groups_digest(&[]), "");
    }
}
