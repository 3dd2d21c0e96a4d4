//! Builders of children, and what of a child is Qipan's to keep.

pub mod limit_range;
pub mod meta;
pub mod namespace;
pub mod network_policy;
pub mod quota;
pub mod role;
pub mod role_binding;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crds::keys;
use kube::Resource;
use kube::api::ObjectMeta;
use serde_json::json;

use crate::runtime::Child;

/// Labels of a child that Qipan keeps; others are left to whoever set them.
fn kept(label: &str) -> bool {
    label.starts_with("qipan.dev/")
        || label.starts_with("pod-security.kubernetes.io/")
        || label == keys::MANAGED_BY
}

/// A digest of what Qipan keeps of a child, equal for what is wanted and for what the API server stores of it. What others
/// add (labels of theirs, annotations) does not count.
#[must_use]
pub fn digest(child: &Child) -> u64 {
    let content = match child {
        Child::Namespace(_) => json!(null),
        Child::ResourceQuota(o) => {
            let hard = o
                .spec
                .as_ref()
                .and_then(|s| s.hard.clone())
                .unwrap_or_default();
            let hard: Vec<_> = hard
                .iter()
                .map(|(k, v)| (k.clone(), v.0.parse::<crds::Quantity>().ok()))
                .collect();
            json!({
                "hard": hard,
                "scopes": o.spec.as_ref().and_then(|s| s.scopes.clone()),
                "selector": o.spec.as_ref().and_then(|s| s.scope_selector.clone()),
                "epoch": epoch_of(&o.metadata),
            })
        }
        Child::LimitRange(o) => json!(o.spec),
        Child::NetworkPolicy(o) => {
            let spec = o.spec.clone().unwrap_or_default();
            // An empty list of rules and none are the same, and are stored as none.
            let (ingress, egress) = (spec.ingress, spec.egress);
            json!([
                spec.pod_selector,
                spec.policy_types,
                ingress.unwrap_or_default(),
                egress.unwrap_or_default(),
            ])
        }
        Child::Role(o) => json!(o.rules),
        Child::RoleBinding(o) => json!([o.role_ref, o.subjects]),
    };
    let mut hasher = DefaultHasher::new();
    content.to_string().hash(&mut hasher);
    for (label, value) in child
        .meta()
        .labels
        .iter()
        .flatten()
        .filter(|(label, _)| kept(label))
    {
        (label, value).hash(&mut hasher);
    }
    hasher.finish()
}

/// The epoch that a leaf's quota shows; 0 where it shows none.
#[must_use]
pub fn epoch_of(meta: &ObjectMeta) -> i64 {
    let shown = meta.annotations.as_ref().and_then(|a| a.get(keys::EPOCH));
    shown.and_then(|e| e.parse().ok()).unwrap_or(0)
}

/// Whose a child is: the UID of its grant, else `tenant/<name>`, else nobody's.
#[must_use]
pub fn owner_in_labels(meta: &ObjectMeta) -> String {
    let label = |key| meta.labels.as_ref().and_then(|l| l.get(key));
    label(keys::GRANT_UID)
        .cloned()
        .or_else(|| label(keys::TENANT).map(|t| format!("tenant/{t}")))
        .unwrap_or_default()
}

/// The owner that an object's children name.
pub fn owner_of<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let meta = object.meta();
    match K::kind(&()).as_ref() {
        "Tenant" => format!("tenant/{}", meta.name.as_deref().unwrap_or_default()),
        _ => meta.uid.clone().unwrap_or_default(),
    }
}
