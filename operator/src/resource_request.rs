//! `ResourceRequest`: an application on its way from submission to receipt.
//!
//! Given a request, the operator judges it by the preview that its people see, stores the chain of approvals once, has the
//! pools hold what it asks for, follows what people append (`crds::resource_request::course`), enacts what was approved
//! into `TenantQuota`s and `WorkOrder`s, and writes the delivery sheet when everything is there. What the unit
//! does not accept of it is mended by the operations providers and delivered again. Where the review of an emergency refuses,
//! what was made for it gets an end.
//! - refuses when: the preview has a problem (no room, a frozen platform, something no longer offered …), nobody is named
//!   who decides, the unit is gone. Nothing is lost: it is judged again when that changes.
//! - waits when: people decide; a pool is to hold; a freeze is in force (`ChangeWindow`); grants are brought into force; orders are worked off.
//! - never: decides; enacts what is not held; holds anything after its end.

mod delegates;
mod deliver;
mod enact;
pub mod hold;
mod judge;
mod mend;
mod observe;
mod review;

use std::collections::BTreeMap;
use std::time::Duration;

use crds::approval::ApprovalRules;
use crds::calendar::{Calendar, day_of, days_after};
use crds::condition::whole_second;
use crds::resource_request::automatic::is_small_step;
use crds::resource_request::chain::{self, Ground};
use crds::resource_request::course::{Course, course};
use crds::resource_request::preview::{Around, Preview, Standing, decided, preview};
use crds::resource_request::{
    ApplicationType, DecisionOutcome, Environment, Event, EventKind, HoldStatus, Phase,
    ResourceRequestStatus, record,
};
use crds::{
    ChangeWindow, CloudPlatform, CloudProduct, ConditionType, Conditions, InformationSystem,
    Reason, ResourceRequest, ServiceOffering, Tenant, TenantQuota, Verdict, WorkOrder, keys,
};
use jiff::{SignedDuration, Timestamp};
use kube::api::DynamicObject;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};

use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::Guarded;
use crate::runtime::{Context, Inquiry, Plan};

/// After how long a pass sees what the one before has written, where no news of it comes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The controller of requests.
pub struct ResourceRequests;

/// What a request is judged by.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The asking unit.
    pub tenant: Option<Tenant>,
    /// The units above it, nearest first.
    pub above: Vec<Tenant>,
    /// The platforms that it names, and the provincial one.
    pub platforms: Vec<CloudPlatform>,
    /// The service catalog, where it names any of it.
    pub offerings: Vec<ServiceOffering>,
    /// The product catalog, where it names any of it.
    pub products: Vec<CloudProduct>,
    /// The unit's own grants.
    pub grants: Vec<TenantQuota>,
    /// The unit's own information systems.
    pub systems: Vec<InformationSystem>,
    /// The work orders that name it.
    pub orders: Vec<WorkOrder>,
    /// How many of each product others have taken.
    pub taken: BTreeMap<String, u32>,
    /// What was delivered to the unit by hand, where it names any of it.
    pub standing: Standing,
    /// How requests are decided.
    pub rules: ApprovalRules,
    /// The working calendar.
    pub calendar: Calendar,
    /// The change windows that have not ended.
    pub windows: Vec<ChangeWindow>,
    /// Whether the person whom a decision is made for may decide, by the index of the decision, where it was asked.
    pub rights: BTreeMap<u32, bool>,
    /// The addresses of clusters, by platform and name.
    pub endpoints: BTreeMap<(String, String), String>,
}

impl Judged for ResourceRequestStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
    const TOLD: &'static [ConditionType] = &[ConditionType::Ready, ConditionType::Reviewed];
}

impl Reconciler for ResourceRequests {
    type Object = ResourceRequest;
    type World = World;
    const NAME: &'static str = "resourcerequest";
    const GATHER: Duration = Duration::from_millis(10);

    fn observe(cx: &Context, request: &ResourceRequest) -> World {
        observe::look(cx, request)
    }

    fn plan(
        request: &ResourceRequest,
        world: &World,
        now: Timestamp,
    ) -> Plan<ResourceRequestStatus> {
        if request.metadata.deletion_timestamp.is_some() {
            return Plan::say(request.status.clone().unwrap_or_default());
        }
        Pass::new(request, world, now).run()
    }

    fn unreadable(cx: &Context, object: &DynamicObject) {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let holds = object.data.pointer("/status/holds").cloned();
        let held: Vec<HoldStatus> = holds
            .and_then(|holds| serde_json::from_value(holds).ok())
            .unwrap_or_default();
        let platforms: Vec<_> = held.iter().map(|h| h.platform.clone()).collect();
        if cx.accounts.note_held(uid, held) {
            // Without what it holds, no pool could be counted.
            cx.hub.every_platform();
            tracing::debug!(
                ?platforms,
                "a request of a broken shape keeps what it holds"
            );
        }
    }

    fn api(cx: &Context, object: &ObjectRef<Guarded<ResourceRequest>>) -> Api<ResourceRequest> {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        Api::namespaced(cx.hub.client.clone(), namespace)
    }
}

