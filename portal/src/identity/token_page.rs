//! A person's tokens of the API: the list, a new one (shown once, after a recent proof of identity), and revoking.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;

use super::sessions::same_secret;
use super::step_up::is_recent;
use super::tokens::{self, NotMade, Wish};
use super::{Signed, StepUp};
use crate::acts;
use crate::ages::{self, Moment};
use crate::db::api_tokens::{self as table, StoredToken};
use crate::db::{Db, DbError, micros};
use crate::error::AppError;
use crate::export::{self, Table};
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;
use crate::state::AppState;

/// The lives that are offered, in days.
const DAYS: [i64; 4] = [7, 30, 90, 365];

/// A token as it is shown.
struct Row {
    id: String,
    title: String,
    scope: &'static str,
    created: Moment,
    expires: Moment,
    used: Option<Moment>,
    state: &'static str,
    counts: bool,
    revoke: String,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct Tokens {
    p: Page,
    rows: Vec<Row>,
    form_token: String,
    /// Whether the proof of identity is recent enough to make one.
    may: bool,
    /// The new token, shown this once.
    fresh: Option<String>,
    /// What is wrong with the form, and with which field.
    wrong: Option<(&'static str, String)>,
    title: String,
    scope: String,
    days: i64,
    choices: [i64; 4],
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct New {
    title: String,
    scope: String,
    days: i64,
    token: String,
}

/// What a revoking button sends.
#[derive(Debug, Deserialize)]
pub struct Revoke {
    id: String,
    token: String,
}

fn db(state: &AppState) -> Result<&Db, AppError> {
    let records = state.records.as_ref();
    Ok(&records.ok_or(AppError::NoDatabase)?.db)
}

fn failed(error: impl std::borrow::Borrow<DbError>) -> AppError {
    AppError::database(error.borrow())
}

/// The list and the form.
///
/// # Errors
/// The database or the hub gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    let page = draw(&visit).await?;
    Ok(Html(page.render()?).into_response())
}

async fn draw(visit: &Visit) -> Result<Tokens, AppError> {
    let visible = visit.visible().await?;
    let mut connection = db(&visit.state)?.acquire().await.map_err(failed)?;
    let name = &visit.session.user.name;
    let own = table::of_user(&mut connection, name)
        .await
        .map_err(failed)?;
    let lang = visit.reader.lang;
    Ok(Tokens {
        p: visit.page(&visible, lang.t("tokens.title").to_owned()),
        rows: own
            .iter()
            .map(|token| row(token, lang, visit.now))
            .collect(),
        form_token: visit.session.form_token.clone(),
        may: is_recent(&visit.session, false, visit.now),
        fresh: None,
        wrong: None,
        title: String::new(),
        scope: "read".to_owned(),
        days: 90,
        choices: DAYS,
    })
}

/// The list as a file. What a token is made of is in no file.
///
/// # Errors
/// As of [`page`].
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (lang, shown) = (visit.reader.lang, draw(&visit).await?);
    let rows: Vec<_> = shown
        .rows
        .into_iter()
        .map(|row| {
            let used = row.used.map_or_else(String::new, |used| used.exact);
            let (created, expires) = (row.created.exact, row.expires.exact);
            let scope = row.scope.to_owned();
            vec![
                row.title,
                scope,
                created,
                expires,
                used,
                row.state.to_owned(),
            ]
        })
        .collect();
    let head = ["name", "scope", "created", "expires", "used", "state"];
    let head = head.map(|key| format!("tokens.{key}"));
    let table = Table {
        file: "tokens",
        head: &head.each_ref().map(|key| lang.t(key)),
        rows: &rows,
        sensitive: false,
    };
    export::table(&visit, table)
}

fn row(token: &StoredToken, lang: Lang, now: Timestamp) -> Row {
    let moment = |micros| {
        let at = Timestamp::from_microsecond(micros).unwrap_or(now);
        ages::moment(lang, at, now)
    };
    let word = |key: &'static str| lang.find(key).unwrap_or(key);
    let ended = token.expires <= micros(now);
    Row {
        id: token.id.clone(),
        title: token.title.clone(),
        scope: if token.scope == "write" {
            word("tokens.scope.write")
        } else {
            word("tokens.scope.read")
        },
        created: moment(token.created),
        expires: moment(token.expires),
        used: (token.used != 0).then(|| moment(token.used)),
        state: match (token.revoked != 0, ended) {
            (true, _) => word("tokens.state.revoked"),
            (false, true) => word("tokens.state.ended"),
            (false, false) => word("tokens.state.counts"),
        },
        counts: token.revoked == 0 && !ended,
        revoke: lang.say("tokens.revoke.this", &[("title", &token.title)]),
    }
}

/// Makes a token and shows it, this once.
///
/// # Errors
/// The form is not this session's, or somebody gives no answer. What is wrong in the form is said in it.
pub async fn make(
    visit: Visit,
    StepUp(session): StepUp,
    headers: HeaderMap,
    Form(new): Form<New>,
) -> Result<Response, AppError> {
    if !same_secret(&session.form_token, &new.token) {
        return Err(AppError::FormExpired);
    }
    let mut act = acts::act(&session.user, "make-token", &headers);
    act.name.clone_from(&new.title);
    act.after = serde_json::json!({ "scope": new.scope, "days": new.days }).to_string();
    let wish = Wish {
        title: &new.title,
        scope: &new.scope,
        days: new.days,
        way: session.way,
    };
    let made = tokens::make(db(&visit.state)?, &session.user.name, wish, visit.now).await;
    let lang = visit.reader.lang;
    let wrong = match made {
        Ok(token) => {
            visit.state.record(act)?;
            let page = Tokens {
                fresh: Some(token),
                may: true,
                ..draw(&visit).await?
            };
            return Ok(Html(page.render()?).into_response());
        }
        Err(NotMade::Database(error)) => return Err(failed(error)),
        Err(NotMade::Title) => {
            let most = tokens::LONGEST_TITLE.to_string();
            ("title", lang.say("tokens.wrong.title", &[("n", &most)]))
        }
        Err(NotMade::Scope) => ("scope", lang.t("tokens.wrong.scope").to_owned()),
        Err(NotMade::Days) => ("days", lang.t("tokens.wrong.days").to_owned()),
        Err(NotMade::TooMany) => {
            let most = tokens::MOST.to_string();
            ("title", lang.say("tokens.wrong.many", &[("n", &most)]))
        }
    };
    let page = Tokens {
        wrong: Some(wrong),
        may: true,
        title: new.title,
        scope: new.scope,
        days: new.days,
        ..draw(&visit).await?
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
}

/// Revokes a token: at once, on every replica.
///
/// # Errors
/// The form is not this session's, or the database gives no answer.
pub async fn revoke(
    State(state): State<AppState>,
    Signed(session): Signed,
    headers: HeaderMap,
    Form(revoke): Form<Revoke>,
) -> Result<Response, AppError> {
    if !same_secret(&session.form_token, &revoke.token) {
        return Err(AppError::FormExpired);
    }
    let mut act = acts::act(&session.user, "revoke-token", &headers);
    act.name.clone_from(&revoke.id);
    state.record(act)?;
    let mut connection = db(&state)?.acquire().await.map_err(failed)?;
    let own = (&*session.user.name, &*revoke.id);
    let now = micros(crate::background::now());
    table::revoke(&mut connection, own, now)
        .await
        .map_err(failed)?;
    Ok(Redirect::to("/tokens").into_response())
}
