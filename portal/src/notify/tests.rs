//! The notification centre as a browser meets it, with a database of its own.

use axum::Router;
use axum::body::{Body, to_bytes};
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{Request, StatusCode};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::page::{recipients, unread};
use crate::audit::anchor::Anchored;
use crate::audit::chain::Algorithm;
use crate::audit::keeper::Keeper;
use crate::background;
use crate::cluster::tests::hub;
use crate::db::{Db, micros, notices};
use crate::identity::User;
use crate::overview::tests::province;
use crate::records::Records;
use crate::router::pages;
use crate::state::AppState;

struct Browser {
    router: Router,
    records: Records,
    cookies: String,
}

async fn open(dir: &tempfile::TempDir) -> Browser {
    let url = format!("sqlite:{}", dir.path().join("portal.db").display());
    let db = Db::open(&url.parse().unwrap()).await.unwrap();
    let records = Records {
        ledger: Keeper::start(db.clone(), Algorithm::Sha256),
        db,
        anchored: watch::channel(Anchored::default()).1,
    };
    let (_end, ending) = watch::channel(false);
    let may = |spec: &serde_json::Value| spec["resourceAttributes"]["verb"] != "audit";
    let state = AppState::new(hub(&province(), may), true, None, ending);
    let mut browser = Browser {
        router: pages(state.with_records(records.clone())),
        records,
        cookies: String::new(),
    };
    let (_, cookies, form) = browser.ask(get("/sign-in", "")).await;
    let body = format!("post=approver&next=/&token={}", token(&form));
    let (status, cookies, _) = browser.ask(post("/sign-in", &cookies, &body)).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    browser.cookies = cookies;
    browser
}

fn token(html: &str) -> String {
    let after = html.split("name=\"token\" value=\"").nth(1).unwrap();
    after.split('"').next().unwrap().to_owned()
}

fn get(path: &str, cookies: &str) -> Request<Body> {
    let request = Request::get(path).header(COOKIE, cookies);
    request.body(Body::empty()).unwrap()
}

fn post(path: &str, cookies: &str, form: &str) -> Request<Body> {
    Request::post(path)
        .header(COOKIE, cookies)
        .header("host", "portal.test")
        .header(ORIGIN, "http://portal.test")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}

impl Browser {
    async fn ask(&self, request: Request<Body>) -> (StatusCode, String, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let cookies = headers.get_all(SET_COOKIE).iter();
        let cookies: Vec<_> = cookies
            .filter_map(|line| line.to_str().ok()?.split(';').next())
            .map(str::to_owned)
            .collect();
        let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        let place = headers.get(LOCATION).and_then(|place| place.to_str().ok());
        (
            status,
            cookies.join("; "),
            place.map_or(body, str::to_owned),
        )
    }

    async fn tell(&self, cause: &str, recipient: &str) {
        let mut connection = self.records.db.acquire().await.unwrap();
        let figures = r#"{"title":"<b>扩容</b>","tenant":"renshe","stage":"Authority"}"#;
        let now = micros(background::now());
        let content = ("turn", figures, "/tenants/renshe");
        notices::put(&mut connection, (cause, recipient), content, now)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn people_are_told_what_is_for_them_and_their_groups_and_nobody_else_is() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = open(&dir).await;
    browser.tell("1", "User/cs-approver").await;
    browser.tell("2", "Group/zhanjiang-dsj").await;
    browser.tell("3", "User/somebody-else").await;
    let (status, _, page) = browser
        .ask(get("/notifications?lang=en", &browser.cookies))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(page.matches("<li class=\"unread\">").count(), 2, "{page}");
    assert!(
        page.contains("2 unread notifications") && page.contains("&lt;b&gt;")
            || page.contains("&#60;b&#62;"),
        "{page}"
    );
    let id = page
        .split("/notifications/")
        .find(|rest| rest.len() > 32 && rest[..32].bytes().all(|b| b.is_ascii_hexdigit()))
        .unwrap()[..32]
        .to_owned();
    let (status, _, place) = browser
        .ask(get(&format!("/notifications/{id}"), &browser.cookies))
        .await;
    assert_eq!(
        (status, place.as_str()),
        (StatusCode::SEE_OTHER, "/tenants/renshe")
    );
    let (_, _, page) = browser.ask(get("/notifications", &browser.cookies)).await;
    assert_eq!(page.matches("<li class=\"unread\">").count(), 1);
    let form = format!("token={}", token(&page));
    let (status, _, _) = browser
        .ask(post("/notifications/read", &browser.cookies, &form))
        .await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let me = User {
        name: "cs-approver".into(),
        groups: vec!["zhanjiang-dsj".into()],
        ..User::default()
    };
    assert_eq!(unread(&browser.records.db, &me).await, Some(0));
    let other = User {
        name: "somebody-else".into(),
        ..User::default()
    };
    assert_eq!(unread(&browser.records.db, &other).await, Some(1));
    let (status, _, _) = browser
        .ask(get("/notifications/log", &browser.cookies))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the log is the auditors'");
}

#[tokio::test]
async fn an_address_is_kept_only_where_it_is_one() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = open(&dir).await;
    let (_, _, page) = browser.ask(get("/notifications", &browser.cookies)).await;
    let token = token(&page);
    for (form, place) in [
        (
            "email=a%40example.gov.cn&phone=13800000000",
            "/notifications?saved=1#contact",
        ),
        (
            "email=a%0D%0AB&phone=",
            "/notifications?wrong=email#contact",
        ),
        ("email=&phone=12a", "/notifications?wrong=phone#contact"),
    ] {
        let form = format!("{form}&token={token}");
        let (_, _, led) = browser
            .ask(post("/notifications/contact", &browser.cookies, &form))
            .await;
        assert_eq!(led, place);
    }
    let mut connection = browser.records.db.acquire().await.unwrap();
    let kept = notices::contact(&mut connection, "cs-approver")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (kept.email.as_str(), kept.phone.as_str()),
        ("a@example.gov.cn", "13800000000")
    );
    let (status, _, _) = browser
        .ask(post(
            "/notifications/contact",
            &browser.cookies,
            "email=&phone=&token=x",
        ))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_database_that_does_not_answer_hides_the_count() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = open(&dir).await;
    browser.records.db.pool().close().await;
    assert_eq!(unread(&browser.records.db, &User::default()).await, None);
}

#[test]
fn everybody_is_told_under_their_name_and_their_groups() {
    let user = User {
        name: "a".into(),
        groups: vec!["b".into()],
        ..User::default()
    };
    assert_eq!(recipients(&user), ["User/a", "Group/b"]);
}
