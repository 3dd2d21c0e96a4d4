//! A request in a freeze: taken in, decided, and opened after its end; an emergency passes.

use anyhow::ensure;
use crds::resource_request::Phase;
use crds::{ChangeWindow, ConditionType};
use harness::eventually;
use harness::world::SOON;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::province::{NODE, Story, application, cpu, settle_unit};
use super::world;

#[tokio::test]
async fn what_is_approved_in_a_freeze_is_opened_after_it_and_an_emergency_passes() {
    let world = world().await;
    settle_unit(world, "dongjie").await;
    world
        .put(&json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ChangeWindow", "metadata": { "name": "chongbao" },
            "spec": {
                "title": { "zh": "重保" }, "type": "Freeze", "reason": "重保", "scope": { "tenants": ["dongjie"] },
                "from": "2026-11-01T00:00:00Z", "to": "2026-12-31T00:00:00Z",
            },
        }))
        .await
        .unwrap();
    let asked = application(&cpu(NODE, "gong", 2));
    let story = Story::submit(world, "dongjie", "putong", &asked).await;
    story.approve().await;
    let said = story.says("ChangeFrozen").await;
    assert!(
        said.contains("the freeze chongbao") && said.contains("2026-12-31T00:00:00Z"),
        "{said}"
    );
    let now = story.now().await.unwrap();
    let status = now.status.unwrap();
    assert_eq!(status.phase, Some(Phase::Approved));
    assert!(
        status.grants.is_empty() && status.work_orders.is_empty(),
        "{status:?}"
    );
    assert!(
        status.conditions.is_true(ConditionType::Held),
        "its capacity is held"
    );
    // An emergency does not wait.
    let mut urgent = application(&cpu(NODE, "gong", 1));
    urgent["environment"] = json!("Emergency");
    urgent["items"][0]["namespaces"] = json!([{ "name": "ying" }]);
    let emergency = Story::submit(world, "dongjie", "yingji", &urgent).await;
    eventually("the emergency is opened", SOON, async || {
        let now = emergency.now().await?;
        let status = now.status.clone().unwrap_or_default();
        if status.grants.is_empty()
            && let Some(stage) = status.stage
        {
            let (by, groups): (&str, &[&str]) = match stage.as_str() {
                "UnitHead" => ("dongjie-head", &[]),
                "Authority" => ("xian-ke", &["xian-ju"]),
                _ => ("shi-ke", &["shi-ju"]),
            };
            let mut entry = json!({ "stage": stage.as_str(), "by": by, "outcome": "Approve" });
            if let Some(of) = &status.stage_of {
                entry["of"] = json!(of);
            }
            emergency
                .try_append((by, groups), "decisions", &entry)
                .await?;
        }
        ensure!(!status.grants.is_empty(), "{:?}", status.conditions);
        Ok(())
    })
    .await
    .unwrap();
    let api: Api<ChangeWindow> = Api::all(world.hub().await.unwrap());
    let end = Patch::Merge(json!({ "spec": { "to": "2026-11-02T00:00:00Z" } }));
    api.patch("chongbao", &PatchParams::default(), &end)
        .await
        .unwrap();
    story.reaches(Phase::Delivered).await;
}
