//! What the leaves of a grant show and whether their cluster answers, gathered from the members' caches. Reads only.

use std::collections::BTreeMap;

use crds::cloud_platform::ClusterState;
use crds::{CloudPlatform, TenantQuota, keys};
use jiff::Timestamp;

use super::ledger::{LeafKey, LeafSeen};
use crate::member::{ClusterCache, Proof, Seen};
use crate::runtime::plan::ChildKey;
use crate::runtime::{ChildKind, Context, Target};

/// The cluster of a grant's pool; `None` where the pool has none, or the platform no such pool.
#[must_use]
pub fn cluster_of(quota: &TenantQuota, platform: &CloudPlatform) -> Option<String> {
    platform
        .spec
        .pools
        .iter()
        .find(|p| p.name == quota.spec.pool)?
        .cluster
        .clone()
}

/// Whether a grant's cluster answers.
pub enum Contact {
    /// It does, or the grant has none.
    Fine,
    /// The operator has only just started: nothing is known yet, and what was said holds.
    Pending,
    /// It does not: its name, since when, why.
    Lost(String, Timestamp, String),
}

impl Contact {
    /// Whether it is known not to answer.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(..))
    }
}

pub(super) fn contact(cx: &Context, platform: &str, cluster: &str) -> Contact {
    let target = Target::Member {
        platform: platform.into(),
        cluster: cluster.into(),
    };
    if cx.members.get(&target).is_some() {
        return Contact::Fine;
    }
    match cx.members.of_platform(platform).remove(cluster) {
        Some(view) if view.state != ClusterState::Unknown => Contact::Lost(
            format!("{platform}/{cluster}"),
            view.since,
            // The cause alone: around it stands a sentence of its own, in the reader's language.
            view.verdict
                .params
                .get("detail")
                .cloned()
                .unwrap_or_else(|| view.verdict.message()),
        ),
        Some(_) | None => Contact::Pending,
    }
}

/// What is known of the leaves of a grant.
#[derive(Default)]
pub struct Leaves {
    /// What its namespaces show: those of its spec, of its ledger, and those that carry its label.
    pub seen: BTreeMap<LeafKey, LeafSeen>,
    /// What reads past the cache have shown of those whose ceiling is above the target.
    pub proofs: BTreeMap<LeafKey, Proof>,
    /// Since when their epoch is known here.
    pub known_since: BTreeMap<LeafKey, Timestamp>,
    /// Grants that are gone and whose namespaces this one takes over: of the same tenant, kept when they were deleted.
    pub heir_of: Vec<String>,
}

/// Looks at the leaves of a grant.
pub(super) fn look(
    cx: &Context,
    quota: &TenantQuota,
    cluster: Option<&str>,
    now: Timestamp,
) -> Leaves {
    let namespace = quota.metadata.namespace.as_deref().unwrap_or_default();
    let tenant = keys::tenant_of_namespace(namespace).unwrap_or_default();
    let mut wanted: Vec<LeafKey> = Vec::new();
    if let Some(cluster) = cluster {
        let named = quota.spec.namespaces.iter();
        wanted.extend(named.map(|n| (cluster.to_owned(), keys::leaf_namespace(tenant, &n.name))));
    }
    let stored = quota.status.iter().flat_map(|s| &s.leaves);
    wanted.extend(stored.map(|e| (e.cluster.clone(), e.namespace.clone())));
    let owner = quota.metadata.uid.clone().unwrap_or_default();
    let mut leaves = Leaves::default();
    let mut clusters: Vec<String> = wanted
        .iter()
        .map(|(c, _)| c.clone())
        .chain(cluster.map(ToOwned::to_owned))
        .collect();
    clusters.sort();
    clusters.dedup();
    for cluster in clusters {
        let target = Target::Member {
            platform: quota.spec.platform.clone(),
            cluster: cluster.clone(),
        };
        let connection = cx
            .members
            .get(&target)
            .filter(|c| c.cache.complete_since().is_some());
        if let Some(connection) = &connection {
            let labelled = connection.cache.owned(&owner);
            wanted.extend(
                labelled
                    .into_iter()
                    .filter(|(k, _)| k.kind == ChildKind::Namespace)
                    .map(|(k, _)| (cluster.clone(), k.name)),
            );
        }
        for key in wanted.iter().filter(|(c, _)| *c == cluster) {
            let mut ours = |seen: &Seen| {
                if seen.owner == owner {
                    return true;
                }
                let (of, grant) = &seen.origin;
                let inherited = of == tenant && grant.is_some() && !cx.hub.has_grant(&seen.owner);
                if inherited {
                    leaves.heir_of.push(seen.owner.clone());
                }
                inherited
            };
            let leaf = connection
                .as_ref()
                .map_or(LeafSeen::Unknown, |c| leaf(&c.cache, &key.1, &mut ours));
            leaves.seen.insert(key.clone(), leaf);
        }
        if let Some(connection) = &connection {
            falling(quota, &cluster, &connection.cache, now, &mut leaves);
        }
    }
    leaves
}

/// What is known of the leaves of a cluster whose ceilings are above their targets.
fn falling(
    quota: &TenantQuota,
    cluster: &str,
    cache: &ClusterCache,
    now: Timestamp,
    leaves: &mut Leaves,
) {
    let owner = quota.metadata.uid.as_deref().unwrap_or_default();
    let entries = quota.status.iter().flat_map(|s| &s.leaves);
    for entry in entries.filter(|e| e.cluster == cluster && e.ceiling != e.target) {
        let key = (cluster.to_owned(), entry.namespace.clone());
        let since = cache.known_since(&entry.namespace, entry.epoch, now);
        leaves.known_since.insert(key.clone(), since);
        if let Some(mut proof) = cache.proof(&entry.namespace) {
            // Another grant's quota is nothing of ours.
            proof.leaf = proof
                .leaf
                .filter(|leaf| leaf.owner == owner || leaves.heir_of.contains(&leaf.owner));
            leaves.proofs.insert(key, proof);
        }
    }
}

fn leaf(cache: &ClusterCache, namespace: &str, ours: &mut dyn FnMut(&Seen) -> bool) -> LeafSeen {
    let key = |kind, namespace: &str, name: &str| ChildKey {
        kind,
        namespace: namespace.into(),
        name: name.into(),
    };
    match cache.get(&key(ChildKind::Namespace, "", namespace)) {
        Some(seen) if ours(&seen) => LeafSeen::Present {
            uid: seen.uid,
            terminating: seen.terminating,
            quota: cache
                .get(&key(ChildKind::ResourceQuota, namespace, keys::QIPAN))
                .and_then(|s| s.quota),
        },
        // Another grant's: nothing of ours is there, and writing it will say whose it is.
        Some(_) => LeafSeen::Absent(Timestamp::UNIX_EPOCH),
        None => cache
            .absent_since(namespace)
            .map_or(LeafSeen::Unknown, LeafSeen::Absent),
    }
}
