//! What a grant has in a member: kept as it should be, never taken from others, and what becomes of it in the end.

use anyhow::ensure;
use harness::world::{SOON, grant};
use harness::{NAMESPACE, apply_yaml, eventually};
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::world;

#[tokio::test]
async fn drift_is_repaired_and_what_others_own_is_left_alone() {
    let world = world().await;
    world.tenant("piaoyi").await.unwrap();
    let wanted = grant("piaoyi", "hui", 4, &[("x", 4)]);
    world.grant(&wanted).await.unwrap();
    world.in_force("qp-piaoyi", "hui").await.unwrap();
    let member = world.member().await.unwrap();
    let quotas: Api<ResourceQuota> = Api::namespaced(member.clone(), "piaoyi-x");
    let policies: Api<NetworkPolicy> = Api::namespaced(member.clone(), "piaoyi-x");
    let namespaces: Api<Namespace> = Api::all(member);
    let raise = json!({ "spec": { "hard": { "requests.cpu": "400" } }, "metadata": { "labels": { "theirs": "kept" } } });
    let params = PatchParams::default();
    let raised = quotas.patch("qipan", &params, &Patch::Merge(&raise)).await;
    raised.unwrap();
    let gone = DeleteParams::default();
    policies.delete("qipan-default-deny", &gone).await.unwrap();
    let label =
        json!({ "metadata": { "labels": { "team": "blue", "qipan.dev/zone": "Internet" } } });
    let labelled = Patch::Merge(&label);
    let labelled = namespaces.patch("piaoyi-x", &params, &labelled).await;
    labelled.unwrap();
    world
        .leaf("piaoyi-x")
        .await
        .unwrap()
        .cpu_becomes("4")
        .await
        .unwrap();
    eventually("everything is back", SOON, async || {
        policies.get("qipan-default-deny").await?;
        let labels = namespaces.get("piaoyi-x").await?.metadata.labels;
        let labels = labels.unwrap_or_default();
        let is = |key: &str, value: &str| labels.get(key).is_some_and(|v| v == value);
        ensure!(is("qipan.dev/zone", "Extranet"), "{labels:?}");
        ensure!(is("team", "blue"), "{labels:?}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_namespace_that_is_somebody_elses_is_refused_with_its_name() {
    let world = world().await;
    world.tenant("zhanyong").await.unwrap();
    let theirs = "{apiVersion: v1, kind: Namespace, metadata: {name: zhanyong-web}}";
    let member = world.member().await.unwrap();
    apply_yaml(&member, theirs, NAMESPACE).await.unwrap();
    let wanted = grant("zhanyong", "chong", 1, &[("web", 1)]);
    world.grant(&wanted).await.unwrap();
    let said = world
        .refused("qp-zhanyong", "chong", "NamespaceTaken")
        .await;
    let said = said.unwrap();
    assert!(said.contains("zhanyong-web"), "{said}");
    let leaf = world.leaf("zhanyong-web").await.unwrap();
    assert!(leaf.quota().await.is_err(), "nothing was written into it");
    world.delete("qp-zhanyong", "chong").await.unwrap();
    world.gone("qp-zhanyong", "chong").await.unwrap();
    assert!(
        leaf.is_there().await.unwrap().is_some(),
        "and it was not deleted"
    );
}

#[tokio::test]
async fn a_deleted_grant_keeps_its_namespace_until_told_otherwise() {
    let world = world().await;
    world.tenant("shanchu").await.unwrap();
    let wanted = grant("shanchu", "zou", 3, &[("x", 3)]);
    world.grant(&wanted).await.unwrap();
    world.in_force("qp-shanchu", "zou").await.unwrap();
    let leaf = world.leaf("shanchu-x").await.unwrap();
    leaf.run_pod("busy", "2").await.unwrap();
    world.delete("qp-shanchu", "zou").await.unwrap();
    world
        .refused("qp-shanchu", "zou", "Draining")
        .await
        .unwrap();
    assert_eq!(leaf.pods().await.unwrap(), ["busy"], "its pods run on");
    leaf.remove_pod("busy").await.unwrap();
    world.gone("qp-shanchu", "zou").await.unwrap();
    assert_eq!(leaf.hard("requests.cpu").await.unwrap(), "0");
    // The same name again takes the namespace over, and this time it goes with the grant.
    let mut again = grant("shanchu", "zou", 3, &[("x", 3)]);
    again["spec"]["deletionPolicy"] = json!("Delete");
    world.grant(&again).await.unwrap();
    world.in_force("qp-shanchu", "zou").await.unwrap();
    world.delete("qp-shanchu", "zou").await.unwrap();
    world.gone("qp-shanchu", "zou").await.unwrap();
    assert!(leaf.is_there().await.unwrap().is_none());
}
