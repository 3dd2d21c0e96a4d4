//! Step-up: for what is risky, a person proves again who they are.
//!
//! A handler that takes [`StepUp`] instead of `Signed` runs only for somebody who did so a short while ago; everybody else
//! is led to the proof and back to the page. Put it on the page that leads to a risky act as well as on the act: a form
//! that was opened in time may be sent a while later, so that nothing that was written is lost.

use askama::Template;
use axum::Form;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::oidc::pages::lead;
use super::sessions::{Way, same_secret};
use super::{Session, Signed, safe_next, set_cookie, way_back};
use crate::acts;
use crate::error::AppError;
use crate::page::Page;
use crate::reader::Reader;
use crate::state::AppState;

/// A proof opens pages for this long,
const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// and a form that was opened with it may be sent for this long.
const SENT: SignedDuration = SignedDuration::from_mins(30);

/// The session of somebody who has proved a short while ago who they are.
#[derive(Clone, Debug)]
pub struct StepUp(pub Session);

impl FromRequestParts<AppState> for StepUp {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, AppError> {
        let Signed(session) = Signed::from_request_parts(parts, state).await?;
        let sends = parts.method != Method::GET;
        if is_recent(&session, sends, crate::background::now()) {
            return Ok(Self(session));
        }
        Err(AppError::StepUpNeeded {
            next: way_back(parts),
        })
    }
}

/// Whether the proof is recent enough to open a page, or to send its form.
#[must_use]
pub fn is_recent(session: &Session, sends: bool, now: Timestamp) -> bool {
    now.duration_since(session.authenticated) <= if sends { SENT } else { RECENT }
}

/// Where to go after the proof.
#[derive(Debug, Deserialize)]
pub struct Next {
    next: Option<String>,
}

/// What the demo's form sends.
#[derive(Debug, Deserialize)]
pub struct Proof {
    next: String,
    token: String,
}

#[derive(Template)]
#[template(path = "step_up.html")]
struct Ask<'a> {
    p: Page,
    next: &'a str,
    form_token: &'a str,
}

/// Leads to the proof: to the provider, or in the demo to a form that says what it is.
///
/// # Errors
/// The provider or the database gives no answer.
pub async fn ask(
    State(state): State<AppState>,
    Signed(session): Signed,
    reader: Reader,
    Query(query): Query<Next>,
) -> Result<Response, AppError> {
    let next = safe_next(query.next.as_deref().unwrap_or("/")).to_owned();
    if session.way == Way::Provider {
        return lead(&state, &next, &session.digest).await;
    }
    let mut p = Page::public(&state, reader, "step-up.title");
    p.welcome(&session);
    let html = Ask {
        p,
        next: &next,
        form_token: &session.form_token,
    };
    Ok(Html(html.render()?).into_response())
}

/// Takes the demo's proof, which is none and says so.
///
/// # Errors
/// The form is not this session's, or the session is not of the demo.
pub async fn prove(
    State(state): State<AppState>,
    Signed(session): Signed,
    headers: HeaderMap,
    Form(proof): Form<Proof>,
) -> Result<Response, AppError> {
    if !state.demo || session.way != Way::Demo {
        return Err(AppError::NoPage);
    }
    if !same_secret(&session.form_token, &proof.token) {
        return Err(AppError::FormExpired);
    }
    state.record(acts::act(&session.user, "sign-in", &headers))?;
    let now = crate::background::now();
    let renewed = state.sessions.renew(&session, now, now).await;
    let renewed = renewed.map_err(|error| AppError::database(&error))?;
    let token = renewed.ok_or_else(|| AppError::SignInNeeded {
        next: safe_next(&proof.next).to_owned(),
    })?;
    let seconds = state.sessions.cookie_seconds();
    let set = set_cookie(&state, state.cookie_name(), &token, seconds);
    Ok((set, Redirect::to(safe_next(&proof.next))).into_response())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use crate::attachments::tests::database;
    use crate::router::tests::{Browser, token, with_records};

    /// The same browser, whose person proved who they are so many minutes ago.
    async fn proved(dir: &tempfile::TempDir, minutes: i64) -> Browser {
        let browser = with_records(dir, |_| true, "administrator").await;
        let db = database(dir).await;
        let (digest, contents): (String, String) =
            sqlx::query_as("SELECT digest, contents FROM sessions ORDER BY began DESC LIMIT 1")
                .fetch_one(db.pool())
                .await
                .unwrap();
        let mut contents: serde_json::Value = serde_json::from_str(&contents).unwrap();
        let at = contents["authenticated"].as_i64().unwrap() - minutes * 60_000_000;
        contents["authenticated"] = at.into();
        sqlx::query("UPDATE sessions SET contents = $1 WHERE digest = $2")
            .bind(contents.to_string())
            .bind(digest)
            .execute(db.pool())
            .await
            .unwrap();
        browser
    }

    /// What gives rights or ways in takes a proof of the last minutes; a form that was opened with one may be sent a while later.
    #[tokio::test]
    async fn an_old_proof_opens_nothing_risky_and_leads_to_a_new_one() {
        let (members, token_form) = ("/tenants/renshe/members", "title=t&scope=read&days=1");
        for (minutes, shown, sent) in [(0, true, true), (11, false, true), (31, false, false)] {
            let dir = tempfile::TempDir::new().unwrap();
            let browser = proved(&dir, minutes).await;
            for (path, form) in [
                ("/tokens", "action=\"/tokens\""),
                (members, "/members/add\""),
            ] {
                let (_, _, page) = browser.get(path).await;
                assert_eq!(
                    page.contains(form),
                    shown,
                    "{path} after {minutes} minutes: {page}"
                );
                let leads = page.contains(&format!("/sign-in/again?next={path}"));
                assert_eq!(leads, !shown, "{path} after {minutes} minutes");
            }
            let (_, _, page) = browser.get("/sessions").await;
            for (path, fields) in [
                ("/tokens", token_form),
                ("/tenants/renshe/members/add", "kind=User&name=a"),
            ] {
                let (status, leads, _) = browser
                    .send(path, &format!("{fields}&token={}", token(&page)))
                    .await;
                let led =
                    status == StatusCode::SEE_OTHER && leads.starts_with("/sign-in/again?next=");
                assert_eq!(
                    led, !sent,
                    "{path} after {minutes} minutes: {status} {leads}"
                );
            }
        }
    }
}
