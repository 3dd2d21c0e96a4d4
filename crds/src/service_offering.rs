//! `ServiceOffering`: an entry of the service catalog, kept by the authority.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Conditions;
use crate::words::{DisplayName, Text, Zone};

/// What a department asks for, in its own words.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "ServiceOffering",
    plural = "serviceofferings",
    shortname = "qso",
    category = "qipan",
    status = "ServiceOfferingStatus",
    derive = "PartialEq",
    doc = "An entry of the service catalog (服务目录), kept by the authority: what a department asks for, in its own words. What provides it on a platform, at what price, is a CloudProduct, kept by the operations provider.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters"),
    printcolumn = r#"{"name":"Name","type":"string","jsonPath":".spec.displayName.zh"}"#,
    printcolumn = r#"{"name":"Class","type":"string","jsonPath":".spec.class"}"#,
    printcolumn = r#"{"name":"Category","type":"string","jsonPath":".spec.category"}"#,
    printcolumn = r#"{"name":"Zones","type":"string","jsonPath":".spec.zones"}"#,
    printcolumn = r#"{"name":"Products","type":"integer","jsonPath":".status.products"}"#,
    printcolumn = r#"{"name":"Withdrawn","type":"boolean","jsonPath":".spec.withdrawn"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ServiceOfferingSpec {
    /// Name as departments know it.
    pub display_name: DisplayName,
    /// Cloud, Network or `CommonCapability` (004 §26).
    pub class: ServiceClass,
    /// What kind of thing it is.
    pub category: Category,
    /// What one gets, in two or three sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What one of it is called: 台, GB, Mbit/s.
    pub unit: DisplayName,
    /// The sizes that it comes in, smallest first. What a size is made of is said by each product.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub sizes: Vec<OfferedSize>,
    /// What else is asked of the department.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub parameters: Vec<Parameter>,
    /// The zones that it is offered in.
    #[schemars(length(min = 1, max = 4))]
    pub zones: Vec<Zone>,
    /// What is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sla: Option<ServiceLevel>,
    /// Whom to ask: a post and how to reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub contact: Option<String>,
    /// Whether it is no longer offered. What was delivered stays; nothing new is asked for or enacted.
    #[serde(default)]
    pub withdrawn: bool,
}

/// The three classes of the service catalog.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ServiceClass {
    /// 云服务.
    Cloud,
    /// 网络服务.
    Network,
    /// 公共能力: blockchain, AI, speech, 5G messaging, e-signature.
    CommonCapability,
}

/// What kind of thing is asked for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Category {
    /// 计算.
    Compute,
    /// 存储.
    Storage,
    /// GPU 算力.
    Gpu,
    /// 数据库.
    Database,
    /// 备份.
    Backup,
    /// 网段与地址.
    Segment,
    /// 带宽.
    Bandwidth,
    /// 互联网暴露.
    Exposure,
    /// 域名.
    Domain,
    /// 数据交换通道.
    Exchange,
    /// 公共能力.
    Capability,
}

/// A size, in the department's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedSize {
    /// Name, unique in the offering: 2C4G.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$")
    )]
    pub name: String,
    /// As people read it: 2核4GB.
    pub display_name: DisplayName,
}

/// Something that is asked of the department.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Name, unique in the offering.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z][a-zA-Z0-9]*$"))]
    pub name: String,
    /// The question.
    pub display_name: DisplayName,
    /// Text, a whole number, or one of the choices.
    pub kind: ParameterKind,
    /// Whether an answer is needed.
    #[serde(default)]
    pub required: bool,
    /// The choices, where it is one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub choices: Vec<String>,
}

impl Parameter {
    /// Whether an answer is one.
    #[must_use]
    pub fn accepts(&self, answer: &str) -> bool {
        match self.kind {
            ParameterKind::Text => !answer.trim().is_empty(),
            ParameterKind::Number => answer.parse::<u64>().is_ok(),
            ParameterKind::Choice => self.choices.iter().any(|c| c == answer),
        }
    }
}

/// What an answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ParameterKind {
    /// Any text.
    Text,
    /// A whole number, 0 or more.
    Number,
    /// One of the choices.
    Choice,
}

/// What is promised with a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLevel {
    /// Availability a month in percent, as text so that it stays exact: "99.9".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,3}(\.[0-9]{1,4})?$"))]
    pub availability_percent: Option<String>,
    /// Working days from approval to delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 365))]
    pub delivery_working_days: Option<u16>,
    /// When somebody answers: 7×24, 工作日 8:30–17:30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub support_hours: Option<String>,
}

/// What the operator says of an offering.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceOfferingStatus {
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Products that provide it and are not withdrawn.
    #[serde(default)]
    pub products: i64,
    /// Ready: somebody provides it.
    #[serde(default)]
    pub conditions: Conditions,
}
