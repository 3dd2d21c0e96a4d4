//! API servers that fail, refuse, forget and delay writes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use crds::{CloudPlatform, ConditionType};
use harness::world::{MEMBER, PLATFORM, POOL, SOON, World, grant, platform, profile, tenant};
use harness::{
    HUB, Leaf, NAMESPACE, Operator, Options, Spec, Testbed, WayIn, apply_yaml, eventually,
    hub_kubeconfig, install_hub, install_member, member_kubeconfig, tools,
};
use kube::Api;
use serde_json::json;

use super::NOTICED;
use super::proxy::Proxy;
use super::watcher::Watch;

/// A world whose operator reaches hub and member only through proxies that have bad days.
async fn through(proxies: &mut Vec<Proxy>) -> Result<World> {
    let testbed = Testbed::start(Spec::default()).await?;
    install_hub(&testbed).await?;
    install_member(&testbed, MEMBER).await?;
    let hub = testbed.client(HUB).await?;
    for cluster in [HUB, MEMBER] {
        proxies.push(Proxy::start(&testbed, cluster).await?);
    }
    let kubeconfig = proxies[1].before(&member_kubeconfig(&testbed, MEMBER).await?)?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": format!("{MEMBER}-kubeconfig"), "labels": { "qipan.dev/kubeconfig": "true" } },
        "stringData": { "kubeconfig": kubeconfig },
    });
    apply_yaml(&hub, &secret.to_string(), NAMESPACE).await?;
    apply_yaml(&hub, &profile(), NAMESPACE).await?;
    apply_yaml(&hub, &platform(PLATFORM, MEMBER, 100), NAMESPACE).await?;
    let straight = std::fs::read_to_string(hub_kubeconfig(&testbed, "qipan-operator").await?)?;
    let path = testbed.dir().join("through-a-proxy.kubeconfig");
    tools::write_private(&path, proxies[0].before(&straight)?.as_bytes())?;
    let options = Options {
        kubeconfig: Some(path),
        ..Options::default()
    };
    let operator = Operator::start(&testbed, options).await?;
    let way_in = WayIn::prepare(testbed.dir())?;
    Ok(World {
        testbed,
        operator,
        way_in,
    })
}

#[tokio::test]
async fn api_servers_that_fail_forget_and_delay_lose_nothing_and_count_nothing_twice() {
    let mut proxies = Vec::new();
    let world = through(&mut proxies).await.unwrap();
    let tenants = ["huai-a", "huai-b"];
    let member = world.member().await.unwrap();
    let watch = Watch::start(&member, &["huai-"]).await.unwrap();
    for name in tenants {
        world.put(&tenant(name)).await.unwrap();
    }
    for name in tenants {
        world.tenant_says(name, "Ready").await.unwrap();
    }
    // Ten grants fill the pool to the unit: one that is counted twice would leave another without.
    let grants: Vec<_> = (0..10).map(|i| (tenants[i % 2], format!("g{i}"))).collect();
    for (i, (tenant, name)) in grants.iter().enumerate() {
        let (a, b) = (format!("l{i}"), format!("r{i}"));
        let wanted = grant(tenant, name, 10, &[(&a, 8), (&b, 2)]);
        world.grant(&wanted).await.unwrap();
        watch.granted(&format!("{tenant}/{name}"), 10);
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    for (i, (tenant, name)) in grants.iter().enumerate() {
        let (a, b) = (format!("l{i}"), format!("r{i}"));
        let moved = grant(tenant, name, 10, &[(&a, 3), (&b, 7)]);
        world.grant(&moved).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    for proxy in &proxies {
        println!(
            "failed, lost, conflict, throttled, delayed: {:?}",
            proxy.faults()
        );
        assert!(
            proxy.faults().iter().all(|count| *count > 0),
            "{:?}",
            proxy.faults()
        );
        proxy.heal();
    }
    let healed = Instant::now();
    eventually("every grant is in force", NOTICED, async || {
        for (tenant, name) in &grants {
            let status = world
                .grant_of(tenant, name)
                .await?
                .status
                .unwrap_or_default();
            let ready = status
                .conditions
                .get(ConditionType::Ready)
                .context("not judged")?;
            ensure!(
                ready.reason == "InForce",
                "{name}: {}: {}",
                ready.reason,
                ready.message
            );
        }
        for (i, (tenant, _)) in grants.iter().enumerate() {
            for (leaf, wanted) in [(format!("l{i}"), "3"), (format!("r{i}"), "7")] {
                let there = Leaf::of(&member, &format!("{tenant}-{leaf}"));
                let cpu = there.hard("requests.cpu").await?;
                ensure!(cpu == wanted, "{tenant}-{leaf}: {cpu}");
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    println!(
        "all in force {:.1?} after the last bad day",
        healed.elapsed()
    );
    watch.end().unwrap();
    let platforms: Api<CloudPlatform> = Api::all(world.hub().await.unwrap());
    eventually("the pool's account is settled", SOON, async || {
        let status = platforms.get(PLATFORM).await?.status.unwrap_or_default();
        let pool = status
            .pools
            .iter()
            .find(|p| p.name == POOL)
            .context("no pool")?;
        let granted = pool.account.granted.of("requests.cpu").to_string();
        ensure!(
            granted == "100" && pool.account.pending.is_empty(),
            "{:?}",
            pool.account
        );
        Ok(())
    })
    .await
    .unwrap();
}
