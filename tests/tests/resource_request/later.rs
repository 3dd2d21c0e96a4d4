//! What changes between the steps of a request: whoever handed a stage on loses it, a size of the catalog is another by then,
//! what was released can be given out again.

use anyhow::ensure;
use crds::resource_request::Phase;
use crds::resource_request::course::Why;
use crds::work_order::Purpose;
use crds::{CloudProduct, ConditionType, ResourceRequest, WorkOrder};
use harness::eventually;
use harness::world::SOON;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::province::{NODE, Story, application, cpu, settle_unit, unit};
use super::world;

#[tokio::test]
async fn a_delegate_of_somebody_who_lost_the_stage_decides_nothing() {
    let world = world().await;
    settle_unit(world, "jiaotong").await;
    let asked = application(&cpu(NODE, "gong", 2));
    let story = Story::submit(world, "jiaotong", "gongjiao", &asked).await;
    story.turn_of("UnitHead").await;
    let (head, deputy) = ("jiaotong-head", "jiaotong-deputy");
    let handed = json!({ "stage": "UnitHead", "by": head, "to": deputy, "reason": "出差" });
    story.append(head, &[], "delegations", handed).await;
    story.turn_of("UnitHead").await;
    // Another head is named: the one before has nothing to hand on any more.
    let mut there = unit("jiaotong", "County", Some("xian"), None);
    there["spec"]["owners"] = json!([
        { "kind": "User", "name": "jiaotong-new" }, { "kind": "User", "name": story.officer() },
    ]);
    world.put(&there).await.unwrap();
    let own = "qp-jiaotong";
    eventually("the head may decide no more", SOON, async || {
        let bindings: Api<k8s_openapi::api::rbac::v1::RoleBinding> =
            Api::namespaced(world.hub().await?, own);
        let all = bindings
            .list(&kube::api::ListParams::default())
            .await?
            .items;
        let bound = all
            .iter()
            .filter(|b| b.role_ref.name == "qipan:approve-unithead");
        let mut subjects = bound.flat_map(|b| b.subjects.iter().flatten());
        ensure!(!subjects.any(|s| s.name == head), "still bound");
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    let entry =
        json!({ "stage": "UnitHead", "by": deputy, "onBehalf": head, "outcome": "Approve" });
    story.append(deputy, &[], "decisions", entry).await;
    let said = story.says("DelegatorLost").await;
    assert!(
        said.contains(&format!("{deputy} decided at UnitHead for {head}"))
            && said.contains("approve-unithead"),
        "{said}"
    );
    let now = story.turn_of("UnitHead").await;
    assert_eq!(now.status.unwrap().uncounted[0].why, Why::DelegatorLost);
    // Whoever holds it decides.
    story
        .decide("UnitHead", ("jiaotong-new", &[]), "Approve")
        .await;
    story.turn_of("Authority").await;
}

/// A product of the node's own pool, of which one is so many cores.
fn product(name: &str, cores: u32, stock: u32) -> Value {
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudProduct", "metadata": { "name": name },
        "spec": {
            "displayName": { "zh": name }, "offering": "zhuji", "platform": NODE, "zone": "Extranet", "pool": "gong",
            "sizes": [{ "name": "da", "resources": { "cpu": cores, "memory": "4Gi", "pods": 10 } }],
            "stock": stock, "fulfilment": "Automatic",
        },
    })
}

fn pieces(product: &str, count: u32) -> Value {
    json!([{ "name": "app", "offering": "zhuji", "product": product, "size": "da", "count": count,
             "platform": NODE, "zone": "Extranet", "pool": "gong", "namespaces": [{ "name": "web" }] }])
}

#[tokio::test]
async fn a_size_that_changes_after_the_hold_is_enacted_as_it_was_decided_on() {
    let world = world().await;
    settle_unit(world, "wenhua").await;
    world.put(&product("jd-wenhua", 2, 9)).await.unwrap();
    let asked = application(&pieces("jd-wenhua", 2));
    let story = Story::submit(world, "wenhua", "gongyuan", &asked).await;
    let held = story.turn_of("UnitHead").await.status.unwrap();
    assert!(held.conditions.is_true(ConditionType::Held));
    let products: Api<CloudProduct> = Api::all(world.hub().await.unwrap());
    let patch = Patch::Merge(json!({ "spec": product("jd-wenhua", 3, 9)["spec"] }));
    products
        .patch("jd-wenhua", &PatchParams::default(), &patch)
        .await
        .unwrap();
    story.approve().await;
    story.reaches(Phase::Delivered).await;
    let grant = world.grant_of("wenhua", "gongyuan-app").await.unwrap();
    assert_eq!(grant.spec.hard.of("requests.cpu").to_string(), "4", "not 6");
}

