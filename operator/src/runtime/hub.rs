//! What is known of the hub: one watch per kind, shared by every controller, and who is told of a change.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use crds::{
    ChangeWindow, CloudPlatform, CloudProduct, GovernanceProfile, InformationSystem,
    ResourceRequest, ServiceOffering, Site, Tenant, TenantQuota, WorkOrder,
};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::controller::spawn;

mod links;

pub use links::Links;

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
    /// The service catalog.
    pub offerings: Queue<ServiceOffering>,
    /// The product catalog.
    pub products: Queue<CloudProduct>,
    /// The register of systems.
    pub systems: Queue<InformationSystem>,
    /// Requests.
    pub requests: Queue<ResourceRequest>,
    /// Work orders.
    pub orders: Queue<WorkOrder>,
    /// Change windows.
    pub windows: Queue<ChangeWindow>,
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
    /// The service catalog.
    pub offerings: Store<Guarded<ServiceOffering>>,
    /// The product catalog.
    pub products: Store<Guarded<CloudProduct>>,
    /// The register of systems.
    pub systems: Store<Guarded<InformationSystem>>,
    /// Requests.
    pub requests: Store<Guarded<ResourceRequest>>,
    /// Work orders.
    pub orders: Store<Guarded<WorkOrder>>,
    /// Change windows.
    pub windows: Store<Guarded<ChangeWindow>>,
    /// The kubeconfig Secrets.
    pub secrets: Store<Secret>,
    /// The hub's cluster roles.
    pub roles: Store<ClusterRole>,
    /// Who is bound to them.
    pub bindings: Store<ClusterRoleBinding>,
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
            offerings: self.offerings.clone(),
            products: self.products.clone(),
            systems: self.systems.clone(),
            requests: self.requests.clone(),
            orders: self.orders.clone(),
            windows: self.windows.clone(),
        }
    }

    async fn listed(&self) -> Result<(), anyhow::Error> {
        self.profiles.wait_until_ready().await?;
        self.sites.wait_until_ready().await?;
        self.platforms.wait_until_ready().await?;
        self.tenants.wait_until_ready().await?;
        self.quotas.wait_until_ready().await?;
        self.offerings.wait_until_ready().await?;
        self.products.wait_until_ready().await?;
        self.systems.wait_until_ready().await?;
        self.requests.wait_until_ready().await?;
        self.orders.wait_until_ready().await?;
        self.windows.wait_until_ready().await?;
        self.secrets.wait_until_ready().await?;
        self.roles.wait_until_ready().await?;
        self.bindings.wait_until_ready().await?;
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

    /// Asks for a pass over every platform.
    pub fn every_platform(&self) {
        self.links().every_platform();
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
        let mut watches = Watches {
            client: client.clone(),
            starts: Vec::new(),
        };
        let labelled = format!("{}=true", crds::keys::KUBECONFIG);
        let labelled = watcher::Config::default().labels(&labelled);
        let own = Api::<Secret>::namespaced(client.clone(), namespace);
        let hub = Self {
            client,
            uid: system.metadata.uid.unwrap_or_default(),
            namespace: namespace.to_owned(),
            profiles: watches.all(links::profile),
            sites: watches.all(links::site),
            platforms: watches.all(links::platform),
            tenants: watches.all(links::tenant),
            quotas: watches.all(links::quota),
            offerings: watches.all(links::offering),
            products: watches.all(links::product),
            systems: watches.all(links::system),
            requests: watches.all(links::request),
            orders: watches.all(links::order),
            windows: watches.all(links::window),
            secrets: watches.of(own, labelled, links::secret),
            roles: watches.all(links::role),
            bindings: watches.all(links::binding),
            queues,
        };
        let links = hub.links();
        for start in watches.starts {
            start(links.clone());
        }
        hub.listed().await?;
        links.everything();
        Ok(hub)
    }
}

type Start = Box<dyn FnOnce(Links) + Send>;

/// Watches that are set up and not started yet: what they tell needs every store.
struct Watches {
    client: Client,
    starts: Vec<Start>,
}

impl Watches {
    /// The store of a kind, in the whole cluster.
    fn all<K>(
        &mut self,
        changed: impl Fn(Option<&K>, &K, &Links) + Send + Sync + 'static,
    ) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let api = Api::all(self.client.clone());
        self.of(api, watcher::Config::default(), changed)
    }

    fn of<K>(
        &mut self,
        api: Api<K>,
        config: watcher::Config,
        changed: impl Fn(Option<&K>, &K, &Links) + Send + Sync + 'static,
    ) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let (store, start) = watch(api, config, changed);
        self.starts.push(start);
        store
    }
}

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
