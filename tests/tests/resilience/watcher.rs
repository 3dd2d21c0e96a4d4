//! Watches every quota of a member and adds up, after each change, what could be in force of a grant.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use crds::Quantity;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running watch.
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<Result<(), watcher::Error>>,
}

#[derive(Default)]
struct Seen {
    /// By namespace: the grant as `tenant/name`, and the CPU that can be in force.
    leaves: BTreeMap<String, (String, Quantity)>,
    granted: BTreeMap<String, Quantity>,
    looks: usize,
    above: Vec<String>,
}

impl Seen {
    fn note(&mut self, quota: &ResourceQuota) {
        self.looks += 1;
        let label = |key: &str| quota.labels().get(key).cloned().unwrap_or_default();
        let grant = format!("{}/{}", label("qipan.dev/tenant"), label("qipan.dev/grant"));
        let (spec, status) = (quota.spec.as_ref(), quota.status.as_ref());
        let limits = [
            spec.and_then(|s| s.hard.as_ref()),
            status.and_then(|s| s.hard.as_ref()),
        ];
        let cpu = limits
            .into_iter()
            .flatten()
            .filter_map(|hard| hard.get("requests.cpu")?.0.parse::<Quantity>().ok());
        let highest = cpu.max().unwrap_or(Quantity::ZERO);
        let namespace = quota.namespace().unwrap_or_default();
        self.leaves.insert(namespace, (grant.clone(), highest));
        let ours = self.leaves.values().filter(|(of, _)| *of == grant);
        let sum = ours.fold(Quantity::ZERO, |sum, (_, cpu)| sum.plus(*cpu));
        if self.granted.get(&grant).is_some_and(|most| sum > *most) {
            self.above.push(format!("{grant}: {sum}"));
        }
    }
}

impl Watch {
    /// Watches the namespaces that begin so; returns when the first list is in.
    pub(crate) async fn start(client: &Client, prefixes: &[&str]) -> Result<Self> {
        let api: Api<ResourceQuota> = Api::all(client.clone());
        let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (listed, is_listed) = oneshot::channel();
        let shared = Arc::clone(&seen);
        let config = watcher::Config::default().labels("app.kubernetes.io/managed-by=qipan");
        let task = tokio::spawn(async move {
            let mut listed = Some(listed);
            let mut events = std::pin::pin!(watcher(api, config));
            while let Some(event) = events.try_next().await? {
                let mut seen = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    watcher::Event::Apply(quota) | watcher::Event::InitApply(quota) => {
                        let namespace = quota.namespace().unwrap_or_default();
                        if prefixes.iter().any(|p| namespace.starts_with(p)) {
                            seen.note(&quota);
                        }
                    }
                    watcher::Event::Delete(quota) => {
                        seen.leaves.remove(&quota.namespace().unwrap_or_default());
                    }
                    watcher::Event::InitDone => {
                        if let Some(listed) = listed.take() {
                            // Nobody waits any more when the test has failed.
                            let _ = listed.send(());
                        }
                    }
                    watcher::Event::Init => {}
                }
            }
            Ok(())
        });
        is_listed.await.context("the watch ended at once")?;
        Ok(Self { seen, task })
    }

    /// Says how much CPU a grant (`tenant/name`) may have in force.
    pub(crate) fn granted(&self, grant: &str, cpu: i64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.granted.insert(grant.to_owned(), Quantity::units(cpu));
    }

    /// Ends it; gives how many changes it has looked at.
    ///
    /// # Errors
    /// When any sum was ever above its grant.
    pub(crate) fn end(self) -> Result<usize> {
        self.task.abort();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.above.is_empty() {
            bail!("more in force than granted: {:?}", seen.above);
        }
        Ok(seen.looks)
    }
}