async fn taken(product: &str, count: u32) {
    let products: Api<CloudProduct> = Api::all(world().await.hub().await.unwrap());
    eventually(
        &format!("{count} of {product} are taken"),
        SOON,
        async || {
            let status = products.get(product).await?.status.unwrap_or_default();
            ensure!(status.taken == Some(count), "{:?}", status.taken);
            Ok::<_, anyhow::Error>(())
        },
    )
    .await
    .unwrap();
}

/// A service with a stock of one, delivered by hand.
fn by_hand(name: &str) -> Value {
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudProduct", "metadata": { "name": name },
        "spec": {
            "displayName": { "zh": name }, "offering": "tongdao", "platform": NODE, "zone": "Extranet",
            "sizes": [{ "name": "unit" }], "stock": 1, "fulfilment": "WorkOrder",
        },
    })
}

fn one_of(product: &str) -> Value {
    application(
        &json!([{ "name": "td", "offering": "tongdao", "product": product, "platform": NODE, "zone": "Extranet",
                          "size": "unit", "count": 1 }]),
    )
}

#[tokio::test]
async fn what_was_delivered_by_hand_is_renewed_then_taken_back_and_given_out_again() {
    let world = world().await;
    for unit in ["shougong-a", "shougong-b"] {
        settle_unit(world, unit).await;
    }
    world.put(&by_hand("jd-shougong")).await.unwrap();
    let first = Story::submit(world, "shougong-a", "kai", &one_of("jd-shougong")).await;
    first.approve().await;
    first.work("kai-td", "Done", "已开通").await;
    first.reaches(Phase::Delivered).await;
    let second = Story::submit(world, "shougong-b", "kai", &one_of("jd-shougong")).await;
    second.says("StockExhausted").await;
    let again = |kind: &str, item: &str| {
        let mut asked = application(
            &json!([{ "name": "td", "platform": NODE, "zone": "Extranet",
                                              "delivered": { "request": "kai", "item": item } }]),
        );
        asked["type"] = json!(kind);
        asked["environment"] = json!("Production");
        if kind == "Renew" {
            asked["until"] = json!("2099-12-31");
        }
        asked
    };
    let orders: Api<WorkOrder> = Api::namespaced(world.hub().await.unwrap(), "qp-shougong-a");
    let renewal = Story::submit(world, "shougong-a", "xu", &again("Renew", "td")).await;
    renewal.approve().await;
    renewal.work("xu-td", "Done", "已续").await;
    renewal.reaches(Phase::Delivered).await;
    let order = orders.get("xu-td").await.unwrap().spec;
    assert_eq!(
        (order.purpose, order.product.as_deref()),
        (Purpose::Renewal, Some("jd-shougong"))
    );
    assert_eq!(order.until.unwrap().to_string(), "2099-12-31");
    let wrong = Story::submit(world, "shougong-a", "cuo", &again("Release", "mei")).await;
    let why = wrong.says("NotDelivered").await;
    assert!(why.contains("item mei of ResourceRequest kai"), "{why}");
    let back = Story::submit(world, "shougong-a", "tui", &again("Release", "td")).await;
    back.approve().await;
    back.reaches(Phase::Provisioning).await;
    taken("jd-shougong", 1).await;
    second.says("StockExhausted").await;
    back.work("tui-td", "Done", "已收回").await;
    back.reaches(Phase::Delivered).await;
    assert_eq!(
        orders.get("tui-td").await.unwrap().spec.purpose,
        Purpose::Release
    );
    // It is the next one's now.
    second.turn_of("UnitHead").await;
    taken("jd-shougong", 1).await;
    let twice = Story::submit(world, "shougong-a", "zai", &again("Release", "td")).await;
    twice.says("NotDelivered").await;
}

