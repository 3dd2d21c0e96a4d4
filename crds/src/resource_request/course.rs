//! The course of a request: its state machine, as a pure function of what was appended and when that was seen.
//!
//! `Submitted → Reviewing (stage by stage) → Approved → Provisioning → Delivered → Accepted`, or `Returned` (the clock
//! pauses), `Rejected`, `Withdrawn`; an objection at the receipt leads from Delivered back to Provisioning. A decision that is out of turn, doubled or the applicant's own is not counted, and why
//! is said; admission refuses most of them before (`policies/`).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::{StageState, StageStatus};
use super::clock::{self, Clock, Pause};
use super::record::{self, Decision, DecisionOutcome, EventKind};
use super::{Outcome, Phase, ResourceRequestSpec, ResourceRequestStatus};
use crate::approval::Rule;
use crate::calendar::{Calendar, day_of};
use crate::words::SubjectKind;

/// A decision that does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Uncounted {
    /// Its place in spec.decisions.
    pub index: u32,
    /// Why it does not count.
    pub why: Why,
}

/// Why a decision does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Why {
    /// It was another stage's turn.
    NotItsTurn,
    /// The decider had decided at this stage already.
    Repeated,
    /// The decider is the applicant, or the one it was made for.
    OwnRequest,
    /// The request waited for an answer to a return.
    AwaitingAnswer,
    /// The request had ended.
    Ended,
    /// The capacity was not held yet.
    NotHeld,
    /// It does not say for which of the parties it is made, where all have to approve.
    NoParty,
    /// It was made for somebody who could not decide there any more when it was seen.
    DelegatorLost,
    /// It was made for somebody else, and whether that person may still decide is being asked.
    DelegatorUnknown,
}

/// Where a request stands, and how it came there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The phase.
    pub phase: Phase,
    /// The chain with how far each stage is.
    pub chain: Vec<StageStatus>,
    /// The stage whose turn it is, by its place in the chain; reviews afterwards are among them.
    pub current: Option<usize>,
    /// The clock of that stage.
    pub clock: Option<Clock>,
    /// Decisions that do not count.
    pub uncounted: Vec<Uncounted>,
    /// How it was decided.
    pub outcome: Option<Outcome>,
}

struct Walk<'a> {
    spec: &'a ResourceRequestSpec,
    status: &'a ResourceRequestStatus,
    calendar: &'a Calendar,
    now: Timestamp,
    chain: Vec<StageStatus>,
    /// When the stage before was done: the next one's turn begins then.
    reached: Timestamp,
    returns: usize,
    pauses: Vec<Pause>,
    ended: Option<Outcome>,
    last: Option<usize>,
    uncounted: Vec<Uncounted>,
}

/// The course of a request. `status` gives the chain as it was computed at submission, the timeline (see
/// [`record::timeline`]), whether the capacity is held, what was enacted and delivered.
#[must_use]
pub fn course(
    spec: &ResourceRequestSpec,
    status: &ResourceRequestStatus,
    calendar: &Calendar,
    now: Timestamp,
) -> Course {
    let time = |kind| record::at(&status.timeline, kind, None);
    // Without anything to hold, the turn of the first stage begins with the submission.
    let held = time(EventKind::Held);
    let mut walk = Walk {
        spec,
        status,
        calendar,
        now,
        chain: fresh(&status.chain),
        reached: held.unwrap_or(now),
        returns: 0,
        pauses: Vec::new(),
        ended: None,
        last: None,
        uncounted: Vec::new(),
    };
    for (index, decision) in (0_u32..).zip(&spec.decisions) {
        let verdict = if held.is_none() {
            Err(Why::NotHeld)
        } else if let Some(why) = by_delegation(status, index) {
            Err(why)
        } else {
            walk.take(index, decision)
        };
        if let Err(why) = verdict {
            walk.uncounted.push(Uncounted { index, why });
        }
    }
    if held.is_some() {
        walk.pass_opinions();
    }
    walk.finish(held.is_some())
}

/// Why a decision that was handed on does not count, as the operator found when it saw it first.
fn by_delegation(status: &ResourceRequestStatus, index: u32) -> Option<Why> {
    let mut found = status.uncounted.iter().filter(|u| u.index == index);
    let found = found.find(|u| matches!(u.why, Why::DelegatorLost | Why::DelegatorUnknown));
    found.map(|u| u.why)
}

fn fresh(chain: &[StageStatus]) -> Vec<StageStatus> {
    let reset = |stage: &StageStatus| StageStatus {
        state: StageState::Waiting,
        since: None,
        done: None,
        by: Vec::new(),
        ..stage.clone()
    };
    chain.iter().map(reset).collect()
}

