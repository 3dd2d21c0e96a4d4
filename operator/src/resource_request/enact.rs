//! Carries an approved request over into grants and work orders.

use crds::calendar::day_of;
use crds::resource_request::preview::{GrantChange, Order, Preview};
use crds::resource_request::{ApplicationType, Enacted, EventKind, Item, Phase};
use crds::tenant_quota::{Funding, Isolation, Lease, Mode, TenantQuotaSpec};
use crds::words::{Attestation, DeletionPolicy};
use crds::work_order::{self, Purpose, WorkOrderSpec};
use crds::{ServiceOffering, TenantQuota, WorkOrder};
use kube::ResourceExt as _;

use super::{Pass, hold, is_approved};
use crate::runtime::Deed;

/// Days in which the growth of an approved exception is brought into force.
const EXCEPTION_DAYS: i32 = 7;

impl Pass<'_> {
    /// Notes what an approved request becomes, before any of it is written: from then on what is held belongs to these
    /// grants. Says whether it was noted now.
    pub(super) fn enact(&mut self, preview: &Preview) -> bool {
        let course = self.course();
        let due = course.phase == Phase::Approved && is_approved(&course);
        if !self.is_enacted() {
            // What cannot be judged has no price yet.
            let all = preview.costs.len() == self.request.spec.application.items.len();
            self.status.monthly_cost = preview.monthly().filter(|_| all);
        }
        if !due || self.refusal.is_some() || self.waits.is_some() || !self.is_held() {
            return false;
        }
        let enacted = |change: &GrantChange| Enacted {
            grant: change.grant.clone(),
            platform: change.platform.clone(),
            pool: change.pool.clone(),
            hard: change.after.clone(),
            made: !change.exists,
        };
        self.status.grants = preview.changes.iter().map(enacted).collect();
        let orders = preview.orders.iter();
        self.status.work_orders = orders.map(|o| self.order_name(&o.item)).collect();
        true
    }

    /// What is still to be written of what was noted. Once all of it was seen, nothing is written for it again.
    pub(super) fn deeds(&mut self, preview: &Preview) -> Vec<Deed> {
        if !self.is_enacted() || self.has_happened(EventKind::Enacted) {
            return Vec::new();
        }
        let (mut deeds, mut all) = (Vec::new(), true);
        for enacted in &self.status.grants {
            let there = self.grant(&enacted.grant);
            if there.is_some_and(|g| hold::is_enacted(g, &self.name)) {
                continue;
            }
            all = false;
            let change = preview.changes.iter().find(|c| c.grant == enacted.grant);
            deeds.extend(change.map(|change| match there {
                Some(there) => Deed::Regrant(Box::new(self.changed(there, change))),
                None => Deed::Grant(Box::new(self.made(change))),
            }));
        }
        for order in &preview.orders {
            let name = self.order_name(&order.item);
            let there = self.world.orders.iter().any(|o| o.name_any() == name);
            if self.status.work_orders.contains(&name) && !there {
                all = false;
                deeds.extend(self.order(order, &name).map(|o| Deed::Order(Box::new(o))));
            }
        }
        if all {
            self.note(EventKind::Enacted);
        }
        deeds
    }

    pub(super) fn grant(&self, name: &str) -> Option<&TenantQuota> {
        let mut grants = self.world.grants.iter();
        grants.find(|g| g.metadata.name.as_deref() == Some(name))
    }

    pub(super) fn item(&self, name: &str) -> Option<&Item> {
        let items = &self.request.spec.application.items;
        items.iter().find(|i| i.name == name)
    }

    pub(super) fn order_name(&self, item: &str) -> String {
        work_order::name_of(&self.name, item)
    }

    fn lease(&self, change: &GrantChange) -> Option<Lease> {
        change.until.map(|until| Lease {
            from: self.request.spec.application.from,
            until,
        })
    }

    /// What lets the grant of an approved exception grow on a frozen platform, for as long as that takes.
    fn exception(&self) -> Option<Attestation> {
        let application = &self.request.spec.application;
        let exception = application.type_ == ApplicationType::Exception;
        let today = day_of(self.now);
        let outcome = self.course().outcome.filter(|_| exception)?;
        Some(Attestation {
            by: outcome.by.chars().take(128).collect(),
            date: today,
            until: crds::calendar::days_after(today, EXCEPTION_DAYS),
            basis: Some(format!("ResourceRequest {}", self.name)),
        })
    }

    /// The largest share of the funding.
    fn funding(&self) -> Option<Funding> {
        let project = self.request.spec.application.project.as_ref()?;
        let share = project.funding.iter().max_by_key(|share| share.percent)?;
        let reference = share.reference.clone();
        Some(Funding {
            source: share.source,
            reference: reference.or_else(|| project.approval_number.clone()),
        })
    }

    fn made(&self, change: &GrantChange) -> TenantQuota {
        let spec = TenantQuotaSpec {
            platform: change.platform.clone(),
            zone: change.zone,
            pool: change.pool.clone(),
            mode: Mode::Fixed,
            hard: change.after.clone(),
            namespaces: change.namespaces.clone(),
            limits: None,
            isolation: Isolation::default(),
            funding: self.funding(),
            lease: self.lease(change),
            environment: Some(self.request.spec.application.environment),
            request: Some(self.name.clone()),
            frozen_exception: self.exception(),
            deletion_policy: DeletionPolicy::Retain,
        };
        let mut grant = TenantQuota::new(&change.grant, spec);
        grant.metadata.namespace = self.request.namespace();
        grant
    }

    fn changed(&self, there: &TenantQuota, change: &GrantChange) -> TenantQuota {
        let mut grant = there.clone();
        let spec = &mut grant.spec;
        spec.hard = change.after.clone();
        spec.namespaces.clone_from(&change.namespaces);
        let began = spec.lease.as_ref().and_then(|l| l.from);
        spec.lease = change.until.map(|until| Lease { from: began, until });
        spec.request = Some(self.name.clone());
        let application = &self.request.spec.application;
        if matches!(
            application.type_,
            ApplicationType::Change | ApplicationType::Exception
        ) {
            spec.environment = Some(application.environment);
        }
        if let Some(exception) = self.exception() {
            spec.frozen_exception = Some(exception);
        }
        if let Some(funding) = self.funding() {
            spec.funding = Some(funding);
        }
        grant
    }

    fn offering(&self, item: &Item) -> Option<&ServiceOffering> {
        let mut offerings = self.world.offerings.iter();
        offerings.find(|o| o.metadata.name.is_some() && o.metadata.name == item.offering)
    }

    /// Working days in which the service of an item is promised.
    pub(super) fn delivery_days(&self, item: &Item) -> Option<u16> {
        let sla = self.offering(item)?.spec.sla.as_ref()?;
        sla.delivery_working_days
    }

    fn order(&self, order: &Order, name: &str) -> Option<WorkOrder> {
        let item = self.item(&order.item)?;
        let application = &self.request.spec.application;
        // Of what is renewed or taken back the order says what it is, as it was asked for then; of a change what it is to be.
        let named = item.delivered.as_ref();
        let changes = application.type_ == ApplicationType::Change;
        let what_it_is = named
            .filter(|_| !changes)
            .and_then(|d| self.world.standing.get(d))
            .unwrap_or(item);
        let offering = self.offering(what_it_is);
        let days = self.delivery_days(what_it_is);
        let calendar = &self.world.calendar;
        let due = days.and_then(|d| calendar.due(day_of(self.now), u32::from(d)).ok());
        let what = offering.map_or(&item.name, |o| &o.spec.display_name.zh);
        let title = format!("{} · {what}", application.title);
        let spec = WorkOrderSpec {
            purpose: match (named, application.type_) {
                (Some(_), ApplicationType::Release) => Purpose::Release,
                (Some(_), ApplicationType::Change) => Purpose::Change,
                (Some(_), _) => Purpose::Renewal,
                (None, _) => Purpose::Fulfilment,
            },
            title: title.chars().take(128).collect(),
            request: Some(self.name.clone()),
            item: Some(item.name.clone()),
            platform: item.platform.clone(),
            zone: Some(item.zone),
            product: what_it_is.product.clone(),
            size: what_it_is.size.clone(),
            count: what_it_is.count,
            resources: order.resources.clone(),
            parameters: what_it_is.parameters.clone(),
            delivered: item.delivered.clone(),
            until: application.until,
            description: Some(application.justification.clone()),
            due,
            progress: Vec::new(),
        };
        let mut order = WorkOrder::new(name, spec);
        order.metadata.namespace = self.request.namespace();
        Some(order)
    }
}
