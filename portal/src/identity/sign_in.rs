//! The page with the ways to sign in, and the way out.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::HeaderMap;
use serde::Deserialize;

use super::sessions::{Way, random_token, same_secret};
use super::{Signed, safe_next, set_cookie};
use crate::acts;
use crate::bulletins;
use crate::error::{AppError, escaped};
use crate::page::Page;
use crate::reader::Reader;
use crate::state::AppState;

/// Where to go after signing in.
#[derive(Debug, Deserialize)]
pub struct Next {
    next: Option<String>,
}

/// What the sign-out button sends.
#[derive(Debug, Deserialize)]
pub struct Leave {
    token: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    p: Page,
    next: &'a str,
    token: &'a str,
    /// The way to the identity provider, where there is one.
    start: Option<String>,
    bulletins: Vec<bulletins::Shown>,
}

/// The page.
///
/// # Errors
/// No random numbers, or a template that fails.
pub async fn form(
    State(state): State<AppState>,
    reader: Reader,
    Query(query): Query<Next>,
) -> Result<Response, AppError> {
    let token = random_token().map_err(|error| AppError::database(&error))?;
    let next = safe_next(query.next.as_deref().unwrap_or("/")).to_owned();
    let announced = bulletins::now(&state, reader.lang, true, crate::background::now()).await;
    let p = Page::public(&state, reader, "sign-in.title");
    let start = state.oidc.as_ref();
    let start = start.map(|_| format!("/sign-in/start?next={}", escaped(&next)));
    let html = SignIn {
        p,
        next: &next,
        token: &token,
        start,
        bulletins: announced,
    }
    .render()?;
    let set = set_cookie(&state, state.form_cookie_name(), &token, 3600);
    Ok((set, Html(html)).into_response())
}

/// Ends the session, and leads on to the provider's own sign-out where the session came from there.
///
/// # Errors
/// The form is not this session's, or the database gives no answer.
pub async fn leave(
    State(state): State<AppState>,
    Signed(session): Signed,
    headers: HeaderMap,
    Form(leave): Form<Leave>,
) -> Result<Response, AppError> {
    if !same_secret(&session.form_token, &leave.token) {
        return Err(AppError::FormExpired);
    }
    state.record(acts::act(&session.user, "sign-out", &headers))?;
    let ended = state.sessions.end_by_digest(&session.digest).await;
    ended.map_err(|error| AppError::database(&error))?;
    let set = set_cookie(&state, state.cookie_name(), "", 0);
    let provider = match (&state.oidc, session.way) {
        (Some(oidc), Way::Provider) => oidc.sign_out().await,
        (None, _) | (_, Way::Demo) => None,
    };
    let to = provider.map_or_else(|| "/sign-in".to_owned(), String::from);
    Ok((set, Redirect::to(&to)).into_response())
}
