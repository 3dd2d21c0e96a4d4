//! `WorkOrder`: what the operations provider does by hand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Conditions;
use crate::quantity::ResourceList;
use crate::resource_request::DeliveredItem;
use crate::words::{Day, Zone};

/// Work for the operations provider.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "WorkOrder",
    plural = "workorders",
    namespaced,
    shortname = "qwo",
    category = "qipan",
    status = "WorkOrderStatus",
    derive = "PartialEq",
    doc = "What the operations provider does by hand for a unit: an approved item that no API delivers, what the unit did not accept of a delivery, or a fault that it reports. Steps are appended under spec.progress by whoever takes them; the last one is the order's state.",
    validation = Rule::new("self.spec.purpose == 'Fault' || has(self.spec.request)").message("spec.request: what is not a Fault names the ResourceRequest that was approved"),
    printcolumn = r#"{"name":"Title","type":"string","jsonPath":".spec.title"}"#,
    printcolumn = r#"{"name":"Purpose","type":"string","jsonPath":".spec.purpose"}"#,
    printcolumn = r#"{"name":"Platform","type":"string","jsonPath":".spec.platform"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Due","type":"string","jsonPath":".spec.due"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct WorkOrderSpec {
    /// Fulfilment of an approved request, Renewal or Release of what was delivered by one, Rework of what was not accepted, or
    /// a Fault that is reported.
    pub purpose: Purpose,
    /// What it is about, in a line.
    #[schemars(length(min = 1, max = 128))]
    pub title: String,
    /// The `ResourceRequest` that it fulfils.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub request: Option<String>,
    /// The item of that request, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub item: Option<String>,
    /// The `CloudPlatform` whose operations provider does it.
    #[schemars(length(min = 1, max = 63))]
    pub platform: String,
    /// The zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// The `CloudProduct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub product: Option<String>,
    /// The size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub size: Option<String>,
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub count: Option<u32>,
    /// What it is made of in sum.
    #[serde(default, skip_serializing_if = "ResourceList::is_empty")]
    pub resources: ResourceList,
    /// What the department answered to the offering's questions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub parameters: BTreeMap<String, String>,
    /// What was delivered before and is changed, renewed or taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<DeliveredItem>,
    /// The last day that it is needed, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
    /// What happened, or what else there is to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub description: Option<String>,
    /// The day that it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Day>,
    /// What was done, in order. Entries are appended, one a write, by the person they name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub progress: Vec<Progress>,
}

/// Name of the order that an item of a request is given out in.
#[must_use]
pub fn name_of(request: &str, item: &str) -> String {
    format!("{request}-{item}")
}

/// Why there is work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Purpose {
    /// An approved item.
    Fulfilment,
    /// 故障申报.
    Fault,
    /// 验收整改: what the unit did not accept of a delivery.
    Rework,
    /// 变更: what was delivered by hand becomes another size or number.
    Change,
    /// 续期: what was delivered by hand is to last longer.
    Renewal,
    /// 收回: what was delivered by hand is taken back.
    Release,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// Who took it: the user name.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// Accepted, `InProgress`, Done, or Failed with the reason in comment.
    pub state: StepState,
    /// What was done; on Done the way in (address, account to collect), never a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub comment: Option<String>,
}

/// What a step reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StepState {
    /// 已受理.
    Accepted,
    /// 处理中.
    InProgress,
    /// 已完成.
    Done,
    /// It cannot be done.
    Failed,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OrderState {
    /// Nobody has taken it.
    #[default]
    Open,
    /// Somebody works on it.
    InProgress,
    /// It is done.
    Done,
    /// It cannot be done.
    Failed,
}

impl WorkOrderSpec {
    /// Where the order stands by its last step.
    #[must_use]
    pub fn state(&self) -> OrderState {
        match self.progress.last().map(|p| p.state) {
            None => OrderState::Open,
            Some(StepState::Accepted | StepState::InProgress) => OrderState::InProgress,
            Some(StepState::Done) => OrderState::Done,
            Some(StepState::Failed) => OrderState::Failed,
        }
    }
}

/// What the operator says of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkOrderStatus {
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where it stands.
    #[serde(default)]
    pub state: OrderState,
    /// When each step was first seen, in the order of spec.progress.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Timestamp>,
    /// Ready: it is done, or on time.
    #[serde(default)]
    pub conditions: Conditions,
}
