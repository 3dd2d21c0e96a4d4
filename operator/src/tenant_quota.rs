//! `TenantQuota`: brings a grant into force and keeps it there.
//!
//! Given a grant, the operator ensures, in the cluster of its pool: its namespaces, each with one `ResourceQuota` named `qipan`
//! (written from the ledger), a `LimitRange`, two `NetworkPolicies` and a `RoleBinding` for the tenant's owners.
//! - waits when: the pool or a budget has not promised it yet; a freeze is in force (`ChangeWindow`); a member does not answer; a lowering has not settled.
//! - refuses when: see [`validate`].
//! - never: lets the limits in force add up to more than `status.admitted`; evicts; prunes a namespace that was not to go.

pub mod lease;
pub mod ledger;
pub mod observe;
mod usage;
pub mod validate;
mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use crds::change_window::{WindowType, in_force};
use crds::tenant_quota::{LeafEntry, TenantQuotaStatus};
use crds::words::{Day, DeletionPolicy, Subject};
use crds::{
    Account, ChangeWindow, CloudPlatform, ConditionStatus, ConditionType, Conditions, Reason,
    ResourceList, Tenant, TenantQuota, Verdict, keys,
};
use jiff::{SignedDuration, Timestamp};
use kube::api::DynamicObject;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};

use crate::children;
use crate::runtime::accounts::Unreadable;
use crate::runtime::clock::{steady, wall};
use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::{Guarded, by_name};
use crate::runtime::{Children, Context, Inquiry, Placed, Plan, Target};
use ledger::{Input, LeafKey, LeafSeen};
use observe::{Contact, Leaves};
use validate::Valid;

/// The controller of grants.
pub struct TenantQuotas;

/// What a grant is judged by.
pub struct World {
    /// Its platform.
    pub platform: Option<CloudPlatform>,
    /// Its tenant.
    pub tenant: Option<Tenant>,
    /// The budgets above it, root first: the tenant's name and the account.
    pub budgets: Vec<(String, Account)>,
    /// How far its lease is, where it has one.
    pub lease: Option<lease::Standing>,
    /// The freezes in whose scope it is; none where its request is an exception or an emergency.
    pub freezes: Vec<ChangeWindow>,
    /// What a request holds for it in its pool.
    pub backing: ResourceList,
    /// What is known of its namespaces.
    pub leaves: Leaves,
    /// The time by the steady clock, for what must have lasted.
    pub steady: Timestamp,
    /// Whether its cluster answers.
    pub contact: Contact,
    /// How long a lowered limit must be seen in force.
    pub settle: SignedDuration,
    /// Days after which being above the grant is a finding.
    pub grace_days: u16,
    /// The day, in UTC+8.
    pub today: Day,
    /// Prefixes of users and groups in its cluster.
    pub prefixes: (String, String),
}

impl Judged for TenantQuotaStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
}

impl Reconciler for TenantQuotas {
    type Object = TenantQuota;
    type World = World;
    const NAME: &'static str = "tenantquota";
    const GATHER: Duration = Duration::from_millis(10);
    const CONCURRENCY: u16 = 48;

    fn observe(cx: &Context, quota: &TenantQuota) -> World {
        let platform = by_name(&cx.hub.platforms, &quota.spec.platform);
        let namespace = quota.metadata.namespace.as_deref().unwrap_or_default();
        let tenant = keys::tenant_of_namespace(namespace).and_then(|t| by_name(&cx.hub.tenants, t));
        let profile = cx.hub.profile().map(|p| p.spec);
        let cluster = platform
            .as_ref()
            .and_then(|p| observe::cluster_of(quota, p));
        let spec = cluster.as_ref().and_then(|c| {
            platform
                .as_ref()?
                .spec
                .clusters
                .iter()
                .find(|s| s.name == *c)
                .cloned()
        });
        let approvals = profile.as_ref().map(|p| p.approvals.clone());
        let rules = profile.map_or_else(Default::default, |p| p.quota);
        let steady = steady();
        World {
            budgets: tenant
                .as_ref()
                .map(|t| crate::tenant::budgets(cx, t))
                .unwrap_or_default(),
            freezes: crate::change_window::freezes(cx, quota, tenant.as_ref(), cluster.as_deref()),
            backing: crate::resource_request::hold::behind(cx, quota),
            lease: lease::standing(
                quota.spec.lease.as_ref(),
                &approvals.unwrap_or_default(),
                today(),
            ),
            leaves: observe::look(cx, quota, cluster.as_deref(), steady),
            steady,
            contact: spec
                .as_ref()
                .filter(|s| s.connection.is_some())
                .map_or(Contact::Fine, |s| {
                    observe::contact(cx, &quota.spec.platform, &s.name)
                }),
            settle: SignedDuration::from_secs(i64::from(rules.settle_seconds)),
            grace_days: rules.over_grant_grace_days,
            today: today(),
            prefixes: spec
                .map(|s| {
                    (
                        s.user_prefix.unwrap_or_default(),
                        s.group_prefix.unwrap_or_default(),
                    )
                })
                .unwrap_or_default(),
            platform,
            tenant,
        }
    }

