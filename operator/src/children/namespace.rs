//! Namespaces. They carry no ownerReference: the garbage collector would take what is in them with it.

use std::collections::BTreeMap;

use crds::keys;
use k8s_openapi::api::core::v1::Namespace;

use crate::runtime::Child;

/// A namespace under a Pod Security Standard.
#[must_use]
pub fn build(name: &str, labels: &BTreeMap<String, String>, pod_security: &str) -> Child {
    let mut metadata = super::meta::child(None, name, labels);
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(keys::POD_SECURITY_ENFORCE.into(), pod_security.into());
    labels.insert(keys::POD_SECURITY_WARN.into(), "restricted".into());
    Child::Namespace(Namespace {
        metadata,
        ..Namespace::default()
    })
}
