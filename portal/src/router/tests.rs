//! The router as a browser meets it: sign-in, rights, languages, headers, errors. No server, no cluster.

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Request};
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::*;
use crate::cluster::tests::hub;
use crate::cluster::{Cluster, Kind};
use crate::overview::tests::province;

#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    cookies: String,
}

fn everything_to_the_administrator(spec: &Value) -> bool {
    let ask = &spec["resourceAttributes"];
    let own = spec["user"] == "zj-rsj-owner" && ask["namespace"] == "qp-renshe";
    spec["user"] == "gd-admin" || own
}

pub(crate) fn portal(cluster: Cluster, public_url: Option<&str>) -> Browser {
    let (_end, ending) = watch::channel(false);
    let state = AppState::new(cluster, true, public_url, ending);
    Browser {
        router: pages(state),
        cookies: String::new(),
    }
}

pub(super) fn small_province() -> Cluster {
    hub(&province(), everything_to_the_administrator)
}

/// A portal with a database, as somebody with any right meets it.
pub(crate) async fn with_records(
    dir: &tempfile::TempDir,
    may: fn(&Value) -> bool,
    post: &str,
) -> Browser {
    with_objects(dir, &province(), may, post).await
}

/// The same over other objects.
pub(crate) async fn with_objects(
    dir: &tempfile::TempDir,
    objects: &[Value],
    may: fn(&Value) -> bool,
    post: &str,
) -> Browser {
    let (_end, ending) = watch::channel(false);
    let state = AppState::new(hub(objects, may), true, None, ending);
    let records = crate::acts::tests::records(dir).await;
    let browser = Browser {
        router: pages(state.with_records(records)),
        cookies: String::new(),
    };
    browser.sign_in(post, "/").await.0
}

impl Browser {
    /// Its cookies, as a header says them.
    pub(crate) fn cookies(&self) -> &str {
        &self.cookies
    }

