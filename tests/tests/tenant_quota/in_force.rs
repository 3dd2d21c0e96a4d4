//! What is granted comes into force, is moved, lowered and handed on, and never adds up to more.

use crds::ConditionType;
use harness::Leaf;
use harness::world::{MEMBER, PLATFORM, POOL, grant};
use k8s_openapi::api::core::v1::LimitRange;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use super::world;

#[tokio::test]
async fn a_grant_comes_into_force_and_refuses_a_pod_too_many() {
    let world = world().await;
    world.tenant("shuiwu").await.unwrap();
    let wanted = grant("shuiwu", "fangxun", 6, &[("web", 4), ("db", 2)]);
    world.grant(&wanted).await.unwrap();
    let granted = world.in_force("qp-shuiwu", "fangxun").await.unwrap();
    assert_eq!(granted.status.unwrap().in_force.as_deref(), Some("2/2"));
    let (member, web) = (
        world.member().await.unwrap(),
        world.leaf("shuiwu-web").await.unwrap(),
    );
    assert_eq!(web.hard("requests.cpu").await.unwrap(), "4");
    assert_eq!(
        web.hard("services.loadbalancers").await.unwrap(),
        "0",
        "what was not granted is 0, not unlimited"
    );
    assert_eq!(web.hard("requests.storage").await.unwrap(), "0");
    let limits: Api<LimitRange> = Api::namespaced(member.clone(), "shuiwu-web");
    limits.get("qipan").await.unwrap();
    let policies: Api<NetworkPolicy> = Api::namespaced(member.clone(), "shuiwu-web");
    let policies = policies.list(&ListParams::default()).await.unwrap();
    assert_eq!(policies.items.len(), 2);
    let bindings: Api<RoleBinding> = Api::namespaced(member, "shuiwu-web");
    let binding = bindings.get("qipan:tenant").await.unwrap();
    assert_eq!(binding.subjects.unwrap()[0].name, "shuiwu-owner");
    // As the tenant's owner, with the owner's own rights.
    let owner = world.testbed.client_as(MEMBER, "shuiwu-owner", &[]).await;
    let owners = Leaf::of(&owner.unwrap(), "shuiwu-web");
    owners.run_pod("one", "3").await.unwrap();
    let refusal = owners.create_pod("two", "2").await.unwrap_err().to_string();
    assert!(refusal.contains("exceeded quota: qipan"), "{refusal}");
    assert_eq!(web.pods().await.unwrap(), ["one"]);
}

#[tokio::test]
async fn two_grants_for_the_last_unit_one_is_admitted_and_the_other_says_what_is_missing() {
    let world = world().await;
    for tenant in ["zuihou-a", "zuihou-b"] {
        world.tenant(tenant).await.unwrap();
    }
    let (a, b) = (
        grant("zuihou-a", "last", 600, &[("x", 600)]),
        grant("zuihou-b", "last", 600, &[("x", 600)]),
    );
    let (a, b) = tokio::join!(world.grant(&a), world.grant(&b));
    a.unwrap();
    b.unwrap();
    let (first, second) = tokio::join!(
        world.in_force("qp-zuihou-a", "last"),
        world.in_force("qp-zuihou-b", "last"),
    );
    assert!(
        first.is_ok() != second.is_ok(),
        "exactly one fits: {first:?} {second:?}"
    );
    let (winner, loser) = if first.is_ok() {
        ("qp-zuihou-a", "qp-zuihou-b")
    } else {
        ("qp-zuihou-b", "qp-zuihou-a")
    };
    let message = world.refused(loser, "last", "PoolExhausted").await.unwrap();
    for part in ["requests.cpu", POOL, PLATFORM, "are missing"] {
        assert!(message.contains(part), "{message}");
    }
    // What one gives back goes to the one who waits.
    world.delete(winner, "last").await.unwrap();
    world.in_force(loser, "last").await.unwrap();
    world.delete(loser, "last").await.unwrap();
}

#[tokio::test]
async fn raising_and_lowering_follow_the_ledger() {
    let world = world().await;
    world.tenant("zhuanyi").await.unwrap();
    let wanted = grant("zhuanyi", "yidong", 10, &[("a", 8), ("b", 2)]);
    world.grant(&wanted).await.unwrap();
    world.in_force("qp-zhuanyi", "yidong").await.unwrap();
    let (a, b) = (
        world.leaf("zhuanyi-a").await.unwrap(),
        world.leaf("zhuanyi-b").await.unwrap(),
    );
    a.run_pod("busy", "5").await.unwrap();
    // Move 6 from a to b: a is in use up to 5, so b may have 5 at once after the settle time, and the rest stays with a.
    let wanted = json!({ "spec": { "namespaces": [
        { "name": "a", "hard": { "cpu": 2, "memory": "8Gi", "pods": 10 } }, { "name": "b", "hard": { "cpu": 8, "memory": "2Gi", "pods": 10 } },
    ] } });
    world.patch("qp-zhuanyi", "yidong", wanted).await.unwrap();
    a.cpu_becomes("2").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(
        b.hard("requests.cpu").await.unwrap(),
        "2",
        "5 are in use in a: 8 do not fit beside them"
    );
    a.remove_pod("busy").await.unwrap();
    b.cpu_becomes("8").await.unwrap();
    world.in_force("qp-zhuanyi", "yidong").await.unwrap();
}

#[tokio::test]
async fn a_grant_lowered_below_use_is_over_grant_and_evicts_nothing() {
    let world = world().await;
    world.tenant("chaoe").await.unwrap();
    let wanted = grant("chaoe", "jian", 8, &[("x", 8)]);
    world.grant(&wanted).await.unwrap();
    world.in_force("qp-chaoe", "jian").await.unwrap();
    let leaf = world.leaf("chaoe-x").await.unwrap();
    leaf.run_pod("busy", "6").await.unwrap();
    let less = grant("chaoe", "jian", 2, &[("x", 2)]);
    world.grant(&less).await.unwrap();
    let over = world
        .says(
            "qp-chaoe",
            "jian",
            ConditionType::OverGrant,
            "True",
            "OverGrant",
        )
        .await;
    let over = over.unwrap().status.unwrap();
    let said = over.conditions.get(ConditionType::OverGrant).unwrap();
    assert!(said.message.contains("chaoe-x"), "{}", said.message);
    assert!(
        over.admitted.of("requests.cpu") >= crds::Quantity::units(6),
        "what is in use stays charged"
    );
    assert_eq!(leaf.pods().await.unwrap(), ["busy"]);
    leaf.remove_pod("busy").await.unwrap();
    let settled = world.in_force("qp-chaoe", "jian").await.unwrap();
    let admitted = settled.status.unwrap().admitted;
    assert_eq!(admitted.of("requests.cpu").to_string(), "2");
}
