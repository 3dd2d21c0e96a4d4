//! Who has signed in, and what the identity provider said of them then. What that is, is the identity's affair: text here.

use sqlx::{AnyConnection, Row as _};

use super::{DbError, statements};

statements! {
    UPDATE = "UPDATE people SET subject = $1, contents = $2, seen = $3 WHERE username = $4";
    INSERT = "INSERT INTO people (username, subject, contents, seen) VALUES ($1, $2, $3, $4)";
    FIND = "SELECT contents, seen FROM people WHERE username = $1";
    OF_SUBJECT = "SELECT username FROM people WHERE subject = $1 ORDER BY username";
}

/// What is known of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the identity keeps, as JSON.
    pub contents: String,
    /// When they signed in last, in microseconds.
    pub seen: i64,
}

/// Notes that somebody has signed in.
///
/// # Errors
/// The database fails.
pub async fn seen(
    connection: &mut AnyConnection,
    (username, subject): (&str, &str),
    contents: &str,
    now: i64,
) -> Result<(), DbError> {
    if update(connection, (username, subject), contents, now).await? {
        return Ok(());
    }
    let inserted = sqlx::query(INSERT)
        .bind(username)
        .bind(subject)
        .bind(contents)
        .bind(now)
        .execute(&mut *connection)
        .await;
    match inserted.map_err(DbError::from) {
        // Another browser of the same person was first.
        Err(DbError::Conflict(_)) => {
            update(connection, (username, subject), contents, now).await?;
            Ok(())
        }
        other => other.map(drop),
    }
}

async fn update(
    connection: &mut AnyConnection,
    (username, subject): (&str, &str),
    contents: &str,
    now: i64,
) -> Result<bool, DbError> {
    let updated = sqlx::query(UPDATE)
        .bind(subject)
        .bind(contents)
        .bind(now)
        .bind(username)
        .execute(connection)
        .await?;
    Ok(updated.rows_affected() == 1)
}

/// What is known of a person.
///
/// # Errors
/// The database fails.
pub async fn find(
    connection: &mut AnyConnection,
    username: &str,
) -> Result<Option<Known>, DbError> {
    let row = sqlx::query(FIND)
        .bind(username)
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(Known {
            contents: row.try_get(0)?,
            seen: row.try_get(1)?,
        })
    })
    .transpose()
}

/// The usernames under which a subject of the provider has signed in.
///
/// # Errors
/// The database fails.
pub async fn of_subject(
    connection: &mut AnyConnection,
    subject: &str,
) -> Result<Vec<String>, DbError> {
    if subject.is_empty() {
        return Ok(Vec::new());
    }
    let names = sqlx::query_scalar(OF_SUBJECT)
        .bind(subject)
        .fetch_all(connection)
        .await?;
    Ok(names)
}
