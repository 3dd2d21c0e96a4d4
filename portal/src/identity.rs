//! Who is asking: the session behind the cookie, and the demo sign-in.
//!
//! What a person may do is asked of Kubernetes (`access.rs`), never kept here.

pub mod demo;
pub mod sessions;

use axum::extract::{FromRef as _, FromRequestParts};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use http::HeaderMap;

use crate::error::AppError;
use crate::state::AppState;

pub use sessions::{Session, Sessions};

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

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, AppError> {
        let state = AppState::from_ref(state);
        session(&parts.headers, &state)
            .map(Self)
            .ok_or_else(|| AppError::SignInNeeded {
                next: parts
                    .uri
                    .path_and_query()
                    .map_or("/", |path| path.as_str())
                    .to_owned(),
            })
    }
}

/// The session of a request, if it has one.
#[must_use]
pub fn session(headers: &HeaderMap, state: &AppState) -> Option<Session> {
    cookie(headers, state.cookie_name()).and_then(|token| state.sessions.find(&token))
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
