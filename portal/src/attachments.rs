//! Files that are handed in with a request: taken from a form, judged by their content, kept in the database, named by digest in
//! the request, and given to whoever may see it. `content.rs` judges, `form.rs` takes, `db/attachments.rs` keeps, `keeper.rs` ends
//! what a crash left half done.
//!
//! Files that come before their request, with a draft or with a submission by the API, wait in the [`place`] of an id.

pub mod content;
pub mod form;
pub mod keeper;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use crds::ResourceRequest;
use crds::resource_request::Attachment;
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::AnyConnection;

use crate::cluster::write::WriteError;
use crate::db::attachments::{self as table, Upload};
use crate::db::{Db, DbError, drafts, hex, micros};
use crate::error::AppError;
use crate::forms::is_hidden;
use crate::i18n::Lang;
use crate::identity::User;
use crate::live::Visit;
use crate::records::Records;
use crate::requests;
use content::Content;

/// The largest file, in bytes.
pub const LARGEST: usize = 10_000_000;
/// How many files come at once.
pub const MOST: usize = 5;
/// How many an application names, as the kind's schema has it.
pub const OF_APPLICATION: usize = 16;
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
    /// There is none.
    None,
    /// The application has [`OF_APPLICATION`] already.
    TooManyOfAll,
}