    fn plan(quota: &TenantQuota, world: &World, now: Timestamp) -> Plan<TenantQuotaStatus> {
        let valid = validate::validate(quota, world.tenant.as_ref(), world.platform.as_ref());
        let deleting = quota.metadata.deletion_timestamp.is_some();
        if matches!(world.contact, Contact::Pending) {
            // A restart of the operator is no event in the life of a grant: what was said holds until the member was asked.
            let finalizer = quota.finalizers().iter().any(|f| f == keys::FINALIZER);
            return Plan {
                finalizer,
                ..Plan::say(quota.status.clone().unwrap_or_default())
            };
        }
        match valid {
            _ if deleting => Pass::new(quota, world, now).wind_up(),
            Ok(valid) => {
                let valid = lease::curb(valid, world.lease.as_ref(), &world.leaves.seen);
                Pass::new(quota, world, now).enact(&valid)
            }
            Err(verdict) => Pass::new(quota, world, now).refuse(&verdict),
        }
    }

    fn unreadable(cx: &Context, object: &DynamicObject) {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let found = Unreadable::of(&object.data);
        let platform = found.platform.clone();
        if cx.accounts.note(uid, found) {
            cx.hub.queues.platforms.push(&platform);
        }
    }

    fn api(cx: &Context, object: &ObjectRef<Guarded<TenantQuota>>) -> Api<TenantQuota> {
        Api::namespaced(
            cx.hub.client.clone(),
            object.namespace.as_deref().unwrap_or_default(),
        )
    }
}

/// The day in UTC+8, by which attestations and approvals end.
#[must_use]
pub fn today() -> Day {
    Day(jiff::tz::Offset::constant(8).to_datetime(wall()).date())
}

/// One pass over one grant.
struct Pass<'a> {
    quota: &'a TenantQuota,
    world: &'a World,
    now: Timestamp,
    status: TenantQuotaStatus,
    generation: Option<i64>,
}

impl<'a> Pass<'a> {
    fn new(quota: &'a TenantQuota, world: &'a World, now: Timestamp) -> Self {
        let status = quota.status.clone().unwrap_or_default();
        Self {
            quota,
            world,
            now,
            status,
            generation: quota.metadata.generation,
        }
    }

    fn set(&mut self, type_: ConditionType, verdict: &Verdict) {
        self.status
            .conditions
            .set(type_, verdict, self.generation, self.now);
    }

    /// A grant that cannot be enacted as it stands: what is in force stays, nothing is written, nothing is pruned.
    fn refuse(mut self, verdict: &Verdict) -> Plan<TenantQuotaStatus> {
        self.set(ConditionType::Ready, verdict);
        if self.status.admitted.is_empty() {
            self.set(ConditionType::Admitted, verdict);
        }
        Plan {
            finalizer: !self.status.leaves.is_empty(),
            ..Plan::say(self.status)
        }
    }

    /// What may be in force: what is admitted, raised by what the accounts have promised to this generation.
    fn admitted(&self, valid: &Valid) -> Result<ResourceList, Verdict> {
        let admitted = self.status.admitted.clone();
        let increase = valid.wanted.excess_over(&admitted);
        if increase.is_empty() {
            return Ok(admitted);
        }
        let Some(platform) = &self.world.platform else {
            return Ok(admitted);
        };
        if let Some(ended) = self.world.lease.filter(lease::Standing::is_over) {
            return Err(ended.verdict());
        }
        let frozen = in_force(&self.world.freezes, WindowType::Freeze, None, self.now);
        if let Some(freeze) = frozen {
            return Err(freeze.frozen());
        }
        validate::may_grow(self.quota, platform, valid, self.world.today)?;
        view::promised(self.quota, platform, self.world, &increase)?;
        Ok(admitted.max(&valid.wanted))
    }

