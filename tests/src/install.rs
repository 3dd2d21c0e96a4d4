//! What an administrator does once: our definitions, roles and policies in the hub, our manifest in each member.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::{
    ByteString,
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Secret, ServiceAccount},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    config::Kubeconfig,
};

use crate::{FIELD_MANAGER, HUB, Testbed, apply_files, apply_yaml, eventually, tools};

mod enforced;

/// Where Qipan's own objects live, in the hub and in each member.
pub const NAMESPACE: &str = "qipan-system";

/// Applies the definitions and the chart without its workloads to the hub; returns when all of it is in force.
pub async fn install_hub(testbed: &Testbed) -> Result<()> {
    let client = testbed.client(HUB).await?;
    let chart = tools::repository().join("charts/qipan");
    apply_yaml(&client, &namespace_yaml(), NAMESPACE).await?;
    let definitions = apply_files(&client, &chart.join("crds"), NAMESPACE)
        .await
        .context("the generated definitions (make generate writes them)")?;
    wait_established(&client, &definitions).await?;
    if !chart.join("Chart.yaml").exists() {
        eprintln!(
            "left out: the chart's roles and policies, because charts/qipan has no Chart.yaml yet"
        );
        return Ok(());
    }
    let rendered = tokio::task::spawn_blocking(render_chart).await??;
    apply_yaml(&client, &rendered, NAMESPACE).await?;
    enforced::wait(&client, NAMESPACE).await
}

/// Applies `charts/qipan/files/member.yaml` to a member; returns when its policies are in force.
pub async fn install_member(testbed: &Testbed, cluster: &str) -> Result<()> {
    let client = testbed.client(cluster).await?;
    let manifest = tools::repository().join("charts/qipan/files/member.yaml");
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("{} (make generate writes it)", manifest.display()))?;
    apply_yaml(&client, &text, NAMESPACE).await?;
    enforced::wait(&client, NAMESPACE).await
}

/// A kubeconfig by which the operator reaches a member: a token of the member's `qipan-operator`.
pub async fn member_kubeconfig(testbed: &Testbed, cluster: &str) -> Result<String> {
    account_kubeconfig(testbed, cluster, "qipan-operator").await
}

/// Writes a kubeconfig file with a token of a service account of the hub (`qipan-operator` or `qipan-portal`), so that
/// our programs run under the chart's roles.
pub async fn hub_kubeconfig(testbed: &Testbed, account: &str) -> Result<PathBuf> {
    let text = account_kubeconfig(testbed, HUB, account).await?;
    let path = testbed.dir().join(format!("{account}.kubeconfig"));
    tools::write_private(&path, text.as_bytes())?;
    Ok(path)
}

/// Puts a member's kubeconfig into the Secret `name` (key `kubeconfig`, labelled) on the hub.
pub async fn register_member_secret(testbed: &Testbed, cluster: &str, name: &str) -> Result<()> {
    let kubeconfig = member_kubeconfig(testbed, cluster).await?;
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    // The operator may read the Secrets that bear this label and no others.
    secret.metadata.labels = Some([("qipan.dev/kubeconfig".to_owned(), "true".to_owned())].into());
    secret.data = Some([("kubeconfig".to_owned(), ByteString(kubeconfig.into_bytes()))].into());
    let secrets: Api<Secret> = Api::namespaced(testbed.client(HUB).await?, NAMESPACE);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    secrets.patch(name, &params, &Patch::Apply(&secret)).await?;
    Ok(())
}

async fn account_kubeconfig(testbed: &Testbed, cluster: &str, account: &str) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(testbed.client(cluster).await?, NAMESPACE);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            // A year: `make up` is left running for days, and it asks for new ones each time.
            expiration_seconds: Some(365 * 24 * 3600),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .with_context(|| format!("no token of {NAMESPACE}/{account} in {cluster}"))?;
    let token = answer
        .status
        .context("a token request is answered with a token")?
        .token;
    let admin = Kubeconfig::read_from(testbed.admin_kubeconfig(cluster)?)?;
    let context = admin
        .current_context
        .as_deref()
        .context("no current context")?;
    let named = admin.contexts.iter().find(|named| named.name == context);
    let place = named
        .and_then(|named| named.context.as_ref())
        .context("no such context")?;
    let server = admin
        .clusters
        .iter()
        .find(|named| named.name == place.cluster);
    let server = server
        .and_then(|named| named.cluster.as_ref())
        .context("no such cluster")?;
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [{"name": cluster, "cluster": server}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": cluster, "context": {
            "cluster": cluster, "user": account, "namespace": NAMESPACE,
        }}],
    });
    Ok(serde_yaml::to_string(&kubeconfig)?)
}

fn render_chart() -> Result<String> {
    let mut helm = Command::new(tools::helm()?);
    helm.current_dir(tools::repository())
        .args([
            "template",
            "qipan",
            "charts/qipan",
            "--namespace",
            NAMESPACE,
        ])
        .args(["--set", "workloads.enabled=false"]);
    tools::run(&mut helm)
}

fn namespace_yaml() -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n")
}

async fn wait_established(client: &Client, definitions: &[DynamicObject]) -> Result<()> {
    ensure!(
        !definitions.is_empty(),
        "charts/qipan/crds holds no definition"
    );
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for name in definitions.iter().map(ResourceExt::name_any) {
        eventually(
            &format!("{name} is served"),
            Duration::from_secs(30),
            async || {
                let status = api.get(&name).await?.status.unwrap_or_default();
                let conditions = status.conditions.unwrap_or_default();
                let is = |kind: &str| {
                    conditions
                        .iter()
                        .any(|c| c.type_ == kind && c.status == "True")
                };
                if is("Established") && is("NamesAccepted") {
                    return Ok(());
                }
                bail!("its conditions are {conditions:?}")
            },
        )
        .await?;
    }
    Ok(())
}
