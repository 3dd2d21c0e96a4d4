//! What the authority announces: a title, a text, from when until when, and whether who is not signed in sees it too.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{DbError, new_id, statements, text};

statements! {
    INSERT = "INSERT INTO bulletins (id, title, body, author, public, starts, ends, created, changed) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    NOW = "SELECT id, title, body, author, public, starts, ends, created FROM bulletins \
        WHERE starts <= $1 AND ends > $1 AND public >= $2 ORDER BY starts DESC, id LIMIT 20";
    NEWEST = "SELECT id, title, body, author, public, starts, ends, created FROM bulletins ORDER BY created DESC, id LIMIT $1";
    END = "UPDATE bulletins SET ends = $1, changed = $1 WHERE id = $2 AND ends > $1";
}

/// An announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bulletin {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Who announced it.
    pub author: String,
    /// Whether it is shown before anybody signs in.
    pub public: bool,
    /// From when it is shown, in microseconds.
    pub starts: i64,
    /// Until when, in microseconds.
    pub ends: i64,
    /// When it was written, in microseconds.
    pub created: i64,
}

/// Announces something and gives its id.
///
/// # Errors
/// The database fails.
pub async fn put(
    connection: &mut AnyConnection,
    author: &str,
    (title, body, public): (&str, &str, bool),
    (starts, ends): (i64, i64),
    now: i64,
) -> Result<String, DbError> {
    let id = new_id()?;
    sqlx::query(INSERT)
        .bind(id.as_str())
        .bind(text(title).as_ref())
        .bind(text(body).as_ref())
        .bind(author)
        .bind(i64::from(public))
        .bind(starts)
        .bind(ends)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(id)
}

/// What is announced at a moment; to who is not signed in only what is for everybody.
///
/// # Errors
/// The database fails.
pub async fn at(
    connection: &mut AnyConnection,
    only_public: bool,
    now: i64,
) -> Result<Vec<Bulletin>, DbError> {
    let query = sqlx::query(NOW).bind(now).bind(i64::from(only_public));
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// Everything that was announced, newest first.
///
/// # Errors
/// The database fails.
pub async fn newest(connection: &mut AnyConnection, limit: i64) -> Result<Vec<Bulletin>, DbError> {
    let rows = sqlx::query(NEWEST)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// Takes an announcement down; false where it was over already. What was announced stays on record.
///
/// # Errors
/// The database fails.
pub async fn end(connection: &mut AnyConnection, id: &str, now: i64) -> Result<bool, DbError> {
    let ended = sqlx::query(END)
        .bind(now)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(ended.rows_affected() == 1)
}

fn read(row: &AnyRow) -> Result<Bulletin, DbError> {
    Ok(Bulletin {
        id: row.try_get(0)?,
        title: row.try_get(1)?,
        body: row.try_get(2)?,
        author: row.try_get(3)?,
        public: row.try_get::<i64, _>(4)? > 0,
        starts: row.try_get(5)?,
        ends: row.try_get(6)?,
        created: row.try_get(7)?,
    })
}
