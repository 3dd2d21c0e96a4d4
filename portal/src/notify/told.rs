//! Who hears of what, as a table; and what there is to tell of a request or a work order, read off it. Pure.

mod units;

use crds::condition::ConditionType;
use crds::keys::tenant_of_namespace;
use crds::resource_request::chain::{StageState, StageStatus};
use crds::resource_request::{DecisionOutcome, EventKind, Phase, record};
use crds::words::{Subject, SubjectKind};
use crds::work_order::{OrderState, Purpose};
use crds::{ResourceRequest, Tenant, WorkOrder};
use jiff::Timestamp;
use kube::ResourceExt as _;

pub use units::{of_budgets, of_grant};

/// What people hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A request was submitted.
    Submitted,
    /// It is somebody's turn to decide, or to give an opinion.
    Turn,
    /// That takes longer than it may.
    Overdue,
    /// Somebody reminds.
    Urged,
    /// A request was returned for completion.
    Returned,
    /// The return was answered.
    Answered,
    /// It was approved.
    Approved,
    /// It was not.
    Rejected,
    /// It was withdrawn.
    Withdrawn,
    /// Everything is there.
    Delivered,
    /// It counts as accepted, by rule.
    AcceptedByRule,
    /// There is work for the operations provider.
    OrderOpened,
    /// The work is done.
    OrderDone,
    /// It cannot be done.
    OrderFailed,
    /// It takes longer than it may.
    OrderOverdue,
    /// The review of an emergency refuses what was made for it.
    ReviewRejected,
    /// A lease ends soon.
    LeaseEnding,
    /// It has ended: nothing grows.
    LeaseEnded,
    /// It has ended: the grant falls to what is in use.
    LeaseShrinking,
    /// It has ended: the grant falls to nothing as use allows.
    LeaseReleased,
    /// A unit's budget of a resource is nearly granted.
    BudgetFull,
    /// A unit's budget of money is nearly committed.
    MoneyFull,
    /// What a unit has committed of the money from one source is beyond a threshold.
    SourceFull,
}

/// In which part somebody hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Who asked, and for whom.
    Applicant,
    /// Who may decide now, also those whom it was handed on to.
    Deciders,
    /// Who manages the unit's resources.
    Owners,
    /// Who works for the operations provider of the platform.
    Operations,
}

/// How far it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Within the portal.
    Portal,
    /// Also by e-mail, short message and the robots of groups.
    Everywhere,
}

/// Who hears of what, and how far it goes.
pub const TABLE: [(Topic, &[Part], Reach); 23] = [
    (Topic::Submitted, &[Part::Applicant], Reach::Portal),
    (Topic::Turn, &[Part::Deciders], Reach::Everywhere),
    (
        Topic::Overdue,
        &[Part::Deciders, Part::Applicant],
        Reach::Everywhere,
    ),
    (Topic::Urged, &[Part::Deciders], Reach::Everywhere),
    (Topic::Returned, &[Part::Applicant], Reach::Everywhere),
    (Topic::Answered, &[Part::Deciders], Reach::Everywhere),
    (Topic::Approved, &[Part::Applicant], Reach::Everywhere),
    (Topic::Rejected, &[Part::Applicant], Reach::Everywhere),
    (Topic::Withdrawn, &[Part::Applicant], Reach::Portal),
    (
        Topic::Delivered,
        &[Part::Applicant, Part::Owners],
        Reach::Everywhere,
    ),
    (Topic::AcceptedByRule, &[Part::Applicant], Reach::Portal),
    (Topic::OrderOpened, &[Part::Operations], Reach::Everywhere),
    (Topic::OrderDone, &[Part::Owners], Reach::Everywhere),
    (Topic::OrderFailed, &[Part::Owners], Reach::Everywhere),
    (Topic::OrderOverdue, &[Part::Operations], Reach::Everywhere),
    (
        Topic::ReviewRejected,
        &[Part::Applicant, Part::Owners],
        Reach::Everywhere,
    ),
    (Topic::LeaseEnding, &[Part::Owners], Reach::Everywhere),
    (Topic::LeaseEnded, &[Part::Owners], Reach::Everywhere),
    (Topic::LeaseShrinking, &[Part::Owners], Reach::Everywhere),
    (Topic::LeaseReleased, &[Part::Owners], Reach::Everywhere),
    (Topic::BudgetFull, &[Part::Owners], Reach::Everywhere),
    (Topic::MoneyFull, &[Part::Owners], Reach::Everywhere),
    (Topic::SourceFull, &[Part::Owners], Reach::Everywhere),
];

