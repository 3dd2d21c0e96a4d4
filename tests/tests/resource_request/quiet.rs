//! An operator that is killed in the middle of it, and one that has nothing to do.

use std::time::Duration;

use crds::resource_request::Phase;
use harness::world::{MEMBER, SOON, World};
use harness::{HUB, Spec, eventually, get};

use super::province::{NODE, OLD, Story, application, cpu, found, ledger_reads, settle_unit};

/// The operator's account, as the audit log names it.
const ACCOUNT: &str = "system:serviceaccount:qipan-system:qipan-operator";

async fn killed(world: &mut World) {
    world.operator.program.kill().unwrap();
    world.operator.program.restart().unwrap();
    let address = world.operator.address.clone();
    eventually("it leads again", SOON, async || {
        let (_, metrics) = get(&address, "/metrics").await?;
        anyhow::ensure!(metrics.contains("qipan_leader 1"), "it does not lead yet");
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn killed_in_the_middle_it_goes_on_where_it_was_and_an_open_request_costs_no_writes() {
    let mut world = World::start(Spec::with_members(&[MEMBER, NODE, OLD]))
        .await
        .unwrap();
    found(&world).await.unwrap();
    settle_unit(&world, "shouhuo").await;
    let asked = application(&cpu(NODE, "dong", 6));
    // Killed while it is submitted, and again while what was approved is enacted.
    let story = Story::submit(&world, "shouhuo", "yi", &asked).await;
    let (unit, name) = (story.unit.clone(), "yi");
    killed(&mut world).await;
    let story = Story::again(&world, &unit, name);
    story.turn_of("UnitHead").await;
    ledger_reads(&world, "dong", "0", "6").await;
    story.approve().await;
    killed(&mut world).await;
    let story = Story::again(&world, &unit, name);
    let delivered = story.reaches(Phase::Delivered).await.status.unwrap();
    assert_eq!(delivered.grants.len(), 1);
    ledger_reads(&world, "dong", "6", "0").await;
    let made = world
        .testbed
        .audit(HUB)
        .unwrap()
        .writes_by(ACCOUNT, 0)
        .unwrap();
    let made = made.iter().filter(|e| {
        let of = e.object_ref.as_ref();
        e.verb == "create" && of.is_some_and(|o| o.resource == "tenantquotas")
    });
    assert_eq!(made.count(), 1, "the grant was made once");
    // Another one stays open; while nothing changes, nothing is written.
    let mut second = asked.clone();
    second["items"][0]["namespaces"][0]["name"] = serde_json::json!("er");
    let open = Story::submit(&world, "shouhuo", "er", &second).await;
    open.turn_of("UnitHead").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let audit = world.testbed.audit(HUB).unwrap();
    let mark = audit.mark().unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let written = audit.writes_by(ACCOUNT, mark).unwrap();
    assert!(written.is_empty(), "{written:?}");
}
