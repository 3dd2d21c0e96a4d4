//! What is said of a request: its conditions, with the figures and the way out.

use crds::resource_request::course::{Uncounted, Why};
use crds::resource_request::{DecisionOutcome, EventKind, Phase};
use crds::work_order::OrderState;
use crds::{ConditionType, Reason, Verdict};

use super::Pass;
use super::deliver::Awaited;

/// Sets Ready, Held, Enacted, `OnTime` and Reviewed.
pub(super) fn conditions(pass: &mut Pass<'_>) {
    let verdicts = [
        (ConditionType::Ready, Some(ready(pass))),
        (ConditionType::Held, Some(held(pass))),
        (ConditionType::Enacted, Some(enacted(pass))),
        (ConditionType::OnTime, on_time(pass)),
        (ConditionType::Reviewed, pass.reviewed()),
    ];
    let generation = pass.request.metadata.generation;
    let conditions = &mut pass.status.conditions;
    for (type_, verdict) in verdicts {
        match verdict {
            Some(verdict) => conditions.set(type_, &verdict, generation, pass.now),
            None => conditions.clear(type_),
        }
    }
}

fn ready(pass: &Pass<'_>) -> Verdict {
    let status = &pass.status;
    let by = |reason| {
        let by = status.outcome.as_ref().map_or("-", |o| o.by.as_str());
        Verdict::unknown(reason).with("by", by)
    };
    let phase = status.phase.unwrap_or_default();
    let undecided = matches!(
        phase,
        Phase::Draft | Phase::Submitted | Phase::Reviewing | Phase::Approved
    );
    if let Some(refusal) = pass.refusal.as_ref().filter(|_| undecided) {
        return refusal.clone();
    }
    match phase {
        Phase::Draft | Phase::Submitted => match status.holds.iter().find(|h| !h.held) {
            Some(hold) => Verdict::unknown(Reason::AwaitingHold).with("platform", &hold.platform),
            None => Verdict::unknown(Reason::Submitted),
        },
        Phase::Reviewing => reviewing(pass),
        Phase::Returned => returned(pass),
        Phase::Approved => {
            let approved = || by(Reason::Approved);
            pass.waits.clone().unwrap_or_else(approved)
        }
        Phase::Provisioning => provisioning(pass),
        Phase::Delivered => delivered(pass),
        Phase::Accepted => accepted(pass),
        Phase::Rejected => {
            let comment = status.outcome.as_ref().and_then(|o| o.comment.as_deref());
            Verdict {
                status: crds::ConditionStatus::False,
                ..by(Reason::Rejected)
            }
            .with("comment", comment.unwrap_or("-"))
        }
        Phase::Withdrawn => {
            let by = pass.request.spec.withdrawal.first();
            Verdict::no(Reason::Withdrawn).with("by", by.map_or("-", |w| w.by.as_str()))
        }
    }
}

fn reviewing(pass: &Pass<'_>) -> Verdict {
    let status = &pass.status;
    if let Some(verdict) = lost(pass) {
        return verdict;
    }
    let stage = status
        .stage
        .map_or_else(|| "-".to_owned(), |s| s.to_string());
    let current = status
        .chain
        .iter()
        .find(|s| Some(s.stage) == status.stage && s.of == status.stage_of && s.done.is_none());
    let of = current.and_then(|s| s.of.as_deref().or(s.unit.as_deref()));
    let done = status.chain.iter().filter(|s| s.done.is_some()).count();
    Verdict::unknown(Reason::Reviewing)
        .with("stage", stage)
        .with("of", of.unwrap_or("-"))
        .with("done", done)
        .with("stages", status.chain.len())
}

/// The last decision was made for somebody who may not decide any more.
fn lost(pass: &Pass<'_>) -> Option<Verdict> {
    let last = pass.request.spec.decisions.len().checked_sub(1)?;
    let is = |u: &&Uncounted| u.index as usize == last && u.why == Why::DelegatorLost;
    pass.status.uncounted.iter().find(is)?;
    let decision = &pass.request.spec.decisions[last];
    let delegator = decision.on_behalf.as_deref().unwrap_or("-");
    Some(
        Verdict::unknown(Reason::DelegatorLost)
            .with("by", &decision.by)
            .with("delegator", delegator)
            .with("stage", decision.stage)
            .with("verb", decision.stage.verb()),
    )
}

/// It was returned, by whom and why.
pub(super) fn returned(pass: &Pass<'_>) -> Verdict {
    let mut decisions = pass.request.spec.decisions.iter().rev();
    let last = decisions.find(|d| d.outcome == DecisionOutcome::Return);
    let verdict = Verdict::no(Reason::Returned);
    let Some(last) = last else { return verdict };
    verdict
        .with("by", &last.by)
        .with("stage", last.stage)
        .with("comment", last.comment.as_deref().unwrap_or("-"))
}

fn provisioning(pass: &Pass<'_>) -> Verdict {
    let status = &pass.status;
    let parts = status.grants.len() + status.work_orders.len();
    let awaited = pass.awaited();
    if let Some(verdict) = failed(pass, &awaited).or_else(|| objected(pass)) {
        return verdict;
    }
    let waiting = match awaited.first() {
        Some(Awaited::Grant(name, says)) if says.is_empty() => format!("TenantQuota {name}"),
        Some(Awaited::Grant(name, says)) => format!("TenantQuota {name}: {says}"),
        Some(Awaited::Order(name, state)) => format!("WorkOrder {name}: {state:?}"),
        None => "the last look".to_owned(),
    };
    let waiting: String = waiting.chars().take(400).collect();
    Verdict::unknown(Reason::Provisioning)
        .with("ready", parts - awaited.len())
        .with("parts", parts)
        .with("waiting", waiting)
}

