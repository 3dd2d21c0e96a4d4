//! Sessions, by the digest of their token. What a session contains is the identity's affair: it is text here.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{DbError, statements};

statements! {
    INSERT = "INSERT INTO sessions (digest, username, provider_session, contents, began, used) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    FIND = "SELECT digest, username, provider_session, contents, began, used FROM sessions WHERE digest = $1";
    TOUCH = "UPDATE sessions SET used = $1 WHERE digest = $2 AND used < $1";
    RENEW = "UPDATE sessions SET digest = $1, contents = $2, used = $3 WHERE digest = $4";
    OF_USER = "SELECT digest, username, provider_session, contents, began, used FROM sessions WHERE username = $1 \
        ORDER BY used DESC, digest";
    END = "DELETE FROM sessions WHERE digest = $1";
    END_OTHERS = "DELETE FROM sessions WHERE username = $1 AND digest <> $2";
    END_OF_USER = "DELETE FROM sessions WHERE username = $1";
    END_OF_PROVIDER = "DELETE FROM sessions WHERE provider_session = $1";
    SWEEP = "DELETE FROM sessions WHERE used < $1 OR began < $2";
}

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// The digest of the token, in hexadecimal.
    pub digest: String,
    /// Whose it is.
    pub username: String,
    /// The identity provider's own session (`sid`), by which it ends this one; empty where there is none.
    pub provider_session: String,
    /// What the identity keeps in it, as JSON.
    pub contents: String,
    /// When it began, in microseconds.
    pub began: i64,
    /// When it was used last, in microseconds.
    pub used: i64,
}

/// Keeps a new session.
///
/// # Errors
/// The database fails.
pub async fn insert(
    connection: &mut AnyConnection,
    session: &StoredSession,
) -> Result<(), DbError> {
    sqlx::query(INSERT)
        .bind(session.digest.as_str())
        .bind(session.username.as_str())
        .bind(session.provider_session.as_str())
        .bind(session.contents.as_str())
        .bind(session.began)
        .bind(session.used)
        .execute(connection)
        .await?;
    Ok(())
}

/// The session of a token's digest. Whether it still lives is the caller's judgement.
///
/// # Errors
/// The database fails.
pub async fn find(
    connection: &mut AnyConnection,
    digest: &str,
) -> Result<Option<StoredSession>, DbError> {
    let row = sqlx::query(FIND)
        .bind(digest)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &AnyRow) -> Result<StoredSession, DbError> {
    Ok(StoredSession {
        digest: row.try_get(0)?,
        username: row.try_get(1)?,
        provider_session: row.try_get(2)?,
        contents: row.try_get(3)?,
        began: row.try_get(4)?,
        used: row.try_get(5)?,
    })
}

/// The sessions of a person, the one used last first.
///
/// # Errors
/// The database fails.
pub async fn of_user(
    connection: &mut AnyConnection,
    username: &str,
) -> Result<Vec<StoredSession>, DbError> {
    let rows = sqlx::query(OF_USER)
        .bind(username)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// Counts a session as used.
///
/// # Errors
/// The database fails.
pub async fn touch(connection: &mut AnyConnection, digest: &str, now: i64) -> Result<(), DbError> {
    sqlx::query(TOUCH)
        .bind(now)
        .bind(digest)
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives a session another token and other contents (rotation, step-up); false where it is no more.
///
/// # Errors
/// The database fails.
pub async fn renew(
    connection: &mut AnyConnection,
    digest: &str,
    (new_digest, contents): (&str, &str),
    now: i64,
) -> Result<bool, DbError> {
    let renewed = sqlx::query(RENEW)
        .bind(new_digest)
        .bind(contents)
        .bind(now)
        .bind(digest)
        .execute(connection)
        .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Ends a session.
///
/// # Errors
/// The database fails.
pub async fn end(connection: &mut AnyConnection, digest: &str) -> Result<(), DbError> {
    sqlx::query(END).bind(digest).execute(connection).await?;
    Ok(())
}

/// Ends every session of a person but one, and says how many there were.
///
/// # Errors
/// The database fails.
pub async fn end_others(
    connection: &mut AnyConnection,
    username: &str,
    digest: &str,
) -> Result<u64, DbError> {
    let ended = sqlx::query(END_OTHERS)
        .bind(username)
        .bind(digest)
        .execute(connection)
        .await?;
    Ok(ended.rows_affected())
}

/// Ends every session of a person and says how many there were.
///
/// # Errors
/// The database fails.
pub async fn end_of_user(connection: &mut AnyConnection, username: &str) -> Result<u64, DbError> {
    let ended = sqlx::query(END_OF_USER)
        .bind(username)
        .execute(connection)
        .await?;
    Ok(ended.rows_affected())
}

/// Ends the sessions that came from one session of the identity provider (back-channel logout).
///
/// # Errors
/// The database fails.
pub async fn end_of_provider(
    connection: &mut AnyConnection,
    provider_session: &str,
) -> Result<u64, DbError> {
    if provider_session.is_empty() {
        return Ok(0);
    }
    let ended = sqlx::query(END_OF_PROVIDER)
        .bind(provider_session)
        .execute(connection)
        .await?;
    Ok(ended.rows_affected())
}

/// Removes what was not used since one moment or began before another.
///
/// # Errors
/// The database fails.
pub async fn sweep(
    connection: &mut AnyConnection,
    unused_since: i64,
    begun_before: i64,
) -> Result<u64, DbError> {
    let swept = sqlx::query(SWEEP)
        .bind(unused_since)
        .bind(begun_before)
        .execute(connection)
        .await?;
    Ok(swept.rows_affected())
}
