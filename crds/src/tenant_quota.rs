//! `TenantQuota`: a grant.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Conditions;
use crate::quantity::ResourceList;
use crate::words::{Attestation, Day, DeletionPolicy, Zone};

/// What is granted, where, and to which namespaces.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "TenantQuota",
    plural = "tenantquotas",
    namespaced,
    shortname = "tq",
    category = "qipan",
    status = "TenantQuotaStatus",
    derive = "PartialEq",
    doc = "A grant: what one tenant may use in one pool of one platform, and the namespaces it is used in. It lives in the tenant's namespace qp-<tenant> on the hub. The limits in force in all its namespaces never add up to more than spec.hard.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters: it becomes a label"),
    validation = Rule::new("self.spec.platform == oldSelf.spec.platform && self.spec.zone == oldSelf.spec.zone && self.spec.pool == oldSelf.spec.pool").message("spec.platform, spec.zone and spec.pool do not change: make a new grant and delete this one"),
    printcolumn = r#"{"name":"Platform","type":"string","jsonPath":".spec.platform"}"#,
    printcolumn = r#"{"name":"Zone","type":"string","jsonPath":".spec.zone"}"#,
    printcolumn = r#"{"name":"CPU","type":"string","jsonPath":".status.admitted.requests\\.cpu"}"#,
    printcolumn = r#"{"name":"Memory","type":"string","jsonPath":".status.admitted.requests\\.memory"}"#,
    printcolumn = r#"{"name":"Storage","type":"string","jsonPath":".status.admitted.requests\\.storage"}"#,
    printcolumn = r#"{"name":"InForce","type":"string","jsonPath":".status.inForce"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct TenantQuotaSpec {
    /// The `CloudPlatform` that provides. Does not change.
    #[schemars(length(min = 1, max = 63))]
    pub platform: String,
    /// The zone, which must be the pool's: a grant never crosses zones. Does not change.
    pub zone: Zone,
    /// The pool of the platform, by name. Does not change.
    #[schemars(length(min = 1, max = 63))]
    pub pool: String,
    /// How the grant is divided: Fixed gives each namespace its own share.
    #[serde(default)]
    pub mode: Mode,
    /// What is granted, by resource: cpu, memory, storage, `requests.<domain>/<resource>` (for example
    /// requests.nvidia.com/gpu), `<class>.storageclass.storage.k8s.io/requests.storage`, services.loadbalancers,
    /// `count/<plural>.<group>`. What is not named is 0. Raising it needs the verb grant.
    pub hard: ResourceList,
    /// The namespaces and their shares. The shares of a resource add up to at most hard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub namespaces: Vec<LeafSpec>,
    /// Defaults and bounds of containers that state none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ContainerLimits>,
    /// Who may talk to the namespaces.
    #[serde(default)]
    pub isolation: Isolation,
    /// What pays for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funding: Option<Funding>,
    /// When the grant begins and ends. Absent: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// What it is for, as it was asked for: a test tenancy that is changed to production loses its end. Absent: not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<crate::resource_request::Environment>,
    /// The `ResourceRequest` that it came from. Absent: a direct grant (直接分配), listed as such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub request: Option<String>,
    /// The approved exception that lets the grant grow on a frozen platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_exception: Option<Attestation>,
    /// What becomes of the namespaces when the grant is deleted. Retain (the default) keeps them with a quota of 0 once
    /// nothing runs there; Delete removes them with everything in them.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// How a grant is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Each namespace has its own share.
    #[default]
    Fixed,
}

/// One namespace of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeafSpec {
    /// Name; the namespace on the platform is `<tenant>-<name>`.
    #[schemars(
        length(min = 1, max = 60),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The namespace's share of spec.hard. What is not named is 0.
    #[serde(default)]
    pub hard: ResourceList,
    /// The `InformationSystem` that the namespace is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$")
    )]
    pub system: Option<String>,
    /// MLPS level (GB/T 22239, 1 to 4) that the namespace is run at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4))]
    pub mlps_level: Option<u8>,
    /// Pod Security Standard that is enforced. Default Restricted.
    #[serde(default)]
    pub pod_security: PodSecurity,
}

