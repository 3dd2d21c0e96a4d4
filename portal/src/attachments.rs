//! Files that are handed in with a request: taken from a form, judged by their content, kept in the database, named by digest in
//! the request, and given to whoever may see it. `content.rs` judges, `form.rs` takes, `db/attachments.rs` keeps.

pub mod content;
pub mod form;

use axum::extract::Path;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use crds::ResourceRequest;
use crds::resource_request::Attachment;
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};

use crate::db::attachments::{self as table, Upload};
use crate::db::{Db, DbError, hex, micros};
use crate::error::AppError;
use crate::forms::is_hidden;
use crate::i18n::Lang;
use crate::identity::User;
use crate::live::Visit;
use crate::requests;
use content::Content;

/// The largest file, in bytes.
pub const LARGEST: usize = 10_000_000;
/// How many files one answer has.
pub const MOST: usize = 5;
/// The longest name, in characters, as the kind's schema has it.
const LONGEST_NAME: usize = 255;

/// A file that may be handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub content: Content,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Why a file is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is larger than [`LARGEST`].
    TooLarge(String),
    /// There are more than [`MOST`].
    TooMany,
    /// All of it together is more than a form carries; what came after it is lost.
    TooMuch,
    /// It has no content.
    Empty(String),
    /// Its content is nothing that is taken.
    Content(String),
    /// Its name says that it is something else.
    Ending(String, Content),
    /// It has no name, or too long a one.
    Name,
}

impl Wrong {
    /// What is wrong and what to do, in words.
    #[must_use]
    pub fn words(&self, lang: Lang) -> String {
        let (most, largest) = (MOST.to_string(), size(LARGEST as u64));
        let kinds = content::accepted();
        let mut figures = vec![
            ("most", most.as_str()),
            ("largest", &largest),
            ("kinds", &kinds),
        ];
        let endings;
        let key = match self {
            Self::TooLarge(name) => {
                figures.push(("name", name));
                "wrong.file-large"
            }
            Self::TooMany => "wrong.file-many",
            Self::TooMuch => "wrong.file-much",
            Self::Empty(name) => {
                figures.push(("name", name));
                "wrong.file-empty"
            }
            Self::Content(name) => {
                figures.push(("name", name));
                "wrong.file-content"
            }
            Self::Ending(name, content) => {
                endings = content.endings().join("/");
                figures.extend([("name", name.as_str()), ("endings", &endings)]);
                "wrong.file-ending"
            }
            Self::Name => "wrong.file-name",
        };
        lang.say(key, &figures)
    }
}

/// A size as one reads it: decimal, with one digit after the point from a megabyte on.
#[must_use]
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => {
            let tenths = bytes.div_ceil(100_000);
            match tenths % 10 {
                0 => format!("{} MB", tenths / 10),
                rest => format!("{}.{rest} MB", tenths / 10),
            }
        }
    }
}

/// A name without folders, control characters and marks that turn the direction of writing, which hide an ending.
fn plain(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.replace(is_hidden, "").trim().to_owned()
}

impl File {
    /// A file, where it may be handed in.
    ///
    /// # Errors
    /// Why it may not.
    pub fn of(name: &str, bytes: Vec<u8>) -> Result<Self, Wrong> {
        let name = plain(name);
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Err(Wrong::Name);
        }
        if bytes.is_empty() {
            return Err(Wrong::Empty(name));
        }
        if bytes.len() > LARGEST {
            return Err(Wrong::TooLarge(name));
        }
        let Some(content) = Content::of(&bytes) else {
            return Err(Wrong::Content(name));
        };
        if !content.is_called(&name) {
            return Err(Wrong::Ending(name, content));
        }
        Ok(Self {
            name,
            content,
            bytes,
        })
    }

    /// How a request names it.
    #[must_use]
    pub fn entry(&self) -> Attachment {
        Attachment {
            name: self.name.clone(),
            digest: digest(&self.bytes),
            size: i64::try_from(self.bytes.len()).unwrap_or(i64::MAX),
            media_type: self.content.media_type().to_owned(),
        }
    }
}

