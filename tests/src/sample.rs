//! The sample province (`tests/sample`) in a testbed: what `make up` shows, and what the browser looks at.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize;

use crate::{
    HUB, NAMESPACE, Operator, Options, Portal, Spec, Testbed, WayIn, apply_yaml, course,
    eventually, install_hub, install_member, register_member_secret, tools, yaml_files,
};

/// The live clusters of the sample beside the hub (design §12).
pub const MEMBERS: [&str; 3] = ["province", "zj-extranet", "zj-internet"];

/// Reasons that only pass through; any other is a decision.
const PASSING: [&str; 6] = [
    "no condition Ready",
    "Progressing",
    "AwaitingPool",
    "AwaitingEnforcement",
    "MemberUnreachable",
    "TenantNotReady",
];

/// How long the operator has to make the sample ready.
const READY: Duration = Duration::from_mins(1);

/// Installs every member and gives the hub its kubeconfig, under the name that the sample's platforms ask for.
pub async fn install_members(testbed: &Testbed) -> Result<()> {
    let secrets = secrets()?;
    for member in MEMBERS {
        install_member(testbed, member)
            .await
            .with_context(|| format!("member {member}"))?;
        let default = format!("{member}-kubeconfig");
        let name = secrets.get(member).unwrap_or(&default);
        register_member_secret(testbed, member, name).await?;
    }
    Ok(())
}

/// The sample as `make up` starts it: control planes, operator and portal, every grant decided, the course told.
pub struct Province {
    /// The control planes.
    pub testbed: Testbed,
    /// The operator.
    pub operator: Operator,
    /// The portal.
    pub portal: Portal,
}

impl Province {
    /// Starts it.
    pub async fn start() -> Result<Self> {
        let testbed = Testbed::start(Spec::with_members(&MEMBERS)).await?;
        install_hub(&testbed).await?;
        install_members(&testbed).await?;
        let way_in = WayIn::prepare(testbed.dir())?;
        let with = |args| Options {
            args,
            ..Options::default()
        };
        let operator = Operator::start(&testbed, with(way_in.operator_args())).await?;
        let hub = testbed.client(HUB).await?;
        load(&hub).await?;
        let portal = with(way_in.portal_args(&testbed).await?);
        let portal = Portal::start(&testbed, portal).await?;
        decided(&hub).await?;
        let told = course::tell(&testbed).await?;
        ensure!(told.stopped.is_empty(), "{told:?}");
        Ok(Self {
            testbed,
            operator,
            portal,
        })
    }

    /// A command line for the testbed's kubectl as the hub's administrator.
    pub fn kubectl(&self) -> Result<String> {
        self.testbed.kubectl(HUB)
    }

    /// Runs a suite of `tests/browser` to its end; what it said.
    pub fn visit(&self, mut node: Command) -> Result<String> {
        node.args(["--url", &self.portal.url(), "--kubectl", &self.kubectl()?]);
        let output = node.stdin(Stdio::null()).output();
        let output = output.context("failed to start node")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{said}{complaints}");
        Ok(said)
    }
}

/// The names by which the sample's platforms ask for the kubeconfigs of clusters.
fn secrets() -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    for file in yaml_files(&tools::repository().join("tests/sample"))? {
        for document in serde_yaml::Deserializer::from_str(&fs::read_to_string(&file)?) {
            let object = serde_json::Value::deserialize(document)
                .with_context(|| format!("in {}", file.display()))?;
            let clusters = object.pointer("/spec/clusters").and_then(|v| v.as_array());
            for cluster in clusters.into_iter().flatten() {
                let secret = cluster.pointer("/connection/kubeconfigSecret");
                if let (Some(name), Some(secret)) =
                    (cluster["name"].as_str(), secret.and_then(|s| s.as_str()))
                {
                    names.insert(name.to_owned(), secret.to_owned());
                }
            }
        }
    }
    Ok(names)
}

/// Applies the sample to the hub; says how many objects it has. An operator must run: a tenant's namespace is its work.
pub async fn load(hub: &Client) -> Result<usize> {
    let mut count = 0;
    for file in yaml_files(&tools::repository().join("tests/sample"))? {
        let text = fs::read_to_string(&file)?;
        // A tenant's namespace is made a moment after the tenant: grants wait for it.
        let applied = eventually(&file.display().to_string(), READY, async || {
            apply_yaml(hub, &text, NAMESPACE).await
        })
        .await?;
        count += applied.len();
    }
    Ok(count)
}

/// Waits until every grant is decided: how many are in force, and which are refused, with the reason.
pub async fn decided(hub: &Client) -> Result<(usize, Vec<(String, String)>)> {
    let kind = GroupVersionKind::gvk("qipan.dev", "v1alpha1", "TenantQuota");
    let api: Api<DynamicObject> = Api::all_with(hub.clone(), &ApiResource::from_gvk(&kind));
    eventually("every grant is decided", READY, async || {
        let quotas = api.list(&ListParams::default()).await?.items;
        let unready = quotas
            .iter()
            .filter_map(|q| Some((q.name_any(), unready(q)?)));
        let (waiting, refused): (Vec<_>, Vec<_>) =
            unready.partition(|(_, reason)| PASSING.contains(&reason.as_str()));
        ensure!(
            waiting.is_empty(),
            "{} of {}: {waiting:?}",
            waiting.len(),
            quotas.len()
        );
        Ok((quotas.len() - refused.len(), refused))
    })
    .await
}

/// Why an object is not ready, or nothing if it is.
fn unready(object: &DynamicObject) -> Option<String> {
    let conditions = object
        .data
        .pointer("/status/conditions")
        .and_then(|c| c.as_array());
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|c| c["type"] == "Ready");
    match ready {
        Some(condition) if condition["status"] == "True" => None,
        Some(condition) => Some(
            condition["reason"]
                .as_str()
                .unwrap_or("no reason")
                .to_owned(),
        ),
        None => Some("no condition Ready".to_owned()),
    }
}