    fn enact(mut self, valid: &Valid) -> Plan<TenantQuotaStatus> {
        let growth = self.admitted(valid);
        let admitted = growth
            .clone()
            .unwrap_or_else(|_| self.status.admitted.clone());
        let waiting = matches!(&growth, Err(v) if v.reason == Reason::AwaitingPool);
        if waiting && self.quota.status.is_none() {
            // The pool answers within a moment; a status that only says so would cost a write a grant.
            return Plan {
                finalizer: true,
                ..Plan::say(self.status)
            };
        }
        if let Err(verdict) = &growth {
            if !waiting && view::is_promised(self.quota, self.world) {
                // What is promised and cannot be taken up is given back: it may serve another.
                self.status.attempt += 1;
            }
            if self.untouched() {
                return self.refuse(verdict);
            }
        }
        let cluster = valid.cluster.clone().unwrap_or_default();
        let desired = valid
            .shares
            .iter()
            .map(|(namespace, share)| ((cluster.clone(), namespace.clone()), share.clone()));
        let step = self.step(&desired.collect(), &admitted);
        // What is charged falls only to what can no longer be in force.
        self.status.admitted = settled(&admitted, &valid.wanted, &step.ceilings());
        let ledger_first = self.store(step.entries);
        self.judge(&growth, valid);
        let children =
            if self.world.contact.is_lost() || self.status.leaves.iter().all(|e| e.epoch == 0) {
                Children::Keep
            } else {
                Children::Exactly(self.children(valid))
            };
        Plan {
            inquiries: self.inquiries(&step.ask),
            requeue: soonest(
                soonest(until(step.look_again, self.world.steady), self.grace_left()),
                self.next_day(),
            ),
            children,
            heir_of: self.world.leaves.heir_of.clone(),
            deeds: Vec::new(),
            remove: Vec::new(),
            status: self.status,
            ledger_first,
            finalizer: true,
        }
    }

    fn judge(&mut self, growth: &Result<ResourceList, Verdict>, valid: &Valid) {
        match growth {
            Ok(_) => self.set(
                ConditionType::Admitted,
                &view::admitted(self.quota, &valid.wanted),
            ),
            Err(verdict) => self.set(ConditionType::Admitted, verdict),
        }
        let force = view::in_force(&self.status.leaves, &self.world.leaves.seen, valid);
        self.status.in_force = Some(force.text());
        self.status.used = view::used(
            &self.status.leaves,
            &self.world.leaves.seen,
            self.status.used.as_ref(),
            &self.status.admitted,
        );
        usage::remember(
            &mut self.status,
            &self.quota.status.clone().unwrap_or_default(),
            self.world.today,
        );
        match &self.world.lease {
            Some(lease) => self.set(ConditionType::Current, &lease.verdict()),
            None => self.status.conditions.clear(ConditionType::Current),
        }
        let over = self.over_grant(valid);
        let conditions = view::judge(self.world, &force, growth, over);
        for (type_, verdict) in &conditions {
            self.set(*type_, verdict);
        }
    }

    /// Whether more is in use than was granted; after the grace period it is a finding.
    fn over_grant(&self, valid: &Valid) -> Verdict {
        let verdict = view::over_grant(&self.status.leaves, &self.world.leaves.seen, valid);
        let stored = self.status.conditions.get(ConditionType::OverGrant);
        let since = stored.filter(|c| c.status == ConditionStatus::True);
        match since.map(|c| c.last_transition_time) {
            Some(since)
                if verdict.reason == Reason::OverGrant && self.grace_ends(since) <= self.now =>
            {
                Verdict {
                    reason: Reason::OverGrantOverdue,
                    ..verdict
                }
                .with("since", since)
                .with("days", self.world.grace_days)
            }
            _ => verdict,
        }
    }

