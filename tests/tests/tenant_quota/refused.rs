//! What nobody can enforce or nobody has is refused, in words that name the way out.

use anyhow::ensure;
use crds::ConditionType;
use harness::eventually;
use harness::world::{MEMBER, SOON, grant, platform};
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::world;

#[tokio::test]
async fn quantities_and_names_that_nobody_can_enforce_are_refused() {
    let world = world().await;
    world.tenant("huai").await.unwrap();
    for (value, why) in [
        (json!("-1"), "should match"),
        (json!("1e30x"), "should match"),
        (json!({}), "hard"),
    ] {
        let mut bad = grant("huai", "liang", 1, &[("x", 1)]);
        bad["spec"]["hard"]["cpu"] = value.clone();
        let refusal = format!("{:#}", world.grant(&bad).await.unwrap_err());
        assert!(refusal.contains(why), "{value}: {refusal}");
    }
    let mut gpu = grant("huai", "gpu", 1, &[("x", 1)]);
    gpu["spec"]["hard"]["nvidia.com/gpu"] = json!(1);
    let mut mixed = grant("huai", "hun", 2, &[("x", 1)]);
    mixed["spec"]["hard"] = json!({ "cpu": "1500m", "requests.cpu": 2 });
    mixed["spec"]["namespaces"] = json!([]);
    let shares = grant("huai", "duo", 2, &[("p", 2), ("q", 1)]);
    for (name, wanted, reason, part) in [
        ("gpu", gpu, "NotEnforced", "requests.nvidia.com/gpu"),
        ("hun", mixed, "DuplicateResource", "requests.cpu"),
        ("duo", shares, "SharesExceedGrant", "requests.cpu"),
    ] {
        world.grant(&wanted).await.unwrap();
        let said = world.refused("qp-huai", name, reason).await.unwrap();
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn a_quantity_that_is_absurd_is_refused_in_words() {
    let world = world().await;
    world.tenant("tianwen").await.unwrap();
    let mut absurd = grant("tianwen", "da", 1, &[("x", 1)]);
    absurd["spec"]["hard"]["cpu"] = json!("1e30");
    world.grant(&absurd).await.unwrap();
    // The typed client cannot read it either; the condition can be read all the same.
    let kind = kube::core::GroupVersionKind::gvk("qipan.dev", "v1alpha1", "TenantQuota");
    let resource = kube::core::ApiResource::from_gvk(&kind);
    let hub = world.hub().await.unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(hub, "qp-tianwen", &resource);
    eventually("1e30 is refused in words", SOON, async || {
        let text = api.get("da").await?.data["status"].to_string();
        ensure!(
            text.contains("Malformed") && text.contains("too large"),
            "{text}"
        );
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_grant_that_can_no_longer_be_read_stays_charged() {
    let world = world().await;
    for tenant in ["posun", "jiehuo"] {
        world.tenant(tenant).await.unwrap();
    }
    // The pool has 100 Ti of storage, and nobody else in this world asks for any.
    let storage = |tenant: &str, cpu: &str| {
        let mut wanted = grant(tenant, "cun", 1, &[("x", 1)]);
        wanted["spec"]["hard"]["cpu"] = json!(cpu);
        wanted["spec"]["hard"]["storage"] = json!("60Ti");
        wanted
    };
    world.grant(&storage("posun", "1")).await.unwrap();
    world.in_force("qp-posun", "cun").await.unwrap();
    world.grant(&storage("posun", "1e30")).await.unwrap();
    world.grant(&storage("jiehuo", "1")).await.unwrap();
    let said = world.refused("qp-jiehuo", "cun", "PoolExhausted").await;
    let said = said.unwrap();
    assert!(
        said.contains("requests.storage") && said.contains("granted 60Ti"),
        "{said}"
    );
    world.grant(&storage("posun", "1")).await.unwrap();
    world.in_force("qp-posun", "cun").await.unwrap();
    world.delete("qp-posun", "cun").await.unwrap();
    world.in_force("qp-jiehuo", "cun").await.unwrap();
}

#[tokio::test]
async fn a_grant_above_the_pool_or_on_a_frozen_or_declared_platform_names_the_way_out() {
    let world = world().await;
    world.tenant("chi").await.unwrap();
    let above = grant("chi", "da", 5000, &[("x", 1)]);
    world.grant(&above).await.unwrap();
    let said = world.refused("qp-chi", "da", "PoolExhausted").await;
    let said = said.unwrap();
    assert!(said.contains("total 1000"), "{said}");
    let mut declared: Value = serde_json::from_str(&platform("shenbao", MEMBER, 10)).unwrap();
    declared["spec"]["clusters"] = json!([]);
    let pool = declared["spec"]["pools"][0].as_object_mut().unwrap();
    pool.remove("cluster");
    world.put(&declared).await.unwrap();
    let mut on_declared = grant("chi", "shen", 1, &[("x", 1)]);
    on_declared["spec"]["platform"] = json!("shenbao");
    world.grant(&on_declared).await.unwrap();
    let said = world.refused("qp-chi", "shen", "PlatformDeclared").await;
    said.unwrap();
    let unknown = world
        .platform_says("shenbao", ConditionType::Ready, "Declared")
        .await
        .unwrap();
    assert!(unknown.contains("attestation"), "{unknown}");
}
