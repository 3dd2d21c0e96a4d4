//! The API as a program meets it: who may call, what is refused and how, and that the document says all of it. No server, no
//! cluster; `tests/tests/api.rs` is the same on the real thing.

use std::collections::BTreeSet;

use axum::body::{Body, to_bytes};
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::operation::Verb;
use super::*;
use crate::cluster::tests::hub;
use crate::db::{micros, people};
use crate::i18n::Lang;
use crate::identity::Way;
use crate::identity::tokens::{self, Wish};
use crate::overview::tests::province;

/// A portal with a database, and a program of one person at it.
struct Program {
    router: Router,
    token: String,
    state: AppState,
    _dir: tempfile::TempDir,
}

fn own(spec: &Value) -> bool {
    spec["resourceAttributes"]["namespace"] == "qp-renshe" && spec["user"] == "zj-rsj-owner"
}

impl Program {
    async fn of(may: fn(&Value) -> bool, scope: &str) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let records = crate::acts::tests::records(&dir).await;
        let (_end, ending) = watch::channel(false);
        let state = AppState::new(hub(&province(), may), true, None, ending).with_records(records);
        let db = state.records.as_ref().unwrap().db.clone();
        let now = crate::background::now();
        let mut connection = db.acquire().await.unwrap();
        let groups = r#"{"groups":[]}"#;
        people::seen(&mut connection, ("zj-rsj-owner", ""), groups, micros(now))
            .await
            .unwrap();
        drop(connection);
        let wish = Wish {
            title: "t",
            scope,
            days: 1,
            way: Way::Provider,
        };
        let token = tokens::make(&db, "zj-rsj-owner", wish, now).await.unwrap();
        let router = crate::router::pages(state.clone());
        Self {
            router,
            token,
            state,
            _dir: dir,
        }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        (
            status,
            headers,
            serde_json::from_slice(&body).unwrap_or_default(),
        )
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{ROOT}{path}"))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header("accept-language", "en")
    }

    async fn get(&self, path: &str) -> (StatusCode, HeaderMap, Value) {
        self.send(self.request("GET", path).body(Body::empty()).unwrap())
            .await
    }

    async fn post(&self, path: &str, body: &str) -> (StatusCode, HeaderMap, Value) {
        let request = self
            .request("POST", path)
            .header(CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }
}

