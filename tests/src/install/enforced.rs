//! Knowing that admission policies are in force.
//!
//! The API server compiles policies from its caches about once a second, so a policy is enforced a moment after it was
//! stored. A canary policy stored after the others is seen after them: when it refuses, they do.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::ConfigMap,
};
use kube::{
    Api, Client, Error,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::eventually;

/// Waits until every admission policy that is stored now is enforced.
pub(super) async fn wait(client: &Client, namespace: &str) -> Result<()> {
    let name = format!("qipan-canary-{}", std::process::id());
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let policy = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["configmaps"], "resourceNames": [name],
            }]},
            "validations": [{"expression": "false", "message": "the canary sings"}],
        },
    }))?;
    let binding = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }))?;
    policies
        .create(&PostParams::default(), &policy)
        .await
        .context("the canary policy")?;
    let outcome = match bindings.create(&PostParams::default(), &binding).await {
        Ok(_) => wait_refused(client, namespace, &name).await,
        Err(error) => Err(error).context("the canary's binding"),
    };
    // Removed in any case: a canary left behind would be taken for ours by a test that lists policies.
    bindings.delete(&name, &DeleteParams::default()).await.ok();
    policies.delete(&name, &DeleteParams::default()).await.ok();
    outcome
}

async fn wait_refused(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let dry = PostParams {
        dry_run: true,
        ..Default::default()
    };
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    eventually(
        "the admission policies are enforced",
        Duration::from_secs(30),
        async || match maps.create(&dry, &map).await {
            Err(Error::Api(status)) if status.message.contains("the canary sings") => Ok(()),
            Err(other) => Err(other.into()),
            Ok(_) => bail!("a canary that must be refused was let in"),
        },
    )
    .await
}
