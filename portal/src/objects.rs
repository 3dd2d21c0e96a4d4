//! Objects as they are in Kubernetes: "as YAML" and "as kubectl".

use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use crds::keys::tenant_namespace;
use kube::ResourceExt as _;
use serde::Serialize;

use crate::cluster::Kind;
use crate::error::AppError;
use crate::live::Visit;

/// An object's two other faces.
#[derive(Clone, Debug)]
pub struct AsCode {
    /// What one types to see it.
    pub kubectl: String,
    /// It, as YAML.
    pub yaml: String,
    /// The address of the YAML alone.
    pub href: String,
}

/// The other faces of an object.
///
/// # Errors
/// It cannot be written as YAML.
pub fn as_code<K: Serialize>(
    object: &K,
    plural: &str,
    namespace: Option<&str>,
    name: &str,
    href: String,
) -> Result<AsCode, AppError> {
    let within = namespace
        .map(|namespace| format!(" -n {namespace}"))
        .unwrap_or_default();
    let kubectl = format!(
        "kubectl get {plural}.{}{within} {name} -o yaml",
        crds::GROUP
    );
    Ok(AsCode {
        kubectl,
        yaml: yaml(object)?,
        href,
    })
}

/// What one types to append an entry to a list of an object that is shown, as the portal does it: with the same tests of what
/// was seen.
#[must_use]
pub fn appending<K: Serialize + kube::Resource>(
    object: &K,
    plural: &str,
    list: &str,
    entry: &impl Serialize,
) -> String {
    let seen = serde_json::to_value(object).unwrap_or_default();
    let entry = serde_json::to_value(entry).unwrap_or_default();
    let patch = crate::cluster::write::appending(&seen, list, &entry).to_string();
    let namespace = object.meta().namespace.as_deref().unwrap_or_default();
    // Within single quotes a shell reads everything as it is, but the quote itself.
    let quoted = patch.replace('\'', "'\\''");
    format!(
        "kubectl patch {plural}.{} -n {namespace} {} --type=json -p '{quoted}'",
        crds::GROUP,
        object.name_any()
    )
}

fn yaml<K: Serialize>(object: &K) -> Result<String, AppError> {
    serde_yaml::to_string(object).map_err(AppError::internal)
}

/// An object as YAML, alone.
///
/// # Errors
/// It cannot be written as YAML.
pub fn answer<K: Serialize>(object: &K) -> Result<Response, AppError> {
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], yaml(object)?).into_response())
}

/// A platform as YAML.
///
/// # Errors
/// There is none of that name that the person may see.
pub async fn platform(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    answer(visible.platform(&name).ok_or(AppError::NoPage)?.as_ref())
}

/// A tenant as YAML.
///
/// # Errors
/// There is none of that name that the person may see.
pub async fn tenant(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let tenant = visible.tenant(&name).filter(|_| visible.all_tenants);
    answer(tenant.ok_or(AppError::NoPage)?.as_ref())
}

/// A grant as YAML.
///
/// # Errors
/// There is none of that name that the person may see.
pub async fn grant(
    visit: Visit,
    Path((tenant, grant)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let namespace = tenant_namespace(&tenant);
    let mut quotas = visible.quotas.iter();
    let quota =
        quotas.find(|q| q.name_any() == grant && q.namespace().as_deref() == Some(&namespace));
    answer(quota.ok_or(AppError::NoPage)?.as_ref())
}

/// A service of the catalog as YAML.
///
/// # Errors
/// There is none of that name that the person may see.
pub async fn offering(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let seen = visit
        .visible()
        .await?
        .general
        .contains(&Kind::ServiceOffering);
    let mut all = visit.state.cluster.offerings().into_iter();
    let found = all.find(|one| seen && one.name_any() == name);
    answer(found.ok_or(AppError::NoPage)?.as_ref())
}

/// A product of the catalog as YAML.
///
/// # Errors
/// There is none of that name that the person may see.
pub async fn product(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let seen = visit.visible().await?.general.contains(&Kind::CloudProduct);
    let mut all = visit.state.cluster.products().into_iter();
    let found = all.find(|one| seen && one.name_any() == name);
    answer(found.ok_or(AppError::NoPage)?.as_ref())
}

/// A change window as YAML: everybody is told of each, and may see what it says.
///
/// # Errors
/// There is none of that name.
pub async fn window(visit: Visit, Path(name): Path<String>) -> Result<Response, AppError> {
    let mut all = visit.state.cluster.windows().into_iter();
    answer(
        all.find(|one| one.name_any() == name)
            .ok_or(AppError::NoPage)?
            .as_ref(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_shell_hands_over_what_is_appended_whatever_stands_in_it() {
        let request: crds::ResourceRequest = serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
            "metadata": { "name": "r", "namespace": "qp-a", "uid": "u" },
            "spec": { "classified": false, "application": { "type": "New", "environment": "Test", "title": "t", "justification": "j", "items": [] } },
        }))
        .unwrap();
        let comment = "it's \"$HOME\" `id` \\ \n第二行";
        let command = appending(
            &request,
            "resourcerequests",
            "urgings",
            &json!({ "comment": comment }),
        );
        let patch = command.split_once(" -p ").unwrap().1;
        let told = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {patch}")])
            .output();
        let told: Value = serde_json::from_slice(&told.unwrap().stdout).unwrap();
        assert_eq!(told[2]["value"][0]["comment"], comment);
        assert_eq!(told[0]["value"], "u");
    }
}
