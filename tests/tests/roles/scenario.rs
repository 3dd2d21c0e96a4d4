//! A day in which the operator does everything that it can do.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use harness::world::{MEMBER, SOON, World, grant, profile, tenant};
use harness::{
    NAMESPACE, Operator, Options, apply_yaml, eventually, operator_token, register_member_secret,
    tools, yaml_files,
};
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ObjectMeta, Patch, PatchParams,
    PostParams,
};
use kube::{Api, Client, ResourceExt as _};
use serde::Deserialize as _;
use serde_json::{Value, json};

#[path = "requests.rs"]
mod requests;

/// The tenant that stays to the end; what is taken away is tried on its objects.
pub(crate) const TENANT: &str = "shuili";

pub(crate) async fn play(world: &mut World) -> Result<()> {
    grants_come_and_go(world).await?;
    requests::are_enacted_and_taken_back(world).await?;
    drift_is_repaired(world).await?;
    what_is_left_over_goes(world).await?;
    a_person_comes_in(world).await?;
    a_tenant_changes_and_another_goes(world).await?;
    let managed =
        |kind: &CustomResourceDefinition| crds::MANAGED.contains(&kind.spec.names.plural.as_str());
    for kind in crds::all().into_iter().filter(managed) {
        an_older_shape_is_told(&world.hub().await?, &kind).await?;
    }
    // An apply cannot read what is there either: the rules are written anew.
    let profiles: Api<crds::GovernanceProfile> = Api::all(world.hub().await?);
    profiles.delete("default", &DeleteParams::default()).await?;
    world.put(&serde_json::from_str(&profile())?).await?;
    // A new credential of the member, then a new leader.
    register_member_secret(&world.testbed, MEMBER, &format!("{MEMBER}-kubeconfig")).await?;
    another_takes_over(world).await?;
    world.grant(&grant(TENANT, "wei", 2, &[("neu", 2)])).await?;
    world.in_force(&format!("qp-{TENANT}"), "wei").await?;
    Ok(())
}

/// Made, refused, raised, lowered, a share dropped, deleted with and without its namespaces.
async fn grants_come_and_go(world: &World) -> Result<()> {
    let namespace = format!("qp-{TENANT}");
    world.tenant(TENANT).await?;
    for example in ["site", "change_window"] {
        let file = tools::repository().join(format!("crds/examples/{example}.yaml"));
        apply_yaml(&world.hub().await?, &fs::read_to_string(file)?, NAMESPACE).await?;
    }
    let start = grant(TENANT, "gou", 4, &[("web", 2), ("db", 2)]);
    world.grant(&start).await?;
    world.in_force(&namespace, "gou").await?;
    // Said twice: the second event is the first one counted up.
    for cpu in [5000, 6, 7000, 3] {
        world
            .grant(&grant(TENANT, "gou", cpu, &[("web", 2)]))
            .await?;
        if cpu > 1000 {
            world.refused(&namespace, "gou", "PoolExhausted").await?;
        } else {
            world.in_force(&namespace, "gou").await?;
        }
    }
    let mut short = grant(TENANT, "kurz", 1, &[("x", 1)]);
    short["spec"]["deletionPolicy"] = json!("Delete");
    let kept = grant(TENANT, "bleibt", 1, &[("y", 1)]);
    for (name, wanted) in [("kurz", &short), ("bleibt", &kept)] {
        world.grant(wanted).await?;
        world.in_force(&namespace, name).await?;
        world.delete(&namespace, name).await?;
        world.gone(&namespace, name).await?;
    }
    Ok(())
}

