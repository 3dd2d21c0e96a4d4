//! A person's own sessions: where they are signed in, and the way to end what they do not recognise.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use http::HeaderMap;
use serde::Deserialize;

use super::sessions::{Way, same_secret};
use super::{Session, Signed};
use crate::acts;
use crate::ages::{self, Moment};
use crate::error::AppError;
use crate::i18n::Lang;
use crate::live::Visit;
use crate::page::Page;
use crate::state::AppState;

/// A session is named by the beginning of its digest, which is no secret.
const SHOWN_OF_DIGEST: usize = 16;
/// What the form says to end all but the one it is sent from.
const OTHERS: &str = "others";

/// A session as it is shown.
struct Row {
    id: String,
    agent: String,
    way: &'static str,
    began: Moment,
    used: Moment,
    proved: Moment,
    this: bool,
    end: String,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Mine {
    p: Page,
    about: String,
    rows: Vec<Row>,
    form_token: String,
}

/// What the buttons send.
#[derive(Debug, Deserialize)]
pub struct End {
    session: String,
    token: String,
}

/// The list.
///
/// # Errors
/// The database or the hub gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let (sessions, lang) = (&visit.state.sessions, visit.reader.lang);
    let own = sessions.of(&visit.session.user.name, visit.now).await;
    let own = own.map_err(|error| AppError::database(&error))?;
    let rows: Vec<_> = own
        .iter()
        .map(|session| row(session, &visit, lang))
        .collect();
    let title = lang.count("sessions.title", rows.len());
    let (idle, hours) = sessions.ends();
    let about = lang.say(
        "sessions.about",
        &[("idle", &idle.to_string()), ("hours", &hours.to_string())],
    );
    let p = visit.page(&visible, title);
    let form_token = visit.session.form_token.clone();
    let html = Mine {
        p,
        about,
        rows,
        form_token,
    };
    Ok(Html(html.render()?).into_response())
}

fn row(session: &Session, visit: &Visit, lang: Lang) -> Row {
    let moment = |at| ages::moment(lang, at, visit.now);
    let agent = if session.agent.is_empty() {
        lang.t("sessions.agent.none").to_owned()
    } else {
        session.agent.clone()
    };
    let end = lang.say("sessions.end.this", &[("agent", &agent)]);
    Row {
        end,
        id: session.digest.chars().take(SHOWN_OF_DIGEST).collect(),
        agent,
        way: match session.way {
            Way::Demo => lang.find("sessions.way.demo").unwrap_or("demo"),
            Way::Provider => lang.find("sessions.way.provider").unwrap_or("provider"),
        },
        began: moment(session.began),
        used: moment(session.used),
        proved: moment(session.authenticated),
        this: session.digest == visit.session.digest,
    }
}

/// Ends one of them, or all but this one.
///
/// # Errors
/// The form is not this session's, or the database gives no answer.
pub async fn end(
    State(state): State<AppState>,
    Signed(session): Signed,
    headers: HeaderMap,
    Form(end): Form<End>,
) -> Result<Response, AppError> {
    if !same_secret(&session.form_token, &end.token) {
        return Err(AppError::FormExpired);
    }
    let failed = |error| AppError::database(&error);
    let mut act = acts::act(&session.user, "end-session", &headers);
    act.name.clone_from(&end.session);
    if end.session == OTHERS {
        state.record(act)?;
        state.sessions.end_others(&session).await.map_err(failed)?;
        return Ok(Redirect::to("/sessions").into_response());
    }
    let own = state
        .sessions
        .of(&session.user.name, crate::background::now());
    let own = own.await.map_err(failed)?;
    let named = |other: &&Session| {
        end.session.len() == SHOWN_OF_DIGEST && other.digest.starts_with(&end.session)
    };
    // One that has ended meanwhile is what was wanted.
    if let Some(other) = own.iter().find(named) {
        state.record(act)?;
        let ended = state.sessions.end_by_digest(&other.digest).await;
        ended.map_err(failed)?;
    }
    Ok(Redirect::to("/sessions").into_response())
}
