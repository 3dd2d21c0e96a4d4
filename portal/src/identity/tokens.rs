//! Tokens of the API: what a person hands to a program of theirs. It is worth what the person is, and no more: their groups
//! are those of their last sign-in, and a person who has not signed in for a while has no tokens that count.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::User;
use super::sessions::{Way, digest, random_token};
use crate::db::api_tokens::{self as table, StoredToken};
use crate::db::{Db, DbError, micros, new_id, people, text};

/// What every token begins with, so that one that is lost somewhere is recognised.
pub const PREFIX: &str = "qipan_";
/// The same of one that was made in demo mode, where anybody takes any post: it counts in demo mode only.
pub const DEMO_PREFIX: &str = "qipan_demo_";
/// No token lives longer, in days.
pub const LONGEST_DAYS: i64 = 365;
/// A person has at most so many that count.
pub const MOST: i64 = 20;
/// A person who has not signed in for this long has no tokens that count.
pub const SEEN_WITHIN: SignedDuration = SignedDuration::from_hours(24 * 30);
/// A use is written down when the last one is this old.
const USE_COUNTS_AFTER: SignedDuration = SignedDuration::from_mins(1);
/// Ended tokens stay listed for this long.
const LISTED: SignedDuration = SignedDuration::from_hours(24 * 90);
/// The longest name of a token, in characters.
pub const LONGEST_TITLE: usize = 60;

/// What a token may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Read what its person may see.
    Read,
    /// And write what its person may write.
    Write,
}

impl Scope {
    /// The word in the database and in forms.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The scope of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Read, Self::Write]
            .into_iter()
            .find(|scope| scope.word() == word)
    }
}

/// Who calls with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The person.
    pub user: User,
    /// What the token may.
    pub scope: Scope,
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// There is no such token.
    Unknown,
    /// It was revoked.
    Revoked,
    /// It has ended.
    Ended,
    /// Its person has not signed in for too long.
    Unseen,
    /// It was made in demo mode, and this is not.
    Demo,
}

/// A token that does not count, and whose it is where anybody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Invalid,
    /// Its person; empty where nobody knows.
    pub of: String,
}

impl Refused {
    fn of(why: Invalid, of: &str) -> Self {
        let of = of.to_owned();
        Self { why, of }
    }
}

/// Why a token is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMade {
    /// It has no name, or one that is too long.
    Title,
    /// It may neither read nor write.
    Scope,
    /// It would live too long, or not at all.
    Days,
    /// There are too many.
    TooMany,
    /// The database fails.
    Database(DbError),
}

impl From<DbError> for NotMade {
    fn from(error: DbError) -> Self {
        Self::Database(error)
    }
}

/// What is wanted of a new token.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What it is called.
    pub title: &'a str,
    /// What it may, as a word.
    pub scope: &'a str,
    /// How many days it lives.
    pub days: i64,
    /// How its person signed in.
    pub way: Way,
}

/// Makes a token for a person and gives it; it is never shown again.
///
/// # Errors
/// What is wanted cannot be, or the database fails.
pub async fn make(
    db: &Db,
    username: &str,
    wish: Wish<'_>,
    now: Timestamp,
) -> Result<String, NotMade> {
    let title = wish.title.trim();
    if title.is_empty() || title.chars().count() > LONGEST_TITLE || title.contains(char::is_control)
    {
        return Err(NotMade::Title);
    }
    let scope = Scope::of(wish.scope).ok_or(NotMade::Scope)?;
    if !(1..=LONGEST_DAYS).contains(&wish.days) {
        return Err(NotMade::Days);
    }
    let prefix = match wish.way {
        Way::Demo => DEMO_PREFIX,
        Way::Provider => PREFIX,
    };
    let token = format!("{prefix}{}", random_token()?);
    let ends = now + SignedDuration::from_hours(24 * wish.days);
    let stored = StoredToken {
        id: new_id()?,
        username: username.to_owned(),
        title: text(title).into_owned(),
        scope: scope.word().to_owned(),
        created: micros(now),
        expires: micros(ends),
        used: 0,
        revoked: 0,
    };
    let mut connection = db.acquire().await?;
    if table::count(&mut connection, username, micros(now)).await? >= MOST {
        return Err(NotMade::TooMany);
    }
    let kept = (&stored, &*digest(&token));
    table::insert(&mut connection, kept, micros(now - LISTED)).await?;
    Ok(token)
}

/// Who a token is of, where it counts: one of the demo's only in demo mode.
///
/// # Errors
/// The database fails: nobody knows.
pub async fn caller(
    db: &Db,
    (token, demo): (&str, bool),
    now: Timestamp,
) -> Result<Result<Caller, Refused>, DbError> {
    if token.starts_with(DEMO_PREFIX) && !demo {
        return Ok(Err(Refused::of(Invalid::Demo, "")));
    }
    let mut connection = db.acquire().await?;
    let stored = if token.starts_with(PREFIX) {
        table::find(&mut connection, &digest(token)).await?
    } else {
        None
    };
    let Some(stored) = stored else {
        return Ok(Err(Refused::of(Invalid::Unknown, "")));
    };
    if stored.revoked != 0 {
        return Ok(Err(Refused::of(Invalid::Revoked, &stored.username)));
    }
    if stored.expires <= micros(now) {
        return Ok(Err(Refused::of(Invalid::Ended, &stored.username)));
    }
    let person = people::find(&mut connection, &stored.username).await?;
    let Some(person) = person.filter(|person| person.seen > micros(now - SEEN_WITHIN)) else {
        return Ok(Err(Refused::of(Invalid::Unseen, &stored.username)));
    };
    if micros(now) - stored.used > micros_of(USE_COUNTS_AFTER) {
        // What cannot be written now is written at a later use.
        let _later = table::touch(&mut connection, &stored.id, micros(now)).await;
    }
    let contents: Value = serde_json::from_str(&person.contents).unwrap_or_default();
    let groups = contents["groups"].as_array().into_iter().flatten();
    let user = User {
        name: stored.username,
        groups: groups
            .filter_map(|group| group.as_str().map(str::to_owned))
            .collect(),
        post: None,
    };
    let scope = Scope::of(&stored.scope).unwrap_or(Scope::Read);
    Ok(Ok(Caller { user, scope }))
}