/// The digest of content, as requests have it.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// Keeps files for a request, all or none; gives what [`take_back`] needs.
///
/// # Errors
/// The database fails.
pub async fn keep(
    db: &Db,
    user: &User,
    request: &ResourceRequest,
    files: &[File],
) -> Result<Vec<String>, DbError> {
    let uid = request.uid().unwrap_or_default();
    let now = micros(crate::background::now());
    let mut transaction = db.begin().await?;
    let mut kept = Vec::new();
    for file in files {
        let upload = Upload {
            request: &uid,
            digest: &digest(&file.bytes),
            media_type: file.content.media_type(),
            bytes: &file.bytes,
            author: &user.name,
        };
        kept.push(table::put(&mut transaction, upload, now).await?);
    }
    transaction.commit().await?;
    Ok(kept)
}

/// Takes back files that no request came to name. Where that fails they stay, and nobody can see them.
pub async fn take_back(db: &Db, kept: &[String]) {
    let taken = async {
        let mut transaction = db.begin().await?;
        for id in kept {
            table::take_back(&mut transaction, id).await?;
        }
        Ok::<_, DbError>(transaction.commit().await?)
    };
    if let Err(error) = taken.await {
        tracing::warn!(%error, files = kept.len(), "files that no request names stay in the database");
    }
}

/// A file that a request names, as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is called.
    pub name: String,
    /// How large it is.
    pub size: String,
    /// Where it is given.
    pub href: String,
}

/// The files that a request names in a list of it.
#[must_use]
pub fn links(request: &ResourceRequest, files: &[Attachment]) -> Vec<Link> {
    let link = |file: &Attachment| Link {
        name: file.name.clone(),
        size: size(file.size.unsigned_abs()),
        href: format!(
            "{}/files/{}",
            requests::href(request),
            file.digest.trim_start_matches("sha256:")
        ),
    };
    files.iter().map(link).collect()
}

/// Every file that a request names.
pub fn named(request: &ResourceRequest) -> impl Iterator<Item = &Attachment> {
    let answers = request.spec.answers.iter();
    let answers = answers.flat_map(|answer| &answer.attachments);
    request.spec.application.attachments.iter().chain(answers)
}

/// Gives a file to somebody who may see the request that names it. What it is called is the request's word; what it is was
/// judged when it was handed in.
///
/// # Errors
/// There is no such request or file that the person may see, it is not kept here, or the database gives no answer.
pub async fn give(
    visit: Visit,
    Path((tenant, name, sha256)): Path<(String, String, String)>,
) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let request = requests::page::find(&visit, &visible, &tenant, &name)?;
    let wanted = format!("sha256:{sha256}");
    let entry = named(&request).find(|file| file.digest == wanted);
    let entry = entry.ok_or(AppError::NoPage)?;
    let db = &visit.records()?.db;
    let uid = request.uid().unwrap_or_default();
    let found = async { table::find(&mut *db.acquire().await?, &uid, &wanted).await };
    let found = found.await.map_err(|error| AppError::database(&error))?;
    let (media_type, bytes) = found.ok_or(AppError::NoFile)?;
    if digest(&bytes) != wanted {
        return Err(AppError::internal(format!(
            "attachment {wanted} of request {uid} is not what was handed in"
        )));
    }
    let headers = [
        (CONTENT_TYPE, media_type),
        (CONTENT_DISPOSITION, disposition(&entry.name)),
    ];
    Ok((headers, bytes).into_response())
}

/// To be kept under a name, also one with rare characters (RFC 6266).
fn disposition(name: &str) -> String {
    let name = plain(name);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let ascii: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    let whole = url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
    let whole = whole.replace('+', "%20").replace('*', "%2A");
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests;
