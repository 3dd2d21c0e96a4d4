//! Ways through: the whole journey, by hand, by rule, in an emergency, with a return, with a countersign.

use anyhow::ensure;
use crds::ConditionType;
use crds::calendar::{day_of, days_after};
use crds::resource_request::{EventKind, Phase};
use harness::world::SOON;
use harness::{Leaf, eventually};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use super::province::{NODE, Story, application, cpu, ledger_reads, settle_unit, unit};
use super::world;

#[tokio::test]
async fn a_department_asks_three_authorities_decide_and_its_pod_is_admitted() {
    let world = world().await;
    settle_unit(world, "shuiwu").await;
    let story = Story::submit(
        world,
        "shuiwu",
        "shuiwei",
        &application(&cpu(NODE, "dong", 6)),
    )
    .await;
    let submitted = story.turn_of("UnitHead").await.status.unwrap();
    ledger_reads(world, "dong", "0", "6").await;
    assert_eq!(submitted.phase, Some(Phase::Reviewing));
    assert_eq!(submitted.clock.unwrap().left, Some(3));
    story.approve().await;
    let delivered = story.reaches(Phase::Delivered).await.status.unwrap();
    ledger_reads(world, "dong", "6", "0").await;
    let sheet = delivered.delivery.unwrap();
    let entry = &sheet.entries[0];
    assert_eq!(entry.namespaces, ["shuiwu-web"]);
    assert!(
        entry.endpoint.as_deref().unwrap().starts_with("https://"),
        "{entry:?}"
    );
    assert_eq!(entry.contact.as_deref(), Some("jiedian-duty"));
    assert!(sheet.accept_by.is_some());
    let grant = world.grant_of("shuiwu", "shuiwei-app").await.unwrap();
    assert_eq!(grant.spec.request.as_deref(), Some("shuiwei"));
    assert!(grant.spec.lease.is_some(), "a test tenancy ends");
    // The way in: the unit's owner runs what was asked for, and not more.
    let owner = world
        .testbed
        .client_as(NODE, "shuiwu-head", &[])
        .await
        .unwrap();
    let leaf = Leaf::of(&owner, "shuiwu-web");
    leaf.run_pod("one", "5").await.unwrap();
    let refusal = leaf.create_pod("two", "2").await.unwrap_err().to_string();
    assert!(refusal.contains("exceeded quota: qipan"), "{refusal}");
    let officer = story.officer();
    let receipt = json!({ "by": officer, "accepted": true });
    story.append(&officer, &[], "acceptance", receipt).await;
    story.reaches(Phase::Accepted).await;
    let rating = json!({ "by": officer, "stars": 5 });
    story.append(&officer, &[], "rating", rating).await;
    let rated = story.reaches(Phase::Accepted).await.status.unwrap();
    let deeds: Vec<_> = rated
        .timeline
        .iter()
        .map(|e| format!("{:?}", e.kind))
        .collect();
    assert_eq!(
        deeds,
        [
            "Submitted",
            "Held",
            "Decision",
            "Decision",
            "Decision",
            "Enacted",
            "Delivered",
            "Acceptance",
            "Rating"
        ]
    );
}

#[tokio::test]
async fn what_no_api_delivers_is_worked_off_and_its_price_is_known() {
    let world = world().await;
    settle_unit(world, "jiaotong").await;
    let items = json!([
        { "name": "ym", "offering": "yuming", "product": "jd-yuming", "platform": NODE, "zone": "Extranet", "size": "unit", "count": 2 },
        { "name": "vm", "product": "jd-zhuji", "platform": NODE, "zone": "Extranet", "pool": "gong", "size": "2C4G", "count": 3,
          "namespaces": [{ "name": "vm" }] },
    ]);
    let story = Story::submit(world, "jiaotong", "luwang", &application(&items)).await;
    let asked = story.turn_of("UnitHead").await.status.unwrap();
    assert_eq!(asked.monthly_cost.unwrap().to_string(), "265.00");
    story.approve().await;
    story.work("luwang-ym", "Accepted", "已受理").await;
    story.reaches(Phase::Provisioning).await;
    story
        .work("luwang-ym", "Done", "luwang.example.gov.cn")
        .await;
    let sheet = story
        .reaches(Phase::Delivered)
        .await
        .status
        .unwrap()
        .delivery
        .unwrap();
    let note = sheet.entries.iter().find_map(|e| e.note.clone());
    assert_eq!(note.as_deref(), Some("luwang.example.gov.cn"));
    let grant = world.grant_of("jiaotong", "luwang-vm").await.unwrap();
    assert_eq!(
        grant
            .status
            .unwrap()
            .admitted
            .of("requests.cpu")
            .to_string(),
        "6"
    );
}

