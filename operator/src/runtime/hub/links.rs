//! Who is told of a change: which objects a changed one concerns.

use std::collections::BTreeSet;

use crds::resource_request::{EventKind, record};
use crds::{
    ChangeWindow, CloudPlatform, CloudProduct, GovernanceProfile, InformationSystem,
    ResourceRequest, ServiceOffering, Site, Tenant, TenantQuota, WorkOrder,
};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt as _};

use super::{Guarded, Queues};

mod stock;
mod windows;

pub(super) use windows::window;
use windows::{count_held, grant_held_by, request_held_by};

/// What a change reaches: the queues, and the stores to find who is concerned.
#[derive(Clone)]
pub struct Links {
    /// Asks for passes.
    pub queues: Queues,
    pub(super) sites: Store<Guarded<Site>>,
    pub(super) platforms: Store<Guarded<CloudPlatform>>,
    pub(super) tenants: Store<Guarded<Tenant>>,
    pub(super) quotas: Store<Guarded<TenantQuota>>,
    pub(super) offerings: Store<Guarded<ServiceOffering>>,
    pub(super) products: Store<Guarded<CloudProduct>>,
    pub(super) systems: Store<Guarded<InformationSystem>>,
    pub(super) requests: Store<Guarded<ResourceRequest>>,
    pub(super) orders: Store<Guarded<WorkOrder>>,
    pub(super) windows: Store<Guarded<ChangeWindow>>,
}

impl Links {
    pub(super) fn every_platform(&self) {
        for platform in self.platforms.state() {
            self.queues.platforms.push(&name(platform.as_ref()));
        }
    }

    /// After the first list, and when the rules change.
    pub(super) fn everything(&self) {
        let _ = self.queues.docking.send(());
        self.queues.profiles.push("default");
        self.every_platform();
        for site in self.sites.state() {
            self.queues.sites.push(&name(site.as_ref()));
        }
        for tenant in self.tenants.state() {
            self.queues.tenants.push(&name(tenant.as_ref()));
        }
        for quota in self.quotas.state() {
            self.queues
                .quotas
                .push_in(&namespace(quota.as_ref()), &name(quota.as_ref()));
        }
        for offering in self.offerings.state() {
            self.queues.offerings.push(&name(offering.as_ref()));
        }
        for product in self.products.state() {
            self.queues.products.push(&name(product.as_ref()));
        }
        for system in self.systems.state() {
            self.queues
                .systems
                .push_in(&namespace(system.as_ref()), &name(system.as_ref()));
        }
        for request in self.requests.state() {
            self.queues
                .requests
                .push_in(&namespace(request.as_ref()), &name(request.as_ref()));
        }
        for order in self.orders.state() {
            self.queues
                .orders
                .push_in(&namespace(order.as_ref()), &name(order.as_ref()));
        }
        for window in self.windows.state() {
            self.queues.windows.push(&name(window.as_ref()));
        }
    }

    fn open_requests_where(&self, concerned: impl Fn(&ResourceRequest) -> bool) {
        for request in self.requests.state() {
            if let Ok(request) = &request.0
                && is_open(request)
                && concerned(request)
            {
                let (namespace, name) = (request.namespace(), request.name_any());
                self.queues
                    .requests
                    .push_in(&namespace.unwrap_or_default(), &name);
            }
        }
    }

    fn units_where(&self, concerned: impl Fn(&ResourceRequest) -> bool) {
        let state = self.requests.state();
        let concerned = state
            .iter()
            .filter_map(|r| r.0.as_ref().ok().filter(|r| concerned(r)));
        let namespaces: BTreeSet<_> = concerned
            .filter_map(|r| r.metadata.namespace.as_deref())
            .collect();
        for tenant in namespaces
            .into_iter()
            .filter_map(crds::keys::tenant_of_namespace)
        {
            self.queues.tenants.push(tenant);
        }
    }

    fn products_where(&self, concerned: impl Fn(&CloudProduct) -> bool) {
        for product in self.products.state() {
            if let Ok(product) = &product.0
                && concerned(product)
            {
                self.queues.products.push(&product.name_any());
            }
        }
    }

    /// A change may free or take room in the budgets above.
    fn every_budget(&self) {
        for tenant in self.tenants.state() {
            if tenant.0.as_ref().is_ok_and(|t| t.spec.budget.is_some()) {
                self.queues.tenants.push(&name(tenant.as_ref()));
            }
        }
    }

    fn grants_where(&self, concerned: impl Fn(&TenantQuota) -> bool) {
        for quota in self.quotas.state() {
            if let Ok(quota) = &quota.0
                && concerned(quota)
            {
                self.queues.quotas.push_in(
                    quota.metadata.namespace.as_deref().unwrap_or_default(),
                    quota.metadata.name.as_deref().unwrap_or_default(),
                );
            }
        }
    }

