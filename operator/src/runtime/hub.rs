//! What is known of the hub: one watch per kind, shared by every controller, and who is told of a change.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use crds::{CloudPlatform, GovernanceProfile, Site, Tenant, TenantQuota};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::controller::spawn;

/// A watch that says nothing for this long is asked again: a dead connection shows within it.
pub const WATCH_SECONDS: u32 = 30;

/// An object that may be malformed: one of those never stops a controller.
pub type Guarded<K> = DeserializeGuard<K>;

/// Asks for a pass over an object.
pub struct Queue<K: Resource<DynamicType = ()>>(mpsc::UnboundedSender<ObjectRef<Guarded<K>>>);

impl<K: Resource<DynamicType = ()>> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + 'static> Queue<K> {
    /// A queue and its reading end.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<ObjectRef<Guarded<K>>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Asks for a pass over a cluster-scoped object.
    pub fn push(&self, name: &str) {
        // The receiver goes only at shutdown; then nobody needs the pass.
        let _ = self.0.send(ObjectRef::new(name));
    }

    /// Asks for a pass over a namespaced object.
    pub fn push_in(&self, namespace: &str, name: &str) {
        let _ = self.0.send(ObjectRef::new(name).within(namespace));
    }
}

/// The queues of every controller.
#[derive(Clone)]
pub struct Queues {
    /// Profiles.
    pub profiles: Queue<GovernanceProfile>,
    /// Sites.
    pub sites: Queue<Site>,
    /// Platforms.
    pub platforms: Queue<CloudPlatform>,
    /// Tenants.
    pub tenants: Queue<Tenant>,
    /// Grants.
    pub quotas: Queue<TenantQuota>,
    /// The connections are to be looked at again.
    pub docking: mpsc::UnboundedSender<()>,
    /// A cluster of this platform was lost or found: its grants are to be judged again.
    pub lost_or_found: mpsc::UnboundedSender<String>,
}

/// The hub: its client and what is known of its objects.
pub struct Hub {
    /// The client.
    pub client: Client,
    /// UID of the hub's `kube-system`.
    pub uid: String,
    /// The namespace of Qipan's own objects.
    pub namespace: String,
    /// Profiles.
    pub profiles: Store<Guarded<GovernanceProfile>>,
    /// Sites.
    pub sites: Store<Guarded<Site>>,
    /// Platforms.
    pub platforms: Store<Guarded<CloudPlatform>>,
    /// Tenants.
    pub tenants: Store<Guarded<Tenant>>,
    /// Grants.
    pub quotas: Store<Guarded<TenantQuota>>,
    /// The kubeconfig Secrets.
    pub secrets: Store<Secret>,
    /// Asks for passes.
    pub queues: Queues,
}

/// The well-formed objects of a store.
pub fn good<K>(store: &Store<Guarded<K>>) -> impl Iterator<Item = Arc<Guarded<K>>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store
        .state()
        .into_iter()
        .filter(|guarded| guarded.0.is_ok())
}

/// A cluster-scoped object by name, where it is there and well-formed.
#[must_use]
pub fn by_name<K>(store: &Store<Guarded<K>>, name: &str) -> Option<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + 'static,
{
    store.get(&ObjectRef::new(name))?.0.as_ref().ok().cloned()
}

impl Hub {
    fn links(&self) -> Links {
        Links {
            queues: self.queues.clone(),
            platforms: self.platforms.clone(),
            sites: self.sites.clone(),
            tenants: self.tenants.clone(),
            quotas: self.quotas.clone(),
        }
    }

    async fn listed(&self) -> Result<(), anyhow::Error> {
        self.profiles.wait_until_ready().await?;
        self.sites.wait_until_ready().await?;
        self.platforms.wait_until_ready().await?;
        self.tenants.wait_until_ready().await?;
        self.quotas.wait_until_ready().await?;
        self.secrets.wait_until_ready().await?;
        Ok(())
    }