    /// How long a grant that is above its own has until that is a finding.
    fn grace_left(&self) -> Option<Duration> {
        let over = self.status.conditions.get(ConditionType::OverGrant)?;
        let since =
            (over.reason == Reason::OverGrant.as_str()).then_some(over.last_transition_time)?;
        until(Some(self.grace_ends(since)), self.now)
    }

    /// What a lease and the peaks of use say changes with the day.
    fn next_day(&self) -> Option<Duration> {
        let above = self.status.peak_7d != self.status.used;
        let by_days = self.world.lease.is_some() || (above && !self.status.peaks.is_empty());
        by_days.then(|| crate::resource_request::next_day(self.now))
    }

    fn grace_ends(&self, since: Timestamp) -> Timestamp {
        let grace = SignedDuration::from_hours(24 * i64::from(self.world.grace_days));
        since.saturating_add(grace).unwrap_or(Timestamp::MAX)
    }

    fn inquiries(&self, leaves: &[LeafKey]) -> Vec<Inquiry> {
        let ask = |(cluster, namespace): &LeafKey| Inquiry::Leaf {
            target: self.target(cluster),
            namespace: namespace.clone(),
        };
        leaves.iter().map(ask).collect()
    }

    fn step(
        &self,
        desired: &BTreeMap<LeafKey, ResourceList>,
        admitted: &ResourceList,
    ) -> ledger::Step {
        ledger::step(&Input {
            entries: &self.status.leaves,
            desired,
            seen: &self.world.leaves.seen,
            admitted,
            proofs: &self.world.leaves.proofs,
            known_since: &self.world.leaves.known_since,
            settle: self.world.settle,
            now: self.world.steady,
        })
    }

    /// Whether nothing was ever charged, written or found for this grant.
    fn untouched(&self) -> bool {
        let found = |seen: &LeafSeen| matches!(seen, LeafSeen::Present { .. });
        self.status.admitted.is_empty()
            && self.status.leaves.is_empty()
            && !self.world.leaves.seen.values().any(found)
    }

    /// Takes over the next ledger; says whether it must be stored before the children are written.
    fn store(&mut self, entries: Vec<LeafEntry>) -> bool {
        let law = |entries: &[LeafEntry]| {
            entries
                .iter()
                .map(|e| (e.namespace.clone(), e.ceiling.clone(), e.epoch))
                .collect::<Vec<_>>()
        };
        let stored = self.quota.status.clone().unwrap_or_default();
        let first = law(&entries) != law(&stored.leaves) || self.status.admitted != stored.admitted;
        self.status.leaves = entries;
        first
    }

    fn target(&self, cluster: &str) -> Target {
        Target::Member {
            platform: self.quota.spec.platform.clone(),
            cluster: cluster.to_owned(),
        }
    }

    fn children(&self, valid: &Valid) -> Vec<Placed> {
        let spec = &self.quota.spec;
        let owners: &[Subject] = self.world.tenant.as_ref().map_or(&[], |t| &t.spec.owners);
        let prefixes = (
            self.world.prefixes.0.as_str(),
            self.world.prefixes.1.as_str(),
        );
        let mut placed = Vec::new();
        for entry in self.status.leaves.iter().filter(|e| e.epoch > 0) {
            let leaf = spec
                .namespaces
                .iter()
                .find(|l| keys::leaf_namespace(&valid.tenant, &l.name) == entry.namespace);
            let present = matches!(
                self.world
                    .leaves
                    .seen
                    .get(&(entry.cluster.clone(), entry.namespace.clone())),
                Some(LeafSeen::Present {
                    terminating: false,
                    ..
                })
            );
            // A namespace that left the spec, or whose grant is leaving, is not made again, only kept at zero while it is there.
            let leaving = leaf.is_none() || self.quota.metadata.deletion_timestamp.is_some();
            if leaving && !present {
                continue;
            }
            let labels = labels(self.quota, &valid.tenant, leaf);
            let namespace = &entry.namespace;
            let standard = leaf.map_or("restricted", |l| l.pod_security.label());
            let mut here = vec![
                children::namespace::build(namespace, &labels, standard),
                children::quota::build(entry, &labels),
                children::limit_range::build(
                    namespace,
                    spec.limits.as_ref(),
                    &entry.target,
                    &labels,
                ),
                children::network_policy::default_deny(namespace, &labels),
                children::network_policy::allow(namespace, &valid.tenant, spec.isolation, &labels),
            ];
            if !owners.is_empty() {
                let access = children::role_binding::build(
                    namespace,
                    keys::TENANT_ROLE,
                    owners,
                    prefixes,
                    &labels,
                );
                here.push(children::role_binding::with_way_in(access));
            }
            let target = self.target(&entry.cluster);
            placed.extend(here.into_iter().map(|child| Placed {
                target: target.clone(),
                child,
            }));
        }
        placed
    }

