//! What open requests hold in the pools, as the pools' ledgers see it (design §5: capacity is held from submission).
//!
//! A request that wants capacity is a claim like a grant: the pool promises, the request notes that it has it. Once it is
//! enacted, what it holds belongs to the grants that it became: their promises are made out of it (`crds::account`).

use std::collections::BTreeMap;

use crds::account::{Claim, REQUEST, Taker};
use crds::cloud_platform::PoolStatus;
use crds::resource_request::{HoldStatus, ResourceRequestStatus};
use crds::{CloudPlatform, ResourceList, ResourceRequest, TenantQuota};
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;

use crate::runtime::Context;

/// Namespace and name of a grant.
type GrantName = (String, String);

/// What requests hold on one platform.
#[derive(Debug, Default)]
pub struct Holds {
    /// What each pool is to count as held, or is asked to hold.
    pub holders: BTreeMap<String, Vec<Claim>>,
    /// What is held for grants that were made or changed from a request already.
    pub backing: BTreeMap<GrantName, ResourceList>,
    /// Whether every request was looked at: of a broken one that was not, nobody knows what it holds.
    pub complete: bool,
}

/// Under what name a request is promised something.
#[must_use]
pub fn taker(request: &ResourceRequest) -> Taker<'_> {
    Taker {
        uid: request.metadata.uid.as_deref().unwrap_or_default(),
        // What it asks for never changes; where what that comes to does, the attempt is counted on.
        generation: 0,
        attempt: request.status.as_ref().map_or(0, |s| s.attempt),
    }
}

/// Whether a pool has promised exactly this to a request.
#[must_use]
pub fn is_promised(
    platforms: &[CloudPlatform],
    request: &ResourceRequest,
    hold: &HoldStatus,
) -> bool {
    let named = platforms
        .iter()
        .filter(|p| p.metadata.name.as_deref() == Some(&hold.platform));
    let pools = named.flat_map(|p| p.status.iter().flat_map(|s| &s.pools));
    let is = |pool: &PoolStatus| pool.name == hold.pool;
    let mut reservations = pools
        .filter(|p| is(p))
        .filter_map(|p| p.account.reservation(&taker(request)));
    reservations.any(|r| hold.amount.fits(&r.amount))
}

/// Whether a grant is the one that a request was enacted in.
#[must_use]
pub fn is_enacted(grant: &TenantQuota, request: &str) -> bool {
    grant.spec.request.as_deref() == Some(request)
}

impl Holds {
    /// Adds what one request holds on a platform. `find` gives the grants of its namespace.
    pub fn add(
        &mut self,
        platform: &str,
        request: &ResourceRequest,
        find: impl Fn(&str, &str) -> Option<TenantQuota>,
    ) {
        let status = request.status.clone().unwrap_or_default();
        for hold in status.holds.iter().filter(|h| h.platform == platform) {
            let mut claim = claim(request);
            if status.grants.is_empty() {
                claim.wanted = hold.amount.clone();
                claim.may_grow = true;
                if hold.held {
                    claim.admitted = hold.amount.clone();
                }
            } else if hold.held {
                let rest = self.hand_over(request, &status, hold, &find);
                claim.wanted.clone_from(&rest);
                claim.admitted = rest;
            }
            self.holders
                .entry(hold.pool.clone())
                .or_default()
                .push(claim);
        }
    }

