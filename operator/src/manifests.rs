//! The roles that the program needs, from the same list that it writes by.

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use crate::args::Manifest;
use crate::runtime::ChildKind;
use crds::approval::Stage;
use crds::{GROUP, keys};

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect());
    PolicyRule {
        api_groups: Some(vec![group.into()]),
        resources: owned(resources),
        verbs: owned(verbs).unwrap_or_default(),
        ..PolicyRule::default()
    }
}

fn named(group: &str, resource: &str, names: &[&str], verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        resource_names: Some(names.iter().map(ToString::to_string).collect()),
        ..rule(group, &[resource], verbs)
    }
}

/// What is done to a kind of child, in a member.
fn child_verbs(kind: ChildKind) -> &'static [&'static str] {
    match kind {
        ChildKind::Namespace => &["get", "list", "watch", "create", "patch", "delete"],
        // A quota is never deleted: it goes with its namespace, or stays at zero.
        ChildKind::ResourceQuota => &["get", "list", "watch", "create", "patch"],
        ChildKind::LimitRange
        | ChildKind::NetworkPolicy
        | ChildKind::Role
        | ChildKind::RoleBinding => &["list", "watch", "create", "patch", "delete"],
    }
}

/// Rules in a member. Deliberately not: Secrets, exec, attach, port-forward, proxy, impersonation, other RBAC than bindings
/// to `qipan:tenant`. The policy `qipan-operator-confined` narrows them to tenants' namespaces.
#[must_use]
pub fn member_rules() -> Vec<PolicyRule> {
    let mut rules: Vec<PolicyRule> = ChildKind::MEMBER
        .into_iter()
        .map(|kind| {
            let (group, plural) = kind.resource();
            rule(group, &[plural], child_verbs(kind))
        })
        .collect();
    // Capacity by architecture.
    rules.push(rule("", &["nodes"], &["list"]));
    // What a leaf's quota should count, when a limit is lowered.
    let charged = ["persistentvolumeclaims", "pods", "services"];
    rules.push(rule("", &charged, &["list"]));
    // Whether the policies are in force as they were written.
    let admission = [
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ];
    rules.push(rule("admissionregistration.k8s.io", &admission, &["list"]));
    // It gives tenants' people this role and no other.
    rules.push(named(
        "rbac.authorization.k8s.io",
        "clusterroles",
        &[keys::TENANT_ROLE],
        &["bind"],
    ));
    // Ways in: the account that they are tokens of, and these tokens. Both are held to that one name by policy too.
    rules.push(rule("", &["serviceaccounts"], &["create"]));
    rules.push(named(
        "",
        "serviceaccounts/token",
        &[keys::WAY_IN_ACCOUNT],
        &["create"],
    ));
    // By this verb, and not by a name, the policies know who keeps Qipan's children.
    rules.push(rule(
        GROUP,
        &["tenantquotas"],
        &[keys::VERB_MANAGE_CHILDREN],
    ));
    rules
}