    fn platforms_of(&self, concerned: impl Fn(&TenantQuota) -> bool) {
        let state = self.quotas.state();
        let concerned = state
            .iter()
            .filter_map(|q| q.0.as_ref().ok().filter(|q| concerned(q)));
        let platforms: BTreeSet<_> = concerned.map(|q| q.spec.platform.as_str()).collect();
        for platform in platforms {
            self.queues.platforms.push(platform);
        }
    }

    fn promised(&self, account: &crds::Account) {
        for reservation in &account.pending {
            let request = reservation.grant.strip_prefix(crds::account::REQUEST);
            let named = request.unwrap_or(&reservation.grant).split_once('/');
            match (request, named) {
                (Some(_), Some((namespace, name))) => self.queues.requests.push_in(namespace, name),
                (None, Some((namespace, name))) => self.queues.quotas.push_in(namespace, name),
                (_, None) => {}
            }
        }
    }
}

fn name<K: Resource>(object: &K) -> String {
    object.meta().name.clone().unwrap_or_default()
}

fn namespace<K: Resource>(object: &K) -> String {
    object.meta().namespace.clone().unwrap_or_default()
}

/// Whether a request is on its way still, so that what happens around it may change what is said of it.
fn is_open(request: &ResourceRequest) -> bool {
    let phase = request.status.as_ref().and_then(|s| s.phase);
    phase.unwrap_or_default().holds()
}

/// Whether a request has asked the pools to hold, and has no answer yet.
fn is_asking(request: &ResourceRequest) -> bool {
    let status = request.status.as_ref();
    status.is_some_and(|s| s.holds.iter().any(|h| !h.held))
}

/// Whether a request waits for something to become free, or for somebody to be named.
fn is_waiting(request: &ResourceRequest) -> bool {
    let status = request.status.as_ref();
    status.is_none_or(|s| {
        record::at(&s.timeline, EventKind::Held, None).is_none()
            || s.holds.is_empty()
            || s.holds.iter().any(|h| !h.held)
    })
}

/// Whether something is free in `new` that was not in `old`: only then can an account serve whom it refused.
fn freed(old: Option<&crds::Account>, new: &crds::Account) -> bool {
    let Some(old) = old else { return true };
    let mut names = new.total.0.keys();
    names.any(|name| new.free(name) > old.free(name))
}

/// Whether a grant was refused, or was not answered yet.
fn waits(quota: &TenantQuota) -> bool {
    !quota
        .status
        .as_ref()
        .is_some_and(|s| s.conditions.is_true(crds::ConditionType::Admitted))
}

/// Whether nothing was said yet of this generation of a grant's spec.
fn unanswered(quota: &TenantQuota) -> bool {
    let admitted = quota.status.as_ref();
    let admitted = admitted.and_then(|s| s.conditions.get(crds::ConditionType::Admitted));
    admitted.is_none_or(|c| {
        c.observed_generation != quota.metadata.generation
            || c.status == crds::ConditionStatus::Unknown
    })
}

pub(super) fn profile(
    _: Option<&Guarded<GovernanceProfile>>,
    _: &Guarded<GovernanceProfile>,
    links: &Links,
) {
    links.everything();
}

pub(super) fn site(_: Option<&Guarded<Site>>, site: &Guarded<Site>, links: &Links) {
    links.queues.sites.push(&name(site));
    links.every_platform();
}

pub(super) fn secret(_: Option<&Secret>, _: &Secret, links: &Links) {
    let _ = links.queues.docking.send(());
    links.every_platform();
}

/// Who holds which office is said on the profile.
pub(super) fn role(_: Option<&ClusterRole>, _: &ClusterRole, links: &Links) {
    links.queues.profiles.push("default");
}

pub(super) fn binding(_: Option<&ClusterRoleBinding>, _: &ClusterRoleBinding, links: &Links) {
    links.queues.profiles.push("default");
}

/// Whether a platform's owner decides on a request.
fn decides(request: &ResourceRequest, platform: &str) -> bool {
    let chain = request.status.iter().flat_map(|s| &s.chain);
    let mut platforms = chain.filter_map(|stage| stage.of.as_deref());
    platforms.any(|of| of == platform)
}

