//! Acts in the portal that become rows of the ledger: sign-ins, exports, refusals. What people write to the hub is
//! recorded by the recorder, with everything else that changes there.

use axum::extract::{Request, State};
use axum::http::header::CONTENT_DISPOSITION;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use serde_json::json;

use crate::api::problem::Problem;
use crate::audit::{Entry, Via};
use crate::background;
use crate::error::AppError;
use crate::identity::{self, User};
use crate::router::REQUEST_ID;
use crate::state::AppState;

impl AppState {
    /// Puts an act into the ledger.
    ///
    /// # Errors
    /// The ledger takes nothing more: then the act must not be done.
    pub fn record(&self, entry: Entry) -> Result<(), AppError> {
        let Some(records) = &self.records else {
            return Ok(());
        };
        records.ledger.record(entry).map_err(|error| {
            tracing::error!(%error, "an act was refused");
            AppError::LedgerFull
        })
    }
}

/// The id of a request, as the log and the hub's audit log have it.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> &str {
    let id = headers.get(&REQUEST_ID);
    id.and_then(|id| id.to_str().ok()).unwrap_or_default()
}

/// A person's act.
#[must_use]
pub fn act(user: &User, verb: &str, headers: &HeaderMap) -> Entry {
    Entry::of_portal(user, verb, request_id(headers), background::now())
}

/// Marks an answer whose act is in the ledger already, with more than [`note`] knows.
#[derive(Clone, Copy, Debug)]
pub struct Recorded;

/// Who did something, where no session says so: the caller of the API.
#[derive(Clone, Debug)]
pub struct By(pub User);

/// Who was refused, and why.
fn refusal(response: &Response) -> Option<(Option<User>, String)> {
    if let Some(problem) = response.extensions().get::<Problem>() {
        return problem.refusal().map(|(by, why)| (Some(by), why));
    }
    match response.extensions().get::<AppError>() {
        Some(
            error @ (AppError::Foreign
            | AppError::FormExpired
            | AppError::SignInRefused(_)
            | AppError::TwoOffices(_)),
        ) => Some((None, error.to_string())),
        _ => None,
    }
}

