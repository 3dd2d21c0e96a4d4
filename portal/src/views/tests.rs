//! Views and columns as a browser without scripts meets them.

use http::StatusCode;
use serde_json::Value;

use super::query::Asked;
use super::{ALL, ORDERS, REQUESTS};
use crate::db::Db;
use crate::router::tests::{Browser, hidden, token, with_records};

fn anything(_: &Value) -> bool {
    true
}

/// Sends the form of a list as the page at an address has it; gives where it leads to.
async fn send(browser: &Browser, address: &str, fields: &str) -> String {
    let (status, _, page) = browser.get(address).await;
    assert_eq!(status, StatusCode::OK, "{address}");
    let query = hidden(&page, "query").replace("&#38;", "&");
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let form = format!("{fields}&query={query}&token={}", token(&page));
    let path = address.split('?').next().unwrap();
    let (status, href, page) = browser.send(&format!("/views{path}"), &form).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    href
}

async fn shown(browser: &Browser, address: &str) -> String {
    let (status, _, page) = browser.get(address).await;
    assert_eq!(status, StatusCode::OK, "{address}");
    page
}

const PENDING: &str = "%E5%BE%85%E8%A1%A5%E6%AD%A3";

#[test]
fn an_address_asks_for_what_the_list_knows_and_for_nothing_else() {
    let asked = Asked::of(
        &REQUESTS,
        "page=3&columns=price&q=+a%26b+&evil=%22&columns=phase,nothing&sort=title&type=&done=x",
    );
    assert_eq!(asked.query(), "q=a%26b&sort=title&columns=phase%2Cprice");
    assert!(asked.shows("price") && !asked.shows("tenant"));
    assert_eq!(Asked::of(&REQUESTS, &asked.query()), asked);
    assert_eq!(
        asked.page(2),
        "/requests?q=a%26b&sort=title&columns=phase%2Cprice&page=2"
    );
    assert_eq!(
        asked.with("/requests.csv", &[("sort", ""), ("q", "")]),
        "/requests.csv?columns=phase%2Cprice"
    );
    let all = "purpose,tenant,platform,state,due";
    assert_eq!(Asked::of(&ORDERS, &format!("columns={all}")).query(), "");
    assert_eq!(Asked::of(&ORDERS, "columns=").href(), "/work-orders?all=1");
}

#[tokio::test]
async fn columns_are_chosen_in_the_filter_and_every_list_has_them() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "administrator").await;
    for list in ALL {
        let whole = shown(&browser, list.path).await;
        let (first, _) = list.columns[0];
        let one = shown(&browser, &format!("{}?columns={first}", list.path)).await;
        let cells = |page: &str| page.matches("<th scope=\"col\"").count();
        let tables = whole.matches("<table").count();
        assert!(tables > 0, "{}", list.path);
        let fewer = tables * (list.columns.len() - 1);
        assert_eq!(cells(&whole) - cells(&one), fewer, "{}", list.path);
        let narrow = |page: &str| page.matches("<td").count();
        assert!(
            narrow(&one) < narrow(&whole),
            "{}: cells go with their heads",
            list.path
        );
        for (code, _) in list.columns {
            let (on, off) = (
                format!("value=\"{code}\" checked"),
                format!("value=\"{code}\">"),
            );
            assert!(whole.contains(&on), "{} {code}", list.path);
            assert!(*code == first || one.contains(&off), "{} {code}", list.path);
        }
        assert!(one.contains(&format!(" <small>1/{}</small>", list.columns.len())));
    }
    let page = shown(&browser, "/requests?columns=phase&q=a").await;
    assert!(
        page.contains("sort=title") && page.contains("columns=phase&#38;sort=title"),
        "{page}"
    );
}

#[tokio::test]
async fn a_view_is_saved_used_replaced_and_removed() {
    let dir = tempfile::TempDir::new().unwrap();
    let owner = with_records(&dir, anything, "owner").await;
    let address = "/requests?phase=Returned&columns=phase&page=1";
    let href = send(&owner, address, &format!("what=save&name=+{PENDING}+")).await;
    assert_eq!(
        href,
        "/requests?phase=Returned&columns=phase&done=view-saved"
    );
    let page = shown(&owner, &href).await;
    assert!(page.contains("视图已保存"), "{page}");
    let link =
        "<a href=\"/requests?phase=Returned&#38;columns=phase\" aria-current=\"true\">待补正";
    assert!(page.contains(link), "{page}");
    let page = shown(&owner, "/requests").await;
    assert!(
        page.contains(&link.replace(" aria-current=\"true\"", "")),
        "{page}"
    );
    assert!(
        !shown(&owner, "/tenants").await.contains("待补正"),
        "of this list only"
    );
    // The same name again: nothing is replaced before the button says so.
    let href = send(
        &owner,
        "/requests?mine=1",
        &format!("what=save&name={PENDING}"),
    )
    .await;
    assert_eq!(
        href,
        format!("/requests?mine=1&view-wrong=exists&view-name={PENDING}#views")
    );
    let page = shown(&owner, href.trim_end_matches("#views")).await;
    assert!(
        page.contains("用当前列表替换“待补正”") && page.contains("id=\"view-name-error\""),
        "{page}"
    );
    assert!(
        page.contains("phase=Returned&#38;columns=phase"),
        "it is as it was: {page}"
    );
    // Another name under the button that names the first replaces nothing.
    let other = format!("what=replace&name=neu&replaces={PENDING}");
    let href = send(&owner, "/requests?mine=1", &other).await;
    assert!(href.ends_with("done=view-saved"), "{href}");
    let page = shown(&owner, "/requests").await;
    assert!(
        page.contains("phase=Returned&#38;columns=phase") && page.contains(">neu"),
        "{page}"
    );
    let replace = format!("what=replace&name={PENDING}&replaces={PENDING}");
    send(&owner, "/requests?sort=title", &replace).await;
    let page = shown(&owner, "/requests").await;
    assert!(
        page.contains("<a href=\"/requests?sort=title\">待补正"),
        "{page}"
    );
    assert!(!page.contains("phase=Returned&#38;columns=phase"), "{page}");
    let href = send(&owner, "/requests", &format!("what=remove&name={PENDING}")).await;
    assert_eq!(href, "/requests?done=view-removed");
    assert!(!shown(&owner, "/requests").await.contains("待补正</a>"));
}

