//! A clock that jumps.

use std::time::{Duration, Instant};

use harness::world::{World, grant};
use harness::{Operator, faketime};
use serde_json::json;

use super::alone;

/// How long a lowering must have been in force before it frees anything.
const SETTLE: Duration = Duration::from_secs(8);

/// Moves six of ten CPU from one namespace to the other, and back.
async fn share(world: &World, a: u32, b: u32) {
    let wanted = grant("shizhong", "yi", 10, &[("a", a), ("b", b)]);
    world.grant(&wanted).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_jumps_lets_nothing_settle_early_and_stops_nothing() {
    let Some(library) = faketime::library() else {
        eprintln!("skipped: libfaketime is not installed: apt-get install faketime");
        return;
    };
    let mut world = alone().await;
    let rules = |seconds: u64| {
        let mut rules: serde_json::Value =
            serde_json::from_str(&harness::world::profile()).unwrap();
        rules["spec"]["quota"] = json!({ "settleSeconds": seconds });
        rules
    };
    world.put(&rules(SETTLE.as_secs())).await.unwrap();
    let clock = world.testbed.logs().join("clock");
    let jump = |to: &str| std::fs::write(&clock, to).unwrap();
    jump("+0");
    let options = faketime::options(&library, &clock, "jumping");
    world.operator.program.stop();
    let jumping = Operator::start(&world.testbed, options).await.unwrap();
    world.tenant("shizhong").await.unwrap();
    share(&world, 8, 2).await;
    world.in_force("qp-shizhong", "yi").await.unwrap();
    let (a, b) = (
        world.leaf("shizhong-a").await.unwrap(),
        world.leaf("shizhong-b").await.unwrap(),
    );
    // Two hours ahead while a lowering settles, then half an hour behind.
    for (to, [for_a, for_b], falls, rises) in [("+2h", [2, 8], &a, &b), ("-30m", [7, 3], &b, &a)] {
        let began = Instant::now();
        share(&world, for_a, for_b).await;
        falls
            .cpu_becomes(&for_a.min(for_b).to_string())
            .await
            .unwrap();
        jump(to);
        rises
            .cpu_becomes(&for_a.max(for_b).to_string())
            .await
            .unwrap();
        assert!(
            began.elapsed() >= SETTLE,
            "{to}: what was lowered was given away after {:?}",
            began.elapsed()
        );
        world.in_force("qp-shizhong", "yi").await.unwrap();
    }
    assert!(
        jumping.metrics().await.unwrap().contains("qipan_leader 1"),
        "it leads on"
    );
    let said = jumping.program.log().unwrap();
    assert!(!said.contains("the lease"), "{said}");
    drop(jumping);
    world.put(&rules(1)).await.unwrap();
    world.delete("qp-shizhong", "yi").await.unwrap();
    world.operator.program.restart().unwrap();
    world.gone("qp-shizhong", "yi").await.unwrap();
}
