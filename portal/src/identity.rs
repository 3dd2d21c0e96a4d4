//! Who is asking: the session behind the cookie, and the ways to sign in.
//!
//! What a person may do is asked of Kubernetes (`access.rs`), never kept here.

pub mod demo;
pub mod mine;
pub mod oidc;
pub mod sessions;
pub mod sign_in;
pub mod step_up;
pub mod token_page;
pub mod tokens;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{COOKIE, REFERER, SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{AppendHeaders, Response};
use http::{Extensions, HeaderMap, Method};

use crate::error::AppError;
use crate::router::page_of;
use crate::state::AppState;

pub use sessions::{Arrival, Session, Sessions, Way};
pub use step_up::StepUp;

/// A person, named as the hub's API server sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct User {
    /// The username.
    pub name: String,
    /// The groups, without those that every signed-in person has.
    pub groups: Vec<String>,
    /// The demo post that was taken, by its key; its words are in the message files.
    pub post: Option<&'static str>,
}

impl User {
    /// The groups with the one that the API server adds to everybody who is signed in.
    #[must_use]
    pub fn groups_as_authenticated(&self) -> Vec<String> {
        let everybody = std::iter::once("system:authenticated".to_owned());
        self.groups
            .iter()
            .filter(|group| !group.starts_with("system:"))
            .cloned()
            .chain(everybody)
            .collect()
    }
}

/// The session of a request. Pages that take it answer everybody else with the way to the sign-in.
#[derive(Clone, Debug)]
pub struct Signed(pub Session);

impl FromRequestParts<AppState> for Signed {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, AppError> {
        match parts.extensions.get::<Asker>() {
            Some(Asker(Ok(Some(session)))) => Ok(Self(session.clone())),
            Some(Asker(Err(error))) => Err(error.clone()),
            Some(Asker(Ok(None))) | None => Err(AppError::SignInNeeded {
                next: way_back(parts),
            }),
        }
    }
}

/// Where somebody goes on after signing in: the page they asked for, else the one whose form they sent.
fn way_back(parts: &Parts) -> String {
    if parts.method == Method::GET {
        let path = parts.uri.path_and_query();
        return path.map_or("/", |path| path.as_str()).to_owned();
    }
    let from = parts
        .headers
        .get(REFERER)
        .and_then(|line| line.to_str().ok());
    let from = from.and_then(|line| line.parse::<http::Uri>().ok());
    let path = from.as_ref().and_then(http::Uri::path_and_query);
    let path = path.map_or("/", |path| safe_next(path.as_str()));
    match path.split_once('?') {
        None => page_of(path).to_owned(),
        Some((path, query)) => format!("{}?{query}", page_of(path)),
    }
}

/// Who a request is from, as [`identify`] found out; an error where nobody can say.
#[derive(Clone, Debug)]
pub struct Asker(Result<Option<Session>, AppError>);

/// The session of a request that went through [`identify`], if it has one.
#[must_use]
pub fn session(extensions: &Extensions) -> Option<Session> {
    let asker = extensions.get::<Asker>()?;
    asker.0.as_ref().ok()?.clone()
}

/// Finds out once who a request is from; everything else takes it from there. What a page fetches by itself (its regions,
/// its events) does not count as use: an open page would never let its session end.
pub async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !path.starts_with("/assets/") {
        let now = crate::background::now();
        let by_itself = request.headers().contains_key("hx-request") || path == "/events";
        let found = match cookie(request.headers(), state.cookie_name()) {
            Some(token) => state.sessions.find(&token, now).await,
            None => Ok(None),
        };
        // A post that was taken in demo mode is nobody's proof of anything after it.
        let counts = |session: &Session| state.demo || session.way != Way::Demo;
        let found = found.map(|found| found.filter(counts));
        if let Ok(Some(session)) = &found
            && !by_itself
        {
            state.sessions.touch(session, now).await;
        }
        let found = found.map_err(|error| AppError::database(&error));
        request.extensions_mut().insert(Asker(found));
    }
    next.run(request).await
}

/// A `Set-Cookie` of ours: for this host, not for scripts, not with what other sites send; over https for https alone.
pub fn set_cookie(
    state: &AppState,
    name: &str,
    value: &str,
    seconds: i64,
) -> AppendHeaders<[(http::HeaderName, String); 1]> {
    let secure = if state.secure { "; Secure" } else { "" };
    AppendHeaders([(
        SET_COOKIE,
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"),
    )])
}

/// Begins a session for somebody who has proved who they are, under a token that nobody knew before; the session that
/// the browser had ends. Gives the cookie.
///
/// # Errors
/// The database fails.
pub async fn begin(
    state: &AppState,
    headers: &HeaderMap,
    arrival: &Arrival,
) -> Result<AppendHeaders<[(http::HeaderName, String); 1]>, AppError> {
    let failed = |error| AppError::database(&error);
    if let Some(old) = cookie(headers, state.cookie_name()) {
        state.sessions.end(&old).await.map_err(failed)?;
    }
    let now = crate::background::now();
    let token = state.sessions.begin(arrival, now).await.map_err(failed)?;
    let seconds = state.sessions.cookie_seconds();
    Ok(set_cookie(state, state.cookie_name(), &token, seconds))
}

/// What a browser calls itself.
#[must_use]
pub fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|line| line.to_str().ok());
    agent.unwrap_or_default().to_owned()
}

/// The value of a cookie.
#[must_use]
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// Where to go after signing in: a path of this portal, or the overview.
#[must_use]
pub fn safe_next(next: &str) -> &str {
    // A browser reads `//host` and `/\host` as another server, and drops tabs and line ends before it decides.
    let own = next.starts_with('/')
        && !next[1..].starts_with(['/', '\\'])
        && !next.contains(|c: char| c.is_control());
    if own { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_server() {
        assert_eq!(
            safe_next("/platforms/zj-node?part=pools"),
            "/platforms/zj-node?part=pools"
        );
        for elsewhere in [
            "",
            "platforms",
            "//evil",
            "/\\evil",
            "https://evil",
            "/\t/evil",
            "javascript:alert(1)",
        ] {
            assert_eq!(safe_next(elsewhere), "/", "{elsewhere}");
        }
    }

    #[test]
    fn a_claimed_system_group_is_dropped() {
        let user = User {
            name: "eve".into(),
            groups: vec!["system:masters".into(), "city".into()],
            post: None,
        };
        assert_eq!(
            user.groups_as_authenticated(),
            ["city", "system:authenticated"]
        );
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, "a_qipan=1; qipan=2".parse().unwrap());
        assert_eq!(cookie(&headers, "qipan").as_deref(), Some("2"));
    }
}
