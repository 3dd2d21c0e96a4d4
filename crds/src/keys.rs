//! Every label, annotation, name and verb that Qipan writes or asks for, once.

use crate::GROUP;

/// Label of every object that Qipan keeps: `app.kubernetes.io/managed-by: qipan`.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`], the server-side-apply field manager, and the name of a leaf's quota and limit range.
pub const QIPAN: &str = "qipan";
/// Label: the tenant an object is for.
pub const TENANT: &str = "qipan.dev/tenant";
/// Label: the `TenantQuota` (its name in the tenant's hub namespace) that a leaf comes from.
pub const GRANT: &str = "qipan.dev/grant";
/// Label: UID of the `TenantQuota` that a leaf comes from; whoever carries another UID is not this grant's.
pub const GRANT_UID: &str = "qipan.dev/grant-uid";
/// Label: the platform of a leaf.
pub const PLATFORM: &str = "qipan.dev/platform";
/// Label: the zone of a leaf (`Internet`, `Extranet`, `Exchange`, `Management`).
pub const ZONE: &str = "qipan.dev/zone";
/// Label: the information system that a leaf is for.
pub const SYSTEM: &str = "qipan.dev/system";
/// Label: MLPS level (GB/T 22239) that a leaf is run at.
pub const MLPS_LEVEL: &str = "qipan.dev/mlps-level";
/// Label of the kubeconfig Secrets in [`SYSTEM_NAMESPACE`] that the operator may read.
pub const KUBECONFIG: &str = "qipan.dev/kubeconfig";
/// Annotation of a leaf's quota: the ledger epoch that its `spec.hard` is written from.
pub const EPOCH: &str = "qipan.dev/epoch";
/// Annotation of a policy: `hub` or `member`, where it belongs.
pub const CLUSTER: &str = "qipan.dev/cluster";
/// Finalizer of the kinds whose children a garbage collector cannot reach.
pub const FINALIZER: &str = "qipan.dev/children";
/// Where Qipan's own objects live, on the hub and on every member.
pub const SYSTEM_NAMESPACE: &str = "qipan-system";
/// The operator's service account, on the hub and on every member.
pub const OPERATOR_ACCOUNT: &str = "qipan-operator";
/// The portal's service account on the hub.
pub const PORTAL_ACCOUNT: &str = "qipan-portal";
/// The Lease by which operators elect their leader.
pub const OPERATOR_LEASE: &str = "qipan-operator";
/// `ClusterRole` of a tenant's people in its leaves.
pub const TENANT_ROLE: &str = "qipan:tenant";
/// `ClusterRole` of a tenant's owners in its hub namespace.
pub const OWNER_ROLE: &str = "qipan:owner";
/// `ClusterRole` of those above a tenant (its parents' owners) in its hub namespace.
pub const SUPERIOR_ROLE: &str = "qipan:superior";
/// Service account of a leaf, made when the first way in is asked for; its tokens last a few hours.
pub const WAY_IN_ACCOUNT: &str = "qipan-way-in";
/// Verb on `tenantquotas`: may have a way into a grant's namespaces.
pub const VERB_ENTER: &str = "enter";
/// Verb on `tenantquotas`: may ask the operator for ways in, for people who are signed in (the portal).
pub const VERB_LET_IN: &str = "let-in";
/// `ClusterRole` of those to whom a stage was handed on (转办), in the unit's hub namespace.
pub const DELEGATE_ROLE: &str = "qipan:delegate";
/// Verb on `tenantquotas`: may raise a grant (design §1.6).
pub const VERB_GRANT: &str = "grant";
/// Verb on `tenantquotas`: may write Qipan's labels, quotas and children in members.
pub const VERB_MANAGE_CHILDREN: &str = "manage-children";
/// Verb on `tenantquotas`: is not confined to Qipan's namespaces (cluster administrators have it by their wildcard).
pub const VERB_MANAGE_ANYWHERE: &str = "manage-anywhere";
/// Pod Security label: what is enforced.
pub const POD_SECURITY_ENFORCE: &str = "pod-security.kubernetes.io/enforce";
/// Pod Security label: what is warned of.
pub const POD_SECURITY_WARN: &str = "pod-security.kubernetes.io/warn";
/// Name of the default-deny network policy of a leaf.
pub const DEFAULT_DENY: &str = "qipan-default-deny";
/// Name of the network policy of a leaf that opens DNS and what its isolation allows.
pub const ALLOW: &str = "qipan-allow";

/// `ClusterRole` of a stage's approvers (or advisers) in the unit's hub namespace.
#[must_use]
pub fn stage_role(stage: crate::approval::Stage) -> String {
    format!("qipan:{}", stage.verb())
}

/// Name of the `Role` and its binding by which a platform's owner decides on a unit's requests.
#[must_use]
pub fn platform_owner(platform: &str) -> String {
    format!("qipan:platform-owner:{platform}")
}

/// The hub namespace of a tenant.
#[must_use]
pub fn tenant_namespace(tenant: &str) -> String {
    format!("qp-{tenant}")
}

/// The tenant of a hub namespace; `None` where the namespace is nobody's.
#[must_use]
pub fn tenant_of_namespace(namespace: &str) -> Option<&str> {
    namespace
        .strip_prefix("qp-")
        .filter(|tenant| !tenant.is_empty())
}

/// The leaf namespace of a tenant under one of its names.
#[must_use]
pub fn leaf_namespace(tenant: &str, name: &str) -> String {
    format!("{tenant}-{name}")
}

/// `qipan.dev/v1alpha1`.
#[must_use]
pub fn api_version() -> String {
    format!("{GROUP}/{}", crate::VERSION)
}