/// Pod Security Standard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PodSecurity {
    /// The hardened profile.
    #[default]
    Restricted,
    /// No known privilege escalations; for software that cannot run restricted.
    Baseline,
}

impl PodSecurity {
    /// The value of the Pod Security labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Baseline => "baseline",
        }
    }
}

/// Defaults and bounds of containers, written into a `LimitRange`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerLimits {
    /// What a container requests when it states nothing (cpu, memory, ephemeral-storage). Default cpu 100m, memory 128Mi.
    #[serde(default)]
    pub default_request: ResourceList,
    /// What a container is limited to when it states nothing. Default: no limit; cpu
    /// 500m and memory 512Mi where the pool counts limits.cpu and limits.memory.
    #[serde(default)]
    pub default: ResourceList,
    /// The most one container may be limited to.
    #[serde(default, skip_serializing_if = "ResourceList::is_empty")]
    pub max: ResourceList,
}

/// Who may talk to a grant's namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Isolation {
    /// Only pods of the same namespace.
    #[default]
    Namespace,
    /// Pods of all the tenant's namespaces in the cluster.
    Tenant,
}

/// What pays for a grant (000 §10.1, 003 §8.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Funding {
    /// The source.
    pub source: FundingSource,
    /// A document or project number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reference: Option<String>,
}

/// Where the money comes from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum FundingSource {
    /// Bought by the province for all.
    ProvincialPurchase,
    /// The unit's own budget.
    OwnBudget,
    /// Shared between units.
    Shared,
    /// Paid with the superior's system.
    SuperiorSystem,
    /// A project's budget.
    Project,
}

/// When a grant begins and ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lease {
    /// The first day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// The last day.
    pub until: Day,
}

/// What the operator says of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantQuotaStatus {
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the pool and the budgets are charged for this grant: what may be in force at most.
    #[serde(default)]
    pub admitted: ResourceList,
    /// Counts the promises that the grant has given back because another account above it was short: a promise made for an
    /// earlier attempt is not taken up.
    #[serde(default, skip_serializing_if = "crate::account::is_zero")]
    pub attempt: i64,
    /// The ledger: what each namespace may have in force. Written before the namespaces are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<LeafEntry>,
    /// Namespaces whose quota is in force, of all: "2/2".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<String>,
    /// What is charged in the namespaces together. Absent while it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<ResourceList>,
    /// The highest use of each of the last days on which any was seen, oldest first: seven at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    pub peaks: Vec<DayPeak>,
    /// The highest use of the last seven days. Absent while none was seen.
    #[serde(default, rename = "peak7d", skip_serializing_if = "Option::is_none")]
    pub peak_7d: Option<ResourceList>,
    /// The day on which what is granted last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged_since: Option<Day>,
    /// Since which day nothing of the grant is in use; absent while something is, or while it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Day>,
    /// Ready, Admitted, `InForce`, `OverGrant`, Reachable, and Current of its lease.
    #[serde(default)]
    pub conditions: Conditions,
}

/// The highest use of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DayPeak {
    /// The day, in UTC+8.
    pub day: Day,
    /// The most that was in use of each resource.
    pub used: ResourceList,
}

/// The ledger's entry for one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeafEntry {
    /// The cluster, by its name in the platform.
    pub cluster: String,
    /// The namespace in that cluster.
    pub namespace: String,
    /// UID of the namespace, once it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The highest limit that may be in force there.
    pub ceiling: ResourceList,
    /// The limit that is being brought into force.
    pub target: ResourceList,
    /// Counts the changes of target; a write carries it and lands only over a smaller one.
    pub epoch: i64,
}