/// What the unit did not accept, and by which orders it is mended.
fn objected(pass: &Pass<'_>) -> Option<Verdict> {
    let (_, objection) = pass.objections().pop()?;
    let orders: Vec<String> = pass.reworks().into_iter().map(|(name, _)| name).collect();
    Some(
        Verdict::no(Reason::Objected)
            .with("by", &objection.by)
            .with("comment", objection.comment.as_deref().unwrap_or("-"))
            .with("orders", orders.join(", ")),
    )
}

/// What the operations provider cannot do.
fn failed(pass: &Pass<'_>, awaited: &[Awaited<'_>]) -> Option<Verdict> {
    let order = awaited.iter().find_map(|part| match part {
        Awaited::Order(name, OrderState::Failed) => pass.order_of(name),
        Awaited::Order(..) | Awaited::Grant(..) => None,
    })?;
    let step = order.spec.progress.last()?;
    let verdict = Verdict::no(Reason::WorkFailed).with("by", &step.by);
    Some(verdict.with("comment", step.comment.as_deref().unwrap_or("-")))
}

fn delivered(pass: &Pass<'_>) -> Verdict {
    let until = pass.status.delivery.as_ref().and_then(|d| d.accept_by);
    let until = until.map_or_else(|| "-".to_owned(), |day| day.to_string());
    let said = || Verdict::yes(Reason::Delivered).with("until", until);
    let orders = pass.awaited();
    failed(pass, &orders).unwrap_or_else(said)
}

fn accepted(pass: &Pass<'_>) -> Verdict {
    let delivery = pass.status.delivery.as_ref();
    if delivery.is_some_and(|d| d.accepted_by_rule) {
        let until = delivery.and_then(|d| d.accept_by);
        let until = until.map_or_else(|| "-".to_owned(), |day| day.to_string());
        return Verdict::yes(Reason::AcceptedByRule).with("until", until);
    }
    let mut receipts = pass.request.spec.acceptance.iter().rev();
    let by = receipts.find(|a| a.accepted).map_or("-", |a| a.by.as_str());
    Verdict::yes(Reason::Accepted).with("by", by)
}

fn held(pass: &Pass<'_>) -> Verdict {
    let holds = &pass.status.holds;
    if let Some(waiting) = holds.iter().find(|h| !h.held) {
        return Verdict::unknown(Reason::AwaitingHold).with("platform", &waiting.platform);
    }
    if holds.is_empty() {
        return Verdict::no(Reason::NothingHeld);
    }
    let pools = holds
        .iter()
        .map(|h| format!("{}/{}: {}", h.platform, h.pool, h.amount));
    Verdict::yes(Reason::Held).with("pools", pools.collect::<Vec<_>>().join("; "))
}

fn enacted(pass: &Pass<'_>) -> Verdict {
    if pass.has_happened(EventKind::Enacted) {
        let grants = pass.status.grants.iter();
        let grants = grants.map(|g| format!("TenantQuota {}", g.grant));
        let orders = pass.status.work_orders.iter();
        let parts = grants.chain(orders.map(|o| format!("WorkOrder {o}")));
        let parts = parts.collect::<Vec<_>>().join(", ");
        return Verdict::yes(Reason::Enacted).with("parts", parts);
    }
    let phase = pass.status.phase.unwrap_or_default();
    let why = match &pass.refusal {
        Some(refusal) if phase.holds() => refusal.reason.to_string(),
        None => {
            let waits = pass.waits.as_ref().filter(|_| phase == Phase::Approved);
            waits.map_or_else(|| phase.to_string(), |why| why.reason.to_string())
        }
        Some(_) => phase.to_string(),
    };
    Verdict::no(Reason::NotEnacted).with("why", why)
}

/// Whether the stage that decides now has time left; `None` where none decides.
fn on_time(pass: &Pass<'_>) -> Option<Verdict> {
    let clock = pass.status.clock.as_ref()?;
    let days = clock.working_days;
    let verdict = match (clock.paused, clock.left, clock.due, clock.unknown_day) {
        (Some(since), Some(left), _, _) => Verdict::unknown(Reason::ClockPaused)
            .with("since", since)
            .with("left", left)
            .with("days", days),
        (_, Some(left), Some(due), _) if left >= 0 => Verdict::yes(Reason::OnTime)
            .with("left", left)
            .with("days", days)
            .with("due", due),
        (_, Some(left), Some(due), _) => Verdict::no(Reason::Overdue)
            .with(
                "stage",
                pass.status
                    .stage
                    .map_or_else(String::new, |s| s.to_string()),
            )
            .with("over", -left)
            .with("due", due),
        (_, _, _, unknown) => {
            let day = unknown.map_or_else(|| "-".to_owned(), |day| day.to_string());
            Verdict::unknown(Reason::CalendarUnknown).with("day", day)
        }
    };
    Some(verdict)
}
