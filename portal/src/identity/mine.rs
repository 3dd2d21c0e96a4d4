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
use crate::export::{self, Table};
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

/// The list as a file.
///
/// # Errors
/// As of [`page`].
pub async fn csv(visit: Visit) -> Result<Response, AppError> {
    let (sessions, lang) = (&visit.state.sessions, visit.reader.lang);
    let own = sessions.of(&visit.session.user.name, visit.now).await;
    let own = own.map_err(|error| AppError::database(&error))?;
    let shown = own.iter().map(|session| row(session, &visit, lang));
    let rows = shown.map(|row| {
        let times = [row.began.exact, row.used.exact, row.proved.exact];
        let who = [row.agent, row.way.to_owned()];
        who.into_iter().chain(times).collect()
    });
    let head = ["agent", "way", "began", "used", "proved"];
    let head = head.map(|key| format!("sessions.{key}"));
    let table = Table {
        file: "sessions",
        head: &head.each_ref().map(|key| lang.t(key)),
        rows: &rows.collect::<Vec<_>>(),
        sensitive: false,
    };
    export::table(&visit, table)
}

fn row(session: &Session, visit: &Visit, lang: Lang) -> Row {
    let moment = |at| ages::moment(lang, at, visit.now);
    let agent = if session.agent.is_empty() {
        lang.t("sessions.agent.none").to_owned()
    } else {
        browser(&session.agent)
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

/// A browser as people call it, from the line that it sends; the whole line where it is none that is known.
fn browser(line: &str) -> String {
    // In this order: what is made of another names that other as well.
    let known = [
        ("Qaxbrowser/", "Qaxbrowser"),
        ("UOSBrowser/", "UOS"),
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("HeadlessChrome/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Version/", "Safari"),
    ];
    let systems = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let found = known.iter().find_map(|(mark, name)| {
        let (_, rest) = line.split_once(mark)?;
        let version = rest.split(['.', ' ', ';']).next()?;
        Some(format!("{name} {version}"))
    });
    let system = systems.iter().find(|(mark, _)| line.contains(mark));
    match (found, system) {
        (Some(browser), Some((_, system))) => format!("{browser} · {system}"),
        (Some(browser), None) => browser,
        (None, _) => line.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn a_browser_is_called_by_its_name() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/93.0.4577.63 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome 93 · Linux");
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0";
        assert_eq!(browser(edge), "Edge 130 · Windows");
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
        assert_eq!(browser(safari), "Safari 18 · iOS");
        assert_eq!(browser("curl/8.1"), "curl/8.1");
    }
}
