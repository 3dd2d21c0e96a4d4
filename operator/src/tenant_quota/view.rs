//! What is said of a grant: its promises, what is in force, what is in use, and the judgement on all of it.

use std::collections::BTreeMap;

use crds::account::{Shortage, Taker};
use crds::tenant_quota::LeafEntry;
use crds::{
    Account, CloudPlatform, ConditionStatus, ConditionType, Quantity, Reason, ResourceList,
    TenantQuota, Verdict,
};

use super::World;
use super::ledger::{LeafKey, LeafSeen};
use super::observe::Contact;
use super::validate::Valid;

/// The pool's account of a grant, if its platform has one.
fn pool_of<'a>(quota: &TenantQuota, platform: &'a CloudPlatform) -> Option<&'a Account> {
    let pools = platform.status.iter().flat_map(|s| &s.pools);
    let mut named = pools.filter(|p| p.name == quota.spec.pool);
    named.next().map(|p| &p.account)
}

/// Whether any account has promised something to this attempt of the grant.
pub(super) fn is_promised(quota: &TenantQuota, world: &World) -> bool {
    let pool = world.platform.as_ref().and_then(|p| pool_of(quota, p));
    let accounts = world.budgets.iter().map(|(_, budget)| budget).chain(pool);
    let taker = Taker::from(quota);
    accounts
        .into_iter()
        .any(|a| a.reservation(&taker).is_some())
}

/// Whether the pool and every budget above have promised an increase to this attempt of the grant.
///
/// # Errors
/// The first account that has not, with what it is short of; or that its pass is still to come.
pub(super) fn promised(
    quota: &TenantQuota,
    platform: &CloudPlatform,
    world: &World,
    increase: &ResourceList,
) -> Result<(), Verdict> {
    let budgets = &world.budgets;
    let await_pool = || {
        Verdict::unknown(Reason::AwaitingPool)
            .with("platform", &quota.spec.platform)
            .with("pool", &quota.spec.pool)
    };
    let taker = Taker::from(quota);
    let pool = pool_of(quota, platform).ok_or_else(await_pool)?;
    // What is held for it already is not asked of what is free.
    let beyond = increase.excess_over(&world.backing);
    if let Some(short) = pool.refuses(&taker, &beyond) {
        let verdict = Verdict::no(Reason::PoolExhausted)
            .with("platform", &quota.spec.platform)
            .with("pool", &quota.spec.pool);
        let held = pool.held_for_requests(&short.resource);
        return Err(figures(verdict, pool, &short).with("held", held));
    }
    for (tenant, budget) in budgets {
        if let Some(short) = budget.refuses(&taker, increase) {
            let verdict = Verdict::no(Reason::BudgetExhausted).with("tenant", tenant);
            return Err(figures(verdict, budget, &short));
        }
    }
    let counts = |a: &&Account| !increase.in_names_of(&a.total).is_zero();
    let mut accounts = std::iter::once(pool).chain(budgets.iter().map(|(_, b)| b).filter(counts));
    if accounts.all(|a| a.reservation(&taker).is_some()) {
        Ok(())
    } else {
        Err(await_pool())
    }
}

fn figures(verdict: Verdict, account: &Account, short: &Shortage) -> Verdict {
    verdict
        .with("resource", &short.resource)
        .with("asked", short.asked)
        .with("free", short.free)
        .with("missing", short.asked.minus(short.free))
        .with("total", account.total.of(&short.resource))
        .with("granted", account.granted_to_grants(&short.resource))
}

pub(super) fn admitted(quota: &TenantQuota, wanted: &ResourceList) -> Verdict {
    Verdict::yes(Reason::Admitted)
        .with("platform", &quota.spec.platform)
        .with("pool", &quota.spec.pool)
        .with("amount", wanted)
}

/// How far the leaves are.
pub(super) struct Force {
    leaves: usize,
    shown: usize,
    /// A namespace that is not yet as it should be, with the reason.
    waiting: Option<String>,
    lowering: Option<String>,
}

impl Force {
    pub(super) fn text(&self) -> String {
        format!("{}/{}", self.shown, self.leaves)
    }
}

/// Which of the leaves of the spec have their full share in force.
pub(super) fn in_force(
    entries: &[LeafEntry],
    seen: &BTreeMap<LeafKey, LeafSeen>,
    valid: &Valid,
) -> Force {
    let mut force = Force {
        leaves: valid.shares.len(),
        shown: 0,
        waiting: None,
        lowering: None,
    };
    for entry in entries {
        let key = (entry.cluster.clone(), entry.namespace.clone());
        if entry
            .ceiling
            .excess_over(&entry.target)
            .0
            .values()
            .any(|q| *q > Quantity::ZERO)
        {
            let excess = entry.ceiling.excess_over(&entry.target);
            force
                .lowering
                .get_or_insert_with(|| format!("{} still {excess} above", entry.namespace));
        }
        let Some(share) = valid.shares.get(&entry.namespace) else {
            continue;
        };
        let shown = match seen.get(&key) {
            Some(LeafSeen::Present {
                quota: Some(quota), ..
            }) => {
                quota.epoch == entry.epoch
                    && quota.in_force.as_ref() == Some(&entry.target)
                    && quota.hard == entry.target
            }
            _ => false,
        };
        if shown && share.fits(&entry.target) {
            force.shown += 1;
        } else {
            force.waiting.get_or_insert_with(|| entry.namespace.clone());
        }
    }
    force
}

