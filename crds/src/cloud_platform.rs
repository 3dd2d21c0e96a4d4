//! `CloudPlatform`: one of the 1, the N or the M.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{Ratio, ResourceList};
use crate::words::{Attestation, Day, DisplayName, Subject, Zone};

mod status;

pub use status::{
    CheckState, CheckStatus, CloudPlatformStatus, ClusterState, ClusterStatus, Enforcement,
    Evidence, NodeCapacity, PlatformMode, PoolStatus,
};

/// One of the 1, the N or the M.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "CloudPlatform",
    plural = "cloudplatforms",
    shortname = "qcp",
    category = "qipan",
    status = "CloudPlatformStatus",
    derive = "PartialEq",
    doc = "One cloud platform of 1+N+M: the provincial one, an industry cloud, a city's own or a node of the provincial one. It says who owns and who runs it, which clusters it docks and what pools it offers; the operator says whether they answer, what they hold and what is granted.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters: it becomes a label"),
    validation = Rule::new("self.spec.provision != 'ProvincialNode' || self.spec.tier == 'City'").message("spec.provision: ProvincialNode is a node of the provincial platform in a city: tier is City"),
    validation = Rule::new("self.spec.provision != 'ProvincialNode' || has(self.spec.docksTo)").message("spec.docksTo: a node names the provincial platform that it docks to"),
    validation = Rule::new("self.spec.pools.all(p, !has(p.cluster) || has(self.spec.clusters) && self.spec.clusters.exists(c, c.name == p.cluster && c.zone == p.zone))").message("spec.pools[].cluster: names a cluster of spec.clusters in the pool's own zone"),
    validation = Rule::new("!has(self.spec.clusters) || self.spec.clusters.all(c, !has(c.connection) || has(c.connection.kubeconfigSecret) != (has(c.connection.hub) && c.connection.hub))").message("spec.clusters[].connection: say kubeconfigSecret, or hub: true, and not both"),
    printcolumn = r#"{"name":"Name","type":"string","jsonPath":".spec.displayName.zh"}"#,
    printcolumn = r#"{"name":"Tier","type":"string","jsonPath":".spec.tier"}"#,
    printcolumn = r#"{"name":"Provision","type":"string","jsonPath":".spec.provision","priority":1}"#,
    printcolumn = r#"{"name":"Expansion","type":"string","jsonPath":".spec.expansion"}"#,
    printcolumn = r#"{"name":"Mode","type":"string","jsonPath":".status.mode"}"#,
    printcolumn = r#"{"name":"Clusters","type":"string","jsonPath":".status.connected"}"#,
    printcolumn = r#"{"name":"Checks","type":"string","jsonPath":".status.checksPassed"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct CloudPlatformSpec {
    /// Name as people write it.
    pub display_name: DisplayName,
    /// Provincial (the 1), Industry (one of the N) or City (one of the M).
    pub tier: Tier,
    /// How it came to be: `SelfBuilt`, `ProvincialNode` (a node of the provincial platform) or Legacy (an older cloud).
    pub provision: Provision,
    /// The `CloudPlatform` that this one docks to: a node names the provincial platform. Shown; it moves no resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub docks_to: Option<String>,
    /// Administrative division code, six digits (GB/T 2260).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{6}$"))]
    pub division: Option<String>,
    /// The authority that owns the platform (主管部门), in words: it decides. Rights come from RBAC, not from this name.
    #[schemars(length(min = 1, max = 128))]
    pub owner: String,
    /// Who decides for the owner on requests for this platform. They need the verb approve-platformowner on it as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub approvers: Vec<Subject>,
    /// The operations provider (运营方): it executes and never decides. Running a platform gives no right to grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations_provider: Option<OperationsProvider>,
    /// Security status of the platform itself. What is absent is shown as not recorded, never as passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compliance: Option<Compliance>,
    /// Open (the default) takes grants. Frozen (原则上不再扩容) refuses every increase whose grant names no
    /// `spec.frozenException`; what is granted stays in force.
    #[serde(default)]
    pub expansion: Expansion,
    /// The `CloudPlatform` that refusals name as the way out while this one is frozen; the provincial platform where it is
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub growth_goes_to: Option<String>,
    /// The Kubernetes clusters of the platform, each in one zone. None, or none with a connection: the platform is only
    /// declared, its capacity is its owner's word, and no grant on it comes into force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub clusters: Vec<ClusterSpec>,
    /// What the platform offers, by zone and architecture. A grant names one pool; the sum of grants on a pool never
    /// exceeds its capacity times its oversubscription.
    #[serde(default)]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub pools: Vec<PoolSpec>,
    /// The platform's centers: which Site is production, same-city or remote for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub centers: Vec<Center>,
    /// The owner's word, with its end, for docking checks that Qipan cannot observe. Where it can, the observation counts.
    /// After `until` the check is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["check"]))]
    pub attestations: Vec<CheckAttestation>,
    /// The recorded approval, with its end, by which a hub in the Management zone docks clusters of other zones. Without it,
    /// or after its end, such clusters are refused: what is in force there stays, nothing changes any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_zone_approval: Option<Approval>,
}

/// Which of 1, N, M.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Tier {
    /// The 1.
    Provincial,
    /// One of the N.
    Industry,
    /// One of the M.
    City,
}

