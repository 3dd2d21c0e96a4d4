//! One application that becomes a grant and a work order, and one that takes the grant back.

use std::fs;

use anyhow::{Result, ensure};
use crds::ResourceRequest;
use crds::resource_request::Phase;
use harness::world::{MEMBER, PLATFORM, POOL, SOON, World, platform, profile, tenant};
use harness::{HUB, NAMESPACE, apply_yaml, eventually, tools};
use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::TENANT;

/// Who asks.
const APPLICANT: &str = "antragsteller";
/// Who decides at every stage.
const JUDGE: &str = "entscheider";

pub(crate) async fn are_enacted_and_taken_back(world: &World) -> Result<()> {
    let hub = world.hub().await?;
    let mut rules: Value = serde_json::from_str(&profile())?;
    rules["spec"]["approvals"] = json!({ "automatic": { "enabled": true } });
    world.put(&rules).await?;
    let mut owned: Value = serde_json::from_str(&platform(PLATFORM, MEMBER, 1000))?;
    owned["spec"]["approvers"] = json!([{ "kind": "User", "name": JUDGE }]);
    world.put(&owned).await?;
    let mut headed = tenant(TENANT);
    headed["spec"]["owners"] = json!([
        { "kind": "User", "name": APPLICANT }, { "kind": "User", "name": format!("{TENANT}-owner") },
    ]);
    headed["spec"]["approvers"] = json!([
        { "stage": "UnitHead", "subjects": [{ "kind": "User", "name": JUDGE }] },
        { "stage": "Authority", "subjects": [{ "kind": "User", "name": JUDGE }] },
    ]);
    world.put(&headed).await?;
    let system = tools::repository().join("crds/examples/information_system.yaml");
    let mut system: Value = serde_yaml::from_str(&fs::read_to_string(system)?)?;
    system["metadata"]["namespace"] = json!(format!("qp-{TENANT}"));
    for object in [system].into_iter().chain(catalog()) {
        apply_yaml(&hub, &object.to_string(), NAMESPACE).await?;
    }
    let place = json!({ "platform": PLATFORM, "zone": "Extranet" });
    let with = |more: Value| {
        let mut item = place.clone();
        for (key, value) in more.as_object().into_iter().flatten() {
            item[key] = value.clone();
        }
        item
    };
    let app = with(
        json!({ "name": "app", "pool": POOL, "resources": { "cpu": 1 }, "namespaces": [{ "name": "antrag" }] }),
    );
    let line = with(json!({ "name": "ym", "product": "zx-yuming", "size": "unit", "count": 1 }));
    submit(world, "neu", "New", json!([app, line])).await?;
    // In an emergency the owner of the platform decides at once; the others review afterwards.
    decide(world, "neu", "PlatformOwner", Some(PLATFORM)).await?;
    reaches(world, "neu", Phase::Provisioning).await?;
    world.in_force(&format!("qp-{TENANT}"), "neu-app").await?;
    let back = with(json!({ "name": "app", "pool": POOL, "grant": "neu-app" }));
    submit(world, "weg", "Release", json!([back])).await?;
    reaches(world, "weg", Phase::Delivered).await?;
    a_platforms_owner_comes_and_goes(world).await?;
    world.put(&owned).await
}

/// The role by which the platform's owner decides: put back where somebody emptied it, gone where nobody is named any more.
async fn a_platforms_owner_comes_and_goes(world: &World) -> Result<()> {
    let roles: Api<Role> = Api::namespaced(world.hub().await?, &format!("qp-{TENANT}"));
    let name = crds::keys::platform_owner(PLATFORM);
    let empty = Patch::Merge(json!({ "rules": [] }));
    roles.patch(&name, &PatchParams::default(), &empty).await?;
    eventually("the owner's role is as it was", SOON, async || {
        let again = roles.get(&name).await?.rules.unwrap_or_default();
        ensure!(again.len() == 1, "{again:?}");
        anyhow::Ok(())
    })
    .await?;
    let none = json!([{ "op": "remove", "path": "/spec/approvers" }]);
    let none: Patch<Value> = Patch::Json(serde_json::from_value(none)?);
    let platforms: Api<crds::CloudPlatform> = Api::all(world.hub().await?);
    platforms
        .patch(PLATFORM, &PatchParams::default(), &none)
        .await?;
    eventually("nobody decides for the platform", SOON, async || {
        ensure!(roles.get_opt(&name).await?.is_none(), "its role is there");
        anyhow::Ok(())
    })
    .await
}

fn catalog() -> Vec<Value> {
    let offering = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ServiceOffering", "metadata": { "name": "yuming" },
        "spec": { "displayName": { "zh": "域名" }, "class": "Network", "category": "Domain", "unit": { "zh": "个" }, "zones": ["Extranet"] },
    });
    let product = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudProduct", "metadata": { "name": "zx-yuming" },
        "spec": {
            "displayName": { "zh": "域名" }, "offering": "yuming", "platform": PLATFORM, "zone": "Extranet",
            "sizes": [{ "name": "unit" }], "fulfilment": "WorkOrder",
        },
    });
    vec![offering, product]
}

/// The requests of the unit as somebody sees them.
async fn requests(world: &World, user: &str) -> Result<Api<ResourceRequest>> {
    let client = world.testbed.client_as(HUB, user, &[]).await?;
    Ok(Api::namespaced(client, &format!("qp-{TENANT}")))
}

async fn submit(world: &World, name: &str, type_: &str, items: Value) -> Result<()> {
    let request = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest", "metadata": { "name": name },
        "spec": {
            "classified": false, "applicant": APPLICANT,
            "application": { "type": type_, "environment": "Emergency", "title": name, "justification": "-", "items": items },
        },
    });
    let request = serde_json::from_value(request)?;
    let api = requests(world, APPLICANT).await?;
    // Access comes a moment after it was given.
    eventually("the applicant may ask", SOON, async || {
        api.create(&PostParams::default(), &request).await
    })
    .await?;
    Ok(())
}

async fn decide(world: &World, name: &str, stage: &str, of: Option<&str>) -> Result<()> {
    let api = requests(world, JUDGE).await?;
    eventually(&format!("{name} is before {stage}"), SOON, async || {
        let status = api.get(name).await?.status.unwrap_or_default();
        let turn = status.stage.map(|s| s.to_string());
        ensure!(turn.as_deref() == Some(stage), "{:?}", status.conditions);
        Ok(())
    })
    .await?;
    let entry = json!({ "stage": stage, "of": of, "by": JUDGE, "outcome": "Approve" });
    let patch = json!([{ "op": "add", "path": "/spec/decisions", "value": [entry] }]);
    let patch: Patch<Value> = Patch::Json(serde_json::from_value(patch)?);
    eventually(&format!("{JUDGE} may decide"), SOON, async || {
        api.patch(name, &PatchParams::default(), &patch).await
    })
    .await?;
    Ok(())
}

async fn reaches(world: &World, name: &str, phase: Phase) -> Result<()> {
    let api = requests(world, JUDGE).await?;
    eventually(&format!("{name} is {phase}"), SOON, async || {
        let status = api.get(name).await?.status.unwrap_or_default();
        ensure!(
            status.phase == Some(phase),
            "{:?}: {:?}",
            status.phase,
            status.conditions
        );
        Ok(())
    })
    .await
}
