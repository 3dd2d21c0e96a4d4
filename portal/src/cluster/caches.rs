//! The caches: one watch and one store for each kind, without the field managers' notes.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

mod kept;

use crds::{
    ChangeWindow, CloudPlatform, CloudProduct, GovernanceProfile, InformationSystem,
    ResourceRequest, ServiceOffering, Site, Tenant, TenantQuota, WorkOrder,
};
use futures::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Store};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::{Cluster, Freshness, Kind, Sync, WATCH_SECONDS};
use crate::background::spawn;

pub(super) use kept::Kept;

/// A store of each kind.
#[derive(Clone)]
pub(super) struct Caches {
    pub(super) windows: Kept<ChangeWindow>,
    pub(super) platforms: Kept<CloudPlatform>,
    pub(super) products: Kept<CloudProduct>,
    pub(super) profiles: Kept<GovernanceProfile>,
    pub(super) systems: Kept<InformationSystem>,
    pub(super) requests: Kept<ResourceRequest>,
    pub(super) offerings: Kept<ServiceOffering>,
    pub(super) sites: Kept<Site>,
    pub(super) tenants: Kept<Tenant>,
    pub(super) quotas: Kept<TenantQuota>,
    pub(super) orders: Kept<WorkOrder>,
}

impl Caches {
    /// Starts a watch of every kind.
    pub(super) fn start(client: &Client, freshness: &Arc<Freshness>) -> Self {
        Self {
            windows: keep(Kind::ChangeWindow, client, freshness),
            platforms: keep(Kind::CloudPlatform, client, freshness),
            products: keep(Kind::CloudProduct, client, freshness),
            profiles: keep(Kind::GovernanceProfile, client, freshness),
            systems: keep(Kind::InformationSystem, client, freshness),
            requests: keep(Kind::ResourceRequest, client, freshness),
            offerings: keep(Kind::ServiceOffering, client, freshness),
            sites: keep(Kind::Site, client, freshness),
            tenants: keep(Kind::Tenant, client, freshness),
            quotas: keep(Kind::TenantQuota, client, freshness),
            orders: keep(Kind::WorkOrder, client, freshness),
        }
    }
}

/// What the caches hold, unfiltered: callers go through `access.rs`.
impl Cluster {
    /// Every change window.
    #[must_use]
    pub fn windows(&self) -> Vec<Arc<ChangeWindow>> {
        self.caches.windows.ordered().to_vec()
    }

    /// Every platform.
    #[must_use]
    pub fn platforms(&self) -> Vec<Arc<CloudPlatform>> {
        self.caches.platforms.ordered().to_vec()
    }

    /// The product catalog.
    #[must_use]
    pub fn products(&self) -> Vec<Arc<CloudProduct>> {
        self.caches.products.ordered().to_vec()
    }

    /// Every information system.
    #[must_use]
    pub fn systems(&self) -> Vec<Arc<InformationSystem>> {
        self.caches.systems.ordered().to_vec()
    }

    /// Every request.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<ResourceRequest>> {
        self.caches.requests.ordered().to_vec()
    }

    /// The namespaces that hold any request.
    #[must_use]
    pub fn namespaces_with_requests(&self) -> BTreeSet<String> {
        let requests = self.caches.requests.ordered();
        // They are ordered by namespace: each is met once.
        let of = |request: &Arc<ResourceRequest>| request.metadata.namespace.clone();
        let runs = requests.chunk_by(|a, b| a.metadata.namespace == b.metadata.namespace);
        runs.filter_map(|run| run.first().and_then(of)).collect()
    }

    /// One request.
    #[must_use]
    pub fn request(&self, namespace: &str, name: &str) -> Option<Arc<ResourceRequest>> {
        let key = reflector::ObjectRef::new(name).within(namespace);
        self.caches.requests.get(&key)
    }

    /// The service catalog.
    #[must_use]
    pub fn offerings(&self) -> Vec<Arc<ServiceOffering>> {
        self.caches.offerings.ordered().to_vec()
    }

    /// Every site.
    #[must_use]
    pub fn sites(&self) -> Vec<Arc<Site>> {
        self.caches.sites.ordered().to_vec()
    }

    /// Every tenant.
    #[must_use]
    pub fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.caches.tenants.ordered().to_vec()
    }

    /// Every grant.
    #[must_use]
    pub fn quotas(&self) -> Vec<Arc<TenantQuota>> {
        self.caches.quotas.ordered().to_vec()
    }

    /// Every work order.
    #[must_use]
    pub fn orders(&self) -> Vec<Arc<WorkOrder>> {
        self.caches.orders.ordered().to_vec()
    }

    /// One work order.
    #[must_use]
    pub fn order(&self, namespace: &str, name: &str) -> Option<Arc<WorkOrder>> {
        let key = reflector::ObjectRef::new(name).within(namespace);
        self.caches.orders.get(&key)
    }

    /// The rules of the province; their titles and thresholds are everybody's.
    #[must_use]
    pub fn profile(&self) -> Option<Arc<GovernanceProfile>> {
        self.caches.profiles.ordered().first().cloned()
    }
}

/// When to take up a watch again: soon, and never later than 5 s (kube's own schedule goes to 30 s, and the hub's return
/// is to be seen at once).
#[derive(Debug, Default)]
struct Again(u32);

impl Iterator for Again {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0 = (self.0 + 1).min(10);
        Some(Duration::from_millis(500) * self.0)
    }
}

impl Backoff for Again {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Keeps a cache of one kind, without the field managers' notes.
fn keep<K>(kind: Kind, client: &Client, freshness: &Arc<Freshness>) -> Kept<K>
where
    K: Resource<DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + std::marker::Sync
        + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    let (store, writer): (Store<K>, Writer<K>) = reflector::store();
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    let events = watcher::watcher(Api::<K>::all(client.clone()), config)
        .modify(|object| object.managed_fields_mut().clear())
        .backoff(Again::default());
    let freshness = Arc::clone(freshness);
    let kept = Kept::of(store);
    let changed = kept.clone();
    spawn(kind.plural(), async move {
        let mut events = std::pin::pin!(reflector::reflector(writer, events));
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if matches!(event, watcher::Event::InitDone) {
                        freshness.note(kind, Sync::Synced);
                    }
                    if !matches!(event, watcher::Event::Init | watcher::Event::InitApply(_)) {
                        changed.changed();
                        freshness.changed();
                    }
                }
                Err(error) => failed(kind, &error, &freshness),
            }
        }
    });
    kept
}

fn failed(kind: Kind, error: &watcher::Error, freshness: &Freshness) {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code,
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => 0,
    };
    tracing::debug!(object.kind = kind.plural(), %error, "a watch ended");
    match code {
        404 => freshness.note(kind, Sync::Missing),
        401 | 403 => freshness.note(kind, Sync::Forbidden),
        _ => return,
    }
    freshness.changed();
}
