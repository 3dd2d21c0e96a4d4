//! The wizard as a browser without scripts meets it.

use http::StatusCode;
use serde_json::{Value, json};

use crate::overview::tests::province;
use crate::router::tests::{Browser, hidden, token, with_objects, with_records};

const BEGIN: &str = "tenant=renshe&type=New&environment=Production";

pub(super) fn anything(_: &Value) -> bool {
    true
}

pub(super) async fn begun(browser: &Browser) -> String {
    let (_, _, page) = browser.get("/requests/new?offering=compute").await;
    let form = format!("classified=no&{BEGIN}&token={}", token(&page));
    let (status, href, page) = browser.send("/requests/new?offering=compute", &form).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    href
}

/// A form of a page, sent with its token and revision.
async fn fill(browser: &Browser, path: &str, fields: &str) -> (StatusCode, String, String) {
    let (status, _, page) = browser.get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    let form = format!(
        "{fields}&token={}&revision={}",
        token(&page),
        hidden(&page, "revision")
    );
    browser.send(path, &form).await
}

#[tokio::test]
async fn what_is_classified_stops_and_nothing_of_it_is_stored() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let (_, _, page) = browser.get("/requests/new").await;
    assert!(page.find("classified").unwrap() < page.find("name=\"tenant\"").unwrap());
    let form = format!("classified=yes&{BEGIN}&token={}", token(&page));
    let (status, _, page) = browser.send("/requests/new", &form).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("未保存任何内容"), "{page}");
    let (_, _, list) = browser.get("/requests").await;
    assert!(!list.contains("/drafts/"), "{list}");
    let (status, _, page) = browser
        .send("/requests/new", &format!("{BEGIN}&token=x"))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{page}");
}

#[tokio::test]
async fn a_draft_survives_the_session_and_is_its_owners_only() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let item = begun(&browser).await;
    let draft = item.split("/items/").next().unwrap().to_owned();
    let path = format!("{draft}/basics");
    let fields = "title=%E6%99%BA%E6%85%A7%E4%BA%BA%E7%A4%BE&justification=why&until=";
    let (status, next, _) = fill(&browser, &path, fields).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(next.ends_with("/system"), "{next}");
    let again = browser.clone().sign_in("owner", "/").await.0;
    let (_, _, list) = again.get("/requests").await;
    assert!(list.contains("智慧人社") && list.contains(&draft), "{list}");
    let other = browser.sign_in("approver", "/").await.0;
    assert_eq!(other.get(&draft).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn errors_stand_at_the_top_and_at_the_field_and_nothing_typed_is_lost() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let item = begun(&browser).await;
    let (status, _, page) = fill(
        &browser,
        &item,
        "place=zj-compute/4C16G&count=many&namespace=A_b",
    )
    .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("<title>错误：") && page.contains("role=\"alert\""),
        "{page}"
    );
    assert!(page.contains("href=\"#count\"") && page.contains("value=\"many\""));
    assert!(page.contains("id=\"namespace-error\"") && page.contains("value=\"A_b\""));
    assert!(
        page.contains("够67份"),
        "what the pool still has is said: {page}"
    );
    let draft = item.split("/items/").next().unwrap().to_owned();
    let (_, _, tasks) = browser.get(&draft).await;
    assert!(
        tasks.contains("待完善") && tasks.contains("未开始"),
        "{tasks}"
    );
    let path = format!("{draft}/basics");
    let (status, _, page) = fill(&browser, &path, "title=&justification=x&until=2020-01-01").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("href=\"#title\"") && page.contains("不能早于今天"),
        "{page}"
    );
}

#[tokio::test]
async fn what_is_typed_is_shown_in_its_effect_and_not_kept() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let item = begun(&browser).await;
    let (_, _, page) = browser.get(&item).await;
    assert!(page.contains("填好位置、规格和数量后"), "{page}");
    let carried = format!("token={}&revision=0", token(&page));
    let typed = "place=zj-compute/4C16G&count=3&namespace=kuorong";
    let path = format!("{item}/preview");
    let (status, _, part) = browser.send(&path, &format!("{typed}&{carried}")).await;
    assert_eq!(status, StatusCode::OK, "{part}");
    assert!(part.contains("−12 核") && !part.contains("<html"), "{part}");
    let (_, _, part) = browser.send(&path, &format!("count=x&{carried}")).await;
    assert!(part.contains("填好位置、规格和数量后"), "{part}");
    let (_, _, page) = browser.get(&item).await;
    assert!(!page.contains("kuorong"), "nothing is kept: {page}");
    let (status, _, _) = browser.send(&path, &format!("{typed}&token=x")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a form without its token");
}

