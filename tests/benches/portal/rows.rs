//! A ledger of acts as long as years make it, bound by the portal's own code.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::eventually;
use portal::audit::append::append;
use portal::audit::chain::Algorithm;
use portal::audit::{Entry, Outcome, Via};
use portal::db::{Db, audit};

/// Rows of one transaction.
const BATCH: usize = 5000;
/// Between two rows, in microseconds: a million rows are some three months.
const APART: i64 = 8_000_000;
/// 1 August 2026.
const BEGAN: i64 = 1_785_542_400_000_000;

/// Appends so many rows.
pub(crate) async fn fill(db: &Db, rows: usize) -> Result<()> {
    for first in (0..rows).step_by(BATCH) {
        let entries: Vec<_> = (first..rows.min(first + BATCH))
            .map(entry)
            .collect::<Result<_>>()?;
        let now = entries.last().map_or(BEGAN, |entry| entry.happened);
        append(db, Algorithm::Sha256, &entries, now).await?;
    }
    Ok(())
}

fn entry(n: usize) -> Result<Entry> {
    let verbs = [
        "update", "status", "create", "sign-in", "export", "delete", "update", "update",
    ];
    Ok(Entry {
        happened: BEGAN + i64::try_from(n)? * APART,
        actor: format!("t{}-owner", n % 1009),
        groups: String::new(),
        via: [Via::Portal, Via::Kubectl, Via::Operator][n % 3],
        verb: verbs[n % verbs.len()].to_owned(),
        kind: "ResourceRequest".to_owned(),
        namespace: format!("qp-t{}", n % 1009),
        name: format!("r{}", n % 31),
        uid: format!("{n:032x}"),
        resource_version: n.to_string(),
        before: r#"{"spec":{"hard":{"requests.cpu":"4"}}}"#.to_owned(),
        after: r#"{"spec":{"hard":{"requests.cpu":"8"}}}"#.to_owned(),
        request_id: format!("{n:032x}"),
        outcome: if n.is_multiple_of(50) {
            Outcome::Refused
        } else {
            Outcome::Ok
        },
        key: format!("bench/{n}"),
    })
}

/// The number of the newest row.
pub(crate) async fn count(db: &Db) -> Result<i64> {
    let mut connection = db.acquire().await?;
    Ok(audit::head(&mut connection).await?.seq)
}

/// Waits until the portal has written down what it found in the hub.
pub(crate) async fn rest(db: &Db) -> Result<()> {
    eventually(
        "the ledger comes to rest",
        Duration::from_mins(10),
        async || {
            let before = count(db).await?;
            tokio::time::sleep(Duration::from_secs(3)).await;
            let after = count(db).await?;
            ensure!(before == after, "{} rows in 3 s", after - before);
            Ok::<_, anyhow::Error>(())
        },
    )
    .await
}
