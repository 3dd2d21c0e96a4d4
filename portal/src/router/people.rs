//! The desk, search, members, work orders and files as a browser meets them: what is shown is what may be seen.

use http::StatusCode;

use super::tests::{portal, small_province};

#[tokio::test]
async fn search_finds_by_first_letters_and_only_what_may_be_seen() {
    let (admin, _) = portal(small_province(), None)
        .sign_in("administrator", "/")
        .await;
    let (owner, _) = portal(small_province(), None).sign_in("owner", "/").await;
    for q in ["gaj", "gongan", "Public+Security"] {
        let (_, _, page) = admin.get(&format!("/search?q={q}&lang=en")).await;
        assert!(page.contains("href=\"/tenants/gongan\""), "{q}: {page}");
        let (status, _, page) = owner.get(&format!("/search?q={q}")).await;
        assert!(
            status == StatusCode::OK && !page.contains("/tenants/gongan"),
            "{q}"
        );
    }
    let (_, _, file) = owner.get("/search.csv?q=zj").await;
    assert!(!file.contains("gongan"), "{file}");
    let (_, _, page) = admin.get("/search?q=%3Cscript%3E").await;
    assert!(!page.contains("<script>"), "what was asked is text");
}

#[tokio::test]
async fn members_are_shown_to_their_own_and_changed_by_who_may() {
    let (admin, _) = portal(small_province(), None)
        .sign_in("administrator", "/")
        .await;
    let (owner, _) = portal(small_province(), None).sign_in("owner", "/").await;
    let (_, _, page) = admin.get("/tenants/renshe/members").await;
    assert!(
        page.contains("action=\"/tenants/renshe/members/add\""),
        "{page}"
    );
    let (status, _, page) = owner.get("/tenants/renshe/members").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("renshe-owners") && !page.contains("/members/add"),
        "{page}"
    );
    let (status, _, _) = owner.get("/tenants/gongan/members").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = admin
        .post(
            "/tenants/renshe/members/add",
            "token=x&kind=User&name=eve",
            "http://portal.test",
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a form without its token");
}

#[tokio::test]
async fn what_is_not_there_or_not_theirs_is_no_page() {
    let (owner, _) = portal(small_province(), None).sign_in("owner", "/").await;
    for path in [
        "/work-orders/gongan/x",
        "/work-orders/gongan/x/yaml",
        "/requests/gongan/x/pdf",
        "/tenants/gongan/trends",
        "/platforms/mm-node/trends",
        "/tenants/gongan/members.xlsx",
    ] {
        assert_eq!(owner.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        "/mine",
        "/costs",
        "/work-orders",
        "/search",
        "/costs.csv",
        "/work-orders.csv",
    ] {
        assert_eq!(owner.get(path).await.0, StatusCode::OK, "{path}");
    }
}