/// Records what leaves the portal as a file, and what was refused. What cannot be recorded does not leave.
pub async fn note(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (headers, method) = (request.headers().clone(), request.method().clone());
    let session = identity::session(request.extensions());
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let response = next.run(request).await;
    let is_file = response
        .headers()
        .get(CONTENT_DISPOSITION)
        .is_some_and(|value| value.as_bytes().starts_with(b"attachment"))
        && response.extensions().get::<Recorded>().is_none();
    let refusal = refusal(&response);
    if refusal.is_none() && !(is_file && response.status().is_success()) {
        return response;
    }
    let caller = response
        .extensions()
        .get::<By>()
        .map(|By(user)| user.clone());
    let refused = refusal.as_ref().and_then(|(by, _)| by.clone());
    let session = session.map(|session| session.user);
    let user = &refused.or(caller).or(session).unwrap_or_default();
    let sign_in = matches!(
        response.extensions().get::<AppError>(),
        Some(AppError::SignInRefused(_))
    );
    let verb = match &refusal {
        Some(_) if sign_in => "sign-in",
        Some(_) => method.as_str(),
        None => "export",
    };
    let mut entry = act(user, &verb.to_lowercase(), &headers);
    "page".clone_into(&mut entry.kind);
    entry.name = path;
    // The query of a sign-in holds a code of the provider's.
    if !sign_in {
        entry.after = json!({ "query": query }).to_string();
    }
    if user.name.is_empty() {
        entry.via = Via::Portal;
        entry.groups = String::new();
    }
    if let Some((_, reason)) = refusal {
        entry = entry.refused(&reason);
    }
    match state.record(entry) {
        Ok(()) => response,
        Err(error) => error.into_response(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use http::header::{CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE};
    use http::{Request, StatusCode};
    use tokio::sync::watch;
    use tower::ServiceExt as _;

    use super::*;
    use crate::audit::anchor::Anchored;
    use crate::audit::chain::{Algorithm, Row};
    use crate::audit::keeper::Keeper;
    use crate::cluster::tests::hub;
    use crate::db::{Db, audit};
    use crate::overview::tests::province;
    use crate::records::Records;
    use crate::router::pages;

    pub(crate) async fn records(dir: &tempfile::TempDir) -> Records {
        let path = dir.path().join("portal.db");
        let url = format!("sqlite:{}", path.display()).parse().unwrap();
        let db = Db::open(&url).await.unwrap();
        let ledger = Keeper::start(db.clone(), Algorithm::Sha256);
        Records {
            db,
            ledger,
            anchored: watch::channel(Anchored::default()).1,
        }
    }

    pub(crate) async fn rows(records: &Records) -> Vec<Row> {
        records
            .ledger
            .flush(std::time::Duration::from_secs(10))
            .await;
        let mut connection = records.db.acquire().await.unwrap();
        audit::after(&mut connection, 0, 100).await.unwrap()
    }

    async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, String, String) {
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let cookies: Vec<_> = response
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok()?.split(';').next())
            .map(str::to_owned)
            .collect();
        let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        (
            status,
            cookies.join("; "),
            String::from_utf8_lossy(&body).into_owned(),
        )
    }

    fn get(path: &str, cookies: &str) -> Request<Body> {
        Request::get(path)
            .header(COOKIE, cookies)
            .body(Body::empty())
            .unwrap()
    }

    fn post(path: &str, cookies: &str, form: &str, origin: &str) -> Request<Body> {
        Request::post(path)
            .header(COOKIE, cookies)
            .header("host", "portal.test")
            .header(ORIGIN, origin)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap()
    }

    async fn signed_in(router: &Router, who: &str) -> String {
        let (_, cookies, form) = ask(router, get("/sign-in", "")).await;
        let token = form.split("name=\"token\" value=\"").nth(1).unwrap();
        let token = token.split('"').next().unwrap();
        let form = format!("post={who}&next=/&token={token}");
        let (status, cookies, _) = ask(
            router,
            post("/sign-in", &cookies, &form, "http://portal.test"),
        )
        .await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        cookies
    }

    #[tokio::test]
    async fn sign_ins_exports_and_refusals_are_rows_and_the_page_shows_them_to_auditors_only() {
        let dir = tempfile::TempDir::new().unwrap();
        let records = records(&dir).await;
        let (_end, ending) = watch::channel(false);
        let auditors = |spec: &serde_json::Value| {
            spec["user"] == "gd-auditor" || spec["resourceAttributes"]["verb"] != "audit"
        };
        let state = AppState::new(hub(&province(), auditors), true, None, ending);
        let router = pages(state.with_records(records.clone()));
        let owner = signed_in(&router, "owner").await;
        let (status, _, _) = ask(&router, get("/overview.csv", &owner)).await;
        assert_eq!(status, StatusCode::OK);
        let (status, _, _) = ask(
            &router,
            post("/sign-out", &owner, "token=x", "http://evil.test"),
        )
        .await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let rows = rows(&records).await;
        let told: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    row.actor.as_str(),
                    row.verb.as_str(),
                    row.name.as_str(),
                    row.outcome.as_str(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("zj-rsj-owner", "sign-in", "", "ok"),
                ("zj-rsj-owner", "export", "/overview.csv", "ok"),
                ("zj-rsj-owner", "post", "/sign-out", "refused"),
            ]
        );
        assert!(
            rows.iter()
                .all(|row| row.via == "portal" && row.request_id.len() > 8),
            "{rows:?}"
        );
        let (status, _, _) = ask(&router, get("/audit", &owner)).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let auditor = signed_in(&router, "auditor").await;
        let (status, _, page) = ask(&router, get("/audit?verb=export&lang=en", &auditor)).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        assert!(
            page.contains("/overview.csv") && !page.contains("/sign-out</td>"),
            "{page}"
        );
        let (status, _, file) = ask(&router, get("/audit.csv?outcome=refused", &auditor)).await;
        assert_eq!(status, StatusCode::OK);
        assert!(file.contains("the form came from another site"), "{file}");
    }

    #[tokio::test]
    async fn who_holds_two_offices_sees_no_ledger_and_the_refusal_is_a_row() {
        let dir = tempfile::TempDir::new().unwrap();
        let records = records(&dir).await;
        let (_end, ending) = watch::channel(false);
        let both = |spec: &serde_json::Value| {
            let verb = spec["resourceAttributes"]["verb"].as_str();
            !matches!(verb, Some("administer-security" | "manage-anywhere"))
        };
        let state = AppState::new(hub(&province(), both), true, None, ending);
        let router = pages(state.with_records(records.clone()));
        let auditor = signed_in(&router, "auditor").await;
        for path in [
            "/audit?lang=en",
            "/audit.csv",
            "/audit.xlsx",
            "/notifications/log",
        ] {
            let (status, _, page) = ask(&router, get(path, &auditor)).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} {page}");
        }
        let (_, _, page) = ask(&router, get("/audit?lang=zh", &auditor)).await;
        assert!(
            page.contains("兼任审计管理员和系统管理员")
                && page.contains("请安全管理员撤去其中一个角色"),
            "{page}"
        );
        let rows = rows(&records).await;
        let refused: Vec<_> = rows.iter().filter(|row| row.outcome == "refused").collect();
        assert_eq!(refused.len(), 5, "{rows:?}");
        assert!(
            refused[0].name == "/audit"
                && refused[0].verb == "get"
                && refused[0].after.contains(
                    "is audit and system administrator in one (verbs audit, administer-system)"
                ),
            "{rows:?}"
        );
    }

    /// What the ledger cannot take is not done, and the page says why.
    #[tokio::test]
    async fn without_a_ledger_nobody_signs_in_and_pages_say_what_is_wrong() {
        let dir = tempfile::TempDir::new().unwrap();
        let records = records(&dir).await;
        sqlx::query("DELETE FROM audit_head")
            .execute(records.db.pool())
            .await
            .unwrap();
        let nobody = User::default();
        let mut nth = 0;
        while records
            .ledger
            .record(Entry::of_portal(
                &nobody,
                "fill",
                &nth.to_string(),
                background::now(),
            ))
            .is_ok()
        {
            nth += 1;
        }
        let (_end, ending) = watch::channel(false);
        let state =
            AppState::new(hub(&province(), |_| true), true, None, ending).with_records(records);
        let router = pages(state);
        let (_, cookies, form) = ask(&router, get("/sign-in", "")).await;
        let token = form.split("name=\"token\" value=\"").nth(1).unwrap();
        let token = token.split('"').next().unwrap();
        let form = format!("post=owner&next=/&token={token}");
        let (status, given, page) = ask(
            &router,
            post("/sign-in", &cookies, &form, "http://portal.test"),
        )
        .await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            given.is_empty() && page.contains("操作台账无法写入"),
            "{page}"
        );
    }
}