/// Rare characters (GB 18030), emoji and marks that turn the direction of writing, from the form to the list.
#[tokio::test]
async fn a_title_keeps_every_character_that_is_seen_and_none_that_is_not() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let item = begun(&browser).await;
    let path = format!("{}/basics", item.split("/items/").next().unwrap());
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("title", "𠮷㐂📱\u{202e}扩容\u{2066}")
        .append_pair("justification", "a");
    let (status, _, _) = fill(&browser, &path, &form.finish()).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (_, _, page) = browser.get(&path).await;
    assert!(page.contains("value=\"𠮷㐂📱扩容\""), "{page}");
    let (_, _, list) = browser.get("/requests").await;
    assert!(
        list.contains("𠮷㐂📱扩容") && !list.contains('\u{202e}'),
        "{list}"
    );
}

#[tokio::test]
async fn a_stale_tab_is_told_and_keeps_what_it_says() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let item = begun(&browser).await;
    let path = format!("{}/basics", item.split("/items/").next().unwrap());
    let (_, _, stale) = browser.get(&path).await;
    let (status, _, _) = fill(&browser, &path, "title=first&justification=a").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let form = format!(
        "title=second&justification=b&token={}&revision={}",
        token(&stale),
        hidden(&stale, "revision")
    );
    let (status, _, page) = browser.send(&path, &form).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(
        page.contains("value=\"second\"") && page.contains("另一页面"),
        "{page}"
    );
}

#[tokio::test]
async fn the_answers_are_checked_with_what_they_do_and_each_can_be_changed() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let item = begun(&browser).await;
    let draft = item.split("/items/").next().unwrap().to_owned();
    let (status, _, _) = fill(
        &browser,
        &item,
        "place=zj-compute/16C64G&count=2&namespace=kuorong",
    )
    .await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (_, _, page) = browser.get(&format!("{draft}/check")).await;
    assert!(
        page.contains("href=\"/drafts/") && page.contains("?back=check"),
        "{page}"
    );
    assert!(page.contains("2,360.00 元/月"), "2 × 1180.00: {page}");
    assert!(page.contains("238 核"), "270 cores free, less 32: {page}");
    assert!(
        page.contains("单位负责人") && page.contains("zj-rsj-head"),
        "{page}"
    );
    // Nothing is submitted while anything is open, and what is open is said.
    let form = format!(
        "token={}&revision={}",
        token(&page),
        hidden(&page, "revision")
    );
    let (status, _, page) = browser.send(&format!("{draft}/check"), &form).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("role=\"alert\"") && page.contains("请填写申请名称"),
        "{page}"
    );
}

#[tokio::test]
async fn more_than_the_pool_has_is_refused_with_figures_and_the_way_out() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let item = begun(&browser).await;
    let (status, _, _) = fill(
        &browser,
        &item,
        "place=zj-compute/16C64G&count=99&namespace=kuorong",
    )
    .await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let draft = item.split("/items/").next().unwrap();
    let (_, _, page) = browser.get(&format!("{draft}/check")).await;
    assert!(
        page.contains("申请增加CPU 1584，超出湛江节点资源池zj-ext可分配量270"),
        "{page}"
    );
    assert!(page.contains("可减至270以内"), "{page}");
}

#[tokio::test]
async fn who_may_ask_for_no_unit_is_told_whom_to_ask() {
    let dir = tempfile::TempDir::new().unwrap();
    let only_look = |spec: &Value| spec["resourceAttributes"]["verb"] != "create";
    let browser = with_records(&dir, only_look, "auditor").await;
    let (status, _, page) = browser.get("/requests/new").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("不能为任何单位申请"), "{page}");
}

