//! `Tenant`: an organisational unit's place on the hub.
//!
//! Given a unit, the operator ensures its namespace `qp-<name>`, a `RoleBinding` for its owners, one for those above it, its
//! budget's ledger, and a summary of its grants.
//! Who decides on its requests is bound to the role of the stage (`tenant/access.rs`).
//! - refuses: an unknown parent; a chain of parents that returns to itself; a level above the parent's.
//! - waits when deleted: until it has no grants. The namespace goes only if `spec.deletionPolicy` says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::account::{Claim, Next, Taker, Writer};
use crds::tenant::{PlatformGrants, TenantStatus};
use crds::words::DeletionPolicy;
use crds::{
    Account, ConditionType, Conditions, Reason, ResourceList, Tenant, TenantQuota, Verdict, keys,
};
use jiff::Timestamp;
use kube::Api;
use kube::runtime::reflector::ObjectRef;
use std::time::Duration;

use crate::runtime::clock::wall;
use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::{Guarded, by_name, good};
use crate::runtime::plan::ChildKey;
use crate::runtime::{ChildKind, Children, Context, Inquiry, Plan, Target};
use crate::tenant_quota::validate;

mod access;

pub use access::Concerned;

/// Parents are followed no further: a deeper chain is a cycle or a mistake.
const DEEPEST: usize = 16;

/// How old a step of a grant may be, for others to hold back their summary of it: no summary is older than this.
const GRANTS_FIRST: Duration = Duration::from_secs(5);
/// When a summary that was held back is tried again.
const LATER: Duration = Duration::from_secs(1);

/// The controller of tenants.
pub struct Tenants;

/// What a tenant is judged by.
pub struct World {
    /// The units above, nearest first, or why the chain is refused.
    pub above: Result<Vec<Tenant>, Verdict>,
    /// Its own grants.
    pub grants: Vec<TenantQuota>,
    /// Whether grants of any unit are in the making: then summaries wait, since a hub under a burst has better to do.
    pub grants_first: bool,
    /// What its budget's ledger looks at: all grants of the unit and below.
    pub claims: Vec<Claim>,
    /// Who writes that ledger.
    pub writer: Writer,
    /// UID of its namespace on the hub, if it is there.
    pub namespace: Option<String>,
    /// Whom its requests concern beside the unit and those above.
    pub concerned: Concerned,
}

impl Judged for TenantStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
}

fn name_of(tenant: &Tenant) -> &str {
    tenant.metadata.name.as_deref().unwrap_or_default()
}

/// The units above a tenant, nearest first.
///
/// # Errors
/// The verdict on a chain that cannot be: unknown parent, cycle, level above the parent's.
pub fn above(
    tenant: &Tenant,
    find: impl Fn(&str) -> Option<Tenant>,
) -> Result<Vec<Tenant>, Verdict> {
    let own = name_of(tenant);
    let mut chain: Vec<Tenant> = Vec::new();
    loop {
        let below = chain.last().unwrap_or(tenant);
        let Some(parent) = &below.spec.parent else {
            return Ok(chain);
        };
        let unknown = || {
            Verdict::no(Reason::UnknownParent)
                .with("parent", parent)
                .with("tenant", name_of(below))
        };
        if parent == own || chain.iter().any(|t| name_of(t) == parent) || chain.len() >= DEEPEST {
            let names = std::iter::once(own)
                .chain(chain.iter().map(name_of))
                .chain([parent.as_str()]);
            let cycle = names.collect::<Vec<_>>().join(" → ");
            return Err(Verdict::no(Reason::ParentCycle)
                .with("tenant", own)
                .with("cycle", cycle));
        }
        let parent = find(parent).ok_or_else(unknown)?;
        if below.spec.level < parent.spec.level {
            let verdict = Verdict::no(Reason::LevelAboveParent)
                .with("tenant", name_of(below))
                .with("level", below.spec.level.as_str());
            return Err(verdict
                .with("parent", name_of(&parent))
                .with("parentLevel", parent.spec.level.as_str()));
        }
        chain.push(parent);
    }
}

/// The budgets that a tenant's grants are charged to, root first: its own and those above it.
#[must_use]
pub fn budgets(cx: &Context, tenant: &Tenant) -> Vec<(String, Account)> {
    let chain = above(tenant, |name| by_name(&cx.hub.tenants, name)).unwrap_or_default();
    let units = chain.iter().rev().chain([tenant]);
    let budgeted = units.filter(|t| t.spec.budget.is_some());
    budgeted
        .map(|t| (name_of(t).to_owned(), account(t)))
        .collect()
}

