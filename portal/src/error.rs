//! Everything that can go wrong for a reader, and the page that says what happened and what to do.
//!
//! Handlers return `AppError`; `respond` (a middleware) words it in the reader's language. Causes go to the log, once.

use std::fmt::Write as _;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, REFRESH, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::Timestamp;

use crate::acts::request_id;
use crate::ages;
use crate::api;
use crate::cluster::{Cluster, ClusterError};
use crate::i18n::Lang;
use crate::identity::{self, Session};
use crate::page::Page;
use crate::reader::Reader;
use crate::refusals;
use crate::router;
use crate::state::AppState;
use crate::typed::{self, Typed};

/// How soon a page that waits for the hub asks again.
const AGAIN_SECONDS: u16 = 15;

/// What went wrong.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppError {
    /// There is no such page or object, or the person may not know of it: the two look the same.
    #[error("no such page")]
    NoPage,
    /// The person is not signed in.
    #[error("not signed in")]
    SignInNeeded {
        /// Where they wanted to go.
        next: String,
    },
    /// A form is too old, or was not made here.
    #[error("the form has expired")]
    FormExpired,
    /// The person is to prove again who they are.
    #[error("a recent proof of identity is needed")]
    StepUpNeeded {
        /// Where they wanted to go.
        next: String,
    },
    /// The identity provider gives no answer.
    #[error("the identity provider gives no answer")]
    ProviderSilent,
    /// Nobody is signed in by what the identity provider answered.
    #[error("the sign-in was refused: {}", .0.key())]
    SignInRefused(SignIn),
    /// The person holds two of the three offices of administrators, and this is an act of one: the policy's sentence.
    #[error("{0}")]
    TwoOffices(String),
    /// Another site sent the form.
    #[error("the form came from another site")]
    Foreign,
    /// The hub gives no answer, so that nobody can say what this person may see.
    #[error("the hub does not answer")]
    HubSilent {
        /// When it last did.
        since: Option<Timestamp>,
    },
    /// The person holds too many live pages.
    #[error("too many live pages")]
    TooManyPages,
    /// The request took too long.
    #[error("the request took too long")]
    TooSlow,
    /// The ledger takes nothing more, so nothing is done.
    #[error("the ledger cannot be written")]
    LedgerFull,
    /// The database gives no answer.
    #[error("the database gives no answer")]
    NoDatabase,
    /// This machine has no font for Chinese.
    #[error("there is no font for the forms")]
    NoFont,
    /// A request names the file, and it was not handed in here.
    #[error("the file is not kept here")]
    NoFile,
    /// There is no such draft of this person: it was submitted or deleted.
    #[error("no such draft")]
    NoDraft,
    /// The person has as many drafts as one may have.
    #[error("too many drafts")]
    TooManyDrafts,
    /// What was filled in is larger than a draft may be.
    #[error("the form is too large")]
    FormTooLarge,
    /// Another tab saved the draft meanwhile.
    #[error("the draft was saved elsewhere meanwhile")]
    DraftStale,
    /// A mistake of ours.
    #[error("an internal error")]
    Internal,
}

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// The answer belongs to no sign-in that this browser began, or was used before.
    Expired,
    /// The provider refuses.
    Denied,
    /// The provider's token is not what it must be.
    Token,
    /// No person can be made of what it says.
    Person,
    /// Somebody else proved who they are.
    OtherPerson,
    /// The provider did not ask again.
    NotAgain,
}

impl SignIn {
    const fn key(self) -> &'static str {
        match self {
            Self::Expired => "sign-in-expired",
            Self::Denied => "sign-in-denied",
            Self::Token => "sign-in-token",
            Self::Person => "sign-in-person",
            Self::OtherPerson => "sign-in-other",
            Self::NotAgain => "sign-in-not-again",
        }
    }
}

impl AppError {
    /// The hub gives no answer, with the cause for the log.
    #[must_use]
    pub fn hub_silent(cluster: &Cluster, cause: &ClusterError) -> Self {
        tracing::warn!(error = %cause, "the hub gives no answer");
        Self::HubSilent {
            since: cluster.last_contact(),
        }
    }

