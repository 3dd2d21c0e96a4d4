//! The rows of the ledger. Appending goes through `crate::audit::append`; nothing changes a row, and only archiving removes one.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{DbError, statements};
use crate::audit::chain::Row;

statements! {
    LOCK_HEAD = "UPDATE audit_head SET seq = seq WHERE id = 1";
    HEAD = "SELECT seq, at, hash FROM audit_head WHERE id = 1";
    SET_HEAD = "UPDATE audit_head SET seq = $1, at = $2, hash = $3 WHERE id = 1";
    INSERT = "INSERT INTO audit (seq, at, happened, actor, actor_groups, via, verb, kind, namespace, name, uid, \
        resource_version, before_state, after_state, request_id, outcome, entry_key, algorithm, prev, hash) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) \
        ON CONFLICT (entry_key) DO NOTHING";
    AFTER = "SELECT seq, at, happened, actor, actor_groups, via, verb, kind, namespace, name, uid, resource_version, \
        before_state, after_state, request_id, outcome, entry_key, algorithm, prev, hash \
        FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
    FIRST = "SELECT CAST(COALESCE(MIN(seq), 0) AS BIGINT) FROM audit";
    REMOVE_THROUGH = "DELETE FROM audit WHERE seq <= $1";
    HASH_OF = "SELECT hash FROM audit WHERE seq = $1";
}

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest row; 0 where there is none.
    pub seq: i64,
    /// When it was recorded, in microseconds.
    pub at: i64,
    /// Its hash.
    pub hash: String,
}

/// Takes the lock under which rows are appended; it is held to the end of the transaction.
///
/// # Errors
/// Somebody holds it for too long, or the head is gone.
pub async fn lock_head(connection: &mut AnyConnection) -> Result<(), DbError> {
    let locked = sqlx::query(LOCK_HEAD).execute(connection).await?;
    if locked.rows_affected() == 1 {
        Ok(())
    } else {
        Err(DbError::Damaged("audit_head has no row".to_owned()))
    }
}

/// The end of the chain.
///
/// # Errors
/// The database fails, or the head is gone.
pub async fn head(connection: &mut AnyConnection) -> Result<Head, DbError> {
    let row = sqlx::query(HEAD).fetch_optional(connection).await?;
    let row = row.ok_or_else(|| DbError::Damaged("audit_head has no row".to_owned()))?;
    Ok(Head {
        seq: row.try_get(0)?,
        at: row.try_get(1)?,
        hash: row.try_get(2)?,
    })
}

/// Says where the chain ends now.
///
/// # Errors
/// The database fails.
pub async fn set_head(connection: &mut AnyConnection, head: &Head) -> Result<(), DbError> {
    sqlx::query(SET_HEAD)
        .bind(head.seq)
        .bind(head.at)
        .bind(head.hash.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes a row; false where its act is recorded already.
///
/// # Errors
/// Another row has its number, or the database fails.
pub async fn insert(connection: &mut AnyConnection, row: &Row) -> Result<bool, DbError> {
    let mut query = sqlx::query(INSERT)
        .bind(row.seq)
        .bind(row.at)
        .bind(row.happened);
    for text in [
        &row.actor,
        &row.groups,
        &row.via,
        &row.verb,
        &row.kind,
        &row.namespace,
        &row.name,
        &row.uid,
        &row.resource_version,
        &row.before,
        &row.after,
        &row.request_id,
        &row.outcome,
        &row.key,
        &row.algorithm,
        &row.prev,
        &row.hash,
    ] {
        query = query.bind(text.as_str());
    }
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

/// Up to `limit` rows after a number, oldest first.
///
/// # Errors
/// The database fails.
pub async fn after(
    connection: &mut AnyConnection,
    seq: i64,
    limit: i64,
) -> Result<Vec<Row>, DbError> {
    let rows = sqlx::query(AFTER)
        .bind(seq)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// The oldest row that is here; 0 where there is none.
///
/// # Errors
/// The database fails.
pub async fn first(connection: &mut AnyConnection) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(FIRST).fetch_one(connection).await?)
}

/// Removes the oldest rows: `crate::audit::archive` has put them into a file.
///
/// # Errors
/// The database fails.
pub async fn remove_through(connection: &mut AnyConnection, seq: i64) -> Result<u64, DbError> {
    let removed = sqlx::query(REMOVE_THROUGH)
        .bind(seq)
        .execute(connection)
        .await?;
    Ok(removed.rows_affected())
}

/// The hash of a row, where there is such a row.
///
/// # Errors
/// The database fails.
pub async fn hash_of(connection: &mut AnyConnection, seq: i64) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar(HASH_OF)
        .bind(seq)
        .fetch_optional(connection)
        .await?)
}

/// A row as it is stored.
pub(super) fn read(row: &AnyRow) -> Result<Row, DbError> {
    let text = |column: usize| row.try_get::<String, _>(column);
    Ok(Row {
        seq: row.try_get(0)?,
        at: row.try_get(1)?,
        happened: row.try_get(2)?,
        actor: text(3)?,
        groups: text(4)?,
        via: text(5)?,
        verb: text(6)?,
        kind: text(7)?,
        namespace: text(8)?,
        name: text(9)?,
        uid: text(10)?,
        resource_version: text(11)?,
        before: text(12)?,
        after: text(13)?,
        request_id: text(14)?,
        outcome: text(15)?,
        key: text(16)?,
        algorithm: text(17)?,
        prev: text(18)?,
        hash: text(19)?,
    })
}
