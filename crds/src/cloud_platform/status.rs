//! What the operator says of a `CloudPlatform`: its clusters as last seen, the docking checks, the pools' ledgers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Check;
use crate::account::Account;
use crate::condition::Conditions;
use crate::quantity::ResourceList;
use crate::words::{Day, Zone};

/// What the operator says of a platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudPlatformStatus {
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Live: connected clusters are behind it. Declared: nothing but its owner's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<PlatformMode>,
    /// Clusters that answer, of those connected: "2/2".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<String>,
    /// Docking checks passed, of seven: "4/7".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks_passed: Option<String>,
    /// Each cluster as it was last seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterStatus>,
    /// The seven docking checks, each with its evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckStatus>,
    /// Each pool's ledger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<PoolStatus>,
    /// Number of grants on the platform.
    #[serde(default)]
    pub grants: i64,
    /// Ready, Reachable, Docked, Current.
    #[serde(default)]
    pub conditions: Conditions,
}

/// Whether a platform is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PlatformMode {
    /// At least one cluster has a connection.
    Live,
    /// None has.
    Declared,
}

/// Whether a cluster answers as itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ClusterState {
    /// Not looked at yet.
    #[default]
    Unknown,
    /// It answers and is the cluster known under this name.
    Connected,
    /// It does not answer: everything about it is unknown.
    Unreachable,
    /// It answers, but may not be used; the reason says why.
    Refused,
    /// No connection is configured.
    Declared,
}

/// One cluster as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Its name in the platform.
    pub name: String,
    /// Whether it answers as itself.
    pub state: ClusterState,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The figures of the message by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Since when it is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The last time it answered before it was lost, or the first time since it returned. While `state` is Connected it
    /// answers within seconds; this field is not refreshed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<Timestamp>,
    /// Kubernetes version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// UID of its kube-system namespace, by which it is known again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// What its Nodes can hold (allocatable), by architecture.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, NodeCapacity>,
    /// Whether Qipan's policies are in force there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// Policies or bindings that are missing or changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_policies: Vec<String>,
    /// When the credential ends, where that can be read from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_until: Option<Timestamp>,
}

/// What the Nodes of one architecture can hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeCapacity {
    /// Number of Nodes that are Ready and schedulable.
    pub nodes: i64,
    /// The sum of their allocatable resources.
    pub allocatable: ResourceList,
}

/// Whether Qipan's policies are in force in a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Enforcement {
    /// All of them.
    Full,
    /// The server is older than 1.30.
    Partial,
    /// Some are missing.
    Missing,
    /// It could not be read.
    Unknown,
}

/// A docking check with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckStatus {
    /// The check.
    pub check: Check,
    /// Passed, Failed or Unknown.
    pub state: CheckState,
    /// What the state rests on: what Qipan observed, what the owner attested, or nothing.
    pub evidence: Evidence,
    /// Why, in one word that programs may rely on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, in a sentence: the evidence with its figures, or what would be evidence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The figures of the message by name, so that pages can word it in the reader's language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Since when the state is as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The last day of an attestation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
}

/// State of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckState {
    /// There is evidence that it is so.
    Passed,
    /// There is evidence that it is not so.
    Failed,
    /// There is no evidence.
    Unknown,
}

/// What a check's state rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Evidence {
    /// Qipan saw it.
    Observation,
    /// The owner says so.
    Attestation,
    /// Nothing.
    None,
}

/// A pool's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// Its zone.
    pub zone: Zone,
    /// What it has, has given, has promised and holds.
    #[serde(flatten)]
    pub account: Account,
    /// What is neither granted, promised nor held.
    #[serde(default)]
    pub free: ResourceList,
    /// What is charged in the namespaces of its grants. Absent while it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<ResourceList>,
}
