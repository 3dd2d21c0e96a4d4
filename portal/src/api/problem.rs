//! What went wrong with a call, as RFC 9457 has it: `application/problem+json`, in the caller's language, with the reason, the
//! figures and the way out that pages and kubectl show too.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::cluster::write::WriteError;
use crate::error::AppError;
use crate::health::Wording;
use crate::i18n::Lang;
use crate::identity::User;
use crate::identity::tokens::{Invalid, Refused};
use crate::refusals::{self, Told};

/// How soon it is worth trying again, in seconds.
const AGAIN: &str = "15";

/// What went wrong with a call.
#[derive(Clone, Debug)]
pub struct Problem(Box<What>);

#[derive(Clone, Debug)]
struct What {
    status: StatusCode,
    /// What kind of problem; its words are `problem.<key>` and `problem-todo.<key>`.
    key: &'static str,
    reason: Option<String>,
    field: Option<String>,
    params: BTreeMap<String, String>,
    /// What happened and what to do, where that is worded already.
    told: Option<Told>,
    /// More that a program may want to know.
    more: Option<Value>,
    /// Who called, where that is known.
    by: Option<User>,
}

/// The problems that are the API's own, by the status that says so.
const OWN: [(&str, StatusCode); 16] = [
    ("unknown-parameter", StatusCode::BAD_REQUEST),
    ("bad-parameter", StatusCode::BAD_REQUEST),
    ("bad-body", StatusCode::BAD_REQUEST),
    ("unknown-field", StatusCode::BAD_REQUEST),
    ("cut-off", StatusCode::BAD_REQUEST),
    ("no-token", StatusCode::UNAUTHORIZED),
    ("bad-token", StatusCode::UNAUTHORIZED),
    ("scope", StatusCode::FORBIDDEN),
    ("no-object", StatusCode::NOT_FOUND),
    ("no-method", StatusCode::METHOD_NOT_ALLOWED),
    ("not-acceptable", StatusCode::NOT_ACCEPTABLE),
    ("too-large", StatusCode::PAYLOAD_TOO_LARGE),
    ("no-json", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ("bad-field", StatusCode::UNPROCESSABLE_ENTITY),
    ("invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("changed", StatusCode::CONFLICT),
];

impl Problem {
    /// One of the API's own problems.
    #[must_use]
    pub fn of(key: &'static str) -> Self {
        let status = OWN.iter().find(|(own, _)| *own == key);
        Self(Box::new(What {
            status: status.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, status)| *status),
            key,
            reason: None,
            field: None,
            params: BTreeMap::new(),
            told: None,
            more: None,
            by: None,
        }))
    }

    /// Every one of the API's own problems, for the page of the API.
    pub fn own() -> impl Iterator<Item = (&'static str, StatusCode)> {
        OWN.into_iter()
    }

    /// A token that does not count.
    #[must_use]
    pub fn token(refused: &Refused) -> Self {
        let of = User {
            name: refused.of.clone(),
            ..User::default()
        };
        Self::of("bad-token").by(of).reason(match refused.why {
            Invalid::Unknown => "TokenUnknown",
            Invalid::Revoked => "TokenRevoked",
            Invalid::Ended => "TokenEnded",
            Invalid::Unseen => "PersonUnseen",
            Invalid::Demo => "TokenOfDemo",
        })
    }

    /// Who called.
    #[must_use]
    pub fn by(mut self, user: User) -> Self {
        self.0.by = Some(user);
        self
    }

    /// Who was refused what they are not trusted with, and why; nothing where the call was only wrong.
    #[must_use]
    pub fn refusal(&self) -> Option<(User, String)> {
        let what = &self.0;
        let refused = ["bad-token", "scope", "two-offices"].contains(&what.key);
        let reason = what.reason.clone().unwrap_or_else(|| camel(what.key));
        refused.then(|| (what.by.clone().unwrap_or_default(), reason))
    }

    /// Why, as a word for programs.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.0.reason = Some(reason.to_owned());
        self
    }

    /// The field that it is about.
    #[must_use]
    pub fn field(mut self, field: &str) -> Self {
        self.0.field = Some(field.to_owned());
        self
    }

    /// A figure of it.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.params.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What happened and what to do, in words.
    #[must_use]
    pub fn told(mut self, told: Told) -> Self {
        self.0.told = Some(told);
        self
    }

    /// More that a program may want to know.
    #[must_use]
    pub fn more(mut self, more: Value) -> Self {
        self.0.more = Some(more);
        self
    }

    /// Why something was not written, as pages word it.
    #[must_use]
    pub fn of_write(wording: &Wording, error: &WriteError) -> Self {
        let told = wording.refusal(error);
        let (key, reason) = match error {
            WriteError::Stale => ("changed", "Changed"),
            WriteError::Exists => ("changed", "AlreadyExists"),
            WriteError::Gone => ("no-object", "Gone"),
            WriteError::Forbidden(_) => ("refused", "Forbidden"),
            WriteError::Refused(_) => ("refused", "Refused"),
            WriteError::NoAnswer(_) => ("hub-silent", "NoAnswer"),
        };
        let mut problem = Self::of(key).reason(reason);
        let what = &mut problem.0;
        what.status = error.status();
        what.field = told.fields.first().cloned();
        if let WriteError::Refused(refusal) = error {
            if let Some((reason, params)) = refusals::known(refusal) {
                what.reason = Some(reason.as_str().to_owned());
                what.params = params;
            } else if let Some(policy) = &refusal.policy {
                what.params.insert("policy".to_owned(), policy.clone());
            }
        }
        problem.told(told)
    }
}

