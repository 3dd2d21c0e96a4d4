//! `ResourceRequest`: an application for resources, the decisions on it, and what became of it.
//!
//! `spec.application` does not change once it is submitted; everything that people do afterwards is an entry appended to a
//! list of the spec, one a write, by the person it names (`policies/` keeps that). What the operator makes of it is status.

pub mod application;
pub mod automatic;
pub mod chain;
pub mod clock;
pub mod course;
pub mod preview;
pub mod record;

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use application::{
    Application, ApplicationType, Attachment, DeliveredItem, Environment, Item, Project,
};
pub use chain::StageStatus;
pub use clock::Clock;
pub use record::{
    Acceptance, Answer, Decision, DecisionOutcome, Delegation, Event, EventKind, Opinion, Rating,
    Urging, Withdrawal,
};

use crate::condition::Conditions;
use crate::money::Money;
use crate::quantity::ResourceList;
use crate::words::{Day, Zone};

/// An application for resources.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "qipan.dev",
    version = "v1alpha1",
    kind = "ResourceRequest",
    plural = "resourcerequests",
    namespaced,
    shortname = "qreq",
    category = "qipan",
    status = "ResourceRequestStatus",
    derive = "PartialEq",
    doc = "An application (申请) of a unit for resources, in its namespace qp-<tenant> on the hub. Creating it submits it: its capacity is held and the chain of approvals begins. spec.application never changes; decisions, opinions, answers and the rest are appended to their lists, one entry a write, by the person that the entry names.",
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$')").message("metadata.name has at most 42 lower-case letters, digits and hyphens: it becomes part of the grant's name"),
    validation = Rule::new("self.spec.classified == false").message("spec.classified: anything that concerns state secrets may not be asked for here, and nothing of it was stored. Follow the secrecy rules of your unit (先定密、后办理); a request here says classified: false"),
    validation = Rule::new("self.spec.application.environment != 'Production' || self.spec.application.type in ['Release', 'Renew'] || has(self.spec.application.project)").message("spec.application.project: resources for production take the project's approval number, funding and reviews, or a recorded exemption; or ask for environment Test first"),
    validation = Rule::new("self.spec.application.environment != 'Production' || self.spec.application.type in ['Release', 'Renew'] || !has(self.spec.application.project) || has(self.spec.application.project.exemption) || has(self.spec.application.project.reviews) && self.spec.application.project.reviews.size() > 0").message("spec.application.project.reviews: resources for production take at least one review on record (kind and number), or a recorded exemption; or ask for environment Test first"),
    printcolumn = r#"{"name":"Title","type":"string","jsonPath":".spec.application.title"}"#,
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.application.type"}"#,
    printcolumn = r#"{"name":"Applicant","type":"string","jsonPath":".spec.applicant","priority":1}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Stage","type":"string","jsonPath":".status.stage"}"#,
    printcolumn = r#"{"name":"Due","type":"string","jsonPath":".status.clock.due"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRequestSpec {
    /// Whether anything classified is concerned (是否涉密). Must be answered, and must be false: otherwise nothing is stored.
    pub classified: bool,
    /// Who submitted it: the authenticated user, stamped at creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub applicant: Option<String>,
    /// What is asked for. Never changes: answer a return under spec.answers, or withdraw and ask anew.
    pub application: Application,
    /// Decisions, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub decisions: Vec<Decision>,
    /// Opinions of the operations provider and of experts. They decide nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub opinions: Vec<Opinion>,
    /// Answers to returns (补正), in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub answers: Vec<Answer>,
    /// Stages handed on to somebody else (转办).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub delegations: Vec<Delegation>,
    /// Reminders (催办).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub urgings: Vec<Urging>,
    /// The withdrawal, at most one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1))]
    pub withdrawal: Vec<Withdrawal>,
    /// Receipts: accepted, or what is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub acceptance: Vec<Acceptance>,
    /// The rating (好差评), at most one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1))]
    pub rating: Vec<Rating>,
}

/// Where a request stands.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum Phase {
    /// 草稿: in the portal's database only, never in Kubernetes.
    Draft,
    /// 已提交: it is judged, or waits for capacity to hold.
    #[default]
    Submitted,
    /// 审批中, stage by stage.
    Reviewing,
    /// 退回补正: the clock pauses.
    Returned,
    /// 已批准.
    Approved,
    /// 开通中; also while an objection to the delivery is mended.
    Provisioning,
    /// 已交付.
    Delivered,
    /// 已验收.
    Accepted,
    /// 不予批准.
    Rejected,
    /// 已撤回.
    Withdrawn,
}

impl Phase {
    /// Every phase, in the order of the course.
    pub const ALL: [Self; 10] = [
        Self::Draft,
        Self::Submitted,
        Self::Reviewing,
        Self::Returned,
        Self::Approved,
        Self::Provisioning,
        Self::Delivered,
        Self::Accepted,
        Self::Rejected,
        Self::Withdrawn,
    ];

