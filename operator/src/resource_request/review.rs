//! The review of an emergency after it was opened (应急开通): what it comes to, and what follows where it refuses.

use crds::calendar::{day_of, days_after};
use crds::resource_request::chain::{StageState, StageStatus};
use crds::resource_request::{DecisionOutcome, EventKind, Phase};
use crds::tenant_quota::Lease;
use crds::words::Day;
use crds::{ConditionStatus, Reason, TenantQuota, Verdict};
use kube::ResourceExt as _;

use super::{Pass, hold, judge};
use crate::runtime::Deed;

impl Pass<'_> {
    /// Gives what was made for an emergency an end where its review refuses: once, so that whoever renews it properly, or
    /// prolongs it as the authority, is not written over.
    pub(super) fn curtail(&mut self) -> Vec<Deed> {
        if !self.has_happened(EventKind::Enacted) || self.has_happened(EventKind::Curtailed) {
            return Vec::new();
        }
        let course = self.course();
        let Some(until) = refusal(&course.chain).and_then(|s| self.notice(s)) else {
            return Vec::new();
        };
        let made = self.own();
        let ends = |grant: &TenantQuota| grant.spec.lease.as_ref().map(|l| l.until);
        let mut deeds = Vec::new();
        for grant in &made {
            if ends(grant).is_some_and(|end| end <= until) {
                continue;
            }
            let mut curtailed = (*grant).clone();
            let from = curtailed.spec.lease.take().and_then(|l| l.from);
            curtailed.spec.lease = Some(Lease { from, until });
            deeds.push(Deed::Regrant(Box::new(curtailed)));
        }
        if deeds.is_empty() && !made.is_empty() {
            self.note(EventKind::Curtailed);
        }
        deeds
    }

    /// The grants that were made by this request, and that no later one has taken over.
    fn own(&self) -> Vec<&TenantQuota> {
        let made = self.status.grants.iter().filter(|e| e.made);
        let there = made.filter_map(|e| self.grant(&e.grant));
        there.filter(|g| hold::is_enacted(g, &self.name)).collect()
    }

    /// The last day of what was made, where a review refuses.
    fn notice(&self, stage: &StageStatus) -> Option<Day> {
        let days = i32::from(self.world.rules.lease_notice_days);
        stage.done.map(|at| days_after(day_of(at), days))
    }

    /// What is said of the review; nothing where there is none, or nothing was opened.
    pub(super) fn reviewed(&self) -> Option<Verdict> {
        let opened = matches!(
            self.status.phase,
            Some(Phase::Provisioning | Phase::Delivered | Phase::Accepted)
        );
        let after = self.status.chain.iter().filter(|s| s.afterwards);
        let after: Vec<&StageStatus> = after.filter(|_| opened).collect();
        if after.is_empty() {
            return None;
        }
        if let Some(stage) = refusal(&self.status.chain) {
            return Some(self.refused_by(stage));
        }
        let done = after.iter().filter(|s| s.done.is_some()).count();
        let Some(open) = after.iter().find(|s| s.done.is_none()) else {
            return Some(Verdict::yes(Reason::ReviewPassed).with("stages", after.len()));
        };
        if open.state == StageState::Returned {
            return Some(Verdict {
                status: ConditionStatus::Unknown,
                ..judge::returned(self)
            });
        }
        let of = open.of.as_deref().or(open.unit.as_deref());
        Some(
            Verdict::unknown(Reason::ReviewOpen)
                .with("stage", open.stage)
                .with("of", of.unwrap_or("-"))
                .with("done", done)
                .with("stages", after.len()),
        )
    }

    fn refused_by(&self, stage: &StageStatus) -> Verdict {
        let mut decisions = self.request.spec.decisions.iter().rev();
        let decision = decisions.find(|d| {
            d.outcome == DecisionOutcome::Reject && (d.stage, &d.of) == (stage.stage, &stage.of)
        });
        let comment = decision.and_then(|d| d.comment.as_deref());
        let names = |names: Vec<String>| {
            if names.is_empty() {
                "-".to_owned()
            } else {
                names.join(", ")
            }
        };
        let raised = self.status.grants.iter().filter(|e| !e.made);
        let day = |day: Option<Day>| day.map_or_else(|| "-".to_owned(), |day| day.to_string());
        Verdict::no(Reason::ReviewRejected)
            .with("by", stage.by.first().map_or("-", String::as_str))
            .with("stage", stage.stage)
            .with("on", day(stage.done.map(day_of)))
            .with("comment", comment.unwrap_or("-"))
            .with("until", day(self.notice(stage)))
            .with(
                "made",
                names(self.own().iter().map(|g| g.name_any()).collect()),
            )
            .with("raised", names(raised.map(|e| e.grant.clone()).collect()))
    }
}

/// The stage of the review that refused.
fn refusal(chain: &[StageStatus]) -> Option<&StageStatus> {
    let mut after = chain.iter().filter(|s| s.afterwards);
    after.find(|s| s.state == StageState::Rejected)
}
