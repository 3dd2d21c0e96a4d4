//! Reads the ledger for people: what was done, narrowed down, newest first.
//!
//! A page is found by its newest row's number, never by counting. The first narrowing that has an index leads; the others
//! are applied to what it finds.

use sqlx::{AnyConnection, Row as _};

use super::audit::read;
use super::{DbError, statements};
use crate::audit::chain::Row;

/// What every list selects, and narrows by what does not lead.
macro_rules! list {
    ($leading:literal) => {
        concat!(
            "SELECT seq, at, happened, actor, actor_groups, via, verb, kind, namespace, name, uid, resource_version, \
             before_state, after_state, request_id, outcome, entry_key, algorithm, prev, hash FROM audit \
             WHERE seq < $1 AND seq >= $2 ",
            $leading,
            " AND ($4 = '' OR actor = $4) AND ($5 = '' OR kind = $5) AND ($6 = '' OR namespace = $6) \
             AND ($7 = '' OR name = $7) AND ($8 = '' OR verb = $8) AND ($9 = '' OR outcome = $9) \
             AND ($10 = '' OR via = $10) ORDER BY seq DESC LIMIT $3"
        )
    };
}

statements! {
    ALL_OF_THEM = list!("");
    OF_ACTOR = list!("AND actor = $4");
    OF_OBJECT = list!("AND kind = $5 AND namespace = $6 AND name = $7");
    OF_NAMESPACE = list!("AND namespace = $6");
    OF_VERB = list!("AND verb = $8");
    OF_OUTCOME = list!("AND outcome = $9");
    SEQ_AT = "SELECT seq FROM audit WHERE at >= $1 ORDER BY at, seq LIMIT 1";
}

/// What a list is narrowed to; empty text narrows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrow {
    /// Who.
    pub actor: String,
    /// The kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What was done.
    pub verb: String,
    /// How it ended.
    pub outcome: String,
    /// By which way.
    pub via: String,
    /// Recorded from this moment on, in microseconds; absent: from the first.
    pub from: Option<i64>,
    /// Recorded before this moment.
    pub to: Option<i64>,
    /// Older than this row.
    pub below: Option<i64>,
    /// So many at most.
    pub limit: i64,
}

impl Default for Narrow {
    fn default() -> Self {
        let none = String::new;
        Self {
            actor: none(),
            kind: none(),
            namespace: none(),
            name: none(),
            verb: none(),
            outcome: none(),
            via: none(),
            from: None,
            to: None,
            below: None,
            limit: 50,
        }
    }
}

impl Narrow {
    /// The statement whose index narrows most.
    const fn statement(&self) -> &'static str {
        if !self.name.is_empty() && !self.kind.is_empty() {
            OF_OBJECT
        } else if !self.actor.is_empty() {
            OF_ACTOR
        } else if !self.namespace.is_empty() {
            OF_NAMESPACE
        } else if !self.outcome.is_empty() && self.verb.is_empty() {
            OF_OUTCOME
        } else if !self.verb.is_empty() {
            OF_VERB
        } else {
            ALL_OF_THEM
        }
    }
}

/// The rows, newest first.
///
/// # Errors
/// The database fails.
pub async fn list(connection: &mut AnyConnection, narrow: &Narrow) -> Result<Vec<Row>, DbError> {
    let mut low = i64::MIN;
    if let Some(from) = narrow.from {
        match seq_at(connection, from).await? {
            Some(seq) => low = seq,
            None => return Ok(Vec::new()),
        }
    }
    let mut high = narrow.below.unwrap_or(i64::MAX);
    if let Some(to) = narrow.to
        && let Some(seq) = seq_at(connection, to).await?
    {
        high = high.min(seq);
    }
    let rows = sqlx::query(narrow.statement())
        .bind(high)
        .bind(low)
        .bind(narrow.limit)
        .bind(narrow.actor.as_str())
        .bind(narrow.kind.as_str())
        .bind(narrow.namespace.as_str())
        .bind(narrow.name.as_str())
        .bind(narrow.verb.as_str())
        .bind(narrow.outcome.as_str())
        .bind(narrow.via.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// The first row that was recorded at a moment or later: rows are recorded in the order of their numbers.
async fn seq_at(connection: &mut AnyConnection, at: i64) -> Result<Option<i64>, DbError> {
    Ok(sqlx::query(SEQ_AT)
        .bind(at)
        .fetch_optional(connection)
        .await?
        .map(|row| row.try_get(0))
        .transpose()?)
}