impl Topic {
    /// Its word in the database and the message files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Turn => "turn",
            Self::Overdue => "overdue",
            Self::Urged => "urged",
            Self::Returned => "returned",
            Self::Answered => "answered",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Delivered => "delivered",
            Self::AcceptedByRule => "accepted-by-rule",
            Self::OrderOpened => "order-opened",
            Self::OrderDone => "order-done",
            Self::OrderFailed => "order-failed",
            Self::OrderOverdue => "order-overdue",
            Self::ReviewRejected => "review-rejected",
            Self::LeaseEnding => "lease-ending",
            Self::LeaseEnded => "lease-ended",
            Self::LeaseShrinking => "lease-shrinking",
            Self::LeaseReleased => "lease-released",
            Self::BudgetFull => "budget-full",
            Self::MoneyFull => "money-full",
            Self::SourceFull => "source-full",
        }
    }

    fn row(self) -> (&'static [Part], Reach) {
        let row = TABLE.iter().find(|(topic, _, _)| *topic == self);
        row.map_or((&[], Reach::Portal), |(_, parts, reach)| (parts, *reach))
    }
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it is about; the same cause is told once.
    pub cause: String,
    /// What happened.
    pub topic: Topic,
    /// Who hears of it.
    pub to: Vec<Subject>,
    /// How far it goes.
    pub reach: Reach,
    /// What it is worded with: the title, and words that are looked up when it is read.
    pub figures: Vec<(&'static str, String)>,
    /// The page that it leads to.
    pub href: String,
    /// When it happened; absent where it goes on.
    pub at: Option<Timestamp>,
}

/// Who is who where a unit is concerned.
#[derive(Clone, Copy, Debug)]
pub struct People<'a> {
    /// The unit.
    pub tenant: Option<&'a Tenant>,
    /// Who works for the operations provider.
    pub operations: &'a [Subject],
}

fn user(name: &str) -> Subject {
    Subject {
        kind: SubjectKind::User,
        name: name.to_owned(),
    }
}

struct Teller<'a> {
    request: &'a ResourceRequest,
    people: People<'a>,
    told: Vec<Told>,
}

