//! The hub as the portal sees it: caches of the kinds, whether they are fresh, and what Kubernetes says people may do.
//!
//! The only file that imports `kube::Api`. Reads are the portal's own; writes for a person go through
//! [`Cluster::impersonated`] (`write.rs`) and nowhere else.

mod caches;
mod kind;
pub mod lease;
pub mod objects;
pub mod own;
pub mod way_in;
pub mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client, Config};
use tokio::sync::watch;

use crate::background::{self, spawn};
use crate::identity::User;
use crate::metrics;
use caches::Caches;

pub use kind::Kind;

/// A call that has not answered by then counts as failed. (kube sets no read timeout of its own.)
const DEADLINE: Duration = Duration::from_secs(3);
/// So long a page that follows a write waits for the caches: longer than a watch between two tries.
const SEEN: Duration = Duration::from_secs(8);
/// How often the hub is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// Seconds without contact from which on pages say how old they are.
const STALE_SECONDS: i64 = 12;
/// Seconds after which a watch ends and is taken up again, so that a dead one is noticed.
const WATCH_SECONDS: u32 = 30;

/// How far a cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Not listed yet.
    Starting,
    /// Complete, and kept up.
    Synced,
    /// The hub does not know the kind: its CRD is missing.
    Missing,
    /// The hub refuses the portal's account.
    Forbidden,
}

/// What is asked of the API server before something is shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The verb.
    pub verb: &'static str,
    /// The kind.
    pub kind: Kind,
    /// A part of it that has rights of its own.
    pub part: Option<&'static str>,
    /// Within one namespace; absent: everywhere.
    pub namespace: Option<String>,
    /// One object by name; absent: all.
    pub name: Option<String>,
}

/// The API server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// It did not answer in time.
    #[error("the API server did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    /// It refused or failed.
    #[error("the API server failed: {0}")]
    Api(#[from] kube::Error),
    /// The configuration for it cannot be read.
    #[error("failed to read the kubeconfig: {0}")]
    Config(String),
    /// A user or a request id cannot be said in a header, or is no person's.
    #[error("the name cannot be written in a header, or is one of the control plane's own")]
    Header,
}

/// Freshness of the caches, shared with the tasks that fill them.
#[derive(Debug)]
struct Freshness {
    syncs: Mutex<BTreeMap<Kind, Sync>>,
    last_contact: AtomicI64,
    lost: AtomicBool,
    changes: watch::Sender<u64>,
}

impl Freshness {
    fn note(&self, kind: Kind, sync: Sync) {
        if let Ok(mut syncs) = self.syncs.lock()
            && syncs.insert(kind, sync) != Some(sync)
        {
            tracing::info!(object.kind = kind.plural(), sync = ?sync, "cache changed its state");
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|revision| *revision += 1);
    }

    fn contact(&self, now: Timestamp) {
        self.last_contact.store(now.as_second(), Ordering::Relaxed);
        if self.lost.swap(false, Ordering::Relaxed) {
            tracing::info!("the hub answers again");
            self.changed();
        }
    }

    fn no_contact(&self, now: Timestamp) {
        let silent = now.as_second() - self.last_contact.load(Ordering::Relaxed);
        if silent >= STALE_SECONDS && !self.lost.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                seconds = silent,
                "the hub does not answer; pages come from the cache"
            );
            self.changed();
        }
    }
}

/// The hub.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    freshness: Arc<Freshness>,
    caches: Caches,
}

/// The hub's connection, from a kubeconfig file or from where the program runs.
///
/// # Errors
/// The configuration cannot be read, or names something that cannot be used.
pub async fn connect(kubeconfig: Option<&std::path::Path>) -> Result<Client, ClusterError> {
    let wrong = |e: &dyn std::fmt::Display| ClusterError::Config(e.to_string());
    let mut config = match kubeconfig {
        Some(path) => {
            let file = kube::config::Kubeconfig::read_from(path).map_err(|e| wrong(&e))?;
            Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default())
                .await
                .map_err(|e| wrong(&e))?
        }
        None => Config::infer().await.map_err(|e| wrong(&e))?,
    };
    // A write is sent once. Reads are repeated by the watchers' own backoff.
    config.default_retry = false;
    config.connect_timeout = Some(DEADLINE);
    // Longer than a watch is asked to last, so that only a dead connection is cut.
    config.read_timeout = Some(Duration::from_secs(u64::from(WATCH_SECONDS) + 15));
    Ok(Client::try_from(config)?)
}

