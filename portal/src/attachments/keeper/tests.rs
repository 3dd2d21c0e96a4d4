//! What a crash leaves, ended.

use serde_json::{Value, json};

use super::*;
use crate::attachments::digest;
use crate::attachments::tests::database;
use crate::cluster::tests::hub;
use crate::db::attachments::Upload;
use crate::overview::tests::province;

const OWNER: &str = "zj-rsj-owner";

/// A province in which `rs-ceshi` (uid `u-51`) was the draft `abcdef01…`, and names a file.
fn submitted() -> Vec<Value> {
    let mut objects = province();
    let request = objects
        .iter_mut()
        .find(|o| o["metadata"]["name"] == "rs-ceshi")
        .unwrap();
    request["metadata"]["name"] = "20261124-abcdef01".into();
    request["spec"]["applicant"] = OWNER.into();
    request["spec"]["application"]["attachments"] = json!([
        { "name": "a.pdf", "digest": digest(b"named"), "size": 5, "mediaType": "application/pdf" },
    ]);
    objects
}

async fn keep(db: &Db, request: &str, bytes: &[u8], created: i64) {
    let digest = digest(bytes);
    let media_type = "application/pdf";
    let upload = Upload {
        request,
        digest: &digest,
        media_type,
        bytes,
        author: OWNER,
    };
    table::put(&mut db.acquire().await.unwrap(), upload, created)
        .await
        .unwrap();
}

async fn draft(db: &Db, id: &str, changed: i64) {
    let insert = "INSERT INTO drafts (id, owner, purpose, title, contents, revision, created, changed) \
        VALUES ($1, $2, 'ResourceRequest', '', '{}', 1, $3, $3)";
    let insert = sqlx::query(insert).bind(id).bind(OWNER).bind(changed);
    insert.execute(db.pool()).await.unwrap();
}

#[tokio::test]
async fn what_is_named_reaches_its_request_and_what_is_not_goes_after_a_day() {
    let dir = tempfile::TempDir::new().unwrap();
    drop(crate::acts::tests::records(&dir).await);
    let db = database(&dir).await;
    let cluster = hub(&submitted(), |_| true);
    let now: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
    let (today, old) = (
        micros(now),
        micros(now - UNNAMED - SignedDuration::from_secs(1)),
    );
    // A draft that became the request before the portal died, and a submission of the API that did.
    draft(&db, "abcdef01aaaa", today).await;
    keep(&db, "draft:abcdef01aaaa", b"named", old).await;
    keep(&db, "draft:99999999", b"named", old).await;
    // A draft that is being written, one that nobody touched for a year.
    draft(&db, "00000001", today).await;
    keep(&db, "draft:00000001", b"written", old).await;
    draft(
        &db,
        "00000002",
        micros(now - DRAFT - SignedDuration::from_secs(1)),
    )
    .await;
    keep(&db, "draft:00000002", b"forgotten", old).await;
    // Kept for writes that did not come about: one of them just now.
    keep(&db, "draft:88888888", b"refused", old).await;
    keep(&db, "draft:77777777", b"just now", today).await;
    keep(&db, "u-51", b"refused too", old).await;
    keep(&db, "u-51", b"being named", today).await;
    // A request that was deleted: the ledger tells of it.
    keep(&db, "u-gone", b"of the past", old).await;
    let ended = tidy(&db, &cluster, now).await.unwrap();
    assert_eq!(
        ended,
        Ended {
            submitted: 2,
            files: 3,
            drafts: 1
        }
    );
    let mut left = table::names(&mut db.acquire().await.unwrap())
        .await
        .unwrap();
    left.sort();
    let mut expected: Vec<_> = [
        ("u-51", &b"named"[..]),
        ("u-51", b"being named"),
        ("draft:00000001", b"written"),
        ("draft:77777777", b"just now"),
        ("u-gone", b"of the past"),
    ]
    .map(|(place, bytes)| (place.to_owned(), digest(bytes)))
    .into();
    expected.sort();
    assert_eq!(left, expected);
    let drafts = drafts::all(&mut db.acquire().await.unwrap(), PURPOSE)
        .await
        .unwrap();
    assert_eq!(drafts, [(OWNER.to_owned(), "00000001".to_owned())]);
    assert_eq!(
        tidy(&db, &cluster, now).await.unwrap(),
        Ended::default(),
        "once"
    );
}
