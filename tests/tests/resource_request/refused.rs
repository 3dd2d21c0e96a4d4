//! What is not given: two for the last unit, a frozen platform, what is offered no more, more than there is, a unit that goes.

use crds::CloudPlatform;
use crds::resource_request::Phase;
use harness::eventually;
use harness::world::{PLATFORM, SOON};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::province::{NODE, OLD, Story, application, cpu, ledger_reads, settle_unit};
use super::world;

#[tokio::test]
async fn of_two_for_the_last_unit_one_holds_and_the_other_says_which_limit_and_what_is_missing() {
    let world = world().await;
    for unit in ["zuihou-a", "zuihou-b"] {
        settle_unit(world, unit).await;
    }
    let asked = application(&cpu(NODE, "wei", 6));
    let (a, b) = tokio::join!(
        Story::submit(world, "zuihou-a", "last", &asked),
        Story::submit(world, "zuihou-b", "last", &asked),
    );
    ledger_reads(world, "wei", "0", "6").await;
    let holds = eventually("one of them is decided on", SOON, async || {
        for (story, other) in [(&a, &b), (&b, &a)] {
            let phase = story.now().await?.status.and_then(|s| s.phase);
            if phase == Some(Phase::Reviewing) {
                return Ok((story, other));
            }
        }
        anyhow::bail!("neither holds")
    });
    let (winner, loser) = holds.await.unwrap();
    let why = loser.says("PoolExhausted").await;
    for part in [
        "6 more requests.cpu",
        "4 free in pool wei",
        "held 6",
        "2 are missing",
    ] {
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(
        loser.now().await.unwrap().status.unwrap().phase,
        Some(Phase::Submitted)
    );
    // What is held is nobody else's, not the authority's by a direct grant either.
    settle_unit(world, "zuihou-c").await;
    let mut direct = harness::world::grant("zuihou-c", "zhijie", 5, &[("x", 5)]);
    direct["spec"]["platform"] = json!(NODE);
    direct["spec"]["pool"] = json!("wei");
    world.grant(&direct).await.unwrap();
    let refused = world
        .refused("qp-zuihou-c", "zhijie", "PoolExhausted")
        .await
        .unwrap();
    assert!(refused.contains("held 6"), "{refused}");
    // It becomes free: who waited longest gets it by itself.
    world.delete("qp-zuihou-c", "zhijie").await.unwrap();
    let officer = winner.officer();
    winner
        .append(&officer, &[], "withdrawal", json!({ "by": officer }))
        .await;
    loser.turn_of("UnitHead").await;
    ledger_reads(world, "wei", "0", "6").await;
}

#[tokio::test]
async fn between_the_hold_and_the_charge_nobody_comes_in() {
    let world = world().await;
    for unit in ["jiafang", "yifang"] {
        settle_unit(world, unit).await;
    }
    let story = Story::submit(world, "jiafang", "zhan", &application(&cpu(NODE, "san", 7))).await;
    story.turn_of("UnitHead").await;
    let rival = Story::submit(world, "yifang", "deng", &application(&cpu(NODE, "san", 5))).await;
    rival.says("PoolExhausted").await;
    story.approve().await;
    story.reaches(Phase::Delivered).await;
    ledger_reads(world, "san", "7", "0").await;
    let why = rival.says("PoolExhausted").await;
    assert!(why.contains("3 free in pool san"), "{why}");
}

#[tokio::test]
async fn a_frozen_platform_names_the_way_out_and_an_exception_ends_at_the_province() {
    let world = world().await;
    settle_unit(world, "minzheng").await;
    let plain = Story::submit(world, "minzheng", "fuli", &application(&cpu(OLD, "jiu", 2))).await;
    let why = plain.says("PlatformFrozen").await;
    assert!(why.contains(NODE), "{why}");
    let mut asked = application(&cpu(OLD, "jiu", 2));
    asked["type"] = json!("Exception");
    let story = Story::submit(world, "minzheng", "liwai", &asked).await;
    story.approve_exception().await;
    story.reaches(Phase::Delivered).await;
    let grant = world.grant_of("minzheng", "liwai-app").await.unwrap();
    let exception = grant.spec.frozen_exception.unwrap();
    assert_eq!(exception.by, "sheng-ke");
    assert_eq!(exception.basis.as_deref(), Some("ResourceRequest liwai"));
    // More of what is there now: an ordinary change is refused, and an exception enlarges it.
    let more = |kind: &str| {
        let mut asked = application(&json!([{
            "name": "app", "platform": OLD, "zone": "Extranet", "pool": "jiu", "grant": "liwai-app", "resources": { "cpu": 5 },
        }]));
        asked["type"] = json!(kind);
        asked
    };
    let plain = Story::submit(world, "minzheng", "jia", &more("Change")).await;
    let why = plain.says("PlatformFrozen").await;
    assert!(why.contains("type Exception"), "{why}");
    let story = Story::submit(world, "minzheng", "jia-liwai", &more("Exception")).await;
    story.approve_exception().await;
    story.reaches(Phase::Delivered).await;
    let grant = world.grant_of("minzheng", "liwai-app").await.unwrap();
    let basis = grant.spec.frozen_exception.unwrap().basis;
    assert_eq!(basis.as_deref(), Some("ResourceRequest jia-liwai"));
    let share = &grant.spec.namespaces[0].hard;
    assert_eq!(share.of("requests.cpu").to_string(), "5");
    let admitted = grant.status.unwrap().admitted;
    assert_eq!(
        ["requests.cpu", "requests.memory"].map(|name| admitted.of(name).to_string()),
        ["5", "2Gi"],
        "what is not named stays"
    );
}

#[tokio::test]
async fn work_by_hand_on_a_frozen_platform_takes_an_exception_as_well() {
    let world = world().await;
    settle_unit(world, "dizhen").await;
    let cards = json!([{ "name": "ka", "offering": "kapian", "product": "jy-kapian", "platform": OLD, "zone": "Extranet",
                         "size": "unit", "count": 2 }]);
    let plain = Story::submit(world, "dizhen", "leida", &application(&cards)).await;
    let why = plain.says("PlatformFrozen").await;
    assert!(
        why.contains("jy-kapian may not grow by 2") && why.contains(NODE),
        "{why}"
    );
    let mut asked = application(&cards);
    asked["type"] = json!("Exception");
    let story = Story::submit(world, "dizhen", "leida-liwai", &asked).await;
    story.approve_exception().await;
    story.reaches(Phase::Provisioning).await;
    story.work("leida-liwai-ka", "Done", "已装").await;
    story.reaches(Phase::Delivered).await;
}

#[tokio::test]
async fn what_is_delivered_by_hand_is_charged_to_no_pool() {
    let world = world().await;
    let product = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudProduct", "metadata": { "name": "jd-shougong" },
        "spec": {
            "displayName": { "zh": "手工" }, "offering": "zhuji", "platform": NODE, "zone": "Extranet", "pool": "gong",
            "sizes": [{ "name": "da", "resources": { "cpu": 2 } }], "fulfilment": "WorkOrder",
        },
    });
    let why = world.put(&product).await.unwrap_err();
    let why = format!("{why:#}");
    assert!(
        why.contains("spec.pool: what is delivered by hand is charged to no pool"),
        "{why}"
    );
}

