//! Old rows leave the database only into a file, and a row of the chain says which ones and with what hash.

use serde::{Deserialize, Serialize};

use super::chain::Row;

/// The verb of the row that says so.
pub const VERB: &str = "archive";

/// What that row says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// The newest archived row.
    pub through: i64,
    /// Its hash.
    pub hash: String,
}

/// The end of the archived rows, as a row of the chain says it.
#[must_use]
pub fn end_of(row: &Row) -> Option<(i64, String)> {
    let archived: Archived = serde_json::from_str(&row.after).ok()?;
    Some((archived.through, archived.hash))
}
