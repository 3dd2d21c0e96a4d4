//! `InformationSystem`: an entry of the register of information systems.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Conditions;
use crate::words::DisplayName;

/// A department's information system.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "InformationSystem",
    plural = "informationsystems",
    namespaced,
    shortname = "qsys",
    category = "qipan",
    status = "InformationSystemStatus",
    derive = "PartialEq",
    doc = "An entry of the register of information systems, in the namespace of the unit that answers for it: whose it is, who built it, where it is hosted, at which MLPS level it is run.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters: it becomes a label"),
    printcolumn = r#"{"name":"Name","type":"string","jsonPath":".spec.displayName.zh"}"#,
    printcolumn = r#"{"name":"Category","type":"string","jsonPath":".spec.category"}"#,
    printcolumn = r#"{"name":"Hosting","type":"string","jsonPath":".spec.hosting"}"#,
    printcolumn = r#"{"name":"MLPS","type":"integer","jsonPath":".spec.mlpsLevel"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct InformationSystemSpec {
    /// Name as it is registered.
    pub display_name: DisplayName,
    /// The post that answers for it, never a person's name.
    #[schemars(length(min = 1, max = 128))]
    pub owner: String,
    /// National, Provincial or Own: who built it (003 §1.2).
    pub category: SystemCategory,
    /// Local, Superior (hosted by the unit above) or `ManagedInPlace` (纳管).
    pub hosting: Hosting,
    /// MLPS level (GB/T 22239, 1 to 4) that it is graded at. Absent: no grading on record, which is not level 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4))]
    pub mlps_level: Option<u8>,
}

/// Who built a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SystemCategory {
    /// 国家统建.
    National,
    /// 省级统建.
    Provincial,
    /// 自建.
    Own,
}

/// Where a system is hosted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Hosting {
    /// On a platform here.
    Local,
    /// By the unit above.
    Superior,
    /// Where it stands, looked after (纳管).
    ManagedInPlace,
}

/// What the operator says of a system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InformationSystemStatus {
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: it is registered.
    #[serde(default)]
    pub conditions: Conditions,
}
