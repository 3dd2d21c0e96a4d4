//! What somebody has begun to write and not submitted: it survives a lost session, another browser, a restart.
//!
//! Only the owner's name opens a draft. `revision` counts saves, so that a stale tab cannot overwrite a newer save.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{DbError, new_id, statements, text};

statements! {
    INSERT = "INSERT INTO drafts (id, owner, purpose, title, contents, revision, created, changed) \
        VALUES ($1, $2, $3, $4, $5, 1, $6, $6)";
    FIND = "SELECT id, owner, purpose, title, contents, revision, created, changed FROM drafts \
        WHERE id = $1 AND owner = $2";
    SAVE = "UPDATE drafts SET title = $1, contents = $2, revision = revision + 1, changed = $3 \
        WHERE id = $4 AND owner = $5 AND revision = $6";
    OF_OWNER = "SELECT id, owner, purpose, title, contents, revision, created, changed FROM drafts \
        WHERE owner = $1 ORDER BY changed DESC LIMIT $2";
    COUNT = "SELECT COUNT(*) FROM drafts WHERE owner = $1";
    ALL_OF = "SELECT owner, id FROM drafts WHERE purpose = $1";
    DELETE = "DELETE FROM drafts WHERE id = $1 AND owner = $2";
    SWEEP = "DELETE FROM drafts WHERE changed < $1";
}

/// A draft holds no more than this, in bytes.
pub const LARGEST: usize = 256 * 1024;
/// A person has no more than this.
pub const MOST: i64 = 100;

/// A draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// What it is to become, for example `ResourceRequest`.
    pub purpose: String,
    /// What its owner calls it.
    pub title: String,
    /// What was written so far, as JSON.
    pub contents: String,
    /// How often it was saved.
    pub revision: i64,
    /// When it was begun, in microseconds.
    pub created: i64,
    /// When it was saved last, in microseconds.
    pub changed: i64,
}

/// A draft could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// It is too large.
    #[error(
        "the draft has {0} bytes, more than {LARGEST}: shorten it, or attach long texts as files"
    )]
    TooLarge(usize),
    /// The person has too many.
    #[error("there are {MOST} drafts already: submit or delete one of them first")]
    TooMany,
    /// There is no such draft of this person.
    #[error("there is no such draft: it was submitted or deleted")]
    NoDraft,
    /// Another tab saved it meanwhile.
    #[error(
        "the draft was saved elsewhere meanwhile: load it again, what you typed here is not saved"
    )]
    Stale,
    /// The database fails.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Begins a draft and gives it back.
///
/// # Errors
/// It is too large, there are too many, or the database fails.
pub async fn begin(
    connection: &mut AnyConnection,
    owner: &str,
    (purpose, title, contents): (&str, &str, &str),
    now: i64,
) -> Result<Draft, DraftError> {
    fits(contents)?;
    let count: i64 = sqlx::query_scalar(COUNT)
        .bind(owner)
        .fetch_one(&mut *connection)
        .await
        .map_err(DbError::from)?;
    if count >= MOST {
        return Err(DraftError::TooMany);
    }
    let draft = Draft {
        id: new_id()?,
        owner: owner.to_owned(),
        purpose: purpose.to_owned(),
        title: text(title).into_owned(),
        contents: text(contents).into_owned(),
        revision: 1,
        created: now,
        changed: now,
    };
    sqlx::query(INSERT)
        .bind(draft.id.as_str())
        .bind(draft.owner.as_str())
        .bind(draft.purpose.as_str())
        .bind(draft.title.as_str())
        .bind(draft.contents.as_str())
        .bind(now)
        .execute(connection)
        .await
        .map_err(DbError::from)?;
    Ok(draft)
}

/// A draft of a person.
///
/// # Errors
/// There is none, or the database fails.
pub async fn find(
    connection: &mut AnyConnection,
    owner: &str,
    id: &str,
) -> Result<Draft, DraftError> {
    let row = sqlx::query(FIND)
        .bind(id)
        .bind(owner)
        .fetch_optional(connection)
        .await;
    let row = row.map_err(DbError::from)?.ok_or(DraftError::NoDraft)?;
    Ok(read(&row)?)
}

/// Saves what was written since `revision`, and gives the new revision.
///
/// # Errors
/// It is too large, gone, or was saved elsewhere since; or the database fails.
pub async fn save(
    connection: &mut AnyConnection,
    (owner, id, revision): (&str, &str, i64),
    (title, contents): (&str, &str),
    now: i64,
) -> Result<i64, DraftError> {
    fits(contents)?;
    let saved = sqlx::query(SAVE)
        .bind(text(title).as_ref())
        .bind(text(contents).as_ref())
        .bind(now)
        .bind(id)
        .bind(owner)
        .bind(revision)
        .execute(&mut *connection)
        .await
        .map_err(DbError::from)?;
    if saved.rows_affected() == 1 {
        return Ok(revision + 1);
    }
    find(connection, owner, id).await?;
    Err(DraftError::Stale)
}

/// The drafts of a person, newest first.
///
/// # Errors
/// The database fails.
pub async fn of(connection: &mut AnyConnection, owner: &str) -> Result<Vec<Draft>, DbError> {
    let rows = sqlx::query(OF_OWNER)
        .bind(owner)
        .bind(MOST)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// Every draft of a purpose: its owner and its id.
///
/// # Errors
/// The database fails.
pub async fn all(
    connection: &mut AnyConnection,
    purpose: &str,
) -> Result<Vec<(String, String)>, DbError> {
    let rows = sqlx::query(ALL_OF)
        .bind(purpose)
        .fetch_all(connection)
        .await?;
    let pair = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(pair).collect()
}

/// Deletes a draft: it was submitted, or is not wanted.
///
/// # Errors
/// The database fails.
pub async fn delete(
    connection: &mut AnyConnection,
    owner: &str,
    id: &str,
) -> Result<bool, DbError> {
    let deleted = sqlx::query(DELETE)
        .bind(id)
        .bind(owner)
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Removes drafts that nobody changed since a moment.
///
/// # Errors
/// The database fails.
pub async fn sweep(connection: &mut AnyConnection, unchanged_since: i64) -> Result<u64, DbError> {
    Ok(sqlx::query(SWEEP)
        .bind(unchanged_since)
        .execute(connection)
        .await?
        .rows_affected())
}

fn fits(contents: &str) -> Result<(), DraftError> {
    if contents.len() > LARGEST {
        return Err(DraftError::TooLarge(contents.len()));
    }
    Ok(())
}

fn read(row: &AnyRow) -> Result<Draft, DbError> {
    Ok(Draft {
        id: row.try_get(0)?,
        owner: row.try_get(1)?,
        purpose: row.try_get(2)?,
        title: row.try_get(3)?,
        contents: row.try_get(4)?,
        revision: row.try_get(5)?,
        created: row.try_get(6)?,
        changed: row.try_get(7)?,
    })
}
