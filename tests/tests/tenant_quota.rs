//! A grant on the real thing: from the CR to a pod too many, and what befalls it on the way.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use anyhow::ensure;
use crds::{ConditionType, TenantQuota};
use harness::world::{MEMBER, PLATFORM, POOL, SOON, World, grant, platform, pod, pods};
use harness::{HUB, NAMESPACE, Spec, apply_yaml, eventually};
use k8s_openapi::api::core::v1::{LimitRange, Namespace, Pod, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::OnceCell;

static WORLD: OnceCell<World> = OnceCell::const_new();

async fn world() -> &'static World {
    WORLD
        .get_or_init(async || World::start(Spec::default()).await.unwrap())
        .await
}

async fn quota(client: &Client, namespace: &str) -> anyhow::Result<ResourceQuota> {
    Ok(Api::<ResourceQuota>::namespaced(client.clone(), namespace)
        .get("qipan")
        .await?)
}

fn hard(quota: &ResourceQuota, name: &str) -> String {
    quota
        .status
        .as_ref()
        .and_then(|s| s.hard.as_ref()?.get(name))
        .map(|q| q.0.clone())
        .unwrap_or_default()
}

async fn create_pod(client: &Client, namespace: &str, name: &str, cpu: &str) -> kube::Result<Pod> {
    Api::<Pod>::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &pod(name, cpu))
        .await
}

#[tokio::test]
async fn a_grant_comes_into_force_and_refuses_a_pod_too_many() {
    let world = world().await;
    world.tenant("shuiwu").await.unwrap();
    world
        .grant(&grant("shuiwu", "fangxun", 6, &[("web", 4), ("db", 2)]))
        .await
        .unwrap();
    let granted = world.in_force("qp-shuiwu", "fangxun").await.unwrap();
    assert_eq!(granted.status.unwrap().in_force.as_deref(), Some("2/2"));
    let member = world.member().await.unwrap();
    let there = quota(&member, "shuiwu-web").await.unwrap();
    assert_eq!(hard(&there, "requests.cpu"), "4");
    assert_eq!(
        hard(&there, "services.loadbalancers"),
        "0",
        "what was not granted is 0, not unlimited"
    );
    assert_eq!(hard(&there, "requests.storage"), "0");
    assert!(
        Api::<LimitRange>::namespaced(member.clone(), "shuiwu-web")
            .get("qipan")
            .await
            .is_ok()
    );
    let policies = Api::<NetworkPolicy>::namespaced(member.clone(), "shuiwu-web");
    assert_eq!(
        policies
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        2
    );
    let binding = Api::<RoleBinding>::namespaced(member.clone(), "shuiwu-web")
        .get("qipan:tenant")
        .await
        .unwrap();
    assert_eq!(binding.subjects.unwrap()[0].name, "shuiwu-owner");
    // As the tenant's owner, with the owner's own rights.
    let owner = world
        .testbed
        .client_as(MEMBER, "shuiwu-owner", &[])
        .await
        .unwrap();
    eventually("a pod that fits is admitted", SOON, async || {
        create_pod(&owner, "shuiwu-web", "one", "3").await
    })
    .await
    .unwrap();
    let refusal = create_pod(&owner, "shuiwu-web", "two", "2")
        .await
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("exceeded quota: qipan"), "{refusal}");
    assert_eq!(pods(&member, "shuiwu-web").await.unwrap(), ["one"]);
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
        world.says(
            "qp-zuihou-a",
            "last",
            ConditionType::Ready,
            "True",
            "InForce"
        ),
        world.says(
            "qp-zuihou-b",
            "last",
            ConditionType::Ready,
            "True",
            "InForce"
        ),
    );
    assert!(
        first.is_ok() != second.is_ok(),
        "exactly one fits: {first:?} {second:?}"
    );
    let loser = if first.is_ok() {
        "qp-zuihou-b"
    } else {
        "qp-zuihou-a"
    };
    let refused = world
        .says(
            loser,
            "last",
            ConditionType::Ready,
            "False",
            "PoolExhausted",
        )
        .await
        .unwrap();
    let conditions = refused.status.unwrap().conditions;
    let message = &conditions.get(ConditionType::Ready).unwrap().message;
    for part in ["requests.cpu", POOL, PLATFORM, "are missing"] {
        assert!(message.contains(part), "{message}");
    }
    // What one gives back goes to the one who waits.
    let winner = if first.is_ok() {
        "qp-zuihou-a"
    } else {
        "qp-zuihou-b"
    };
    world.delete(winner, "last").await.unwrap();
    world.in_force(loser, "last").await.unwrap();
    world.delete(loser, "last").await.unwrap();
}

