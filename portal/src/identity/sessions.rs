//! Sessions: in the database, so that they survive a restart and every replica knows them. The token is in the browser
//! alone; here is its digest. Without a database (unit tests of pages) they are kept in memory, judged the same.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::User;
use super::demo::POSTS;
use crate::db::{Db, DbError, hex, micros, new_id, sessions as table};

/// A session ends after this time without use, where nobody says otherwise,
pub const IDLE: SignedDuration = SignedDuration::from_hours(1);
/// and after this one in any case.
pub const LIFE: SignedDuration = SignedDuration::from_hours(10);
/// A person's sessions beyond this number: the one unused for longest ends.
const OF_A_PERSON: usize = 20;
/// A use is written down when the last one is this old: not every page is a write.
const USE_COUNTS_AFTER: SignedDuration = SignedDuration::from_mins(1);
/// So much of what a browser calls itself is kept.
const LONGEST_AGENT: usize = 160;

/// How somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By taking a post of the demo.
    Demo,
    /// At the identity provider.
    Provider,
}

/// One person's session.
#[derive(Clone, Debug)]
pub struct Session {
    /// The person.
    pub user: User,
    /// What every form of this session carries.
    pub form_token: String,
    /// The administrative level that the identity provider names, in its words.
    pub level: String,
    /// When the person last proved who they are.
    pub authenticated: Timestamp,
    /// How they signed in.
    pub way: Way,
    /// What the browser calls itself.
    pub agent: String,
    /// When it began.
    pub began: Timestamp,
    /// When it was used last, to the minute.
    pub used: Timestamp,
    /// The digest of its token.
    pub digest: String,
}

/// Somebody who has just proved who they are.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The person.
    pub user: User,
    /// The level that the provider names; may be empty.
    pub level: String,
    /// When they proved it.
    pub authenticated: Timestamp,
    /// How.
    pub way: Way,
    /// The provider's own session, by which it ends this one; may be empty.
    pub provider_session: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// What is kept of a session beside its times, as JSON.
#[derive(Serialize, Deserialize)]
struct Contents {
    groups: Vec<String>,
    #[serde(default)]
    post: Option<String>,
    form_token: String,
    #[serde(default)]
    level: String,
    authenticated: i64,
    way: Way,
    #[serde(default)]
    agent: String,
}

#[derive(Debug)]
enum Store {
    Memory(Mutex<HashMap<String, table::StoredSession>>),
    Database(Db),
}

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    store: Store,
    /// A session ends after this time without use,
    idle: SignedDuration,
    /// and after this one in any case.
    life: SignedDuration,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            store: Store::Memory(Mutex::default()),
            idle: IDLE,
            life: LIFE,
        }
    }
}

/// 256 random bits in hexadecimal, from the operating system.
///
/// # Errors
/// The operating system gives no random numbers: nobody is signed in then.
pub fn random_token() -> Result<String, DbError> {
    Ok(new_id()? + &new_id()?)
}