#[tokio::test]
async fn a_program_reads_what_its_person_may_see_and_nothing_else() {
    let program = Program::of(own, "read").await;
    let (status, headers, page) = program.get("/tenants").await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(headers.contains_key("qipan-as-of") && page["asOf"].is_string());
    assert_eq!(
        (&page["total"], &page["items"][0]["name"]),
        (&json!(1), &json!("renshe"))
    );
    assert!(page["items"][0]["spec"].is_null(), "known by name only");
    let (_, _, grants) = program.get("/grants?tenant=renshe&limit=1").await;
    assert_eq!(grants["items"].as_array().unwrap().len(), 1);
    assert!(
        grants["items"][0]["spec"]["platform"].is_string(),
        "{grants}"
    );
    for path in [
        "/tenants/gongan",
        "/grants/gongan/shipin",
        "/platforms/gd-prov",
        "/audit",
        "/tenants/..%2f",
    ] {
        let (status, headers, problem) = program.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            (&problem["status"], &problem["reason"]),
            (&json!(404), &json!("NoObject"))
        );
        assert!(
            problem["wayOut"]
                .as_str()
                .unwrap()
                .starts_with("Check the path"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn nobody_calls_without_a_token_and_a_session_only_reads() {
    let program = Program::of(own, "write").await;
    let bare = || Request::get(format!("{ROOT}/me"));
    let (status, headers, _) = program.send(bare().body(Body::empty()).unwrap()).await;
    assert_eq!(
        (status, &headers[WWW_AUTHENTICATE]),
        (
            StatusCode::UNAUTHORIZED,
            &r#"Bearer realm="qipan""#.parse().unwrap()
        )
    );
    for wrong in ["Bearer qipan_x", "Basic YTpi", "Bearer", "\u{e9}"] {
        let (status, headers, _) = program
            .send(
                bare()
                    .header(AUTHORIZATION, wrong)
                    .body(Body::empty())
                    .unwrap(),
            )
            .await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(
            headers[WWW_AUTHENTICATE]
                .to_str()
                .unwrap()
                .contains("invalid_token")
        );
    }
    let dir = tempfile::TempDir::new().unwrap();
    let browser = crate::router::tests::with_records(&dir, own, "owner").await;
    let (status, _, me) = browser.get("/api/v1/me").await;
    assert!(status.is_success() && me.contains("zj-rsj-owner"), "{me}");
    let cookie = browser.cookies();
    let from = |site: &str| {
        bare()
            .header(COOKIE, cookie)
            .header("sec-fetch-site", site.to_owned())
    };
    for (site, wanted) in [
        ("same-origin", 200),
        ("cross-site", 401),
        ("same-site", 401),
    ] {
        let (status, _, _) = browser
            .ask_json(from(site).body(Body::empty()).unwrap())
            .await;
        assert_eq!(status.as_u16(), wanted, "{site}");
    }
    let write = Request::post(format!("{ROOT}/requests/renshe/x/urgings"))
        .header(COOKIE, cookie)
        .header(CONTENT_TYPE, "application/json");
    let (status, _, problem) = browser
        .ask_json(write.body(Body::from("{}")).unwrap())
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{problem}");
}

#[tokio::test]
async fn a_revoked_token_and_one_that_only_reads_write_nothing() {
    let program = Program::of(own, "read").await;
    let (status, _, problem) = program.post("/requests/renshe/x/urgings", "{}").await;
    assert_eq!(
        (status, &problem["params"]["needed"]),
        (StatusCode::FORBIDDEN, &json!("write"))
    );
    let db = &program.state.records.as_ref().unwrap().db;
    sqlx::query("UPDATE api_tokens SET revoked = 1")
        .execute(db.pool())
        .await
        .unwrap();
    let (status, _, problem) = program.get("/me").await;
    assert_eq!(
        (status, &problem["reason"]),
        (StatusCode::UNAUTHORIZED, &json!("TokenRevoked"))
    );
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let program = Program::of(own, "write").await;
    for (path, status, field) in [
        ("/tenants?colour=red", 400, "query.colour"),
        ("/tenants?limit=501", 400, "query.limit"),
        ("/tenants?limit=1&limit=2", 400, "query.limit"),
        ("/tenants?level=Galaxy", 400, "query.level"),
        ("/costs?month=2026-13", 400, "query.month"),
    ] {
        let (got, _, problem) = program.get(path).await;
        assert_eq!(
            (got.as_u16(), &problem["field"]),
            (status, &json!(field)),
            "{path}: {problem}"
        );
    }
    let decide = "/requests/renshe/x/decisions";
    for (body, status, field) in [
        ("{", 400, "body"),
        ("[]", 422, "body"),
        (r#"{"outcome": "Maybe"}"#, 422, "body.outcome"),
        (r#"{"outcome": "Approve", "colour": 1}"#, 400, "body.colour"),
    ] {
        let (got, _, problem) = program.post(decide, body).await;
        assert_eq!(
            (got.as_u16(), &problem["field"]),
            (status, &json!(field)),
            "{body}: {problem}"
        );
    }
}

/// What a form judges, a body is judged by too; and files make it larger than other bodies may be.
#[tokio::test]
async fn a_file_that_is_not_taken_is_named_by_its_place() {
    let program = Program::of(own, "write").await;
    let answers = "/requests/renshe/rs-ceshi/answers";
    let file = |name: &str, content: &str| json!({ "name": name, "content": content });
    let pdf = || file("a.pdf", "JVBERi0xLjc=");
    let large = "A".repeat(100_000);
    for (files, status, field) in [
        (
            vec![pdf(), file("b.pdf", "no base64!")],
            422,
            "body.attachments[1].content",
        ),
        (
            vec![pdf(), file("b.pdf", &large)],
            422,
            "body.attachments[1]",
        ),
        (
            vec![file("a.png", "JVBERi0xLjc=")],
            422,
            "body.attachments[0]",
        ),
        (vec![pdf(); 6], 422, "body.attachments"),
        (
            vec![json!({ "name": "a.pdf", "content": "", "url": "x" })],
            400,
            "body.attachments[0].url",
        ),
    ] {
        let body = json!({ "comment": "a", "attachments": files }).to_string();
        let (got, _, problem) = program.post(answers, &body).await;
        assert_eq!(
            (got.as_u16(), &problem["field"]),
            (status, &json!(field)),
            "{problem}"
        );
    }
    let body = json!({ "stars": 5, "comment": large }).to_string();
    let (got, _, _) = program
        .post("/requests/renshe/rs-ceshi/rating", &body)
        .await;
    assert_eq!(
        got,
        StatusCode::PAYLOAD_TOO_LARGE,
        "no other body may be as large"
    );
}

#[tokio::test]
async fn what_cannot_be_read_or_is_not_done_there_is_said_by_its_status() {
    let program = Program::of(own, "write").await;
    let decide = "/requests/renshe/x/decisions";
    let (status, _, _) = program
        .post(
            decide,
            &format!(r#"{{"outcome": "{}"}}"#, "x".repeat(70_000)),
        )
        .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let text = program
        .request("POST", decide)
        .header(CONTENT_TYPE, "text/plain");
    let (status, _, _) = program.send(text.body(Body::from("{}")).unwrap()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (status, headers, problem) = program
        .send(
            program
                .request("DELETE", "/me")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(
        (status, &headers[ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET,HEAD".parse().unwrap())
    );
    assert_eq!(problem["reason"], "NoMethod");
    let xml = program
        .request("GET", "/me")
        .header("accept", "application/xml");
    assert_eq!(
        program.send(xml.body(Body::empty()).unwrap()).await.0,
        StatusCode::NOT_ACCEPTABLE
    );
}

#[tokio::test]
async fn a_silent_hub_and_a_lost_database_are_said_with_when_to_try_again() {
    let mut program = Program::of(own, "read").await;
    program.state.cluster.silence();
    let router = crate::router::pages(program.state.clone());
    program.router = router;
    let (status, headers, problem) = program.get("/tenants").await;
    assert_eq!(
        (status, &problem["reason"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("HubSilent"))
    );
    assert_eq!(headers["retry-after"], "15");
    program
        .state
        .records
        .as_ref()
        .unwrap()
        .db
        .pool()
        .close()
        .await;
    let (status, headers, problem) = program.get("/tenants").await;
    assert_eq!(
        (status, &problem["reason"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("NoDatabase"))
    );
    assert!(headers.contains_key("retry-after") && problem["detail"].is_string());
}

#[tokio::test]
async fn every_route_is_in_the_document_and_all_of_the_document_is_a_route() {
    let program = Program::of(own, "write").await;
    let document = document::of(Lang::En);
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let asked = path.replace(['{', '}'], "");
            let request = program.request(&method.to_uppercase(), &asked);
            let (status, _, _) = program.send(request.body(Body::empty()).unwrap()).await;
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            described.insert((method.clone(), path.clone()));
        }
        let (status, headers, _) = program
            .send(
                program
                    .request("PUT", &path.replace(['{', '}'], ""))
                    .body(Body::empty())
                    .unwrap(),
            )
            .await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed: BTreeSet<_> = headers[ALLOW]
            .to_str()
            .unwrap()
            .split(',')
            .filter(|m| *m != "HEAD")
            .map(str::to_lowercase)
            .collect();
        let said: BTreeSet<_> = item.as_object().unwrap().keys().cloned().collect();
        assert_eq!(allowed, said, "{path}");
    }
    let mut table: BTreeSet<_> = operations()
        .map(|one| (document::method(one.verb).to_owned(), one.path.to_owned()))
        .collect();
    table.insert(("get".into(), "/openapi.json".into()));
    assert_eq!(described, table);
    let (_, _, served) = program.get("/openapi.json").await;
    assert_eq!(served, document);
}

#[test]
fn everything_in_the_document_is_described_in_both_languages_and_leads_somewhere() {
    for lang in [Lang::Zh, Lang::En] {
        let document = document::of(lang);
        let text = document.to_string();
        for family in [
            "api.",
            "api-op.",
            "api-about.",
            "api-param.",
            "api-group.",
            "api-status.",
        ] {
            assert!(
                !text.contains(&format!("\"{family}")),
                "{family} has no words"
            );
        }
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let place = reference.split('"').next().unwrap();
            assert!(document.pointer(place).is_some(), "{place}");
        }
    }
    let ids: BTreeSet<_> = operations().map(|one| one.id).collect();
    assert_eq!(ids.len(), operations().count());
    for operation in operations() {
        for link in operation.links {
            let to = operations().find(|one| one.id == link.to).unwrap();
            let names: BTreeSet<_> = to.names().collect();
            let given: BTreeSet<_> = link.with.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, given, "{} -> {}", operation.id, link.to);
        }
        if let Some(body) = operation.body {
            let example: Value = serde_json::from_str(body.example).unwrap();
            let schema = schemas::of_body(body.schema);
            assert!(
                schemas::nothing_unknown(&example, &schema).is_ok(),
                "{}",
                operation.id
            );
        }
        assert!(
            operation.verb == Verb::Post || operation.body.is_none(),
            "{}",
            operation.id
        );
    }
    for (_, _, title) in document::own_problems(Lang::En) {
        assert!(!title.starts_with("problem."), "{title}");
    }
}

#[tokio::test]
async fn the_page_describes_every_operation_and_has_nothing_inline() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = crate::router::tests::with_records(&dir, own, "owner").await;
    let (status, headers, page) = browser.get("/api?lang=en").await;
    assert_eq!(status, StatusCode::OK);
    for operation in operations() {
        assert!(
            page.contains(&format!("id=\"{}\"", operation.id)),
            "{}",
            operation.id
        );
    }
    assert!(
        !headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("unsafe")
    );
    assert!(!page.contains(" style=") && page.matches("<script").count() == 1);
}

/// A token that does not count any more, or is used for more than it may, is a row of the ledger, with whose it is.
#[tokio::test]
async fn what_a_token_is_refused_is_in_the_ledger() {
    let program = Program::of(own, "read").await;
    let (status, _, _) = program.post("/requests/renshe/x/urgings", "{}").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let records = program.state.records.clone().unwrap();
    sqlx::query("UPDATE api_tokens SET revoked = 1")
        .execute(records.db.pool())
        .await
        .unwrap();
    assert_eq!(program.get("/tenants").await.0, StatusCode::UNAUTHORIZED);
    let guess = Request::get("/api/v1/tenants").header(AUTHORIZATION, "Bearer qipan_guess");
    let (status, _, _) = program.send(guess.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let rows = crate::acts::tests::rows(&records).await;
    let told = |row: &crate::audit::chain::Row| {
        let why: Value = serde_json::from_str(&row.after).unwrap();
        (
            row.actor.clone(),
            row.verb.clone(),
            row.name.clone(),
            why["reason"].clone(),
        )
    };
    let row = |actor: &str, verb: &str, path: &str, why: &str| {
        (
            actor.to_owned(),
            verb.to_owned(),
            format!("/api/v1{path}"),
            json!(why),
        )
    };
    assert_eq!(
        rows.iter().map(told).collect::<Vec<_>>(),
        [
            row(
                "zj-rsj-owner",
                "post",
                "/requests/renshe/x/urgings",
                "Scope"
            ),
            row("zj-rsj-owner", "get", "/tenants", "TokenRevoked"),
            row("", "get", "/tenants", "TokenUnknown"),
        ]
    );
}