    /// Gives what is held for enacted grants to them; returns what none of them stands for yet.
    fn hand_over(
        &mut self,
        request: &ResourceRequest,
        status: &ResourceRequestStatus,
        hold: &HoldStatus,
        find: &impl Fn(&str, &str) -> Option<TenantQuota>,
    ) -> ResourceList {
        let namespace = request.namespace().unwrap_or_default();
        let name = request.name_any();
        let (mut left, mut rest) = (hold.amount.clone(), ResourceList::default());
        let here = |e: &&crds::resource_request::Enacted| {
            (&e.platform, &e.pool) == (&hold.platform, &hold.pool)
        };
        for enacted in status.grants.iter().filter(here) {
            let grant = find(&namespace, &enacted.grant);
            let admitted = grant.as_ref().and_then(|g| g.status.as_ref());
            let admitted = admitted.map(|s| s.admitted.clone()).unwrap_or_default();
            let lacking = enacted.hard.excess_over(&admitted);
            let share = least(&lacking, &left);
            left = left.above(&share);
            if grant.is_some_and(|g| is_enacted(&g, &name)) {
                self.backing
                    .insert((namespace.clone(), enacted.grant.clone()), share);
            } else {
                rest = rest.plus(&share);
            }
        }
        rest
    }
}

/// The smaller by name.
fn least(a: &ResourceList, b: &ResourceList) -> ResourceList {
    ResourceList(
        a.iter()
            .map(|(name, amount)| (name.to_owned(), amount.min(b.of(name))))
            .collect(),
    )
}

fn claim(request: &ResourceRequest) -> Claim {
    let taker = taker(request);
    let created = request.metadata.creation_timestamp.as_ref();
    Claim {
        uid: taker.uid.to_owned(),
        grant: format!(
            "{REQUEST}{}/{}",
            request.namespace().unwrap_or_default(),
            request.name_any()
        ),
        generation: taker.generation,
        attempt: taker.attempt,
        created: created.map_or(Timestamp::UNIX_EPOCH, |t| t.0),
        wanted: ResourceList::default(),
        admitted: ResourceList::default(),
        may_grow: false,
        backing: ResourceList::default(),
    }
}

/// What requests hold on a platform.
#[must_use]
pub fn on_platform(cx: &Context, platform: &str) -> Holds {
    let mut holds = Holds {
        complete: true,
        ..Holds::default()
    };
    for request in cx.hub.requests.state() {
        match &request.0 {
            Ok(request) if request.metadata.deletion_timestamp.is_none() => {
                holds.add(platform, request, |namespace, name| {
                    grant(cx, namespace, name)
                });
            }
            Ok(_) => {}
            Err(broken) => {
                let uid = broken.metadata.uid.clone().unwrap_or_default();
                match cx.accounts.held_by_unreadable(&uid) {
                    Some(held) => holds.unreadable(platform, &uid, &held),
                    None => holds.complete = false,
                }
            }
        }
    }
    holds
}

impl Holds {
    /// What a request of a broken shape holds stays held.
    fn unreadable(&mut self, platform: &str, uid: &str, held: &[HoldStatus]) {
        for hold in held.iter().filter(|h| h.held && h.platform == platform) {
            self.holders
                .entry(hold.pool.clone())
                .or_default()
                .push(Claim {
                    uid: uid.to_owned(),
                    grant: REQUEST.to_owned(),
                    generation: 0,
                    attempt: 0,
                    created: Timestamp::MAX,
                    wanted: hold.amount.clone(),
                    admitted: hold.amount.clone(),
                    may_grow: false,
                    backing: ResourceList::default(),
                });
        }
    }
}

/// What is held for a grant by the request that it names.
#[must_use]
pub fn behind(cx: &Context, quota: &TenantQuota) -> ResourceList {
    let namespace = quota.namespace().unwrap_or_default();
    let Some(request) = &quota.spec.request else {
        return ResourceList::default();
    };
    let found = cx
        .hub
        .requests
        .get(&ObjectRef::new(request).within(&namespace));
    let mut holds = Holds::default();
    if let Some(Ok(request)) = found.as_ref().map(|r| &r.0) {
        holds.add(&quota.spec.platform, request, |namespace, name| {
            grant(cx, namespace, name)
        });
    }
    let key = (namespace, quota.name_any());
    holds.backing.remove(&key).unwrap_or_default()
}

fn grant(cx: &Context, namespace: &str, name: &str) -> Option<TenantQuota> {
    let found = cx.hub.quotas.get(&ObjectRef::new(name).within(namespace))?;
    found.0.as_ref().ok().cloned()
}
