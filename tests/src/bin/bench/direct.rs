//! The limit: the objects that the operator makes for a grant, written by hand as fast as the API server takes them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use harness::world::grant;
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::{Bench, measure};

/// The kinds of a leaf, in the order in which they are written.
const KINDS: [(&str, &str, &str); 5] = [
    ("", "v1", "Namespace"),
    ("", "v1", "ResourceQuota"),
    ("", "v1", "LimitRange"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
];

/// What the operator made for one namespace, as it stands in the member.
pub(crate) struct Template(Vec<(ApiResource, String)>);

impl Template {
    /// Lets the operator make one grant and reads what it made.
    pub(crate) async fn read(bench: &Bench) -> Result<Self> {
        bench.world.tenant("muster").await?;
        bench
            .world
            .grant(&grant("muster", "vorlage", 1, &[("leaf", 1)]))
            .await?;
        bench.world.in_force("qp-muster", "vorlage").await?;
        let mut objects = Vec::new();
        for (group, version, kind) in KINDS {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            let found = if kind == "Namespace" {
                let api: Api<DynamicObject> = Api::all_with(bench.member.clone(), &resource);
                vec![api.get("muster-leaf").await?]
            } else {
                let api = Api::namespaced_with(bench.member.clone(), "muster-leaf", &resource);
                let ours = ListParams::default().labels("app.kubernetes.io/managed-by=qipan");
                api.list(&ours).await?.items
            };
            for object in found {
                objects.push((resource.clone(), bare(&object, version, group, kind)?));
            }
        }
        Ok(Self(objects))
    }

    /// The objects of a namespace of a tenant.
    fn of(
        &self,
        round: &str,
        tenant: &str,
        leaf: &str,
    ) -> Result<Vec<(ApiResource, DynamicObject)>> {
        let filled = self.0.iter().map(|(resource, text)| {
            let text = text.replace("muster-leaf", &format!("{tenant}-{leaf}"));
            let text = text.replace("muster", tenant).replace("-round-", round);
            Ok((resource.clone(), serde_json::from_str(&text)?))
        });
        filled.collect()
    }
}

/// An object without what the API server added, and without the label by which the operator would take it for its own.
fn bare(object: &DynamicObject, version: &str, group: &str, kind: &str) -> Result<String> {
    let mut labels = object.labels().clone();
    labels.insert("app.kubernetes.io/managed-by".into(), "bench".into());
    labels.insert("bench".into(), "-round-".into());
    labels.remove("kubernetes.io/metadata.name");
    let mut data = object.data.clone();
    let fields = data.as_object_mut().context("an object has fields")?;
    fields.remove("status");
    if kind == "Namespace" {
        fields.remove("spec");
    }
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    fields.insert("apiVersion".into(), json!(api_version));
    fields.insert("kind".into(), json!(kind));
    let metadata: Value = json!({
        "name": object.name_any(), "namespace": object.namespace(), "labels": labels, "annotations": object.annotations(),
    });
    fields.insert("metadata".into(), metadata);
    Ok(data.to_string())
}

/// Writes everything; the time until every limit is in force.
pub(crate) async fn round(bench: &Bench, template: &Template, round: &str) -> Result<Duration> {
    let args = &bench.args;
    let mut leaves = Vec::new();
    for tenant in 0..args.tenants {
        for leaf in 0..args.namespaces {
            leaves.push(template.of(round, &format!("{round}-t{tenant}"), &format!("n{leaf}"))?);
        }
    }
    let all = measure::quotas(
        &bench.member,
        &format!("bench={round}"),
        leaves.len(),
        |quota| measure::in_force(quota, "requests.cpu", "1"),
    )
    .await?;
    let began = Instant::now();
    stream::iter(leaves)
        .map(|leaf| write(&bench.member, leaf))
        .buffer_unordered(args.connections)
        .try_collect::<Vec<()>>()
        .await?;
    all.done(began).await
}

async fn write(client: &Client, leaf: Vec<(ApiResource, DynamicObject)>) -> Result<()> {
    for (resource, object) in leaf {
        let api: Api<DynamicObject> = match object.namespace() {
            Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let what = || format!("failed to create {} {}", resource.kind, object.name_any());
        api.create(&PostParams::default(), &object)
            .await
            .with_context(what)?;
    }
    Ok(())
}
