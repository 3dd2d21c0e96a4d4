//! The whole chart on a real API server, workloads and all: every object of it is taken as it is, without a field that its kind
//! does not know, and what it runs gets its pods.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::{FIELD_MANAGER, HUB, Spec, Testbed, apply_yaml, eventually, install_hub, tools};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, ValidationDirective};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use kube::{Api, Client, ResourceExt as _};

use super::{ALL, NAMESPACE, rendered};

const SOON: Duration = Duration::from_mins(1);
/// Whose kinds the chart's routes and metrics are, and where their definitions lie.
const FOREIGN: [(&str, &str); 3] = [
    (
        tools::GATEWAY_API,
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
    (
        tools::PROMETHEUS_OPERATOR,
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    (
        tools::PROMETHEUS_OPERATOR,
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
];

async fn foreign_kinds(client: &Client) -> Result<()> {
    for (module, file) in FOREIGN {
        let definition = tools::module(module)?.join(file);
        let text = std::fs::read_to_string(&definition)
            .with_context(|| definition.display().to_string())?;
        apply_yaml(client, &text, NAMESPACE).await?;
    }
    Ok(())
}

/// Applies an object as it is; a field that its kind does not know is refused.
async fn take(client: &Client, object: &DynamicObject) -> Result<()> {
    let types = object.types.as_ref().context("a kind")?;
    let gvk = GroupVersionKind::try_from(types)?;
    let what = format!("{} {}", gvk.kind, object.name_any());
    let (resource, capabilities) = eventually(&what, SOON, async || {
        discovery::pinned_kind(client, &gvk).await
    })
    .await?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), NAMESPACE, &resource),
    };
    let params = PatchParams {
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply(FIELD_MANAGER).force()
    };
    // A kind that was defined a moment ago is served a moment later.
    eventually(&what, SOON, async || {
        let taken = api
            .patch(&object.name_any(), &params, &Patch::Apply(object))
            .await;
        match taken {
            Err(kube::Error::Api(status)) if [404, 503].contains(&status.code) => {
                Err(kube::Error::Api(status))
            }
            other => Ok(other),
        }
    })
    .await?
    .with_context(|| format!("{what} is refused"))?;
    Ok(())
}

/// No node runs a pod here, so that none is ever ready: a second version would wait for the first one.
async fn nothing_runs(client: &Client) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let all = ListParams::default();
    deployments
        .delete_collection(&DeleteParams::default(), &all)
        .await?;
    eventually("nothing runs", SOON, async || {
        let left = deployments.list(&all).await?.items;
        ensure!(left.is_empty(), "{} are there", left.len());
        Ok(())
    })
    .await
}

/// Every pod that a Deployment asks for is made: no policy, no quota, no missing account is in its way.
async fn runs(client: &Client, name: &str) -> Result<i32> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    eventually(&format!("{name} has its pods"), SOON, async || {
        let deployment = deployments.get(name).await?;
        let wanted = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let status = deployment.status.unwrap_or_default();
        let updated = status.updated_replicas.unwrap_or_default();
        ensure!(
            updated == wanted,
            "{updated} of {wanted}: {:?}",
            status.conditions
        );
        Ok(wanted)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_with_everything_switched_on_is_taken_and_its_pods_are_made() -> Result<()> {
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let client = testbed.client(HUB).await?;
    foreign_kinds(&client).await?;
    for set in [&[][..], &ALL] {
        nothing_runs(&client).await?;
        let objects = rendered(set)?;
        for object in &objects {
            let object = serde_json::from_value(object.clone())?;
            take(&client, &object).await?;
        }
        let operators = runs(&client, "qipan-operator").await?;
        let portals = runs(&client, "qipan-portal").await?;
        let counts = (objects.len(), operators, portals);
        println!(
            "{} objects, {} operators, {} portals",
            counts.0, counts.1, counts.2
        );
        ensure!(
            portals == if set.is_empty() { 1 } else { 2 },
            "{portals} portals"
        );
    }
    Ok(())
}
