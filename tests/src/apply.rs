//! Server-side apply of whatever YAML says, by asking the cluster what its kinds are.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::{self, Scope},
};
use serde::Deserialize;

use crate::eventually;

/// The field manager of everything the harness applies.
pub const FIELD_MANAGER: &str = "qipan-harness";

/// Applies every document of a YAML text, namespaces and definitions first; gives what the server made of them.
/// Objects without a namespace go into `namespace`.
pub async fn apply_yaml(
    client: &Client,
    text: &str,
    namespace: &str,
) -> Result<Vec<DynamicObject>> {
    let mut objects = documents(text)?;
    objects.sort_by_key(rank);
    let mut applied = Vec::new();
    for object in &objects {
        applied.push(apply(client, object, namespace).await?);
    }
    Ok(applied)
}

/// Applies the `*.yaml` files of a directory and its subdirectories in the order of their names.
pub async fn apply_files(
    client: &Client,
    dir: &Path,
    namespace: &str,
) -> Result<Vec<DynamicObject>> {
    let mut applied = Vec::new();
    for file in yaml_files(dir)? {
        let text = fs::read_to_string(&file)?;
        let result = apply_yaml(client, &text, namespace).await;
        applied.extend(result.with_context(|| format!("in {}", file.display()))?);
    }
    Ok(applied)
}

/// The `*.yaml` files below a directory, by name.
pub fn yaml_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("no directory {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(yaml_files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

async fn apply(client: &Client, object: &DynamicObject, namespace: &str) -> Result<DynamicObject> {
    let types = object
        .types
        .as_ref()
        .context("a document names its apiVersion and kind")?;
    let gvk = GroupVersionKind::try_from(types)?;
    let what = format!("{} {}", gvk.kind, object.name_any());
    // A kind that was defined a moment ago is served a moment later.
    let (resource, capabilities) = eventually(
        &format!("the kind of {what}"),
        Duration::from_secs(10),
        async || discovery::pinned_kind(client, &gvk).await,
    )
    .await?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            let namespace = object.metadata.namespace.as_deref().unwrap_or(namespace);
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    // A policy that stamps objects of a kind that was defined a moment ago knows its fields a moment later.
    let answer = eventually(
        &format!("the fields of {what} are known"),
        Duration::from_secs(30),
        async || {
            let answer = api
                .patch(&object.name_any(), &params, &Patch::Apply(object))
                .await;
            match answer {
                Err(kube::Error::Api(status)) if status.code == 503 => {
                    Err(kube::Error::Api(status))
                }
                other => Ok(other),
            }
        },
    )
    .await?;
    answer.with_context(|| format!("failed to apply {what}"))
}

/// The objects of a YAML text; empty documents are skipped and lists taken apart.
fn documents(text: &str) -> Result<Vec<DynamicObject>> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = serde_json::Value::deserialize(document)?;
        if value.is_null() {
            continue;
        }
        let items = match value.get("items") {
            Some(serde_json::Value::Array(items)) => items.clone(),
            _ => vec![value],
        };
        for item in items {
            let object: DynamicObject =
                serde_json::from_value(item).context("a document is no Kubernetes object")?;
            ensure!(
                object.metadata.name.is_some(),
                "a document has no metadata.name"
            );
            objects.push(object);
        }
    }
    Ok(objects)
}

/// What others need goes first.
fn rank(object: &DynamicObject) -> u8 {
    match object.types.as_ref().map(|types| types.kind.as_str()) {
        Some("Namespace") => 0,
        Some("CustomResourceDefinition") => 1,
        Some("ServiceAccount" | "ClusterRole" | "Role") => 2,
        // A binding before its policy would be refused nothing, but a policy is in force only once bound.
        Some("ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding") => 4,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_split_and_lists_taken_apart() {
        let text = "---\n# only a comment\n---\napiVersion: v1\nkind: List\nitems:\n\
            - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n\
            apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n";
        let names: Vec<_> = documents(text)
            .unwrap()
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        assert_eq!(names, ["a", "b"]);
    }
}
