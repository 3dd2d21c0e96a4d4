//! Who decides, by the roles that the operator binds: each at their own stage, and nobody else.

use anyhow::{Result, ensure};
use crds::resource_request::Phase;
use harness::eventually;
use harness::world::{PLATFORM, SOON};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use serde_json::{Value, json};

use super::province::{NODE, Story, application, cpu, settle_unit};
use super::world;

/// A person with the groups that a sign-in gives.
type Person<'a> = (&'a str, &'a [&'a str]);

fn approval((by, _): Person, stage: &str, of: Option<&str>) -> Value {
    let mut entry = json!({ "stage": stage, "by": by, "outcome": "Approve" });
    if let Some(of) = of {
        entry["of"] = json!(of);
    }
    entry
}

/// None of these people may decide now; each is refused by role or by rule.
async fn nobody_of(
    story: &Story<'_>,
    (stage, of): (&str, Option<&str>),
    people: &[Person<'_>],
) -> Result<()> {
    for person in people {
        let entry = approval(*person, stage, of);
        let answer = story.try_append(*person, "decisions", &entry).await;
        let Err(refusal) = answer else {
            anyhow::bail!("{person:?} decided for {stage}");
        };
        let said = refusal.to_string();
        ensure!(
            said.contains("request-decisions: ") || said.contains("cannot patch resource"),
            "{person:?}: {said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn unit_head_county_and_city_decide_at_their_own_stage_and_nobody_else_does() {
    let world = world().await;
    for unit in ["linye", "haiyang"] {
        settle_unit(world, unit).await;
    }
    let head: Person = ("linye-head", &[]);
    let officer: Person = ("linye-officer", &[]);
    let neighbour: Person = ("haiyang-head", &[]);
    let county: Person = ("xian-ke", &["xian-ju"]);
    let city: Person = ("shi-ke", &["shi-ju"]);
    let province: Person = ("sheng-ke", &["sheng-ju"]);
    let provider: Person = ("yw-1", &[]);
    let story = Story::submit(
        world,
        "linye",
        "fanghuo",
        &application(&cpu(NODE, "gong", 2)),
    )
    .await;
    let node = Some(NODE);
    story.turn_of("UnitHead").await;
    let others = [officer, neighbour, county, city, province, provider];
    nobody_of(&story, ("UnitHead", None), &others)
        .await
        .unwrap();
    nobody_of(&story, ("Authority", None), &[county])
        .await
        .unwrap();
    nobody_of(&story, ("PlatformOwner", node), &[city])
        .await
        .unwrap();
    story.decide("UnitHead", head, "Approve").await;
    story.turn_of("Authority").await;
    let others = [officer, head, neighbour, city, province, provider];
    nobody_of(&story, ("Authority", None), &others)
        .await
        .unwrap();
    story.decide("Authority", county, "Approve").await;
    story.turn_of("PlatformOwner").await;
    let others = [officer, head, neighbour, county, province, provider];
    nobody_of(&story, ("PlatformOwner", node), &others)
        .await
        .unwrap();
    // Nor for a platform of one's own that is not asked.
    nobody_of(&story, ("PlatformOwner", Some(PLATFORM)), &[province])
        .await
        .unwrap();
    story
        .decide(&format!("PlatformOwner/{NODE}"), city, "Approve")
        .await;
    let done = story.reaches(Phase::Delivered).await;
    let by: Vec<_> = done.spec.decisions.iter().map(|d| d.by.as_str()).collect();
    assert_eq!(by, ["linye-head", "xian-ke", "shi-ke"]);
}

#[tokio::test]
async fn a_stage_that_is_handed_on_is_decided_by_the_delegate_and_the_access_ends_with_it() {
    let world = world().await;
    settle_unit(world, "qixiang").await;
    let story = Story::submit(
        world,
        "qixiang",
        "leida",
        &application(&cpu(NODE, "gong", 2)),
    )
    .await;
    story.turn_of("UnitHead").await;
    let deputy: Person = ("qixiang-deputy", &[]);
    nobody_of(&story, ("UnitHead", None), &[deputy])
        .await
        .unwrap();
    let handed =
        json!({ "stage": "UnitHead", "by": "qixiang-head", "to": deputy.0, "reason": "出差" });
    story
        .append("qixiang-head", &[], "delegations", handed)
        .await;
    story.turn_of("UnitHead").await;
    let mut rejection = approval(deputy, "UnitHead", None);
    rejection["outcome"] = json!("Reject");
    rejection["comment"] = json!("与省级系统重复");
    rejection["onBehalf"] = json!("qixiang-head");
    story.append(deputy.0, &[], "decisions", rejection).await;
    story.reaches(Phase::Rejected).await;
    let bindings: Api<RoleBinding> =
        Api::namespaced(world.hub().await.unwrap(), &story.namespace());
    eventually("the delegate's access ends", SOON, async || {
        ensure!(
            bindings.get_opt("qipan:delegate").await?.is_none(),
            "still there"
        );
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
}
