//! A call of the API: who calls, what they say, and what they get.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, FromRequestParts as _, RawPathParams, Request};
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::operation::{Answer, NAME, Operation, USUAL, Verb};
use super::problem::Problem;
use super::schemas;
use crate::acts::request_id;
use crate::cluster::write::Author;
use crate::error::AppError;
use crate::i18n::Lang;
use crate::identity::sessions::{Way, random_token};
use crate::identity::tokens::{self, Caller, Invalid, Refused, Scope};
use crate::identity::{Session, Signed};
use crate::live::Visit;
use crate::reader::Reader;
use crate::state::AppState;

/// How old what is read may be: the hub answered last at this moment.
const AS_OF: HeaderName = HeaderName::from_static("qipan-as-of");
/// Bodies and answers.
const JSON: &str = "application/json";
/// The longest name in a path.
const LONGEST_NAME: usize = 253;

/// A call, by somebody who may make it.
pub struct Call {
    /// The caller, as pages know them.
    pub visit: Visit,
    /// What the caller's token may.
    pub scope: Scope,
    request_id: String,
    path: BTreeMap<String, String>,
    query: BTreeMap<&'static str, String>,
    body: Value,
}

/// What a call gives.
pub enum Reply {
    /// What was asked for.
    One(Value),
    /// What was written.
    Made(Value),
    /// A file.
    File(Response),
}

impl Call {
    /// Reads a call: who makes it, and whether what it says is what the operation takes.
    ///
    /// # Errors
    /// Nobody makes it, they may not, or it says what the operation does not take.
    pub async fn read(
        operation: &Operation,
        state: &AppState,
        request: Request,
    ) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        if !matches!(operation.answer, Answer::File) {
            accepts(&parts.headers)?;
        }
        let (session, scope) = who(&mut parts, state).await?;
        if operation.verb == Verb::Post && scope != Scope::Write {
            let refused = Problem::of("scope").with("needed", Scope::Write.word());
            return Err(refused.by(session.user));
        }
        let path = path(&mut parts, state).await?;
        let query = operation.read(parts.uri.query().unwrap_or_default())?;
        let mut reader = Reader::of(&parts.uri, &parts.headers);
        reader.lang = lang(&parts.headers);
        let request_id = request_id(&parts.headers).to_owned();
        let body = match operation.body {
            Some(wanted) => {
                let value = json_of(parts, body).await?;
                schemas::nothing_unknown(&value, &schemas::of_body(wanted.schema))?;
                value
            }
            None => Value::Null,
        };
        let visit = Visit {
            state: state.clone(),
            session,
            reader,
            now: crate::background::now(),
            unread: None,
        };
        Ok(Self {
            visit,
            scope,
            request_id,
            path,
            query,
            body,
        })
    }

    /// A name in the path.
    #[must_use]
    pub fn path(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// What a parameter says; nothing where it was not given.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// A number that a parameter says.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.query.get(name)?.parse().ok()
    }

    /// The body.
    ///
    /// # Errors
    /// It is not what the operation takes; by the field.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_path_to_error::deserialize(&self.body).map_err(|error| {
            let field = match error.path().to_string().as_str() {
                "." => "body".to_owned(),
                path => format!("body.{path}"),
            };
            Problem::of("bad-field")
                .field(&field)
                .with("field", &field)
                .with("why", &error.inner().to_string())
        })
    }

    /// The name that a body gives to what is made, or another.
    ///
    /// # Errors
    /// It is not one.
    pub fn name(
        &self,
        said: Option<String>,
        most: usize,
        other: impl FnOnce() -> Result<String, AppError>,
    ) -> Result<String, Problem> {
        match said {
            None => Ok(other()?),
            Some(name) if is_name(&name) && !name.contains('.') && name.len() <= most => Ok(name),
            Some(name) => Err(Problem::of("bad-field")
                .field("body.name")
                .with("field", "body.name")
                .with(
                    "why",
                    &format!("{name:?} !~ ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$, 1..={most}"),
                )),
        }
    }

    /// In whose name something is written, under this call's id.
    #[must_use]
    pub fn author(&self, dry: bool) -> Author<'_> {
        Author {
            user: &self.visit.session.user,
            request_id: &self.request_id,
            dry,
        }
    }

    /// The page of a list that was asked for; only what is on it is shown.
    #[must_use]
    pub fn page<T>(&self, rows: &[T], show: impl Fn(&T) -> Value) -> Reply {
        let (limit, offset) = self.window();
        let items = rows.iter().skip(offset).take(limit);
        Reply::One(json!({
            "items": items.map(show).collect::<Vec<_>>(),
            "total": rows.len(),
            "limit": limit,
            "offset": offset,
            "asOf": self.visit.state.cluster.last_contact(),
            "unasked": self.visit.state.access.unasked(&self.visit.session.user),
        }))
    }

    /// How many, after how many.
    #[must_use]
    pub fn window(&self) -> (usize, usize) {
        let number = |name, usual| usize::try_from(self.number(name).unwrap_or(usual)).unwrap_or(0);
        (number("limit", USUAL), number("offset", 0))
    }
}

