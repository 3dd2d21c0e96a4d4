//! One namespace of a grant in a member: its quota and its pods, as its administrator sees them.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod, ResourceQuota};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};

use crate::eventually;
use crate::world::{SOON, pod};

/// A namespace with a quota named `qipan`.
#[derive(Clone)]
pub struct Leaf {
    client: Client,
    /// Its name.
    pub namespace: String,
}

impl Leaf {
    /// The namespace as this client sees it.
    #[must_use]
    pub fn of(client: &Client, namespace: &str) -> Self {
        Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
        }
    }

    /// Its quota.
    pub async fn quota(&self) -> Result<ResourceQuota> {
        let quotas: Api<ResourceQuota> = Api::namespaced(self.client.clone(), &self.namespace);
        Ok(quotas.get("qipan").await?)
    }

    /// The limit that is in force; empty where there is none.
    pub async fn hard(&self, resource: &str) -> Result<String> {
        let status = self.quota().await?.status.unwrap_or_default();
        let hard = status.hard.unwrap_or_default();
        Ok(hard.get(resource).map(|q| q.0.clone()).unwrap_or_default())
    }

    /// Waits until so much CPU is in force.
    pub async fn cpu_becomes(&self, wanted: &str) -> Result<()> {
        let what = format!("{} has {wanted} CPU", self.namespace);
        eventually(&what, SOON, async || {
            let cpu = self.hard("requests.cpu").await?;
            ensure!(cpu == wanted, "it has {cpu:?}");
            Ok(())
        })
        .await
    }

    /// Asks once for a pod of so much CPU.
    pub async fn create_pod(&self, name: &str, cpu: &str) -> kube::Result<Pod> {
        self.pod_api()
            .create(&PostParams::default(), &pod(name, cpu))
            .await
    }

    /// Makes a pod of so much CPU as soon as it is admitted.
    pub async fn run_pod(&self, name: &str, cpu: &str) -> Result<()> {
        let what = format!("pod {name} is admitted");
        eventually(&what, SOON, async || self.create_pod(name, cpu).await)
            .await
            .map(drop)
    }

    /// Ends a pod at once.
    pub async fn remove_pod(&self, name: &str) -> Result<()> {
        let now = DeleteParams::default().grace_period(0);
        self.pod_api().delete(name, &now).await?;
        Ok(())
    }

    /// The names of its pods.
    pub async fn pods(&self) -> Result<Vec<String>> {
        let list = self.pod_api().list(&ListParams::default()).await?;
        Ok(list.iter().map(kube::ResourceExt::name_any).collect())
    }

    /// The UID of the namespace itself.
    pub async fn uid(&self) -> Result<String> {
        self.is_there()
            .await?
            .and_then(|n| n.uid())
            .with_context(|| format!("no namespace {}", self.namespace))
    }

    /// The namespace, where there is one.
    pub async fn is_there(&self) -> Result<Option<Namespace>> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        Ok(namespaces.get_opt(&self.namespace).await?)
    }

    fn pod_api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}