    /// The word used in status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "Draft",
            Self::Submitted => "Submitted",
            Self::Reviewing => "Reviewing",
            Self::Returned => "Returned",
            Self::Approved => "Approved",
            Self::Provisioning => "Provisioning",
            Self::Delivered => "Delivered",
            Self::Accepted => "Accepted",
            Self::Rejected => "Rejected",
            Self::Withdrawn => "Withdrawn",
        }
    }

    /// Whether it still holds the capacity that it asks for: from submission until it is delivered or ended otherwise.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(
            self,
            Self::Submitted
                | Self::Reviewing
                | Self::Returned
                | Self::Approved
                | Self::Provisioning
        )
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the operator says of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRequestStatus {
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The stage that decides now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<crate::approval::Stage>,
    /// The platform whose owner decides now, where the stage is `PlatformOwner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_of: Option<String>,
    /// The chain as it was computed at submission, and how far it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<StageStatus>,
    /// Whether it was approved by rule (small step), and so has no chain.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_rule: bool,
    /// The working days of the stage that decides now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// What is held for it, by pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HoldStatus>,
    /// The sizes of products as they were when its capacity was held: what is decided on, and enacted, whatever the catalog
    /// says by then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<DecidedSize>,
    /// Counts the promises of capacity that the request has given back: one made for an earlier attempt is not taken up.
    #[serde(default, skip_serializing_if = "crate::account::is_zero")]
    pub attempt: i64,
    /// What happened and when it was seen, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Event>,
    /// Decisions that do not count, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncounted: Vec<course::Uncounted>,
    /// How it ended, or that it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Yuan a month of what is asked for; absent while the price of any item is unknown (未定价).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_cost: Option<Money>,
    /// The grants that it was enacted in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Enacted>,
    /// The work orders that it was given out in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub work_orders: Vec<String>,
    /// The delivery sheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Ready, Held, Enacted, `OnTime`, and of an emergency Reviewed.
    #[serde(default)]
    pub conditions: Conditions,
}

/// A size of a product as it is decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecidedSize {
    /// The `CloudProduct`.
    pub product: String,
    /// The size: what one is made of, and its price.
    pub size: crate::cloud_product::ProductSize,
}

/// What is held for a request in one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldStatus {
    /// The platform.
    pub platform: String,
    /// The pool.
    pub pool: String,
    /// What is to be held there.
    pub amount: ResourceList,
    /// Whether the pool's ledger holds it.
    pub held: bool,
}

/// How a request was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Approve or Reject; a withdrawal has no outcome.
    pub decision: DecisionOutcome,
    /// Who decided last; `rule` where it was approved by rule.
    pub by: String,
    /// When that was seen.
    pub at: Timestamp,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A grant that a request was enacted in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Enacted {
    /// The `TenantQuota` in the same namespace.
    pub grant: String,
    /// Its platform.
    pub platform: String,
    /// Its pool.
    pub pool: String,
    /// Its `spec.hard` as enacted.
    pub hard: ResourceList,
    /// Whether it was made by the request, and not changed: where the review of an emergency refuses, what was made ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
}

/// The delivery sheet (交付单).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// When everything was there.
    pub at: Timestamp,
    /// What was delivered where.
    pub entries: Vec<DeliveryEntry>,
    /// The last working day for a receipt; after it, the delivery counts as accepted by rule. Absent where the calendar
    /// does not reach that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_by: Option<Day>,
    /// How many objections (spec.acceptance with accepted: false) were mended, and it was delivered again.
    #[serde(default, skip_serializing_if = "is_none_of")]
    pub mended: u32,
    /// When it was delivered again, last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Timestamp>,
    /// When it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Timestamp>,
    /// Whether it was accepted by rule, without a word from the department.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted_by_rule: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_none_of(count: &u32) -> bool {
    *count == 0
}

impl ResourceRequestStatus {
    /// Whether it was returned, and waits for an answer: before it is decided, or in the review of an emergency after it was
    /// opened, which changes nothing of its phase.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        let opened = matches!(
            self.phase,
            Some(Phase::Approved | Phase::Provisioning | Phase::Delivered | Phase::Accepted)
        );
        let returned = |stage: &StageStatus| stage.state == chain::StageState::Returned;
        self.phase == Some(Phase::Returned) || (opened && self.chain.iter().any(returned))
    }
}

impl Delivery {
    /// The objections that are not mended yet, each with its place among the receipts.
    pub fn objections<'a>(
        &self,
        receipts: &'a [Acceptance],
    ) -> impl Iterator<Item = (usize, &'a Acceptance)> + use<'a> {
        let all = receipts.iter().enumerate().filter(|(_, r)| !r.accepted);
        let open = if self.accepted.is_some() {
            0
        } else {
            usize::MAX
        };
        all.skip(self.mended as usize).take(open)
    }
}

/// One line of a delivery sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryEntry {
    /// The platform.
    pub platform: String,
    /// The zone.
    pub zone: Zone,
    /// The cluster, by its name in the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Address of the cluster's API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Namespaces to work in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// What is in force there.
    #[serde(default, skip_serializing_if = "ResourceList::is_empty")]
    pub hard: ResourceList,
    /// Whom to ask: the post on duty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The work order and what it reported, where it was done by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_order: Option<String>,
    /// What the operations provider reported: addresses, accounts to collect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether the provider could not do it, and nothing has mended that: it is not there (or not taken back).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

#[cfg(test)]
mod tests;
