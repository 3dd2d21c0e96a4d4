//! What the API server itself refuses of a request, on every path: it is never stored.

use crds::ResourceRequest;
use harness::eventually;
use harness::world::SOON;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::province::{NODE, Story, application, cpu, settle_unit};
use super::world;

/// An application for production with everything that it takes.
fn production() -> Value {
    let mut asked = application(&cpu(NODE, "gong", 1));
    asked["environment"] = json!("Production");
    asked["project"] = json!({
        "name": "p", "approvalNumber": "n",
        "funding": [{ "source": "OwnBudget", "percent": 60 }, { "source": "Project", "percent": 40 }],
        "reviews": [{ "kind": "Security", "number": "s" }],
    });
    asked
}

#[tokio::test]
async fn what_is_not_complete_is_refused_by_name_and_nothing_of_it_is_stored() {
    let world = world().await;
    settle_unit(world, "xingzhuang").await;
    let story = Story::again(world, "xingzhuang", "x");
    let officer = story.person(&story.officer(), &[]).await;
    let api: Api<ResourceRequest> = Api::namespaced(officer, &story.namespace());
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let submit = async |classified: bool, asked: Value| {
        let request = json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
            "metadata": { "name": "x", "namespace": "qp-xingzhuang" },
            "spec": { "classified": classified, "application": asked },
        });
        api.create(&dry, &serde_json::from_value(request).unwrap())
            .await
    };
    eventually("what is complete is taken", SOON, async || {
        submit(false, production()).await
    })
    .await
    .unwrap();
    let without = |path: &str| {
        let mut asked = production();
        let (parent, last) = path.rsplit_once('/').unwrap();
        let parent = asked.pointer_mut(parent).unwrap();
        parent.as_object_mut().unwrap().remove(last);
        asked
    };
    let with = |path: &str, value: Value| {
        let mut asked = production();
        *asked.pointer_mut(path).unwrap() = value;
        asked
    };
    let cases = [
        (
            true,
            production(),
            "spec.classified: anything that concerns state secrets",
        ),
        (
            false,
            without("/project"),
            "spec.application.project: resources for production",
        ),
        (
            false,
            without("/project/reviews"),
            "at least one review on record",
        ),
        (
            false,
            with("/project/reviews", json!([])),
            "at least one review on record",
        ),
        (
            false,
            without("/project/approvalNumber"),
            "an approval number and the funding",
        ),
        (
            false,
            with("/project/funding/0/percent", json!(59)),
            "project.funding[].percent: the shares add up to 100",
        ),
        (
            false,
            with("/type", json!("Change")),
            "names the TenantQuota that it is about",
        ),
    ];
    for (classified, asked, says) in cases {
        let why = submit(classified, asked).await.map(drop).unwrap_err();
        let why = why.to_string();
        assert!(why.contains(says), "{says}: {why}");
    }
    // What is recorded as exempt needs none of it, and a test neither.
    let exempt = json!({ "name": "p", "exemption": { "basis": "b", "by": "o" } });
    submit(false, with("/project", exempt)).await.unwrap();
    let mut test = without("/project");
    test["environment"] = json!("Test");
    submit(false, test).await.unwrap();
    assert_eq!(api.get_opt("x").await.unwrap(), None);
}

#[tokio::test]
async fn a_system_of_a_higher_grade_than_its_platform_is_refused_until_it_is_graded_anew() {
    let world = world().await;
    settle_unit(world, "dengbao").await;
    let system = |level: u8| {
        json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "InformationSystem",
            "metadata": { "name": "yewu", "namespace": "qp-dengbao" },
            "spec": { "displayName": { "zh": "业务" }, "owner": "岗", "category": "Own", "hosting": "Local", "mlpsLevel": level },
        })
    };
    world.put(&system(4)).await.unwrap();
    let mut asked = application(&cpu(NODE, "gong", 1));
    asked["system"] = json!("yewu");
    let story = Story::submit(world, "dengbao", "shangyun", &asked).await;
    let why = story.says("MlpsAbovePlatform").await;
    assert!(
        why.contains("yewu is graded MLPS level 4") && why.contains("assessed for level 3"),
        "{why}"
    );
    world.put(&system(3)).await.unwrap();
    story.turn_of("UnitHead").await;
}