#[tokio::test]
async fn raising_and_lowering_follow_the_ledger() {
    let world = world().await;
    world.tenant("zhuanyi").await.unwrap();
    world
        .grant(&grant("zhuanyi", "yidong", 10, &[("a", 8), ("b", 2)]))
        .await
        .unwrap();
    world.in_force("qp-zhuanyi", "yidong").await.unwrap();
    let member = world.member().await.unwrap();
    eventually("a pod of a", SOON, async || {
        create_pod(&member, "zhuanyi-a", "busy", "5").await
    })
    .await
    .unwrap();
    // Move 6 from a to b: a is in use up to 5, so b may have 5 at once after the settle time, and the rest stays with a.
    let wanted = json!({ "spec": { "namespaces": [
        { "name": "a", "hard": { "cpu": 2, "memory": "8Gi", "pods": 10 } }, { "name": "b", "hard": { "cpu": 8, "memory": "2Gi", "pods": 10 } },
    ] } });
    world.patch("qp-zhuanyi", "yidong", wanted).await.unwrap();
    eventually("a is lowered", SOON, async || {
        let there = quota(&member, "zhuanyi-a").await?;
        ensure!(
            hard(&there, "requests.cpu") == "2",
            "{}",
            hard(&there, "requests.cpu")
        );
        Ok(())
    })
    .await
    .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let there = quota(&member, "zhuanyi-b").await.unwrap();
    assert_eq!(
        hard(&there, "requests.cpu"),
        "2",
        "5 are in use in a: 8 do not fit beside them"
    );
    Api::<Pod>::namespaced(member.clone(), "zhuanyi-a")
        .delete("busy", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    eventually("b is raised", SOON, async || {
        let there = quota(&member, "zhuanyi-b").await?;
        ensure!(
            hard(&there, "requests.cpu") == "8",
            "{}",
            hard(&there, "requests.cpu")
        );
        Ok(())
    })
    .await
    .unwrap();
    world.in_force("qp-zhuanyi", "yidong").await.unwrap();
}

#[tokio::test]
async fn a_grant_lowered_below_use_is_over_grant_and_evicts_nothing() {
    let world = world().await;
    world.tenant("chaoe").await.unwrap();
    world
        .grant(&grant("chaoe", "jian", 8, &[("x", 8)]))
        .await
        .unwrap();
    world.in_force("qp-chaoe", "jian").await.unwrap();
    let member = world.member().await.unwrap();
    eventually("a pod", SOON, async || {
        create_pod(&member, "chaoe-x", "busy", "6").await
    })
    .await
    .unwrap();
    world
        .grant(&grant("chaoe", "jian", 2, &[("x", 2)]))
        .await
        .unwrap();
    let over = world
        .says(
            "qp-chaoe",
            "jian",
            ConditionType::OverGrant,
            "True",
            "OverGrant",
        )
        .await
        .unwrap();
    let over = over.status.unwrap();
    assert!(
        over.conditions
            .get(ConditionType::OverGrant)
            .unwrap()
            .message
            .contains("chaoe-x")
    );
    assert!(
        over.admitted.of("requests.cpu") >= crds::Quantity::units(6),
        "what is in use stays charged"
    );
    assert_eq!(pods(&member, "chaoe-x").await.unwrap(), ["busy"]);
    Api::<Pod>::namespaced(member, "chaoe-x")
        .delete("busy", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    let settled = world
        .in_force("qp-chaoe", "jian")
        .await
        .unwrap()
        .status
        .unwrap();
    assert_eq!(settled.admitted.of("requests.cpu").to_string(), "2");
}

#[tokio::test]
async fn drift_is_repaired_and_what_others_own_is_left_alone() {
    let world = world().await;
    world.tenant("piaoyi").await.unwrap();
    world
        .grant(&grant("piaoyi", "hui", 4, &[("x", 4)]))
        .await
        .unwrap();
    world.in_force("qp-piaoyi", "hui").await.unwrap();
    let member = world.member().await.unwrap();
    let (quotas, policies) = (
        Api::<ResourceQuota>::namespaced(member.clone(), "piaoyi-x"),
        Api::<NetworkPolicy>::namespaced(member.clone(), "piaoyi-x"),
    );
    let raise = json!({ "spec": { "hard": { "requests.cpu": "400" } }, "metadata": { "labels": { "theirs": "kept" } } });
    quotas
        .patch("qipan", &PatchParams::default(), &Patch::Merge(&raise))
        .await
        .unwrap();
    policies
        .delete("qipan-default-deny", &DeleteParams::default())
        .await
        .unwrap();
    let namespaces: Api<Namespace> = Api::all(member.clone());
    let label =
        json!({ "metadata": { "labels": { "team": "blue", "qipan.dev/zone": "Internet" } } });
    namespaces
        .patch("piaoyi-x", &PatchParams::default(), &Patch::Merge(&label))
        .await
        .unwrap();
    eventually("everything is back", SOON, async || {
        ensure!(
            hard(&quotas.get("qipan").await?, "requests.cpu") == "4",
            "the quota is not back"
        );
        policies.get("qipan-default-deny").await?;
        let labels = namespaces
            .get("piaoyi-x")
            .await?
            .metadata
            .labels
            .unwrap_or_default();
        ensure!(
            labels.get("qipan.dev/zone").map(String::as_str) == Some("Extranet"),
            "{labels:?}"
        );
        ensure!(
            labels.get("team").map(String::as_str) == Some("blue"),
            "{labels:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_namespace_that_is_somebody_elses_is_refused_with_its_name() {
    let world = world().await;
    world.tenant("zhanyong").await.unwrap();
    let member = world.member().await.unwrap();
    apply_yaml(
        &member,
        "{apiVersion: v1, kind: Namespace, metadata: {name: zhanyong-web}}",
        NAMESPACE,
    )
    .await
    .unwrap();
    world
        .grant(&grant("zhanyong", "chong", 1, &[("web", 1)]))
        .await
        .unwrap();
    let refused = world
        .says(
            "qp-zhanyong",
            "chong",
            ConditionType::Ready,
            "False",
            "NamespaceTaken",
        )
        .await
        .unwrap();
    assert!(
        refused
            .status
            .unwrap()
            .conditions
            .get(ConditionType::Ready)
            .unwrap()
            .message
            .contains("zhanyong-web")
    );
    assert!(
        quota(&member, "zhanyong-web").await.is_err(),
        "nothing was written into it"
    );
    world.delete("qp-zhanyong", "chong").await.unwrap();
    gone(&world.hub().await.unwrap(), "qp-zhanyong", "chong").await;
    assert!(
        Api::<Namespace>::all(member)
            .get("zhanyong-web")
            .await
            .is_ok(),
        "and it was not deleted"
    );
}

async fn gone(hub: &Client, namespace: &str, name: &str) {
    let api: Api<TenantQuota> = Api::namespaced(hub.clone(), namespace);
    eventually("the grant is gone", SOON, async || {
        let there = api.get_opt(name).await?;
        ensure!(
            there.is_none(),
            "{:?}",
            there.and_then(|q| q.status).map(|s| s.conditions)
        );
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_deleted_grant_keeps_its_namespace_until_told_otherwise() {
    let world = world().await;
    world.tenant("shanchu").await.unwrap();
    world
        .grant(&grant("shanchu", "zou", 3, &[("x", 3)]))
        .await
        .unwrap();
    world.in_force("qp-shanchu", "zou").await.unwrap();
    let (hub, member) = (world.hub().await.unwrap(), world.member().await.unwrap());
    eventually("a pod", SOON, async || {
        create_pod(&member, "shanchu-x", "busy", "2").await
    })
    .await
    .unwrap();
    world.delete("qp-shanchu", "zou").await.unwrap();
    world
        .says(
            "qp-shanchu",
            "zou",
            ConditionType::Ready,
            "False",
            "Draining",
        )
        .await
        .unwrap();
    assert_eq!(
        pods(&member, "shanchu-x").await.unwrap(),
        ["busy"],
        "its pods run on"
    );
    Api::<Pod>::namespaced(member.clone(), "shanchu-x")
        .delete("busy", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    gone(&hub, "qp-shanchu", "zou").await;
    let kept = quota(&member, "shanchu-x").await.unwrap();
    assert_eq!(hard(&kept, "requests.cpu"), "0");
    // The same name again takes the namespace over, and this time it goes with the grant.
    let mut again = grant("shanchu", "zou", 3, &[("x", 3)]);
    again["spec"]["deletionPolicy"] = json!("Delete");
    world.grant(&again).await.unwrap();
    world.in_force("qp-shanchu", "zou").await.unwrap();
    world.delete("qp-shanchu", "zou").await.unwrap();
    gone(&hub, "qp-shanchu", "zou").await;
    assert!(
        Api::<Namespace>::all(member)
            .get_opt("shanchu-x")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
async fn quantities_and_names_that_nobody_can_enforce_are_refused() {
    let world = world().await;
    world.tenant("huai").await.unwrap();
    let hub = world.hub().await.unwrap();
    for (value, why) in [
        (json!("-1"), "should match"),
        (json!("1e30x"), "should match"),
        (json!({}), "hard"),
    ] {
        let mut bad = grant("huai", "liang", 1, &[("x", 1)]);
        bad["spec"]["hard"]["cpu"] = value.clone();
        let refusal = format!(
            "{:#}",
            apply_yaml(&hub, &bad.to_string(), NAMESPACE)
                .await
                .unwrap_err()
        );
        assert!(refusal.contains(why), "{value}: {refusal}");
    }
    let mut absurd = grant("huai", "da", 1, &[("x", 1)]);
    absurd["spec"]["hard"]["cpu"] = json!("1e30");
    world.grant(&absurd).await.unwrap();
    eventually("1e30 is refused in words", SOON, async || {
        // The typed client cannot read it either; the condition can be read all the same.
        let kind = kube::core::GroupVersionKind::gvk("qipan.dev", "v1alpha1", "TenantQuota");
        let resource = kube::core::ApiResource::from_gvk(&kind);
        let api: Api<kube::api::DynamicObject> =
            Api::namespaced_with(hub.clone(), "qp-huai", &resource);
        let text = api.get("da").await?.data["status"].to_string();
        ensure!(
            text.contains("Malformed") && text.contains("too large"),
            "{text}"
        );
        Ok(())
    })
    .await
    .unwrap();
    let mut gpu = grant("huai", "gpu", 1, &[("x", 1)]);
    gpu["spec"]["hard"]["nvidia.com/gpu"] = json!(1);
    world.grant(&gpu).await.unwrap();
    let refused = world
        .says(
            "qp-huai",
            "gpu",
            ConditionType::Ready,
            "False",
            "NotEnforced",
        )
        .await
        .unwrap();
    assert!(
        refused
            .status
            .unwrap()
            .conditions
            .get(ConditionType::Ready)
            .unwrap()
            .message
            .contains("requests.nvidia.com/gpu")
    );
    let mut mixed = grant("huai", "hun", 2, &[("x", 1)]);
    mixed["spec"]["hard"] = json!({ "cpu": "1500m", "requests.cpu": 2 });
    mixed["spec"]["namespaces"] = json!([]);
    world.grant(&mixed).await.unwrap();
    world
        .says(
            "qp-huai",
            "hun",
            ConditionType::Ready,
            "False",
            "DuplicateResource",
        )
        .await
        .unwrap();
    world
        .grant(&grant("huai", "duo", 2, &[("p", 2), ("q", 1)]))
        .await
        .unwrap();
    world
        .says(
            "qp-huai",
            "duo",
            ConditionType::Ready,
            "False",
            "SharesExceedGrant",
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_grant_above_the_pool_or_on_a_frozen_or_declared_platform_names_the_way_out() {
    let world = world().await;
    world.tenant("chi").await.unwrap();
    world
        .grant(&grant("chi", "da", 5000, &[("x", 1)]))
        .await
        .unwrap();
    let refused = world
        .says(
            "qp-chi",
            "da",
            ConditionType::Ready,
            "False",
            "PoolExhausted",
        )
        .await
        .unwrap();
    assert!(
        refused
            .status
            .unwrap()
            .conditions
            .get(ConditionType::Ready)
            .unwrap()
            .message
            .contains("total 1000")
    );
    let hub = world.hub().await.unwrap();
    let mut declared: serde_json::Value =
        serde_json::from_str(&platform("shenbao", MEMBER, 10)).unwrap();
    declared["spec"]["clusters"] = json!([]);
    declared["spec"]["pools"][0]
        .as_object_mut()
        .unwrap()
        .remove("cluster");
    apply_yaml(&hub, &declared.to_string(), NAMESPACE)
        .await
        .unwrap();
    let mut on_declared = grant("chi", "shen", 1, &[("x", 1)]);
    on_declared["spec"]["platform"] = json!("shenbao");
    world.grant(&on_declared).await.unwrap();
    world
        .says(
            "qp-chi",
            "shen",
            ConditionType::Ready,
            "False",
            "PlatformDeclared",
        )
        .await
        .unwrap();
    let unknown = world
        .platform_says("shenbao", ConditionType::Ready, "Declared")
        .await
        .unwrap();
    assert!(unknown.contains("attestation"), "{unknown}");
}

#[tokio::test]
async fn the_operators_account_meets_no_403() {
    let world = world().await;
    world.tenant("quanxian").await.unwrap();
    world
        .grant(&grant("quanxian", "gou", 1, &[("x", 1)]))
        .await
        .unwrap();
    world.in_force("qp-quanxian", "gou").await.unwrap();
    for cluster in [HUB, MEMBER] {
        let events = world.testbed.audit(cluster).unwrap();
        let refused = events
            .forbidden_to("system:serviceaccount:qipan-system:qipan-operator", 0)
            .unwrap();
        assert!(refused.is_empty(), "{cluster}: {refused:?}");
    }
}