/// The digest under which a token is kept.
#[must_use]
pub fn digest(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// Whether two secrets are the same, compared by digest so that time tells nothing.
#[must_use]
pub fn same_secret(one: &str, other: &str) -> bool {
    Sha256::digest(one.as_bytes()) == Sha256::digest(other.as_bytes())
}

impl Sessions {
    /// Sessions that end after `idle` without use and after `life` in any case.
    #[must_use]
    pub const fn in_database(db: Db, idle: SignedDuration, life: SignedDuration) -> Self {
        Self {
            store: Store::Database(db),
            idle,
            life,
        }
    }

    /// How long the browser keeps the cookie, in seconds.
    #[must_use]
    pub const fn cookie_seconds(&self) -> i64 {
        self.life.as_secs()
    }

    /// After how many minutes without use a session ends, and after how many hours in any case.
    #[must_use]
    pub const fn ends(&self) -> (i64, i64) {
        (self.idle.as_mins(), self.life.as_hours())
    }

    /// Begins a session, always under a token of its own, and gives the token.
    ///
    /// # Errors
    /// The database fails, or there are no random numbers.
    pub async fn begin(&self, arrival: &Arrival, now: Timestamp) -> Result<String, DbError> {
        let (token, form_token) = (random_token()?, random_token()?);
        let contents = Contents {
            groups: arrival.user.groups.clone(),
            post: arrival.user.post.map(str::to_owned),
            form_token,
            level: arrival.level.clone(),
            authenticated: micros(arrival.authenticated),
            way: arrival.way,
            agent: arrival.agent.chars().take(LONGEST_AGENT).collect(),
        };
        let session = table::StoredSession {
            digest: digest(&token),
            username: arrival.user.name.clone(),
            provider_session: arrival.provider_session.clone(),
            contents: contents.text()?,
            began: micros(now),
            used: micros(now),
        };
        match &self.store {
            Store::Memory(sessions) => {
                memory(sessions)?.insert(session.digest.clone(), session);
            }
            Store::Database(db) => {
                let (idle, life) = (now - self.idle, now - self.life);
                let mut transaction = db.begin().await?;
                table::sweep(&mut transaction, micros(idle), micros(life)).await?;
                let others = table::of_user(&mut transaction, &session.username).await?;
                for other in others.iter().skip(OF_A_PERSON - 1) {
                    table::end(&mut transaction, &other.digest).await?;
                }
                table::insert(&mut transaction, &session).await?;
                transaction.commit().await?;
            }
        }
        Ok(token)
    }

    /// The session of a token, if it lives.
    ///
    /// # Errors
    /// The database fails: nobody knows who this is.
    pub async fn find(&self, token: &str, now: Timestamp) -> Result<Option<Session>, DbError> {
        self.find_by_digest(&digest(token), now).await
    }

    /// The session under a digest, if it lives.
    ///
    /// # Errors
    /// The database fails.
    pub async fn find_by_digest(
        &self,
        digest: &str,
        now: Timestamp,
    ) -> Result<Option<Session>, DbError> {
        let stored = match &self.store {
            Store::Memory(sessions) => memory(sessions)?.get(digest).cloned(),
            Store::Database(db) => {
                let mut connection = db.acquire().await?;
                table::find(&mut connection, digest).await?
            }
        };
        Ok(stored
            .and_then(Session::of)
            .filter(|session| self.lives(session, now)))
    }

    /// Counts a session as used. What cannot be written now is written at a later use: nothing depends on it but the end.
    pub async fn touch(&self, session: &Session, now: Timestamp) {
        if now.duration_since(session.used) < USE_COUNTS_AFTER {
            return;
        }
        let touched = match &self.store {
            Store::Memory(sessions) => memory(sessions).map(|mut sessions| {
                if let Some(stored) = sessions.get_mut(&session.digest) {
                    stored.used = micros(now);
                }
            }),
            Store::Database(db) => match db.acquire().await {
                Ok(mut connection) => {
                    table::touch(&mut connection, &session.digest, micros(now)).await
                }
                Err(error) => Err(error),
            },
        };
        if let Err(error) = touched {
            tracing::warn!(%error, "the use of a session could not be written down");
        }
    }

    /// Gives a session another token, since the person has proved again who they are; nothing where it is no more.
    ///
    /// # Errors
    /// The database fails, or there are no random numbers.
    pub async fn renew(
        &self,
        session: &Session,
        authenticated: Timestamp,
        now: Timestamp,
    ) -> Result<Option<String>, DbError> {
        let token = random_token()?;
        let contents = Contents {
            groups: session.user.groups.clone(),
            post: session.user.post.map(str::to_owned),
            form_token: session.form_token.clone(),
            level: session.level.clone(),
            authenticated: micros(authenticated),
            way: session.way,
            agent: session.agent.clone(),
        };
        let (contents, new) = (contents.text()?, digest(&token));
        let renewed = match &self.store {
            Store::Memory(sessions) => {
                let mut sessions = memory(sessions)?;
                sessions.remove(&session.digest).is_some_and(|stored| {
                    let renewed = table::StoredSession {
                        digest: new.clone(),
                        contents,
                        used: micros(now),
                        ..stored
                    };
                    sessions.insert(new, renewed);
                    true
                })
            }
            Store::Database(db) => {
                let mut connection = db.acquire().await?;
                let old = &session.digest;
                table::renew(&mut connection, old, (&new, &contents), micros(now)).await?
            }
        };
        Ok(renewed.then_some(token))
    }

    /// Ends the session of a token.
    ///
    /// # Errors
    /// The database fails: it goes on.
    pub async fn end(&self, token: &str) -> Result<(), DbError> {
        self.end_by_digest(&digest(token)).await
    }

    /// Ends the session under a digest.
    ///
    /// # Errors
    /// The database fails: it goes on.
    pub async fn end_by_digest(&self, digest: &str) -> Result<(), DbError> {
        match &self.store {
            Store::Memory(sessions) => {
                memory(sessions)?.remove(digest);
                Ok(())
            }
            Store::Database(db) => table::end(&mut *db.acquire().await?, digest).await,
        }
    }

    /// Ends every session of a session's person but this one, and says how many there were.
    ///
    /// # Errors
    /// The database fails: they go on.
    pub async fn end_others(&self, session: &Session) -> Result<u64, DbError> {
        let (name, own) = (&session.user.name, &session.digest);
        match &self.store {
            Store::Memory(sessions) => Ok(retain(sessions, |other| {
                other.username != *name || other.digest == *own
            })?),
            Store::Database(db) => table::end_others(&mut *db.acquire().await?, name, own).await,
        }
    }

    /// Ends the sessions that came from one of the provider's, and says how many there were.
    ///
    /// # Errors
    /// The database fails: they go on.
    pub async fn end_of_provider(&self, provider_session: &str) -> Result<u64, DbError> {
        match &self.store {
            Store::Memory(sessions) => Ok(retain(sessions, |session| {
                session.provider_session != provider_session
            })?),
            Store::Database(db) => {
                table::end_of_provider(&mut *db.acquire().await?, provider_session).await
            }
        }
    }

    /// Ends every session of a person, and says how many there were.
    ///
    /// # Errors
    /// The database fails: they go on.
    pub async fn end_of_user(&self, username: &str) -> Result<u64, DbError> {
        match &self.store {
            Store::Memory(sessions) => {
                Ok(retain(sessions, |session| session.username != username)?)
            }
            Store::Database(db) => table::end_of_user(&mut *db.acquire().await?, username).await,
        }
    }

    /// The living sessions of a person, the one used last first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn of(&self, username: &str, now: Timestamp) -> Result<Vec<Session>, DbError> {
        let stored: Vec<_> = match &self.store {
            Store::Memory(sessions) => {
                let sessions = memory(sessions)?;
                let own = sessions
                    .values()
                    .filter(|session| session.username == username);
                own.cloned().collect()
            }
            Store::Database(db) => table::of_user(&mut *db.acquire().await?, username).await?,
        };
        let sessions = stored.into_iter().filter_map(Session::of);
        Ok(sessions
            .filter(|session| self.lives(session, now))
            .collect())
    }

    fn lives(&self, session: &Session, now: Timestamp) -> bool {
        now.duration_since(session.used) < self.idle
            && now.duration_since(session.began) < self.life
    }
}

