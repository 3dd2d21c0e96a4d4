//! What a cluster holds of Qipan's children: digests, not objects, so that 100 000 of them fit in tens of megabytes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crds::{ResourceList, keys};
use jiff::Timestamp;

use super::Proof;
use crate::children::quota::from_kubernetes;
use crate::children::{digest, epoch_of, owner_in_labels};
use crate::runtime::plan::ChildKey;
use crate::runtime::{Child, ChildKind};

/// A leaf's quota as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaSeen {
    /// The ledger epoch that it shows.
    pub epoch: i64,
    /// `spec.hard`.
    pub hard: ResourceList,
    /// `status.hard`: what the API server enforces. Absent until the quota controller has seen it.
    pub in_force: Option<ResourceList>,
    /// `status.used`.
    pub used: Option<ResourceList>,
    /// Since when this epoch is in force as written (`status.hard` equals `spec.hard`), by this process's observation and
    /// steady clock.
    pub shown_since: Option<Timestamp>,
}

/// A child as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its UID.
    pub uid: String,
    /// Whose it is.
    pub owner: String,
    /// Digest of what Qipan keeps of it.
    pub digest: u64,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// The quota, for a leaf's quota.
    pub quota: Option<QuotaSeen>,
    /// Tenant label, and grant label where it is a leaf's.
    pub origin: (String, Option<String>),
    version: u64,
}

impl Seen {
    /// What is kept of a child.
    #[must_use]
    pub fn of(child: &Child, now: Timestamp) -> Self {
        let meta = child.meta();
        let label = |key| meta.labels.as_ref().and_then(|l| l.get(key)).cloned();
        let quota = match child {
            Child::ResourceQuota(o) => {
                let lists =
                    |list: Option<&std::collections::BTreeMap<_, _>>| list.map(from_kubernetes);
                let hard = lists(o.spec.as_ref().and_then(|s| s.hard.as_ref())).unwrap_or_default();
                let in_force = lists(o.status.as_ref().and_then(|s| s.hard.as_ref()));
                let used = lists(o.status.as_ref().and_then(|s| s.used.as_ref()));
                let shown_since = (in_force.as_ref() == Some(&hard)).then_some(now);
                Some(QuotaSeen {
                    epoch: epoch_of(meta),
                    hard,
                    in_force,
                    used,
                    shown_since,
                })
            }
            Child::Namespace(_)
            | Child::LimitRange(_)
            | Child::NetworkPolicy(_)
            | Child::Role(_)
            | Child::RoleBinding(_) => None,
        };
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            owner: owner_in_labels(meta),
            digest: digest(child),
            terminating: meta.deletion_timestamp.is_some(),
            quota,
            origin: (label(keys::TENANT).unwrap_or_default(), label(keys::GRANT)),
            version: meta
                .resource_version
                .as_ref()
                .and_then(|v| v.parse().ok())
                .unwrap_or(0),
        }
    }
}

#[derive(Default)]
struct Inner {
    items: HashMap<ChildKey, Seen>,
    owned: HashMap<String, BTreeSet<ChildKey>>,
    /// When a namespace was seen to be gone.
    gone: HashMap<String, Timestamp>,
    /// The latest proof of each leaf that was asked for one.
    proofs: HashMap<String, Proof>,
    /// Since when an epoch of an absent leaf is known here.
    known: HashMap<String, (i64, Timestamp)>,
    /// Kinds that were not listed yet.
    due: HashSet<ChildKind>,
    complete_since: Option<Timestamp>,
}

/// The children of one cluster.
pub struct ClusterCache(Mutex<Inner>);