#[tokio::test]
async fn a_list_opens_with_the_view_that_its_reader_chose() {
    let dir = tempfile::TempDir::new().unwrap();
    let owner = with_records(&dir, anything, "owner").await;
    send(&owner, "/requests?phase=Returned", "what=save&name=a").await;
    send(&owner, "/requests", "what=save&name=b").await;
    send(&owner, "/requests", "what=usual&name=a").await;
    let (status, headers, _) = owner.get("/requests").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(headers["location"], "/requests?phase=Returned");
    let page = shown(&owner, "/requests?phase=Returned").await;
    assert!(page.contains(">a <small>默认</small>"), "{page}");
    assert!(
        page.contains("<a href=\"/requests?all=1\">清除筛选"),
        "the way to everything: {page}"
    );
    // Another takes its place, also one that asks for everything; and none does.
    send(&owner, "/requests?all=1", "what=usual&name=b").await;
    let (_, headers, _) = owner.get("/requests").await;
    assert_eq!(headers["location"], "/requests?all=1");
    send(&owner, "/requests?all=1", "what=not-usual&name=b").await;
    assert_eq!(owner.get("/requests").await.0, StatusCode::OK);
}

#[tokio::test]
async fn views_are_their_owners_few_and_have_names() {
    let dir = tempfile::TempDir::new().unwrap();
    let owner = with_records(&dir, anything, "owner").await;
    for nth in 0..20 {
        let href = send(
            &owner,
            "/work-orders?state=Open",
            &format!("what=save&name=v{nth}"),
        )
        .await;
        assert!(href.ends_with("done=view-saved"), "{nth} {href}");
    }
    let href = send(&owner, "/work-orders", "what=save&name=one-more").await;
    assert!(href.contains("view-wrong=many"), "{href}");
    let page = shown(&owner, href.trim_end_matches("#views")).await;
    assert!(
        page.contains("此列表已有20个视图") && page.contains("value=\"one-more\""),
        "{page}"
    );
    assert!(
        send(&owner, "/tenants", "what=save&name=other")
            .await
            .ends_with("done=view-saved")
    );
    let long = "%E5%BE%85".repeat(41);
    for bad in ["", "+", "a%0Ab", "%00", "%E2%80%AE", &long] {
        let href = send(&owner, "/costs", &format!("what=save&name={bad}")).await;
        assert!(href.contains("view-wrong=name"), "{bad} {href}");
    }
    let good = "%E5%BE%85".repeat(40);
    for name in [good.as_str(), "%F0%A0%AE%B7%F0%9F%91%8D", "%3Cb%3E%22%27"] {
        let href = send(&owner, "/costs", &format!("what=save&name={name}")).await;
        assert!(href.ends_with("done=view-saved"), "{name} {href}");
    }
    assert!(!shown(&owner, "/costs").await.contains("<b>\""));
    let filter = "q=".to_owned() + &"a".repeat(1_001);
    let href = send(&owner, &format!("/tenants?{filter}"), "what=save&name=long").await;
    assert!(href.contains("view-wrong=long"), "{href}");
    // Somebody else sees none of them and takes none of them away.
    let other = owner.clone().sign_in("approver", "/").await.0;
    assert!(!shown(&other, "/work-orders").await.contains(">v1<"));
    send(&other, "/work-orders", "what=remove&name=v1").await;
    send(&other, "/work-orders", "what=usual&name=v1").await;
    assert!(shown(&owner, "/work-orders").await.contains(">v1<"));
    // A form without its token, of another list, of no list.
    let forged = "what=save&name=x&query=&token=x";
    assert_eq!(
        owner.send("/views/costs", forged).await.0,
        StatusCode::BAD_REQUEST
    );
    let (_, _, page) = owner.get("/tenants").await;
    let of_tenants = format!("what=save&name=x&query=&token={}", token(&page));
    assert_eq!(
        owner.send("/views/costs", &of_tenants).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        owner.send("/views/nothing", &of_tenants).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn without_the_database_the_list_is_shown_and_says_what_it_lacks() {
    let dir = tempfile::TempDir::new().unwrap();
    let owner = with_records(&dir, anything, "owner").await;
    let path = dir.path().join("portal.db");
    let url = format!("sqlite:{}", path.display()).parse().unwrap();
    let db = Db::connect(&url).await.unwrap();
    let (_, _, before) = owner.get("/requests?phase=Returned").await;
    sqlx::query("DROP TABLE views")
        .execute(db.pool())
        .await
        .unwrap();
    let page = shown(&owner, "/requests").await;
    assert!(
        page.contains("暂时无法读取您的常用视图") && page.contains("智慧人社扩容"),
        "{page}"
    );
    let form = format!(
        "what=save&name=a&query=phase%3DReturned&token={}",
        token(&before)
    );
    let (status, href, _) = owner.send("/views/requests", &form).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(
        href.contains("phase=Returned&view-wrong=database"),
        "{href}"
    );
    let page = shown(&owner, href.trim_end_matches("#views")).await;
    assert!(page.contains("“a”未保存：平台数据库没有响应"), "{page}");
}
