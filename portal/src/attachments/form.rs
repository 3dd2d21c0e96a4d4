//! A form with files, as a browser sends it: every field that came is kept, whatever is wrong with a file.

use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use futures::StreamExt as _;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::{File, LARGEST, MOST, Wrong};
use crate::error::AppError;
use crate::forms::{Fields, visible};

/// The largest form with files, in bytes. What is read beyond the files that may be taken is thrown away, so that somebody whose
/// file is too large is told so instead of losing the connection.
pub const BODY: usize = 64_000_000;
/// Where the first limit of a form with files ends at the latest, in bytes.
const BEGINNING: usize = 256;
/// The text of a form is no longer, in bytes.
const TEXT: usize = 64 * 1024;

/// What a form said.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Its fields.
    pub fields: Fields,
    /// The files that may be taken.
    pub files: Vec<File>,
    /// Why others are not.
    pub wrongs: Vec<Wrong>,
}

impl From<Fields> for Sent {
    fn from(fields: Fields) -> Self {
        Self {
            fields,
            ..Self::default()
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = AppError;

    /// A form without files may come as any other does.
    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        let kind = request.headers().get(CONTENT_TYPE);
        if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data")) {
            return Fields::from_request(request, state).await.map(Self::from);
        }
        let form = Multipart::from_request(begun(request).await, state).await;
        let mut form = form.map_err(|_| AppError::FormExpired)?;
        let mut sent = Self::default();
        loop {
            let taken = match form.next_field().await {
                Ok(Some(field)) => sent.take(field).await,
                Ok(None) => return Ok(sent),
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                return sent.ended(&error);
            }
        }
    }
}

/// A request whose body has begun. multer 3.1 looks for the first limit in what has come, asks once more, and where the rest of
/// a small form comes just then takes the form for cut off.
async fn begun(request: Request) -> Request {
    let (parts, body) = request.into_parts();
    let mut rest = body.into_data_stream();
    let (mut beginning, mut failed) = (Vec::new(), None);
    while beginning.len() < BEGINNING && failed.is_none() {
        match rest.next().await {
            Some(Ok(bytes)) => beginning.extend_from_slice(&bytes),
            Some(Err(error)) => failed = Some(Err(error)),
            None => break,
        }
    }
    let begun = std::iter::once(Ok(Bytes::from(beginning))).chain(failed);
    let body = futures::stream::iter(begun).chain(rest);
    Request::from_parts(parts, Body::from_stream(body))
}

impl Sent {
    async fn take(&mut self, mut field: Field<'_>) -> Result<(), MultipartError> {
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.file_name().map(str::to_owned);
        let most = if file.is_some() { LARGEST } else { TEXT };
        let (mut bytes, mut size) = (Vec::new(), 0_usize);
        while let Some(chunk) = field.chunk().await? {
            size += chunk.len();
            if size <= most {
                bytes.extend_from_slice(&chunk);
            } else {
                bytes = Vec::new();
            }
        }
        match file {
            None => {
                let text = visible(&String::from_utf8_lossy(&bytes));
                self.fields.0.push((name, text));
            }
            // A field for files in which none was chosen.
            Some(file) if file.is_empty() && size == 0 => {}
            Some(file) if size > LARGEST => self.wrongs.push(Wrong::TooLarge(super::plain(&file))),
            Some(_) if self.files.len() == MOST => {
                if !self.wrongs.contains(&Wrong::TooMany) {
                    self.wrongs.push(Wrong::TooMany);
                }
            }
            Some(file) => match File::of(&file, bytes) {
                Ok(file) => self.files.push(file),
                Err(wrong) => self.wrongs.push(wrong),
            },
        }
        Ok(())
    }

    /// A form that did not come to its end: too large is told with what was typed; cut off is no form.
    fn ended(mut self, error: &MultipartError) -> Result<Self, AppError> {
        tracing::debug!(%error, "a form with files was not read to its end");
        if error.status() != StatusCode::PAYLOAD_TOO_LARGE {
            return Err(AppError::FormExpired);
        }
        self.wrongs.push(Wrong::TooMuch);
        Ok(self)
    }
}
