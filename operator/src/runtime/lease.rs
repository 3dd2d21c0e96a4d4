//! Leader election by a `coordination.k8s.io/v1` Lease. It saves work; safety never depends on it (design §4).
//!
//! Our own, since no kept crate is on kube 5 yet. Semantics of client-go's `leaderelection`: acquire when the holder is
//! absent or has not renewed for a lease duration *by this replica's own clock*, renew by compare-and-swap, stop leading
//! when a renewal has not succeeded within the renew deadline.
//!
//! The Lease's resource version at the moment of acquiring is the *fence* of this leadership: later leaders have larger ones,
//! also when the Lease was deleted meanwhile. The accounts are written by it (`crds::account`).

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt as _};

use super::clock::wall;

/// How long a Lease counts after its last renewal.
pub const LEASE: Duration = Duration::from_secs(15);
/// A leader that could not renew for this long stops.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often the Lease is looked at.
pub const PERIOD: Duration = Duration::from_secs(2);

/// One replica's view of the Lease.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
    /// The holder's last renewal as it was seen, and when it was seen on this replica's clock.
    seen: Option<(String, Instant)>,
}

impl Elector {
    /// An elector for a Lease; `identity` tells replicas apart.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.into(),
            identity: identity.into(),
            seen: None,
        }
    }

    /// Waits until this replica leads, and returns its fence.
    pub async fn acquire(&mut self) -> i64 {
        loop {
            match self.attempt().await {
                Ok(Some(fence)) => return fence,
                Ok(None) => {}
                Err(why) => tracing::warn!(error = %why, "failed to look at the lease"),
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Renews until it fails for too long; then this replica must stop writing.
    pub async fn hold(&mut self) {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(PERIOD).await;
            match self.attempt().await {
                Ok(Some(_)) => renewed = Instant::now(),
                Ok(None) => return,
                Err(why) if renewed.elapsed() > RENEW_DEADLINE => {
                    tracing::error!(error = %why, "the lease could not be renewed in time");
                    return;
                }
                Err(why) => tracing::warn!(error = %why, "failed to renew the lease"),
            }
        }
    }

    /// Gives the Lease up so that another replica can lead at once.
    pub async fn release(&mut self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = Some(String::new());
            spec.renew_time = Some(MicroTime(wall()));
            let _ = super::apply::replace(&self.api, &lease).await;
        }
    }

    /// The fence where this replica holds the Lease now.
    async fn attempt(&mut self) -> Result<Option<i64>, super::Error> {
        let now = wall();
        let found = super::apply::deadline("read the lease", self.api.get_opt(&self.name)).await?;
        let Some(mut lease) = found else {
            return self.create().await;
        };
        let version = lease.resource_version().unwrap_or_default();
        let spec = lease.spec.get_or_insert_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        if holder != self.identity {
            let fresh = match &self.seen {
                Some((seen, at)) if *seen == version => at.elapsed() < LEASE,
                _ => {
                    self.seen = Some((version, Instant::now()));
                    true
                }
            };
            if fresh && !holder.is_empty() {
                return Ok(None);
            }
            spec.holder_identity = Some(self.identity.clone());
            spec.acquire_time = Some(MicroTime(now));
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0) + 1);
        }
        spec.renew_time = Some(MicroTime(now));
        spec.lease_duration_seconds = i32::try_from(LEASE.as_secs()).ok();
        fence(super::apply::replace(&self.api, &lease).await)
    }

    async fn create(&self) -> Result<Option<i64>, super::Error> {
        let now = wall();
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: Some(MicroTime(now)),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            ..ObjectMeta::default()
        };
        let lease = Lease {
            metadata,
            spec: Some(spec),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "a Lease is no child: the elector keeps it by itself"
        )]
        let created = super::apply::deadline(
            "create the lease",
            self.api.create(&PostParams::default(), &lease),
        )
        .await;
        fence(created)
    }
}

/// The fence of a Lease that was written; none where another replica was first.
fn fence(written: Result<Lease, super::Error>) -> Result<Option<i64>, super::Error> {
    match written {
        Ok(lease) => {
            let version = lease.resource_version().unwrap_or_default();
            version
                .parse()
                .map(Some)
                .map_err(|_| super::Error::Version {
                    object: "the lease".into(),
                    version,
                })
        }
        Err(why) if why.code() == Some(409) => Ok(None),
        Err(why) => Err(why),
    }
}