pub(super) fn platform(
    old: Option<&Guarded<CloudPlatform>>,
    new: &Guarded<CloudPlatform>,
    links: &Links,
) {
    let platform = name(new);
    links.queues.platforms.push(&platform);
    let asks = |r: &ResourceRequest| {
        r.spec
            .application
            .items
            .iter()
            .any(|i| i.platform == platform)
    };
    let (old, Ok(new)) = (old.and_then(|o| o.0.as_ref().ok()), &new.0) else {
        links.grants_where(|q| q.spec.platform == platform);
        return;
    };
    if old.is_none_or(|o| o.metadata.generation != new.metadata.generation) {
        let _ = links.queues.docking.send(());
        links.every_platform();
        links.grants_where(|q| q.spec.platform == platform);
        links.products_where(|p| p.spec.platform == platform);
        links.open_requests_where(asks);
        // Whoever decides for it enters the namespaces of the units that asked.
        links.units_where(|r| decides(r, &platform));
        return;
    }
    let pools = |p: &CloudPlatform| {
        p.status
            .as_ref()
            .map(|s| s.pools.clone())
            .unwrap_or_default()
    };
    let (before, after) = (old.map(pools).unwrap_or_default(), pools(new));
    if before != after {
        for pool in &after {
            let mut old = before.iter().filter(|p| p.name == pool.name);
            links.promised(&pool.account);
            let freed = freed(old.next().map(|p| &p.account), &pool.account);
            // Whoever asked and was not promised anything has been passed over.
            links.open_requests_where(|r| asks(r) && (is_asking(r) || freed && is_waiting(r)));
            // What was refused stays refused while nothing is freed; who was not answered is.
            let concerned = |q: &TenantQuota| {
                q.spec.platform == platform && q.spec.pool == pool.name && waits(q)
            };
            links.grants_where(|q| concerned(q) && (freed || unanswered(q)));
        }
        links.every_budget();
    }
}

pub(super) fn tenant(old: Option<&Guarded<Tenant>>, new: &Guarded<Tenant>, links: &Links) {
    let tenant = name(new);
    links.queues.tenants.push(&tenant);
    let ready = |t: &Guarded<Tenant>| {
        let status =
            t.0.as_ref()
                .ok()
                .and_then(|t| t.status.clone())
                .unwrap_or_default();
        (
            status.conditions.is_true(crds::ConditionType::Ready),
            t.0.as_ref().ok().and_then(|t| t.metadata.generation),
        )
    };
    let budget = |t: &Guarded<Tenant>| t.0.as_ref().ok().and_then(|t| t.status.clone()?.budget);
    let gone = links.tenants.get(&ObjectRef::new(&tenant)).is_none();
    if gone || old.is_none_or(|o| ready(o) != ready(new)) {
        // Whose it is, and who decides above it: those that are decided already keep their chain.
        let own = crds::keys::tenant_namespace(&tenant);
        links.open_requests_where(|r| {
            r.metadata.namespace.as_deref() == Some(&own) || is_waiting(r)
        });
        for other in links.tenants.state() {
            if other
                .0
                .as_ref()
                .is_ok_and(|t| t.spec.parent.as_deref() == Some(&tenant))
            {
                links.queues.tenants.push(&name(other.as_ref()));
            }
        }
        let namespace = crds::keys::tenant_namespace(&tenant);
        links.grants_where(|q| q.metadata.namespace.as_deref() == Some(&namespace));
        // Whether its grants may grow is the platforms' question.
        links.every_platform();
    }
    if old.and_then(budget) != budget(new) {
        let before = old.and_then(budget);
        if let Some(account) = budget(new) {
            links.promised(&account);
            let freed = freed(before.as_ref(), &account);
            links.grants_where(|q| waits(q) && (freed || unanswered(q)));
            if freed {
                // The pools did not promise what this budget would have refused.
                links.platforms_of(waits);
            }
        }
        links.every_budget();
    }
}

/// A request that a grant or an order names, while it is open.
fn request_of(links: &Links, namespace: &str, request: Option<&String>) {
    let Some(request) = request else { return };
    let found = links
        .requests
        .get(&ObjectRef::new(request).within(namespace));
    if found.is_some_and(|r| r.0.as_ref().is_ok_and(is_open)) {
        links.queues.requests.push_in(namespace, request);
    }
}

pub(super) fn quota(old: Option<&Guarded<TenantQuota>>, new: &Guarded<TenantQuota>, links: &Links) {
    count_held(links, old.and_then(grant_held_by), grant_held_by(new));
    let namespace = new.meta().namespace.clone().unwrap_or_default();
    links.queues.quotas.push_in(&namespace, &name(new));
    let named = new.0.as_ref().ok().and_then(|q| q.spec.request.as_ref());
    request_of(links, &namespace, named);
    let gone = links.quotas.get(&ObjectRef::from_obj(new)).is_none();
    if old.is_none() || gone {
        // A request may be about it.
        links.open_requests_where(|r| {
            r.metadata.namespace.as_deref() == Some(&namespace) && is_waiting(r)
        });
    }
    // What an account sees of a grant: its spec, its deletion, what it is charged and uses.
    let account = |q: &Guarded<TenantQuota>| {
        let quota = q.0.as_ref().ok();
        let status = quota.and_then(|q| q.status.clone());
        (
            quota.and_then(|q| q.metadata.generation),
            q.meta().deletion_timestamp.is_some(),
            status.as_ref().map(|s| s.admitted.clone()),
            status.as_ref().and_then(|s| s.used.clone()),
            status.as_ref().map(|s| s.attempt),
            status.is_some_and(|s| s.conditions.is_true(crds::ConditionType::InForce)),
        )
    };
    if old.is_some_and(|o| account(o) == account(new)) {
        return;
    }
    if let Ok(quota) = &new.0 {
        links.queues.platforms.push(&quota.spec.platform);
    }
    if let Some(tenant) = crds::keys::tenant_of_namespace(&namespace) {
        links.queues.tenants.push(tenant);
    }
    links.every_budget();
}

