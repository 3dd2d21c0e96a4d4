//! `Tenant`: an organisational unit.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::approval::StageApprovers;
use crate::condition::Conditions;
use crate::money_budget::MoneyBudget;
use crate::quantity::ResourceList;
use crate::words::{DeletionPolicy, DisplayName, Subject, Zone};

/// An organisational unit.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    shortname = "qten",
    category = "qipan",
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "An organisational unit (department, bureau, city or county) that resources are granted to. The operator makes its namespace qp-<name> on the hub, lets its owners and those above it in, and sums up its grants.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$')").message("metadata.name starts with a letter, has only lower-case letters, digits and hyphens, and at most 32 characters: it becomes part of namespace names"),
    validation = Rule::new("!self.metadata.name.matches('^(kube|qipan|qp|default)(-.*)?$')").message("metadata.name: kube, qipan, qp and default are taken by Kubernetes and Qipan, since a tenant's namespaces are <tenant>-<name>"),
    validation = Rule::new("!has(self.spec.parent) || self.spec.parent != self.metadata.name").message("spec.parent: a tenant is not its own parent"),
    validation = Rule::new("!has(oldSelf.spec.owners) || oldSelf.spec.owners.size() == 0 || (has(self.spec.owners) && self.spec.owners.size() > 0)").message("spec.owners: the last one stays, since a unit without a manager can neither ask for anything nor be told anything. Add the next manager first, then remove this one"),
    printcolumn = r#"{"name":"Name","type":"string","jsonPath":".spec.displayName.zh"}"#,
    printcolumn = r#"{"name":"Level","type":"string","jsonPath":".spec.level"}"#,
    printcolumn = r#"{"name":"Parent","type":"string","jsonPath":".spec.parent"}"#,
    printcolumn = r#"{"name":"Grants","type":"integer","jsonPath":".status.grants"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct TenantSpec {
    /// Name as people write it.
    pub display_name: DisplayName,
    /// Administrative level of the unit: Province, City, County or Town. A unit is at its parent's level or below.
    pub level: Level,
    /// The unit above, by its Tenant name; absent at the root. Owners of the units above may read this unit's grants, and
    /// their budgets are charged for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub parent: Option<String>,
    /// Unified social credit code (GB 32100), 18 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9A-HJ-NPQRTUWXY]{18}$"))]
    pub credit_code: Option<String>,
    /// Administrative division code, six digits (GB/T 2260).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{6}$"))]
    pub division: Option<String>,
    /// Who manages the unit's resources: they read its namespace on the hub and work in its namespaces on the platforms. The last
    /// one cannot be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub owners: Vec<Subject>,
    /// Groups of the authority (主管部门) over this unit: they read its namespace on the hub and those of units below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub authority_groups: Vec<String>,
    /// Who decides on the requests of this unit, by stage. Those of a unit above hold for the units below that name none.
    /// Unit heads and the supervisor are named here; the authority is authorityGroups where nobody is named for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["stage"]))]
    pub approvers: Vec<StageApprovers>,
    /// The responsible post (责任岗位), never a person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub responsible_post: Option<String>,
    /// Highest MLPS level (GB/T 22239, 1 to 4) that the unit may run at: a request for a system of a higher one is refused
    /// (`MlpsAboveCeiling`). Absent: no ceiling recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4))]
    pub mlps_ceiling: Option<u8>,
    /// What the unit and all units below it may be granted in sum, over all platforms, in the names and units of
    /// `tenantquota.spec.hard`. A grant above it is refused. Absent names are not budgeted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<ResourceList>,
    /// What the unit may commit in money a year. A request that passes a threshold of it (`governanceprofile.spec.money`) is
    /// warned of, and not refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money_budget: Option<MoneyBudget>,
    /// What becomes of the namespace `qp-<name>` on the hub when the Tenant is deleted. Default Retain.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Administrative level.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Level {
    /// 省.
    Province,
    /// 市.
    City,
    /// 县（市、区）.
    County,
    /// 镇（街道）.
    Town,
}

impl Level {
    /// The word used in specs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Province => "Province",
            Self::City => "City",
            Self::County => "County",
            Self::Town => "Town",
        }
    }
}

/// What the operator says of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The unit's namespace on the hub, where its grants and requests live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The units above, root first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// Number of grants that were judged, in force or refused.
    #[serde(default)]
    pub grants: i64,
    /// The unit's own grants summed by platform and zone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<PlatformGrants>,
    /// The budget's ledger, where the unit has one: total, granted below it, promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Account>,
    /// Ready: namespace and access are in place. Current: nothing ends soon.
    #[serde(default)]
    pub conditions: Conditions,
}

/// A tenant's grants on one platform and zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformGrants {
    /// The `CloudPlatform`.
    pub platform: String,
    /// The zone.
    pub zone: Zone,
    /// What is charged there (the grants' `status.admitted`).
    pub granted: ResourceList,
    /// Number of namespaces.
    pub namespaces: i64,
}
