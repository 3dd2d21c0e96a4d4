//! What browsers post: fields that may come several times, and the token that each form carries.
//!
//! A form's token is good for this session and this purpose only: for the object, and for the state of it that the person saw.
//! It stands beside the check of where a form comes from (`router.rs`), and beside the API server's test of what was seen.

use axum::Form;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use sha2::{Digest as _, Sha256};

use crate::db::hex;
use crate::error::AppError;
use crate::identity::Session;
use crate::identity::sessions::same_secret;

/// The name of the field that carries the token.
pub const TOKEN: &str = "token";

/// The token of a form.
#[must_use]
pub fn token(session: &Session, purpose: &str) -> String {
    derived(&session.form_token, purpose)
}

fn derived(secret: &str, purpose: &str) -> String {
    let mut digest = Sha256::new();
    for part in [secret.as_bytes(), b"\0", purpose.as_bytes()] {
        digest.update(part);
    }
    hex(&digest.finalize())
}

/// A character that nobody sees and that may hide what a name says: control characters, marks that turn the direction of
/// writing, and those that have no width. What joins letters and emoji stays: they are drawn otherwise without it.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let has_no_width = matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    c.is_control() || turns || has_no_width
}

/// What somebody typed, without what nobody sees: a title that turns the direction of writing says something else than it is.
#[must_use]
pub fn visible(text: &str) -> String {
    text.replace(|c| is_hidden(c) && !"\n\r\t".contains(c), "")
}

/// The page that answers a form of which nothing was done: with the status that says why.
pub(crate) fn not_done(status: StatusCode) -> impl FnOnce(Response) -> Response {
    move |mut page| {
        *page.status_mut() = status;
        page
    }
}

/// The status of a form that is not filled in well.
pub(crate) const WRONG: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

/// The fields of a form, in order; a name may come several times.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The value of a field, trimmed; empty where it did not come.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let mut fields = self.0.iter();
        fields
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.trim())
    }

    /// The value of a field where it is not empty.
    #[must_use]
    pub fn some(&self, name: &str) -> Option<String> {
        Some(self.get(name))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    /// Every value of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the form is this session's, and made for this purpose.
    ///
    /// # Errors
    /// It is not, or too old.
    pub fn check(&self, session: &Session, purpose: &str) -> Result<(), AppError> {
        self.is_for(session, purpose)
            .then_some(())
            .ok_or(AppError::FormExpired)
    }

    /// Whether the form is this session's, and made for this purpose: for who shows what was typed beside what is there now.
    #[must_use]
    pub fn is_for(&self, session: &Session, purpose: &str) -> bool {
        self.is_of(&session.form_token, purpose)
    }

    fn is_of(&self, secret: &str, purpose: &str) -> bool {
        same_secret(&derived(secret, purpose), self.get(TOKEN))
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = AppError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        // Too large, cut off, or no form at all: whatever it is, nothing of it was done.
        let seen = |(name, value): (String, String)| (name, visible(&value));
        let fields = |Form(fields): Form<Vec<_>>| Self(fields.into_iter().map(seen).collect());
        form.map(fields).map_err(|rejection| {
            tracing::debug!(error = %rejection, "a form cannot be read");
            match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => AppError::FormTooLarge,
                _ => AppError::FormExpired,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_taken_out_of_what_is_typed() {
        for (typed, kept) in [
            ("扩容\u{202e}fdp.exe\u{2069}", "扩容fdp.exe"),
            ("第一行\r\n\t第二行\u{0}\u{7}", "第一行\r\n\t第二行"),
            ("𠮷野家👨‍👩‍👧 café", "𠮷野家👨‍👩‍👧 café"),
        ] {
            assert_eq!(visible(typed), kept);
        }
    }

    #[test]
    fn a_token_is_good_for_one_session_and_one_purpose() {
        let fields = Fields(vec![("token".into(), derived("one", "decide:qp-a/r:0"))]);
        assert!(fields.is_of("one", "decide:qp-a/r:0"));
        assert!(!fields.is_of("one", "decide:qp-a/r:1"));
        assert!(!fields.is_of("other", "decide:qp-a/r:0"));
        assert!(!Fields::default().is_of("one", ""));
    }
}
