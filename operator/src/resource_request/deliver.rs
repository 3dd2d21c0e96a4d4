//! What was enacted becomes what is there: holds end with the charge, the delivery sheet, the receipt.

use crds::calendar::day_of;
use crds::condition::whole_second;
use crds::resource_request::{Delivery, DeliveryEntry, Enacted, EventKind, HoldStatus, record};
use crds::words::Day;
use crds::work_order::OrderState;
use crds::{ConditionStatus, ConditionType, ResourceList, WorkOrder, keys};
use kube::ResourceExt as _;

use super::Pass;

/// A part of what was enacted that is not there yet.
pub(super) enum Awaited<'a> {
    /// A grant, and what it says of itself.
    Grant(&'a str, String),
    /// An order, and where it stands.
    Order(&'a str, OrderState),
}

impl Pass<'_> {
    /// Gives up a hold once the grants that it was for are charged: nobody could come between.
    pub(super) fn release(&mut self) {
        if self.status.grants.is_empty() {
            return;
        }
        let charged = |enacted: &Enacted| {
            let status = self.grant(&enacted.grant).and_then(|g| g.status.as_ref());
            status.is_some_and(|s| enacted.hard.fits(&s.admitted))
        };
        let serves = |hold: &HoldStatus| {
            let of = |e: &&Enacted| (&e.platform, &e.pool) == (&hold.platform, &hold.pool);
            !self.status.grants.iter().filter(of).all(charged)
        };
        let kept: Vec<_> = self
            .status
            .holds
            .iter()
            .filter(|h| serves(h))
            .cloned()
            .collect();
        self.status.holds = kept;
    }

    /// The parts that are not there yet.
    pub(super) fn awaited(&self) -> Vec<Awaited<'_>> {
        let mut awaited = Vec::new();
        for enacted in &self.status.grants {
            let Some(grant) = self.grant(&enacted.grant) else {
                awaited.push(Awaited::Grant(&enacted.grant, "it is not there".into()));
                continue;
            };
            let status = grant.status.clone().unwrap_or_default();
            let ready = status.conditions.get(ConditionType::Ready);
            let current = ready.is_some_and(|c| {
                c.status == ConditionStatus::True
                    && c.observed_generation == grant.metadata.generation
            });
            let right = current && admitted_is(&status.admitted, &enacted.hard);
            if !right {
                let says =
                    ready.map_or_else(String::new, |c| format!("{}: {}", c.reason, c.message));
                awaited.push(Awaited::Grant(&enacted.grant, says));
            }
        }
        for name in &self.status.work_orders {
            let order = self.order_of(name);
            let state = order.map(|o| o.spec.state()).unwrap_or_default();
            let replaced = || order.is_some_and(|o| self.is_reworked(o));
            if state != OrderState::Done && !(state == OrderState::Failed && replaced()) {
                awaited.push(Awaited::Order(name, state));
            }
        }
        awaited
    }

    pub(super) fn order_of(&self, name: &str) -> Option<&WorkOrder> {
        self.world.orders.iter().find(|o| o.name_any() == name)
    }

    /// Writes the delivery sheet when everything is there, and follows the receipt.
    pub(super) fn deliver(&mut self) {
        let enacted = self.has_happened(EventKind::Enacted);
        // What cannot be done holds up nothing else: the sheet says so, and the unit says whether it takes that.
        let failed = |part: &Awaited<'_>| matches!(part, Awaited::Order(_, OrderState::Failed));
        if enacted && self.status.delivery.is_none() && self.awaited().iter().all(failed) {
            let delivery = Delivery {
                at: whole_second(self.now),
                entries: self.sheet(),
                accept_by: self.accept_by(),
                mended: 0,
                again: None,
                accepted: None,
                accepted_by_rule: false,
            };
            self.status.delivery = Some(delivery);
            self.status.holds.clear();
            self.note(EventKind::Delivered);
        }
        self.redeliver();
        self.keep_up();
        self.receive();
    }

    /// The last day for a receipt of what is delivered now.
    pub(super) fn accept_by(&self) -> Option<Day> {
        let days = u32::from(self.world.rules.acceptance_days);
        self.world.calendar.due(day_of(self.now), days).ok()
    }

    /// An order that failed may be taken up again after the delivery: the sheet says what came of it.
    fn keep_up(&mut self) {
        let Some(mut delivery) = self.status.delivery.take() else {
            return;
        };
        for entry in &mut delivery.entries {
            let order = entry.work_order.as_deref().and_then(|o| self.order_of(o));
            let Some(order) = order else { continue };
            entry.failed = order.spec.state() == OrderState::Failed && !self.is_mended(order);
            if let Some(last) = order.spec.progress.last() {
                entry.note.clone_from(&last.comment);
            }
        }
        self.status.delivery = Some(delivery);
    }

    fn receive(&mut self) {
        let last = self.request.spec.acceptance.last();
        let index = u32::try_from(self.request.spec.acceptance.len()).unwrap_or(0);
        let seen = record::at(
            &self.status.timeline,
            EventKind::Acceptance,
            index.checked_sub(1),
        );
        let Some(delivery) = &mut self.status.delivery else {
            return;
        };
        let receipts = &self.request.spec.acceptance;
        let objected = delivery.objections(receipts).next().is_some();
        match last {
            _ if delivery.accepted.is_some() => {}
            Some(receipt) if receipt.accepted => delivery.accepted = seen,
            // Whoever objected has not let the time pass in silence.
            _ if objected => delivery.accept_by = None,
            _ if delivery.accept_by.is_some_and(|d| d < day_of(self.now)) => {
                delivery.accepted = Some(whole_second(self.now));
                delivery.accepted_by_rule = true;
                self.note(EventKind::AcceptedByRule);
            }
            _ => {}
        }
    }

    pub(super) fn sheet(&self) -> Vec<DeliveryEntry> {
        let namespace = self.request.namespace().unwrap_or_default();
        let tenant = keys::tenant_of_namespace(&namespace).unwrap_or_default();
        let grants = self.status.grants.iter().filter_map(|enacted| {
            let grant = self.grant(&enacted.grant)?;
            let spec = &grant.spec;
            let cluster = self.cluster_of(&spec.platform, &spec.pool);
            let at = cluster.clone().map(|c| (spec.platform.clone(), c));
            let leaves = spec.namespaces.iter();
            Some(DeliveryEntry {
                platform: spec.platform.clone(),
                zone: spec.zone,
                endpoint: at.and_then(|at| self.world.endpoints.get(&at).cloned()),
                cluster,
                namespaces: leaves
                    .map(|l| keys::leaf_namespace(tenant, &l.name))
                    .collect(),
                hard: enacted.hard.clone(),
                contact: self.contact(&spec.platform),
                work_order: None,
                note: None,
                failed: false,
            })
        });
        let orders = self.status.work_orders.iter().filter_map(|name| {
            let order = self.order_of(name)?;
            Some(DeliveryEntry {
                platform: order.spec.platform.clone(),
                zone: order.spec.zone?,
                cluster: None,
                endpoint: None,
                namespaces: Vec::new(),
                hard: order.spec.resources.clone(),
                contact: self.contact(&order.spec.platform),
                work_order: Some(name.clone()),
                note: order.spec.progress.last().and_then(|p| p.comment.clone()),
                failed: order.spec.state() == OrderState::Failed && !self.is_mended(order),
            })
        });
        grants.chain(orders).collect()
    }

    fn cluster_of(&self, platform: &str, pool: &str) -> Option<String> {
        let mut platforms = self.world.platforms.iter();
        let platform = platforms.find(|p| p.metadata.name.as_deref() == Some(platform))?;
        let pool = platform.spec.pools.iter().find(|p| p.name == pool)?;
        pool.cluster.clone()
    }

    fn contact(&self, platform: &str) -> Option<String> {
        let mut platforms = self.world.platforms.iter();
        let platform = platforms.find(|p| p.metadata.name.as_deref() == Some(platform))?;
        let provider = platform.spec.operations_provider.as_ref()?;
        provider
            .post
            .clone()
            .or_else(|| Some(provider.name.clone()))
    }
}

/// Whether what is charged is what was enacted, no more and no less.
fn admitted_is(admitted: &ResourceList, hard: &ResourceList) -> bool {
    let names = admitted.0.keys().chain(hard.0.keys());
    let mut differ = names.filter(|n| admitted.of(n) != hard.of(n));
    differ.next().is_none()
}
