//! A small world for tests of the operator: a hub and a member with everything installed, the operator under its own roles,
//! one platform on the member, and makers of tenants and grants whose names differ in every place.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crds::{ConditionType, Tenant, TenantQuota};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::{
    FIELD_MANAGER, HUB, Leaf, NAMESPACE, Operator, Options, Spec, Testbed, WayIn, apply_yaml,
    eventually, install_hub, install_member, register_member_secret,
};

/// The member of the small world.
pub const MEMBER: &str = "province";
/// Its platform.
pub const PLATFORM: &str = "zhongxin";
/// The pool of the platform: 1000 CPU, 4000 GiB, 100 TiB.
pub const POOL: &str = "x86";
/// How long something may take that takes a second.
pub const SOON: Duration = Duration::from_secs(30);

/// A hub, a member, the operator.
#[derive(Debug)]
pub struct World {
    /// The clusters.
    pub testbed: Testbed,
    /// The operator.
    pub operator: Operator,
    /// Where it is asked for ways in.
    pub way_in: WayIn,
}

impl World {
    /// Starts it: control planes, manifests, the platform, the operator.
    pub async fn start(spec: Spec) -> Result<Self> {
        let testbed = Testbed::start(spec).await?;
        install_hub(&testbed).await?;
        let members: Vec<String> = testbed.members().map(ToOwned::to_owned).collect();
        for member in &members {
            install_member(&testbed, member).await?;
            register_member_secret(&testbed, member, &format!("{member}-kubeconfig")).await?;
        }
        let hub = testbed.client(HUB).await?;
        apply_yaml(&hub, &profile(), NAMESPACE).await?;
        apply_yaml(&hub, &platform(PLATFORM, MEMBER, 1000), NAMESPACE).await?;
        let way_in = WayIn::prepare(testbed.dir())?;
        let options = Options {
            args: way_in.operator_args(),
            ..Options::default()
        };
        let operator = Operator::start(&testbed, options).await?;
        Ok(Self {
            testbed,
            operator,
            way_in,
        })
    }

    /// A client of the hub's administrator.
    pub async fn hub(&self) -> Result<Client> {
        self.testbed.client(HUB).await
    }

    /// A client of the member's administrator.
    pub async fn member(&self) -> Result<Client> {
        self.testbed.client(MEMBER).await
    }

    /// A namespace of the member.
    pub async fn leaf(&self, namespace: &str) -> Result<Leaf> {
        Ok(Leaf::of(&self.member().await?, namespace))
    }

    /// Applies an object to the hub.
    pub async fn put(&self, object: &Value) -> Result<()> {
        apply_yaml(&self.hub().await?, &object.to_string(), NAMESPACE)
            .await
            .map(drop)
    }

    /// Makes a tenant and waits until it is ready.
    pub async fn tenant(&self, name: &str) -> Result<()> {
        self.put(&tenant(name)).await?;
        self.tenant_says(name, "Ready").await.map(drop)
    }

    /// Waits until a tenant gives this reason; gives the sentence.
    pub async fn tenant_says(&self, name: &str, reason: &str) -> Result<String> {
        let api: Api<Tenant> = Api::all(self.hub().await?);
        eventually(&format!("{name} says {reason}"), SOON, async || {
            let status = api.get(name).await?.status.unwrap_or_default();
            let ready = status
                .conditions
                .get(ConditionType::Ready)
                .context("not judged yet")?;
            ensure!(
                ready.reason == reason,
                "it says {}: {}",
                ready.reason,
                ready.message
            );
            Ok(ready.message.clone())
        })
        .await
    }

    /// Applies a grant.
    pub async fn grant(&self, grant: &Value) -> Result<()> {
        self.put(grant).await
    }

    /// A grant as it is now.
    pub async fn grant_of(&self, tenant: &str, name: &str) -> Result<TenantQuota> {
        let api: Api<TenantQuota> = Api::namespaced(self.hub().await?, &format!("qp-{tenant}"));
        Ok(api.get(name).await?)
    }

    /// Waits until a grant is refused for this reason; gives the sentence.
    pub async fn refused(&self, namespace: &str, name: &str, reason: &str) -> Result<String> {
        let grant = self
            .says(namespace, name, ConditionType::Ready, "False", reason)
            .await?;
        let status = grant.status.unwrap_or_default();
        let ready = status.conditions.get(ConditionType::Ready);
        Ok(ready.map(|c| c.message.clone()).unwrap_or_default())
    }

    /// Waits until a deleted grant is gone.
    pub async fn gone(&self, namespace: &str, name: &str) -> Result<()> {
        let api: Api<TenantQuota> = Api::namespaced(self.hub().await?, namespace);
        eventually(&format!("{namespace}/{name} is gone"), SOON, async || {
            let there = api.get_opt(name).await?;
            ensure!(
                there.is_none(),
                "{:?}",
                there.and_then(|q| q.status).map(|s| s.conditions)
            );
            Ok(())
        })
        .await
    }

