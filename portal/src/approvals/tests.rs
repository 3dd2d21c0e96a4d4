//! Requests and approvals as a browser without scripts meets them. What is written is tested on a real API server
//! (`tests/tests/requests.rs`).

use http::StatusCode;
use serde_json::Value;

use crate::router::tests::{token, with_records};

/// The city's authority decides for its node; nobody else decides anything.
fn by_post(spec: &Value) -> bool {
    let ask = &spec["resourceAttributes"];
    let verb = ask["verb"].as_str().unwrap_or("");
    match verb {
        "approve-platformowner" => spec["user"] == "cs-approver" && ask["name"] == "zj-node",
        _ if verb.starts_with("approve") || verb.starts_with("advise") => false,
        "create" | "patch" => spec["user"] == "zj-rsj-owner",
        _ => true,
    }
}

#[tokio::test]
async fn what_waits_is_what_the_person_may_decide() {
    let dir = tempfile::TempDir::new().unwrap();
    let approver = with_records(&dir, by_post, "approver").await;
    let (status, _, page) = approver.get("/approvals").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("1项申请等您决定") && page.contains("智慧人社扩容"),
        "{page}"
    );
    assert!(
        page.contains("已催办1次") && !page.contains("就业大数据"),
        "{page}"
    );
    let owner = approver.sign_in("owner", "/").await.0;
    let (_, _, page) = owner.get("/approvals").await;
    assert!(page.contains("没有等您审批的申请"), "{page}");
}

#[tokio::test]
async fn a_decision_shows_what_it_does_and_says_why_where_it_says_no() {
    let dir = tempfile::TempDir::new().unwrap();
    let approver = with_records(&dir, by_post, "approver").await;
    let path = "/approvals/renshe/rs-kuorong";
    let (status, _, page) = approver.get(path).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("请决定：市人力资源和社会保障局“智慧人社扩容”"),
        "{page}"
    );
    assert!(
        page.contains("建议同意") && page.contains("−16 核") && page.contains("1,282.00 元/月"),
        "{page}"
    );
    let hidden = |name| crate::router::tests::hidden(&page, name);
    let carried = format!(
        "token={}&seen={}&shown={}",
        token(&page),
        hidden("seen"),
        hidden("shown")
    );
    let (status, _, answer) = approver
        .send(path, &format!("outcome=Reject&comment=&{carried}"))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.contains("不同意须写明理由"), "{answer}");
    // A page that was made before somebody decided.
    let stale = carried.replace("seen=2", "seen=1");
    let (status, _, answer) = approver
        .send(path, &format!("outcome=Reject&comment=no&{stale}"))
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(
        answer.contains("city-auth-1已在您之前决定：同意"),
        "{answer}"
    );
    assert!(
        answer.contains(">\nno</textarea>"),
        "what was typed stands: {answer}"
    );
    let (status, _, _) = approver.send(path, "outcome=Approve&token=x").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    // What was shown is not what it does now.
    let other = carried.replace(&hidden("shown"), "0");
    let (status, _, answer) = approver
        .send(path, &format!("outcome=Approve&{other}"))
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(answer.contains("效果已经变化"), "{answer}");
}

#[tokio::test]
async fn the_department_sees_how_its_request_stands_and_what_it_can_do() {
    let dir = tempfile::TempDir::new().unwrap();
    let owner = with_records(&dir, by_post, "owner").await;
    let (_, _, page) = owner.get("/requests/renshe/rs-kuorong").await;
    assert!(
        page.contains("智慧人社扩容：等待平台主管部门（湛江节点）决定"),
        "{page}"
    );
    assert!(
        page.contains("剩1个工作日（2026-11-23）")
            && page.contains("act-urge")
            && page.contains("act-withdraw"),
        "{page}"
    );
    assert!(
        !page.contains("act-accept") && page.contains("换卡窗口下周一开放"),
        "{page}"
    );
    let (_, _, page) = owner.get("/requests/renshe/rs-ceshi").await;
    assert!(
        page.contains("act-answer") && page.contains("已暂停计时"),
        "{page}"
    );
    let (status, _, answer) = owner
        .send(
            "/requests/renshe/rs-ceshi/answer",
            &format!("seen=0&answer-comment=&token={}", token_of(&page, "answer")),
        )
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.contains("请填写补正内容"), "{answer}");
    let (_, _, page) = owner.get("/requests/renshe/rs-chaxun").await;
    assert!(
        page.contains("交付单") && page.contains("renshe-chaxun") && page.contains("act-accept"),
        "{page}"
    );
    let approver = owner.sign_in("approver", "/").await.0;
    let (_, _, page) = approver.get("/requests/renshe/rs-chaxun").await;
    assert!(!page.contains("act-accept"), "not the department's: {page}");
    let (_, _, yaml) = approver.get("/requests/renshe/rs-chaxun/yaml").await;
    assert!(yaml.contains("kind: ResourceRequest"));
}

/// The token of the form that is sent to an act.
fn token_of(page: &str, act: &str) -> String {
    let form = page.split(&format!("/{act}\"")).nth(1).unwrap();
    let after = form.split("name=\"token\" value=\"").nth(1).unwrap();
    after.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_list_is_narrowed_ordered_and_exported_by_its_address() {
    let dir = tempfile::TempDir::new().unwrap();
    let owner = with_records(&dir, by_post, "owner").await;
    let (_, _, page) = owner.get("/requests").await;
    assert!(
        page.contains("共4项申请：1项审批中，1项待补正，1项待验收"),
        "{page}"
    );
    let (_, _, page) = owner.get("/requests?phase=Returned&mine=1").await;
    assert!(
        page.contains("就业大数据测试环境") && !page.contains(">智慧人社扩容</a>"),
        "{page}"
    );
    let (_, _, file) = owner.get("/requests.csv?q=gongan").await;
    assert!(
        file.contains("出入境预约域名") && !file.contains("智慧人社扩容"),
        "{file}"
    );
    let (_, _, page) = owner.get("/requests?sort=title").await;
    assert!(page.contains("aria-sort=\"ascending\""), "{page}");
    let (_, _, page) = owner.get("/catalog?lang=en").await;
    assert!(
        page.contains("CNY 320.50 a month") && page.contains("not priced"),
        "{page}"
    );
    let (status, _, file) = owner.get("/catalog.csv").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        file.contains("未定价") && file.contains("已停止受理"),
        "{file}"
    );
}

#[tokio::test]
async fn what_may_not_be_seen_is_not_there() {
    let dir = tempfile::TempDir::new().unwrap();
    let own = |spec: &Value| spec["resourceAttributes"]["namespace"] == "qp-renshe";
    let owner = with_records(&dir, own, "owner").await;
    assert_eq!(
        owner.get("/requests/gongan/ga-yuming").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        owner.get("/requests/renshe/rs-kuorong").await.0,
        StatusCode::OK
    );
    assert_eq!(owner.get("/catalog").await.0, StatusCode::NOT_FOUND);
    let (_, _, page) = owner.get("/requests").await;
    assert!(
        page.contains("共3项申请") && !page.contains("出入境"),
        "{page}"
    );
}
