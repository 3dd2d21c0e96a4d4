//! Ends what a crash left half done, hourly, by one replica: a draft that became a request and is a draft still, files that no
//! request came to name, drafts that nobody touched for a year.
//!
//! What is named stays as long as the database: files of a request that was deleted too, since the ledger tells of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crds::ResourceRequest;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::{hand_over, named};
use crate::background;
use crate::cluster::{Cluster, Kind, Sync};
use crate::db::attachments::{self as table, PENDING};
use crate::db::{Db, DbError, drafts, micros};
use crate::wizard::{PURPOSE, review};

const EVERY: Duration = Duration::from_hours(1);
/// A write that named a file was over long before.
const UNNAMED: SignedDuration = SignedDuration::from_hours(24);
/// A draft that nobody touches is kept so long.
const DRAFT: SignedDuration = SignedDuration::from_hours(365 * 24);

/// What was ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Drafts that had become requests.
    pub submitted: usize,
    /// Files that no request names.
    pub files: u64,
    /// Drafts that nobody touched.
    pub drafts: u64,
}

/// Does so for as long as the program runs.
pub async fn keep(db: Db, cluster: Cluster) {
    loop {
        tokio::time::sleep(EVERY).await;
        // Nothing is unnamed because a cache does not know the request that names it.
        if cluster.sync(Kind::ResourceRequest) != Sync::Synced || cluster.silent_since().is_some() {
            continue;
        }
        match tidy(&db, &cluster, background::now()).await {
            Ok(ended) if ended == Ended::default() => {}
            Ok(ended) => tracing::info!(?ended, "files and drafts were tidied"),
            Err(error) => tracing::warn!(%error, "files and drafts are not tidied"),
        }
    }
}

/// Does so once.
///
/// # Errors
/// The database fails; what was ended is ended.
pub async fn tidy(db: &Db, cluster: &Cluster, now: Timestamp) -> Result<Ended, DbError> {
    let mut ended = Ended::default();
    for draft in drafts::all(&mut *db.acquire().await?, PURPOSE).await? {
        let (owner, id) = (&draft.0, &draft.1);
        if let Some(request) = review::submitted(cluster, owner, id) {
            hand_over(db, (owner, id), &request.uid().unwrap_or_default()).await?;
            ended.submitted += 1;
        }
    }
    ended.drafts = drafts::sweep(&mut *db.acquire().await?, micros(now - DRAFT)).await?;
    let left = drafts::all(&mut *db.acquire().await?, PURPOSE).await?;
    let left: BTreeSet<_> = left.into_iter().map(|(_, id)| id).collect();
    let requests = cluster.requests();
    let by_uid: BTreeMap<_, _> = requests
        .iter()
        .filter_map(|r| Some((r.uid()?, r)))
        .collect();
    for (place, digest) in table::names(&mut *db.acquire().await?).await? {
        let file = (place.as_str(), digest.as_str());
        let mut connection = db.acquire().await?;
        let names = |request: &ResourceRequest| named(request).any(|named| named.digest == digest);
        let waits = place.strip_prefix(PENDING);
        match (waits, by_uid.get(&place)) {
            (Some(draft), _) if left.contains(draft) => continue,
            (Some(draft), _) => {
                let author = table::author(&mut connection, &place)
                    .await?
                    .unwrap_or_default();
                let its = |r: &&Arc<ResourceRequest>| {
                    r.spec.applicant.as_ref() == Some(&author) && names(r)
                };
                if let Some(uid) = requests.iter().find(its).and_then(|request| request.uid()) {
                    drop(connection);
                    hand_over(db, (&author, draft), &uid).await?;
                    ended.submitted += 1;
                    continue;
                }
            }
            (None, Some(request)) if !names(request) => {}
            (None, _) => continue,
        }
        ended.files += table::remove_old(&mut connection, file, micros(now - UNNAMED)).await?;
    }
    Ok(ended)
}

#[cfg(test)]
mod tests;
