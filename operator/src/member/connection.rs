//! One connection to a cluster: a client, and watches of Qipan's children there.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use crds::keys;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

use super::ClusterCache;
use crate::runtime::clock::steady;
use crate::runtime::hub::{Queues, WATCH_SECONDS};
use crate::runtime::plan::ChildKey;
use crate::runtime::{Child, ChildKind};

/// Writes to one cluster at once.
const WRITERS: usize = 32;

/// A connection; dropping it ends its watches.
pub struct Connection {
    /// `hub`, or `<platform>/<cluster>`.
    pub name: String,
    /// The client.
    pub client: Client,
    /// What is known of the children there.
    pub cache: Arc<ClusterCache>,
    turns: Semaphore,
    ready: Arc<Notify>,
    _watches: JoinSet<()>,
}

impl Connection {
    /// Opens a connection and starts its watches, of these kinds.
    #[must_use]
    pub fn open(name: &str, client: Client, queues: &Queues, kinds: &[ChildKind]) -> Self {
        let (cache, ready, mut watches) = (
            Arc::new(ClusterCache::of(kinds)),
            Arc::new(Notify::new()),
            JoinSet::new(),
        );
        let start = Start {
            client: client.clone(),
            cache: Arc::clone(&cache),
            ready: Arc::clone(&ready),
            queues: queues.clone(),
        };
        for kind in kinds {
            match kind {
                ChildKind::Namespace => {
                    start.watch::<Namespace>(&mut watches, *kind, Child::Namespace);
                }
                ChildKind::ResourceQuota => {
                    start.watch::<ResourceQuota>(&mut watches, *kind, Child::ResourceQuota);
                }
                ChildKind::LimitRange => {
                    start.watch::<LimitRange>(&mut watches, *kind, Child::LimitRange);
                }
                ChildKind::NetworkPolicy => {
                    start.watch::<NetworkPolicy>(&mut watches, *kind, Child::NetworkPolicy);
                }
                ChildKind::Role => start.watch::<Role>(&mut watches, *kind, Child::Role),
                ChildKind::RoleBinding => {
                    start.watch::<RoleBinding>(&mut watches, *kind, Child::RoleBinding);
                }
            }
        }
        Self {
            name: name.to_owned(),
            client,
            cache,
            turns: Semaphore::new(WRITERS),
            ready,
            _watches: watches,
        }
    }

    /// Waits until every kind was listed.
    pub async fn listed(&self) {
        while self.cache.complete_since().is_none() {
            self.ready.notified().await;
        }
    }

    /// A turn to write.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }
}

struct Start {
    client: Client,
    cache: Arc<ClusterCache>,
    ready: Arc<Notify>,
    queues: Queues,
}

impl Start {
    fn watch<K>(&self, watches: &mut JoinSet<()>, kind: ChildKind, child: fn(K) -> Child)
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let api = Api::<K>::all(self.client.clone());
        let config = watcher::Config::default()
            .labels(&format!("{}={}", keys::MANAGED_BY, keys::QIPAN))
            .timeout(WATCH_SECONDS);
        let (cache, ready, queues) = (
            Arc::clone(&self.cache),
            Arc::clone(&self.ready),
            self.queues.clone(),
        );
        watches.spawn(async move {
            let mut present = HashSet::new();
            let stream = watcher(api, config).default_backoff();
            let mut stream = std::pin::pin!(stream);
            while let Some(event) = stream.next().await {
                match event {
                    Ok(watcher::Event::Init) => present.clear(),
                    Ok(watcher::Event::InitApply(object)) => {
                        let object = child(object);
                        present.insert(object.key());
                        note(&cache, &object, &queues);
                    }
                    Ok(watcher::Event::InitDone) => {
                        cache.listed(kind, &present, steady());
                        present.clear();
                        ready.notify_waiters();
                        ready.notify_one();
                    }
                    Ok(watcher::Event::Apply(object)) => note(&cache, &child(object), &queues),
                    Ok(watcher::Event::Delete(object)) => {
                        let object = child(object);
                        let key: ChildKey = object.key();
                        cache.drop_key(&key, steady());
                        wake(&object, &queues);
                    }
                    Err(why) => tracing::debug!(object.kind = ?kind, error = %why, "a member's watch failed and is started again"),
                }
            }
        });
    }
}

fn note(cache: &ClusterCache, child: &Child, queues: &Queues) {
    if cache.put(child, steady()) {
        wake(child, queues);
    }
}

/// Asks for a pass over the owner of a child.
fn wake(child: &Child, queues: &Queues) {
    let label = |key| child.meta().labels.as_ref().and_then(|l| l.get(key));
    match (label(keys::TENANT), label(keys::GRANT)) {
        (Some(tenant), Some(grant)) => queues
            .quotas
            .push_in(&keys::tenant_namespace(tenant), grant),
        (Some(tenant), None) => queues.tenants.push(tenant),
        (None, _) => {}
    }
}