impl Walk<'_> {
    fn at(&self, kind: EventKind, index: usize) -> Timestamp {
        let index = u32::try_from(index).ok();
        record::at(&self.status.timeline, kind, index).unwrap_or(self.now)
    }

    fn open(&self) -> Option<usize> {
        let done = |s: &StageStatus| {
            matches!(
                s.state,
                StageState::Approved | StageState::Advised | StageState::PassedOver
            )
        };
        self.chain.iter().position(|s| !done(s))
    }

    fn awaits_answer(&self) -> bool {
        self.spec.answers.len() < self.returns
    }

    /// Goes on past opinions that were given, or were not in time.
    fn pass_opinions(&mut self) {
        while let Some(i) = self.open() {
            self.chain[i].since.get_or_insert(self.reached);
            if self.chain[i].stage.decides() {
                return;
            }
            let stage = self.chain[i].stage;
            let given = self.spec.opinions.iter().position(|o| o.stage == stage);
            if let Some(given) = given {
                self.chain[i].state = StageState::Advised;
                self.chain[i].by = vec![self.spec.opinions[given].by.clone()];
                self.reached = self.at(EventKind::Opinion, given).max(self.reached);
            } else {
                let days = self.chain[i].working_days;
                let clock = clock::reckon(self.calendar, days, self.reached, &[], self.now);
                let Some(due) = clock.due.filter(|due| *due < day_of(self.now)) else {
                    return;
                };
                self.chain[i].state = StageState::PassedOver;
                // It was over at the end of its last day.
                self.reached = end_of(due).unwrap_or(self.now).min(self.now);
            }
            self.chain[i].done = Some(self.reached);
        }
    }

    fn take(&mut self, index: u32, decision: &Decision) -> Result<(), Why> {
        self.pass_opinions();
        let at = self.at(EventKind::Decision, index as usize);
        let approved = self.approved_before();
        let rejected = self
            .ended
            .as_ref()
            .is_some_and(|o| o.decision == DecisionOutcome::Reject);
        if rejected || (!approved && self.withdrawn().is_some_and(|w| w <= at)) {
            return Err(Why::Ended);
        }
        // What was decided before the answer came does not begin to count with it.
        let last = self.returns.checked_sub(1);
        if self.awaits_answer() || last.is_some_and(|i| self.at(EventKind::Answer, i) > at) {
            return Err(Why::AwaitingAnswer);
        }
        let i = self.open().ok_or(Why::Ended)?;
        if self.chain[i].state == StageState::Rejected {
            return Err(Why::Ended);
        }
        let stage = &self.chain[i];
        if (stage.stage, &stage.of) != (decision.stage, &decision.of) {
            return Err(Why::NotItsTurn);
        }
        let own = [&self.spec.applicant, &self.spec.application.on_behalf_of];
        if own.into_iter().flatten().any(|who| *who == decision.by) {
            return Err(Why::OwnRequest);
        }
        self.last = Some(index as usize);
        match decision.outcome {
            DecisionOutcome::Approve => self.approve(i, decision, at),
            DecisionOutcome::Return => {
                self.chain[i].state = StageState::Returned;
                let answered = self
                    .spec
                    .answers
                    .get(self.returns)
                    .map(|_| self.at(EventKind::Answer, self.returns));
                self.pauses.push((at, answered));
                self.returns += 1;
                if answered.is_some() {
                    self.chain[i].state = StageState::Current;
                }
                // A stage that returned it decides anew.
                self.chain[i].by.clear();
                Ok(())
            }
            DecisionOutcome::Reject => {
                self.chain[i].state = StageState::Rejected;
                self.chain[i].done = Some(at);
                self.chain[i].by = vec![decision.by.clone()];
                if !self.chain[i].afterwards {
                    self.ended = Some(outcome(decision, at));
                }
                Ok(())
            }
        }
    }

    fn approve(&mut self, i: usize, decision: &Decision, at: Timestamp) -> Result<(), Why> {
        let stage = &mut self.chain[i];
        let voice = match stage.rule {
            Rule::Any => decision.by.clone(),
            Rule::All => {
                let me = decision.on_behalf.as_ref().unwrap_or(&decision.by);
                let named = |s: &&crate::words::Subject| match s.kind {
                    SubjectKind::User => s.name == *me,
                    SubjectKind::Group => decision.party.as_ref() == Some(&s.name),
                };
                stage
                    .approvers
                    .iter()
                    .find(named)
                    .ok_or(Why::NoParty)?
                    .name
                    .clone()
            }
        };
        if stage.by.contains(&voice) {
            return Err(Why::Repeated);
        }
        stage.by.push(voice);
        let all = stage.approvers.iter().all(|a| stage.by.contains(&a.name));
        if stage.rule == Rule::Any || all {
            stage.state = StageState::Approved;
            stage.done = Some(at);
            self.reached = at;
            self.pauses.clear();
        }
        if self.approved_before() && self.ended.is_none() {
            self.ended = Some(outcome(decision, at));
        }
        Ok(())
    }

    /// Whether every stage that comes before the resources are opened has approved.
    fn approved_before(&self) -> bool {
        let before = self.chain.iter().filter(|s| !s.afterwards);
        let mut before = before.peekable();
        before.peek().is_some()
            && before.all(|s| {
                matches!(
                    s.state,
                    StageState::Approved | StageState::Advised | StageState::PassedOver
                )
            })
    }

    fn withdrawn(&self) -> Option<Timestamp> {
        let kind = EventKind::Withdrawal;
        (!self.spec.withdrawal.is_empty()).then(|| self.at(kind, 0))
    }

    /// How it was decided where no decision of a person was the last word: by rule, or by an opinion that was waited for.
    fn settle(&mut self, held: bool) {
        if self.ended.is_some() {
            return;
        }
        if self.status.by_rule && held {
            self.ended = Some(Outcome {
                decision: DecisionOutcome::Approve,
                by: "rule".to_owned(),
                at: self.reached,
                comment: None,
            });
        } else if self.approved_before() {
            let last = self.last.map(|i| &self.spec.decisions[i]);
            self.ended = last.map(|d| outcome(d, self.reached));
        }
    }

    fn finish(mut self, held: bool) -> Course {
        self.settle(held);
        let approved = |o: &Outcome| o.decision == DecisionOutcome::Approve;
        let withdrawn = self.withdrawn();
        let too_late = self
            .ended
            .as_ref()
            .is_some_and(|o| withdrawn.is_some_and(|w| w > o.at));
        let phase = if withdrawn.is_some() && !too_late && self.status.grants.is_empty() {
            self.ended = None;
            Phase::Withdrawn
        } else {
            match &self.ended {
                Some(outcome) if approved(outcome) => self.after_approval(),
                Some(_) => Phase::Rejected,
                None if self.awaits_answer() => Phase::Returned,
                None if held && !self.chain.is_empty() => Phase::Reviewing,
                None => Phase::Submitted,
            }
        };
        let goes_on = !matches!(
            phase,
            Phase::Withdrawn | Phase::Rejected | Phase::Submitted | Phase::Draft
        );
        let current = self
            .open()
            .filter(|i| goes_on && self.chain[*i].state != StageState::Rejected);
        let clock = current.map(|i| {
            let stage = &mut self.chain[i];
            if stage.state == StageState::Waiting {
                stage.state = StageState::Current;
            }
            let since = *stage.since.get_or_insert(self.reached);
            clock::reckon(
                self.calendar,
                stage.working_days,
                since,
                &self.pauses,
                self.now,
            )
        });
        Course {
            phase,
            chain: self.chain,
            current,
            clock,
            uncounted: self.uncounted,
            outcome: self.ended,
        }
    }

    fn after_approval(&self) -> Phase {
        let received = self.spec.acceptance.iter().any(|a| a.accepted);
        match &self.status.delivery {
            Some(delivery) if received || delivery.accepted.is_some() => Phase::Accepted,
            Some(delivery) if delivery.objections(&self.spec.acceptance).next().is_some() => {
                Phase::Provisioning
            }
            Some(delivery) if delivery.accept_by.is_some_and(|d| d < day_of(self.now)) => {
                Phase::Accepted
            }
            Some(_) => Phase::Delivered,
            None if self.status.grants.is_empty() && self.status.work_orders.is_empty() => {
                Phase::Approved
            }
            None => Phase::Provisioning,
        }
    }
}

fn outcome(decision: &Decision, at: Timestamp) -> Outcome {
    Outcome {
        decision: decision.outcome,
        by: decision.by.clone(),
        at,
        comment: decision.comment.clone(),
    }
}

/// The first instant after a day in UTC+8.
fn end_of(day: crate::words::Day) -> Option<Timestamp> {
    let next = crate::calendar::days_after(day, 1).0;
    jiff::tz::Offset::constant(8)
        .to_timestamp(next.at(0, 0, 0, 0))
        .ok()
}

#[cfg(test)]
mod tests;