/// A unit's budget as its ledger stands; one that was never written promises nothing.
fn account(tenant: &Tenant) -> Account {
    let stored = tenant.status.as_ref().and_then(|s| s.budget.clone());
    let total = tenant
        .spec
        .budget
        .clone()
        .and_then(|b| validate::canonical("", &b).ok())
        .unwrap_or_default();
    stored.unwrap_or(Account {
        total,
        ..Account::default()
    })
}

impl Reconciler for Tenants {
    type Object = Tenant;
    type World = World;
    const NAME: &'static str = "tenant";
    // A summary that follows a burst of grants once is as good as one that follows each.
    const GATHER: Duration = Duration::from_millis(60);

    fn observe(cx: &Context, tenant: &Tenant) -> World {
        let own = name_of(tenant);
        let namespace = keys::tenant_namespace(own);
        let key = ChildKey {
            kind: ChildKind::Namespace,
            namespace: String::new(),
            name: namespace.clone(),
        };
        // Copies of its own grants only: a province has thousands, and a unit a handful.
        let grants = good(&cx.hub.quotas).filter_map(|q| {
            let mine = |q: &&TenantQuota| q.metadata.namespace.as_deref() == Some(&namespace);
            q.0.as_ref().ok().filter(mine).cloned()
        });
        let grants: Vec<TenantQuota> = grants.collect();
        // All others' are gone through only where a summary of its own could wait for them.
        let now = wall();
        let making =
            |q: Arc<Guarded<TenantQuota>>| q.0.as_ref().is_ok_and(|q| is_in_the_making(q, now));
        let grants_first =
            grants.iter().any(|own| has_just_moved(own, now)) && good(&cx.hub.quotas).any(making);
        let mut writer = cx.accounts.writer(tenant.metadata.uid.as_deref());
        let claims = if tenant.spec.budget.is_some() {
            let (claims, complete) = claims(cx, own);
            writer.proven &= complete;
            claims
        } else {
            Vec::new()
        };
        World {
            claims,
            writer,
            above: above(tenant, |name| by_name(&cx.hub.tenants, name)),
            grants,
            grants_first,
            concerned: Concerned::by_requests_of(cx, &keys::tenant_namespace(own)),
            namespace: cx
                .members
                .get(&Target::Hub)
                .and_then(|c| c.cache.get(&key))
                .map(|s| s.uid),
        }
    }

    fn plan(tenant: &Tenant, world: &World, now: Timestamp) -> Plan<TenantStatus> {
        let mut status = tenant.status.clone().unwrap_or_default();
        let generation = tenant.metadata.generation;
        let held_back = !summarise(&mut status, world, now);
        let budget = tenant.spec.budget.as_ref().map(|budget| {
            let total = validate::canonical("spec.budget", budget).unwrap_or_default();
            account(tenant).next(total, &[], &world.claims, world.writer)
        });
        let inquiries = tenant_inquiries(tenant, budget.as_ref());
        status.budget = budget.map(|next| next.account);
        if tenant.metadata.deletion_timestamp.is_some() {
            return wind_up(tenant, world, status, now);
        }
        let bad_budget = tenant
            .spec
            .budget
            .as_ref()
            .and_then(|b| validate::canonical("spec.budget", b).err());
        let refusal = world.above.as_ref().err().cloned().or(bad_budget);
        if let Some(verdict) = refusal {
            status
                .conditions
                .set(ConditionType::Ready, &verdict, generation, now);
            return Plan {
                finalizer: status.namespace.is_some(),
                inquiries,
                ..Plan::say(status)
            };
        }
        let above = world.above.as_deref().unwrap_or_default();
        status.path = above.iter().rev().map(|t| name_of(t).to_owned()).collect();
        status.namespace = Some(keys::tenant_namespace(name_of(tenant)));
        let ready = if world.namespace.is_some() {
            Verdict::yes(Reason::Ready)
        } else {
            Verdict::no(Reason::Progressing).with("what", "its namespace is being made")
        };
        status
            .conditions
            .set(ConditionType::Ready, &ready, generation, now);
        Plan {
            children: Children::Exactly(access::children(tenant, above, &world.concerned)),
            finalizer: true,
            inquiries,
            requeue: held_back.then_some(LATER),
            ..Plan::say(status)
        }
    }

