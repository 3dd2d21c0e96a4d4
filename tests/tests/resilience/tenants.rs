//! Tenants: deleted under their grants, in circles, at the end of a budget.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use crds::{CloudPlatform, ConditionType, Tenant};
use harness::eventually;
use harness::world::{PLATFORM, SOON, World, grant, tenant};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::world;

fn below(name: &str, parent: &str, level: &str) -> Value {
    let mut unit = tenant(name);
    unit["spec"]["parent"] = json!(parent);
    unit["spec"]["level"] = json!(level);
    unit
}

#[tokio::test]
async fn a_tenant_that_is_deleted_waits_for_its_grants_and_its_pods_run_on() {
    let world = world().await;
    world.tenant("chexiao").await.unwrap();
    world
        .grant(&grant("chexiao", "sheng", 3, &[("web", 3)]))
        .await
        .unwrap();
    world.in_force("qp-chexiao", "sheng").await.unwrap();
    let leaf = world.leaf("chexiao-web").await.unwrap();
    leaf.run_pod("laeuft", "2").await.unwrap();
    let hub = world.hub().await.unwrap();
    let tenants: Api<Tenant> = Api::all(hub.clone());
    tenants
        .delete("chexiao", &DeleteParams::default())
        .await
        .unwrap();
    let said = world.tenant_says("chexiao", "GrantsRemain").await.unwrap();
    assert!(said.contains("sheng"), "{said}");
    assert_eq!(leaf.pods().await.unwrap(), ["laeuft"]);
    assert_eq!(leaf.hard("requests.cpu").await.unwrap(), "3");
    leaf.remove_pod("laeuft").await.unwrap();
    world.delete("qp-chexiao", "sheng").await.unwrap();
    eventually("the tenant is gone", SOON, async || {
        ensure!(
            tenants.get_opt("chexiao").await?.is_none(),
            "it is still there"
        );
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    let namespaces: Api<Namespace> = Api::all(hub);
    assert!(
        namespaces.get("qp-chexiao").await.is_ok(),
        "its namespace stays until told otherwise"
    );
}

#[tokio::test]
async fn a_tenant_that_is_renamed_keeps_what_runs_and_its_identifier_cannot_change() {
    let world = world().await;
    world.tenant("gaiming").await.unwrap();
    let wanted = grant("gaiming", "mo", 3, &[("web", 3)]);
    world.grant(&wanted).await.unwrap();
    world.in_force("qp-gaiming", "mo").await.unwrap();
    let leaf = world.leaf("gaiming-web").await.unwrap();
    leaf.run_pod("busy", "2").await.unwrap();
    let before = (
        leaf.uid().await.unwrap(),
        leaf.quota().await.unwrap().metadata.uid,
    );
    let mut renamed = tenant("gaiming");
    renamed["spec"]["displayName"] = json!({ "zh": "水利局" });
    world.put(&renamed).await.unwrap();
    let tenants: Api<Tenant> = Api::all(world.hub().await.unwrap());
    eventually("the new name was judged", SOON, async || {
        let unit = tenants.get("gaiming").await?;
        let judged = unit.status.unwrap_or_default().observed_generation;
        ensure!(judged == unit.metadata.generation, "{judged:?}");
        Ok(())
    })
    .await
    .unwrap();
    world.in_force("qp-gaiming", "mo").await.unwrap();
    let after = (
        leaf.uid().await.unwrap(),
        leaf.quota().await.unwrap().metadata.uid,
    );
    assert_eq!(
        (before, leaf.pods().await.unwrap()),
        (after, vec!["busy".to_owned()])
    );
    // Every name of a unit's namespaces hangs on its identifier: the API server itself lets nobody change that.
    let other = json!({ "metadata": { "name": "xinming" } });
    let params = PatchParams::default();
    let refused = tenants
        .patch("gaiming", &params, &Patch::Merge(&other))
        .await;
    assert!(refused.unwrap_err().to_string().contains("name"));
}

#[tokio::test]
async fn a_chain_of_parents_that_returns_and_a_level_above_the_parents_are_refused() {
    let world = world().await;
    world.put(&below("quan-a", "quan-b", "City")).await.unwrap();
    world.tenant_says("quan-a", "UnknownParent").await.unwrap();
    world.put(&below("quan-b", "quan-c", "City")).await.unwrap();
    world.put(&below("quan-c", "quan-a", "City")).await.unwrap();
    for name in ["quan-a", "quan-b", "quan-c"] {
        let said = world.tenant_says(name, "ParentCycle").await.unwrap();
        for other in ["quan-a", "quan-b", "quan-c"] {
            assert!(said.contains(other), "{said}");
        }
    }
    world.put(&tenant("quan-c")).await.unwrap();
    for name in ["quan-a", "quan-b", "quan-c"] {
        world.tenant_says(name, "Ready").await.unwrap();
    }
    world
        .put(&below("yueji", "quan-a", "Province"))
        .await
        .unwrap();
    let said = world
        .tenant_says("yueji", "LevelAboveParent")
        .await
        .unwrap();
    assert!(
        said.contains("Province") && said.contains("quan-a"),
        "{said}"
    );
}

async fn budgeted(world: &World, parent: &str, children: [&str; 2]) {
    let mut above = tenant(parent);
    above["spec"]["budget"] = json!({ "cpu": 10 });
    world.put(&above).await.unwrap();
    world.tenant_says(parent, "Ready").await.unwrap();
    for child in children {
        world.put(&below(child, parent, "County")).await.unwrap();
        world.tenant_says(child, "Ready").await.unwrap();
    }
}

#[tokio::test]
async fn an_exhausted_budget_names_its_unit_and_figures_and_frees_when_a_grant_goes() {
    let world = world().await;
    budgeted(world, "yusuan", ["yusuan-a", "yusuan-b"]).await;
    world
        .grant(&grant("yusuan-a", "erst", 6, &[("x", 6)]))
        .await
        .unwrap();
    world.in_force("qp-yusuan-a", "erst").await.unwrap();
    world
        .grant(&grant("yusuan-b", "dann", 7, &[("x", 7)]))
        .await
        .unwrap();
    let refused = world
        .says(
            "qp-yusuan-b",
            "dann",
            ConditionType::Ready,
            "False",
            "BudgetExhausted",
        )
        .await
        .unwrap();
    let conditions = refused.status.unwrap().conditions;
    let ready = conditions.get(ConditionType::Ready).unwrap();
    let figures = [
        ("tenant", "yusuan"),
        ("resource", "requests.cpu"),
        ("asked", "7"),
        ("free", "4"),
        ("missing", "3"),
        ("total", "10"),
    ];
    for (name, value) in figures {
        assert_eq!(
            ready.params.get(name).map(String::as_str),
            Some(value),
            "{name} in {}",
            ready.message
        );
        assert!(ready.message.contains(value), "{}", ready.message);
    }
    let leaf = world.leaf("yusuan-b-x").await.unwrap();
    assert!(leaf.quota().await.is_err());
    world.delete("qp-yusuan-a", "erst").await.unwrap();
    world.in_force("qp-yusuan-b", "dann").await.unwrap();
}

#[tokio::test]
async fn of_two_tenants_that_race_for_the_rest_of_a_budget_exactly_one_is_given_it() {
    let world = world().await;
    budgeted(world, "jingzheng", ["jingzheng-a", "jingzheng-b"]).await;
    for round in 0..3 {
        let name = format!("runde-{round}");
        let (a, b) = (
            grant("jingzheng-a", &name, 10, &[("x", 10)]),
            grant("jingzheng-b", &name, 10, &[("x", 10)]),
        );
        let (a, b) = tokio::join!(world.grant(&a), world.grant(&b));
        a.unwrap();
        b.unwrap();
        let settled = eventually("one has it and the other is told", SOON, async || {
            let mut said = BTreeMap::new();
            for tenant in ["jingzheng-a", "jingzheng-b"] {
                let status = world
                    .grant_of(tenant, &name)
                    .await?
                    .status
                    .unwrap_or_default();
                let ready = status
                    .conditions
                    .get(ConditionType::Ready)
                    .context("not judged")?;
                said.insert(ready.reason.clone(), tenant);
            }
            ensure!(
                said.contains_key("InForce") && said.contains_key("BudgetExhausted"),
                "{said:?}"
            );
            Ok(said)
        })
        .await
        .unwrap();
        // It stays so: a second look after the waiting one had its chance.
        let waits = settled["BudgetExhausted"];
        let status = world.grant_of(waits, &name).await.unwrap().status.unwrap();
        assert!(
            status.admitted.is_empty() && status.leaves.iter().all(|l| l.target.is_zero()),
            "{status:?}"
        );
        // Nor does the pool keep what the budget refused.
        let platforms: Api<CloudPlatform> = Api::all(world.hub().await.unwrap());
        eventually("the pool's promise is given back", SOON, async || {
            let status = platforms.get(PLATFORM).await?.status.unwrap_or_default();
            let pending = status.pools.iter().flat_map(|p| &p.account.pending);
            let kept: Vec<_> = pending
                .filter(|r| r.grant.starts_with("qp-jingzheng"))
                .collect();
            ensure!(kept.is_empty(), "{kept:?}");
            Ok(())
        })
        .await
        .unwrap();
        for tenant in [settled["BudgetExhausted"], settled["InForce"]] {
            world.delete(&format!("qp-{tenant}"), &name).await.unwrap();
        }
        for tenant in ["jingzheng-a", "jingzheng-b"] {
            world.gone(&format!("qp-{tenant}"), &name).await.unwrap();
        }
    }
}