/// How long it is until the next day begins in UTC+8: what depends on days is looked at again then.
#[must_use]
pub fn next_day(now: Timestamp) -> Duration {
    let tomorrow = days_after(day_of(now), 1).0.at(0, 0, 5, 0);
    let begins = jiff::tz::Offset::constant(8).to_timestamp(tomorrow);
    let wait = begins.map_or(SignedDuration::from_hours(1), |at| at.duration_since(now));
    wait.max(SignedDuration::from_secs(1)).unsigned_abs()
}

/// One pass over one request.
struct Pass<'a> {
    request: &'a ResourceRequest,
    world: &'a World,
    now: Timestamp,
    status: ResourceRequestStatus,
    name: String,
    /// What stands against it.
    refusal: Option<Verdict>,
    /// What holds back what was approved: a freeze, or that it is to begin later.
    waits: Option<Verdict>,
    /// What is to be asked.
    inquiries: Vec<Inquiry>,
}

impl<'a> Pass<'a> {
    fn new(request: &'a ResourceRequest, world: &'a World, now: Timestamp) -> Self {
        Self {
            request,
            world,
            now,
            status: request.status.clone().unwrap_or_default(),
            name: request.name_any(),
            refusal: None,
            waits: None,
            inquiries: Vec::new(),
        }
    }

    fn run(mut self) -> Plan<ResourceRequestStatus> {
        let spec = &self.request.spec;
        let created = self.request.metadata.creation_timestamp.as_ref();
        let created = created.map_or(self.now, |t| t.0);
        self.status.timeline = record::timeline(spec, &self.status.timeline, created, self.now);
        self.delegates();
        let preview = self.preview();
        self.refusal = self.refusal(&preview);
        self.way(&preview);
        if self.course().phase.holds() && !self.is_enacted() {
            self.hold(&preview);
        }
        let frozen = preview.frozen(self.now).map(ChangeWindow::frozen);
        self.waits = frozen.or_else(|| self.begins_later());
        let ledger_first = self.enact(&preview);
        let mut deeds = self.deeds(&preview);
        let curtailing = self.curtail();
        // A grant is no news to a request that was delivered: it looks whether its end was written.
        let soon = (!curtailing.is_empty()).then_some(LOOK_AGAIN);
        deeds.extend(curtailing);
        deeds.extend(self.mend());
        self.release();
        self.deliver();
        let course = self.course();
        self.follow(course);
        judge::conditions(&mut self);
        let phase = self.status.phase.unwrap_or_default();
        // Clocks, opinions that are waited for, receipts by rule and ends of leases are matters of days.
        let by_days = phase.holds() || phase == Phase::Delivered || self.status.clock.is_some();
        Plan {
            ledger_first,
            deeds,
            inquiries: self.inquiries,
            requeue: soon.or_else(|| by_days.then(|| next_day(self.now))),
            ..Plan::say(self.status)
        }
    }

    /// Whether it is asked for from a later day on. A renewal changes nothing before the end that it moves, and an emergency
    /// does not wait.
    fn begins_later(&self) -> Option<Verdict> {
        let application = &self.request.spec.application;
        let waits = application.type_ != ApplicationType::Renew
            && application.environment != Environment::Emergency;
        let today = crds::calendar::day_of(self.now);
        let from = application.from.filter(|from| waits && *from > today)?;
        Some(Verdict::unknown(Reason::BeginsLater).with("from", from))
    }

    /// What it will change, before it does; the unit's own promises and holds count as free for it.
    fn preview(&self) -> Preview {
        let Some(tenant) = &self.world.tenant else {
            return Preview::default();
        };
        let holds: Vec<HoldStatus> = self
            .status
            .holds
            .iter()
            .map(|hold| HoldStatus {
                held: hold.held || hold::is_promised(&self.world.platforms, self.request, hold),
                ..hold.clone()
            })
            .collect();
        let products = decided::as_decided(self.world.products.clone(), &self.status.sizes);
        let around = Around {
            request: &self.name,
            tenant,
            above: &self.world.above,
            platforms: &self.world.platforms,
            offerings: &self.world.offerings,
            products: &products,
            grants: &self.world.grants,
            systems: &self.world.systems,
            holds: &holds,
            taken: &self.world.taken,
            standing: &self.world.standing,
            rules: &self.world.rules,
            windows: &self.world.windows,
            today: day_of(self.now),
        };
        preview(&self.request.spec.application, around)
    }

