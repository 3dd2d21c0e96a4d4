//! What the unit did not accept of a delivery is mended: an order for the operations provider of each platform that delivered,
//! also where Qipan itself did, and a new delivery once these are done.

use crds::WorkOrder;
use crds::calendar::day_of;
use crds::condition::whole_second;
use crds::resource_request::{Acceptance, Event, EventKind, Item};
use crds::work_order::{OrderState, Purpose, WorkOrderSpec};
use kube::ResourceExt as _;

use super::Pass;
use super::deliver::Awaited;
use crate::runtime::Deed;

impl Pass<'_> {
    /// The objections to the delivery that are not mended yet, each with its place among the receipts.
    pub(super) fn objections(&self) -> Vec<(usize, &Acceptance)> {
        let receipts = &self.request.spec.acceptance;
        let delivery = self.status.delivery.as_ref();
        let open = delivery.map(|d| d.objections(receipts).collect());
        open.unwrap_or_default()
    }

    /// The orders by which the open objections are mended, by platform: one each, whatever is asked for there.
    pub(super) fn reworks(&self) -> Vec<(String, &Item)> {
        let Some((round, _)) = self.objections().pop() else {
            return Vec::new();
        };
        let mut orders: Vec<(String, &Item)> = Vec::new();
        for item in &self.request.spec.application.items {
            // No item is called so: their names have no dots.
            let name = format!("{}.rework-{}.{}", self.name, round + 1, item.platform);
            if orders.iter().all(|(there, _)| *there != name) {
                orders.push((name, item));
            }
        }
        orders
    }

    /// Gives out what is to be mended. The names are fixed by the objection: nothing is given out twice.
    pub(super) fn mend(&mut self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let mut named = self.status.work_orders.clone();
        for (name, item) in self.reworks() {
            if self.order_of(&name).is_none() {
                deeds.push(Deed::Order(Box::new(self.rework(&name, item))));
            }
            if !named.contains(&name) {
                named.push(name);
            }
        }
        self.status.work_orders = named;
        deeds
    }

    fn rework(&self, name: &str, item: &Item) -> WorkOrder {
        let application = &self.request.spec.application;
        let missing = self.objections().into_iter();
        let missing: Vec<&str> = missing.filter_map(|(_, r)| r.comment.as_deref()).collect();
        let here = application
            .items
            .iter()
            .filter(|i| i.platform == item.platform);
        let days = here.filter_map(|i| self.delivery_days(i)).max();
        let calendar = &self.world.calendar;
        let due = days.and_then(|d| calendar.due(day_of(self.now), u32::from(d)).ok());
        let spec = WorkOrderSpec {
            purpose: Purpose::Rework,
            title: application.title.clone(),
            request: Some(self.name.clone()),
            item: None,
            platform: item.platform.clone(),
            zone: Some(item.zone),
            product: None,
            size: None,
            count: None,
            resources: crds::ResourceList::default(),
            parameters: std::collections::BTreeMap::new(),
            delivered: None,
            until: application.until,
            description: Some(missing.join("\n").chars().take(4096).collect()),
            due,
            progress: Vec::new(),
        };
        let mut order = WorkOrder::new(name, spec);
        order.metadata.namespace = self.request.namespace();
        order
    }

    /// Whether a later order is to mend what this one was for.
    pub(super) fn is_reworked(&self, order: &WorkOrder) -> bool {
        self.later(order).next().is_some()
    }

    /// Whether a later order has mended what this one was for.
    pub(super) fn is_mended(&self, order: &WorkOrder) -> bool {
        let mut later = self.later(order);
        later.any(|o| o.spec.state() == OrderState::Done)
    }

    fn later<'a>(&'a self, order: &'a WorkOrder) -> impl Iterator<Item = &'a WorkOrder> {
        let name = order.name_any();
        let later = self
            .status
            .work_orders
            .iter()
            .skip_while(move |n| **n != name);
        let later = later.skip(1).filter_map(|n| self.order_of(n));
        later
            .filter(|o| o.spec.purpose == Purpose::Rework && o.spec.platform == order.spec.platform)
    }

    /// Delivers again once everything is mended, or its provider says that it cannot be; the time for the receipt begins anew.
    pub(super) fn redeliver(&mut self) {
        let failed = |part: &Awaited<'_>| matches!(part, Awaited::Order(_, OrderState::Failed));
        let Some((last, _)) = self.objections().pop() else {
            return;
        };
        if !self.awaited().iter().all(failed) {
            return;
        }
        let (entries, accept_by) = (self.sheet(), self.accept_by());
        let receipts = self.request.spec.acceptance.iter();
        let mended = receipts.filter(|r| !r.accepted).count();
        let now = whole_second(self.now);
        if let Some(delivery) = &mut self.status.delivery {
            delivery.entries = entries;
            delivery.accept_by = accept_by;
            delivery.mended = u32::try_from(mended).unwrap_or(u32::MAX);
            delivery.again = Some(now);
        }
        self.status.timeline.push(Event {
            kind: EventKind::Delivered,
            index: u32::try_from(last).ok(),
            by: None,
            at: now,
        });
    }
}