    /// Waits until a grant says something about itself.
    #[expect(
        clippy::too_many_arguments,
        reason = "which grant, which condition, what it says: no two belong together"
    )]
    pub async fn says(
        &self,
        namespace: &str,
        name: &str,
        type_: ConditionType,
        status: &str,
        reason: &str,
    ) -> Result<TenantQuota> {
        let api: Api<TenantQuota> = Api::namespaced(self.hub().await?, namespace);
        eventually(
            &format!("{name} says {type_:?}={status} {reason}"),
            SOON,
            async || {
                let quota = api.get(name).await?;
                let conditions = quota.status.clone().unwrap_or_default().conditions;
                let condition = conditions
                    .get(type_)
                    .with_context(|| format!("no {type_:?} in {conditions:?}"))?;
                let current = condition.observed_generation == quota.metadata.generation;
                ensure!(
                    current
                        && format!("{:?}", condition.status) == status
                        && condition.reason == reason,
                    "it says {:?} {}: {} (generation {:?} of {:?})",
                    condition.status,
                    condition.reason,
                    condition.message,
                    condition.observed_generation,
                    quota.metadata.generation
                );
                Ok(quota)
            },
        )
        .await
    }

    /// Waits until a grant is in force.
    pub async fn in_force(&self, namespace: &str, name: &str) -> Result<TenantQuota> {
        self.says(namespace, name, ConditionType::Ready, "True", "InForce")
            .await
    }

    /// Merges a patch into a grant as the administrator.
    pub async fn patch(&self, namespace: &str, name: &str, patch: Value) -> Result<()> {
        let api: Api<TenantQuota> = Api::namespaced(self.hub().await?, namespace);
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        api.patch(name, &params, &Patch::Merge(&patch)).await?;
        Ok(())
    }

    /// Deletes a grant.
    pub async fn delete(&self, namespace: &str, name: &str) -> Result<()> {
        let api: Api<TenantQuota> = Api::namespaced(self.hub().await?, namespace);
        api.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// The message of a platform's condition.
    pub async fn platform_says(
        &self,
        name: &str,
        type_: ConditionType,
        reason: &str,
    ) -> Result<String> {
        let api: Api<crds::CloudPlatform> = Api::all(self.hub().await?);
        eventually(
            &format!("platform {name} says {type_:?} {reason}"),
            SOON,
            async || {
                let platform = api.get(name).await?;
                let conditions = platform.status.unwrap_or_default().conditions;
                let condition = conditions.get(type_).context("not judged yet")?;
                ensure!(
                    condition.reason == reason,
                    "it says {}: {}",
                    condition.reason,
                    condition.message
                );
                Ok(condition.message.clone())
            },
        )
        .await
    }
}

/// The rules of the small world: a hub in the Management zone, a settle time of a second.
#[must_use]
pub fn profile() -> String {
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "GovernanceProfile", "metadata": { "name": "default" },
        "spec": { "province": { "zh": "测试省" }, "hubZone": "Management", "quota": { "settleSeconds": 1 } },
    })
    .to_string()
}

/// A platform with one cluster and one pool of so many CPU.
#[must_use]
pub fn platform(name: &str, cluster: &str, cpu: u32) -> String {
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudPlatform", "metadata": { "name": name },
        "spec": {
            "displayName": { "zh": "中心云", "en": "Center" }, "tier": "Provincial", "provision": "SelfBuilt", "owner": "数据局",
            "crossZoneApproval": { "number": "A-1", "by": "ciso", "until": "2099-12-31" },
            "clusters": [{ "name": cluster, "zone": "Extranet", "connection": { "kubeconfigSecret": format!("{cluster}-kubeconfig") } }],
            "pools": [{
                "name": POOL, "zone": "Extranet", "architecture": "amd64", "cluster": cluster,
                "capacity": { "cpu": cpu, "memory": "4000Gi", "storage": "100Ti", "pods": 10000 },
            }],
        },
    })
    .to_string()
}

/// A tenant without a parent.
#[must_use]
pub fn tenant(name: &str) -> Value {
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": name },
        "spec": {
            "displayName": { "zh": "水务局" }, "level": "City",
            "owners": [{ "kind": "User", "name": format!("{name}-owner") }],
        },
    })
}

/// A grant of so many CPU, split over namespaces.
#[must_use]
pub fn grant(tenant: &str, name: &str, cpu: u32, namespaces: &[(&str, u32)]) -> Value {
    let leaves: Vec<_> = namespaces
        .iter()
        .map(|(name, cpu)| json!({ "name": name, "hard": { "cpu": cpu, "memory": format!("{cpu}Gi"), "pods": 10 } }))
        .collect();
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "TenantQuota",
        "metadata": { "name": name, "namespace": format!("qp-{tenant}") },
        "spec": {
            "platform": PLATFORM, "zone": "Extranet", "pool": POOL,
            "hard": { "cpu": cpu, "memory": format!("{cpu}Gi"), "pods": 10 * namespaces.len() },
            "namespaces": leaves,
        },
    })
}

/// A pod that asks for so much CPU and that the restricted standard admits.
#[must_use]
pub fn pod(name: &str, cpu: &str) -> k8s_openapi::api::core::v1::Pod {
    let pod = json!({
        "metadata": { "name": name },
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": { "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "main", "image": "none",
                "resources": { "requests": { "cpu": cpu, "memory": "16Mi" }, "limits": { "cpu": cpu, "memory": "16Mi" } },
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            }],
        },
    });
    serde_json::from_value(pod).unwrap_or_default()
}
