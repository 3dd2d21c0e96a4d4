//! What the portal writes under its own name: the head of its ledger, and (`lease.rs`) its Lease. Nothing else.
//!
//! The chart makes the objects and the portal may only change them: one that was deleted is missed, not made anew.

use std::future::Future;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};

use super::{ClusterError, DEADLINE};

/// The object that holds the ledger's heads.
pub const HEADS: &str = "qipan-audit-head";
const KEY: &str = "heads";

/// The portal's own objects on the hub.
#[derive(Clone)]
pub struct OwnObjects {
    maps: Api<ConfigMap>,
}

/// The heads that are anchored, a line each, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// The lines.
    pub text: String,
    /// The object's resourceVersion: a write on top of another's is refused.
    pub version: String,
}

impl OwnObjects {
    /// The objects in Qipan's namespace.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            maps: Api::namespaced(client, namespace),
        }
    }

    /// The anchored heads.
    ///
    /// # Errors
    /// The hub does not answer, or the object is not there.
    pub async fn heads(&self) -> Result<Heads, ClusterError> {
        let map = in_time(self.maps.get(HEADS)).await?;
        Ok(Heads {
            version: map.resource_version().unwrap_or_default(),
            text: map
                .data
                .and_then(|mut data| data.remove(KEY))
                .unwrap_or_default(),
        })
    }

    /// Replaces the heads that were read.
    ///
    /// # Errors
    /// The hub does not answer, or another replica wrote meanwhile.
    pub async fn put_heads(&self, heads: &Heads) -> Result<(), ClusterError> {
        let mut map = in_time(self.maps.get(HEADS)).await?;
        map.metadata.resource_version = Some(heads.version.clone());
        map.metadata.managed_fields = None;
        map.data = Some([(KEY.to_owned(), heads.text.clone())].into());
        #[expect(
            clippy::disallowed_methods,
            reason = "one of the portal's two own writes"
        )]
        in_time(self.maps.replace(HEADS, &PostParams::default(), &map)).await?;
        Ok(())
    }
}

/// An answer within the deadline.
pub(super) async fn in_time<T>(
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ClusterError> {
    tokio::time::timeout(DEADLINE, call)
        .await
        .map_err(|_| ClusterError::Deadline)?
        .map_err(ClusterError::Api)
}