    /// Whether a grant of this UID exists.
    #[must_use]
    pub fn has_grant(&self, uid: &str) -> bool {
        self.quotas
            .find(|q| q.meta().uid.as_deref() == Some(uid))
            .is_some()
    }

    /// Asks for a pass over every grant of a platform.
    pub fn grants_of(&self, platform: &str) {
        for quota in good(&self.quotas) {
            if let Ok(quota) = &quota.0
                && quota.spec.platform == platform
            {
                let (namespace, name) = (
                    quota.metadata.namespace.as_deref(),
                    quota.metadata.name.as_deref(),
                );
                self.queues
                    .quotas
                    .push_in(namespace.unwrap_or_default(), name.unwrap_or_default());
            }
        }
    }

    /// The one profile.
    #[must_use]
    pub fn profile(&self) -> Option<GovernanceProfile> {
        by_name(&self.profiles, "default")
    }

    /// Starts the watches and waits until each has listed.
    ///
    /// # Errors
    /// When the hub's `kube-system` namespace cannot be read or a store ends before it is ready.
    pub async fn start(
        client: Client,
        namespace: &str,
        queues: Queues,
    ) -> Result<Self, anyhow::Error> {
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
        let system = super::apply::deadline(
            "read namespace kube-system of the hub",
            namespaces.get("kube-system"),
        )
        .await?;
        let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
        let all = watcher::Config::default();
        let (profiles, on_profiles) = watch(
            Api::all(client.clone()),
            all.clone(),
            |_, _: &Guarded<GovernanceProfile>, hub| hub.everything(),
        );
        let (sites, on_sites) = watch(
            Api::all(client.clone()),
            all.clone(),
            |_, site: &Guarded<Site>, hub| {
                hub.queues.sites.push(&name(site));
                hub.every_platform();
            },
        );
        let (platforms, on_platforms) =
            watch(Api::all(client.clone()), all.clone(), platform_changed);
        let (tenants, on_tenants) = watch(Api::all(client.clone()), all.clone(), tenant_changed);
        let (quotas, on_quotas) = watch(Api::all(client.clone()), all, quota_changed);
        let labelled =
            watcher::Config::default().labels(&format!("{}=true", crds::keys::KUBECONFIG));
        let (secrets, on_secrets) = watch(secrets, labelled, |_, _: &Secret, hub| {
            let _ = hub.queues.docking.send(());
            hub.every_platform();
        });
        let hub = Self {
            client,
            uid: system.metadata.uid.unwrap_or_default(),
            namespace: namespace.to_owned(),
            profiles,
            sites,
            platforms,
            tenants,
            quotas,
            secrets,
            queues,
        };
        let links = hub.links();
        for start in [
            on_profiles,
            on_sites,
            on_platforms,
            on_tenants,
            on_quotas,
            on_secrets,
        ] {
            start(links.clone());
        }
        hub.listed().await?;
        links.everything();
        Ok(hub)
    }
}

/// What a change reaches: the queues, and the stores to find who is concerned.
#[derive(Clone)]
pub struct Links {
    /// Asks for passes.
    pub queues: Queues,
    sites: Store<Guarded<Site>>,
    platforms: Store<Guarded<CloudPlatform>>,
    tenants: Store<Guarded<Tenant>>,
    quotas: Store<Guarded<TenantQuota>>,
}

impl Links {
    fn every_platform(&self) {
        for platform in self.platforms.state() {
            self.queues.platforms.push(&name(platform.as_ref()));
        }
    }

