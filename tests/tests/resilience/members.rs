//! Members that vanish, freeze, or come back as another cluster.

use anyhow::{Context as _, ensure};
use crds::{CloudPlatform, ConditionStatus, ConditionType};
use harness::world::{World, grant, platform};
use harness::{Leaf, NAMESPACE, apply_yaml, eventually, install_member, register_member_secret};
use kube::Api;
use serde_json::{Value, json};

use super::{ACCOUNT, NOTICED, PAUSED, STOPPED, WIPED, world};

/// A platform of its own on one of the members, a tenant, and a grant of 4 CPU in one namespace that is in force.
async fn docked(world: &World, cluster: &str, tenant: &str) -> Value {
    let name = format!("pt-{cluster}");
    let hub = world.hub().await.unwrap();
    let platform = platform(&name, cluster, 100);
    apply_yaml(&hub, &platform, NAMESPACE).await.unwrap();
    world
        .platform_says(&name, ConditionType::Ready, "Connected")
        .await
        .unwrap();
    world.tenant(tenant).await.unwrap();
    let mut grant = grant(tenant, "zai", 4, &[("web", 4)]);
    grant["spec"]["platform"] = json!(name);
    world.grant(&grant).await.unwrap();
    world
        .in_force(&format!("qp-{tenant}"), "zai")
        .await
        .unwrap();
    grant
}

