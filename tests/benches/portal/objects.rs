//! The hub of a large province, written directly: no operator works here, and no rule of admission stands in the way.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use harness::world::{self, PLATFORM};
use harness::{HUB, NAMESPACE, Testbed, apply_yaml, tools};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::people;

const CONNECTIONS: usize = 16;
/// Tenants are one in so many of all objects.
const TENANTS: usize = 50;
/// In which phases requests stand, in turn.
const PHASES: [&str; 8] = [
    "Reviewing",
    "Reviewing",
    "Accepted",
    "Accepted",
    "Delivered",
    "Returned",
    "Rejected",
    "Accepted",
];

/// Writes so many objects, with what the operator would say of them; gives a sentence about it.
pub(crate) async fn fill(testbed: &Testbed, objects: usize) -> Result<String> {
    let hub = testbed.client(HUB).await?;
    without_rules(testbed)?;
    apply_yaml(&hub, &world::profile(), NAMESPACE).await?;
    apply_yaml(
        &hub,
        &world::platform(PLATFORM, "province", 10_000_000),
        NAMESPACE,
    )
    .await?;
    let began = Instant::now();
    let tenants = (objects / TENANTS).max(1);
    let each = (objects - tenants) / tenants;
    write(&hub, (0..tenants).flat_map(places).collect()).await?;
    apply_yaml(&hub, &people::bindings().to_string(), NAMESPACE).await?;
    write(
        &hub,
        (0..tenants).flat_map(|t| of_tenant(t, each)).collect(),
    )
    .await?;
    let took = began.elapsed().as_secs();
    Ok(format!(
        "{objects} objects of {tenants} tenants, written in {took} s"
    ))
}

/// Takes the admission policies of the chart away: what a province has stored is read here, not admitted.
fn without_rules(testbed: &Testbed) -> Result<()> {
    for kind in ["validating", "mutating"] {
        let mut kubectl = Command::new(tools::testbed()?);
        rename(&mut kubectl);
        kubectl
            .arg("--kubeconfig")
            .arg(testbed.admin_kubeconfig(HUB)?);
        kubectl.args(["delete", &format!("{kind}admissionpolicybindings"), "--all"]);
        tools::run(&mut kubectl)?;
    }
    Ok(())
}

/// The testbed is kubectl when it is called so.
fn rename(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.arg0("kubectl");
}

fn places(t: usize) -> Vec<Value> {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": format!("qp-t{t}") } });
    let mut tenant = world::tenant(&format!("t{t}"));
    tenant["spec"]["displayName"] =
        json!({ "zh": format!("第{t}水务局"), "en": format!("Water bureau {t}") });
    tenant["status"] = json!({ "observedGeneration": 1, "namespace": format!("qp-t{t}"), "conditions": [ready("Ready")] });
    vec![namespace, tenant]
}

/// A tenant's objects: in ten, two grants, six requests, a work order and, now and then, a system.
fn of_tenant(t: usize, count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| match n % 10 {
            0 | 1 => grant(t, n),
            2 if n % 50 == 2 => system(t, n),
            2 | 3 => order(t, n),
            _ => request(t, n),
        })
        .collect()
}

fn ready(reason: &str) -> Value {
    json!({
        "type": "Ready", "status": "True", "reason": reason, "message": "Qipan has done its part",
        "lastTransitionTime": "2026-11-01T00:00:00Z", "observedGeneration": 1,
    })
}

fn grant(t: usize, n: usize) -> Value {
    let (namespace, name) = (format!("n{n}"), format!("g{n}"));
    let mut grant = world::grant(&format!("t{t}"), &name, 4, &[(namespace.as_str(), 4)]);
    let charged = json!({ "requests.cpu": "4", "requests.memory": "4Gi", "pods": "10" });
    grant["status"] = json!({
        "observedGeneration": 1, "admitted": charged, "used": { "requests.cpu": "1", "requests.memory": "1Gi", "pods": "2" },
        "conditions": [ready("InForce")],
    });
    grant
}

fn request(t: usize, n: usize) -> Value {
    let phase = PHASES[(t + n) % PHASES.len()];
    let mut status =
        json!({ "observedGeneration": 1, "phase": phase, "conditions": [ready("Ready")] });
    if phase == "Reviewing" {
        status["stage"] = json!("PlatformOwner");
        status["stageOf"] = json!(PLATFORM);
        status["chain"] = json!([{
            "stage": "PlatformOwner", "of": PLATFORM, "state": "Current", "rule": "Any", "approvers": [], "workingDays": 5,
        }]);
        status["clock"] = json!({ "workingDays": 5, "used": 1, "left": 4, "due": "2026-12-01" });
    }
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
        "metadata": { "name": format!("r{n}"), "namespace": format!("qp-t{t}") },
        "spec": {
            "classified": false, "applicant": format!("t{t}-owner"),
            "application": {
                "type": "New", "environment": "Test", "title": format!("第{t}水务局第{n}号扩容"),
                "justification": "汛期调度并发由每日2万笔增至5万笔，按现有单笔开销测算需增加4台2核4GB。",
                "items": [{
                    "name": "app", "platform": PLATFORM, "zone": "Extranet", "pool": world::POOL,
                    "resources": { "requests.cpu": "8", "requests.memory": "16Gi" },
                    "namespaces": [{ "name": format!("n{n}") }],
                }],
            },
        },
        "status": status,
    })
}

fn order(t: usize, n: usize) -> Value {
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "WorkOrder",
        "metadata": { "name": format!("w{n}"), "namespace": format!("qp-t{t}") },
        "spec": {
            "purpose": "Fault", "title": format!("第{n}号存储响应缓慢"), "platform": PLATFORM, "zone": "Extranet",
            "description": "自9时起写入延迟明显升高，影响业务办理。", "due": "2026-12-01",
        },
    })
}

fn system(t: usize, n: usize) -> Value {
    json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "InformationSystem",
        "metadata": { "name": format!("s{n}"), "namespace": format!("qp-t{t}") },
        "spec": {
            "displayName": { "zh": format!("第{t}水务调度系统") }, "owner": "信息化岗", "category": "Own", "hosting": "Local",
        },
    })
}

/// Writes objects with many hands, and of each what stands in its status.
async fn write(hub: &Client, objects: Vec<Value>) -> Result<()> {
    stream::iter(objects)
        .map(|object| one(hub, object))
        .buffer_unordered(CONNECTIONS)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

async fn one(hub: &Client, mut object: Value) -> Result<()> {
    let status = object
        .as_object_mut()
        .and_then(|fields| fields.remove("status"));
    let object: DynamicObject = serde_json::from_value(object)?;
    let types = object.types.clone().context("an object has a kind")?;
    let kind = GroupVersionKind::try_from(&types)?;
    let name = object.metadata.name.clone().context("and a name")?;
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(hub.clone(), namespace, &resource),
        None => Api::all_with(hub.clone(), &resource),
    };
    let what = || format!("{} {name}", types.kind);
    api.create(&PostParams::default(), &object)
        .await
        .with_context(what)?;
    if let Some(status) = status {
        let patch = Patch::Merge(json!({ "status": status }));
        api.patch_status(&name, &PatchParams::default(), &patch)
            .await
            .with_context(what)?;
    }
    Ok(())
}
