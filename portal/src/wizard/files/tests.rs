//! The files of a draft as a browser without scripts meets them. What is submitted is tested on a real API server
//! (`tests/tests/requests.rs`).

use http::StatusCode;

use crate::attachments::digest;
use crate::attachments::tests::{PDF, database, send_files};
use crate::router::tests::{Browser, hidden, token, with_records};
use crate::wizard::tests::{anything, begun};

/// A draft, by its address.
async fn draft(browser: &Browser) -> String {
    let item = begun(browser).await;
    item.split("/items/").next().unwrap().to_owned()
}

/// Uploads files from the page, as it stands.
async fn upload(browser: &Browser, path: &str, files: &[(&str, &[u8])]) -> (StatusCode, String) {
    let (_, _, page) = browser.get(path).await;
    let carried = [
        ("token", token(&page)),
        ("revision", hidden(&page, "revision")),
    ];
    let fields: Vec<_> = carried
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    send_files(browser, path, &fields, files).await
}

/// The places of the files that are kept.
async fn kept(dir: &tempfile::TempDir) -> Vec<String> {
    let db = database(dir).await;
    let rows = sqlx::query_scalar("SELECT request FROM attachments ORDER BY id");
    rows.fetch_all(db.pool()).await.unwrap()
}

#[tokio::test]
async fn good_files_are_kept_with_the_draft_and_bad_ones_named() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let draft = draft(&browser).await;
    let (_, _, tasks) = browser.get(&draft).await;
    assert!(
        tasks.contains("附件材料") && tasks.contains("选填"),
        "{tasks}"
    );
    let path = format!("{draft}/files");
    let (status, page) = upload(&browser, &path, &[]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("请先选择文件"), "{page}");
    let sent: [(&str, &[u8]); 3] = [
        ("批复\u{202e}.pdf", PDF),
        ("病毒.exe", b"MZ"),
        ("again.pdf", PDF),
    ];
    let (status, page) = upload(&browser, &path, &sent).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("“病毒.exe”不是可接收的格式") && page.contains("<span>批复.pdf</span>"),
        "{page}"
    );
    assert!(
        !page.contains("again.pdf"),
        "the same content is one file: {page}"
    );
    let place = format!("draft:{}", draft.trim_start_matches("/drafts/"));
    assert_eq!(kept(&dir).await, [place]);
    let (_, _, tasks) = browser.get(&draft).await;
    assert!(!tasks.contains("可选"), "{tasks}");
    let (_, _, check) = browser.get(&format!("{draft}/check")).await;
    assert!(
        check.contains("批复.pdf") && check.contains("/files?back=check"),
        "{check}"
    );
    let file = format!("{path}/{}", &digest(PDF)["sha256:".len()..]);
    let (status, _, got) = browser.get(&file).await;
    assert_eq!((status, got.as_bytes()), (StatusCode::OK, PDF));
    let other = browser.clone().sign_in("approver", "/").await.0;
    assert_eq!(
        other.get(&file).await.0,
        StatusCode::NOT_FOUND,
        "somebody else's draft"
    );
    let (_, _, page) = browser.get(&path).await;
    let form = format!(
        "sha256={}&token={}",
        &digest(PDF)["sha256:".len()..],
        token(&page)
    );
    let (status, _, _) = browser.send(&format!("{path}/remove"), &form).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(kept(&dir).await.is_empty());
    assert_eq!(browser.get(&file).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_application_has_sixteen_files_and_a_deleted_draft_none() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let draft = draft(&browser).await;
    let path = format!("{draft}/files");
    let contents: Vec<_> = (0..18).map(|n| format!("%PDF-1.7 {n}")).collect();
    let mut statuses = Vec::new();
    for some in contents.chunks(5) {
        let files: Vec<_> = some
            .iter()
            .map(|content| ("a.pdf", content.as_bytes()))
            .collect();
        let (status, page) = upload(&browser, &path, &files).await;
        assert!(
            status == StatusCode::SEE_OTHER || page.contains("一项申请最多16个附件"),
            "{page}"
        );
        statuses.push(status.as_u16());
    }
    assert_eq!(statuses, [303, 303, 303, 422]);
    assert_eq!(kept(&dir).await.len(), 16);
    let (_, _, page) = browser.get(&draft).await;
    let form = format!(
        "token={}&revision={}",
        token(&page),
        hidden(&page, "revision")
    );
    let (status, _, _) = browser.send(&format!("{draft}/delete"), &form).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(kept(&dir).await.is_empty());
}

#[tokio::test]
async fn a_file_that_cannot_be_kept_is_not_named() {
    let dir = tempfile::TempDir::new().unwrap();
    let browser = with_records(&dir, anything, "owner").await;
    let draft = draft(&browser).await;
    let db = database(&dir).await;
    sqlx::query("DROP TABLE attachments")
        .execute(db.pool())
        .await
        .unwrap();
    let path = format!("{draft}/files");
    let (status, page) = upload(&browser, &path, &[("批复.pdf", PDF)]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        page.contains("附件无法保存") && !page.contains("批复.pdf"),
        "{page}"
    );
    let (_, _, page) = browser.get(&path).await;
    assert!(page.contains("还没有附件"), "{page}");
}
