//! What days bring about, with an operator whose time of day is what the test says: an opinion that is gone on without, a
//! receipt by rule, a lease that ends, a small step that is approved by rule.

use std::sync::Mutex;

use anyhow::{Context as _, ensure};
use crds::resource_request::Phase;
use crds::resource_request::chain::StageState;
use crds::{ConditionType, ResourceRequest};
use harness::world::{MEMBER, PLATFORM, SOON, World};
use harness::{Leaf, Operator, Spec, eventually, faketime};
use serde_json::{Value, json};

use super::province::{self, NODE, OLD, Story, application, cpu, unit};

/// A province of its own, whose operator lives in days of its own.
struct Days {
    world: World,
    operator: Mutex<Operator>,
    clock: std::path::PathBuf,
}

impl Days {
    /// `None` where the machine has no libfaketime.
    async fn start() -> Option<Self> {
        let library = faketime::library()?;
        let members = [MEMBER, NODE, OLD];
        let mut world = World::start(Spec::with_members(&members)).await.unwrap();
        province::found(&world).await.unwrap();
        let clock = world.testbed.logs().join("days");
        std::fs::write(&clock, "+0").unwrap();
        let options = faketime::options(&library, &clock, "days");
        world.operator.program.stop();
        let operator = Operator::start(&world.testbed, options).await.unwrap();
        Some(Self {
            world,
            operator: Mutex::new(operator),
            clock,
        })
    }

    /// It is so many days later than the test began: the operator wakes up to that.
    fn pass(&self, days: u32) {
        std::fs::write(&self.clock, format!("+{days}d")).unwrap();
        self.operator.lock().unwrap().program.restart().unwrap();
    }

    async fn county_unit(&self, name: &str) {
        let mut there = unit(name, "County", Some("xian"), None);
        there["spec"]["approvers"] =
            json!([{ "stage": "Technical", "subjects": [{ "kind": "User", "name": "yw-1" }] }]);
        self.world.put(&there).await.unwrap();
        self.world.tenant_says(name, "Ready").await.unwrap();
    }

    /// A grant of 10 CPU in a namespace of its own, in which so much runs.
    async fn grant(&self, unit: &str, name: &str, lease: Option<&Value>, runs: &str) -> Leaf {
        let mut grant = harness::world::grant(unit, name, 10, &[(name, 10)]);
        if let Some(lease) = lease {
            grant["spec"]["lease"] = lease.clone();
        }
        self.world.grant(&grant).await.unwrap();
        let own = format!("qp-{unit}");
        self.world.in_force(&own, name).await.unwrap();
        let leaf = self.world.leaf(&format!("{unit}-{name}")).await.unwrap();
        leaf.run_pod("lauf", runs).await.unwrap();
        leaf
    }

    async fn lease_says(&self, unit: &str, name: &str, reason: &str) -> String {
        let what = format!("the lease of {name} says {reason}");
        eventually(&what, SOON, async || {
            let status = self.world.grant_of(unit, name).await?.status;
            let status = status.context("not judged")?;
            let current = status.conditions.get(ConditionType::Current);
            let current = current.context("nothing of a lease")?;
            ensure!(current.reason == reason, "it says {}", current.reason);
            Ok(current.message.clone())
        })
        .await
        .unwrap()
    }
}

fn stage_of(request: &ResourceRequest, at: usize) -> StageState {
    request.status.as_ref().unwrap().chain[at].state
}

