//! What is asked of a cluster, and what its answers mean.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::cloud_platform::{ClusterState, Enforcement, NodeCapacity};
use crds::{Quantity, Reason, ResourceList, Verdict};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;

use super::policies;
use crate::runtime::Error;

/// How long a probe waits for an answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

async fn ask<T>(action: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(answer) => answer.map_err(Error::api(action)),
        Err(_) => Err(Error::Deadline {
            action: action.to_owned(),
            deadline: DEADLINE,
        }),
    }
}

/// The UID of the cluster's `kube-system`, by which it is known again.
///
/// # Errors
/// It does not answer, or refuses the credential.
pub async fn uid(client: &Client) -> Result<String, Error> {
    let api: Api<Namespace> = Api::all(client.clone());
    Ok(ask("read namespace kube-system", api.get("kube-system"))
        .await?
        .uid()
        .unwrap_or_default())
}

/// What an error of a probe says about the cluster.
pub(super) fn refusal(error: &Error, cluster: &str, secret: &str) -> (ClusterState, Verdict) {
    let said = |verdict: Verdict| {
        verdict
            .with("cluster", cluster)
            .with("secret", secret)
            .with("detail", error.detail())
    };
    match error.code() {
        Some(401) => (
            ClusterState::Refused,
            said(Verdict::no(Reason::Unauthorized)),
        ),
        Some(403) => (
            ClusterState::Refused,
            said(Verdict::no(Reason::Forbidden))
                .with("action", error.to_string().trim_start_matches("failed to ")),
        ),
        _ => (
            ClusterState::Unreachable,
            said(Verdict::unknown(Reason::Unreachable)),
        ),
    }
}

/// What is read of a cluster beside its answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Kubernetes version.
    pub version: Option<String>,
    /// Ready, schedulable Nodes by architecture; `None` where they could not be read.
    pub capacity: Option<BTreeMap<String, NodeCapacity>>,
    /// Whether the policies are in force.
    pub enforcement: Option<Enforcement>,
    /// What of them is missing.
    pub missing: Vec<String>,
    /// Whether `metrics.k8s.io` answers; `None` where that could not be asked.
    pub metrics: Option<bool>,
}

/// Reads the facts; what cannot be read is unknown, never guessed.
pub(super) async fn facts(client: &Client) -> Facts {
    let version = ask("read the version", client.apiserver_version())
        .await
        .ok();
    let minor = version
        .as_ref()
        .and_then(|v| v.minor.trim_end_matches('+').parse::<u32>().ok());
    let (enforcement, missing) = match minor {
        Some(minor) if minor < 30 => (Some(Enforcement::Partial), Vec::new()),
        _ => match installed(client).await {
            Ok(found) => {
                let missing = policies::missing(&policies::expected(), |kind, name| {
                    found.get(&format!("{kind}/{name}"))
                });
                (
                    Some(if missing.is_empty() {
                        Enforcement::Full
                    } else {
                        Enforcement::Missing
                    }),
                    missing,
                )
            }
            Err(why) => {
                tracing::debug!(error = %why, "failed to read policies");
                (Some(Enforcement::Unknown), Vec::new())
            }
        },
    };
    Facts {
        version: version.map(|v| v.git_version),
        capacity: capacity(client).await.ok(),
        enforcement,
        missing,
        metrics: metrics(client).await,
    }
}

async fn installed(client: &Client) -> Result<BTreeMap<String, Value>, Error> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let all = ListParams::default();
    let policies = ask("list admission policies", policies.list(&all)).await?;
    let bindings = ask("list policy bindings", bindings.list(&all)).await?;
    let policies = policies.items.into_iter().map(|p| {
        (
            format!("ValidatingAdmissionPolicy/{}", p.name_any()),
            serde_json::to_value(p.spec).unwrap_or_default(),
        )
    });
    let bindings = bindings.items.into_iter().map(|b| {
        (
            format!("ValidatingAdmissionPolicyBinding/{}", b.name_any()),
            serde_json::to_value(b.spec).unwrap_or_default(),
        )
    });
    Ok(policies.chain(bindings).collect())
}

async fn metrics(client: &Client) -> Option<bool> {
    let request = http::Request::get("/apis/metrics.k8s.io/v1beta1")
        .body(Vec::new())
        .ok()?;
    match ask("ask for metrics", client.request_text(request)).await {
        Ok(_) => Some(true),
        Err(why) if why.code() == Some(404) => Some(false),
        Err(_) => None,
    }
}

async fn capacity(client: &Client) -> Result<BTreeMap<String, NodeCapacity>, Error> {
    let api: Api<Node> = Api::all(client.clone());
    let mut sums: BTreeMap<String, NodeCapacity> = BTreeMap::new();
    let mut page = ListParams::default().limit(500);
    loop {
        let list = ask("list nodes", api.list(&page)).await?;
        for node in list.items.iter().filter(|n| usable(n)) {
            let status = node.status.as_ref();
            let architecture = status
                .and_then(|s| s.node_info.as_ref())
                .map(|i| i.architecture.clone());
            let architecture =
                architecture.or_else(|| node.labels().get("kubernetes.io/arch").cloned());
            let sum = sums
                .entry(architecture.unwrap_or_else(|| "unknown".into()))
                .or_default();
            sum.nodes += 1;
            sum.allocatable = sum.allocatable.plus(&allocatable(node));
        }
        match list.metadata.continue_ {
            Some(token) if !token.is_empty() => page = page.continue_token(&token),
            _ => return Ok(sums),
        }
    }
}

fn usable(node: &Node) -> bool {
    let ready = node
        .status
        .as_ref()
        .and_then(|s| s.conditions.as_ref())
        .into_iter()
        .flatten();
    let schedulable = node.spec.as_ref().and_then(|s| s.unschedulable) != Some(true);
    schedulable
        && ready
            .into_iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
}

fn allocatable(node: &Node) -> ResourceList {
    let listed = node
        .status
        .as_ref()
        .and_then(|s| s.allocatable.as_ref())
        .into_iter()
        .flatten();
    let counted = listed.filter_map(|(name, amount)| {
        let name = match name.as_str() {
            "pods" => "pods".to_owned(),
            "cpu" | "memory" | "ephemeral-storage" => format!("requests.{name}"),
            extended if extended.contains('/') => format!("requests.{extended}"),
            _ => return None,
        };
        Some((name, amount.0.parse::<Quantity>().ok()?))
    });
    ResourceList(counted.collect())
}