/// What somebody changed or removed is put back, in the member and on the hub.
async fn drift_is_repaired(world: &World) -> Result<()> {
    let (hub, member) = (world.hub().await?, world.member().await?);
    let (own, leaf) = (format!("qp-{TENANT}"), format!("{TENANT}-web"));
    let unlabelled = json!({ "metadata": { "labels": { "qipan.dev/platform": "anders", "qipan.dev/tenant": TENANT } } });
    let namespace = core("Namespace");
    patch(&member, &namespace, "", &leaf, &unlabelled).await?;
    let off = json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": "qipan", "pod-security.kubernetes.io/enforce": "baseline" } } });
    patch(&hub, &namespace, "", &own, &off).await?;
    let limits = json!({ "spec": { "limits": [{ "type": "Pod", "max": { "cpu": "3" } }] } });
    patch(&member, &core("LimitRange"), &leaf, "qipan", &limits).await?;
    let open = json!({ "spec": { "ingress": [{}] } });
    let network = kind("networking.k8s.io", "v1", "NetworkPolicy");
    patch(&member, &network, &leaf, "qipan-default-deny", &open).await?;
    let nobody = json!({ "subjects": [] });
    let access = kind("rbac.authorization.k8s.io", "v1", "RoleBinding");
    patch(&member, &access, &leaf, "qipan:tenant", &nobody).await?;
    patch(&hub, &access, &own, "qipan:owner", &nobody).await?;
    let same = |object: &DynamicObject, wrong: &Value| is_part(&object.data, wrong);
    eventually("what was changed is as it was", SOON, async || {
        for (client, kind, place, name, wrong) in [
            (&member, &core("LimitRange"), &leaf, "qipan", &limits),
            (&member, &network, &leaf, "qipan-default-deny", &open),
            (&member, &access, &leaf, "qipan:tenant", &nobody),
            (&hub, &access, &own, "qipan:owner", &nobody),
        ] {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), place, kind);
            ensure!(
                !same(&api.get(name).await?, wrong),
                "{name} is not repaired"
            );
        }
        Ok(())
    })
    .await
}

/// What bears the marks of a grant and is none of it (an earlier version's, or a forgery) goes.
async fn what_is_left_over_goes(world: &World) -> Result<()> {
    let (member, leaf) = (world.member().await?, format!("{TENANT}-web"));
    let network = kind("networking.k8s.io", "v1", "NetworkPolicy");
    let access = kind("rbac.authorization.k8s.io", "v1", "RoleBinding");
    for (kind, name) in [
        (&core("LimitRange"), "qipan"),
        (&network, "qipan-default-deny"),
        (&access, "qipan:tenant"),
    ] {
        let api: Api<DynamicObject> = Api::namespaced_with(member.clone(), &leaf, kind);
        let mut copy = api.get(name).await?;
        copy.metadata = ObjectMeta {
            name: Some("uebrig".into()),
            labels: copy.metadata.labels,
            ..ObjectMeta::default()
        };
        api.create(&PostParams::default(), &copy).await?;
        eventually(&format!("a second {} goes", kind.kind), SOON, async || {
            ensure!(api.get_opt("uebrig").await?.is_none(), "it is there");
            Ok::<_, anyhow::Error>(())
        })
        .await?;
    }
    Ok(())
}

/// An owner has a way into a grant's namespaces, by the portal's word.
async fn a_person_comes_in(world: &World) -> Result<()> {
    let ask = crds::way_in::Ask {
        user: format!("{TENANT}-owner"),
        groups: vec!["system:authenticated".into()],
        namespace: format!("qp-{TENANT}"),
        grant: "gou".into(),
        leaf: None,
    };
    let token = operator_token(&world.testbed, "qipan-portal", crds::way_in::AUDIENCE).await?;
    let (status, body) = world.way_in.ask(Some(&token), &ask).await?;
    ensure!(status == 200, "{status} {body}");
    Ok(())
}