#[tokio::test]
async fn days_pass_and_each_rule_comes_on_its_day() {
    let Some(days) = Days::start().await else {
        eprintln!("skipped: libfaketime is not installed: apt-get install faketime");
        return;
    };
    for unit in ["riqi", "zuqi", "zengzhang"] {
        days.county_unit(unit).await;
    }
    let mut profile: Value = serde_json::from_str(&harness::world::profile()).unwrap();
    let years = [2026, 2027, 2028].map(|year| json!({ "year": year, "source": "test" }));
    profile["spec"]["calendar"] = json!({ "years": years });
    let step = |stage: &str| json!({ "stage": stage, "workingDays": 2 });
    profile["spec"]["approvals"] = json!({
        "automatic": { "enabled": true },
        "chains": [{ "name": "opinions", "environments": ["Test"], "steps": [step("UnitHead"), step("Technical")] }],
    });
    days.world.put(&profile).await.unwrap();

    // Day 0. The provider's opinion moves the chain on, and decides nothing.
    let asked = |name: &str| {
        let mut asked = application(&cpu(NODE, "gong", 2));
        asked["items"][0]["namespaces"] = json!([{ "name": name }]);
        asked
    };
    let given = Story::submit(&days.world, "riqi", "you", &asked("you")).await;
    given.turn_of("UnitHead").await;
    given
        .decide("UnitHead", ("riqi-head", &[]), "Approve")
        .await;
    given.turn_of("Technical").await;
    let view =
        json!({ "stage": "Technical", "by": "yw-1", "view": "Unfavourable", "comment": "余量紧" });
    given.append("yw-1", &[], "opinions", view).await;
    let advised = given.turn_of("PlatformOwner").await;
    assert_eq!(stage_of(&advised, 1), StageState::Advised);
    let owner = format!("PlatformOwner/{NODE}");
    given
        .decide(&owner, ("shi-ke", &["shi-ju"]), "Approve")
        .await;
    given.reaches(Phase::Delivered).await;
    // Another one is not given.
    let silent = Story::submit(&days.world, "riqi", "wu", &asked("wu")).await;
    silent.turn_of("UnitHead").await;
    silent
        .decide("UnitHead", ("riqi-head", &[]), "Approve")
        .await;
    silent.turn_of("Technical").await;
    // A lease that ends the day after tomorrow, and a grant that is used nearly in full.
    let today = crds::calendar::day_of(jiff::Timestamp::now());
    let ends = json!({ "until": crds::calendar::days_after(today, 2) });
    let lease = days.grant("zuqi", "zu", Some(&ends), "3").await;
    days.lease_says("zuqi", "zu", "LeaseEnding").await;
    days.grant("zengzhang", "zeng", None, "9").await;

    // Day 3: the lease has ended. Nothing grows, and what is there stays.
    days.pass(3);
    days.lease_says("zuqi", "zu", "LeaseEnded").await;
    lease.cpu_becomes("10").await.unwrap();

    // Day 10: it has fallen to what is in use; of the opinion and the receipt nothing is awaited any more.
    days.pass(10);
    days.lease_says("zuqi", "zu", "LeaseShrinking").await;
    lease.cpu_becomes("3").await.unwrap();
    let gone_on = silent.turn_of("PlatformOwner").await;
    assert_eq!(stage_of(&gone_on, 1), StageState::PassedOver);
    let accepted = given.reaches(Phase::Accepted).await.status.unwrap();
    let delivery = accepted.delivery.unwrap();
    assert!(delivery.accepted_by_rule, "{delivery:?}");
    given.says("AcceptedByRule").await;

    // Day 17: it falls to nothing as use allows, and nothing is evicted.
    days.pass(17);
    days.lease_says("zuqi", "zu", "LeaseReleased").await;
    assert_eq!(lease.pods().await.unwrap(), ["lauf"]);
    lease.remove_pod("lauf").await.unwrap();
    lease.cpu_becomes("0").await.unwrap();
    // A renewal brings it back.
    let mut renewal = application(
        &json!([{ "name": "zu", "platform": PLATFORM, "zone": "Extranet", "pool": "x86", "grant": "zu" }]),
    );
    renewal["type"] = json!("Renew");
    renewal["environment"] = json!("Production");
    renewal["until"] = json!("2028-06-30");
    let renewed = Story::submit(&days.world, "zuqi", "xu", &renewal).await;
    renewed.turn_of("UnitHead").await;
    renewed
        .decide("UnitHead", ("zuqi-head", &[]), "Approve")
        .await;
    renewed.turn_of("Authority").await;
    renewed
        .decide("Authority", ("xian-ke", &["xian-ju"]), "Approve")
        .await;
    renewed.turn_of("PlatformOwner").await;
    let owner = format!("PlatformOwner/{PLATFORM}");
    renewed
        .decide(&owner, ("sheng-ke", &["sheng-ju"]), "Approve")
        .await;
    renewed.reaches(Phase::Delivered).await;
    lease.cpu_becomes("10").await.unwrap();

    // Day 32: nothing was changed for longer than the rule asks for, and the use is high: a small step needs nobody.
    let more = |to: u32| {
        let mut asked = application(
            &json!([{ "name": "zeng", "platform": PLATFORM, "zone": "Extranet", "pool": "x86",
                                              "grant": "zeng", "resources": { "cpu": to } }]),
        );
        asked["type"] = json!("Change");
        asked["environment"] = json!("Emergency");
        asked
    };
    let early = Story::submit(&days.world, "zengzhang", "zao", &more(12)).await;
    let status = early.turn_of("PlatformOwner").await.status.unwrap();
    assert!(!status.by_rule, "too soon after the last change");
    let officer = early.officer();
    early
        .append(&officer, &[], "withdrawal", json!({ "by": officer }))
        .await;
    early.reaches(Phase::Withdrawn).await;
    days.pass(32);
    days.world.in_force("qp-zengzhang", "zeng").await.unwrap();
    let large = Story::submit(&days.world, "zengzhang", "da", &more(13)).await;
    let status = large.turn_of("PlatformOwner").await.status.unwrap();
    assert!(!status.by_rule, "30 percent is no small step");
    large
        .append(&officer, &[], "withdrawal", json!({ "by": officer }))
        .await;
    large.reaches(Phase::Withdrawn).await;
    let small = Story::submit(&days.world, "zengzhang", "xiao", &more(12)).await;
    let status = small.reaches(Phase::Delivered).await.status.unwrap();
    assert!(status.by_rule && status.chain.is_empty(), "{status:?}");
    assert_eq!(status.outcome.unwrap().by, "rule");
    let grown = days.world.grant_of("zengzhang", "zeng").await.unwrap();
    assert_eq!(grown.spec.hard.of("requests.cpu").to_string(), "12");
}