impl Reply {
    /// The answer, with the age of what it was read from.
    #[must_use]
    pub fn respond(self, state: &AppState) -> Response {
        let json = |status: StatusCode, value: Value| {
            (status, [(CONTENT_TYPE, JSON)], value.to_string()).into_response()
        };
        let mut response = match self {
            Self::One(value) => json(StatusCode::OK, value),
            Self::Made(value) => json(StatusCode::CREATED, value),
            Self::File(response) => response,
        };
        let headers = response.headers_mut();
        headers.append(
            VARY,
            HeaderValue::from_static("authorization, accept-language"),
        );
        let at = state.cluster.last_contact();
        let at = at.and_then(|at| HeaderValue::from_str(&at.to_string()).ok());
        if let Some(at) = at {
            headers.insert(AS_OF, at);
        }
        response
    }
}

/// The language of whoever calls: the first of ours in `Accept-Language`, by its weights.
#[must_use]
pub fn lang(headers: &HeaderMap) -> Lang {
    let line = headers
        .get(ACCEPT_LANGUAGE)
        .and_then(|line| line.to_str().ok());
    let mut best: Option<(f32, Lang)> = None;
    for part in line.unwrap_or_default().split(',') {
        let (code, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        let weight: f32 = weight.parse().unwrap_or(0.0);
        let known = Lang::of(code.trim());
        if let Some(lang) = known.filter(|_| weight > best.map_or(0.0, |(w, _)| w)) {
            best = Some((weight, lang));
        }
    }
    best.map(|(_, lang)| lang).unwrap_or_default()
}

/// Whether JSON is taken.
fn accepts(headers: &HeaderMap) -> Result<(), Problem> {
    let mut lines = headers.get_all(ACCEPT).iter().peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    let taken = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|part| {
            part.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        })
        .any(|kind| ["*/*", "application/*", JSON, "application/problem+json"].contains(&&*kind));
    taken.then_some(()).ok_or(Problem::of("not-acceptable"))
}

/// Who calls: by a token; or, to read, by the session of a browser that is at a page of ours.
async fn who(parts: &mut Parts, state: &AppState) -> Result<(Session, Scope), Problem> {
    let now = crate::background::now();
    if let Some(line) = parts.headers.get(AUTHORIZATION) {
        let line = line.to_str().unwrap_or_default();
        let (scheme, token) = line.split_once(' ').unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            let refused = Refused {
                why: Invalid::Unknown,
                of: String::new(),
            };
            return Err(Problem::token(&refused));
        }
        let records = state.records.as_ref().ok_or(AppError::NoDatabase)?;
        let caller = tokens::caller(&records.db, (token.trim(), state.demo), now).await;
        let caller = caller.map_err(|error| AppError::database(&error))?;
        let caller = caller.map_err(|refused| Problem::token(&refused))?;
        let scope = caller.scope;
        return Ok((of_caller(caller, now)?, scope));
    }
    let reads = [Method::GET, Method::HEAD].contains(&parts.method);
    let site = parts
        .headers
        .get("sec-fetch-site")
        .map(HeaderValue::as_bytes);
    let own = site.is_none_or(|site| [&b"same-origin"[..], b"none"].contains(&site));
    if !reads || !own {
        return Err(Problem::of("no-token"));
    }
    match Signed::from_request_parts(parts, state).await {
        Ok(Signed(session)) => Ok((session, Scope::Read)),
        Err(AppError::SignInNeeded { .. }) => Err(Problem::of("no-token")),
        Err(error) => Err(error.into()),
    }
}

