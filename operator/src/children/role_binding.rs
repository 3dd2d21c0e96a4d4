//! `RoleBindings` to Qipan's `ClusterRoles`.

use std::collections::BTreeMap;

use crds::keys;
use crds::words::{Subject, SubjectKind};
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject as KubernetesSubject};

use crate::runtime::Child;

const RBAC: &str = "rbac.authorization.k8s.io";

/// Binds subjects to a `Role` of the same name.
#[must_use]
pub fn to_role(
    namespace: &str,
    role: &str,
    subjects: &[Subject],
    labels: &BTreeMap<String, String>,
) -> Child {
    bind(namespace, ("Role", role), subjects, ("", ""), labels)
}

/// Binds subjects to a `ClusterRole` in a namespace. `user_prefix` and `group_prefix` are what that cluster's API server puts
/// before names.
#[must_use]
pub fn build(
    namespace: &str,
    role: &str,
    subjects: &[Subject],
    (user_prefix, group_prefix): (&str, &str),
    labels: &BTreeMap<String, String>,
) -> Child {
    let prefixes = (user_prefix, group_prefix);
    bind(namespace, ("ClusterRole", role), subjects, prefixes, labels)
}

fn bind(
    namespace: &str,
    (kind, role): (&str, &str),
    subjects: &[Subject],
    (user_prefix, group_prefix): (&str, &str),
    labels: &BTreeMap<String, String>,
) -> Child {
    let mut subjects: Vec<_> = subjects
        .iter()
        .map(|s| kubernetes(s, user_prefix, group_prefix))
        .collect();
    subjects.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    subjects.dedup();
    Child::RoleBinding(RoleBinding {
        // A colon is not allowed in labels but is in RBAC names, as Kubernetes' own roles show.
        metadata: super::meta::child(Some(namespace), role, labels),
        role_ref: RoleRef {
            api_group: Some(RBAC.into()),
            kind: kind.into(),
            name: role.into(),
        },
        subjects: (!subjects.is_empty()).then_some(subjects),
    })
}

/// The same with the namespace's account for ways in: who holds a token of it works there as the tenant's people do.
#[must_use]
pub fn with_way_in(mut child: Child) -> Child {
    if let Child::RoleBinding(binding) = &mut child {
        binding
            .subjects
            .get_or_insert_default()
            .push(KubernetesSubject {
                api_group: None,
                kind: "ServiceAccount".into(),
                name: keys::WAY_IN_ACCOUNT.into(),
                namespace: binding.metadata.namespace.clone(),
            });
    }
    child
}

fn kubernetes(subject: &Subject, user_prefix: &str, group_prefix: &str) -> KubernetesSubject {
    let (kind, prefix) = match subject.kind {
        SubjectKind::User => ("User", user_prefix),
        SubjectKind::Group => ("Group", group_prefix),
    };
    KubernetesSubject {
        api_group: Some(RBAC.into()),
        kind: kind.into(),
        name: format!("{prefix}{}", subject.name),
        namespace: None,
    }
}
