//! Tokens of the API, by digest: named, of one person, with an end. A revoked one stays listed until its end has passed.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{DbError, statements};

statements! {
    INSERT = "INSERT INTO api_tokens (id, digest, username, title, scope, created, expires, used, revoked) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)";
    FIND = "SELECT id, username, title, scope, created, expires, used, revoked FROM api_tokens WHERE digest = $1";
    OF_USER = "SELECT id, username, title, scope, created, expires, used, revoked FROM api_tokens WHERE username = $1 \
        ORDER BY created DESC, id";
    COUNT = "SELECT COUNT(*) FROM api_tokens WHERE username = $1 AND revoked = 0 AND expires > $2";
    TOUCH = "UPDATE api_tokens SET used = $1 WHERE id = $2 AND used < $1";
    REVOKE = "UPDATE api_tokens SET revoked = $1 WHERE id = $2 AND username = $3 AND revoked = 0";
    SWEEP = "DELETE FROM api_tokens WHERE expires < $1";
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// Its id, by which it is named.
    pub id: String,
    /// Whose it is.
    pub username: String,
    /// What its person calls it.
    pub title: String,
    /// What it may.
    pub scope: String,
    /// When it was made, in microseconds.
    pub created: i64,
    /// When it ends.
    pub expires: i64,
    /// When it was used last; 0 where never.
    pub used: i64,
    /// When it was revoked; 0 where it was not.
    pub revoked: i64,
}

/// Keeps a new token, and forgets those that ended before a moment.
///
/// # Errors
/// The database fails.
pub async fn insert(
    connection: &mut AnyConnection,
    (token, digest): (&StoredToken, &str),
    ended_before: i64,
) -> Result<(), DbError> {
    sqlx::query(SWEEP)
        .bind(ended_before)
        .execute(&mut *connection)
        .await?;
    sqlx::query(INSERT)
        .bind(token.id.as_str())
        .bind(digest)
        .bind(token.username.as_str())
        .bind(token.title.as_str())
        .bind(token.scope.as_str())
        .bind(token.created)
        .bind(token.expires)
        .execute(connection)
        .await?;
    Ok(())
}

/// The token of a digest. Whether it still counts is the caller's judgement.
///
/// # Errors
/// The database fails.
pub async fn find(
    connection: &mut AnyConnection,
    digest: &str,
) -> Result<Option<StoredToken>, DbError> {
    let row = sqlx::query(FIND)
        .bind(digest)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The tokens of a person, newest first.
///
/// # Errors
/// The database fails.
pub async fn of_user(
    connection: &mut AnyConnection,
    username: &str,
) -> Result<Vec<StoredToken>, DbError> {
    let rows = sqlx::query(OF_USER)
        .bind(username)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// How many tokens of a person count at a moment.
///
/// # Errors
/// The database fails.
pub async fn count(
    connection: &mut AnyConnection,
    username: &str,
    now: i64,
) -> Result<i64, DbError> {
    let count = sqlx::query_scalar(COUNT)
        .bind(username)
        .bind(now)
        .fetch_one(connection)
        .await?;
    Ok(count)
}

/// Counts a token as used.
///
/// # Errors
/// The database fails.
pub async fn touch(connection: &mut AnyConnection, id: &str, now: i64) -> Result<(), DbError> {
    sqlx::query(TOUCH)
        .bind(now)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Revokes a token of a person; false where there is none that counts.
///
/// # Errors
/// The database fails.
pub async fn revoke(
    connection: &mut AnyConnection,
    (username, id): (&str, &str),
    now: i64,
) -> Result<bool, DbError> {
    let revoked = sqlx::query(REVOKE)
        .bind(now)
        .bind(id)
        .bind(username)
        .execute(connection)
        .await?;
    Ok(revoked.rows_affected() == 1)
}

fn read(row: &AnyRow) -> Result<StoredToken, DbError> {
    Ok(StoredToken {
        id: row.try_get(0)?,
        username: row.try_get(1)?,
        title: row.try_get(2)?,
        scope: row.try_get(3)?,
        created: row.try_get(4)?,
        expires: row.try_get(5)?,
        used: row.try_get(6)?,
        revoked: row.try_get(7)?,
    })
}
