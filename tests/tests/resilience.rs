//! What befalls a province: members that vanish, freeze or come back empty, an operator that is killed, a ledger that is
//! lost, units that are in each other's way. What must hold in all of it: nothing rises above a grant, nothing of a tenant's
//! is taken away, what cannot be seen is unknown, and in the end everything is as it was asked for.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]
#![expect(
    clippy::too_many_lines,
    reason = "each test is one story, told in its order"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use crds::{CloudPlatform, ConditionStatus, ConditionType, Tenant, TenantQuota};
use harness::world::{
    MEMBER, PLATFORM, POOL, SOON, World, grant, platform, pod, pods, profile, tenant,
};
use harness::{
    HUB, NAMESPACE, Operator, Options, Spec, Testbed, apply_yaml, eventually, get, hub_kubeconfig,
    install_hub, install_member, member_kubeconfig, register_member_secret, tools,
};
use k8s_openapi::api::core::v1::{Namespace, Pod, ResourceQuota};
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

#[path = "resilience/proxy.rs"]
mod proxy;
#[path = "resilience/watcher.rs"]
mod watcher;
use proxy::Proxy;
use watcher::Watch;

/// Probes are 10 s apart, each twice for 5 s; then up to 15 s between two tries to connect.
const NOTICED: Duration = Duration::from_mins(1);
/// The operator's account, as the audit log names it.
const ACCOUNT: &str = "system:serviceaccount:qipan-system:qipan-operator";
/// Taken away for a while.
const STOPPED: &str = "zj-1";
/// Frozen for a while.
const PAUSED: &str = "sz-2";
/// Emptied.
const WIPED: &str = "gz-3";

static WORLD: OnceCell<World> = OnceCell::const_new();
static ALONE: OnceCell<Mutex<World>> = OnceCell::const_new();

/// A world whose operator lives, with a member for each misfortune and one that has none.
async fn world() -> &'static World {
    WORLD
        .get_or_init(async || {
            let members = [MEMBER, STOPPED, PAUSED, WIPED];
            World::start(Spec::with_members(&members)).await.unwrap()
        })
        .await
}

/// A world for one test at a time: its operator is killed, or its silence is listened to.
async fn alone() -> MutexGuard<'static, World> {
    ALONE
        .get_or_init(async || Mutex::new(World::start(Spec::default()).await.unwrap()))
        .await
        .lock()
        .await
}

fn hard(quota: &ResourceQuota, name: &str) -> String {
    let hard = quota.status.as_ref().and_then(|s| s.hard.as_ref());
    hard.and_then(|h| h.get(name))
        .map(|q| q.0.clone())
        .unwrap_or_default()
}

async fn quota(client: &Client, namespace: &str) -> Result<ResourceQuota> {
    Ok(Api::<ResourceQuota>::namespaced(client.clone(), namespace)
        .get("qipan")
        .await?)
}

async fn grant_of(world: &World, tenant: &str, name: &str) -> Result<TenantQuota> {
    let api: Api<TenantQuota> = Api::namespaced(world.hub().await?, &format!("qp-{tenant}"));
    Ok(api.get(name).await?)
}

async fn create_pod(client: &Client, namespace: &str, name: &str, cpu: &str) {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    eventually("the pod is admitted", SOON, async || {
        api.create(&PostParams::default(), &pod(name, cpu)).await
    })
    .await
    .unwrap();
}

async fn remove_pod(client: &Client, namespace: &str, name: &str) {
    let now = DeleteParams::default().grace_period(0);
    Api::<Pod>::namespaced(client.clone(), namespace)
        .delete(name, &now)
        .await
        .unwrap();
}