#[tokio::test]
async fn what_was_delivered_by_hand_becomes_more_then_fewer() {
    let world = world().await;
    settle_unit(world, "shougong-c").await;
    let mut product = by_hand("jd-shougong-c");
    product["spec"]["stock"] = json!(3);
    world.put(&product).await.unwrap();
    let first = Story::submit(world, "shougong-c", "kai", &one_of("jd-shougong-c")).await;
    first.approve().await;
    first.work("kai-td", "Done", "已开通").await;
    first.reaches(Phase::Delivered).await;
    let becomes = |from: &str, count: u32| {
        let mut asked = one_of("jd-shougong-c");
        asked["type"] = json!("Change");
        asked["items"][0]["count"] = json!(count);
        asked["items"][0]["delivered"] = json!({ "request": from, "item": "td" });
        asked
    };
    let refused = Story::submit(world, "shougong-c", "duo", &becomes("kai", 4)).await;
    let why = refused.says("StockExhausted").await;
    assert!(why.contains("2 are left (stock 3, taken 1)"), "{why}");
    // While it waits it is before those that come after it.
    let officer = refused.officer();
    let withdrawal = json!({ "by": officer });
    refused
        .append(&officer, &[], "withdrawal", withdrawal)
        .await;
    refused.reaches(Phase::Withdrawn).await;
    let more = Story::submit(world, "shougong-c", "zeng", &becomes("kai", 3)).await;
    more.turn_of("UnitHead").await;
    taken("jd-shougong-c", 3).await;
    more.approve().await;
    more.reaches(Phase::Provisioning).await;
    let orders: Api<WorkOrder> = Api::namespaced(world.hub().await.unwrap(), "qp-shougong-c");
    let order = orders.get("zeng-td").await.unwrap().spec;
    assert_eq!((order.purpose, order.count), (Purpose::Change, Some(3)));
    // What is being changed is not there for another change, and what was changed stands no more under its old name.
    let twice = Story::submit(world, "shougong-c", "you", &becomes("kai", 2)).await;
    twice.says("NotDelivered").await;
    more.work("zeng-td", "Done", "已扩容").await;
    more.reaches(Phase::Delivered).await;
    taken("jd-shougong-c", 3).await;
    twice.says("NotDelivered").await;
    let fewer = Story::submit(world, "shougong-c", "jian", &becomes("zeng", 1)).await;
    fewer.approve().await;
    fewer.work("jian-td", "Done", "已收回2条").await;
    fewer.reaches(Phase::Delivered).await;
    taken("jd-shougong-c", 1).await;
    // The rules of the kind itself.
    let mut all = becomes("jian", 1);
    let requests: Api<ResourceRequest> =
        Api::namespaced(world.hub().await.unwrap(), "qp-shougong-c");
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    for (kind, why) in [
        ("Release", "leave out product, size and count"),
        ("New", "only what is changed, renewed or released"),
    ] {
        all["type"] = json!(kind);
        let request = json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
            "metadata": { "name": "falsch", "namespace": "qp-shougong-c" },
            "spec": { "classified": false, "applicant": "x", "application": all },
        });
        let request = serde_json::from_value(request).unwrap();
        let refused = requests.create(&dry, &request).await.unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[tokio::test]
async fn what_could_not_be_delivered_is_nobodys_stock() {
    let world = world().await;
    settle_unit(world, "weicheng").await;
    world.put(&by_hand("jd-weicheng")).await.unwrap();
    let story = Story::submit(world, "weicheng", "kai", &one_of("jd-weicheng")).await;
    story.approve().await;
    taken("jd-weicheng", 1).await;
    story.work("kai-td", "Failed", "无端口").await;
    story.says("WorkFailed").await;
    taken("jd-weicheng", 0).await;
    story.work("kai-td", "InProgress", "端口已到").await;
    taken("jd-weicheng", 1).await;
}

#[tokio::test]
async fn what_was_released_is_given_out_again() {
    let world = world().await;
    for unit in ["tiyu-a", "tiyu-b"] {
        settle_unit(world, unit).await;
    }
    world.put(&product("jd-tiyu", 1, 2)).await.unwrap();
    let first = Story::submit(world, "tiyu-a", "guan", &application(&pieces("jd-tiyu", 2))).await;
    first.approve().await;
    first.reaches(Phase::Delivered).await;
    taken("jd-tiyu", 2).await;
    let second = Story::submit(
        world,
        "tiyu-b",
        "chang",
        &application(&pieces("jd-tiyu", 1)),
    )
    .await;
    let why = second.says("StockExhausted").await;
    assert!(why.contains("0 are left (stock 2, taken 2)"), "{why}");
    let mut release = application(&json!([{
        "name": "app", "grant": "guan-app", "platform": NODE, "zone": "Extranet", "pool": "gong",
    }]));
    release["type"] = json!("Release");
    let back = Story::submit(world, "tiyu-a", "tui", &release).await;
    // To give back needs nobody.
    back.reaches(Phase::Delivered).await;
    second.turn_of("UnitHead").await;
    taken("jd-tiyu", 1).await;
}
