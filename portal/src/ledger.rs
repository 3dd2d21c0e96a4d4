//! What a pool or a zone has, has granted and uses, with how far that may be believed. Pure.

use crds::cloud_platform::{ClusterState, ClusterStatus, PlatformMode, PoolSpec, PoolStatus};
use crds::words::Zone;
use crds::{CloudPlatform, Quantity, ResourceList};
use jiff::civil::Date;

use crate::ages::days_until;
use crate::figures::{Resource, Unit};

/// What the figures rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The cluster answers.
    Observed,
    /// The owner says so, and its word holds today.
    Declared,
    /// The cluster does not answer, the word has ended, or nobody has said anything.
    Unknown,
}

/// The ledger of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// What it is of.
    pub resource: Resource,
    /// What there is to give.
    pub total: Quantity,
    /// What grants are charged or promised; `None` where a declared platform does not say.
    pub granted: Option<Quantity>,
    /// What is charged in the namespaces; `None` while it is unknown.
    pub used: Option<Quantity>,
    /// What is neither granted, promised nor held.
    pub free: Quantity,
    /// What this rests on.
    pub certainty: Certainty,
}

impl Ledger {
    /// How much more is granted than there is.
    #[must_use]
    pub fn over(&self) -> Quantity {
        self.granted
            .map_or(Quantity::ZERO, |granted| granted.above(self.total))
    }

    /// The granted share in percent, where both are known.
    #[must_use]
    pub fn granted_percent(&self) -> Option<i64> {
        self.granted
            .filter(|_| self.certainty != Certainty::Unknown)
            .and_then(|granted| granted.percent_of(self.total))
    }

    /// What is free, where it is known what is granted.
    #[must_use]
    pub fn known_free(&self) -> Option<Quantity> {
        let known = self.certainty != Certainty::Unknown && self.granted.is_some();
        known.then_some(self.free)
    }

    /// How its amounts are written: all in the unit of the total.
    #[must_use]
    pub fn unit(&self) -> Unit {
        Unit::of(self.resource.name(), self.total)
    }

    fn plus(self, other: &Self) -> Self {
        let both = |a: Option<Quantity>, b: Option<Quantity>| Some(a?.plus(b?));
        Self {
            resource: self.resource,
            total: self.total.plus(other.total),
            granted: both(self.granted, other.granted),
            used: both(self.used, other.used),
            free: self.free.plus(other.free),
            certainty: self.certainty.max(other.certainty),
        }
    }
}

/// One pool with its ledgers.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    /// As the owner described it.
    pub spec: &'a PoolSpec,
    /// The three resources.
    pub ledgers: Vec<Ledger>,
    /// What the figures rest on.
    pub certainty: Certainty,
}

/// The pools of a platform, in the order of its spec.
#[must_use]
pub fn pools(platform: &CloudPlatform, today: Date) -> Vec<Pool<'_>> {
    platform
        .spec
        .pools
        .iter()
        .map(|spec| {
            let status = platform
                .status
                .as_ref()
                .and_then(|s| s.pools.iter().find(|p| p.name == spec.name));
            let certainty = certainty(platform, spec, today);
            let ledger = |resource| ledger(resource, spec, status, certainty);
            Pool {
                spec,
                ledgers: Resource::ALL.into_iter().filter_map(ledger).collect(),
                certainty,
            }
        })
        .collect()
}

fn ledger(
    resource: Resource,
    spec: &PoolSpec,
    status: Option<&PoolStatus>,
    certainty: Certainty,
) -> Option<Ledger> {
    let capacity = resource.of(&spec.capacity);
    let of = |list: &ResourceList| resource.of(list);
    let total = status.and_then(|s| of(&s.account.total)).or(capacity)?;
    let charged = status
        .filter(|s| of(&s.account.total).is_some())
        .map(|s| s.account.charged(resource.name()));
    let said = spec.declared_granted.as_ref().and_then(of);
    let granted = if certainty == Certainty::Observed {
        charged
    } else {
        said.or(charged.filter(|c| *c > Quantity::ZERO))
    };
    // What the operator reckons is free counts what it has granted itself; a declared platform has granted more.
    let free = status
        .filter(|_| certainty == Certainty::Observed)
        .and_then(|s| of(&s.free))
        .unwrap_or_else(|| total.above(granted.unwrap_or_default()));
    let used = status
        .and_then(|s| s.used.as_ref())
        .and_then(of)
        .filter(|_| certainty == Certainty::Observed);
    Some(Ledger {
        resource,
        total,
        granted,
        used,
        free,
        certainty,
    })
}