/// Rules on the hub, in every namespace.
#[must_use]
pub fn hub_rules() -> Vec<PolicyRule> {
    let statuses = crds::MANAGED.map(|plural| format!("{plural}/status"));
    let statuses: Vec<&str> = statuses.iter().map(String::as_str).collect();
    let with_children = ["cloudplatforms", "tenantquotas", "tenants"];
    let stages = Stage::ALL.map(keys::stage_role);
    let bound: Vec<&str> = [keys::OWNER_ROLE, keys::DELEGATE_ROLE]
        .into_iter()
        .chain(stages.iter().map(String::as_str))
        .collect();
    vec![
        rule(GROUP, &crds::MANAGED, &["get", "list", "watch"]),
        rule(GROUP, &statuses, &["update", "patch"]),
        // Finalizers are metadata of the object itself.
        rule(GROUP, &with_children, &["patch"]),
        // An approved request is enacted: the grant is made or changed, the work given out (design §1.6).
        rule(GROUP, &["tenantquotas"], &["create", "update"]),
        rule(GROUP, &["workorders"], &["create"]),
        rule(
            GROUP,
            &["tenantquotas"],
            &[keys::VERB_MANAGE_CHILDREN, keys::VERB_GRANT],
        ),
        rule("", &["namespaces"], child_verbs(ChildKind::Namespace)),
        rule(
            "rbac.authorization.k8s.io",
            &["rolebindings", "roles"],
            child_verbs(ChildKind::RoleBinding),
        ),
        // Who holds two of the three offices of administrators is a finding.
        rule(
            "rbac.authorization.k8s.io",
            &["clusterrolebindings", "clusterroles"],
            &["list", "watch"],
        ),
        // qipan:superior allows nothing that the operator may not do itself, so giving it takes no right.
        named(
            "rbac.authorization.k8s.io",
            "clusterroles",
            &bound,
            &["bind"],
        ),
        // Held to be given: a platform's owner decides by a Role that names the platform. The operator itself cannot decide
        // with it, since a service account decides nothing (policies/request-decisions).
        rule(GROUP, &["cloudplatforms"], &[Stage::PlatformOwner.verb()]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
        // Who asks for a way in, and whether the person may enter.
        rule("authentication.k8s.io", &["tokenreviews"], &["create"]),
        rule(
            "authorization.k8s.io",
            &["subjectaccessreviews"],
            &["create"],
        ),
    ]
}

/// Rules on the hub, in Qipan's own namespace.
#[must_use]
pub fn system_rules() -> Vec<PolicyRule> {
    vec![
        rule("", &["secrets"], &["list", "watch"]),
        rule("coordination.k8s.io", &["leases"], &["create"]),
        named(
            "coordination.k8s.io",
            "leases",
            &[keys::OPERATOR_LEASE],
            &["get", "update"],
        ),
    ]
}

fn role(kind: &str, name: &str, namespace: Option<&str>, rules: &[PolicyRule]) -> Value {
    let mut metadata = json!({ "name": name });
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules })
}

fn binding(kind: &str, name: &str, namespace: Option<&str>) -> Value {
    let (of, mut metadata) = (kind.trim_end_matches("Binding"), json!({ "name": name }));
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": of, "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": keys::OPERATOR_ACCOUNT, "namespace": keys::SYSTEM_NAMESPACE }],
    })
}

/// A manifest as YAML documents.
#[must_use]
pub fn print(which: Manifest) -> String {
    let documents = match which {
        Manifest::HubRoles => vec![
            role("ClusterRole", "qipan:operator", None, &hub_rules()),
            binding("ClusterRoleBinding", "qipan:operator", None),
            role(
                "Role",
                "qipan:operator",
                Some(keys::SYSTEM_NAMESPACE),
                &system_rules(),
            ),
            binding(
                "RoleBinding",
                "qipan:operator",
                Some(keys::SYSTEM_NAMESPACE),
            ),
        ],
        Manifest::MemberRoles => vec![
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": keys::SYSTEM_NAMESPACE } }),
            json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": { "name": keys::OPERATOR_ACCOUNT, "namespace": keys::SYSTEM_NAMESPACE },
            }),
            role(
                "ClusterRole",
                "qipan:member-operator",
                None,
                &member_rules(),
            ),
            binding("ClusterRoleBinding", "qipan:member-operator", None),
        ],
    };
    let yaml = documents
        .iter()
        .filter_map(|d| serde_yaml::to_string(d).ok());
    yaml.fold(String::new(), |all, document| all + "---\n" + &document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_child_has_a_rule_and_nothing_dangerous_has() {
        let rules = member_rules();
        for kind in ChildKind::MEMBER {
            let (group, plural) = kind.resource();
            let covered = |r: &PolicyRule| {
                r.api_groups
                    .as_ref()
                    .is_some_and(|g| g.contains(&group.to_owned()))
                    && r.resources
                        .as_ref()
                        .is_some_and(|p| p.contains(&plural.to_owned()))
                    && r.verbs.contains(&"create".to_owned())
            };
            assert!(rules.iter().any(covered), "{plural}");
        }
        for rule in rules.iter().chain(&hub_rules()).chain(&system_rules()) {
            let text = serde_json::to_string(rule).unwrap();
            for never in [
                "exec",
                "attach",
                "portforward",
                "proxy",
                "\"*\"",
                "impersonate",
                "escalate",
            ] {
                assert!(!text.contains(never), "{text}");
            }
        }
        assert!(
            !serde_json::to_string(&member_rules())
                .unwrap()
                .contains("secrets")
        );
        assert!(
            !serde_json::to_string(&hub_rules())
                .unwrap()
                .contains("secrets")
        );
    }
}
