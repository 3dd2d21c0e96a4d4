//! Samples what grants hold and use, for trends. Only what was seen is sampled: a use that is unknown leaves a gap.

use std::time::Duration;

use crds::{Quantity, TenantQuota};
use kube::ResourceExt as _;
use tokio::sync::watch;

use crate::background;
use crate::cluster::{Cluster, Kind, Sync};
use crate::db::history::{self, Grain, Point};
use crate::db::{Db, DbError, micros};

/// How often is sampled.
const EVERY: Duration = Duration::from_mins(5);
/// How soon after the start, and after the hub was silent, the first sample is taken: a trend begins when the portal does.
const SOON: Duration = Duration::from_secs(10);
/// Samples that are written in one transaction.
const BATCH: usize = 500;

/// What of a grant is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// What was granted.
    Hard,
    /// What is used of it.
    Used,
}

/// The name of a grant's series for a resource.
#[must_use]
pub fn series(namespace: &str, grant: &str, resource: &str, figure: Figure) -> String {
    let figure = match figure {
        Figure::Hard => "hard",
        Figure::Used => "used",
    };
    format!("grant/{namespace}/{grant}/{resource}/{figure}")
}

/// Samples until the program ends. Where replicas do, each adds its samples to the same points.
pub async fn keep(db: Db, cluster: Cluster, mut ending: watch::Receiver<bool>) {
    let mut wait = SOON;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = ending.wait_for(|ending| *ending) => return,
        }
        // What the cache shows of a silent hub is the past: it is not sampled as the present.
        if cluster.sync(Kind::TenantQuota) != Sync::Synced || cluster.silent_since().is_some() {
            wait = SOON;
            continue;
        }
        wait = EVERY;
        if let Err(error) = sample(&db, &cluster).await {
            tracing::warn!(%error, "trends have a gap");
        }
    }
}

async fn sample(db: &Db, cluster: &Cluster) -> Result<(), DbError> {
    let now = micros(background::now());
    let samples: Vec<_> = cluster
        .quotas()
        .iter()
        .flat_map(|quota| of(quota))
        .collect();
    for batch in samples.chunks(BATCH) {
        let mut transaction = db.begin().await?;
        history::add(&mut transaction, batch, now).await?;
        transaction.commit().await?;
    }
    history::sweep(&mut *db.acquire().await?, now).await?;
    Ok(())
}

/// A grant's samples.
#[must_use]
pub fn of(quota: &TenantQuota) -> Vec<(String, f64)> {
    let (namespace, name) = (quota.namespace().unwrap_or_default(), quota.name_any());
    let used = quota
        .status
        .as_ref()
        .and_then(|status| status.used.as_ref());
    let figures = [(Figure::Hard, Some(&quota.spec.hard)), (Figure::Used, used)];
    figures
        .into_iter()
        .filter_map(|(figure, list)| Some((figure, list?)))
        .flat_map(|(figure, list)| {
            list.iter()
                .map(move |(resource, amount)| (figure, resource, amount))
        })
        .map(|(figure, resource, amount)| {
            (
                series(&namespace, &name, resource, figure),
                figure_of(amount),
            )
        })
        .collect()
}

/// A trend shows no more digits than a float has; what is decided never goes through it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a trend is drawn, not reckoned with"
)]
fn figure_of(amount: Quantity) -> f64 {
    amount.nanos() as f64 / 1e9
}

/// The points of a grant's trend over a span, at most a few hundred.
///
/// # Errors
/// The database fails.
pub async fn trend(db: &Db, series: &str, span: Duration, now: i64) -> Result<Vec<Point>, DbError> {
    let since = now.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX));
    history::points(
        &mut *db.acquire().await?,
        series,
        Grain::for_span(span),
        since,
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_use_is_no_sample() {
        let mut quota: TenantQuota = serde_json::from_value(serde_json::json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "TenantQuota",
            "metadata": { "name": "pei", "namespace": "qp-cs" },
            "spec": { "platform": "zj", "zone": "Extranet", "pool": "p", "hard": { "cpu": "1500m" }, "namespaces": [] },
        }))
        .unwrap();
        assert_eq!(of(&quota), [("grant/qp-cs/pei/cpu/hard".to_owned(), 1.5)]);
        quota.status =
            serde_json::from_value(serde_json::json!({ "used": { "cpu": "250m" } })).unwrap();
        assert_eq!(of(&quota)[1], ("grant/qp-cs/pei/cpu/used".to_owned(), 0.25));
    }
}
