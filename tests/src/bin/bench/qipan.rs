//! Qipan's way to the same objects: grants are applied, and everything follows.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use crds::{ConditionType, Tenant, TenantQuota};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use harness::world::{grant, tenant};
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{ListParams, PostParams};
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Bench, Writes, measure};

/// A round of Qipan's.
pub(crate) struct Round {
    /// From the first grant applied until the last says that it is in force.
    pub(crate) took: Duration,
    /// Objects that stand in the member for it.
    pub(crate) objects: usize,
    /// What the operator wrote for it.
    pub(crate) writes: Writes,
}

/// Makes the tenants, which is not timed, and then applies their grants.
pub(crate) async fn round(bench: &Bench, round: &str) -> Result<Round> {
    let args = &bench.args;
    let names: Vec<String> = (0..args.tenants).map(|i| format!("{round}-t{i}")).collect();
    make_tenants(bench, round, &names).await?;
    rest(bench).await?;

    let marks = Writes::mark(&bench.world)?;
    let grants: Vec<TenantQuota> = names
        .iter()
        .map(|name| wanted(name, round, args.namespaces))
        .collect::<Result<_>>()?;
    let all = measure::all(
        Api::<TenantQuota>::all(bench.hub.clone()),
        &format!("bench={round}"),
        grants.len(),
        |grant: &TenantQuota| {
            let status = grant.status.clone().unwrap_or_default();
            let ready = status.conditions.get(ConditionType::Ready);
            ready.is_some_and(|r| r.reason == "InForce")
        },
    )
    .await?;
    let began = Instant::now();
    stream::iter(&grants)
        .map(async |grant| {
            let namespace = grant.metadata.namespace.clone().unwrap_or_default();
            let api: Api<TenantQuota> = Api::namespaced(bench.hub.clone(), &namespace);
            api.create(&PostParams::default(), grant).await.map(drop)
        })
        .buffer_unordered(args.connections)
        .try_collect::<Vec<()>>()
        .await?;
    let took = all.done(began).await?;
    let objects = complete(bench, round, args.tenants * args.namespaces).await?;
    rest(bench).await?;
    Ok(Round {
        took,
        objects,
        writes: Writes::since(&bench.world, marks)?,
    })
}

/// Makes the tenants and waits until each is ready.
async fn make_tenants(bench: &Bench, round: &str, names: &[String]) -> Result<()> {
    let tenants: Api<Tenant> = Api::all(bench.hub.clone());
    let ready = measure::all(
        tenants.clone(),
        &format!("bench={round}"),
        names.len(),
        |tenant: &Tenant| {
            tenant
                .status
                .as_ref()
                .is_some_and(|s| s.conditions.is_true(ConditionType::Ready))
        },
    )
    .await?;
    let began = Instant::now();
    stream::iter(names)
        .map(async |name| {
            let mut tenant = tenant(name);
            tenant["metadata"]["labels"] = json!({ "bench": round });
            let tenant: Tenant = serde_json::from_value(tenant)?;
            tenants.create(&PostParams::default(), &tenant).await?;
            anyhow::Ok(())
        })
        .buffer_unordered(bench.args.connections)
        .try_collect::<Vec<()>>()
        .await?;
    ready.done(began).await.map(drop)
}

/// Waits until nothing is written for two seconds.
async fn rest(bench: &Bench) -> Result<()> {
    loop {
        let marks = Writes::mark(&bench.world)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        if Writes::since(&bench.world, marks)?.count == 0 {
            return Ok(());
        }
    }
}

fn wanted(tenant: &str, round: &str, namespaces: usize) -> Result<TenantQuota> {
    let names: Vec<String> = (0..namespaces).map(|i| format!("n{i}")).collect();
    let leaves: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut grant = grant(tenant, "g", u32::try_from(namespaces)?, &leaves);
    grant["metadata"]["labels"] = json!({ "bench": round });
    Ok(serde_json::from_value(grant)?)
}

/// Counts what stands in the member; "in force" must not be all that there is.
async fn complete(bench: &Bench, round: &str, leaves: usize) -> Result<usize> {
    let client = &bench.member;
    let mut objects = 0;
    for (found, each) in [
        (named::<Namespace>(client, round).await?, 1),
        (within::<ResourceQuota>(client, round).await?, 1),
        (within::<LimitRange>(client, round).await?, 1),
        (within::<NetworkPolicy>(client, round).await?, 2),
        (within::<RoleBinding>(client, round).await?, 1),
    ] {
        ensure!(
            found == leaves * each,
            "{found} objects of {} are there",
            leaves * each
        );
        objects += found;
    }
    Ok(objects)
}

fn ours() -> ListParams {
    ListParams::default().labels("app.kubernetes.io/managed-by=qipan")
}

async fn named<K>(client: &Client, round: &str) -> Result<usize>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let list = Api::<K>::all(client.clone()).list(&ours()).await?;
    let prefix = format!("{round}-t");
    let here = |o: &&K| {
        o.meta()
            .name
            .as_ref()
            .is_some_and(|n| n.starts_with(&prefix))
    };
    Ok(list.iter().filter(here).count())
}

async fn within<K>(client: &Client, round: &str) -> Result<usize>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let list = Api::<K>::all(client.clone()).list(&ours()).await?;
    let prefix = format!("{round}-t");
    let here = |o: &&K| {
        o.meta()
            .namespace
            .as_ref()
            .is_some_and(|n| n.starts_with(&prefix))
    };
    Ok(list.iter().filter(here).count())
}
