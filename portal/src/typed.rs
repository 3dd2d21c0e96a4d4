//! What somebody typed into a form that came to nothing, because the hub or the database is silent, the session has ended, or it
//! is too large: the page that says so has it, and sends it again where that may help. Nothing typed is lost.
//!
//! A form that is judged says itself what is wrong with it, with everything in its fields; this is for what never got so far.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::Method;
use http::header::CONTENT_TYPE;

use crate::error::AppError;
use crate::forms::{Fields, TOKEN};
use crate::i18n::Lang;
use crate::router::PAGE_SECONDS;

/// The largest form, in bytes: ten thousand lines reach the rule that says how many characters there may be.
pub const BODY: usize = 2_000_000;
/// What forms carry and nobody types.
const CARRIED: [&str; 9] = [
    TOKEN, "revision", "seen", "shown", "next", "post", "session", "sha256", "id",
];

/// A form as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// Where to.
    pub action: String,
    /// Everything that it said.
    pub fields: Vec<(String, String)>,
}

impl Typed {
    /// What was typed, each with its label.
    #[must_use]
    pub fn texts(&self, lang: Lang) -> Vec<(String, String)> {
        let typed = self
            .fields
            .iter()
            .filter(|(name, value)| !CARRIED.contains(&name.as_str()) && !value.trim().is_empty());
        let label = |name: &str| {
            let keys = [format!("typed.{name}"), format!("field.{name}")];
            keys.iter()
                .find_map(|key| lang.find(key))
                .unwrap_or(name)
                .to_owned()
        };
        typed
            .map(|(name, value)| (label(name), value.clone()))
            .collect()
    }

    /// An error that came after a form with files was read.
    pub(crate) fn of_files(action: String, fields: Fields, error: AppError) -> Response {
        let mut response = error.into_response();
        let fields = fields.0;
        response.extensions_mut().insert(Self { action, fields });
        response
    }
}

/// Reads a form before it is handled; gives the request as it was, and what it says.
///
/// # Errors
/// It is larger than [`BODY`], was cut off, or takes longer than a page may.
pub async fn overheard(request: Request) -> Result<(Request, Option<Typed>), AppError> {
    let kind = request.headers().get(CONTENT_TYPE);
    let form = kind.is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    });
    if request.method() != Method::POST || !form || request.headers().contains_key("hx-request") {
        return Ok((request, None));
    }
    let action = request.uri().path_and_query();
    let action = action.map_or("/", |path| path.as_str()).to_owned();
    let (parts, body) = request.into_parts();
    // It is read before anything that bounds a page's time.
    let bytes = tokio::time::timeout(PAGE_SECONDS, to_bytes(body, BODY)).await;
    let bytes = bytes.map_err(|_| AppError::TooSlow)?.map_err(|error| {
        tracing::debug!(%error, "a form is too large or was cut off");
        AppError::FormTooLarge
    })?;
    let fields = url::form_urlencoded::parse(&bytes).into_owned().collect();
    let again = Request::from_parts(parts, Body::from(bytes));
    Ok((again, Some(Typed { action, fields })))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http::header::{COOKIE, HOST, ORIGIN};

    use super::*;
    use crate::cluster::tests::hub;
    use crate::overview::tests::province;
    use crate::router::tests::{Browser, hidden, portal, token, with_records};

    const TEXT: &str = "社保卡换发期间 𠮷 \"<b>\" 第一行\n第二行";

    async fn sent(
        browser: &Browser,
        path: &str,
        text: &str,
    ) -> (StatusCode, http::HeaderMap, String) {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", "x")
            .append_pair("description", text);
        let request = Request::post(path)
            .header(COOKIE, browser.cookies())
            .header(HOST, "portal.test")
            .header(ORIGIN, "http://portal.test")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.finish()))
            .unwrap();
        let response = browser.ask(request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    fn stands(page: &str) -> bool {
        page.contains("第一行\n第二行</textarea>") && page.contains("𠮷") && !page.contains("<b>")
    }

    #[tokio::test]
    async fn what_was_typed_stands_on_the_page_that_says_that_the_hub_is_silent() {
        let mut cluster = hub(&province(), |_| true);
        cluster.silence();
        let (browser, _) = portal(cluster, None).sign_in("owner", "/").await;
        let (status, headers, page) = sent(&browser, "/requests/renshe/x/urge", TEXT).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            !headers.contains_key("refresh"),
            "the page would go, and the text with it"
        );
        assert!(stands(&page), "{page}");
        assert!(
            page.contains("action=\"/requests/renshe/x/urge\"") && page.contains("再次提交"),
            "{page}"
        );
        let (_, headers, page) = browser.get("/tenants").await;
        assert!(headers.contains_key("refresh") && !page.contains("再次提交"));
    }

    #[tokio::test]
    async fn what_was_typed_stands_where_the_session_has_ended_and_where_the_form_is_too_old() {
        let nobody = portal(hub(&province(), |_| true), None);
        let (status, _, page) = sent(&nobody, "/work-orders/new", TEXT).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(stands(&page) && page.contains("href=\"/sign-in"), "{page}");
        assert!(
            !page.contains("再次提交"),
            "a form of a session that has ended is good for nothing: {page}"
        );
        let (browser, _) = nobody.sign_in("owner", "/").await;
        let (status, _, page) = sent(&browser, "/work-orders/new", TEXT).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(stands(&page) && !page.contains("再次提交"), "{page}");
    }

    #[tokio::test]
    async fn ten_thousand_lines_reach_the_rule_that_says_how_many_characters_there_may_be() {
        let dir = tempfile::TempDir::new().unwrap();
        let browser = with_records(&dir, |_| true, "owner").await;
        let (_, _, page) = browser.get("/requests/new?offering=compute").await;
        let form = format!(
            "classified=no&tenant=renshe&type=New&environment=Production&token={}",
            token(&page)
        );
        let (_, item, _) = browser.send("/requests/new?offering=compute", &form).await;
        let path = format!("{}/basics", item.split("/items/").next().unwrap());
        let (_, _, page) = browser.get(&path).await;
        let lines = "一行\n".repeat(10_000);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("title", "a")
            .append_pair("justification", &lines)
            .append_pair("token", &token(&page))
            .append_pair("revision", &hidden(&page, "revision"));
        let (status, _, page) = browser.send(&path, &form.finish()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            page.contains("29999") && page.contains("4096"),
            "{}",
            page.len()
        );
        assert!(
            page.matches("一行").count() >= 10_000,
            "{} lines stand",
            page.matches("一行").count()
        );
        let (status, _, page) = sent(&browser, "/work-orders/new", &"行".repeat(BODY)).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(
            page.contains("<html") && page.contains("内容过长"),
            "{page}"
        );
    }

    #[tokio::test]
    async fn what_no_form_of_ours_says_is_answered_by_a_page() {
        let (browser, _) = portal(hub(&province(), |_| true), None)
            .sign_in("owner", "/")
            .await;
        for (path, kind) in [
            ("/sessions", "text/plain"),
            ("/tokens", "application/json"),
            ("/sign-out", ""),
        ] {
            let request = Request::post(path)
                .header(COOKIE, browser.cookies())
                .header(HOST, "portal.test")
                .header(ORIGIN, "http://portal.test")
                .header(CONTENT_TYPE, kind)
                .body(Body::from("{"))
                .unwrap();
            let response = browser.ask(request).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
            let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
            assert!(
                String::from_utf8_lossy(&body).contains("表单已失效"),
                "{path}"
            );
        }
        let (status, _, page) = browser.get("/sign-out").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "there is nothing to look at");
        assert!(page.contains("<html"), "{page}");
    }
}
