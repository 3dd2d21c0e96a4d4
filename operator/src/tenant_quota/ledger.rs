//! The ledger of a grant (design §4): what each leaf may have in force, and how that moves without ever adding up to more
//! than is admitted. Pure; the proof by search is in its tests.
//!
//! - *Raise*: ceiling = target = v, epoch + 1, stored before the leaf is written.
//! - *Lower*: target = v, epoch + 1, ceiling kept; once the leaf has shown that epoch in force for the settle time, it is read
//!   past every cache with all that is charged there (a [`Proof`]), and the ceiling follows as far as that allows.
//! - Whatever is found in force above a ceiling is recorded, even beyond what is admitted: an honest ledger first.
//!
//! Times here are of this process's steady clock: a time of day that jumps lets nothing settle early, and a restart begins
//! every settle time anew.
//!
//! What remains assumed: a write that was sent before a lowering and arrives later than the settle time (60 s by default)
//! meets the JSON Patch's test of the epoch and fails; a late *creation* carries no test, so a ceiling goes to zero only
//! when the namespace has been gone, and the target known here, for the settle time. A pod that was let in under the old
//! limit is in storage by then (an API server works on a request for 34 s at most), so the proof's list counts it even where
//! the quota's own recount lost it (kubernetes#123434).

use std::collections::BTreeMap;

use crds::tenant_quota::LeafEntry;
use crds::{Quantity, ResourceList};
use jiff::{SignedDuration, Timestamp};

use crate::member::{Proof, QuotaSeen};

/// How long a proof that did not settle a leaf is not asked for again.
const RECHECK: SignedDuration = SignedDuration::from_secs(10);

/// A leaf as its cluster shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafSeen {
    /// The cluster does not answer, or was not listed yet.
    Unknown,
    /// The namespace is not there, since then at least.
    Absent(Timestamp),
    /// The namespace is there, with its UID and its quota.
    Present {
        /// UID of the namespace.
        uid: String,
        /// Whether it is being deleted.
        terminating: bool,
        /// Its quota named `qipan`, if there is one.
        quota: Option<QuotaSeen>,
    },
}

impl LeafSeen {
    fn quota(&self) -> Option<&QuotaSeen> {
        match self {
            Self::Present { quota, .. } => quota.as_ref(),
            Self::Unknown | Self::Absent(_) => None,
        }
    }
}

/// Cluster and namespace of a leaf.
pub type LeafKey = (String, String);

/// What a step of the ledger looks at.
pub struct Input<'a> {
    /// The stored ledger.
    pub entries: &'a [LeafEntry],
    /// What each leaf should have, every resource of its pool named.
    pub desired: &'a BTreeMap<LeafKey, ResourceList>,
    /// What each leaf shows.
    pub seen: &'a BTreeMap<LeafKey, LeafSeen>,
    /// What reads past the cache have shown of leaves, each the latest.
    pub proofs: &'a BTreeMap<LeafKey, Proof>,
    /// Since when this process knows the stored epoch of a leaf that is absent.
    pub known_since: &'a BTreeMap<LeafKey, Timestamp>,
    /// What may be in force in sum.
    pub admitted: &'a ResourceList,
    /// How long a lowered limit must be seen in force.
    pub settle: SignedDuration,
    /// The time, by the steady clock.
    pub now: Timestamp,
}

/// What a step decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The next ledger, in the order of cluster and namespace.
    pub entries: Vec<LeafEntry>,
    /// When a settle time ends, if one runs.
    pub look_again: Option<Timestamp>,
    /// Leaves of which a proof is needed now.
    pub ask: Vec<LeafKey>,
}

impl Step {
    /// The sum of all ceilings.
    #[must_use]
    pub fn ceilings(&self) -> ResourceList {
        self.entries.iter().map(|e| &e.ceiling).sum()
    }
}

/// One step: record, lower, raise.
#[must_use]
pub fn step(input: &Input<'_>) -> Step {
    let mut entries: BTreeMap<LeafKey, LeafEntry> = BTreeMap::new();
    for entry in input.entries {
        entries.insert(
            (entry.cluster.clone(), entry.namespace.clone()),
            entry.clone(),
        );
    }
    for key in input.desired.keys().chain(input.seen.keys()) {
        entries.entry(key.clone()).or_insert_with(|| LeafEntry {
            cluster: key.0.clone(),
            namespace: key.1.clone(),
            ..LeafEntry::default()
        });
    }
    let (mut look_again, mut ask): (Option<Timestamp>, _) = (None, Vec::new());
    for (key, entry) in &mut entries {
        let seen = input.seen.get(key).unwrap_or(&LeafSeen::Unknown);
        record(entry, seen);
        match settle(key, entry, seen, input) {
            Settling::Over => {}
            Settling::Until(at) => {
                look_again = Some(look_again.map_or(at, |earlier| earlier.min(at)));
            }
            Settling::Ask => ask.push(key.clone()),
        }
    }
    let mut room = room(&entries, input.admitted);
    let nothing = ResourceList::default();
    for (key, entry) in &mut entries {
        let seen = input.seen.get(key).unwrap_or(&LeafSeen::Unknown);
        retarget(
            entry,
            seen,
            input.desired.get(key).unwrap_or(&nothing),
            &mut room,
        );
    }
    let wanted = |key: &LeafKey| input.desired.contains_key(key);
    let entries = entries.into_iter().filter(|(key, entry)| {
        // An entry goes when nothing of it can be in force any more; until then its epoch goes on.
        let gone = matches!(input.seen.get(key), Some(LeafSeen::Absent(_)));
        wanted(key) || !gone || !entry.ceiling.is_zero()
    });
    Step {
        entries: entries.map(|(_, entry)| entry).collect(),
        look_again,
        ask,
    }
}

