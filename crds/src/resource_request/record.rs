//! What people append to a request, and the timeline of it.
//!
//! Entries carry no time of their own: a person's clock is no evidence. When an entry was first seen is in the timeline of
//! the status; when it was written is in the hub's audit log.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ResourceRequestSpec;
use super::application::Attachment;
use crate::approval::Stage;
use crate::condition::whole_second;

/// A decision of one person at one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The stage, which must be the one whose turn it is (status.stage).
    pub stage: Stage,
    /// The platform (status.stageOf), where the stage is `PlatformOwner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub of: Option<String>,
    /// Who decides: the authenticated user's name.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// The group for which the decision is made where all have to approve (会签); must be one of the decider's groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub party: Option<String>,
    /// Approve, Return (退回补正) or Reject.
    pub outcome: DecisionOutcome,
    /// What is said. Needed for Return and Reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub comment: Option<String>,
    /// Who handed the stage on to the decider (spec.delegations).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub on_behalf: Option<String>,
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DecisionOutcome {
    /// 同意.
    Approve,
    /// 退回补正.
    Return,
    /// 不同意.
    Reject,
}

/// An opinion. It decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opinion {
    /// Technical or Expert.
    pub stage: Stage,
    /// Whose it is: the authenticated user's name.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// For it, against it, or neither.
    pub view: View,
    /// The opinion.
    #[schemars(length(min = 1, max = 4096))]
    pub comment: String,
}

/// What an opinion comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum View {
    /// 建议同意.
    Favourable,
    /// 建议不同意.
    Unfavourable,
    /// 仅提示.
    Neutral,
}

/// An answer to a return (补正).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// Who answers.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// The answer.
    #[schemars(length(min = 1, max = 4096))]
    pub comment: String,
    /// Documents that were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub attachments: Vec<Attachment>,
}

/// A stage handed on (转办).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delegation {
    /// The stage.
    pub stage: Stage,
    /// The platform, where the stage is `PlatformOwner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub of: Option<String>,
    /// Who hands it on, and may decide there.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// To whom: the user name.
    #[schemars(length(min = 1, max = 253))]
    pub to: String,
    /// Why.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
}

/// A reminder (催办).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Urging {
    /// Who reminds.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// What is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub comment: Option<String>,
}

/// A withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Withdrawal {
    /// Who withdraws.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}

/// A receipt (验收确认), or an objection to the delivery: the operations providers get a `WorkOrder` of purpose Rework with
/// what is missing, and once these are done it is delivered again, with the whole time for the receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acceptance {
    /// Who received it.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// Whether it is what was asked for.
    pub accepted: bool,
    /// What is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub comment: Option<String>,
}

/// A rating (好差评).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rating {
    /// Who rates.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// One to five stars.
    #[schemars(range(min = 1, max = 5))]
    pub stars: u8,
    /// What is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub comment: Option<String>,
}

/// Something that happened to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// Its place in the list of the spec that it is an entry of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Who; absent where it was Qipan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When Qipan saw it.
    pub at: Timestamp,
}

/// What may happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EventKind {
    /// It was submitted.
    Submitted,
    /// Its capacity is held.
    Held,
    /// An entry of spec.decisions.
    Decision,
    /// An entry of spec.opinions.
    Opinion,
    /// An entry of spec.answers.
    Answer,
    /// An entry of spec.delegations.
    Delegation,
    /// An entry of spec.urgings.
    Urging,
    /// The withdrawal.
    Withdrawal,
    /// It was enacted: grants and work orders were written.
    Enacted,
    /// Everything is there; with an index: delivered again after that entry of spec.acceptance.
    Delivered,
    /// An entry of spec.acceptance.
    Acceptance,
    /// It counts as accepted, by rule.
    AcceptedByRule,
    /// The review of an emergency refused it: what was made for it got an end.
    Curtailed,
    /// The rating.
    Rating,
}

/// The timeline with what is new in the spec: it happened at the latest now.
#[must_use]
pub fn timeline(
    spec: &ResourceRequestSpec,
    stored: &[Event],
    created: Timestamp,
    now: Timestamp,
) -> Vec<Event> {
    let mut events = stored.to_vec();
    if at(&events, EventKind::Submitted, None).is_none() {
        events.push(Event {
            kind: EventKind::Submitted,
            index: None,
            by: spec.applicant.clone(),
            at: whole_second(created),
        });
    }
    let mut note = |kind, authors: Vec<&String>| {
        for (index, by) in (0_u32..).zip(authors) {
            if at(&events, kind, Some(index)).is_none() {
                events.push(Event {
                    kind,
                    index: Some(index),
                    by: Some(by.clone()),
                    at: whole_second(now),
                });
            }
        }
    };
    note(
        EventKind::Delegation,
        spec.delegations.iter().map(|e| &e.by).collect(),
    );
    note(
        EventKind::Opinion,
        spec.opinions.iter().map(|e| &e.by).collect(),
    );
    note(
        EventKind::Urging,
        spec.urgings.iter().map(|e| &e.by).collect(),
    );
    note(
        EventKind::Decision,
        spec.decisions.iter().map(|e| &e.by).collect(),
    );
    note(
        EventKind::Answer,
        spec.answers.iter().map(|e| &e.by).collect(),
    );
    note(
        EventKind::Withdrawal,
        spec.withdrawal.iter().map(|e| &e.by).collect(),
    );
    note(
        EventKind::Acceptance,
        spec.acceptance.iter().map(|e| &e.by).collect(),
    );
    note(
        EventKind::Rating,
        spec.rating.iter().map(|e| &e.by).collect(),
    );
    events
}

/// When something happened, where it has.
#[must_use]
pub fn at(events: &[Event], kind: EventKind, index: Option<u32>) -> Option<Timestamp> {
    events
        .iter()
        .find(|e| e.kind == kind && e.index == index)
        .map(|e| e.at)
}
