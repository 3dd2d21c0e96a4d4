//! Files that were handed in with a request, by the request's uid and the file's digest.
//!
//! Each upload is a row of its own, also where the same file was handed in before: taking one back takes nobody else's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{DbError, new_id, statements};

statements! {
    PUT = "INSERT INTO attachments (id, request, digest, media_type, size, contents, author, created) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    FIND = "SELECT media_type, contents FROM attachments WHERE request = $1 AND digest = $2 ORDER BY id LIMIT 1";
    FIND_PENDING = "SELECT media_type, contents FROM attachments WHERE request >= 'draft:' AND request < 'draft;' \
        AND digest = $1 AND author = $2 ORDER BY id LIMIT 1";
    TAKE_BACK = "DELETE FROM attachments WHERE id = $1";
    REMOVE = "DELETE FROM attachments WHERE request = $1 AND digest = $2";
    CLEAR = "DELETE FROM attachments WHERE request = $1";
    MOVE = "UPDATE attachments SET request = $1 WHERE request = $2";
    NAMES = "SELECT DISTINCT request, digest FROM attachments";
    AUTHOR = "SELECT author FROM attachments WHERE request = $1 LIMIT 1";
    REMOVE_OLD = "DELETE FROM attachments WHERE request = $1 AND digest = $2 AND created < $3";
}

/// What the place of files begins with that wait for their request.
pub const PENDING: &str = "draft:";

/// A file on its way in.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// The uid of the request that is to name it.
    pub request: &'a str,
    /// `sha256:` and 64 digits.
    pub digest: &'a str,
    /// What it is, judged by its content.
    pub media_type: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
    /// Who hands it in.
    pub author: &'a str,
}

/// Keeps a file; gives the id by which it can be taken back.
///
/// # Errors
/// The database fails.
pub async fn put(
    connection: &mut AnyConnection,
    upload: Upload<'_>,
    now: i64,
) -> Result<String, DbError> {
    let id = new_id()?;
    let size = i64::try_from(upload.bytes.len()).unwrap_or(i64::MAX);
    sqlx::query(PUT)
        .bind(id.as_str())
        .bind(upload.request)
        .bind(upload.digest)
        .bind(upload.media_type)
        .bind(size)
        .bind(STANDARD.encode(upload.bytes))
        .bind(upload.author)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(id)
}

/// What a file is, and its content; nothing where it was not handed in here.
///
/// # Errors
/// The database fails, or what it holds is no file of ours.
pub async fn find(
    connection: &mut AnyConnection,
    request: &str,
    digest: &str,
) -> Result<Option<(String, Vec<u8>)>, DbError> {
    let row = sqlx::query(FIND).bind(request).bind(digest);
    read(row.fetch_optional(connection).await?, digest)
}

/// The same of a file of somebody's that still waits for the request.
///
/// # Errors
/// The database fails, or what it holds is no file of ours.
pub async fn find_pending(
    connection: &mut AnyConnection,
    author: &str,
    digest: &str,
) -> Result<Option<(String, Vec<u8>)>, DbError> {
    let row = sqlx::query(FIND_PENDING).bind(digest).bind(author);
    read(row.fetch_optional(connection).await?, digest)
}

fn read(row: Option<AnyRow>, digest: &str) -> Result<Option<(String, Vec<u8>)>, DbError> {
    let Some(row) = row else { return Ok(None) };
    let contents: String = row.try_get(1)?;
    let bytes = STANDARD
        .decode(contents)
        .map_err(|error| DbError::Other(format!("attachment {digest}: {error}")))?;
    Ok(Some((row.try_get(0)?, bytes)))
}

/// Takes back a file that no request came to name.
///
/// # Errors
/// The database fails.
pub async fn take_back(connection: &mut AnyConnection, id: &str) -> Result<(), DbError> {
    sqlx::query(TAKE_BACK).bind(id).execute(connection).await?;
    Ok(())
}

/// Takes a file out of a place.
///
/// # Errors
/// The database fails.
pub async fn remove(
    connection: &mut AnyConnection,
    place: &str,
    digest: &str,
) -> Result<(), DbError> {
    let removed = sqlx::query(REMOVE).bind(place).bind(digest);
    removed.execute(connection).await?;
    Ok(())
}

/// Takes every file out of a place.
///
/// # Errors
/// The database fails.
pub async fn clear(connection: &mut AnyConnection, place: &str) -> Result<(), DbError> {
    sqlx::query(CLEAR).bind(place).execute(connection).await?;
    Ok(())
}

/// Gives what waits in a place to a request.
///
/// # Errors
/// The database fails.
pub async fn move_to(
    connection: &mut AnyConnection,
    place: &str,
    request: &str,
) -> Result<(), DbError> {
    let moved = sqlx::query(MOVE).bind(request).bind(place);
    moved.execute(connection).await?;
    Ok(())
}

/// Which files there are: the place and the digest of each.
///
/// # Errors
/// The database fails.
pub async fn names(connection: &mut AnyConnection) -> Result<Vec<(String, String)>, DbError> {
    let rows = sqlx::query(NAMES).fetch_all(connection).await?;
    let pair = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(pair).collect()
}

/// Who handed in what waits in a place.
///
/// # Errors
/// The database fails.
pub async fn author(
    connection: &mut AnyConnection,
    place: &str,
) -> Result<Option<String>, DbError> {
    let author = sqlx::query_scalar(AUTHOR).bind(place);
    Ok(author.fetch_optional(connection).await?)
}

/// Removes a file that was handed in before a moment.
///
/// # Errors
/// The database fails.
pub async fn remove_old(
    connection: &mut AnyConnection,
    (place, digest): (&str, &str),
    before: i64,
) -> Result<u64, DbError> {
    let removed = sqlx::query(REMOVE_OLD)
        .bind(place)
        .bind(digest)
        .bind(before);
    Ok(removed.execute(connection).await?.rows_affected())
}