/// A platform of its own on one of the members, a tenant, and a grant of 4 CPU in one namespace that is in force.
async fn docked(world: &World, cluster: &str, tenant: &str) -> Value {
    let name = format!("pt-{cluster}");
    let hub = world.hub().await.unwrap();
    apply_yaml(&hub, &platform(&name, cluster, 100), NAMESPACE)
        .await
        .unwrap();
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
        let grant = grant_of(world, tenant, "zai")
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
    let before = grant_of(world, tenant, "zai")
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
        let status = grant_of(world, tenant, "zai")
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
        let cpu = hard(&quota(&member, &leaf).await?, "requests.cpu");
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

async fn uid_of(client: &Client, namespace: &str) -> String {
    Api::<Namespace>::all(client.clone())
        .get(namespace)
        .await
        .unwrap()
        .uid()
        .unwrap()
}

#[tokio::test]
async fn a_member_that_vanishes_is_unknown_and_comes_back_whole() {
    let world = world().await;
    docked(world, STOPPED, "xiaoshi").await;
    let member = world.testbed.client(STOPPED).await.unwrap();
    create_pod(&member, "xiaoshi-web", "laeuft", "3").await;
    let uid = uid_of(&member, "xiaoshi-web").await;
    world.testbed.stop_cluster(STOPPED).await.unwrap();
    lost(world, STOPPED, "xiaoshi").await;
    frozen_and_back(world, STOPPED, "xiaoshi", async || {
        world.testbed.start_cluster(STOPPED).await.unwrap();
    })
    .await;
    let member = world.testbed.client(STOPPED).await.unwrap();
    assert_eq!(
        uid_of(&member, "xiaoshi-web").await,
        uid,
        "the namespace was made anew"
    );
    assert_eq!(pods(&member, "xiaoshi-web").await.unwrap(), ["laeuft"]);
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
    let there = Api::<Namespace>::all(member)
        .get_opt("qingkong-web")
        .await
        .unwrap();
    assert!(there.is_none(), "nothing is written into another cluster");
}

/// Waits for what a tenant says; gives the sentence.
async fn tenant_says(world: &World, name: &str, reason: &str) -> String {
    let api: Api<Tenant> = Api::all(world.hub().await.unwrap());
    eventually(&format!("{name} says {reason}"), SOON, async || {
        let status = api.get(name).await?.status.unwrap_or_default();
        let ready = status
            .conditions
            .get(ConditionType::Ready)
            .context("not judged")?;
        ensure!(
            ready.reason == reason,
            "it says {}: {}",
            ready.reason,
            ready.message
        );
        Ok(ready.message.clone())
    })
    .await
    .unwrap()
}

async fn put(world: &World, object: &Value) {
    apply_yaml(&world.hub().await.unwrap(), &object.to_string(), NAMESPACE)
        .await
        .unwrap();
}

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
    let (hub, member) = (world.hub().await.unwrap(), world.member().await.unwrap());
    create_pod(&member, "chexiao-web", "laeuft", "2").await;
    let tenants: Api<Tenant> = Api::all(hub.clone());
    tenants
        .delete("chexiao", &DeleteParams::default())
        .await
        .unwrap();
    let said = tenant_says(world, "chexiao", "GrantsRemain").await;
    assert!(said.contains("sheng"), "{said}");
    assert_eq!(pods(&member, "chexiao-web").await.unwrap(), ["laeuft"]);
    assert_eq!(
        hard(
            &quota(&member, "chexiao-web").await.unwrap(),
            "requests.cpu"
        ),
        "3"
    );
    remove_pod(&member, "chexiao-web", "laeuft").await;
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
async fn a_chain_of_parents_that_returns_and_a_level_above_the_parents_are_refused() {
    let world = world().await;
    put(world, &below("quan-a", "quan-b", "City")).await;
    tenant_says(world, "quan-a", "UnknownParent").await;
    put(world, &below("quan-b", "quan-c", "City")).await;
    put(world, &below("quan-c", "quan-a", "City")).await;
    for name in ["quan-a", "quan-b", "quan-c"] {
        let said = tenant_says(world, name, "ParentCycle").await;
        for other in ["quan-a", "quan-b", "quan-c"] {
            assert!(said.contains(other), "{said}");
        }
    }
    put(world, &tenant("quan-c")).await;
    for name in ["quan-a", "quan-b", "quan-c"] {
        tenant_says(world, name, "Ready").await;
    }
    put(world, &below("yueji", "quan-a", "Province")).await;
    let said = tenant_says(world, "yueji", "LevelAboveParent").await;
    assert!(
        said.contains("Province") && said.contains("quan-a"),
        "{said}"
    );
}

async fn budgeted(world: &World, parent: &str, children: [&str; 2]) {
    let mut above = tenant(parent);
    above["spec"]["budget"] = json!({ "cpu": 10 });
    put(world, &above).await;
    tenant_says(world, parent, "Ready").await;
    for child in children {
        put(world, &below(child, parent, "County")).await;
        tenant_says(world, child, "Ready").await;
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
    let member = world.member().await.unwrap();
    assert!(quota(&member, "yusuan-b-x").await.is_err());
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
                let status = grant_of(world, tenant, &name)
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
        let status = grant_of(world, waits, &name).await.unwrap().status.unwrap();
        assert!(
            status.admitted.is_empty() && status.leaves.iter().all(|l| l.target.is_zero()),
            "{status:?}"
        );
        for tenant in [settled["BudgetExhausted"], settled["InForce"]] {
            world.delete(&format!("qp-{tenant}"), &name).await.unwrap();
        }
        eventually("both are gone", SOON, async || {
            for tenant in ["jingzheng-a", "jingzheng-b"] {
                ensure!(
                    grant_of(world, tenant, &name).await.is_err(),
                    "{tenant} has it still"
                );
            }
            Ok(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn an_operator_that_is_killed_while_it_provisions_never_gives_more_than_is_granted() {
    let mut world = alone().await;
    let tenants = ["sha-a", "sha-b", "sha-c"];
    for name in tenants {
        world.tenant(name).await.unwrap();
    }
    let member = world.member().await.unwrap();
    let watch = Watch::start(&member, &["sha-"]).await.unwrap();
    let mark = world.testbed.audit(MEMBER).unwrap().mark().unwrap();
    let grants: Vec<_> = (0..30)
        .map(|i| {
            let (a, b) = (format!("l{i}"), format!("r{i}"));
            (tenants[i % 3], format!("g{i}"), [a, b])
        })
        .collect();
    for (tenant, name, [a, b]) in &grants {
        let wanted = grant(tenant, name, 10, &[(a, 8), (b, 2)]);
        world.grant(&wanted).await.unwrap();
        watch.granted(&format!("{tenant}/{name}"), 10);
    }
    // Three times in the middle of it: while namespaces are made, while limits come into force, while shares are moved.
    for kill in 0..3_u64 {
        if kill == 2 {
            for (tenant, name, [a, b]) in &grants {
                let moved = grant(tenant, name, 10, &[(a, 3), (b, 7)]);
                world.grant(&moved).await.unwrap();
            }
        }
        world.operator.program.kill().unwrap();
        world.operator.program.restart().unwrap();
        let address = world.operator.address.clone();
        eventually("it leads again", SOON, async || {
            let (_, metrics) = get(&address, "/metrics").await?;
            ensure!(metrics.contains("qipan_leader 1"), "it does not lead yet");
            Ok::<_, anyhow::Error>(())
        })
        .await
        .unwrap();
        // Into the work that it has just begun.
        tokio::time::sleep(Duration::from_millis(100 + 250 * kill)).await;
    }
    for (tenant, name, [a, b]) in &grants {
        world.in_force(&format!("qp-{tenant}"), name).await.unwrap();
        for (leaf, cpu) in [(a, "3"), (b, "7")] {
            let there = quota(&member, &format!("{tenant}-{leaf}")).await.unwrap();
            assert_eq!(hard(&there, "requests.cpu"), cpu);
        }
    }
    let looks = watch.end().unwrap();
    assert!(looks >= 60, "the watch has seen only {looks} changes");
    let written = world
        .testbed
        .audit(MEMBER)
        .unwrap()
        .writes_by(ACCOUNT, mark)
        .unwrap();
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for event in written
        .iter()
        .filter(|e| e.verb == "create")
        .filter_map(|e| e.object_ref.as_ref())
    {
        let key = format!("{}/{}/{}", event.resource, event.namespace, event.name);
        *made.entry(key).or_default() += 1;
    }
    let twice: Vec<_> = made.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "made twice: {twice:?}");
    let everywhere = Api::<ResourceQuota>::all(member)
        .list(&ListParams::default().labels("app.kubernetes.io/managed-by=qipan"))
        .await
        .unwrap();
    let ours = everywhere
        .iter()
        .filter(|q| q.namespace().is_some_and(|n| n.starts_with("sha-")));
    assert_eq!(ours.count(), 60);
}

#[tokio::test]
async fn a_second_replica_takes_over_when_the_leader_is_killed() {
    let mut world = alone().await;
    let options = Options {
        identity: Some("replica-b".into()),
        ..Options::default()
    };
    let mut second = Operator::start(&world.testbed, options).await.unwrap();
    let leads = |text: &str| text.contains("qipan_leader 1");
    assert!(leads(&world.operator.metrics().await.unwrap()));
    assert!(
        !leads(&second.metrics().await.unwrap()),
        "two replicas lead at once"
    );
    world.operator.program.kill().unwrap();
    let killed = Instant::now();
    eventually("the second leads", Duration::from_secs(20), async || {
        ensure!(leads(&second.metrics().await?), "it does not lead yet");
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    println!("the second leads after {:.1?}", killed.elapsed());
    world.tenant("jieguan").await.unwrap();
    world
        .grant(&grant("jieguan", "neu", 2, &[("x", 2)]))
        .await
        .unwrap();
    world.in_force("qp-jieguan", "neu").await.unwrap();
    // The first comes back and stands by; it leads at once when the second ends in order.
    world.operator.program.restart().unwrap();
    let address = world.operator.address.clone();
    world.operator.program.wait_ready(&address).await.unwrap();
    second.program.stop();
    eventually(
        "the first leads again",
        Duration::from_secs(10),
        async || {
            ensure!(
                leads(&world.operator.metrics().await?),
                "it does not lead yet"
            );
            Ok::<_, anyhow::Error>(())
        },
    )
    .await
    .unwrap();
}

fn marks(world: &World) -> [u64; 2] {
    [HUB, MEMBER].map(|cluster| world.testbed.audit(cluster).unwrap().mark().unwrap())
}

/// What the operator wrote since then, hub and member together.
fn written(world: &World, marks: [u64; 2]) -> Vec<harness::Event> {
    let mut all = Vec::new();
    for (cluster, mark) in [HUB, MEMBER].into_iter().zip(marks) {
        let audit = world.testbed.audit(cluster).unwrap();
        all.extend(audit.writes_by(ACCOUNT, mark).unwrap());
    }
    all
}

#[tokio::test]
async fn a_province_at_rest_is_not_written_to_and_nor_is_it_by_a_restart() {
    let mut world = alone().await;
    world.tenant("jing").await.unwrap();
    for i in 0..5 {
        let name = format!("g{i}");
        let (a, b) = (format!("a{i}"), format!("b{i}"));
        world
            .grant(&grant("jing", &name, 5, &[(&a, 3), (&b, 2)]))
            .await
            .unwrap();
    }
    for i in 0..5 {
        world.in_force("qp-jing", &format!("g{i}")).await.unwrap();
    }
    // It has converged when nothing was written for a moment: summaries of tenants and platforms follow their grants.
    eventually("it comes to rest", SOON, async || {
        let before = marks(&world);
        tokio::time::sleep(Duration::from_secs(3)).await;
        let writes = written(&world, before);
        ensure!(writes.is_empty(), "{} writes", writes.len());
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    let before = marks(&world);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let writes = written(&world, before);
    assert!(writes.is_empty(), "{writes:?}");
    // A start looks at everything anew; what it finds is what it would write.
    world.operator.program.restart().unwrap();
    let address = world.operator.address.clone();
    eventually("every grant was looked at", SOON, async || {
        let (_, metrics) = get(&address, "/metrics").await?;
        let passes = metrics
            .lines()
            .filter(|line| line.starts_with("qipan_reconciles_total{controller=\"tenantquota\""))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        ensure!(passes.sum::<f64>() >= 5.0, "not yet");
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let writes = written(&world, before);
    assert!(writes.is_empty(), "{writes:?}");
    let member = world.member().await.unwrap();
    let changed = Instant::now();
    world
        .grant(&grant("jing", "g3", 6, &[("a3", 4), ("b3", 2)]))
        .await
        .unwrap();
    eventually("the change is in force", SOON, async || {
        let cpu = hard(&quota(&member, "jing-a3").await?, "requests.cpu");
        ensure!(cpu == "4", "{cpu}");
        Ok(())
    })
    .await
    .unwrap();
    // The goal is 2 s; `make bench` measures it. Here it only must not wait for a clock.
    println!("a change is in force after {:.2?}", changed.elapsed());
    assert!(
        changed.elapsed() < Duration::from_secs(8),
        "{:?}",
        changed.elapsed()
    );
}

#[tokio::test]
async fn a_ledger_that_is_lost_is_rebuilt_from_the_member_and_nothing_rises() {
    let world = alone().await;
    world.tenant("huifu").await.unwrap();
    let wanted = grant("huifu", "bao", 10, &[("a", 7), ("b", 3)]);
    world.grant(&wanted).await.unwrap();
    let before = world.in_force("qp-huifu", "bao").await.unwrap();
    let (hub, member) = (world.hub().await.unwrap(), world.member().await.unwrap());
    create_pod(&member, "huifu-a", "busy", "5").await;
    let watch = Watch::start(&member, &["huifu-"]).await.unwrap();
    watch.granted("huifu/bao", 10);
    // As a restore does: the spec comes back (with other shares), the status does not.
    let kind = kube::core::GroupVersionKind::gvk("qipan.dev", "v1alpha1", "TenantQuota");
    let resource = kube::core::ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = Api::namespaced_with(hub, "qp-huifu", &resource);
    for round in 0..2 {
        if round == 1 {
            world
                .grant(&grant("huifu", "bao", 10, &[("a", 2), ("b", 8)]))
                .await
                .unwrap();
        }
        eventually("the ledger is gone", SOON, async || {
            let mut emptied = api.get("bao").await?;
            emptied.data["status"] = json!({});
            api.replace_status("bao", &PostParams::default(), &emptied)
                .await
        })
        .await
        .unwrap();
        if round == 0 {
            let after = world.in_force("qp-huifu", "bao").await.unwrap();
            let (before, after) = (before.status.clone().unwrap(), after.status.unwrap());
            assert_eq!(after.admitted, before.admitted);
            for (old, new) in before.leaves.iter().zip(&after.leaves) {
                assert_eq!((&old.ceiling, &old.target), (&new.ceiling, &new.target));
                assert!(
                    new.epoch >= old.epoch,
                    "an epoch went back: {old:?} {new:?}"
                );
            }
        }
    }
    // 5 of a are in use: b is given the other 5 and waits for the rest.
    eventually("a is lowered", SOON, async || {
        let cpu = hard(&quota(&member, "huifu-a").await?, "requests.cpu");
        ensure!(cpu == "2", "{cpu}");
        Ok(())
    })
    .await
    .unwrap();
    remove_pod(&member, "huifu-a", "busy").await;
    eventually("b is raised", SOON, async || {
        let cpu = hard(&quota(&member, "huifu-b").await?, "requests.cpu");
        ensure!(cpu == "8", "{cpu}");
        Ok(())
    })
    .await
    .unwrap();
    world.in_force("qp-huifu", "bao").await.unwrap();
    watch.end().unwrap();
    world
        .platform_says(PLATFORM, ConditionType::Ready, "Connected")
        .await
        .unwrap();
}

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
    Ok(World { testbed, operator })
}

#[tokio::test]
async fn api_servers_that_fail_forget_and_delay_lose_nothing_and_count_nothing_twice() {
    let mut proxies = Vec::new();
    let world = through(&mut proxies).await.unwrap();
    let tenants = ["huai-a", "huai-b"];
    let member = world.member().await.unwrap();
    let watch = Watch::start(&member, &["huai-"]).await.unwrap();
    for name in tenants {
        put(&world, &tenant(name)).await;
    }
    for name in tenants {
        tenant_says(&world, name, "Ready").await;
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
            let status = grant_of(&world, tenant, name)
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
                let cpu = hard(
                    &quota(&member, &format!("{tenant}-{leaf}")).await?,
                    "requests.cpu",
                );
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