    fn api(cx: &Context, _: &ObjectRef<Guarded<Tenant>>) -> Api<Tenant> {
        Api::all(cx.hub.client.clone())
    }
}

/// Asks for the grants where a budget's ledger needs them.
fn tenant_inquiries(tenant: &Tenant, budget: Option<&Next>) -> Vec<Inquiry> {
    let uid = tenant.metadata.uid.clone().unwrap_or_default();
    let needed = budget.filter(|next| next.prove);
    needed
        .map(|_| Inquiry::Grants { uid })
        .into_iter()
        .collect()
}

/// The grants of a unit and below as its budget sees them, and whether those of a broken shape were counted.
fn claims(cx: &Context, unit: &str) -> (Vec<Claim>, bool) {
    let all = good(&cx.hub.quotas);
    let mut claims: Vec<_> = all
        .filter_map(|q| claim(cx, unit, q.0.as_ref().ok()?))
        .collect();
    let budget = by_name(&cx.hub.tenants, unit).and_then(|t| t.spec.budget);
    let names = budget
        .and_then(|b| validate::canonical("", &b).ok())
        .unwrap_or_default();
    let (unreadable, complete) = cx.unreadable();
    for (grant, found) in unreadable {
        let holder = keys::tenant_of_namespace(grant.namespace.as_deref().unwrap_or_default())
            .and_then(|t| by_name(&cx.hub.tenants, t));
        let below = holder.is_some_and(|t| {
            let chain = above(&t, |name| by_name(&cx.hub.tenants, name)).unwrap_or_default();
            name_of(&t) == unit || chain.iter().any(|t| name_of(t) == unit)
        });
        if below {
            claims.push(found.claim(&grant, &found.admitted.in_names_of(&names)));
        }
    }
    (claims, complete)
}

/// A grant as a budget above it sees it; `None` for grants of other branches.
fn claim(cx: &Context, unit: &str, quota: &TenantQuota) -> Option<Claim> {
    let namespace = quota.metadata.namespace.as_deref()?;
    let holder = by_name(&cx.hub.tenants, keys::tenant_of_namespace(namespace)?)?;
    let chain = above(&holder, |name| by_name(&cx.hub.tenants, name)).unwrap_or_default();
    let root_first: Vec<_> = chain.iter().rev().chain([&holder]).cloned().collect();
    let position = root_first.iter().position(|t| name_of(t) == unit)?;
    let budget = root_first[position].spec.budget.as_ref()?;
    let names = validate::canonical("", budget).ok()?;
    let platform = by_name(&cx.hub.platforms, &quota.spec.platform);
    let valid = validate::validate(quota, Some(&holder), platform.as_ref()).ok();
    let taker = Taker::from(quota);
    // Platform first, then root to leaf: nobody promises what those before it have not.
    let pools = platform
        .iter()
        .flat_map(|p| &p.status)
        .flat_map(|s| &s.pools);
    let by_pool = pools
        .into_iter()
        .any(|p| p.name == quota.spec.pool && p.account.reservation(&taker).is_some());
    let budgeted = |t: &&Tenant| t.spec.budget.is_some();
    let by_those_above = root_first[..position]
        .iter()
        .filter(budgeted)
        .all(|t| account(t).reservation(&taker).is_some());
    let only = |list: &ResourceList| list.in_names_of(&names);
    let admitted = quota
        .status
        .as_ref()
        .map(|s| s.admitted.clone())
        .unwrap_or_default();
    let wanted = valid.map(|v| v.wanted).unwrap_or_default();
    let increase = wanted.excess_over(&admitted);
    // Nor what those after it would refuse.
    let room_below = root_first[position + 1..]
        .iter()
        .filter(budgeted)
        .all(|t| account(t).refuses(&taker, &increase).is_none());
    Some(Claim {
        uid: taker.uid.to_owned(),
        generation: taker.generation,
        attempt: taker.attempt,
        grant: format!(
            "{namespace}/{}",
            quota.metadata.name.as_deref().unwrap_or_default()
        ),
        created: quota
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |t| t.0),
        wanted: only(&wanted),
        admitted: only(&admitted),
        may_grow: by_pool
            && by_those_above
            && room_below
            && quota.metadata.deletion_timestamp.is_none(),
        // Budgets hold nothing for requests: what is asked for is refused there when it is submitted, and again when enacted.
        backing: ResourceList::default(),
    })
}