/// Waits until a lost member shows: the platform and the grant are unknown, not bad and not good.
async fn lost(world: &World, cluster: &str, tenant: &str) {
    let platforms: Api<CloudPlatform> = Api::all(world.hub().await.unwrap());
    eventually("the loss is noticed", NOTICED, async || {
        let status = platforms
            .get(&format!("pt-{cluster}"))
            .await?
            .status
            .unwrap_or_default();
        let reachable = status
            .conditions
            .get(ConditionType::Reachable)
            .context("not judged")?
            .clone();
        ensure!(
            reachable.status == ConditionStatus::Unknown && reachable.reason == "Unreachable",
            "{reachable:?}"
        );
        let grant = world
            .grant_of(tenant, "zai")
            .await?
            .status
            .unwrap_or_default();
        for type_ in [ConditionType::InForce, ConditionType::Reachable] {
            let said = grant.conditions.get(type_).context("not judged")?;
            ensure!(
                said.status == ConditionStatus::Unknown && said.reason == "MemberUnreachable",
                "{said:?}"
            );
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// While a member is away its grant asks for more: it is charged, and nothing of it is handed out until the member is back.
async fn frozen_and_back(
    world: &World,
    cluster: &str,
    tenant: &str,
    bring_back: impl AsyncFnOnce(),
) {
    let (namespace, leaf) = (format!("qp-{tenant}"), format!("{tenant}-web"));
    let before = world
        .grant_of(tenant, "zai")
        .await
        .unwrap()
        .status
        .unwrap()
        .leaves;
    let more = json!({ "spec": {
        "hard": { "cpu": 9, "memory": "9Gi", "pods": 20 },
        "namespaces": [
            { "name": "web", "hard": { "cpu": 7, "memory": "7Gi", "pods": 10 } },
            { "name": "neu", "hard": { "cpu": 2, "memory": "2Gi", "pods": 10 } },
        ],
    } });
    world.patch(&namespace, "zai", more).await.unwrap();
    let said = world
        .says(
            &namespace,
            "zai",
            ConditionType::InForce,
            "Unknown",
            "MemberUnreachable",
        )
        .await;
    let leaves = said.unwrap().status.unwrap().leaves;
    let web = |leaves: &[crds::tenant_quota::LeafEntry]| {
        let entry = leaves.iter().find(|l| l.namespace == leaf).unwrap();
        (entry.ceiling.clone(), entry.target.clone())
    };
    assert_eq!(
        web(&leaves).0,
        web(&before).0,
        "a ceiling rose in a member that nobody sees"
    );
    bring_back().await;
    let member = world.testbed.client(cluster).await.unwrap();
    eventually("what was asked for is in force", NOTICED, async || {
        let status = world
            .grant_of(tenant, "zai")
            .await?
            .status
            .unwrap_or_default();
        ensure!(
            status.conditions.is_true(ConditionType::Ready),
            "{:?}",
            status.conditions.get(ConditionType::Ready)
        );
        ensure!(
            status.in_force.as_deref() == Some("2/2"),
            "{:?}",
            status.in_force
        );
        let cpu = Leaf::of(&member, &leaf).hard("requests.cpu").await?;
        ensure!(cpu == "7", "{cpu}");
        Ok(())
    })
    .await
    .unwrap();
    world
        .platform_says(
            &format!("pt-{cluster}"),
            ConditionType::Reachable,
            "Connected",
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_member_that_vanishes_is_unknown_and_comes_back_whole() {
    let world = world().await;
    docked(world, STOPPED, "xiaoshi").await;
    let member = world.testbed.client(STOPPED).await.unwrap();
    let leaf = Leaf::of(&member, "xiaoshi-web");
    leaf.run_pod("laeuft", "3").await.unwrap();
    let uid = leaf.uid().await.unwrap();
    world.testbed.stop_cluster(STOPPED).await.unwrap();
    lost(world, STOPPED, "xiaoshi").await;
    frozen_and_back(world, STOPPED, "xiaoshi", async || {
        world.testbed.start_cluster(STOPPED).await.unwrap();
    })
    .await;
    let member = world.testbed.client(STOPPED).await.unwrap();
    let leaf = Leaf::of(&member, "xiaoshi-web");
    assert_eq!(
        leaf.uid().await.unwrap(),
        uid,
        "the namespace was made anew"
    );
    assert_eq!(leaf.pods().await.unwrap(), ["laeuft"]);
}

#[tokio::test]
async fn an_api_server_that_freezes_is_as_good_as_gone() {
    let world = world().await;
    docked(world, PAUSED, "dongjie").await;
    world.testbed.pause_cluster(PAUSED).await.unwrap();
    lost(world, PAUSED, "dongjie").await;
    frozen_and_back(world, PAUSED, "dongjie", async || {
        world.testbed.resume_cluster(PAUSED).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_empty_cluster_under_a_known_name_is_refused_and_left_empty() {
    let world = world().await;
    docked(world, WIPED, "qingkong").await;
    world.testbed.wipe_cluster(WIPED).await.unwrap();
    let mark = world.testbed.audit(WIPED).unwrap().mark().unwrap();
    install_member(&world.testbed, WIPED).await.unwrap();
    register_member_secret(&world.testbed, WIPED, &format!("{WIPED}-kubeconfig"))
        .await
        .unwrap();
    let name = format!("pt-{WIPED}");
    let said = eventually("the other cluster is noticed", NOTICED, async || {
        world
            .platform_says(&name, ConditionType::Reachable, "DifferentCluster")
            .await
    })
    .await
    .unwrap();
    assert!(said.contains(&format!("{name}/{WIPED}")), "{said}");
    world
        .patch(
            "qp-qingkong",
            "zai",
            json!({ "spec": { "hard": { "cpu": 5 } } }),
        )
        .await
        .unwrap();
    let grant = world
        .says(
            "qp-qingkong",
            "zai",
            ConditionType::InForce,
            "Unknown",
            "MemberUnreachable",
        )
        .await
        .unwrap();
    let said = grant.status.unwrap().conditions;
    assert_eq!(
        said.get(ConditionType::Ready).unwrap().status,
        ConditionStatus::Unknown
    );
    let written = world
        .testbed
        .audit(WIPED)
        .unwrap()
        .writes_by(ACCOUNT, mark)
        .unwrap();
    assert!(written.is_empty(), "{written:?}");
    let member = world.testbed.client(WIPED).await.unwrap();
    let there = Leaf::of(&member, "qingkong-web").is_there().await.unwrap();
    assert!(there.is_none(), "nothing is written into another cluster");
}
