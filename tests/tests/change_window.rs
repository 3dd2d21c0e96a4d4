//! Change windows on the real thing: a freeze holds back growth and nothing else, from its first instant to its last; a
//! maintenance is shown beside what does not answer, which stays unknown.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crds::change_window::{ChangeWindowStatus, WindowPhase};
use crds::cloud_platform::ClusterState;
use crds::{ChangeWindow, CloudPlatform, ConditionStatus, ConditionType};
use harness::world::{MEMBER, PLATFORM, SOON, World, grant};
use harness::{Spec, eventually};
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

fn window(name: &str, type_: &str, (from, to): (Timestamp, Timestamp), scope: &Value) -> Value {
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ChangeWindow", "metadata": { "name": name },
        "spec": { "title": { "zh": name }, "type": type_, "from": from, "to": to, "scope": scope, "reason": "测试" },
    })
}

fn seconds(from_now: i64) -> Timestamp {
    let now = Timestamp::from_second(std_now()).unwrap();
    now + SignedDuration::from_secs(from_now)
}

fn std_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_secs()).unwrap()
}

async fn status(world: &World, name: &str) -> Result<ChangeWindowStatus> {
    let api: Api<ChangeWindow> = Api::all(world.hub().await?);
    api.get(name).await?.status.context("not judged yet")
}

async fn stands(world: &World, name: &str, phase: WindowPhase, held: i64) {
    eventually(
        &format!("{name} is {phase:?}, holds back {held}"),
        SOON,
        async || {
            let now = status(world, name).await?;
            ensure!(now.phase == phase && now.held_back == held, "{now:?}");
            Ok::<_, anyhow::Error>(())
        },
    )
    .await
    .unwrap();
}

async fn end_now(world: &World, name: &str) {
    let api: Api<ChangeWindow> = Api::all(world.hub().await.unwrap());
    let patch = Patch::Merge(json!({ "spec": { "to": seconds(0) } }));
    api.patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

fn cpu(amount: u32) -> Value {
    let hard = json!({ "cpu": amount, "memory": "4Gi", "pods": 10 });
    json!({ "spec": { "hard": hard, "namespaces": [{ "name": "web", "hard": hard }] } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_holds_back_growth_until_its_end_and_lets_go_by_itself() {
    let world = World::start(Spec::default()).await.unwrap();
    let (unit, home) = ("fengwang", "qp-fengwang");
    world.tenant(unit).await.unwrap();
    world
        .grant(&grant(unit, "wang", 4, &[("web", 4)]))
        .await
        .unwrap();
    world.in_force(home, "wang").await.unwrap();
    let leaf = world.leaf("fengwang-web").await.unwrap();
    let scope = json!({ "platforms": [PLATFORM], "tenants": [unit] });
    let span = (seconds(-60), seconds(3600));
    world
        .put(&window("dong", "Freeze", span, &scope))
        .await
        .unwrap();
    stands(&world, "dong", WindowPhase::Active, 0).await;
    // Growth waits, and says for what, until when, and what passes.
    world.patch(home, "wang", cpu(6)).await.unwrap();
    let held = ConditionType::Admitted;
    let grant_ = world
        .says(home, "wang", held, "Unknown", "ChangeFrozen")
        .await
        .unwrap();
    let conditions = grant_.status.unwrap().conditions;
    let said = &conditions.get(held).unwrap().message;
    assert!(
        said.contains("the freeze dong")
            && said.contains(&span.1.to_string())
            && said.contains("Emergency"),
        "{said}"
    );
    assert_eq!(
        leaf.hard("requests.cpu").await.unwrap(),
        "4",
        "what runs is not touched"
    );
    stands(&world, "dong", WindowPhase::Active, 1).await;
    // Another unit is not in its scope.
    world.tenant("ziyou").await.unwrap();
    world
        .grant(&grant("ziyou", "kai", 2, &[("web", 2)]))
        .await
        .unwrap();
    world.in_force("qp-ziyou", "kai").await.unwrap();
    // Lowering goes on.
    world.patch(home, "wang", cpu(3)).await.unwrap();
    world.in_force(home, "wang").await.unwrap();
    assert_eq!(leaf.hard("requests.cpu").await.unwrap(), "3");
    stands(&world, "dong", WindowPhase::Active, 0).await;
    // Its end lets go what waited, without another word.
    world.patch(home, "wang", cpu(5)).await.unwrap();
    world
        .says(home, "wang", held, "Unknown", "ChangeFrozen")
        .await
        .unwrap();
    end_now(&world, "dong").await;
    world.in_force(home, "wang").await.unwrap();
    assert_eq!(leaf.hard("requests.cpu").await.unwrap(), "5");
    stands(&world, "dong", WindowPhase::Ended, 0).await;
    on_the_second(&world, home).await;
}

/// A window that is to come begins and ends by the clock, and nobody touches anything meanwhile.
async fn on_the_second(world: &World, home: &str) {
    let (from, to) = (seconds(4), seconds(12));
    let scope = json!({ "zones": ["Extranet"], "tenants": ["fengwang"] });
    world
        .put(&window("zhun", "Freeze", (from, to), &scope))
        .await
        .unwrap();
    stands(world, "zhun", WindowPhase::Planned, 0).await;
    stands(world, "zhun", WindowPhase::Active, 0).await;
    let late = std_now() - from.as_second();
    assert!(
        (0..=2).contains(&late),
        "it was Active {late} s after its beginning"
    );
    world.patch(home, "wang", cpu(7)).await.unwrap();
    let held = ConditionType::Admitted;
    world
        .says(home, "wang", held, "Unknown", "ChangeFrozen")
        .await
        .unwrap();
    world.in_force(home, "wang").await.unwrap();
    let late = std_now() - to.as_second();
    assert!((0..=3).contains(&late), "it went on {late} s after the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_is_shown_beside_a_member_that_does_not_answer_and_makes_nothing_known() {
    let world = World::start(Spec::default()).await.unwrap();
    world
        .platform_says(PLATFORM, ConditionType::Reachable, "Connected")
        .await
        .unwrap();
    let scope = json!({ "platforms": [PLATFORM] });
    let span = (seconds(-60), seconds(3600));
    world
        .put(&window("weihu", "Maintenance", span, &scope))
        .await
        .unwrap();
    stands(&world, "weihu", WindowPhase::Active, 0).await;
    world.testbed.stop_cluster(MEMBER).await.unwrap();
    let platforms: Api<CloudPlatform> = Api::all(world.hub().await.unwrap());
    let wait = Duration::from_mins(2);
    eventually("the loss is excused", wait, async || {
        let status = platforms.get(PLATFORM).await?.status.unwrap_or_default();
        let said = status.conditions.get(ConditionType::Reachable);
        let said = said.context("not judged yet")?;
        ensure!(
            said.reason == "InMaintenance",
            "{}: {}",
            said.reason,
            said.message
        );
        ensure!(said.status == ConditionStatus::Unknown, "never good");
        ensure!(
            said.message.contains("ChangeWindow weihu")
                && said.message.contains(&span.1.to_string()),
            "{}",
            said.message
        );
        ensure!(
            status.clusters[0].state == ClusterState::Unreachable,
            "it is lost"
        );
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    let line =
        format!("qipan_member_in_maintenance{{cluster=\"{MEMBER}\",platform=\"{PLATFORM}\"}} 1");
    let metrics = world.operator.metrics().await.unwrap();
    assert!(metrics.contains(&line), "{metrics}");
    end_now(&world, "weihu").await;
    world
        .platform_says(PLATFORM, ConditionType::Reachable, "Unreachable")
        .await
        .unwrap();
}
