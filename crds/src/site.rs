//! `Site`: a data center.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Conditions;
use crate::words::DisplayName;

/// A data center: where it is, who runs it, and what can take it down as a whole.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "Site",
    plural = "sites",
    shortname = "qsite",
    category = "qipan",
    status = "SiteStatus",
    derive = "PartialEq",
    doc = "A data center: where it is, who runs it, and what can take it down as a whole. Platforms name their centers by Site.",
    printcolumn = r#"{"name":"Name","type":"string","jsonPath":".spec.displayName.zh"}"#,
    printcolumn = r#"{"name":"City","type":"string","jsonPath":".spec.division"}"#,
    printcolumn = r#"{"name":"Provider","type":"string","jsonPath":".spec.provider"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct SiteSpec {
    /// Name as people write it.
    pub display_name: DisplayName,
    /// Administrative division code of the city, six digits (GB/T 2260), for example 440800 for Zhanjiang.
    #[schemars(regex(pattern = r"^[0-9]{6}$"))]
    pub division: String,
    /// Who runs the building.
    #[schemars(length(min = 1, max = 128))]
    pub provider: String,
    /// What can take the site down as a whole. Two sites that share a power feed or a carrier fail together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_domains: Option<FailureDomains>,
    /// What the site is for, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub purpose: Option<String>,
}

/// The shared things a site depends on, named so that equal names mean the same thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureDomains {
    /// Power feeds or substations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub power: Vec<String>,
    /// Network carriers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub carrier: Vec<String>,
}

/// What the operator says of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteStatus {
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the entry is well-formed and in use where platforms name it.
    #[serde(default)]
    pub conditions: Conditions,
}
