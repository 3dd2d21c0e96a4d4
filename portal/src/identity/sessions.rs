//! Sessions, kept in memory: a restart signs everybody out. The one type that a database will stand behind.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::TryRngCore as _;
use sha2::{Digest as _, Sha256};

use super::User;

/// A session ends after this time without use,
const IDLE: Duration = Duration::from_hours(1);
/// and after this one in any case.
const LIFE: Duration = Duration::from_hours(10);
/// No more sessions than this are kept; the one unused for longest goes.
const KEPT: usize = 20_000;

/// One person's session.
#[derive(Clone, Debug)]
pub struct Session {
    /// The person.
    pub user: User,
    /// What every form of this session carries.
    pub form_token: String,
    began: Instant,
    used: Instant,
}

/// All sessions, by the digest of their token: the token itself is only in the browser.
#[derive(Debug, Default)]
pub struct Sessions {
    by_digest: Mutex<HashMap<[u8; 32], Session>>,
}

/// 256 random bits in hexadecimal, from the operating system.
///
/// # Errors
/// The operating system gives no random numbers: nobody is signed in then.
pub fn random_token() -> Result<String, rand::rand_core::OsError> {
    let mut bytes = [0_u8; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes)?;
    Ok(bytes
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        }))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether two secrets are the same, compared by digest so that time tells nothing.
#[must_use]
pub fn same_secret(one: &str, other: &str) -> bool {
    digest(one) == digest(other)
}

impl Sessions {
    /// Begins a session and gives its token.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn begin(&self, user: User) -> Result<String, rand::rand_core::OsError> {
        let (token, form_token, now) = (random_token()?, random_token()?, Instant::now());
        if let Ok(mut sessions) = self.by_digest.lock() {
            sessions.retain(|_, session| session.lives());
            let oldest = sessions
                .iter()
                .min_by_key(|(_, session)| session.used)
                .map(|(key, _)| *key);
            if sessions.len() >= KEPT
                && let Some(oldest) = oldest
            {
                sessions.remove(&oldest);
            }
            sessions.insert(
                digest(&token),
                Session {
                    user,
                    form_token,
                    began: now,
                    used: now,
                },
            );
        }
        Ok(token)
    }

    /// The session of a token, which counts as used now.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<Session> {
        let mut sessions = self.by_digest.lock().ok()?;
        let session = sessions
            .get_mut(&digest(token))
            .filter(|session| session.lives())?;
        session.used = Instant::now();
        Some(session.clone())
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        if let Ok(mut sessions) = self.by_digest.lock() {
            sessions.remove(&digest(token));
        }
    }
}

impl Session {
    fn lives(&self) -> bool {
        self.used.elapsed() < IDLE && self.began.elapsed() < LIFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_token_until_it_ends() {
        let sessions = Sessions::default();
        let token = sessions
            .begin(User {
                name: "cs-owner".into(),
                ..User::default()
            })
            .unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(sessions.find(&token).unwrap().user.name, "cs-owner");
        assert!(sessions.find("0").is_none());
        sessions.end(&token);
        assert!(sessions.find(&token).is_none());
    }
}
