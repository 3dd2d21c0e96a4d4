//! Conditions, and the closed list of reasons that they may give.
//!
//! A reason's words live in `messages/reasons.{en,zh}.yaml`: kubectl, events and logs print the English ones, pages the
//! reader's, both from the parameters that the condition carries.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reason::Reason;

/// What a condition is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ConditionType {
    /// Qipan has done its part for this generation.
    Ready,
    /// The pool and every budget above have room for the grant, and it is charged to them.
    Admitted,
    /// Every leaf's quota is in force in its cluster as it should be.
    InForce,
    /// More is in force than was granted.
    OverGrant,
    /// The clusters behind this object answer.
    Reachable,
    /// The seven docking checks of a platform.
    Docked,
    /// Credentials, attestations and approvals are far from their end.
    Current,
    /// The pools hold what a request asks for.
    Held,
    /// A request was written as grants and work orders.
    Enacted,
    /// The stage or order has working time left.
    OnTime,
    /// Whoever reviews an emergency after it was opened (应急开通) agreed to it.
    Reviewed,
    /// Nobody holds two of the three offices of administrators.
    OfficesApart,
}

/// `True`, `False` or `Unknown`, as Kubernetes writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Qipan cannot tell.
    Unknown,
}

/// One observed fact about an object (the fields of `meta/v1` `Condition`), with the figures behind its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition is about.
    #[serde(rename = "type")]
    pub type_: ConditionType,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// Why, in one word that programs may rely on.
    pub reason: String,
    /// Why, in a sentence: what, which rule, the figures, the way out.
    #[serde(default)]
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The figures of the message by name, so that pages can word it in the reader's language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// A judgement that has no time yet: what `plan` returns for a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// Why.
    pub reason: Reason,
    /// The figures of the reason's message.
    pub params: BTreeMap<String, String>,
}

impl Verdict {
    /// A verdict without figures.
    #[must_use]
    pub fn new(status: ConditionStatus, reason: Reason) -> Self {
        Self {
            status,
            reason,
            params: BTreeMap::new(),
        }
    }

    /// `True` for a reason.
    #[must_use]
    pub fn yes(reason: Reason) -> Self {
        Self::new(ConditionStatus::True, reason)
    }

    /// `False` for a reason.
    #[must_use]
    pub fn no(reason: Reason) -> Self {
        Self::new(ConditionStatus::False, reason)
    }

    /// `Unknown` for a reason.
    #[must_use]
    pub fn unknown(reason: Reason) -> Self {
        Self::new(ConditionStatus::Unknown, reason)
    }

    /// This verdict with a figure of its message.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.params.insert(name.to_owned(), value.to_string());
        self
    }

    /// The English sentence.
    #[must_use]
    pub fn message(&self) -> String {
        self.reason.render("en", &self.params)
    }
}

/// The conditions of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conditions(pub Vec<Condition>);

impl Conditions {
    /// The condition of a type, if it was ever judged.
    #[must_use]
    pub fn get(&self, type_: ConditionType) -> Option<&Condition> {
        self.0.iter().find(|c| c.type_ == type_)
    }

    /// Whether the condition of a type is `True`.
    #[must_use]
    pub fn is_true(&self, type_: ConditionType) -> bool {
        self.get(type_)
            .is_some_and(|c| c.status == ConditionStatus::True)
    }

    /// Sets a condition. `lastTransitionTime` moves only when the status does, so that an unchanged world is an unchanged
    /// object.
    pub fn set(
        &mut self,
        type_: ConditionType,
        verdict: &Verdict,
        generation: Option<i64>,
        now: Timestamp,
    ) {
        let since = self
            .get(type_)
            .filter(|c| c.status == verdict.status)
            .map(|c| c.last_transition_time);
        let condition = Condition {
            type_,
            status: verdict.status,
            reason: verdict.reason.to_string(),
            message: verdict.message(),
            // Kubernetes stores whole seconds; anything finer would differ after a round trip.
            last_transition_time: since.unwrap_or_else(|| whole_second(now)),
            observed_generation: generation,
            params: verdict.params.clone(),
        };
        if let Some(slot) = self.0.iter_mut().find(|c| c.type_ == type_) {
            *slot = condition;
        } else {
            self.0.push(condition);
            self.0.sort_by_key(|c| c.type_);
        }
    }

    /// Removes a condition that no longer applies.
    pub fn clear(&mut self, type_: ConditionType) {
        self.0.retain(|c| c.type_ != type_);
    }
}

/// A time cut to the second, as Kubernetes stores it.
#[must_use]
pub fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

impl JsonSchema for Conditions {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Conditions".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let item = generator.subschema_for::<Condition>();
        schemars::json_schema!({
            "type": "array",
            "items": item,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_moves_only_with_the_status() {
        let (early, late) = (
            Timestamp::from_second(10).unwrap(),
            Timestamp::from_second(20).unwrap(),
        );
        let mut conditions = Conditions::default();
        conditions.set(
            ConditionType::Ready,
            &Verdict::no(Reason::Progressing),
            Some(1),
            early,
        );
        conditions.set(
            ConditionType::Ready,
            &Verdict::no(Reason::Malformed),
            Some(1),
            late,
        );
        assert_eq!(conditions.0[0].last_transition_time, early);
        conditions.set(
            ConditionType::Ready,
            &Verdict::yes(Reason::Ready),
            Some(1),
            late,
        );
        assert_eq!(conditions.0[0].last_transition_time, late);
    }
}