impl Wrong {
    /// What is wrong and what to do, in words.
    #[must_use]
    pub fn words(&self, lang: Lang) -> String {
        let most = if *self == Self::TooManyOfAll {
            OF_APPLICATION
        } else {
            MOST
        };
        let (most, largest) = (most.to_string(), size(LARGEST as u64));
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
            Self::None => "wrong.file-none",
            Self::TooManyOfAll => "wrong.file-full",
        };
        lang.say(key, &figures)
    }

    /// What is wrong with several, in words.
    #[must_use]
    pub fn all_words(wrongs: &[Self], lang: Lang) -> String {
        let words: Vec<_> = wrongs.iter().map(|wrong| wrong.words(lang)).collect();
        words.join(lang.t("sentence.stop"))
    }

    /// The status of an answer that says so.
    #[must_use]
    pub fn status(wrongs: &[Self]) -> StatusCode {
        let large = |wrong: &Self| matches!(wrong, Self::TooLarge(_) | Self::TooMuch);
        if wrongs.iter().any(large) {
            StatusCode::PAYLOAD_TOO_LARGE
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        }
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

/// Where files wait whose request is not there yet.
#[must_use]
pub fn place(draft: &str) -> String {
    format!("{}{draft}", table::PENDING)
}

/// Keeps files in a place: a request's uid, or a [`place`]; gives what takes them back.
///
/// # Errors
/// The database fails.
pub async fn put(
    connection: &mut AnyConnection,
    user: &User,
    place: &str,
    files: &[File],
) -> Result<Vec<String>, DbError> {
    let now = micros(crate::background::now());
    let mut kept = Vec::new();
    for file in files {
        let upload = Upload {
            request: place,
            digest: &digest(&file.bytes),
            media_type: file.content.media_type(),
            bytes: &file.bytes,
            author: &user.name,
        };
        kept.push(table::put(connection, upload, now).await?);
    }
    Ok(kept)
}

/// Files that are kept for a write that is to name them.
#[derive(Debug)]
#[must_use = "what the hub refuses is named by nothing"]
pub struct Kept {
    db: Option<Db>,
    ids: Vec<String>,
}

impl Kept {
    /// Takes the files back where the write that was to name them was refused. Without an answer it may have been done: then
    /// they stay.
    pub async fn settle<T>(self, done: &Result<T, WriteError>) {
        if let (Some(db), Err(error)) = (self.db, done)
            && !matches!(error, WriteError::NoAnswer(_))
        {
            take_back(&db, &self.ids).await;
        }
    }
}

/// Keeps files in a place for a write that was tried dry: nothing is kept for who may not write it, and nothing is named that is
/// not kept.
///
/// # Errors
/// There is no database, or it fails: nothing is kept.
pub async fn keep(
    records: Option<&Records>,
    user: &User,
    (place, files): (&str, &[File]),
) -> Result<Kept, DbError> {
    if files.is_empty() {
        return Ok(Kept {
            db: None,
            ids: Vec::new(),
        });
    }
    let none = || DbError::Gone("there is none".to_owned());
    let db = records.ok_or_else(none)?.db.clone();
    let mut transaction = db.begin().await?;
    let ids = put(&mut transaction, user, place, files).await?;
    transaction.commit().await?;
    Ok(Kept { db: Some(db), ids })
}

/// Takes back files that no request came to name. Where that fails they stay, and nobody can see them.
async fn take_back(db: &Db, kept: &[String]) {
    let taken = async {
        let mut transaction = db.begin().await?;
        for id in kept {
            table::take_back(&mut transaction, id).await?;
        }
        Ok::<_, DbError>(transaction.commit().await?)
    };
    if let Err(error) = taken.await {
        tracing::warn!(%error, files = kept.len(), "files that no request names stay in the database for a day");
    }
}

/// Ends a draft that has become a request, and gives its files to that.
///
/// # Errors
/// The database fails: both stay as they were.
pub async fn hand_over(db: &Db, (owner, draft): (&str, &str), uid: &str) -> Result<(), DbError> {
    let mut transaction = db.begin().await?;
    table::move_to(&mut transaction, &place(draft), uid).await?;
    drafts::delete(&mut transaction, owner, draft).await?;
    Ok(transaction.commit().await?)
}

/// Deletes a draft with its files.
///
/// # Errors
/// The database fails: both stay as they were.
pub async fn drop_draft(db: &Db, (owner, draft): (&str, &str)) -> Result<(), DbError> {
    let mut transaction = db.begin().await?;
    if drafts::delete(&mut transaction, owner, draft).await? {
        table::clear(&mut transaction, &place(draft)).await?;
    }
    Ok(transaction.commit().await?)
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
    let under = format!("{}/files", requests::href(request));
    files.iter().map(|file| link(&under, file)).collect()
}

/// A file that is given under an address.
#[must_use]
pub fn link(under: &str, file: &Attachment) -> Link {
    Link {
        name: file.name.clone(),
        size: size(file.size.unsigned_abs()),
        href: format!("{under}/{}", file.digest.trim_start_matches("sha256:")),
    }
}

/// Every file that a request names.
pub fn named(request: &ResourceRequest) -> impl Iterator<Item = &Attachment> {
    let answers = request.spec.answers.iter();
    let answers = answers.flat_map(|answer| &answer.attachments);
    request.spec.application.attachments.iter().chain(answers)
}

/// Gives a file to somebody who may see the request that names it.
///
/// # Errors
/// There is no such request or file that the person may see, it is not kept here, or the database gives no answer.
pub async fn give(
    visit: Visit,
    Path((tenant, name, sha256)): Path<(String, String, String)>,
) -> Result<Response, AppError> {
    of_request(&visit, &tenant, &name, &sha256).await
}

/// A file of a request that the person may see.
///
/// # Errors
/// There is no such request or file that the person may see, it is not kept here, or the database gives no answer.
pub async fn of_request(
    visit: &Visit,
    tenant: &str,
    name: &str,
    sha256: &str,
) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let request = requests::page::find(visit, &visible, tenant, name)?;
    let wanted = format!("sha256:{sha256}");
    let entry = named(&request).find(|file| file.digest == wanted);
    let entry = entry.ok_or(AppError::NoPage)?;
    let uid = request.uid().unwrap_or_default();
    let applicant = request.spec.applicant.as_deref().unwrap_or_default();
    given(&visit.records()?.db, (&uid, applicant), entry).await
}

/// A file that is kept in a place, or waits for the request of its author. What it is called is the word of who named it; what
/// it is was judged when it was handed in.
///
/// # Errors
/// It is not kept here, or the database gives no answer.
pub async fn given(
    db: &Db,
    (place, author): (&str, &str),
    entry: &Attachment,
) -> Result<Response, AppError> {
    let found = async {
        let mut connection = db.acquire().await?;
        match table::find(&mut connection, place, &entry.digest).await? {
            None => table::find_pending(&mut connection, author, &entry.digest).await,
            found => Ok(found),
        }
    };
    let found = found.await.map_err(|error| AppError::database(&error))?;
    let (media_type, bytes) = found.ok_or(AppError::NoFile)?;
    if digest(&bytes) != entry.digest {
        let (digest, place) = (&entry.digest, place);
        return Err(AppError::internal(format!(
            "attachment {digest} of {place} is not what was handed in"
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
pub(crate) mod tests;