fn micros_of(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + days * 86_400).unwrap()
    }

    async fn db() -> (tempfile::TempDir, Db) {
        let dir = tempfile::TempDir::new().unwrap();
        let url = format!("sqlite:{}", dir.path().join("portal.db").display());
        let db = Db::open(&url.parse().unwrap()).await.unwrap();
        (dir, db)
    }

    async fn seen(db: &Db, day: i64) {
        let mut connection = db.acquire().await.unwrap();
        let contents = r#"{"groups":["zhanjiang-dsj"]}"#;
        people::seen(
            &mut connection,
            ("cs-approver", "s-1"),
            contents,
            micros(at(day)),
        )
        .await
        .unwrap();
    }

    const WISH: Wish<'static> = Wish {
        title: "月报对接",
        scope: "read",
        days: 365,
        way: Way::Provider,
    };

    #[tokio::test]
    async fn a_token_is_its_person_until_it_ends_is_revoked_or_the_person_is_not_seen_any_more() {
        let (_dir, db) = db().await;
        seen(&db, 0).await;
        let token = make(&db, "cs-approver", WISH, at(0)).await.unwrap();
        let caller_at = async |day| {
            let called = caller(&db, (&token, false), at(day)).await.unwrap();
            called.map_err(|refused| refused.why)
        };
        let found = caller_at(1).await.unwrap();
        assert_eq!(
            (&*found.user.name, found.scope),
            ("cs-approver", Scope::Read)
        );
        assert_eq!(found.user.groups, ["zhanjiang-dsj"]);
        assert_eq!(caller_at(30).await, Err(Invalid::Unseen));
        seen(&db, 350).await;
        assert!(caller_at(364).await.is_ok());
        assert_eq!(caller_at(365).await, Err(Invalid::Ended));
        let mut connection = db.acquire().await.unwrap();
        let listed = table::of_user(&mut connection, "cs-approver")
            .await
            .unwrap();
        assert_eq!((listed.len(), listed[0].used), (1, micros(at(364))));
        let id = listed[0].id.as_str();
        let not_theirs = table::revoke(&mut connection, ("somebody-else", id), 1).await;
        assert!(!not_theirs.unwrap());
        assert!(
            table::revoke(&mut connection, ("cs-approver", id), 1)
                .await
                .unwrap()
        );
        drop(connection);
        assert_eq!(caller_at(351).await, Err(Invalid::Revoked));
    }

    #[tokio::test]
    async fn the_token_itself_is_not_kept_and_guesses_are_nobody() {
        let (_dir, db) = db().await;
        seen(&db, 0).await;
        let token = make(&db, "cs-approver", WISH, at(0)).await.unwrap();
        let kept: String = sqlx::query_scalar("SELECT digest || id || title FROM api_tokens")
            .fetch_one(db.pool())
            .await
            .unwrap();
        assert!(token.len() == 70 && !kept.contains(&token[PREFIX.len()..]));
        for guess in ["", "qipan_", &token[..69], &digest(&token)] {
            assert_eq!(
                caller(&db, (guess, false), at(0)).await.unwrap(),
                Err(Refused::of(Invalid::Unknown, ""))
            );
        }
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused_by_its_field() {
        let (_dir, db) = db().await;
        let long = "名".repeat(LONGEST_TITLE + 1);
        for (wish, refused) in [
            (
                Wish {
                    title: "  ",
                    ..WISH
                },
                NotMade::Title,
            ),
            (
                Wish {
                    title: &long,
                    ..WISH
                },
                NotMade::Title,
            ),
            (
                Wish {
                    title: "a\nb",
                    ..WISH
                },
                NotMade::Title,
            ),
            (
                Wish {
                    scope: "admin",
                    ..WISH
                },
                NotMade::Scope,
            ),
            (Wish { days: 0, ..WISH }, NotMade::Days),
            (Wish { days: 366, ..WISH }, NotMade::Days),
        ] {
            assert_eq!(make(&db, "a", wish, at(0)).await, Err(refused));
        }
        for _ in 0..MOST {
            make(&db, "a", WISH, at(0)).await.unwrap();
        }
        assert_eq!(make(&db, "a", WISH, at(0)).await, Err(NotMade::TooMany));
        assert!(
            make(&db, "a", WISH, at(365)).await.is_ok(),
            "those have ended"
        );
    }

    #[tokio::test]
    async fn a_token_of_the_demo_counts_in_the_demo_only() {
        let (_dir, db) = db().await;
        seen(&db, 0).await;
        let wish = Wish {
            way: Way::Demo,
            ..WISH
        };
        let token = make(&db, "cs-approver", wish, at(0)).await.unwrap();
        assert!(token.starts_with(DEMO_PREFIX) && token.starts_with(PREFIX));
        assert!(caller(&db, (&token, true), at(1)).await.unwrap().is_ok());
        let after = caller(&db, (&token, false), at(1)).await.unwrap();
        assert_eq!(after.unwrap_err().why, Invalid::Demo);
        // Nor under another name.
        let bare = token.replacen(DEMO_PREFIX, PREFIX, 1);
        let forged = caller(&db, (&bare, false), at(1)).await.unwrap();
        assert_eq!(forged.unwrap_err().why, Invalid::Unknown);
    }
}