#[tokio::test]
async fn a_return_pauses_it_until_it_is_answered_and_a_withdrawal_frees_the_hold() {
    let world = world().await;
    settle_unit(world, "nongye").await;
    let story = Story::submit(
        world,
        "nongye",
        "guangai",
        &application(&cpu(NODE, "gong", 7)),
    )
    .await;
    story.turn_of("UnitHead").await;
    story
        .decide("UnitHead", ("nongye-head", &[]), "Return")
        .await;
    let returned = story.reaches(Phase::Returned).await.status.unwrap();
    assert!(returned.clock.unwrap().paused.is_some());
    assert!(returned.holds.iter().all(|h| h.held), "it goes on holding");
    let said = story.says("Returned").await;
    assert!(
        said.contains("nongye-head") && said.contains("意见"),
        "{said}"
    );
    let officer = story.officer();
    let answer = json!({ "by": officer, "comment": "已补" });
    story.append(&officer, &[], "answers", answer).await;
    let goes_on = story.reaches(Phase::Reviewing).await.status.unwrap();
    assert!(goes_on.clock.unwrap().paused.is_none());
    let withdrawal = json!({ "by": officer });
    story.append(&officer, &[], "withdrawal", withdrawal).await;
    let ended = story.reaches(Phase::Withdrawn).await.status.unwrap();
    assert!(ended.holds.is_empty());
}

#[tokio::test]
async fn an_emergency_is_opened_by_the_owner_of_the_platform_and_reviewed_afterwards() {
    let world = world().await;
    settle_unit(world, "yingji").await;
    let mut asked = application(&cpu(NODE, "gong", 3));
    asked["environment"] = json!("Emergency");
    let story = Story::submit(world, "yingji", "taifeng", &asked).await;
    story.turn_of("PlatformOwner").await;
    let last = format!("PlatformOwner/{NODE}");
    story
        .decide(&last, ("shi-ke", &["shi-ju"]), "Approve")
        .await;
    let opened = story.reaches(Phase::Delivered).await.status.unwrap();
    assert!(opened.stage.is_some(), "the review is still to come");
    story
        .decide("UnitHead", ("yingji-head", &[]), "Approve")
        .await;
    story.turn_of("Authority").await;
    story
        .decide("Authority", ("xian-ke", &["xian-ju"]), "Approve")
        .await;
    let reviewed = story.reaches(Phase::Delivered).await.status.unwrap();
    assert!(
        reviewed.chain.iter().all(|s| s.done.is_some()),
        "{:?}",
        reviewed.chain
    );
}