/// Records what is in force above the ceiling, and an epoch that is ahead (a ledger that was restored or lost).
fn record(entry: &mut LeafEntry, seen: &LeafSeen) {
    if let LeafSeen::Present { uid, .. } = seen {
        entry.uid = Some(uid.clone());
    }
    let Some(quota) = seen.quota() else { return };
    let enforced = quota.in_force.clone().unwrap_or_default();
    entry.ceiling = entry.ceiling.max(&quota.hard).max(&enforced);
    if quota.epoch > entry.epoch {
        // Unknown history: what is in use counts as well, and the next write must be ahead of it.
        entry.ceiling = entry.ceiling.max(&quota.used.clone().unwrap_or_default());
        entry.epoch = quota.epoch + 1;
    } else if quota.epoch == entry.epoch && quota.hard != entry.target {
        // Another hand changed it: the same target is written again, over a new epoch.
        entry.epoch += 1;
    }
}

/// How far a ceiling is from following its target.
enum Settling {
    /// Nothing is to follow, or nothing can be said.
    Over,
    /// There is something to see at this time.
    Until(Timestamp),
    /// A proof is needed.
    Ask,
}

/// Lets a ceiling follow its target where that is safe.
fn settle(key: &LeafKey, entry: &mut LeafEntry, seen: &LeafSeen, input: &Input<'_>) -> Settling {
    if entry.ceiling == entry.target {
        return Settling::Over;
    }
    let since = match seen {
        LeafSeen::Unknown | LeafSeen::Present { quota: None, .. } => return Settling::Over,
        // Nothing is in force without its namespace; a creation sent before the target changed may still be on its way.
        LeafSeen::Absent(since) => input
            .known_since
            .get(key)
            .map_or(input.now, |known| *known.max(since)),
        LeafSeen::Present { quota: Some(q), .. } => match q.shown_since {
            Some(since) if q.epoch == entry.epoch && q.hard == entry.target => since,
            _ => return Settling::Over,
        },
    };
    let due = since + input.settle;
    if due > input.now {
        return Settling::Until(due);
    }
    let Some(proof) = input.proofs.get(key).filter(|p| p.at >= due) else {
        return Settling::Ask;
    };
    follow(entry, seen, proof);
    let lower = |name: &str| {
        seen.quota().is_none_or(|q| {
            q.used
                .as_ref()
                .is_some_and(|u| u.of(name) < entry.ceiling.of(name))
        })
    };
    let mut above = entry
        .ceiling
        .iter()
        .filter(|(name, v)| *v > entry.target.of(name));
    if !above.any(|(name, _)| lower(name)) {
        // Settled, or as far as what is charged allows; when that falls, the watch tells.
        return Settling::Over;
    }
    let again = proof.at + RECHECK;
    if again > input.now {
        Settling::Until(again)
    } else {
        Settling::Ask
    }
}

/// Lowers a ceiling as far as a proof allows.
fn follow(entry: &mut LeafEntry, seen: &LeafSeen, proof: &Proof) {
    match (seen, &proof.leaf) {
        (LeafSeen::Absent(_), None) => entry.ceiling = entry.target.clone(),
        (LeafSeen::Present { .. }, Some(leaf))
            if leaf.epoch == entry.epoch && leaf.hard == entry.target =>
        {
            for (name, ceiling) in &mut entry.ceiling.0 {
                // A missing key is unknown, not zero.
                if let (Some(in_force), Some(charged)) =
                    (leaf.in_force.0.get(name), leaf.charged.0.get(name))
                {
                    *ceiling = (*in_force)
                        .max(*charged)
                        .max(entry.target.of(name))
                        .min(*ceiling);
                }
            }
        }
        // What was read is not what the watch shows: one of them is about to change.
        _ => {}
    }
}

fn room(
    entries: &BTreeMap<LeafKey, LeafEntry>,
    admitted: &ResourceList,
) -> BTreeMap<String, Quantity> {
    let ceilings: ResourceList = entries.values().map(|e| &e.ceiling).sum();
    let names = admitted.0.keys().chain(ceilings.0.keys());
    names
        .map(|name| (name.clone(), admitted.of(name).minus(ceilings.of(name))))
        .collect()
}

/// Brings the target as near to what is wanted as there is room for; every change is a new epoch.
fn retarget(
    entry: &mut LeafEntry,
    seen: &LeafSeen,
    desired: &ResourceList,
    room: &mut BTreeMap<String, Quantity>,
) {
    let frozen = match seen {
        LeafSeen::Unknown => true,
        LeafSeen::Present { terminating, .. } => *terminating,
        LeafSeen::Absent(_) => false,
    };
    // A key is never removed: what is no longer wanted is 0.
    let mut target = ResourceList(
        entry
            .target
            .0
            .keys()
            .map(|name| (name.clone(), Quantity::ZERO))
            .collect(),
    )
    .plus(desired);
    for (name, wanted) in &mut target.0 {
        let ceiling = entry.ceiling.of(name);
        if *wanted <= ceiling {
            continue;
        }
        let increase = wanted.minus(ceiling);
        let free = room.get(name).copied().unwrap_or_default();
        if frozen || increase > free {
            *wanted = ceiling;
        } else {
            room.insert(name.clone(), free.minus(increase));
        }
    }
    if target == entry.target && entry.epoch > 0 {
        return;
    }
    entry.ceiling = entry.ceiling.max(&target);
    entry.target = target;
    entry.epoch += 1;
}

#[cfg(test)]
mod tests;
