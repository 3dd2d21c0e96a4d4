//! What a leaf shows when it is read past every cache.

use crds::{ResourceList, keys};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, Service};
use kube::api::ListParams;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::{Connection, QuotaSeen, Seen, charged};
use crate::runtime::apply::deadline;
use crate::runtime::clock::steady;
use crate::runtime::{Child, Error};

/// Objects of a namespace that are read at once.
const PAGE: u32 = 500;

/// What a leaf was read to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// When the reading began, by the steady clock.
    pub at: Timestamp,
    /// Its quota; `None` where there is none, with or without the namespace.
    pub leaf: Option<Leaf>,
}

/// A leaf's quota, with what the objects of its namespace add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Whose it is.
    pub owner: String,
    /// The ledger epoch that it shows.
    pub epoch: i64,
    /// `spec.hard`.
    pub hard: ResourceList,
    /// `status.hard`; empty while it was not seen by the quota controller.
    pub in_force: ResourceList,
    /// The larger of `status.used` and what is listed, for each name of `status.used`.
    pub charged: ResourceList,
}

impl Connection {
    /// Reads a leaf and notes it as its latest [`Proof`].
    ///
    /// # Errors
    /// What the cluster says, or that it does not answer.
    pub async fn look(&self, namespace: &str) -> Result<(), Error> {
        let at = steady();
        let api = Api::<ResourceQuota>::namespaced(self.client.clone(), namespace);
        // Without a resource version: the answer is as new as the storage.
        let quota = deadline("read a leaf's quota", api.get_opt(keys::QIPAN)).await?;
        let leaf = match quota {
            Some(quota) => self.leaf(namespace, quota).await?,
            None => None,
        };
        self.cache.prove(namespace, Proof { at, leaf });
        Ok(())
    }

    async fn leaf(&self, namespace: &str, quota: ResourceQuota) -> Result<Option<Leaf>, Error> {
        let seen = Seen::of(&Child::ResourceQuota(quota), steady());
        let Some(QuotaSeen {
            epoch,
            hard,
            in_force,
            used,
            ..
        }) = seen.quota
        else {
            return Ok(None);
        };
        let listed = self.sum::<Pod>(namespace, "pods", charged::pod).await?;
        let claims =
            self.sum::<PersistentVolumeClaim>(namespace, "persistentvolumeclaims", charged::claim);
        let listed = listed.plus(&claims.await?);
        let services = self.sum::<Service>(namespace, "services", charged::service);
        let listed = listed.plus(&services.await?);
        let used = used.unwrap_or_default();
        Ok(Some(Leaf {
            owner: seen.owner,
            epoch,
            hard,
            in_force: in_force.unwrap_or_default(),
            charged: used.max(&listed.in_names_of(&used)),
        }))
    }

    async fn sum<K>(
        &self,
        namespace: &str,
        plural: &str,
        charged: fn(&K) -> ResourceList,
    ) -> Result<ResourceList, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client.clone(), namespace);
        let (mut page, mut sum) = (ListParams::default().limit(PAGE), ResourceList::default());
        loop {
            let list = deadline(&format!("list the {plural} of a leaf"), api.list(&page)).await?;
            sum = list
                .items
                .iter()
                .fold(sum, |sum, object| sum.plus(&charged(object)));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(sum),
            }
        }
    }
}
