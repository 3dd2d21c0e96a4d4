//! Keeping a view, making one the usual, removing one. Every act leads back to the list as it was; what is wrong is said there.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::query::Asked;
use super::{ALL, List};
use crate::db::views::{self as table, MOST, ViewError};
use crate::db::{Db, micros};
use crate::error::AppError;
use crate::forms::{Fields, is_hidden};
use crate::i18n::Lang;
use crate::live::Visit;

/// The longest name, in characters.
const LONGEST_NAME: usize = 40;
/// The longest query, in bytes: a filter with a long sentence in it is no view.
const LONGEST_QUERY: usize = 1_000;

/// Why a view was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is no name.
    Name,
    /// There is one of that name.
    Exists,
    /// There are too many.
    TooMany,
    /// The filter is too long.
    Long,
    /// The database gives no answer.
    Database,
}

impl Wrong {
    const EVERY: [Self; 5] = [
        Self::Name,
        Self::Exists,
        Self::TooMany,
        Self::Long,
        Self::Database,
    ];

    const fn code(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Exists => "exists",
            Self::TooMany => "many",
            Self::Long => "long",
            Self::Database => "database",
        }
    }

    /// What an address says is wrong; nothing where it says nothing that is known.
    pub(super) fn of(code: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|wrong| wrong.code() == code)
    }

    /// What is wrong and what to do, in words.
    pub(super) fn words(self, lang: Lang, name: &str) -> String {
        let (most, longest) = (MOST.to_string(), LONGEST_NAME.to_string());
        let figures = [("name", name), ("most", &most), ("longest", &longest)];
        lang.say(&format!("view-wrong.{}", self.code()), &figures)
    }
}

impl From<ViewError> for Wrong {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Exists => Self::Exists,
            ViewError::TooMany => Self::TooMany,
            ViewError::Database(error) => {
                tracing::warn!(%error, "a view could not be kept");
                Self::Database
            }
        }
    }
}

/// What the forms of a list are for.
pub(super) fn purpose(list: &List) -> String {
    format!("views:{}", list.code)
}

/// What a person may call a view.
fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.contains(is_hidden)
}

/// Does what the form of a list says about somebody's views.
///
/// # Errors
/// There is no such list, or the form is not this session's.
pub async fn act(
    visit: Visit,
    Path(code): Path<String>,
    fields: Fields,
) -> Result<Response, AppError> {
    let list = ALL.into_iter().find(|list| list.code == code);
    let list = list.ok_or(AppError::NoPage)?;
    fields.check(&visit.session, &purpose(list))?;
    let asked = Asked::of(list, fields.get("query"));
    let name = fields.get("name");
    let href = match done(&visit, list, &asked, &fields).await {
        Ok(done) => asked.with(list.path, &[("done", done)]),
        Err(wrong) => {
            let said = [("view-wrong", wrong.code()), ("view-name", name)];
            format!("{}#views", asked.with(list.path, &said))
        }
    };
    Ok(Redirect::to(&href).into_response())
}

/// Does it; gives the word for what was done.
async fn done(
    visit: &Visit,
    list: &List,
    asked: &Asked,
    fields: &Fields,
) -> Result<&'static str, Wrong> {
    let db = &visit.records().map_err(|_| Wrong::Database)?.db;
    let (person, name) = (visit.session.user.name.as_str(), fields.get("name"));
    let of = (person, list.code);
    match fields.get("what") {
        "usual" => usual(db, of, Some(name)).await.map(|()| "view-usual"),
        "not-usual" => usual(db, of, None).await.map(|()| "view-not-usual"),
        "remove" => {
            let mut connection = db.acquire().await.map_err(ViewError::from)?;
            let removed = table::remove(&mut connection, (person, list.code, name)).await;
            removed.map_err(ViewError::from)?;
            Ok("view-removed")
        }
        what => {
            let query = asked.query();
            if !is_name(name) {
                return Err(Wrong::Name);
            }
            if query.len() > LONGEST_QUERY {
                return Err(Wrong::Long);
            }
            // Only the one whose name stood on the button is replaced.
            let replaces = what == "replace" && fields.get("replaces") == name;
            let now = micros(visit.now);
            let view = (person, list.code, name);
            let mut connection = db.acquire().await.map_err(ViewError::from)?;
            if replaces {
                let there = table::replace(&mut connection, view, &query, now).await;
                if there.map_err(ViewError::from)? {
                    return Ok("view-saved");
                }
            }
            table::put(&mut connection, view, &query, now).await?;
            Ok("view-saved")
        }
    }
}

async fn usual(db: &Db, of: (&str, &str), name: Option<&str>) -> Result<(), Wrong> {
    let mut connection = db.acquire().await.map_err(ViewError::from)?;
    let made = table::make_usual(&mut connection, of, name).await;
    Ok(made.map_err(ViewError::from)?)
}
