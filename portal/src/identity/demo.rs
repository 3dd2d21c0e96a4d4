//! The demo sign-in: anybody takes any post. Routed only with `--demo`; every page says so.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::HeaderMap;
use serde::Deserialize;

use super::sessions::{Arrival, Way, random_token, same_secret};
use super::{Signed, User, agent, begin, cookie, safe_next, set_cookie};
use crate::acts;
use crate::bulletins;
use crate::error::AppError;
use crate::page::Page;
use crate::reader::Reader;
use crate::state::AppState;

/// A post that may be taken. Its words are `demo.<key>.title` and `demo.<key>.about`.
#[derive(Debug)]
pub struct Post {
    /// Names it in the form and in the message files.
    pub key: &'static str,
    /// The username that the API server is asked about.
    pub user: &'static str,
    /// The groups that it is asked about.
    pub groups: &'static [&'static str],
}

/// The posts of the sample province (people in samples are posts, never names).
pub const POSTS: [Post; 7] = [
    Post {
        key: "administrator",
        user: "gd-admin",
        groups: &["gd-zsj"],
    },
    Post {
        key: "approver",
        user: "cs-approver",
        groups: &["zhanjiang-dsj"],
    },
    Post {
        key: "city-owner",
        user: "cs-owner",
        groups: &[],
    },
    Post {
        key: "owner",
        user: "zj-rsj-owner",
        groups: &["zhanjiang-rsj"],
    },
    Post {
        key: "head",
        user: "zj-rsj-head",
        groups: &[],
    },
    Post {
        key: "operations",
        user: "zj-ops",
        groups: &["zhanjiang-yunying"],
    },
    Post {
        key: "auditor",
        user: "gd-auditor",
        groups: &["gd-auditors"],
    },
];

/// Where to go after signing in.
#[derive(Debug, Deserialize)]
pub struct Next {
    next: Option<String>,
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct Choice {
    post: String,
    next: String,
    token: String,
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
    bulletins: Vec<bulletins::Shown>,
}

/// The form.
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
    let html = SignIn {
        p,
        next: &next,
        token: &token,
        bulletins: announced,
    }
    .render()?;
    let set = set_cookie(&state, state.form_cookie_name(), &token, 3600);
    Ok((set, Html(html)).into_response())
}

/// Takes a post.
///
/// # Errors
/// The form is not ours, or names no post.
pub async fn enter(
    State(state): State<AppState>,
    headers: HeaderMap,
    Form(choice): Form<Choice>,
) -> Result<Response, AppError> {
    let expected = cookie(&headers, state.form_cookie_name()).ok_or(AppError::FormExpired)?;
    if !same_secret(&expected, &choice.token) {
        return Err(AppError::FormExpired);
    }
    let post = POSTS
        .iter()
        .find(|post| post.key == choice.post)
        .ok_or(AppError::FormExpired)?;
    let groups = post
        .groups
        .iter()
        .map(|group| (*group).to_owned())
        .collect();
    let user = User {
        name: post.user.to_owned(),
        groups,
        post: Some(post.key),
    };
    state.record(acts::act(&user, "sign-in", &headers))?;
    tracing::info!(user.name = post.user, "signed in by the demo form");
    let now = crate::background::now();
    let arrival = Arrival {
        user,
        level: String::new(),
        authenticated: now,
        way: Way::Demo,
        provider_session: String::new(),
        agent: agent(&headers),
    };
    let set = begin(&state, &headers, &arrival).await?;
    Ok((set, Redirect::to(safe_next(&choice.next))).into_response())
}

/// Ends the session.
///
/// # Errors
/// The form is not this session's.
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
    Ok((set, Redirect::to("/sign-in")).into_response())
}