fn certainty(platform: &CloudPlatform, pool: &PoolSpec, today: Date) -> Certainty {
    let Some(status) = &platform.status else {
        return Certainty::Unknown;
    };
    let cluster = pool
        .cluster
        .as_ref()
        .and_then(|name| status.clusters.iter().find(|c| c.name == *name));
    match (status.mode, cluster.map(|c| c.state)) {
        (Some(PlatformMode::Live), Some(ClusterState::Connected)) => Certainty::Observed,
        (Some(PlatformMode::Live), Some(ClusterState::Declared) | None)
        | (Some(PlatformMode::Declared), _) => {
            let holds = pool
                .attestation
                .as_ref()
                .is_some_and(|a| days_until(a.until, today) >= 0);
            if holds {
                Certainty::Declared
            } else {
                Certainty::Unknown
            }
        }
        (
            Some(PlatformMode::Live),
            Some(ClusterState::Unknown | ClusterState::Unreachable | ClusterState::Refused),
        )
        | (None, _) => Certainty::Unknown,
    }
}

/// The ledgers of one zone of a platform: its pools' sums.
#[derive(Clone, Debug)]
pub struct ZoneLedgers {
    /// The zone.
    pub zone: Zone,
    /// The three resources.
    pub ledgers: Vec<Ledger>,
    /// What the figures rest on: no better than the worst pool.
    pub certainty: Certainty,
}

/// A platform's zones, with the sums of their pools.
#[must_use]
pub fn zones(platform: &CloudPlatform, today: Date) -> Vec<ZoneLedgers> {
    let mut zones: Vec<ZoneLedgers> = Vec::new();
    for pool in pools(platform, today) {
        match zones.iter_mut().find(|zone| zone.zone == pool.spec.zone) {
            Some(zone) => {
                zone.certainty = zone.certainty.max(pool.certainty);
                add(&mut zone.ledgers, &pool.ledgers);
            }
            None => zones.push(ZoneLedgers {
                zone: pool.spec.zone,
                ledgers: pool.ledgers,
                certainty: pool.certainty,
            }),
        }
    }
    zones
}

/// Adds ledgers to ledgers, resource by resource.
pub fn add(sums: &mut Vec<Ledger>, more: &[Ledger]) {
    for ledger in more {
        match sums.iter_mut().find(|sum| sum.resource == ledger.resource) {
            Some(sum) => *sum = sum.plus(ledger),
            None => sums.push(*ledger),
        }
    }
}

/// The clusters of a platform that are in one zone.
pub fn clusters_in(platform: &CloudPlatform, zone: Zone) -> impl Iterator<Item = &ClusterStatus> {
    let names: Vec<_> = platform
        .spec
        .clusters
        .iter()
        .filter(|c| c.zone == zone)
        .map(|c| c.name.clone())
        .collect();
    let clusters = platform.status.iter().flat_map(|status| &status.clusters);
    clusters.filter(move |cluster| names.contains(&cluster.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::tests::{platform, today};

    fn cpu(name: &str) -> Ledger {
        zones(&platform(name), today())[0].ledgers[0]
    }

    #[test]
    fn an_unreachable_cluster_makes_everything_unknown() {
        let lost = cpu("mm-node");
        assert_eq!((lost.certainty, lost.used), (Certainty::Unknown, None));
        assert_eq!(lost.granted_percent(), None);
    }

    #[test]
    fn a_declared_pool_is_believed_until_its_word_ends() {
        assert_eq!(cpu("rs-cloud").certainty, Certainty::Declared);
        assert_eq!(cpu("ga-cloud").certainty, Certainty::Unknown);
    }

    #[test]
    fn use_that_one_pool_does_not_know_is_unknown_of_the_sum() {
        let (known, unknown) = (
            cpu("zj-node"),
            Ledger {
                used: None,
                ..cpu("zj-node")
            },
        );
        assert_eq!(known.plus(&unknown).used, None);
        assert!(known.plus(&unknown).granted.is_some());
    }

    #[test]
    fn what_is_granted_above_the_total_is_over() {
        assert_eq!(cpu("st-node").over(), Quantity::units(76));
    }
}
