//! What the unit does not accept: mended by who runs the platform, delivered again, accepted then.

use anyhow::{Context as _, ensure};
use crds::WorkOrder;
use crds::resource_request::Phase;
use crds::work_order::{OrderState, Purpose};
use harness::eventually;
use harness::world::SOON;
use kube::Api;
use serde_json::json;

use super::province::{NODE, Story, application, cpu, settle_unit};
use super::world;

#[tokio::test]
async fn an_objection_is_mended_by_who_runs_the_platform_and_delivered_again() {
    let world = world().await;
    settle_unit(world, "kaogu").await;
    let asked = application(&cpu(NODE, "gong", 2));
    let story = Story::submit(world, "kaogu", "wenwu", &asked).await;
    story.approve().await;
    story.reaches(Phase::Delivered).await;
    let officer = story.officer();
    let objection = json!({ "by": officer, "accepted": false, "comment": "外网不通" });
    story.append(&officer, &[], "acceptance", objection).await;
    let said = story.says("Objected").await;
    let order = format!("wenwu.rework-1.{NODE}");
    for part in [officer.as_str(), "外网不通", &order] {
        assert!(said.contains(part), "{said}");
    }
    let mending = story.reaches(Phase::Provisioning).await.status.unwrap();
    let delivery = mending.delivery.clone().unwrap();
    assert_eq!(delivery.accept_by, None, "silence accepts nothing now");
    assert!(
        mending.work_orders.contains(&order),
        "{:?}",
        mending.work_orders
    );
    let orders: Api<WorkOrder> = Api::namespaced(world.hub().await.unwrap(), "qp-kaogu");
    let made = orders.get(&order).await.unwrap().spec;
    assert_eq!(
        (
            made.purpose,
            made.platform.as_str(),
            made.description.as_deref()
        ),
        (Purpose::Rework, NODE, Some("外网不通"))
    );
    // A second word has no time until it is delivered again.
    let early = json!({ "by": officer, "accepted": true });
    let why = story
        .try_append((&officer, &[]), "acceptance", &early)
        .await;
    let why = format!("{:#}", why.unwrap_err());
    assert!(why.contains("it is Provisioning"), "{why}");
    // What failed is taken up again.
    story.work(&order, "Accepted", "已受理").await;
    story.work(&order, "Failed", "缺备件").await;
    let failed = story.says("WorkFailed").await;
    assert!(failed.contains("缺备件"), "{failed}");
    story.work(&order, "InProgress", "备件已到").await;
    story.work(&order, "Done", "已修复").await;
    let again = eventually("it is delivered again", SOON, async || {
        let status = story.now().await?.status.unwrap_or_default();
        ensure!(status.phase == Some(Phase::Delivered), "{:?}", status.phase);
        let delivery = status.delivery.context("no sheet")?;
        let notes = delivery.entries.iter().filter_map(|e| e.note.as_deref());
        ensure!(notes.eq(["已修复"]), "{:?}", delivery.entries);
        Ok(delivery)
    });
    let again = again.await.unwrap();
    assert_eq!((again.mended, again.at), (1, delivery.at));
    assert!(
        again.again.is_some() && again.accept_by.is_some(),
        "{again:?}"
    );
    let state = orders.get(&order).await.unwrap().spec.state();
    assert_eq!(state, OrderState::Done);
    story.says("Delivered").await;
    let receipt = json!({ "by": officer, "accepted": true });
    story.append(&officer, &[], "acceptance", receipt).await;
    story.reaches(Phase::Accepted).await;
}