#[tokio::test]
async fn what_was_delivered_by_hand_is_offered_by_its_service_for_release_renewal_and_change() {
    let mut objects = province();
    objects.push(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
        "metadata": { "name": "rs-yuming", "namespace": "qp-renshe", "uid": "u-yuming", "creationTimestamp": "2026-11-01T00:00:00Z" },
        "spec": { "classified": false, "applicant": "zj-rsj-owner", "application": {
            "type": "New", "environment": "Test", "title": "域名", "justification": "j",
            "items": [{ "name": "ym", "offering": "domain", "product": "prov-domain", "platform": "gd-prov", "zone": "Internet",
                        "size": "unit", "count": 1 }],
        } },
        "status": {
            "phase": "Accepted", "workOrders": ["rs-yuming-ym"],
            "timeline": [{ "kind": "Held", "at": "2026-11-01T00:00:00Z" }],
            "delivery": { "at": "2026-11-03T00:00:00Z",
                          "entries": [{ "platform": "gd-prov", "zone": "Internet", "workOrder": "rs-yuming-ym" }] },
        },
    }));
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_objects(&dir, &objects, anything, "owner").await;
    for kind in ["Release", "Renew", "Change"] {
        let (_, _, page) = browser.get("/requests/new").await;
        let form = format!(
            "classified=no&tenant=renshe&type={kind}&environment=Test&token={}",
            token(&page)
        );
        let (status, draft, page) = browser.send("/requests/new", &form).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
        let line = format!("{draft}/items/new");
        let (_, _, page) = browser.get(&line).await;
        assert!(page.contains("人工交付，申请rs-yuming"), "{kind}: {page}");
        let mut fields = "grant=rs-yuming/ym".to_owned();
        if kind == "Change" {
            for (wrong, why) in [
                ("", "请填写人工交付资源调整后的数量"),
                ("&count=1", "没有变更内容"),
                ("&count=0", "请填1到10000的整数"),
                ("&count=3&amount-requests.cpu=4", "此项仅用于配额"),
            ] {
                let (status, _, page) = fill(&browser, &line, &format!("{fields}{wrong}")).await;
                assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
                assert!(page.contains(why), "{wrong}: {page}");
            }
            fields.push_str("&count=3");
        }
        let (status, _, page) = fill(&browser, &line, &fields).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{kind}: {page}");
        if kind == "Change" {
            let (_, _, page) = browser.get(&format!("{draft}/check")).await;
            assert!(page.contains("政务域名 × 3"), "{page}");
        }
        if kind == "Release" {
            let (_, _, page) = browser.get(&format!("{draft}/check")).await;
            assert!(
                page.contains("政务域名") && !page.contains("没有人工交付"),
                "{page}"
            );
        }
    }
}

#[tokio::test]
async fn an_exception_may_make_a_grant_larger_and_says_by_how_much() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let (_, _, page) = browser.get("/requests/new").await;
    let begin = format!(
        "classified=no&tenant=renshe&type=Exception&environment=Production&token={}",
        token(&page)
    );
    let (_, draft, page) = browser.send("/requests/new", &begin).await;
    assert!(draft.starts_with("/drafts/"), "{draft} {page}");
    let new = format!("{draft}/items/new");
    let (_, _, page) = browser.get(&new).await;
    assert!(
        page.contains("value=\"grant:shebao\"") && page.contains("value=\"compute\""),
        "{page}"
    );
    let (status, line, page) = fill(&browser, &new, "offering=grant:shebao").await;
    assert_eq!(
        (status, line.as_str()),
        (StatusCode::SEE_OTHER, &*format!("{draft}/items/shebao")),
        "{page}"
    );
    let (_, _, page) = fill(&browser, &line, "grant=shebao").await;
    assert!(
        page.contains("href=\"#amount-requests.cpu\""),
        "it says how much: {page}"
    );
    let (status, _, page) = fill(&browser, &line, "grant=shebao&amount-requests.cpu=200").await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    let (_, _, page) = browser.get(&format!("{draft}/check")).await;
    assert!(
        page.contains("type: Exception") || page.contains("200"),
        "{page}"
    );
    let (status, _, page) = fill(&browser, &new, "offering=grant:anders").await;
    assert_eq!(
        status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "no such grant: {page}"
    );
}

#[tokio::test]
async fn a_change_states_every_resource_that_the_units_grants_hold_and_no_other() {
    let mut objects = province();
    let grants = objects.iter_mut();
    for grant in grants.filter(|object| object["kind"] == "TenantQuota") {
        if grant["metadata"]["name"] == "shebao" {
            grant["spec"]["hard"]["requests.nvidia.com/gpu"] = "4".into();
            grant["spec"]["hard"]["ssd.storageclass.storage.k8s.io/requests.storage"] = "2T".into();
        }
    }
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_objects(&dir, &objects, anything, "owner").await;
    let (_, _, page) = browser.get("/requests/new").await;
    let begin = format!(
        "classified=no&tenant=renshe&type=Change&environment=Production&token={}",
        token(&page)
    );
    let (_, home, _) = browser.send("/requests/new", &begin).await;
    let line = format!("{home}/items/new");
    let (_, _, page) = browser.get(&line).await;
    assert!(page.contains("requests.nvidia.com/gpu"), "{page}");
    let refused = fill(&browser, &line, "grant=shebao&amount-pods=5").await;
    assert_eq!(refused.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.2.contains("没有容器组"), "{}", refused.2);
    let stated = "grant=shebao&amount-requests.nvidia.com/gpu=6\
                  &amount-ssd.storageclass.storage.k8s.io/requests.storage=3000";
    let (status, _, page) = fill(&browser, &line, stated).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    let (_, _, page) = browser.get(&format!("{home}/check")).await;
    assert!(page.contains("requests.nvidia.com/gpu"), "{page}");
    assert!(page.contains("3,000 GB"), "{page}");
}