type Kept = HashMap<String, table::StoredSession>;

fn memory(sessions: &Mutex<Kept>) -> Result<std::sync::MutexGuard<'_, Kept>, DbError> {
    let gone = |_| DbError::Other("the sessions in memory are gone".to_owned());
    sessions.lock().map_err(gone)
}

/// Keeps some, and says how many went.
fn retain(
    sessions: &Mutex<Kept>,
    keep: impl Fn(&table::StoredSession) -> bool,
) -> Result<u64, DbError> {
    let mut sessions = memory(sessions)?;
    let before = sessions.len();
    sessions.retain(|_, session| keep(session));
    Ok((before - sessions.len()) as u64)
}

impl Contents {
    fn text(&self) -> Result<String, DbError> {
        serde_json::to_string(self).map_err(|error| DbError::Other(error.to_string()))
    }
}

impl Session {
    /// A session as it was kept; none where another version kept it: its person signs in again.
    fn of(stored: table::StoredSession) -> Option<Self> {
        let contents: Contents = serde_json::from_str(&stored.contents).ok()?;
        let moment = |micros| Timestamp::from_microsecond(micros).ok();
        let post = match &contents.post {
            Some(key) => Some(POSTS.iter().find(|post| post.key == key)?.key),
            None => None,
        };
        Some(Self {
            user: User {
                name: stored.username,
                groups: contents.groups,
                post,
            },
            form_token: contents.form_token,
            level: contents.level,
            authenticated: moment(contents.authenticated)?,
            way: contents.way,
            agent: contents.agent,
            began: moment(stored.began)?,
            used: moment(stored.used)?,
            digest: stored.digest,
        })
    }
}

#[cfg(test)]
mod tests;
