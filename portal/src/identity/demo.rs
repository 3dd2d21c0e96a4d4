//! The demo sign-in: anybody takes any post. Routed only with `--demo`; every page says so.

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::sessions::{Arrival, Way, same_secret};
use super::{User, agent, begin, cookie, safe_next};
use crate::acts;
use crate::db::{micros, people};
use crate::error::AppError;
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
pub const POSTS: [Post; 10] = [
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
        key: "county",
        user: "lj-nyj-owner",
        groups: &["lianjiang-nyj"],
    },
    Post {
        key: "county-head",
        user: "lj-nyj-head",
        groups: &[],
    },
    Post {
        key: "county-authority",
        user: "lj-approver",
        groups: &["lianjiang-zsj"],
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

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct Choice {
    post: String,
    next: String,
    token: String,
}

/// Notes who has signed in with which groups: a token of the API is worth no more than that.
async fn known(state: &AppState, user: &User, now: Timestamp) -> Result<(), AppError> {
    let Some(records) = &state.records else {
        return Ok(());
    };
    let contents = json!({ "groups": user.groups }).to_string();
    let named = (&*user.name, "");
    let noted = async {
        let mut connection = records.db.acquire().await?;
        people::seen(&mut connection, named, &contents, micros(now)).await
    };
    noted.await.map_err(|error| AppError::database(&error))
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
    known(&state, &user, now).await?;
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