/// What is charged in the leaves; `None` while that of any is unknown. A change below one percent of what is admitted is not
/// worth a write.
pub(super) fn used(
    entries: &[LeafEntry],
    seen: &BTreeMap<LeafKey, LeafSeen>,
    stored: Option<&ResourceList>,
    admitted: &ResourceList,
) -> Option<ResourceList> {
    let mut sum = ResourceList::default();
    for entry in entries {
        match seen.get(&(entry.cluster.clone(), entry.namespace.clone())) {
            Some(LeafSeen::Present {
                quota: Some(quota), ..
            }) => sum = sum.plus(quota.used.as_ref()?),
            Some(LeafSeen::Absent(_)) => {}
            _ => return None,
        }
    }
    Some(sum.steady(stored, admitted))
}

/// The verdicts on `InForce`, `Reachable`, `OverGrant` and, of all of it, `Ready`.
pub(super) fn judge(
    world: &World,
    force: &Force,
    growth: &Result<ResourceList, Verdict>,
    over_grant: Verdict,
) -> [(ConditionType, Verdict); 4] {
    let counted = |verdict: Verdict| {
        verdict
            .with("inForce", force.shown)
            .with("leaves", force.leaves)
    };
    let enforced = if let Contact::Lost(cluster, since, detail) = &world.contact {
        Verdict::unknown(Reason::MemberUnreachable)
            .with("cluster", cluster)
            .with("since", since)
            .with("detail", detail)
    } else if force.shown == force.leaves {
        counted(Verdict::yes(Reason::InForce))
    } else {
        let waiting = force.waiting.clone().unwrap_or_else(|| "the ledger".into());
        counted(Verdict::no(Reason::AwaitingEnforcement)).with("waiting", waiting)
    };
    let reachable = if world.contact.is_lost() {
        enforced.clone()
    } else {
        Verdict::yes(Reason::Connected)
            .with("connected", 1)
            .with("clusters", 1)
    };
    let ready = if let Err(verdict) = growth {
        verdict.clone()
    } else if enforced.reason != Reason::InForce {
        enforced.clone()
    } else if over_grant.status == ConditionStatus::True {
        Verdict {
            status: ConditionStatus::False,
            ..over_grant.clone()
        }
    } else if let Some(detail) = &force.lowering {
        Verdict::yes(Reason::Lowering)
            .with("leaves", force.leaves)
            .with("detail", detail)
    } else {
        enforced.clone()
    };
    [
        (ConditionType::InForce, enforced),
        (ConditionType::Reachable, reachable),
        (ConditionType::OverGrant, over_grant),
        (ConditionType::Ready, ready),
    ]
}

/// Whether more is in use than was granted. A lowering that only waits for its settle time is none.
pub(super) fn over_grant(
    entries: &[LeafEntry],
    seen: &BTreeMap<LeafKey, LeafSeen>,
    valid: &Valid,
) -> Verdict {
    let mut sum = ResourceList::default();
    let mut must_shrink = Vec::new();
    for entry in entries {
        let used = match seen.get(&(entry.cluster.clone(), entry.namespace.clone())) {
            Some(LeafSeen::Present {
                quota: Some(quota), ..
            }) => quota.used.clone(),
            Some(LeafSeen::Absent(_)) => Some(ResourceList::default()),
            _ => None,
        };
        // What is unknown counts as the most that it can be.
        if used.is_some_and(|used| used.fits(&entry.target)) || entry.ceiling.fits(&entry.target) {
            sum = sum.plus(&entry.target);
        } else {
            sum = sum.plus(&entry.ceiling);
            must_shrink.push(entry.namespace.clone());
        }
    }
    let over = sum.excess_over(&valid.wanted);
    if over.is_empty() {
        return Verdict::no(Reason::WithinGrant);
    }
    Verdict::yes(Reason::OverGrant)
        .with("excess", &over)
        .with("shrink", must_shrink.join(", "))
}

/// The namespaces that stand, with their UIDs.
pub(super) fn standing(
    seen: &BTreeMap<LeafKey, LeafSeen>,
) -> impl Iterator<Item = (&LeafKey, &str)> {
    seen.iter().filter_map(|(key, seen)| match seen {
        LeafSeen::Present {
            uid,
            terminating: false,
            ..
        } => Some((key, uid.as_str())),
        LeafSeen::Present { .. } | LeafSeen::Absent(_) | LeafSeen::Unknown => None,
    })
}

/// Why a deleted grant is still there.
pub(super) fn winding_up(world: &World, delete: bool) -> Verdict {
    if let Contact::Lost(cluster, since, detail) = &world.contact {
        return Verdict::unknown(Reason::MemberUnreachable)
            .with("cluster", cluster)
            .with("since", since)
            .with("detail", detail);
    }
    let in_use = world
        .leaves
        .seen
        .iter()
        .find_map(|((cluster, namespace), seen)| match seen {
            LeafSeen::Present {
                quota: Some(quota), ..
            } => {
                let used = quota
                    .used
                    .as_ref()
                    .map_or_else(|| "unknown".to_owned(), nonzero);
                Some((cluster, namespace, used))
            }
            LeafSeen::Present { .. } => Some((cluster, namespace, "unknown".to_owned())),
            LeafSeen::Absent(_) | LeafSeen::Unknown => None,
        });
    match in_use {
        Some((cluster, namespace, _)) if delete => Verdict::no(Reason::Deleting)
            .with("cluster", cluster)
            .with("namespace", namespace),
        Some((_, namespace, used)) if !used.is_empty() => Verdict::no(Reason::Draining)
            .with("namespace", namespace)
            .with("used", used),
        Some(_) | None => {
            Verdict::no(Reason::Progressing).with("what", "winding up: waiting for the settle time")
        }
    }
}

/// What is in use, empty where nothing is.
fn nonzero(list: &ResourceList) -> String {
    list.excess_over(&ResourceList::default()).to_string()
}
