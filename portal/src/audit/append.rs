//! Appends to the chain: one at a time over all replicas, whole or not at all.

use sqlx::AnyConnection;

use super::Entry;
use super::chain::{Algorithm, GENESIS, Row};
use crate::db::audit::{self, Head};
use crate::db::{Db, DbError};

/// Appends acts in their order and gives the new end of the chain. Those that are recorded already are left out.
///
/// # Errors
/// The database cannot be written; nothing of it is kept then.
pub async fn append(
    db: &Db,
    algorithm: Algorithm,
    entries: &[Entry],
    now: i64,
) -> Result<Head, DbError> {
    let mut transaction = db.begin().await?;
    let head = append_in(&mut transaction, algorithm, entries, now).await?;
    transaction.commit().await?;
    Ok(head)
}

/// The same within a transaction that writes more, which is to be kept together with the rows.
///
/// # Errors
/// As of [`append`]; the transaction must be given up then.
pub async fn append_in(
    connection: &mut AnyConnection,
    algorithm: Algorithm,
    entries: &[Entry],
    now: i64,
) -> Result<Head, DbError> {
    // First the write that locks, then the reading: SQLite cannot turn a reader into a writer once another wrote.
    audit::lock_head(connection).await?;
    let mut head = audit::head(connection).await?;
    for entry in entries {
        let prev = if head.seq == 0 { GENESIS } else { &head.hash };
        // A clock that goes back does not reorder the ledger.
        let row = Row::bind(entry, head.seq + 1, now.max(head.at), algorithm, prev);
        if audit::insert(connection, &row).await? {
            head = Head {
                seq: row.seq,
                at: row.at,
                hash: row.hash,
            };
        }
    }
    audit::set_head(connection, &head).await?;
    Ok(head)
}