    /// What stands against it: its unit, or the first problem of the preview.
    fn refusal(&self, preview: &Preview) -> Option<Verdict> {
        let namespace = self.request.namespace().unwrap_or_default();
        let named = keys::tenant_of_namespace(&namespace).unwrap_or(&namespace);
        let Some(tenant) = &self.world.tenant else {
            return Some(Verdict::no(Reason::UnknownTenant).with("tenant", named));
        };
        let not_ready = |detail: &str| {
            let verdict = Verdict::no(Reason::TenantNotReady).with("tenant", named);
            Some(verdict.with("detail", detail))
        };
        if tenant.metadata.deletion_timestamp.is_some() {
            return not_ready("it is being deleted: nothing is held for it or enacted any more");
        }
        let conditions = tenant.status.clone().unwrap_or_default().conditions;
        if !conditions.is_true(ConditionType::Ready) {
            let ready = conditions.get(ConditionType::Ready);
            return not_ready(ready.map_or("it was not looked at yet", |c| c.message.as_str()));
        }
        preview.problems.first().map(|p| p.verdict.clone())
    }

    /// Decides once which way it goes: by rule, or through its chain.
    fn way(&mut self, preview: &Preview) {
        let Some(tenant) = &self.world.tenant else {
            return;
        };
        if self.status.by_rule || !self.status.chain.is_empty() {
            return;
        }
        let application = &self.request.spec.application;
        let today = day_of(self.now);
        let rule = self.world.rules.automatic;
        let unit_is_fit = self.refusal.is_none();
        if unit_is_fit && is_small_step(application, preview, &self.world.grants, rule, today) {
            self.status.by_rule = true;
            return;
        }
        let ground = Ground {
            tenant,
            above: &self.world.above,
            platforms: &self.world.platforms,
            rules: &self.world.rules,
        };
        match chain::chain(application, ground) {
            Ok(chain) => self.status.chain = chain,
            Err(verdict) => self.refusal = self.refusal.take().or(Some(verdict)),
        }
    }

    fn course(&self) -> Course {
        let calendar = &self.world.calendar;
        course(&self.request.spec, &self.status, calendar, self.now)
    }

    /// Whether grants and orders were written, or are to be.
    const fn is_enacted(&self) -> bool {
        !self.status.grants.is_empty() || !self.status.work_orders.is_empty()
    }

    fn has_happened(&self, kind: EventKind) -> bool {
        record::at(&self.status.timeline, kind, None).is_some()
    }

    fn note(&mut self, kind: EventKind) {
        if !self.has_happened(kind) {
            self.status.timeline.push(Event {
                kind,
                index: None,
                by: None,
                at: whole_second(self.now),
            });
        }
    }

    /// Whether everything that it asks for is held, or nothing needs to be.
    fn is_held(&self) -> bool {
        self.has_happened(EventKind::Held) && self.status.holds.iter().all(|h| h.held)
    }

    /// Asks the pools to hold, takes up what they have promised, gives back what cannot be had in full.
    fn hold(&mut self, preview: &Preview) {
        let holds = !self.status.holds.is_empty() && self.status.holds.iter().all(|h| h.held);
        let homeless = self.world.tenant.as_ref();
        let homeless = homeless.is_none_or(|t| t.metadata.deletion_timestamp.is_some());
        if holds && !homeless {
            return;
        }
        if self.refusal.is_some() || self.status.chain.is_empty() && !self.status.by_rule {
            self.give_back();
            return;
        }
        let wanted = preview.holds();
        let same = self.status.holds.len() == wanted.len()
            && self.status.holds.iter().zip(&wanted).all(|(have, want)| {
                (&have.platform, &have.pool, &have.amount)
                    == (&want.platform, &want.pool, &want.amount)
            });
        if !same {
            self.give_back();
            self.status.holds = wanted;
        }
        let promised = |hold: &HoldStatus| {
            hold.held || hold::is_promised(&self.world.platforms, self.request, hold)
        };
        // A promise is to what is stored: what was only just asked for has none.
        let stored = self.request.status.as_ref().map(|s| &s.holds);
        let asked = stored == Some(&self.status.holds) || self.status.holds.is_empty();
        if asked && self.status.holds.iter().all(promised) {
            for hold in &mut self.status.holds {
                hold.held = true;
            }
            if !self.has_happened(EventKind::Held) {
                let application = &self.request.spec.application;
                self.status.sizes = decided::sizes(application, &self.world.products);
            }
            self.note(EventKind::Held);
        }
    }

    fn give_back(&mut self) {
        if !self.status.holds.is_empty() {
            self.status.holds.clear();
            self.status.attempt += 1;
        }
    }

    /// Takes over the course: where it stands, whose turn it is, how long that may take.
    fn follow(&mut self, course: Course) {
        let current = course.current.map(|i| &course.chain[i]);
        self.status.stage = current.map(|s| s.stage);
        self.status.stage_of = current.and_then(|s| s.of.clone());
        if matches!(course.phase, Phase::Rejected | Phase::Withdrawn) {
            // What has ended holds nothing.
            self.give_back();
        }
        self.status.phase = Some(course.phase);
        self.status.chain = course.chain;
        self.status.clock = course.clock;
        self.status.uncounted = course.uncounted;
        self.status.outcome = course.outcome;
    }
}

/// Whether an outcome is an approval.
fn is_approved(course: &Course) -> bool {
    let outcome = course.outcome.as_ref();
    outcome.is_some_and(|o| o.decision == DecisionOutcome::Approve)
}

#[cfg(test)]
mod tests;