    fn everything(&self) {
        self.queues.profiles.push("default");
        let _ = self.queues.docking.send(());
        self.every_platform();
        for site in self.sites.state() {
            self.queues.sites.push(&name(site.as_ref()));
        }
        for tenant in self.tenants.state() {
            self.queues.tenants.push(&name(tenant.as_ref()));
        }
        for quota in self.quotas.state() {
            let namespace = quota.meta().namespace.clone().unwrap_or_default();
            self.queues
                .quotas
                .push_in(&namespace, &name(quota.as_ref()));
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

    fn grants_promised(&self, account: &crds::Account) {
        for reservation in &account.pending {
            if let Some((namespace, name)) = reservation.grant.split_once('/') {
                self.queues.quotas.push_in(namespace, name);
            }
        }
    }
}

fn name<K: Resource>(object: &K) -> String {
    object.meta().name.clone().unwrap_or_default()
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

fn platform_changed(
    old: Option<&Guarded<CloudPlatform>>,
    new: &Guarded<CloudPlatform>,
    links: &Links,
) {
    let platform = name(new);
    links.queues.platforms.push(&platform);
    let (old, Ok(new)) = (old.and_then(|o| o.0.as_ref().ok()), &new.0) else {
        links.grants_where(|q| q.spec.platform == platform);
        return;
    };
    if old.is_none_or(|o| o.metadata.generation != new.metadata.generation) {
        let _ = links.queues.docking.send(());
        links.every_platform();
        links.grants_where(|q| q.spec.platform == platform);
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
            links.grants_promised(&pool.account);
            let freed = freed(old.next().map(|p| &p.account), &pool.account);
            // What was refused stays refused while nothing is freed; who was not answered is.
            let concerned = |q: &TenantQuota| {
                q.spec.platform == platform && q.spec.pool == pool.name && waits(q)
            };
            links.grants_where(|q| concerned(q) && (freed || unanswered(q)));
        }
        links.every_budget();
    }
}

fn tenant_changed(old: Option<&Guarded<Tenant>>, new: &Guarded<Tenant>, links: &Links) {
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
    if old.is_none_or(|o| ready(o) != ready(new)) {
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
            links.grants_promised(&account);
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

fn quota_changed(old: Option<&Guarded<TenantQuota>>, new: &Guarded<TenantQuota>, links: &Links) {
    let namespace = new.meta().namespace.clone().unwrap_or_default();
    links.queues.quotas.push_in(&namespace, &name(new));
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

type Start = Box<dyn FnOnce(Links) + Send>;

/// A store and the start of its watch. `changed` is told of every change with the object as it was before; of a deletion
/// with the object as it was last.
fn watch<K>(
    api: Api<K>,
    config: watcher::Config,
    changed: impl Fn(Option<&K>, &K, &Links) + Send + Sync + 'static,
) -> (Store<K>, Start)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Hash + Eq + Clone + Default,
{
    let (reader, mut writer) = store::<K>();
    let before = reader.clone();
    let start = move |links: Links| {
        spawn("watch", async move {
            let stream = watcher(api, config.timeout(WATCH_SECONDS))
                .default_backoff()
                .modify(|object| {
                    object.meta_mut().managed_fields = None;
                });
            let mut stream = std::pin::pin!(stream);
            let mut listed = false;
            while let Some(event) = stream.next().await {
                let event = match event {
                    Ok(event) => event,
                    Err(why) => {
                        tracing::warn!(object.kind = %K::kind(&()), error = %why, "a watch failed and is started again");
                        continue;
                    }
                };
                let touched = match &event {
                    // The first list is followed by one pass over everything; of a later one, only what is new is news.
                    watcher::Event::InitApply(o) if listed => Some(o.clone()),
                    watcher::Event::Apply(o) | watcher::Event::Delete(o) => Some(o.clone()),
                    watcher::Event::InitApply(_) | watcher::Event::Init => None,
                    watcher::Event::InitDone => {
                        listed = true;
                        None
                    }
                };
                let old = touched
                    .as_ref()
                    .and_then(|o| before.get(&ObjectRef::from_obj(o)));
                let version = |object: &K| object.meta().resource_version.clone();
                let deleted = matches!(event, watcher::Event::Delete(_));
                writer.apply_watcher_event(&event);
                if let Some(object) = touched
                    && (deleted || old.as_deref().map(version) != Some(version(&object)))
                {
                    changed(old.as_deref(), &object, &links);
                }
            }
        });
    };
    (reader, Box::new(start))
}
