//! The way to the identity provider and back, and what the provider says by itself.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use http::{Extensions, HeaderMap};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::{Answered, Begun, Oidc, Refused};
use crate::acts;
use crate::db::{Db, DbError, micros, people, sign_ins};
use crate::error::{AppError, SignIn};
use crate::identity::sessions::{Way, digest, random_token};
use crate::identity::{
    Arrival, Session, User, agent, begin, cookie, safe_next, session, set_cookie,
};
use crate::state::AppState;

/// A sign-in that was begun is waited for this long.
const PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// Where to go after signing in.
#[derive(Debug, Deserialize)]
pub struct Next {
    next: Option<String>,
}

/// What the provider sends the browser back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Back {
    state: String,
    code: String,
    error: String,
    /// Who answers (RFC 9207), where the provider says it.
    iss: String,
}

/// What the provider sends by itself.
#[derive(Debug, Deserialize)]
pub struct Told {
    logout_token: String,
}

fn oidc(state: &AppState) -> Result<(&Oidc, &Db), AppError> {
    let oidc = state.oidc.as_deref().ok_or(AppError::NoPage)?;
    let records = state.records.as_ref().ok_or(AppError::NoDatabase)?;
    Ok((oidc, &records.db))
}

/// Leads to the provider.
///
/// # Errors
/// The provider or the database gives no answer.
pub async fn start(
    State(state): State<AppState>,
    Query(query): Query<Next>,
) -> Result<Response, AppError> {
    lead(&state, query.next.as_deref().unwrap_or("/"), "").await
}

/// Leads to the provider; `again` is the session whose person is to prove again who they are.
///
/// # Errors
/// The provider or the database gives no answer.
pub async fn lead(state: &AppState, next: &str, again: &str) -> Result<Response, AppError> {
    let (oidc, db) = oidc(state)?;
    let now = crate::background::now();
    let (url, begun) = oidc
        .begin(safe_next(next), again, now)
        .await
        .map_err(refuse)?;
    let failed = |error: DbError| AppError::database(&error);
    let token = random_token().map_err(failed)?;
    let contents = serde_json::to_string(&begun).map_err(AppError::internal)?;
    let mut connection = db.acquire().await.map_err(failed)?;
    let (kept, before) = ((&*digest(&token), &*contents), micros(now - PATIENCE));
    sign_ins::begin(&mut connection, kept, micros(now), before)
        .await
        .map_err(failed)?;
    let set = set_cookie(
        state,
        state.sign_in_cookie_name(),
        &token,
        PATIENCE.as_secs(),
    );
    Ok((set, Redirect::to(url.as_str())).into_response())
}

/// Takes the provider's answer.
///
/// # Errors
/// The answer is not as it must be, or somebody gives none.
pub async fn callback(
    State(state): State<AppState>,
    headers: HeaderMap,
    asker: Extensions,
    Query(back): Query<Back>,
) -> Result<Response, AppError> {
    let (oidc, db) = oidc(&state)?;
    let now = crate::background::now();
    let begun = take(db, &state, &headers).await?;
    if !back.error.is_empty() {
        let known = back
            .error
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_');
        let word = if known { &back.error } else { "unknown" };
        return Err(refuse(Refused::Provider(word.to_owned())));
    }
    if !back.iss.is_empty() && back.iss != oidc.issuer() {
        return Err(refuse(Refused::Answer));
    }
    let answer = (&*back.state, &*back.code);
    let answered = oidc.complete(&begun, answer, now).await.map_err(refuse)?;
    let (said, user) = (&answered.said, &answered.said.user);
    let failed = |error: DbError| AppError::database(&error);
    let subject = format!("{}|{}", oidc.issuer(), said.subject);
    let contents = json!({ "groups": user.groups, "level": said.level }).to_string();
    state.record(acts::act(user, "sign-in", &headers))?;
    {
        let mut connection = db.acquire().await.map_err(failed)?;
        let named = (&*user.name, &*subject);
        people::seen(&mut connection, named, &contents, micros(now))
            .await
            .map_err(failed)?;
    }
    tracing::info!(user.name = user.name, "signed in at the identity provider");
    let set = if begun.again.is_empty() {
        begin(&state, &headers, &arrival(answered, &headers)).await?
    } else {
        renew(&state, &begun, session(&asker), &answered, now).await?
    };
    let forget = set_cookie(&state, state.sign_in_cookie_name(), "", 0);
    Ok((set, forget, Redirect::to(safe_next(&begun.next))).into_response())
}

/// The sign-in that this browser began, which nobody can take twice.
async fn take(db: &Db, state: &AppState, headers: &HeaderMap) -> Result<Begun, AppError> {
    let failed = |error: DbError| AppError::database(&error);
    let token = cookie(headers, state.sign_in_cookie_name());
    let token = token.ok_or_else(|| refuse(Refused::Answer))?;
    let mut connection = db.acquire().await.map_err(failed)?;
    let kept = sign_ins::take(&mut connection, &digest(&token)).await;
    let kept = kept
        .map_err(failed)?
        .ok_or_else(|| refuse(Refused::Answer))?;
    serde_json::from_str(&kept).map_err(|_| refuse(Refused::Answer))
}

