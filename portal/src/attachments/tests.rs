//! Files as a browser without scripts meets them. What is written to the hub is tested on a real API server
//! (`tests/tests/requests/files.rs`).

use axum::body::{Body, to_bytes};
use futures::StreamExt as _;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::content::Content;
use super::{File, LARGEST, Wrong, digest, disposition, size};
use crate::db::Db;
use crate::db::attachments::{Upload, put};
use crate::i18n::Lang;
use crate::overview::tests::province;
use crate::router::tests::{Browser, with_objects, with_records};

const PAGE: &str = "/requests/renshe/rs-ceshi";
pub(crate) const PDF: &[u8] = b"%PDF-1.7\n<script>";

fn own_unit(spec: &Value) -> bool {
    spec["resourceAttributes"]["namespace"] == "qp-renshe"
}

/// Sends a form with files, each with its name and content; gives the status and the page.
pub(crate) async fn send_files(
    browser: &Browser,
    path: &str,
    fields: &[(&str, &str)],
    files: &[(&str, &[u8])],
) -> (StatusCode, String) {
    let head = "--limit\r\nContent-Disposition: form-data; name=";
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("{head}\"{name}\"\r\n\r\n{value}\r\n").into_bytes());
    }
    for (name, content) in files {
        let kind = "Content-Type: text/html";
        let head = format!("{head}\"answer-files\"; filename=\"{name}\"\r\n{kind}\r\n\r\n");
        body.extend([head.as_bytes(), content, b"\r\n"].concat());
    }
    body.extend(b"--limit--\r\n");
    let request = Request::post(path)
        .header(COOKIE, browser.cookies())
        .header(HOST, "portal.test")
        .header(ORIGIN, "http://portal.test")
        .header(CONTENT_TYPE, "multipart/form-data; boundary=limit")
        .body(in_pieces(&body))
        .unwrap();
    let response = browser.ask(request).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A body as it comes over a line: piece by piece, with time between them.
fn in_pieces(body: &[u8]) -> Body {
    let pieces: Vec<_> = body
        .chunks(16 * 1024)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let pieces = futures::stream::iter(pieces).then(async |piece| {
        tokio::task::yield_now().await;
        piece
    });
    Body::from_stream(pieces)
}

/// The fields of the form that answers a return.
async fn form(browser: &Browser) -> Vec<(&'static str, String)> {
    let (_, _, page) = browser.get(PAGE).await;
    let form = page.split("/answer\"").nth(1).unwrap().to_owned();
    assert!(
        form.starts_with(" enctype=\"multipart/form-data\""),
        "{form}"
    );
    let value = |name: &str| {
        let after = form
            .split(&format!("name=\"{name}\" value=\""))
            .nth(1)
            .unwrap();
        after.split('"').next().unwrap().to_owned()
    };
    vec![
        ("token", value("token")),
        ("seen", value("seen")),
        ("answer-comment", "已附脱敏方案".to_owned()),
    ]
}

