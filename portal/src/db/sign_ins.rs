//! Sign-ins that wait for the identity provider's answer, and its messages that count once. Each is taken by one replica.

use sqlx::AnyConnection;

use super::{DbError, statements};

statements! {
    INSERT = "INSERT INTO sign_ins (digest, contents, began) VALUES ($1, $2, $3)";
    FIND = "SELECT contents FROM sign_ins WHERE digest = $1";
    REMOVE = "DELETE FROM sign_ins WHERE digest = $1";
    SWEEP = "DELETE FROM sign_ins WHERE began < $1";
    TAKE = "INSERT INTO taken_tokens (id, expires) VALUES ($1, $2)";
    FORGET = "DELETE FROM taken_tokens WHERE expires < $1";
}

/// Keeps a sign-in that was begun, and forgets those begun before a moment.
///
/// # Errors
/// The database fails.
pub async fn begin(
    connection: &mut AnyConnection,
    (digest, contents): (&str, &str),
    now: i64,
    begun_before: i64,
) -> Result<(), DbError> {
    sqlx::query(SWEEP)
        .bind(begun_before)
        .execute(&mut *connection)
        .await?;
    sqlx::query(INSERT)
        .bind(digest)
        .bind(contents)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a sign-in: whoever comes second with it gets nothing.
///
/// # Errors
/// The database fails.
pub async fn take(connection: &mut AnyConnection, digest: &str) -> Result<Option<String>, DbError> {
    let contents: Option<String> = sqlx::query_scalar(FIND)
        .bind(digest)
        .fetch_optional(&mut *connection)
        .await?;
    let removed = sqlx::query(REMOVE).bind(digest).execute(connection).await?;
    Ok(contents.filter(|_| removed.rows_affected() == 1))
}

/// Takes a message of the provider by its id; false where it was taken before.
///
/// # Errors
/// The database fails.
pub async fn take_token(
    connection: &mut AnyConnection,
    id: &str,
    expires: i64,
    now: i64,
) -> Result<bool, DbError> {
    sqlx::query(FORGET)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    let taken = sqlx::query(TAKE)
        .bind(id)
        .bind(expires)
        .execute(connection)
        .await;
    match taken.map_err(DbError::from) {
        Ok(_) => Ok(true),
        Err(DbError::Conflict(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