impl ClusterCache {
    /// An empty cache, complete once each of these kinds was listed.
    #[must_use]
    pub fn of(kinds: &[ChildKind]) -> Self {
        Self(Mutex::new(Inner {
            due: kinds.iter().copied().collect(),
            ..Inner::default()
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A child by its key.
    #[must_use]
    pub fn get(&self, key: &ChildKey) -> Option<Seen> {
        self.inner().items.get(key).cloned()
    }

    /// The children of an owner, in the order in which they are written.
    #[must_use]
    pub fn owned(&self, owner: &str) -> Vec<(ChildKey, Seen)> {
        let inner = self.inner();
        let keys = inner.owned.get(owner).into_iter().flatten();
        keys.filter_map(|k| Some((k.clone(), inner.items.get(k)?.clone())))
            .collect()
    }

    /// Since when every kind was listed; `None` while something may be missing.
    #[must_use]
    pub fn complete_since(&self) -> Option<Timestamp> {
        self.inner().complete_since
    }

    /// Since when a namespace is known not to be there; `None` while it is, or while that is unknown.
    #[must_use]
    pub fn absent_since(&self, namespace: &str) -> Option<Timestamp> {
        let inner = self.inner();
        let key = ChildKey {
            kind: ChildKind::Namespace,
            namespace: String::new(),
            name: namespace.to_owned(),
        };
        if inner.items.contains_key(&key) {
            return None;
        }
        inner.complete_since.map(|since| {
            inner
                .gone
                .get(namespace)
                .copied()
                .map_or(since, |gone| gone.max(since))
        })
    }

    /// Notes what a leaf was read to be.
    pub fn prove(&self, namespace: &str, proof: Proof) {
        self.inner().proofs.insert(namespace.to_owned(), proof);
    }

    /// The latest proof of a leaf.
    #[must_use]
    pub fn proof(&self, namespace: &str) -> Option<Proof> {
        self.inner().proofs.get(namespace).cloned()
    }

    /// Since when this process knows of an epoch of a leaf's ledger entry; from now, where it is new.
    #[must_use]
    pub fn known_since(&self, namespace: &str, epoch: i64, now: Timestamp) -> Timestamp {
        let mut inner = self.inner();
        let known = inner
            .known
            .entry(namespace.to_owned())
            .or_insert((epoch, now));
        if known.0 != epoch {
            *known = (epoch, now);
        }
        known.1
    }

    /// Notes a child as it is now; an older version than the known one is passed over. Returns whether anything changed.
    pub fn put(&self, child: &Child, now: Timestamp) -> bool {
        let (key, mut seen) = (child.key(), Seen::of(child, now));
        let mut inner = self.inner();
        if let Some(old) = inner.items.get(&key) {
            if old.uid == seen.uid && seen.version <= old.version {
                return false;
            }
            if let (Some(quota), Some(before)) = (&mut seen.quota, &old.quota)
                && quota.epoch == before.epoch
                && quota.hard == before.hard
                && quota.shown_since.is_some()
            {
                quota.shown_since = before.shown_since.or(quota.shown_since);
            }
            if old.owner != seen.owner {
                let owner = old.owner.clone();
                inner.disown(&owner, &key);
            }
        }
        if key.kind == ChildKind::Namespace {
            inner.gone.remove(&key.name);
        }
        inner
            .owned
            .entry(seen.owner.clone())
            .or_default()
            .insert(key.clone());
        inner.items.insert(key, seen);
        true
    }

    /// Notes that a child is gone.
    pub fn drop_key(&self, key: &ChildKey, now: Timestamp) {
        self.inner().forget(key, now);
    }

    /// Notes that a kind was listed: what was not in the list is gone.
    pub fn listed(&self, kind: ChildKind, present: &HashSet<ChildKey>, now: Timestamp) {
        let mut inner = self.inner();
        let surplus: Vec<_> = inner
            .items
            .keys()
            .filter(|k| k.kind == kind && !present.contains(*k))
            .cloned()
            .collect();
        for key in surplus {
            inner.forget(&key, now);
        }
        inner.due.remove(&kind);
        if inner.due.is_empty() && inner.complete_since.is_none() {
            inner.complete_since = Some(now);
        }
    }
}

impl Inner {
    fn disown(&mut self, owner: &str, key: &ChildKey) {
        if let Some(keys) = self.owned.get_mut(owner) {
            keys.remove(key);
            if keys.is_empty() {
                self.owned.remove(owner);
            }
        }
    }

    fn forget(&mut self, key: &ChildKey, now: Timestamp) {
        if let Some(seen) = self.items.remove(key) {
            self.disown(&seen.owner, key);
            if key.kind == ChildKind::Namespace {
                self.gone.insert(key.name.clone(), now);
            }
        }
    }
}