#[tokio::test]
async fn what_is_withdrawn_from_the_catalog_meanwhile_is_not_enacted() {
    let world = world().await;
    settle_unit(world, "tiyu").await;
    let items = json!([{ "name": "vm", "product": "jd-jiuji", "platform": NODE, "zone": "Extranet", "pool": "gong", "size": "2C4G",
                         "count": 1, "namespaces": [{ "name": "vm" }] }]);
    let story = Story::submit(world, "tiyu", "changguan", &application(&items)).await;
    story.turn_of("UnitHead").await;
    let offerings: Api<crds::ServiceOffering> = Api::all(world.hub().await.unwrap());
    let withdraw = Patch::Merge(json!({ "spec": { "withdrawn": true } }));
    offerings
        .patch("jiuji", &PatchParams::default(), &withdraw)
        .await
        .unwrap();
    story.says("OfferingWithdrawn").await;
    story.approve().await;
    let status = story.reaches(Phase::Approved).await.status.unwrap();
    assert!(status.grants.is_empty());
    let why = story.says("OfferingWithdrawn").await;
    assert!(why.contains("jiuji"), "{why}");
}

#[tokio::test]
async fn a_quantity_beyond_stock_is_refused_with_what_is_left() {
    let world = world().await;
    for unit in ["kucun-a", "kucun-b"] {
        settle_unit(world, unit).await;
    }
    let channels = |count: u32| {
        application(
            &json!([{ "name": "td", "product": "jd-tongdao", "platform": NODE, "zone": "Extranet", "size": "unit", "count": count }]),
        )
    };
    let first = Story::submit(world, "kucun-a", "er", &channels(2)).await;
    first.turn_of("UnitHead").await;
    let second = Story::submit(world, "kucun-b", "er", &channels(2)).await;
    let why = second.says("StockExhausted").await;
    for part in [
        "2 of jd-tongdao",
        "1 are left",
        "stock 3, taken 2",
        "1 are missing",
    ] {
        assert!(why.contains(part), "{why}");
    }
    let products: Api<crds::CloudProduct> = Api::all(world.hub().await.unwrap());
    eventually("the product says what is taken", SOON, async || {
        let taken = products
            .get("jd-tongdao")
            .await?
            .status
            .and_then(|s| s.taken);
        anyhow::ensure!(taken == Some(2), "{taken:?}");
        Ok(())
    })
    .await
    .unwrap();
    let officer = first.officer();
    first
        .append(&officer, &[], "withdrawal", json!({ "by": officer }))
        .await;
    second.turn_of("UnitHead").await;
}

#[tokio::test]
async fn a_unit_that_is_deleted_under_its_open_request_gives_back_what_it_held() {
    let world = world().await;
    settle_unit(world, "chexiao").await;
    let story = Story::submit(world, "chexiao", "yiliu", &application(&cpu(OLD, "jiu", 1))).await;
    story.says("PlatformFrozen").await;
    let held = Story::submit(
        world,
        "chexiao",
        "zhan",
        &application(&cpu(PLATFORM, "x86", 11)),
    )
    .await;
    held.turn_of("UnitHead").await;
    let tenants: Api<crds::Tenant> = Api::all(world.hub().await.unwrap());
    tenants
        .delete("chexiao", &DeleteParams::default())
        .await
        .unwrap();
    let why = held.says("UnknownTenant").await;
    assert!(why.contains("chexiao"), "{why}");
    let platforms: Api<CloudPlatform> = Api::all(world.hub().await.unwrap());
    eventually("nothing is held any more", SOON, async || {
        let status = platforms.get(PLATFORM).await?.status.unwrap_or_default();
        let held = status.pools[0].account.held.clone();
        anyhow::ensure!(held.is_empty(), "{held}");
        Ok(())
    })
    .await
    .unwrap();
    // What was asked and decided stays on record.
    assert_eq!(held.now().await.unwrap().status.unwrap().chain.len(), 3);
}