/// How a platform came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Provision {
    /// Built by its owner.
    SelfBuilt,
    /// A node of the provincial platform, bought as a service.
    ProvincialNode,
    /// An older cloud (存量云).
    Legacy,
}

/// Whether a platform grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Expansion {
    /// Takes grants.
    #[default]
    Open,
    /// 原则上不再扩容: takes no increase.
    Frozen,
}

/// Who runs a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationsProvider {
    /// Name of the provider.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The post on duty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub post: Option<String>,
}

/// Security status of a platform itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compliance {
    /// MLPS level that the platform is graded at (GB/T 22239): a request to run a system of a higher one there is refused
    /// (`MlpsAbovePlatform`). Absent: not recorded, and nothing is refused for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4))]
    pub mlps_level: Option<u8>,
    /// MLPS filing and last assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mlps: Option<Certificate>,
    /// Cloud security review (云计算服务安全评估).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_security_review: Option<Certificate>,
    /// Commercial cryptography assessment (密评).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crypto_assessment: Option<Certificate>,
}

/// A document that certifies something, with its dates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Its number.
    #[schemars(length(min = 1, max = 128))]
    pub number: String,
    /// Its date.
    pub date: Day,
    /// When it is due again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Day>,
}

/// A recorded approval with its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Document number.
    #[schemars(length(min = 1, max = 128))]
    pub number: String,
    /// The post that approved.
    #[schemars(length(min = 1, max = 128))]
    pub by: String,
    /// Its last day.
    pub until: Day,
}

/// One cluster of a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// Name, unique in the platform.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The one zone that the cluster is in. Its pools are in the same one.
    pub zone: Zone,
    /// The Site that it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub site: Option<String>,
    /// How the hub reaches it. Absent: not connected, the cluster is only declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
    /// Address by which people reach its API server, for example `https://zj-extranet.example.gov.cn:6443`. Absent: the one
    /// in the hub's kubeconfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = r"^https://[^/?#@]+$"))]
    pub endpoint: Option<String>,
    /// What the cluster's API server puts before user names of the hub's identity provider, for example `oidc:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub user_prefix: Option<String>,
    /// What it puts before group names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub group_prefix: Option<String>,
}

/// How the hub reaches a cluster: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Secret in qipan-system with key `kubeconfig`, labelled qipan.dev/kubeconfig=true. Replacing its content reconnects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub kubeconfig_secret: Option<String>,
    /// The cluster is the hub itself (a place with a single cluster).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hub: bool,
}

/// What a platform offers in one zone and architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolSpec {
    /// Name, unique in the platform.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The zone, which is that of the pool's cluster.
    pub zone: Zone,
    /// CPU architecture (amd64, arm64, loongarch64 …) of the pool's machines.
    #[schemars(length(min = 1, max = 32))]
    pub architecture: String,
    /// The cluster of spec.clusters that the pool is in. Absent: declared only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub cluster: Option<String>,
    /// What there is, by resource, before oversubscription: cpu in cores (`3372`, `500m`), memory and storage in bytes with
    /// a suffix (`16079G` is decimal, `16Ti` binary), pods as a number. A resource that is not named here cannot be granted.
    pub capacity: ResourceList,
    /// Factor per resource by which more may be granted than there is, from 0.001 to 100: `cpu: "1.5"`
    /// lets 40 cores be granted as 60. 1 where absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub oversubscription: BTreeMap<String, Ratio>,
    /// Who says what the capacity is, and until when. A pool in a connected cluster is shown beside what its Nodes hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
    /// What a declared platform says of its own use, by attestation; shown, never enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_granted: Option<ResourceList>,
}

/// The role of a Site for this platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Center {
    /// The Site.
    #[schemars(length(min = 1, max = 253))]
    pub site: String,
    /// Its role for this platform.
    pub role: CenterRole,
}

/// Role of a center (两地三中心).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CenterRole {
    /// 生产.
    Production,
    /// 同城.
    SameCity,
    /// 异地.
    Remote,
}

/// One of the seven things that make a platform docked (003 §3.2.2).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Check {
    /// 目录: its resources are read.
    Inventory,
    /// 分配: quotas written by Qipan are in force.
    Allocation,
    /// 部署: workloads of tenants are admitted under Qipan's policies.
    Deployment,
    /// 监控: metrics answer.
    Monitoring,
    /// 备份: a backup was found and is fresh.
    Backup,
    /// 运维: the operations provider is on duty and reachable.
    Operations,
    /// 认证: a token is reviewed by the same identity provider.
    Authentication,
}

impl Check {
    /// All seven, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Inventory,
        Self::Allocation,
        Self::Deployment,
        Self::Monitoring,
        Self::Backup,
        Self::Operations,
        Self::Authentication,
    ];

    /// The word used in specs and conditions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inventory => "Inventory",
            Self::Allocation => "Allocation",
            Self::Deployment => "Deployment",
            Self::Monitoring => "Monitoring",
            Self::Backup => "Backup",
            Self::Operations => "Operations",
            Self::Authentication => "Authentication",
        }
    }
}

/// The owner's word for a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckAttestation {
    /// The check.
    pub check: Check,
    /// Who, when, until when, on what basis.
    #[serde(flatten)]
    pub attestation: Attestation,
}