impl Teller<'_> {
    fn subjects(&self, part: Part) -> Vec<Subject> {
        let (spec, status) = (&self.request.spec, self.request.status.as_ref());
        match part {
            Part::Applicant => {
                let who = [&spec.applicant, &spec.application.on_behalf_of];
                who.into_iter().flatten().map(|name| user(name)).collect()
            }
            Part::Deciders => {
                let Some((_, stage)) = status.and_then(|status| turn(&status.chain)) else {
                    return Vec::new();
                };
                let handed = spec.delegations.iter();
                let handed = handed.filter(|d| (d.stage, &d.of) == (stage.stage, &stage.of));
                let own = stage.approvers.iter().cloned();
                own.chain(handed.map(|d| user(&d.to))).collect()
            }
            Part::Owners => owners(self.people.tenant),
            Part::Operations => self.people.operations.to_vec(),
        }
    }

    /// Whom a reminder is for: who decides; once everything is decided, those who have work to do for it.
    fn reminded(&self) -> Vec<Subject> {
        let phase = self.request.status.as_ref().and_then(|status| status.phase);
        if matches!(phase, Some(Phase::Approved | Phase::Provisioning)) {
            self.subjects(Part::Operations)
        } else {
            self.subjects(Part::Deciders)
        }
    }

    fn tell(
        &mut self,
        topic: Topic,
        nth: &str,
        at: Option<Timestamp>,
        more: &[(&'static str, String)],
    ) {
        let (parts, reach) = topic.row();
        let mut to: Vec<_> = if topic == Topic::Urged {
            self.reminded()
        } else {
            parts.iter().flat_map(|part| self.subjects(*part)).collect()
        };
        to.sort();
        to.dedup();
        let (namespace, name) = (
            self.request.namespace().unwrap_or_default(),
            self.request.name_any(),
        );
        let tenant = tenant_of_namespace(&namespace).unwrap_or_default();
        let mut figures = vec![
            ("title", self.request.spec.application.title.clone()),
            ("tenant", tenant.to_owned()),
        ];
        figures.extend(more.iter().cloned());
        let uid = self.request.uid().unwrap_or_default();
        // Where it is somebody's turn, the link leads to where they decide.
        let waits = self
            .request
            .status
            .as_ref()
            .is_some_and(|s| turn(&s.chain).is_some());
        let decide = matches!(topic, Topic::Turn | Topic::Urged | Topic::Answered) && waits;
        let place = if decide { "approvals" } else { "requests" };
        self.told.push(Told {
            cause: format!("ResourceRequest/{uid}/{}/{nth}", topic.word()),
            topic,
            to,
            reach,
            figures,
            href: format!("/{place}/{tenant}/{name}"),
            at,
        });
    }
}

/// The stage whose turn it is.
fn turn(chain: &[StageStatus]) -> Option<(usize, &StageStatus)> {
    let mut stages = chain.iter().enumerate();
    stages.find(|(_, stage)| matches!(stage.state, StageState::Current | StageState::Returned))
}

fn owners(tenant: Option<&Tenant>) -> Vec<Subject> {
    tenant
        .map(|tenant| tenant.spec.owners.clone())
        .unwrap_or_default()
}

/// What there is to tell of a request as it is.
#[must_use]
pub fn of_request(request: &ResourceRequest, people: People<'_>) -> Vec<Told> {
    let Some(status) = &request.status else {
        return Vec::new();
    };
    let mut teller = Teller {
        request,
        people,
        told: Vec::new(),
    };
    for event in &status.timeline {
        let index = event.index.map_or(0, |index| index as usize);
        let nth = index.to_string();
        let topic = match event.kind {
            EventKind::Submitted => Topic::Submitted,
            EventKind::Urging => Topic::Urged,
            EventKind::Answer => Topic::Answered,
            EventKind::Withdrawal => Topic::Withdrawn,
            EventKind::Delivered => Topic::Delivered,
            EventKind::AcceptedByRule => Topic::AcceptedByRule,
            EventKind::Decision if returned(request, index) => Topic::Returned,
            EventKind::Decision
            | EventKind::Opinion
            | EventKind::Delegation
            | EventKind::Held
            | EventKind::Enacted
            | EventKind::Acceptance
            | EventKind::Curtailed
            | EventKind::Rating => continue,
        };
        // A reminder of an earlier stage is not for those whose turn it is now.
        let of_stage = matches!(topic, Topic::Urged | Topic::Answered);
        let since = match turn(&status.chain) {
            Some((_, stage)) => stage.since,
            // Decided: what is reminded of now is the work.
            None => status.outcome.as_ref().map(|outcome| outcome.at),
        };
        if !of_stage || since.is_some_and(|since| since <= event.at) {
            teller.tell(topic, &nth, Some(event.at), &[]);
        }
    }
    if let Some(outcome) = &status.outcome {
        let topic = match outcome.decision {
            DecisionOutcome::Approve => Some(Topic::Approved),
            DecisionOutcome::Reject => Some(Topic::Rejected),
            DecisionOutcome::Return => None,
        };
        if let Some(topic) = topic {
            teller.tell(topic, "0", Some(outcome.at), &[]);
        }
    }
    let reviewed = status.conditions.get(ConditionType::Reviewed);
    if let Some(refused) = reviewed.filter(|reviewed| reviewed.reason == "ReviewRejected") {
        let at = Some(refused.last_transition_time);
        teller.tell(Topic::ReviewRejected, "0", at, &[]);
    }
    of_turn(request, &mut teller);
    teller.told
}

fn of_turn(request: &ResourceRequest, teller: &mut Teller<'_>) {
    let Some(status) = &request.status else {
        return;
    };
    let over = matches!(
        status.phase,
        Some(Phase::Withdrawn | Phase::Rejected | Phase::Draft)
    );
    let Some((place, stage)) = turn(&status.chain).filter(|_| !over) else {
        return;
    };
    let Some(since) = stage.since else { return };
    let nth = format!("{place}/{}", since.as_second());
    let mut more = vec![("stage", stage.stage.as_str().to_owned())];
    if stage.state == StageState::Current {
        teller.tell(Topic::Turn, &nth, Some(since), &more);
        // Who it was handed on to hears of it when that happens.
        for (index, delegation) in (0_u32..).zip(&request.spec.delegations) {
            if (delegation.stage, &delegation.of) == (stage.stage, &stage.of) {
                let at = record::at(&status.timeline, EventKind::Delegation, Some(index));
                teller.tell(Topic::Turn, &format!("{nth}/handed/{index}"), at, &more);
                if let Some(told) = teller.told.last_mut() {
                    told.to = vec![user(&delegation.to)];
                }
            }
        }
    }
    if let Some(clock) = &status.clock
        && let Some(left) = clock.left.filter(|left| *left < 0)
    {
        more.push(("days", left.unsigned_abs().to_string()));
        // Told once a stage; the page shows how much later it has become.
        teller.tell(Topic::Overdue, &nth, None, &more);
    }
}

fn returned(request: &ResourceRequest, index: usize) -> bool {
    let counted = request.status.as_ref().is_none_or(|status| {
        let mut uncounted = status.uncounted.iter();
        !uncounted.any(|no| no.index as usize == index)
    });
    let decision = request.spec.decisions.get(index);
    counted && decision.is_some_and(|decision| decision.outcome == DecisionOutcome::Return)
}

/// What there is to tell of a work order as it is.
#[must_use]
pub fn of_order(order: &WorkOrder, people: People<'_>, today: crds::words::Day) -> Vec<Told> {
    let Some(opened) = order.creation_timestamp().map(|time| time.0) else {
        return Vec::new();
    };
    let namespace = order.namespace().unwrap_or_default();
    let tenant = tenant_of_namespace(&namespace).unwrap_or_default();
    let uid = order.uid().unwrap_or_default();
    let mut told = Vec::new();
    let mut tell = |topic: Topic, at: Option<Timestamp>| {
        let (parts, reach) = topic.row();
        let mut to: Vec<_> = parts
            .iter()
            .flat_map(|part| match part {
                Part::Operations => people.operations.to_vec(),
                Part::Owners => owners(people.tenant),
                Part::Applicant | Part::Deciders => Vec::new(),
            })
            .collect();
        to.sort();
        to.dedup();
        told.push(Told {
            cause: format!("WorkOrder/{uid}/{}", topic.word()),
            topic,
            to,
            reach,
            figures: vec![
                ("title", order.spec.title.clone()),
                ("tenant", tenant.to_owned()),
                ("platform", order.spec.platform.clone()),
            ],
            href: format!("/work-orders/{tenant}/{}", order.name_any()),
            at,
        });
    };
    tell(Topic::OrderOpened, Some(opened));
    let seen = order.status.as_ref().and_then(|status| status.seen.last());
    let ended = seen.copied();
    match (order.spec.state(), order.spec.purpose) {
        // What an approved item comes to is told when the request is delivered.
        (OrderState::Done, Purpose::Fault) => tell(Topic::OrderDone, ended),
        (OrderState::Failed, _) => tell(Topic::OrderFailed, ended),
        (OrderState::Done, _) => {}
        (OrderState::Open | OrderState::InProgress, _) => {
            if order.spec.due.is_some_and(|due| due < today) {
                tell(Topic::OrderOverdue, None);
            }
        }
    }
    told
}

#[cfg(test)]
mod tests;