/// A unit gets a parent and loses it again; another is deleted with its namespace.
async fn a_tenant_changes_and_another_goes(world: &World) -> Result<()> {
    world.tenant("shangji").await?;
    let mut below = tenant(TENANT);
    below["spec"]["parent"] = json!("shangji");
    let own = format!("qp-{TENANT}");
    let access: Api<RoleBinding> = Api::namespaced(world.hub().await?, &own);
    for (unit, above) in [(below, true), (tenant(TENANT), false)] {
        world.put(&unit).await?;
        eventually("access follows the parent", SOON, async || {
            let there = access.get_opt("qipan:superior").await?.is_some();
            ensure!(there == above, "those above are let in: {there}");
            Ok::<_, anyhow::Error>(())
        })
        .await?;
    }
    let mut short = tenant("duanming");
    short["spec"]["deletionPolicy"] = json!("Delete");
    world.put(&short).await?;
    world.tenant_says("duanming", "Ready").await?;
    let tenants: Api<crds::Tenant> = Api::all(world.hub().await?);
    tenants.delete("duanming", &DeleteParams::default()).await?;
    eventually("the tenant is gone", SOON, async || {
        ensure!(tenants.get_opt("duanming").await?.is_none(), "it is there");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// An object that an older definition let in, and that the program cannot read: it says so itself.
async fn an_older_shape_is_told(hub: &Client, definition: &CustomResourceDefinition) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(hub.clone());
    let (name, names) = (
        definition.metadata.name.as_deref().unwrap_or_default(),
        &definition.spec.names,
    );
    let mut loose = definition.clone();
    for version in &mut loose.spec.versions {
        let any = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
        version.schema = Some(serde_json::from_value(any)?);
    }
    store(&definitions, name, loose).await?;
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(crds::GROUP, crds::VERSION, &names.kind),
        &names.plural,
    );
    let api: Api<DynamicObject> = match definition.spec.scope.as_str() {
        "Namespaced" => Api::namespaced_with(hub.clone(), &format!("qp-{TENANT}"), &resource),
        _ => Api::all_with(hub.clone(), &resource),
    };
    let old = of_an_older_shape(names.kind.as_str())?;
    eventually("the older definition is served", SOON, async || {
        let params = PatchParams::apply("aelter").force();
        api.patch(&old.name_any(), &params, &Patch::Apply(&old))
            .await
    })
    .await?;
    store(&definitions, name, definition.clone()).await?;
    eventually(
        &format!("an older {} is told", names.kind),
        SOON,
        async || {
            let said = api.get(&old.name_any()).await?.data["status"].to_string();
            ensure!(said.contains("Malformed"), "it says {said}");
            Ok(())
        },
    )
    .await
}

/// The example of a kind, with a field of a type that the program does not expect.
fn of_an_older_shape(kind: &str) -> Result<DynamicObject> {
    for file in yaml_files(&tools::repository().join("crds/examples"))? {
        for document in serde_yaml::Deserializer::from_str(&fs::read_to_string(&file)?) {
            let mut object = Value::deserialize(document)?;
            if object["kind"] != kind {
                continue;
            }
            let fields = object["spec"].as_object_mut().context("a spec")?;
            let first = fields.keys().next().cloned().unwrap_or_default();
            // Not one that a policy looks into: that would be refused before it is stored.
            let known = ["displayName", "province", "classified", "title"].map(String::from);
            let field = known.into_iter().find(|name| fields.contains_key(name));
            fields.insert(field.unwrap_or(first), json!(7));
            // There is one profile, and it has one name.
            let only = kind == "GovernanceProfile";
            object["metadata"] = json!({ "name": if only { "default" } else { "aelter" } });
            return Ok(serde_json::from_value(object)?);
        }
    }
    bail!("no example of {kind}")
}

async fn store(
    api: &Api<CustomResourceDefinition>,
    name: &str,
    mut next: CustomResourceDefinition,
) -> Result<()> {
    next.metadata.resource_version = api.get(name).await?.metadata.resource_version;
    api.replace(name, &PostParams::default(), &next).await?;
    Ok(())
}

/// A second replica stands by and leads when the first gives up.
async fn another_takes_over(world: &mut World) -> Result<()> {
    let options = Options {
        identity: Some("replica-b".into()),
        ..Options::default()
    };
    let second = Operator::start(&world.testbed, options).await?;
    world.operator.program.stop();
    eventually("the second leads", SOON, async || {
        let metrics = second.metrics().await?;
        ensure!(metrics.contains("qipan_leader 1"), "it does not lead yet");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    world.operator = second;
    Ok(())
}

fn core(kind_: &str) -> ApiResource {
    kind("", "v1", kind_)
}

fn kind(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

async fn patch(
    client: &Client,
    kind: &ApiResource,
    namespace: &str,
    name: &str,
    merge: &Value,
) -> Result<()> {
    let api: Api<DynamicObject> = if namespace.is_empty() {
        Api::all_with(client.clone(), kind)
    } else {
        Api::namespaced_with(client.clone(), namespace, kind)
    };
    api.patch(name, &PatchParams::default(), &Patch::Merge(merge))
        .await?;
    Ok(())
}

/// Whether everything that `part` says is so in `whole`.
fn is_part(whole: &Value, part: &Value) -> bool {
    let Some(fields) = part.as_object() else {
        return whole == part;
    };
    fields
        .iter()
        .all(|(key, value)| is_part(&whole[key], value))
}