impl What {
    /// The body of the answer.
    fn body(&self, lang: Lang, path: &str, request_id: &str) -> Value {
        let figures: Vec<_> = self
            .params
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let (detail, todo) = match &self.told {
            Some(told) => {
                let original = told.original.iter().cloned();
                let said: Vec<_> = std::iter::once(told.happened.clone())
                    .chain(original)
                    .collect();
                (said.join(lang.t("sentence.stop")), told.todo.clone())
            }
            None => (
                lang.say(&format!("problem-detail.{}", self.key), &figures),
                lang.say(&format!("problem-todo.{}", self.key), &figures),
            ),
        };
        let mut body = json!({
            "type": format!("urn:qipan:problem:{}", self.key),
            "title": title(lang, self.key),
            "status": self.status.as_u16(),
            "detail": detail,
            "instance": path,
            "requestId": request_id,
            "reason": self.reason.clone().unwrap_or_else(|| camel(self.key)),
        });
        if let Some(field) = &self.field {
            body["field"] = field.as_str().into();
        }
        if !self.params.is_empty() {
            body["params"] = json!(self.params);
        }
        if !todo.is_empty() {
            body["wayOut"] = todo.into();
        }
        if let Some(more) = &self.more {
            body["problems"] = more.clone();
        }
        body
    }
}

/// What kind of problem it is: the API's own words, else those of the page that says so.
fn title(lang: Lang, key: &str) -> &'static str {
    let own = lang.find(&format!("problem.{key}"));
    let title = own.or_else(|| lang.find(&format!("error.{key}.title")));
    title
        .or_else(|| lang.find("error.internal.title"))
        .unwrap_or("")
}

/// `bad-body` → `BadBody`.
fn camel(key: &str) -> String {
    let words = key.split('-').filter_map(|word| {
        let mut letters = word.chars();
        Some(
            letters
                .next()?
                .to_uppercase()
                .chain(letters)
                .collect::<String>(),
        )
    });
    words.collect()
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let (status, key) = error.status_and_key();
        if matches!(error, AppError::NoPage) {
            return Self::of("no-object");
        }
        let mut problem = Self::of(key);
        problem.0.status = status;
        problem
    }
}

impl IntoResponse for Problem {
    /// A bare response that carries the problem to [`worded`].
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Words whatever went wrong with a call; what went well is left as it is.
#[must_use]
pub fn worded(lang: Lang, path: &str, request_id: &str, response: Response) -> Response {
    let error = response.extensions().get::<AppError>().cloned();
    let mut problem = match (response.extensions().get::<Problem>(), error) {
        (Some(problem), _) => problem.clone(),
        (None, Some(error)) => of_error(lang, error),
        (None, None) => match response.status() {
            StatusCode::REQUEST_TIMEOUT => of_error(lang, AppError::TooSlow),
            StatusCode::PAYLOAD_TOO_LARGE => Problem::of("too-large"),
            StatusCode::METHOD_NOT_ALLOWED => Problem::of("no-method"),
            status if status.is_client_error() || status.is_server_error() => {
                of_error(lang, AppError::Internal)
            }
            _ => return response,
        },
    };
    if problem.0.told.is_none() && lang.find(&format!("problem.{}", problem.0.key)).is_none() {
        problem = with_words_of_pages(lang, problem);
    }
    let body = problem.0.body(lang, path, request_id).to_string();
    let mut answer = (problem.0.status, body).into_response();
    let headers = answer.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(
        VARY,
        HeaderValue::from_static("authorization, accept-language"),
    );
    if let Some(allow) = response.headers().get(ALLOW) {
        headers.insert(ALLOW, allow.clone());
    }
    if problem.0.status == StatusCode::UNAUTHORIZED {
        let challenge = match problem.0.key {
            "bad-token" => r#"Bearer realm="qipan", error="invalid_token""#,
            _ => r#"Bearer realm="qipan""#,
        };
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if problem.0.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static(AGAIN));
    }
    answer
}

/// What pages say of an error; a problem of the API's own where it has one.
fn of_error(lang: Lang, error: AppError) -> Problem {
    with_words_of_pages(lang, error.into())
}

fn with_words_of_pages(lang: Lang, problem: Problem) -> Problem {
    let word = |half: &str| lang.find(&format!("error.{}.{half}", problem.0.key));
    let (Some(happened), Some(todo)) = (word("happened"), word("todo")) else {
        return problem;
    };
    let told = Told {
        happened: happened.to_owned(),
        todo: todo.to_owned(),
        ..Told::default()
    };
    problem.told(told)
}