pub(super) fn offering(
    _: Option<&Guarded<ServiceOffering>>,
    new: &Guarded<ServiceOffering>,
    links: &Links,
) {
    let offering = name(new);
    links.queues.offerings.push(&offering);
    links.products_where(|p| p.spec.offering == offering);
    links.open_requests_where(|r| {
        let mut items = r.spec.application.items.iter();
        items.any(|i| i.offering.as_ref() == Some(&offering) || i.product.is_some())
    });
}

pub(super) fn product(
    old: Option<&Guarded<CloudProduct>>,
    new: &Guarded<CloudProduct>,
    links: &Links,
) {
    let product = name(new);
    links.queues.products.push(&product);
    for version in [old, Some(new)].into_iter().flatten() {
        if let Ok(version) = &version.0 {
            links.queues.offerings.push(&version.spec.offering);
        }
    }
    let generation = |p: &Guarded<CloudProduct>| p.meta().generation;
    if old.map(generation) != Some(generation(new)) {
        links.open_requests_where(|r| products_of(r).any(|p| *p == product));
    }
}

pub(super) fn system(
    _: Option<&Guarded<InformationSystem>>,
    new: &Guarded<InformationSystem>,
    links: &Links,
) {
    let namespace = namespace(new);
    links.queues.systems.push_in(&namespace, &name(new));
    // Its grade decides where it may run.
    links.open_requests_where(|r| r.metadata.namespace.as_deref() == Some(&namespace));
}

pub(super) fn order(_: Option<&Guarded<WorkOrder>>, new: &Guarded<WorkOrder>, links: &Links) {
    let namespace = namespace(new);
    links.queues.orders.push_in(&namespace, &name(new));
    // Also where it was delivered without it: what failed may be taken up again.
    if let Some(named) = new.0.as_ref().ok().and_then(|o| o.spec.request.as_ref()) {
        links.queues.requests.push_in(&namespace, named);
    }
}

fn products_of(request: &ResourceRequest) -> impl Iterator<Item = &String> {
    let items = request.spec.application.items.iter();
    items.filter_map(|i| i.product.as_ref())
}

pub(super) fn request(
    old: Option<&Guarded<ResourceRequest>>,
    new: &Guarded<ResourceRequest>,
    links: &Links,
) {
    links.queues.requests.push_in(&namespace(new), &name(new));
    count_held(links, old.and_then(request_held_by), request_held_by(new));
    let gone = links.requests.get(&ObjectRef::from_obj(new)).is_none();
    // What a pool sees of a request: what it wants and has there, and the grants that take it over.
    let account = |r: &Guarded<ResourceRequest>| {
        let status = r.0.as_ref().ok().and_then(|r| r.status.clone());
        let status = status.unwrap_or_default();
        (status.holds, status.attempt, status.grants)
    };
    // Who may enter the unit's namespace for it.
    let concerned = |r: &Guarded<ResourceRequest>| {
        let request = r.0.as_ref().ok();
        let status = request.and_then(|r| r.status.as_ref());
        let chain = status.iter().flat_map(|s| &s.chain);
        (
            chain.map(|s| s.of.clone()).collect::<Vec<_>>(),
            status.and_then(|s| s.phase),
            request.map(|r| r.spec.delegations.len()),
        )
    };
    if let Some(tenant) = crds::keys::tenant_of_namespace(&namespace(new))
        && (gone || old.is_none_or(|o| concerned(o) != concerned(new)))
    {
        links.queues.tenants.push(tenant);
    }
    let versions = || [old, Some(new)].into_iter().flatten();
    if gone || old.is_none_or(|o| account(o) != account(new)) {
        let platforms: BTreeSet<_> = versions()
            .flat_map(|v| account(v).0)
            .map(|hold| hold.platform)
            .collect();
        for platform in platforms {
            links.queues.platforms.push(&platform);
        }
    }
    stock::news(old, new, gone, links);
}