#[tokio::test]
async fn a_file_that_is_not_taken_is_named_and_what_was_written_stands() {
    let dir = tempfile::TempDir::new().unwrap();
    let owner = with_records(&dir, own_unit, "owner").await;
    let fields = form(&owner).await;
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let many: Vec<_> = (0..6).map(|_| ("a.pdf", PDF)).collect();
    let large = vec![b'%'; LARGEST + 1];
    let endless = vec![b'%'; super::form::BODY];
    let path = format!("{PAGE}/answer");
    for (files, status, words) in [
        (
            vec![("方案.exe", &b"MZ"[..])],
            StatusCode::UNPROCESSABLE_ENTITY,
            "“方案.exe”不是可接收的格式",
        ),
        (
            vec![("方案.png", PDF)],
            StatusCode::UNPROCESSABLE_ENTITY,
            "请将扩展名改为pdf",
        ),
        (
            vec![("方案.pdf", &b""[..])],
            StatusCode::UNPROCESSABLE_ENTITY,
            "“方案.pdf”是空文件",
        ),
        (many, StatusCode::UNPROCESSABLE_ENTITY, "一次最多5个附件"),
        (
            vec![("方案.pdf", &large[..])],
            StatusCode::PAYLOAD_TOO_LARGE,
            "“方案.pdf”超过10 MB",
        ),
        (
            vec![("方案.pdf", &endless[..])],
            StatusCode::PAYLOAD_TOO_LARGE,
            "附件合计过大",
        ),
    ] {
        let (got, page) = send_files(&owner, &path, &fields, &files).await;
        assert_eq!(got, status, "{words} {page}");
        assert!(
            page.contains(words) && page.contains("id=\"answer-files-error\""),
            "{page}"
        );
        assert!(
            page.contains(">\n已附脱敏方案</textarea>") && page.contains("请重新选择附件"),
            "{page}"
        );
    }
    let db = database(&dir).await;
    let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM attachments")
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_form_with_files_and_without_its_token_does_nothing() {
    let dir = tempfile::TempDir::new().unwrap();
    let owner = with_records(&dir, own_unit, "owner").await;
    let forged = [("token", "x"), ("answer-comment", "a")];
    let path = format!("{PAGE}/answer");
    let (status, _) = send_files(&owner, &path, &forged, &[("a.pdf", PDF)]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

pub(crate) async fn database(dir: &tempfile::TempDir) -> Db {
    let path = dir.path().join("portal.db");
    Db::connect(&format!("sqlite:{}", path.display()).parse().unwrap())
        .await
        .unwrap()
}

/// A province in which the return was answered with three files, of which two are kept here.
fn answered() -> Vec<Value> {
    let file = |name: &str, digest: &str| json!({ "name": name, "digest": digest, "size": 17, "mediaType": "text/html" });
    let mut objects = province();
    let request = objects
        .iter_mut()
        .find(|o| o["metadata"]["name"] == "rs-ceshi")
        .unwrap();
    request["spec"]["answers"] = json!([{ "by": "zj-rsj-owner", "comment": "见附件", "attachments": [
        file("脱敏方案.pdf", &digest(PDF)), file("elsewhere.pdf", &digest(b"elsewhere")), file("changed.pdf", &digest(b"before")),
    ] }]);
    objects
}

async fn keep(dir: &tempfile::TempDir, request: &str, digest: &str, bytes: &[u8]) {
    let upload = Upload {
        request,
        digest,
        media_type: "application/pdf",
        bytes,
        author: "zj-rsj-owner",
    };
    let mut connection = database(dir).await.acquire().await.unwrap();
    put(&mut connection, upload, 1).await.unwrap();
}

#[tokio::test]
async fn a_file_is_given_to_who_may_see_the_request_that_names_it() {
    let dir = tempfile::TempDir::new().unwrap();
    let owner = with_objects(&dir, &answered(), own_unit, "owner").await;
    let (other, before) = (digest(b"other"), digest(b"before"));
    for (request, digest, bytes) in [
        ("u-51", digest(PDF), PDF),
        ("u-51", before.clone(), b"after"),
        ("u-50", other.clone(), b"other"),
        ("u-51", other.clone(), b"other"),
    ] {
        keep(&dir, request, &digest, bytes).await;
    }
    let address = |digest: &str| format!("{PAGE}/files/{}", &digest["sha256:".len()..]);
    for path in [PAGE, "/approvals/renshe/rs-ceshi"] {
        let (_, _, page) = owner.get(path).await;
        assert!(
            page.contains(&format!("href=\"{}\"", address(&digest(PDF)))),
            "{page}"
        );
        assert!(
            page.contains("<span>脱敏方案.pdf</span>") && page.contains("17 B"),
            "{page}"
        );
    }
    let (status, headers, body) = owner.get(&address(&digest(PDF))).await;
    assert_eq!((status, body.as_bytes()), (StatusCode::OK, PDF));
    assert_eq!(
        headers[CONTENT_TYPE], "application/pdf",
        "judged by us, whatever the request says"
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let named = headers[CONTENT_DISPOSITION].to_str().unwrap();
    assert!(
        named.starts_with("attachment;") && named.contains("%E8%84%B1"),
        "{named}"
    );
    let (status, _, page) = owner.get(&address(&digest(b"elsewhere"))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("本平台没有保存这个文件"), "{page}");
    assert_eq!(
        owner.get(&address(&before)).await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(
        owner.get(&address(&other)).await.0,
        StatusCode::NOT_FOUND,
        "no request names it"
    );
    // Somebody who may not see the request.
    let dir = tempfile::TempDir::new().unwrap();
    let nobody = with_objects(&dir, &answered(), |_| false, "county").await;
    assert_eq!(
        nobody.get(&address(&digest(PDF))).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn without_the_database_a_file_is_not_given_and_the_page_says_so() {
    let dir = tempfile::TempDir::new().unwrap();
    let owner = with_objects(&dir, &answered(), own_unit, "owner").await;
    let db = database(&dir).await;
    sqlx::query("DROP TABLE attachments")
        .execute(db.pool())
        .await
        .unwrap();
    let path = format!("{PAGE}/files/{}", &digest(PDF)["sha256:".len()..]);
    assert_eq!(owner.get(&path).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(owner.get(PAGE).await.0, StatusCode::OK);
}

#[test]
fn a_file_is_taken_by_content_size_and_name() {
    let pdf = b"%PDF-1.7".to_vec();
    let file = File::of("C:\\批复\u{202e}𠮷.pdf", pdf.clone()).unwrap();
    assert_eq!(
        (file.name.as_str(), file.content),
        ("批复𠮷.pdf", Content::Pdf)
    );
    assert_eq!(file.entry().size, 8);
    for (name, bytes, wrong) in [
        (
            "a.png",
            pdf.clone(),
            Wrong::Ending("a.png".into(), Content::Pdf),
        ),
        ("a.exe", b"MZ".to_vec(), Wrong::Content("a.exe".into())),
        ("a.pdf", b"MZ".to_vec(), Wrong::Content("a.pdf".into())),
        ("a.pdf", Vec::new(), Wrong::Empty("a.pdf".into())),
        ("\u{202e}/", pdf.clone(), Wrong::Name),
        (&"a".repeat(300), pdf, Wrong::Name),
        (
            "a.pdf",
            vec![b'%'; LARGEST + 1],
            Wrong::TooLarge("a.pdf".into()),
        ),
    ] {
        assert_eq!(File::of(name, bytes), Err(wrong.clone()), "{name}");
        for lang in [Lang::Zh, Lang::En] {
            let words = wrong.words(lang);
            assert!(
                !words.contains(['{', '}']) && words.chars().count() > 8,
                "{words}"
            );
        }
    }
}

#[test]
fn sizes_are_decimal_and_names_travel_whole() {
    for (bytes, words) in [
        (999, "999 B"),
        (1_001, "2 KB"),
        (1_200_000, "1.2 MB"),
        (10_000_000, "10 MB"),
    ] {
        assert_eq!(size(bytes), words);
    }
    assert_eq!(
        disposition("批 复\r\n\".pdf"),
        "attachment; filename=\"____.pdf\"; filename*=UTF-8''%E6%89%B9%20%E5%A4%8D%22.pdf"
    );
}