    /// A mistake of ours, with its cause for the log.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "a page failed");
        Self::Internal
    }

    /// Where a person proves who they are, and where they go then.
    const fn way_to_a_proof(&self) -> Option<(&'static str, &String)> {
        if let Self::SignInNeeded { next } = self {
            Some(("/sign-in", next))
        } else if let Self::StepUpNeeded { next } = self {
            Some(("/sign-in/again", next))
        } else {
            None
        }
    }

    const fn silent_since(&self) -> Option<Timestamp> {
        if let Self::HubSilent { since } = self {
            *since
        } else {
            None
        }
    }

    /// What happened, and what to do.
    fn words(&self, lang: Lang, key: &str) -> (String, String) {
        if let Self::TwoOffices(sentence) = self {
            let told = refusals::by_policy(lang, sentence);
            return (told.happened, told.todo);
        }
        let happened = match self.silent_since() {
            Some(since) => {
                let moment = ages::moment(lang, since, crate::background::now());
                let figures = [("ago", moment.words.as_str()), ("time", &moment.exact)];
                lang.say("error.hub-silent.since", &figures)
            }
            None => lang.t(&format!("error.{key}.happened")).to_owned(),
        };
        (happened, lang.t(&format!("error.{key}.todo")).to_owned())
    }

    /// Whether the same form may do what it says a little later.
    const fn passes(&self) -> bool {
        matches!(
            self,
            Self::HubSilent { .. }
                | Self::NoDatabase
                | Self::LedgerFull
                | Self::TooSlow
                | Self::ProviderSilent
        )
    }

    /// The database gives no answer; why is in the log.
    #[must_use]
    pub fn database(error: &crate::db::DbError) -> Self {
        tracing::warn!(%error, "a page has no answer of the database");
        Self::NoDatabase
    }

    /// The status of its answer, and the key of its words.
    pub(crate) const fn status_and_key(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoPage => (StatusCode::NOT_FOUND, "no-page"),
            Self::SignInNeeded { .. } => (StatusCode::UNAUTHORIZED, "sign-in"),
            Self::StepUpNeeded { .. } => (StatusCode::FORBIDDEN, "sign-in"),
            Self::ProviderSilent => (StatusCode::SERVICE_UNAVAILABLE, "provider-silent"),
            Self::SignInRefused(why) => (StatusCode::FORBIDDEN, why.key()),
            Self::FormExpired => (StatusCode::BAD_REQUEST, "form-expired"),
            Self::TwoOffices(_) => (StatusCode::FORBIDDEN, "two-offices"),
            Self::Foreign => (StatusCode::FORBIDDEN, "foreign"),
            Self::HubSilent { .. } => (StatusCode::SERVICE_UNAVAILABLE, "hub-silent"),
            Self::TooManyPages => (StatusCode::TOO_MANY_REQUESTS, "too-many-pages"),
            Self::TooSlow => (StatusCode::SERVICE_UNAVAILABLE, "too-slow"),
            Self::LedgerFull => (StatusCode::SERVICE_UNAVAILABLE, "ledger-full"),
            Self::NoDatabase => (StatusCode::SERVICE_UNAVAILABLE, "no-database"),
            Self::NoFont => (StatusCode::NOT_IMPLEMENTED, "no-font"),
            Self::NoFile => (StatusCode::NOT_FOUND, "no-file"),
            Self::NoDraft => (StatusCode::NOT_FOUND, "no-draft"),
            Self::TooManyDrafts => (StatusCode::CONFLICT, "too-many-drafts"),
            Self::FormTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "form-too-large"),
            Self::DraftStale => (StatusCode::CONFLICT, "draft-stale"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl From<askama::Error> for AppError {
    fn from(error: askama::Error) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for AppError {
    /// A bare response that carries the error to [`respond`].
    fn into_response(self) -> Response {
        let mut response = self.status_and_key().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    p: Page,
    happened: String,
    todo: String,
    texts: Vec<(String, String)>,
    again: Option<Typed>,
    sign_in: Option<String>,
    /// The page of the form that came to nothing, where it is to be opened again.
    reopen: Option<String>,
}

/// Turns an error into a page in the reader's language, or into the way to the sign-in.
pub async fn respond(
    State(state): State<AppState>,
    mut reader: Reader,
    request: Request,
    next: Next,
) -> Response {
    if api::is_of(&reader.path) {
        let lang = api::call::lang(request.headers());
        let id = request_id(request.headers()).to_owned();
        let response = next.run(request).await;
        return api::problem::worded(lang, &reader.path, &id, response);
    }
    let session = identity::session(request.extensions());
    let fragment = request.headers().contains_key("hx-request") || reader.path == "/events";
    let (response, typed) = match typed::overheard(request).await {
        Ok((request, typed)) => (next.run(request).await, typed),
        Err(error) => (error.into_response(), None),
    };
    let Some(error) = error_of(&response) else {
        return response;
    };
    let typed = response.extensions().get::<Typed>().cloned().or(typed);
    let typed = typed.filter(|_| !matches!(error, AppError::Foreign));
    let texts = typed.as_ref().map(|typed| typed.texts(reader.lang));
    let texts = texts.unwrap_or_default();
    let mut sign_in = None;
    if let Some((place, next)) = error.way_to_a_proof() {
        if fragment {
            // htmx takes this as: load the page again, which leads to the sign-in.
            return (StatusCode::UNAUTHORIZED, [("hx-refresh", "true")]).into_response();
        }
        let there = format!("{place}?next={}", escaped(next));
        if texts.is_empty() || !matches!(error, AppError::SignInNeeded { .. }) {
            return Redirect::to(&there).into_response();
        }
        sign_in = Some(there);
    }
    let silent = matches!(error, AppError::HubSilent { .. });
    if silent && fragment {
        // What an open page shows may be forbidden by now: it is loaded again, and says so.
        return (error.status_and_key().0, [("hx-refresh", "true")]).into_response();
    }
    if matches!(error, AppError::SignInRefused(_)) {
        // The provider's answer is in the address: the page's own links lead to the sign-in instead.
        "/sign-in".clone_into(&mut reader.path);
        reader.query.clear();
    }
    // What was typed would go with a page that loads itself again.
    let waits = silent && texts.is_empty();
    let again = typed.filter(|_| error.passes() && !texts.is_empty());
    let mut page = page_of(&state, (reader, session), &error, (texts, again, sign_in));
    if waits {
        let seconds = HeaderValue::from(AGAIN_SECONDS);
        page.headers_mut().insert(REFRESH, seconds.clone());
        page.headers_mut().insert(RETRY_AFTER, seconds);
    }
    page
}

/// What a page about an error has of the form that came to nothing: what was typed, the form to send again, where to sign in.
type Rest = (Vec<(String, String)>, Option<Typed>, Option<String>);

fn page_of(
    state: &AppState,
    (reader, session): (Reader, Option<Session>),
    error: &AppError,
    (texts, again, sign_in): Rest,
) -> Response {
    let (status, key) = error.status_and_key();
    let key = if sign_in.is_some() { "signed-out" } else { key };
    let lang = reader.lang;
    let reopened = matches!(
        error,
        AppError::FormExpired | AppError::FormTooLarge | AppError::DraftStale
    );
    let reopen = reopened.then(|| router::page_of(&reader.path).to_owned());
    let mut p = Page::public(state, reader, &format!("error.{key}.title"));
    if let Some(session) = session {
        p.welcome(&session);
    }
    let (happened, todo) = error.words(lang, key);
    let html = ErrorPage {
        p,
        happened,
        todo,
        texts,
        again,
        sign_in,
        reopen,
    };
    (status, Html(html.render().unwrap_or_default())).into_response()
}

/// What went wrong with a page: what it says itself, and what axum says before it.
fn error_of(response: &Response) -> Option<AppError> {
    let said = response.extensions().get::<AppError>().cloned();
    let worded = response.headers().get(CONTENT_TYPE);
    let plain = worded.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    said.or(match response.status() {
        StatusCode::REQUEST_TIMEOUT => Some(AppError::TooSlow),
        StatusCode::PAYLOAD_TOO_LARGE if plain => Some(AppError::FormTooLarge),
        StatusCode::METHOD_NOT_ALLOWED if plain => Some(AppError::NoPage),
        StatusCode::BAD_REQUEST
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY
            if plain =>
        {
            Some(AppError::FormExpired)
        }
        _ => None,
    })
}

/// A path as the value of a parameter.
pub(crate) fn escaped(path: &str) -> String {
    path.bytes().fold(String::new(), escape)
}

fn escape(mut text: String, byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
        text.push(char::from(byte));
    } else {
        let _infallible = write!(text, "%{byte:02X}");
    }
    text
}