    /// Sends a request as it is: gives the status, the headers, and the body as JSON.
    pub(crate) async fn ask_json(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
        let response = self.ask(request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        (status, headers, body)
    }

    /// Sends a form of this portal: gives the status, where it leads to, and the page.
    pub(crate) async fn send(&self, path: &str, form: &str) -> (StatusCode, String, String) {
        let request = Request::post(path)
            .header(COOKIE, &self.cookies)
            .header("host", "portal.test")
            .header(ORIGIN, "http://portal.test")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let response = self.ask(request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        let leads = headers
            .get(LOCATION)
            .map(|l| l.to_str().unwrap().to_owned());
        let page = String::from_utf8(body.to_vec()).unwrap();
        (status, leads.unwrap_or_default(), page)
    }

    /// Sends a request as it is.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, HeaderMap, String) {
        let request = Request::get(path).header(COOKIE, &self.cookies);
        let response = self.ask(request.body(Body::empty()).unwrap()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    pub(super) async fn post(
        &self,
        path: &str,
        form: &str,
        origin: &str,
    ) -> (StatusCode, HeaderMap) {
        let request = Request::post(path)
            .header(COOKIE, &self.cookies)
            .header("host", "portal.test")
            .header(ORIGIN, origin)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let response = self.ask(request).await;
        (response.status(), response.headers().clone())
    }

    pub(crate) async fn sign_in(mut self, post: &str, next: &str) -> (Self, String) {
        let (_, headers, form) = self.get("/sign-in").await;
        self.cookies = cookies(&headers);
        let token = token(&form);
        let form = format!("post={post}&next={next}&token={token}");
        let (status, headers) = self.post("/sign-in", &form, "http://portal.test").await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        self.cookies = cookies(&headers);
        (self, headers[LOCATION].to_str().unwrap().to_owned())
    }
}

fn cookies(headers: &HeaderMap) -> String {
    let lines = headers
        .get_all(SET_COOKIE)
        .iter()
        .map(|line| line.to_str().unwrap());
    lines
        .map(|line| line.split(';').next().unwrap())
        .collect::<Vec<_>>()
        .join("; ")
}

pub(crate) fn token(html: &str) -> String {
    hidden(html, "token")
}

/// The value of the last hidden field of that name: the first forms of a page are those of its frame.
pub(crate) fn hidden(html: &str, name: &str) -> String {
    let before = format!("name=\"{name}\" value=\"");
    let after = html.rsplit(&before).next().unwrap();
    after.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_to_the_sign_in_and_back() {
    let browser = portal(small_province(), None);
    let (status, headers, _) = browser.get("/platforms/zj-node").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(headers[LOCATION], "/sign-in?next=/platforms/zj-node");
    let (browser, location) = browser.sign_in("administrator", "/platforms/zj-node").await;
    assert_eq!(location, "/platforms/zj-node");
    let (status, _, page) = browser.get("/platforms/zj-node").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("湛江节点：CPU 已分配 96%"),
        "the title is a sentence"
    );
}

#[tokio::test]
async fn nobody_is_led_elsewhere_after_signing_in() {
    let (_, location) = portal(small_province(), None)
        .sign_in("owner", "//evil.test")
        .await;
    assert_eq!(location, "/");
}

#[tokio::test]
async fn forms_of_others_and_forms_without_their_token_are_refused() {
    let browser = portal(small_province(), None);
    let (status, _) = browser
        .post("/sign-in", "post=owner&next=/&token=x", "http://evil.test")
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let own = "http://portal.test";
    let (status, _) = browser
        .post("/sign-in", "post=owner&next=/&token=x", own)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (browser, _) = browser.sign_in("owner", "/").await;
    let (status, _) = browser.post("/sign-out", "token=x", own).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (_, _, page) = browser.get("/").await;
    let form = format!("token={}", token(&page));
    assert_eq!(
        browser.post("/sign-out", &form, own).await.0,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        browser.get("/").await.0,
        StatusCode::SEE_OTHER,
        "the session has ended"
    );
}

#[tokio::test]
async fn two_people_see_different_things() {
    let (admin, _) = portal(small_province(), None)
        .sign_in("administrator", "/")
        .await;
    let (owner, _) = portal(small_province(), None).sign_in("owner", "/").await;
    for path in [
        "/platforms/zj-node",
        "/tenants/gongan",
        "/platforms/zj-node/yaml",
    ] {
        assert_eq!(admin.get(path).await.0, StatusCode::OK, "{path}");
        assert_eq!(owner.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let (status, _, page) = owner.get("/tenants/renshe").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("renshe-prod") && !page.contains("gongan"));
    let (_, _, page) = owner.get("/").await;
    assert!(page.contains("/tenants") && !page.contains("href=\"/platforms\" aria"));
    assert!(!page.contains("gongan") && !page.contains("mm-node"));
    let (status, _, csv) = owner.get("/tenants.csv").await;
    assert!(status == StatusCode::OK && csv.contains("renshe") && !csv.contains("gongan"));
    for path in [
        "/tenants/gongan/grants.csv",
        "/tenants/gongan/grants/shipin/yaml",
    ] {
        assert_eq!(owner.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_language_is_switched_by_the_address_and_remembered() {
    let (mut browser, _) = portal(small_province(), None)
        .sign_in("administrator", "/")
        .await;
    let (_, headers, page) = browser.get("/?lang=en&theme=dark").await;
    assert!(page.contains("The province has 9 platforms") && page.contains("data-theme=\"dark\""));
    browser.cookies = format!("{}; {}", browser.cookies, cookies(&headers));
    let (_, _, page) = browser.get("/tenants").await;
    assert!(page.contains("<html lang=\"en\" data-theme=\"dark\">"));
}

#[tokio::test]
async fn every_page_says_no_to_everything_inline_and_has_nothing_inline() {
    let (browser, _) = portal(small_province(), None)
        .sign_in("administrator", "/")
        .await;
    for path in [
        "/",
        "/platforms",
        "/platforms/mm-node",
        "/tenants",
        "/tenants/renshe",
        "/tenants/renshe/members",
        "/mine",
        "/work-orders",
        "/api",
        "/nothing",
    ] {
        let (_, headers, page) = browser.get(path).await;
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers.contains_key("x-request-id"));
        assert!(
            !page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick")
        );
        assert_eq!(page.matches("<script").count(), 1, "{path}");
        assert!(page.contains("lang=\"zh-CN\""));
    }
}

#[tokio::test]
async fn a_region_is_given_alone() {
    let (browser, _) = portal(small_province(), None)
        .sign_in("administrator", "/")
        .await;
    let (status, _, html) = browser.get("/?part=attention").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        html.trim_start().starts_with("<section id=\"attention\""),
        "{}",
        &html[..80]
    );
    assert_eq!(browser.get("/?part=nothing").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_silent_hub_is_said_with_its_age_and_a_missing_kind_with_its_way_out() {
    let cluster = small_province();
    let (browser, _) = portal(cluster.clone(), None)
        .sign_in("administrator", "/")
        .await;
    assert!(!browser.get("/").await.2.contains("banner unknown"));
    cluster.lose(75);
    cluster.forget(Kind::Site);
    let (status, _, page) = browser.get("/?lang=en").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("The hub does not answer") && page.contains("1 minute ago"));
    assert!(page.contains("lacks these kinds: sites"));
}

#[tokio::test]
async fn rights_that_cannot_be_checked_are_said_and_nothing_is_shown() {
    let mut cluster = small_province();
    cluster.silence();
    let (browser, _) = portal(cluster, None).sign_in("owner", "/").await;
    let (status, headers, page) = browser.get("/tenants/renshe?lang=en").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (&headers["refresh"], &headers["retry-after"]),
        (&"15".parse().unwrap(), &"15".parse().unwrap())
    );
    assert!(
        page.contains("Your rights cannot be checked now")
            // Twenty seconds, and those that a busy machine adds.
            && page.contains("The hub last answered 2"),
        "{page}"
    );
    assert!(!page.contains("renshe-"), "nothing of it is shown");
}

#[tokio::test]
async fn over_https_the_cookie_belongs_to_this_host_alone() {
    let browser = portal(small_province(), Some("https://portal.test"));
    let (_, headers, form) = browser.get("/sign-in").await;
    let browser = Browser {
        cookies: cookies(&headers),
        ..browser
    };
    let form = format!("post=owner&next=/&token={}", token(&form));
    let (_, headers) = browser.post("/sign-in", &form, "https://portal.test").await;
    let line = headers[SET_COOKIE].to_str().unwrap();
    assert!(line.starts_with("__Host-qipan_session="), "{line}");
    for part in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(headers.contains_key("strict-transport-security"));
}

/// What somebody else put into the browser before the sign-in is worth nothing after it.
#[tokio::test]
async fn a_session_that_was_fixed_beforehand_is_never_taken_up() {
    let mut browser = portal(small_province(), None);
    let (thief, _) = browser.clone().sign_in("owner", "/").await;
    for planted in [
        "qipan_session=0123456789abcdef".to_owned(),
        thief.cookies.clone(),
    ] {
        let (_, headers, form) = browser.get("/sign-in").await;
        browser.cookies = format!("{planted}; {}", cookies(&headers));
        let form = format!("post=administrator&next=/&token={}", token(&form));
        let (status, headers) = browser.post("/sign-in", &form, "http://portal.test").await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        let given = cookies(&headers);
        assert!(
            given.starts_with("qipan_session=") && given != planted,
            "{given}"
        );
        browser.cookies = planted;
        assert_eq!(browser.get("/").await.0, StatusCode::SEE_OTHER, "nobody's");
        browser.cookies = given;
        assert_eq!(browser.get("/").await.0, StatusCode::OK);
        browser.cookies = String::new();
    }
}

#[tokio::test]
async fn a_person_ends_the_sessions_that_they_do_not_recognise() {
    let browser = portal(small_province(), None);
    let (one, _) = browser.clone().sign_in("owner", "/").await;
    let (other, _) = browser.clone().sign_in("owner", "/").await;
    let (stranger, _) = browser.sign_in("administrator", "/").await;
    let (status, _, page) = one.get("/sessions?lang=en").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("signed in at 2 places") && page.contains("this one"),
        "{page}"
    );
    let id = page.split("name=\"session\" value=\"").nth(1).unwrap();
    let id = id.split('"').next().unwrap();
    let own = "http://portal.test";
    // Somebody else's button does nothing to it.
    let (_, _, theirs) = stranger.get("/sessions").await;
    let form = format!("session={id}&token={}", token(&theirs));
    stranger.post("/sessions", &form, own).await;
    assert_eq!(other.get("/").await.0, StatusCode::OK);
    let form = format!("session={id}&token={}", token(&page));
    assert_eq!(
        one.post("/sessions", &form, own).await.0,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        other.get("/").await.0,
        StatusCode::SEE_OTHER,
        "it has ended"
    );
    assert_eq!(one.get("/").await.0, StatusCode::OK);
}

#[tokio::test]
async fn who_sends_a_form_after_the_session_ended_comes_back_to_the_page_of_the_form() {
    let browser = portal(small_province(), None);
    for (from, back) in [
        (
            "http://portal.test/sessions?lang=en",
            "/sign-in?next=/sessions%3Flang%3Den",
        ),
        ("http://portal.test//evil.test", "/sign-in?next=/"),
        ("https://evil.test", "/sign-in?next=/"),
    ] {
        let request = Request::post("/sessions")
            .header("referer", from)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from("session=others&token=x"))
            .unwrap();
        let response = browser.ask(request).await;
        assert_eq!(response.headers()[LOCATION], back, "{from}");
    }
}

#[tokio::test]
async fn no_page_can_be_framed_and_no_header_be_split() {
    let browser = portal(small_province(), None);
    let (_, headers, _) = browser.get("/sign-in").await;
    every_route_says_so(&browser).await;
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let path = "/tenants/a%0d%0aset-cookie:%20x=1?next=%0d%0ax:1";
    let (status, headers, _) = browser.get(path).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(
        !headers.contains_key("x") && !headers.contains_key(SET_COOKIE),
        "{headers:?}"
    );
    let location = headers[LOCATION].to_str().unwrap();
    assert!(
        location.starts_with("/sign-in?next=/tenants/a%250d%250a"),
        "{location}"
    );
    let (_, location) = browser.sign_in("owner", "/%0d%0aset-cookie:x=1").await;
    assert_eq!(location, "/");
}

/// Signed in or not, found or not, page, file or stream: whatever is asked for.
async fn every_route_says_so(nobody: &Browser) {
    let (somebody, _) = nobody.clone().sign_in("administrator", "/").await;
    let operations = api::operations().map(|one| {
        let path = format!("{}{}", api::ROOT, one.path);
        (format!("{:?}", one.verb).to_uppercase(), path)
    });
    let routes = list(true, true).into_iter();
    let routes = routes.map(|route| (route.method.to_owned(), route.path));
    let mut count = 0;
    for (method, path) in routes.chain(operations) {
        let path = path.replace(['{', '}'], "");
        for browser in [nobody, &somebody] {
            let request = Request::builder().method(method.as_str()).uri(&path);
            let request = request.header(COOKIE, &browser.cookies);
            let response = browser.ask(request.body(Body::empty()).unwrap()).await;
            let policies = response.headers().get_all(CONTENT_SECURITY_POLICY);
            let policies: Vec<_> = policies.iter().map(|line| line.to_str().unwrap()).collect();
            assert!(
                policies.len() == 1 && policies[0].contains("frame-ancestors 'none'"),
                "{method} {path}: {} {policies:?}",
                response.status()
            );
            count += 1;
        }
    }
    assert!(count > 250, "{count} answers");
}

#[tokio::test]
async fn a_body_beyond_what_a_form_needs_is_refused() {
    let browser = portal(small_province(), None);
    let form = format!("post=owner&next=/&token={}", "x".repeat(3_000_000));
    let (status, _) = browser.post("/sign-in", &form, "http://portal.test").await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn assets_are_kept_for_ever_and_lists_are_files() {
    let (browser, _) = portal(small_province(), None)
        .sign_in("administrator", "/")
        .await;
    let (status, headers, _) = browser.get(&crate::assets::url("portal.css")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    for path in [
        "/overview.csv",
        "/tenants.csv",
        "/tenants/renshe/grants.csv",
        "/platforms/zj-node/pools.csv",
    ] {
        let (status, headers, text) = browser.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(
            text.starts_with('\u{feff}') && headers["content-type"] == "text/csv; charset=utf-8"
        );
        assert!(text.lines().count() > 2, "{path}");
        let sheet =
            Request::get(path.replacen(".csv", ".xlsx", 1)).header(COOKIE, &browser.cookies);
        let response = browser.ask(sheet.body(Body::empty()).unwrap()).await;
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert!(
            response.status().is_success() && kind.ends_with("spreadsheetml.sheet"),
            "{path}"
        );
        let bytes = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        assert_eq!(&bytes[..4], b"PK\x03\x04", "{path}");
    }
}

#[tokio::test]
async fn without_demo_there_is_no_demo_sign_in() {
    let (_end, ending) = watch::channel(false);
    let router = pages(AppState::new(small_province(), false, None, ending));
    let browser = Browser {
        router,
        cookies: String::new(),
    };
    assert_eq!(browser.get("/sign-in").await.0, StatusCode::NOT_FOUND);
    let form = "post=administrator&next=/&token=x";
    let (status, headers) = browser.post("/sign-in", form, "http://portal.test").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(!headers.contains_key(SET_COOKIE), "{headers:?}");
}

/// The same database, started again without `--demo`: a post that anybody took opens nothing any more.
#[tokio::test]
async fn a_session_of_the_demo_ends_with_the_demo() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, |_| true, "administrator").await;
    let (status, _, page) = browser.get("/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("演示"),
        "every page says that this is a demo: {page}"
    );
    let (_end, ending) = watch::channel(false);
    let records = crate::acts::tests::records(&dir).await;
    let state = AppState::new(small_province(), false, None, ending).with_records(records);
    let later = Browser {
        router: pages(state),
        cookies: browser.cookies.clone(),
    };
    let (status, headers, _) = later.get("/").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(headers[LOCATION].to_str().unwrap().starts_with("/sign-in"));
}