/// What pages know a caller by: a session that is kept nowhere and lasts for the call.
fn of_caller(caller: Caller, now: Timestamp) -> Result<Session, AppError> {
    Ok(Session {
        user: caller.user,
        form_token: random_token().map_err(AppError::internal)?,
        level: String::new(),
        authenticated: now,
        way: Way::Provider,
        agent: String::new(),
        began: now,
        used: now,
        digest: String::new(),
    })
}

/// The names in the path. One that no object can have is no object's.
async fn path(parts: &mut Parts, state: &AppState) -> Result<BTreeMap<String, String>, Problem> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|_| AppError::NoPage)?;
    let mut names = BTreeMap::new();
    for (name, value) in &params {
        if !is_name(value) {
            return Err(AppError::NoPage.into());
        }
        names.insert(name.to_owned(), value.to_owned());
    }
    Ok(names)
}

/// Whether it is a name, by [`NAME`].
fn is_name(text: &str) -> bool {
    debug_assert!(NAME.contains("251"), "the two say the same");
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= LONGEST_NAME
        && text.chars().all(inner)
        && edge(text.chars().next())
        && edge(text.chars().last())
}

/// The body as JSON.
async fn json_of(parts: Parts, body: Body) -> Result<Value, Problem> {
    let kind = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case(JSON) {
        return Err(Problem::of("no-json").with("kind", kind));
    }
    let bytes = Bytes::from_request(Request::from_parts(parts, body), &()).await;
    let bytes = bytes.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::of("too-large"),
        _ => Problem::of("cut-off"),
    })?;
    let value = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::of("bad-body")
            .field("body")
            .with("field", "body")
            .with("why", &error.to_string())
    });
    value.map(whole)
}

/// JSON knows one kind of number: `2.0` is the integer 2.
fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let integer = number
                .as_f64()
                .filter(|n| !number.is_i64() && n.fract() == 0.0);
            let integer = integer.and_then(|n| format!("{n:.0}").parse::<i64>().ok());
            integer.map_or(Value::Number(number), Value::from)
        }
        Value::Array(all) => all.into_iter().map(whole).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, inner)| (name, whole(inner)))
            .collect(),
        other @ (Value::Null | Value::Bool(_) | Value::String(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn the_language_is_the_one_that_is_wanted_most() {
        for (line, lang_) in [
            ("en-GB,en;q=0.9,zh;q=0.8", Lang::En),
            ("fr, zh-CN;q=0.7, en;q=0.3", Lang::Zh),
            ("fr", Lang::Zh),
            ("en;q=0", Lang::Zh),
            ("*", Lang::Zh),
        ] {
            assert_eq!(lang(&headers(ACCEPT_LANGUAGE, line)), lang_, "{line}");
        }
    }

    #[test]
    fn json_is_taken_by_who_says_nothing_else() {
        for good in ["*/*", "application/json", "text/html, application/*;q=0.1"] {
            assert!(accepts(&headers(ACCEPT, good)).is_ok(), "{good}");
        }
        assert!(accepts(&HeaderMap::new()).is_ok());
        assert!(accepts(&headers(ACCEPT, "application/xml")).is_err());
    }

    #[test]
    fn a_number_without_a_fraction_is_an_integer_however_it_is_written() {
        let said = whole(json!({ "a": [2.0, 2.5, -3.0, 7, 1e300, u64::MAX], "b": "2.0" }));
        assert_eq!(
            said,
            json!({ "a": [2, 2.5, -3, 7, 1e300, u64::MAX], "b": "2.0" })
        );
    }

    #[test]
    fn names_are_those_that_objects_can_have() {
        for good in ["a", "zj-rsj", "20261124-ab12cd34", "a.b"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a/b",
            "..",
            "数据局",
            &"a".repeat(254),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
