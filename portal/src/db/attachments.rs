//! Files that were handed in with a request, by the request's uid and the file's digest.
//!
//! Each upload is a row of its own, also where the same file was handed in before: taking one back takes nobody else's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sqlx::{AnyConnection, Row as _};

use super::{DbError, new_id, statements};

statements! {
    PUT = "INSERT INTO attachments (id, request, digest, media_type, size, contents, author, created) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    FIND = "SELECT media_type, contents FROM attachments WHERE request = $1 AND digest = $2 ORDER BY id LIMIT 1";
    TAKE_BACK = "DELETE FROM attachments WHERE id = $1";
}

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
    let row = sqlx::query(FIND)
        .bind(request)
        .bind(digest)
        .fetch_optional(connection)
        .await?;
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