fn arrival(answered: Answered, headers: &HeaderMap) -> Arrival {
    let said = answered.said;
    Arrival {
        user: said.user,
        level: said.level,
        authenticated: answered.authenticated,
        way: Way::Provider,
        provider_session: said.session,
        agent: agent(headers),
    }
}

/// The session of somebody who has proved again who they are, under another token.
async fn renew(
    state: &AppState,
    begun: &Begun,
    session: Option<Session>,
    answered: &Answered,
    now: Timestamp,
) -> Result<AppendHeaders<[(http::HeaderName, String); 1]>, AppError> {
    let session = session.filter(|session| session.digest == begun.again);
    let session = session.ok_or_else(|| refuse(Refused::Answer))?;
    if session.user.name != answered.said.user.name {
        return Err(AppError::SignInRefused(SignIn::OtherPerson));
    }
    let renewed = state.sessions.renew(&session, answered.authenticated, now);
    let renewed = renewed.await.map_err(|error| AppError::database(&error))?;
    let token = renewed.ok_or_else(|| refuse(Refused::Answer))?;
    let seconds = state.sessions.cookie_seconds();
    Ok(set_cookie(state, state.cookie_name(), &token, seconds))
}

/// A refusal in the person's words; the cause goes to the log.
#[expect(
    clippy::needless_pass_by_value,
    reason = "an error that is mapped is one that is over"
)]
fn refuse(refused: Refused) -> AppError {
    tracing::warn!(error = %refused, "a sign-in was refused");
    match refused {
        Refused::Silent(_) => AppError::ProviderSilent,
        Refused::Answer => AppError::SignInRefused(SignIn::Expired),
        Refused::Provider(_) => AppError::SignInRefused(SignIn::Denied),
        Refused::Token(_) => AppError::SignInRefused(SignIn::Token),
        Refused::Person(_) => AppError::SignInRefused(SignIn::Person),
        Refused::NotAgain(_) => AppError::SignInRefused(SignIn::NotAgain),
    }
}

/// Ends sessions because the provider has ended its own (back-channel logout). The answer is for a program.
pub async fn logout(
    State(state): State<AppState>,
    headers: HeaderMap,
    Form(told): Form<Told>,
) -> Response {
    let answer = |status: StatusCode, why: &str| {
        let body = json!({ "error": "invalid_request", "error_description": why });
        (status, axum::Json(body)).into_response()
    };
    let Ok((oidc, db)) = oidc(&state) else {
        return answer(StatusCode::NOT_FOUND, "there is no identity provider");
    };
    let now = crate::background::now();
    let logout = match oidc.logout(&told.logout_token, now).await {
        Ok(Ok(logout)) => logout,
        Ok(Err(forged)) => {
            tracing::warn!(error = %forged, "a logout token was refused");
            let act = acts::act(&User::default(), "end-session", &headers);
            let _nobody_waits = state.record(act.refused(&forged.to_string()));
            return answer(StatusCode::BAD_REQUEST, &forged.to_string());
        }
        Err(refused) => return answer(StatusCode::SERVICE_UNAVAILABLE, &refused.to_string()),
    };
    let subject = format!("{}|{}", oidc.issuer(), logout.subject);
    match end(&state, db, &logout, &subject, now).await {
        Ok(Some(ended)) => {
            let mut act = acts::act(&User::default(), "end-session", &headers);
            act.after = json!({ "ended": ended, "by": "back-channel logout" }).to_string();
            let _nobody_waits = state.record(act);
            StatusCode::OK.into_response()
        }
        Ok(None) => answer(StatusCode::BAD_REQUEST, "this token was taken before"),
        Err(error) => {
            tracing::warn!(%error, "a logout could not be carried out");
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database gives no answer",
            )
        }
    }
}

/// How many sessions ended; nothing where the token was taken before.
async fn end(
    state: &AppState,
    db: &Db,
    logout: &super::Logout,
    subject: &str,
    now: Timestamp,
) -> Result<Option<u64>, DbError> {
    let mut connection = db.acquire().await?;
    let (until, now) = (micros(logout.until), micros(now));
    if !sign_ins::take_token(&mut connection, &logout.id, until, now).await? {
        return Ok(None);
    }
    if !logout.session.is_empty() {
        drop(connection);
        return state
            .sessions
            .end_of_provider(&logout.session)
            .await
            .map(Some);
    }
    let names = people::of_subject(&mut connection, subject).await?;
    drop(connection);
    let mut ended = 0;
    for name in names {
        ended += state.sessions.end_of_user(&name).await?;
    }
    Ok(Some(ended))
}