    /// The grant is being deleted: its leaves go to zero, or their namespaces go, as its deletion policy says.
    fn wind_up(mut self) -> Plan<TenantQuotaStatus> {
        let admitted = self.status.admitted.clone();
        let step = self.step(&BTreeMap::new(), &admitted);
        self.status.admitted = settled(&admitted, &ResourceList::default(), &step.ceilings());
        let ledger_first = self.store(step.entries);
        let done =
            self.status.leaves.iter().all(|e| e.ceiling.is_zero()) && !self.world.contact.is_lost();
        let remove: Vec<_> = match self.quota.spec.deletion_policy {
            DeletionPolicy::Delete => view::standing(&self.world.leaves.seen)
                .map(|((cluster, namespace), uid)| {
                    (self.target(cluster), namespace.clone(), uid.to_owned())
                })
                .collect(),
            DeletionPolicy::Retain => Vec::new(),
        };
        let delete = self.quota.spec.deletion_policy == DeletionPolicy::Delete;
        let gone = !self.world.contact.is_lost()
            && self
                .world
                .leaves
                .seen
                .values()
                .all(|s| matches!(s, LeafSeen::Absent(_)));
        let released = if delete { done && gone } else { done };
        let tenant =
            keys::tenant_of_namespace(self.quota.metadata.namespace.as_deref().unwrap_or_default())
                .unwrap_or_default();
        let children = if self.world.contact.is_lost() || delete {
            Children::Keep
        } else {
            let valid = Valid {
                tenant: tenant.to_owned(),
                cluster: None,
                wanted: ResourceList::default(),
                shares: BTreeMap::new(),
            };
            Children::Exactly(self.children(&valid))
        };
        if !released {
            let verdict = view::winding_up(self.world, delete);
            self.set(ConditionType::Ready, &verdict);
        }
        Plan {
            inquiries: self.inquiries(&step.ask),
            requeue: until(step.look_again, self.world.steady),
            children,
            heir_of: self.world.leaves.heir_of.clone(),
            deeds: Vec::new(),
            remove,
            status: self.status,
            ledger_first,
            finalizer: !released,
        }
    }
}

/// The sooner of two waits.
fn soonest(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}

fn until(at: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let wait = at?.duration_since(now).max(SignedDuration::ZERO) + SignedDuration::from_millis(200);
    Some(wait.unsigned_abs())
}

/// What stays charged: what is wanted, and what can still be in force above it.
fn settled(
    admitted: &ResourceList,
    wanted: &ResourceList,
    ceilings: &ResourceList,
) -> ResourceList {
    let mut next = admitted.clone();
    for (name, amount) in &mut next.0 {
        *amount = (*amount).min(wanted.of(name).max(ceilings.of(name)));
    }
    next.0
        .retain(|name, amount| *amount > crds::Quantity::ZERO || wanted.0.contains_key(name));
    next
}

fn labels(
    quota: &TenantQuota,
    tenant: &str,
    leaf: Option<&crds::tenant_quota::LeafSpec>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (keys::TENANT.to_owned(), tenant.to_owned()),
        (
            keys::GRANT.to_owned(),
            quota.metadata.name.clone().unwrap_or_default(),
        ),
        (
            keys::GRANT_UID.to_owned(),
            quota.metadata.uid.clone().unwrap_or_default(),
        ),
        (keys::PLATFORM.to_owned(), quota.spec.platform.clone()),
        (keys::ZONE.to_owned(), quota.spec.zone.as_str().to_owned()),
    ]);
    if let Some(system) = leaf.and_then(|l| l.system.clone()) {
        labels.insert(keys::SYSTEM.to_owned(), system);
    }
    if let Some(level) = leaf.and_then(|l| l.mlps_level) {
        labels.insert(keys::MLPS_LEVEL.to_owned(), level.to_string());
    }
    labels
}

#[cfg(test)]
mod tests;