impl Cluster {
    /// Starts the caches of every kind and the probe of the hub.
    #[must_use]
    pub fn start(client: Client) -> Self {
        let freshness = Arc::new(Freshness {
            syncs: Mutex::new(
                Kind::ALL
                    .iter()
                    .map(|kind| (*kind, Sync::Starting))
                    .collect(),
            ),
            last_contact: AtomicI64::new(background::now().as_second()),
            lost: AtomicBool::new(false),
            changes: watch::Sender::new(0),
        });
        spawn("probe", probe(client.clone(), Arc::clone(&freshness)));
        Self {
            caches: Caches::start(&client, &freshness),
            client,
            freshness,
        }
    }

    /// The state of a cache.
    #[must_use]
    pub fn sync(&self, kind: Kind) -> Sync {
        self.freshness
            .syncs
            .lock()
            .ok()
            .and_then(|syncs| syncs.get(&kind).copied())
            .unwrap_or(Sync::Starting)
    }

    /// Since when the hub is silent, where it is silent long enough to say so.
    #[must_use]
    pub fn silent_since(&self) -> Option<Timestamp> {
        let lost = self.freshness.lost.load(Ordering::Relaxed);
        lost.then(|| {
            Timestamp::from_second(self.freshness.last_contact.load(Ordering::Relaxed)).ok()
        })
        .flatten()
    }

    /// When the hub last answered.
    #[must_use]
    pub fn last_contact(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.freshness.last_contact.load(Ordering::Relaxed)).ok()
    }

    /// Counts the changes of anything that pages show.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.freshness.changes.subscribe()
    }

    /// Waits until the caches have what was just written: the page that follows would not find it. Not for long, since it is
    /// written all the same.
    pub async fn has(&self, seen: impl Fn(&Self) -> bool) {
        let mut changes = self.changes();
        let seen = async { while !seen(self) && changes.changed().await.is_ok() {} };
        let _late = tokio::time::timeout(SEEN, seen).await;
    }

    /// Asks the API server whether a person may do something.
    ///
    /// # Errors
    /// There is no answer: that is neither yes nor no.
    pub async fn review(&self, user: &User, question: &Question) -> Result<bool, ClusterError> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.name.clone()),
                groups: Some(user.groups_as_authenticated()),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(crds::GROUP.to_owned()),
                    resource: Some(question.kind.plural().to_owned()),
                    subresource: question.part.map(str::to_owned),
                    verb: Some(question.verb.to_owned()),
                    namespace: question.namespace.clone(),
                    name: question.name.clone(),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let params = PostParams::default();
        #[expect(
            clippy::disallowed_methods,
            reason = "a review is a question: nothing is kept of it"
        )]
        let asked = api.create(&params, &review);
        let answer = tokio::time::timeout(DEADLINE, asked).await;
        let outcome = match answer {
            Err(_) => Err(ClusterError::Deadline),
            Ok(Err(error)) => Err(ClusterError::Api(error)),
            Ok(Ok(review)) => Ok(review
                .status
                .is_some_and(|status| status.allowed && status.denied != Some(true))),
        };
        metrics::reviewed(&outcome);
        outcome
    }

    /// A client that acts as a person: constrained impersonation, with the request's id as `Audit-ID`. For writes only;
    /// what is shown comes from the caches.
    ///
    /// # Errors
    /// A name that cannot be written in a header: the call is never made as somebody else.
    pub fn impersonated(&self, user: &User, request_id: &str) -> Result<Client, ClusterError> {
        let value =
            |text: &str| HeaderValue::from_bytes(text.as_bytes()).map_err(|_| ClusterError::Header);
        // Names of the control plane's own are nobody's who signs in.
        if user.name.is_empty() || user.name.starts_with("system:") {
            return Err(ClusterError::Header);
        }
        let mut headers = vec![
            ("impersonate-user", value(&user.name)?),
            ("audit-id", value(request_id)?),
        ];
        for group in user.groups_as_authenticated() {
            headers.push(("impersonate-group", value(&group)?));
        }
        let (base, namespace) = (
            self.client.clone(),
            self.client.default_namespace().to_owned(),
        );
        let service = tower::service_fn(move |mut request: http::Request<kube::client::Body>| {
            for (name, value) in &headers {
                request.headers_mut().append(*name, value.clone());
            }
            let base = base.clone();
            async move { base.send(request).await }
        });
        Ok(Client::new(service, namespace))
    }
}

async fn probe(client: Client, freshness: Arc<Freshness>) {
    loop {
        let answer = tokio::time::timeout(DEADLINE, client.apiserver_version()).await;
        let now = background::now();
        match answer {
            Ok(Ok(_) | Err(kube::Error::Api(_))) => freshness.contact(now),
            Ok(Err(_)) | Err(_) => freshness.no_contact(now),
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

#[cfg(test)]
pub(crate) mod tests;