/// Sums up the unit's grants. One that has only just been applied is not among them until it was judged: a summary follows
/// decisions, and writing each grant down twice costs a hub under a burst a tenth of its work. Says whether it is up to date.
fn summarise(status: &mut TenantStatus, world: &World, now: Timestamp) -> bool {
    let judged = |quota: &&TenantQuota| quota.status.is_some();
    let grants: Vec<&TenantQuota> = world.grants.iter().filter(judged).collect();
    let mut sums: BTreeMap<(String, crds::words::Zone), PlatformGrants> = BTreeMap::new();
    for quota in &grants {
        let key = (quota.spec.platform.clone(), quota.spec.zone);
        let sum = sums.entry(key).or_insert_with(|| PlatformGrants {
            platform: quota.spec.platform.clone(),
            zone: quota.spec.zone,
            granted: ResourceList::default(),
            namespaces: 0,
        });
        let granted = quota
            .status
            .as_ref()
            .map(|s| s.admitted.clone())
            .unwrap_or_default();
        sum.granted = sum.granted.plus(&granted);
        sum.namespaces += i64::try_from(quota.spec.namespaces.len()).unwrap_or(i64::MAX);
    }
    let count = i64::try_from(grants.len()).unwrap_or(i64::MAX);
    let sums: Vec<_> = sums.into_values().collect();
    let same = status.grants == count && status.platforms == sums;
    if !same && world.grants_first && grants.iter().any(|quota| has_just_moved(quota, now)) {
        return false;
    }
    status.grants = count;
    status.platforms = sums;
    true
}

/// Whether what a grant says of itself is some seconds old at most.
fn has_just_moved(quota: &TenantQuota, now: Timestamp) -> bool {
    let ready = quota
        .status
        .as_ref()
        .and_then(|s| s.conditions.get(ConditionType::Ready));
    ready.is_some_and(|ready| {
        now.duration_since(ready.last_transition_time)
            .unsigned_abs()
            < GRANTS_FIRST
    })
}

/// Whether a grant has only just begun to wait for its pool or for its limits to be in force. One that waits for longer is
/// stuck, and nobody waits for it.
fn is_in_the_making(quota: &TenantQuota, now: Timestamp) -> bool {
    let ready = quota
        .status
        .as_ref()
        .and_then(|s| s.conditions.get(ConditionType::Ready));
    let waits = [Reason::AwaitingPool, Reason::AwaitingEnforcement].map(Reason::as_str);
    ready.is_some_and(|ready| waits.contains(&&*ready.reason)) && has_just_moved(quota, now)
}

fn wind_up(
    tenant: &Tenant,
    world: &World,
    mut status: TenantStatus,
    now: Timestamp,
) -> Plan<TenantStatus> {
    if !world.grants.is_empty() {
        let names = world
            .grants
            .iter()
            .filter_map(|q| q.metadata.name.clone())
            .take(5)
            .collect::<Vec<_>>()
            .join(", ");
        let verdict = Verdict::no(Reason::GrantsRemain).with("grants", names);
        status.conditions.set(
            ConditionType::Ready,
            &verdict,
            tenant.metadata.generation,
            now,
        );
        return Plan {
            finalizer: true,
            ..Plan::say(status)
        };
    }
    let namespace = keys::tenant_namespace(name_of(tenant));
    let remove = match (tenant.spec.deletion_policy, &world.namespace) {
        (DeletionPolicy::Delete, Some(uid)) => vec![(Target::Hub, namespace, uid.clone())],
        _ => Vec::new(),
    };
    // Access ends with the unit, whether its namespace stays or not.
    let kept = access::children(
        &Tenant {
            spec: crds::tenant::TenantSpec {
                owners: Vec::new(),
                authority_groups: Vec::new(),
                approvers: Vec::new(),
                ..tenant.spec.clone()
            },
            ..tenant.clone()
        },
        &[],
        &Concerned::default(),
    );
    let children = if world.namespace.is_some() && remove.is_empty() {
        Children::Exactly(kept)
    } else {
        Children::Keep
    };
    Plan {
        children,
        remove,
        ..Plan::say(status)
    }
}

#[cfg(test)]
mod tests;