#[tokio::test]
async fn where_the_review_of_an_emergency_refuses_its_grant_ends_unless_it_is_renewed_properly() {
    let world = world().await;
    settle_unit(world, "qiangxian").await;
    let mut asked = application(&cpu(NODE, "gong", 2));
    asked["environment"] = json!("Emergency");
    let story = Story::submit(world, "qiangxian", "hongshui", &asked).await;
    story.turn_of("PlatformOwner").await;
    let last = format!("PlatformOwner/{NODE}");
    story
        .decide(&last, ("shi-ke", &["shi-ju"]), "Approve")
        .await;
    story.reaches(Phase::Delivered).await;
    let lease = async || {
        let grant = world.grant_of("qiangxian", "hongshui-app").await?;
        let lease = grant.spec.lease.as_ref().map(|l| l.until);
        Ok::<_, anyhow::Error>((lease, grant))
    };
    assert_eq!(lease().await.unwrap().0, None);
    story
        .decide("UnitHead", ("qiangxian-head", &[]), "Reject")
        .await;
    let today = day_of(jiff::Timestamp::now());
    let until = days_after(today, 30);
    let curtailed = eventually("its grant has an end", SOON, async || {
        let (end, grant) = lease().await?;
        ensure!(end.is_some(), "none yet");
        let status = grant.status.clone().unwrap_or_default();
        let current = status.conditions.get(ConditionType::Current);
        let reason = current.map_or("", |c| c.reason.as_str());
        ensure!(reason == "LeaseEnding", "it says {reason}");
        Ok((end, grant))
    });
    let (end, grant) = curtailed.await.unwrap();
    assert_eq!(end, Some(until), "the profile's notice");
    let said = eventually("the request says so", SOON, async || {
        let status = story.now().await?.status.unwrap_or_default();
        let reviewed = status.conditions.get(ConditionType::Reviewed);
        let reviewed = reviewed.cloned().unwrap();
        let noted = status
            .timeline
            .iter()
            .any(|e| e.kind == EventKind::Curtailed);
        ensure!(reviewed.reason == "ReviewRejected" && noted, "{reviewed:?}");
        Ok(reviewed.message)
    });
    let said = said.await.unwrap();
    for part in [
        "qiangxian-head",
        "UnitHead",
        "意见",
        "hongshui-app",
        &until.to_string(),
    ] {
        assert!(said.contains(part), "{said}");
    }
    eventually("there is a warning", SOON, async || {
        let events: Api<Event> = Api::namespaced(world.hub().await?, "qp-qiangxian");
        let events = events.list(&ListParams::default()).await?.items;
        let warned = events.iter().any(|e| {
            e.reason.as_deref() == Some("ReviewRejected") && e.type_.as_deref() == Some("Warning")
        });
        ensure!(warned, "of {}", events.len());
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    // What is renewed with everybody's word stays.
    let mut renewal = application(&json!([{
        "name": "app", "platform": NODE, "zone": "Extranet", "pool": "gong", "grant": "hongshui-app",
    }]));
    renewal["type"] = json!("Renew");
    renewal["environment"] = json!("Production");
    let later = days_after(today, 200);
    renewal["until"] = json!(later);
    let renewed = Story::submit(world, "qiangxian", "xuqi", &renewal).await;
    renewed.approve().await;
    renewed.reaches(Phase::Delivered).await;
    let (end, now) = lease().await.unwrap();
    assert_eq!(
        (end, now.spec.request.as_deref()),
        (Some(later), Some("xuqi"))
    );
    assert_eq!(
        now.spec.hard, grant.spec.hard,
        "a renewal only moves the end"
    );
}

#[tokio::test]
async fn a_decrease_needs_nobody_and_a_raise_is_held_for_its_difference() {
    let world = world().await;
    settle_unit(world, "wenlv").await;
    let first = Story::submit(
        world,
        "wenlv",
        "jingqu",
        &application(&cpu(NODE, "gong", 8)),
    )
    .await;
    first.turn_of("UnitHead").await;
    first.approve().await;
    first.reaches(Phase::Delivered).await;
    let change = |cpu: u32| {
        let mut asked = application(&json!([{
            "name": "app", "platform": NODE, "zone": "Extranet", "pool": "gong", "grant": "jingqu-app",
            "resources": { "cpu": cpu, "memory": format!("{cpu}Gi") },
        }]));
        asked["type"] = json!("Change");
        asked["environment"] = json!("Emergency");
        asked
    };
    let less = Story::submit(world, "wenlv", "jian", &change(5)).await;
    let done = less.reaches(Phase::Delivered).await.status.unwrap();
    assert!(done.by_rule);
    assert_eq!(done.outcome.unwrap().by, "rule");
    let more = Story::submit(world, "wenlv", "jia", &change(9)).await;
    let asked = more.turn_of("PlatformOwner").await.status.unwrap();
    assert_eq!(asked.holds[0].amount.of("requests.cpu").to_string(), "4");
    let last = format!("PlatformOwner/{NODE}");
    more.decide(&last, ("shi-ke", &["shi-ju"]), "Approve").await;
    more.reaches(Phase::Delivered).await;
    let grant = world.grant_of("wenlv", "jingqu-app").await.unwrap();
    assert_eq!(grant.spec.request.as_deref(), Some("jia"));
    assert_eq!(
        grant.spec.namespaces[0].hard.of("requests.cpu").to_string(),
        "9"
    );
}

#[tokio::test]
async fn where_all_have_to_approve_one_is_not_enough() {
    let world = world().await;
    let mut town = unit("zhen", "Town", Some("xian"), None);
    let two = json!([{ "kind": "User", "name": "zhen-a" }, { "kind": "Group", "name": "zhen-zu" }]);
    town["spec"]["approvers"] = json!([{ "stage": "UnitHead", "subjects": two }]);
    world.put(&town).await.unwrap();
    world.tenant_says("zhen", "Ready").await.unwrap();
    let story = Story::submit(world, "zhen", "tongji", &application(&cpu(NODE, "gong", 2))).await;
    story.turn_of("UnitHead").await;
    story.decide("UnitHead", ("zhen-a", &[]), "Approve").await;
    let half = story.turn_of("UnitHead").await.status.unwrap();
    assert_eq!(half.chain[0].by, ["zhen-a"]);
    let entry =
        json!({ "stage": "UnitHead", "by": "zhen-b", "party": "zhen-zu", "outcome": "Approve" });
    story
        .append("zhen-b", &["zhen-zu"], "decisions", entry)
        .await;
    story.turn_of("PlatformOwner").await;
}

#[tokio::test]
async fn conditions_say_what_is_held_enacted_and_on_time() {
    let world = world().await;
    settle_unit(world, "dangan").await;
    let story = Story::submit(world, "dangan", "guan", &application(&cpu(NODE, "gong", 2))).await;
    let status = story.turn_of("UnitHead").await.status.unwrap();
    let reason = |type_| status.conditions.get(type_).map(|c| c.reason.clone());
    assert_eq!(reason(ConditionType::Held).as_deref(), Some("Held"));
    assert_eq!(
        reason(ConditionType::Enacted).as_deref(),
        Some("NotEnacted")
    );
    assert_eq!(reason(ConditionType::OnTime).as_deref(), Some("OnTime"));
    let said = story.says("Reviewing").await;
    assert!(
        said.contains("UnitHead") && said.contains("dangan"),
        "{said}"
    );
}
