//! Which replica of the portal records: the holder of a `coordination.k8s.io/v1` Lease. It saves work; that nothing is
//! recorded twice never depends on it.
//!
//! The semantics are those of the operator's (client-go's `leaderelection`). The chart makes the Lease; the portal may
//! only change it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};

use super::ClusterError;
use super::own::in_time;

/// The Lease.
pub const LEASE: &str = "qipan-portal";
/// How long it counts after its last renewal, by the clock of who looks.
const COUNTS: Duration = Duration::from_secs(15);
/// A holder that could not renew for this long stops.
const RENEWED_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked at.
const PERIOD: Duration = Duration::from_secs(2);

/// One replica's view of the Lease.
pub struct Elector {
    leases: Api<Lease>,
    identity: String,
    seen: Option<(String, Instant)>,
}

impl Elector {
    /// An elector; `identity` tells replicas apart.
    #[must_use]
    pub fn new(client: Client, namespace: &str, identity: String) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            identity,
            seen: None,
        }
    }

    /// Waits until this replica leads.
    pub async fn acquire(&mut self, now: impl Fn() -> Timestamp) {
        let mut said = false;
        loop {
            match self.attempt(now()).await {
                Ok(true) => return,
                Err(error) if !said => {
                    said = true;
                    tracing::warn!(%error, "failed to look at the lease");
                }
                Ok(false) | Err(_) => {}
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Renews until that fails for too long; then this replica must stop.
    pub async fn hold(&mut self, now: impl Fn() -> Timestamp) {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(PERIOD).await;
            match self.attempt(now()).await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => return,
                Err(_) if renewed.elapsed() < RENEWED_WITHIN => {}
                Err(error) => {
                    tracing::error!(%error, "the lease could not be renewed in time");
                    return;
                }
            }
        }
    }

    /// Gives the Lease up, so that another replica leads at once.
    pub async fn release(&mut self, now: Timestamp) {
        if let Ok(mut lease) = in_time(self.leases.get(LEASE)).await {
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(&self.identity) {
                spec.holder_identity = Some(String::new());
                spec.renew_time = Some(MicroTime(now));
                let _another_replica_waits_then = self.replace(&lease).await;
            }
        }
    }

    async fn attempt(&mut self, now: Timestamp) -> Result<bool, ClusterError> {
        let mut lease = in_time(self.leases.get(LEASE)).await?;
        let version = lease.resource_version().unwrap_or_default();
        let spec = lease.spec.get_or_insert_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        if holder != self.identity {
            let fresh = match &self.seen {
                Some((seen, at)) if *seen == version => at.elapsed() < COUNTS,
                _ => {
                    self.seen = Some((version, Instant::now()));
                    true
                }
            };
            if fresh && !holder.is_empty() {
                return Ok(false);
            }
            spec.holder_identity = Some(self.identity.clone());
            spec.acquire_time = Some(MicroTime(now));
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0) + 1);
        }
        spec.renew_time = Some(MicroTime(now));
        spec.lease_duration_seconds = i32::try_from(COUNTS.as_secs()).ok();
        match self.replace(&lease).await {
            Ok(()) => Ok(true),
            Err(ClusterError::Api(kube::Error::Api(status))) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn replace(&self, lease: &Lease) -> Result<(), ClusterError> {
        let params = PostParams::default();
        #[expect(
            clippy::disallowed_methods,
            reason = "one of the portal's two own writes"
        )]
        let replaced = self.leases.replace(LEASE, &params, lease);
        in_time(replaced).await.map(drop)
    }
}
