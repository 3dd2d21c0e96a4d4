//! A request's way without a cluster: its passes, the pool's ledger and the grants' answers in turn until nothing changes.

use super::*;
use crate::runtime::Deed;
use crds::account::{Claim, Writer};
use crds::cloud_platform::PoolStatus;
use crds::work_order::OrderState;
use crds::{Account, ConditionStatus, Quantity, ResourceList};
use serde_json::{Value, json};

mod frozen;
mod later;
mod mended;
mod reviewed;

const WRITER: Writer = Writer {
    fence: 7,
    proven: true,
};

/// A request of the unit `shui` for the pool `gui` (10 CPU) of the platform `zj`, and what is around it.
struct Story {
    request: ResourceRequest,
    world: World,
    now: Timestamp,
    /// What somebody else holds in the pool.
    others: Vec<Claim>,
}

fn cpu(units: i64) -> ResourceList {
    [("requests.cpu", Quantity::units(units))].into()
}

fn unit() -> Tenant {
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": "shui" },
        "spec": {
            "displayName": { "zh": "水务局" }, "level": "City", "authorityGroups": ["ju"],
            "owners": [{ "kind": "User", "name": "tou" }],
        },
        "status": { "conditions": [{ "type": "Ready", "status": "True", "reason": "Ready", "lastTransitionTime": "2026-01-01T00:00:00Z" }] },
    }))
    .unwrap()
}

fn platform() -> CloudPlatform {
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudPlatform", "metadata": { "name": "zj" },
        "spec": {
            "displayName": { "zh": "湛江节点" }, "tier": "City", "provision": "SelfBuilt", "owner": "市局",
            "growthGoesTo": "guangdong", "approvers": [{ "kind": "Group", "name": "shi" }],
            "operationsProvider": { "name": "运营", "post": "yw-duty" },
            "clusters": [{ "name": "c1", "zone": "Extranet" }],
            "pools": [{ "name": "gui", "zone": "Extranet", "architecture": "arm64", "cluster": "c1", "capacity": { "cpu": 10 } }],
        },
        "status": { "pools": [{ "name": "gui", "zone": "Extranet", "total": { "requests.cpu": 10 }, "fence": 7 }] },
    }))
    .unwrap()
}

fn catalog(world: &mut World, stock: u32) {
    let offering = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ServiceOffering", "metadata": { "name": "yuming" },
        "spec": {
            "displayName": { "zh": "域名" }, "class": "Network", "category": "Domain", "unit": { "zh": "个" },
            "zones": ["Extranet"], "sla": { "deliveryWorkingDays": 2 },
        },
    });
    let product = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudProduct", "metadata": { "name": "zj-yuming" },
        "spec": {
            "displayName": { "zh": "域名" }, "offering": "yuming", "platform": "zj", "zone": "Extranet",
            "sizes": [{ "name": "unit", "price": { "monthly": "12.50" } }], "stock": stock, "fulfilment": "WorkOrder",
        },
    });
    world.offerings = vec![serde_json::from_value(offering).unwrap()];
    world.products = vec![serde_json::from_value(product).unwrap()];
}

impl Story {
    fn of(patch: &Value) -> Self {
        let mut application = json!({
            "type": "New", "environment": "Test", "title": "水位", "justification": "j",
            "items": [{ "name": "app", "platform": "zj", "zone": "Extranet", "pool": "gui",
                        "resources": { "cpu": 6 }, "namespaces": [{ "name": "web" }] }],
        });
        for (key, value) in patch.as_object().unwrap() {
            application[key] = value.clone();
        }
        let request = json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
            "metadata": { "name": "r1", "namespace": "qp-shui", "uid": "uid-r1", "generation": 1,
                          "creationTimestamp": "2026-11-02T01:00:00Z" },
            "spec": { "classified": false, "applicant": "shen", "application": application },
        });
        let calendar = json!({ "years": [{ "year": 2026, "source": "test" }] });
        Self {
            request: serde_json::from_value(request).unwrap(),
            world: World {
                tenant: Some(unit()),
                platforms: vec![platform()],
                calendar: serde_json::from_value(calendar).unwrap(),
                endpoints: [(("zj".into(), "c1".into()), "https://zj.example:6443".into())].into(),
                ..World::default()
            },
            now: "2026-11-02T02:00:00Z".parse().unwrap(),
            others: Vec::new(),
        }
    }

    fn new() -> Self {
        Self::of(&json!({}))
    }

    fn plan(&self) -> Plan<ResourceRequestStatus> {
        ResourceRequests::plan(&self.request, &self.world, self.now)
    }

    fn status(&self) -> ResourceRequestStatus {
        self.request.status.clone().unwrap_or_default()
    }

    fn phase(&self) -> Phase {
        self.status().phase.unwrap()
    }

    fn ready(&self) -> (ConditionStatus, Reason) {
        let status = self.status();
        let ready = status.conditions.get(ConditionType::Ready).unwrap();
        (ready.status, ready.reason.parse().unwrap())
    }

    fn account(&self) -> Account {
        let status = self.world.platforms[0].status.clone().unwrap();
        status.pools[0].account.clone()
    }

    /// One pass of the pool's ledger, over everything that it is to see.
    fn pool(&mut self) {
        let mut holds = hold::Holds::default();
        let find = |_: &str, name: &str| {
            let mut grants = self.world.grants.iter();
            grants.find(|g| g.name_any() == name).cloned()
        };
        holds.add("zj", &self.request, find);
        let claims = self.world.grants.iter().map(|g| Claim {
            uid: format!("uid-{}", g.name_any()),
            grant: format!("qp-shui/{}", g.name_any()),
            generation: 1,
            attempt: 0,
            created: Timestamp::MAX,
            wanted: crds::resource_name::canonical_list("", &g.spec.hard).unwrap(),
            admitted: g.status.clone().unwrap_or_default().admitted,
            may_grow: true,
            backing: holds
                .backing
                .remove(&("qp-shui".into(), g.name_any()))
                .unwrap_or_default(),
        });
        let claims: Vec<Claim> = claims.collect();
        let mut holders = holds.holders.remove("gui").unwrap_or_default();
        holders.extend(self.others.clone());
        let status = self.world.platforms[0].status.as_mut().unwrap();
        let pool: &mut PoolStatus = &mut status.pools[0];
        let total = pool.account.total.clone();
        let next = pool.account.next(total, &holders, &claims, WRITER);
        pool.account = next.account;
        let charged = pool.account.charged("requests.cpu");
        let all = charged.plus(pool.account.held.of("requests.cpu"));
        assert!(all <= Quantity::units(10), "{:?}", pool.account);
    }

    /// Grants take up what they were promised and come into force.
    fn grants(&mut self) {
        let account = self.account();
        for grant in &mut self.world.grants {
            let hard = crds::resource_name::canonical_list("", &grant.spec.hard).unwrap();
            let uid = format!("uid-{}", grant.name_any());
            let promised = account.pending.iter().any(|p| p.uid == uid);
            let status = grant.status.get_or_insert_default();
            if promised || hard.fits(&status.admitted) {
                status.admitted = hard;
                let verdict = Verdict::yes(Reason::InForce);
                let generation = grant.metadata.generation;
                status
                    .conditions
                    .set(ConditionType::Ready, &verdict, generation, self.now);
            }
        }
    }

    fn pass(&mut self) -> Plan<ResourceRequestStatus> {
        let plan = self.plan();
        self.request.status = Some(plan.status.clone());
        for deed in &plan.deeds {
            match deed.clone() {
                Deed::Grant(mut grant) => {
                    grant.metadata.generation = Some(1);
                    self.world.grants.push(*grant);
                }
                Deed::Regrant(grant) => {
                    let name = grant.name_any();
                    self.world.grants.retain(|g| g.name_any() != name);
                    self.world.grants.push(*grant);
                }
                Deed::Order(order) => self.world.orders.push(*order),
            }
        }
        plan
    }

    /// Until nothing changes; then a pass decides the same again, later in the day too.
    fn settle(&mut self) {
        for _ in 0..20 {
            let before = (
                self.request.clone(),
                self.world.grants.clone(),
                self.account(),
            );
            self.pass();
            self.pool();
            self.grants();
            if before
                == (
                    self.request.clone(),
                    self.world.grants.clone(),
                    self.account(),
                )
            {
                let later = self.now + SignedDuration::from_mins(5);
                let again = ResourceRequests::plan(&self.request, &self.world, later);
                assert_eq!(Some(&again.status), self.request.status.as_ref());
                assert_eq!(again.deeds, []);
                return;
            }
        }
        panic!("it does not come to rest: {:#?}", self.request.status);
    }

    fn append(&mut self, list: &str, entry: Value) {
        self.now += SignedDuration::from_hours(1);
        let mut spec = serde_json::to_value(&self.request.spec).unwrap();
        let mut entries = spec[list].as_array().cloned().unwrap_or_default();
        entries.push(entry);
        spec[list] = json!(entries);
        self.request.spec = serde_json::from_value(spec).unwrap();
        self.settle();
    }

    fn decide(&mut self, stage: &str, by: &str, outcome: &str) {
        let of = (stage == "PlatformOwner").then_some("zj");
        let entry =
            json!({ "stage": stage, "of": of, "by": by, "outcome": outcome, "comment": "c" });
        self.append("decisions", entry);
    }

    /// The operations provider takes a step of an order.
    fn work(&mut self, order: &str, state: &str) {
        let step = json!({ "by": "yw-1", "state": state, "comment": "c" });
        let mut orders = self.world.orders.iter_mut();
        let order = orders.find(|o| o.name_any() == order).unwrap();
        order
            .spec
            .progress
            .push(serde_json::from_value(step).unwrap());
        self.settle();
    }

    fn approve(&mut self) {
        self.decide("UnitHead", "tou", "Approve");
        self.decide("Authority", "ke", "Approve");
        self.decide("PlatformOwner", "shi-1", "Approve");
    }
}

#[test]
fn from_submission_to_receipt_capacity_is_held_then_charged_and_never_twice() {
    let mut story = Story::new();
    story.settle();
    assert_eq!(story.phase(), Phase::Reviewing);
    assert_eq!(story.ready(), (ConditionStatus::Unknown, Reason::Reviewing));
    assert_eq!(story.account().held, cpu(6));
    let stages: Vec<_> = story
        .status()
        .chain
        .iter()
        .map(|s| s.stage.to_string())
        .collect();
    assert_eq!(stages, ["UnitHead", "Authority", "PlatformOwner"]);
    story.decide("UnitHead", "tou", "Approve");
    story.decide("Authority", "ke", "Approve");
    assert_eq!(story.account().held, cpu(6));
    story.decide("PlatformOwner", "shi-1", "Approve");
    let grant = &story.world.grants[0];
    assert_eq!(
        (grant.name_any().as_str(), &grant.spec.hard),
        ("r1-app", &cpu(6))
    );
    assert_eq!(grant.spec.request.as_deref(), Some("r1"));
    // A test tenancy ends after the profile's days.
    assert_eq!(
        grant.spec.lease.as_ref().unwrap().until.to_string(),
        "2026-11-17"
    );
    assert_eq!(story.phase(), Phase::Delivered);
    assert_eq!(
        (story.account().held, story.account().granted),
        (ResourceList::default(), cpu(6))
    );
    let sheet = story.status().delivery.unwrap();
    assert_eq!(sheet.accept_by.unwrap().to_string(), "2026-11-09");
    let entry = &sheet.entries[0];
    assert_eq!(entry.endpoint.as_deref(), Some("https://zj.example:6443"));
    assert_eq!(entry.namespaces, ["shui-web"]);
    assert_eq!(entry.contact.as_deref(), Some("yw-duty"));
    story.append("acceptance", json!({ "by": "shen", "accepted": true }));
    assert_eq!(story.ready(), (ConditionStatus::True, Reason::Accepted));
    story.append("rating", json!({ "by": "shen", "stars": 5 }));
    assert_eq!(story.phase(), Phase::Accepted);
}

#[test]
fn nobody_comes_between_the_hold_and_the_charge() {
    let mut story = Story::new();
    story.settle();
    let rival = Claim {
        uid: "uid-rival".into(),
        grant: "resourcerequest/qp-shan/r0".into(),
        generation: 0,
        attempt: 0,
        created: Timestamp::UNIX_EPOCH,
        wanted: cpu(5),
        admitted: ResourceList::default(),
        may_grow: true,
        backing: ResourceList::default(),
    };
    story.others = vec![rival];
    story.approve();
    assert_eq!(story.phase(), Phase::Delivered);
    assert!(story.account().pending.is_empty(), "the rival got nothing");
}

#[test]
fn who_comes_second_is_refused_with_the_figures_and_holds_when_it_becomes_free() {
    let mut story = Story::new();
    let first = Claim {
        uid: "uid-first".into(),
        grant: "resourcerequest/qp-shan/r0".into(),
        generation: 0,
        attempt: 0,
        created: Timestamp::UNIX_EPOCH,
        wanted: cpu(7),
        admitted: cpu(7),
        may_grow: true,
        backing: ResourceList::default(),
    };
    story.others = vec![first];
    story.settle();
    assert_eq!(
        story.ready(),
        (ConditionStatus::False, Reason::PoolExhausted)
    );
    let status = story.status();
    let ready = status.conditions.get(ConditionType::Ready).unwrap();
    for (figure, value) in [
        ("asked", "6"),
        ("free", "3"),
        ("held", "7"),
        ("missing", "3"),
        ("total", "10"),
    ] {
        assert_eq!(ready.params[figure], value, "{figure}");
    }
    assert_eq!(story.phase(), Phase::Submitted);
    story.decide("UnitHead", "tou", "Approve");
    assert_eq!(
        story.status().uncounted.len(),
        1,
        "nothing is decided before it is held"
    );
    story.others.clear();
    story.settle();
    assert_eq!(story.account().held, cpu(6));
}

#[test]
fn every_end_but_delivery_gives_the_capacity_back() {
    for (end, reason) in [
        ("Reject", Reason::Rejected),
        ("Withdraw", Reason::Withdrawn),
    ] {
        let mut story = Story::new();
        story.settle();
        if end == "Reject" {
            story.decide("UnitHead", "tou", "Reject");
        } else {
            story.append("withdrawal", json!({ "by": "shen" }));
        }
        assert_eq!(story.ready(), (ConditionStatus::False, reason));
        assert!(story.account().held.is_empty());
        assert!(story.world.grants.is_empty());
        assert_eq!(story.plan().requeue, None, "nothing is awaited any more");
    }
    // A unit that goes takes its claim with it; what was decided stays on record.
    let mut story = Story::new();
    story.settle();
    story.decide("UnitHead", "tou", "Approve");
    story.world.tenant = None;
    story.settle();
    assert_eq!(
        story.ready(),
        (ConditionStatus::False, Reason::UnknownTenant)
    );
    assert!(story.account().held.is_empty());
    assert_eq!(story.status().chain.len(), 3);
}

#[test]
fn a_return_pauses_the_clock_and_keeps_the_hold() {
    let mut story = Story::new();
    story.settle();
    story.decide("UnitHead", "tou", "Return");
    assert_eq!(story.ready(), (ConditionStatus::False, Reason::Returned));
    let on_time = |story: &Story| {
        let status = story.status();
        status
            .conditions
            .get(ConditionType::OnTime)
            .unwrap()
            .reason
            .clone()
    };
    assert_eq!(on_time(&story), "ClockPaused");
    assert_eq!(story.account().held, cpu(6));
    story.append("answers", json!({ "by": "shen", "comment": "a" }));
    assert_eq!(
        (story.phase(), on_time(&story).as_str()),
        (Phase::Reviewing, "OnTime")
    );
    story.now += SignedDuration::from_hours(24 * 7);
    story.settle();
    assert_eq!(on_time(&story), "Overdue");
}

#[test]
fn a_frozen_platform_takes_an_exception_only_and_a_withdrawn_offering_is_not_enacted() {
    let mut story = Story::new();
    let frozen = |story: &mut Story| {
        story.world.platforms[0].spec.expansion = crds::cloud_platform::Expansion::Frozen;
    };
    frozen(&mut story);
    story.settle();
    assert_eq!(
        story.ready(),
        (ConditionStatus::False, Reason::PlatformFrozen)
    );
    let mut story = Story::of(&json!({ "type": "Exception" }));
    frozen(&mut story);
    story.settle();
    story.approve();
    assert_eq!(story.phase(), Phase::Delivered);
    let exception = story.world.grants[0].spec.frozen_exception.clone().unwrap();
    assert_eq!(
        (exception.by.as_str(), exception.basis.as_deref()),
        ("shi-1", Some("ResourceRequest r1"))
    );

    let items = json!([{ "name": "ym", "platform": "zj", "zone": "Extranet", "product": "zj-yuming", "size": "unit", "count": 2 }]);
    let mut story = Story::of(&json!({ "items": items }));
    catalog(&mut story.world, 5);
    story.settle();
    assert_eq!(story.phase(), Phase::Reviewing);
    story.world.offerings[0].spec.withdrawn = true;
    story.approve();
    assert_eq!(
        story.ready(),
        (ConditionStatus::False, Reason::OfferingWithdrawn)
    );
    assert!(story.world.orders.is_empty());
    assert_eq!(story.phase(), Phase::Approved);
}

#[test]
fn what_no_api_delivers_becomes_an_order_and_its_report_is_on_the_sheet() {
    let items = json!([{ "name": "ym", "offering": "yuming", "platform": "zj", "zone": "Extranet",
                         "product": "zj-yuming", "size": "unit", "count": 2 }]);
    let mut story = Story::of(&json!({ "items": items }));
    catalog(&mut story.world, 5);
    story.settle();
    assert_eq!(story.status().monthly_cost.unwrap().to_string(), "25.00");
    story.approve();
    assert_eq!(story.phase(), Phase::Provisioning);
    let order = story.world.orders[0].clone();
    assert_eq!(
        (order.name_any().as_str(), order.spec.count),
        ("r1-ym", Some(2))
    );
    assert_eq!(order.spec.due.unwrap().to_string(), "2026-11-04");
    assert_eq!(order.spec.state(), OrderState::Open);
    let step = |state: &str| json!({ "by": "yw-1", "state": state, "comment": "a.example.gov.cn" });
    let mut failed = story.world.clone();
    failed.orders[0].spec.progress = vec![serde_json::from_value(step("Failed")).unwrap()];
    story.world.orders[0]
        .spec
        .progress
        .push(serde_json::from_value(step("Done")).unwrap());
    let before = story.request.clone();
    story.settle();
    // What cannot be done is said, and does not hold up the rest for ever.
    let mut other = Story {
        request: before,
        world: failed,
        now: story.now,
        others: Vec::new(),
    };
    other.settle();
    assert_eq!(other.ready(), (ConditionStatus::False, Reason::WorkFailed));
    assert_eq!(other.phase(), Phase::Delivered);
    let sheet = story.status().delivery.unwrap();
    assert_eq!(sheet.entries[0].note.as_deref(), Some("a.example.gov.cn"));
    // Without a word it is accepted on the day after its last.
    story.now += SignedDuration::from_hours(24 * 8);
    story.settle();
    assert_eq!(
        story.ready(),
        (ConditionStatus::True, Reason::AcceptedByRule)
    );
    assert!(story.status().delivery.unwrap().accepted_by_rule);
}

#[test]
fn a_quantity_beyond_stock_and_a_stage_without_anybody_are_refused() {
    let items = json!([{ "name": "ym", "platform": "zj", "zone": "Extranet", "product": "zj-yuming", "size": "unit", "count": 9 }]);
    let mut story = Story::of(&json!({ "items": items }));
    catalog(&mut story.world, 5);
    story.settle();
    assert_eq!(
        story.ready(),
        (ConditionStatus::False, Reason::StockExhausted)
    );
    let mut story = Story::new();
    story
        .world
        .tenant
        .as_mut()
        .unwrap()
        .spec
        .authority_groups
        .clear();
    story.settle();
    assert_eq!(
        story.ready(),
        (ConditionStatus::False, Reason::NobodyDecides)
    );
    assert!(story.account().held.is_empty());
    // Once somebody is named it goes on by itself.
    story.world.tenant = Some(unit());
    story.settle();
    assert_eq!(story.phase(), Phase::Reviewing);
}

fn existing(peak: i64) -> TenantQuota {
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "TenantQuota",
        "metadata": { "name": "gou", "namespace": "qp-shui", "generation": 1 },
        "spec": { "platform": "zj", "zone": "Extranet", "pool": "gui", "hard": { "cpu": 4 },
                  "namespaces": [{ "name": "web", "hard": { "cpu": 4 } }] },
        "status": { "admitted": { "requests.cpu": 4 }, "unchangedSince": "2026-09-01", "peak7d": { "requests.cpu": peak } },
    }))
    .unwrap()
}

fn change(to: u32) -> Value {
    let item = json!({ "name": "app", "platform": "zj", "zone": "Extranet", "pool": "gui", "grant": "gou", "resources": { "cpu": to } });
    json!({ "type": "Change", "items": [item] })
}

#[test]
fn a_small_step_needs_nobody_and_a_larger_one_its_chain() {
    for (to, peak, by_rule) in [(5, 4, true), (3, 0, true), (5, 1, false), (8, 4, false)] {
        let mut story = Story::of(&change(to));
        story.world.rules.automatic.enabled = true;
        story.world.grants = vec![existing(peak)];
        story.settle();
        assert_eq!(
            story.status().by_rule,
            by_rule,
            "{to} with a peak of {peak}"
        );
        let expected = if by_rule {
            Phase::Delivered
        } else {
            Phase::Reviewing
        };
        assert_eq!(story.phase(), expected, "{to} with a peak of {peak}");
        if by_rule {
            assert_eq!(story.status().outcome.unwrap().by, "rule");
            assert_eq!(story.account().granted, cpu(i64::from(to)));
        }
    }
}

#[test]
fn only_the_growth_of_a_change_is_held_and_its_namespace_goes_on_having_all() {
    let mut story = Story::of(&change(9));
    story.world.grants = vec![existing(0)];
    story.pool();
    story.settle();
    assert_eq!(
        (story.account().held, story.account().granted),
        (cpu(5), cpu(4))
    );
    story.approve();
    let grant = &story.world.grants[0];
    assert_eq!(grant.spec.hard, cpu(9));
    assert_eq!(grant.spec.namespaces[0].hard, cpu(9));
    assert_eq!(story.account().granted, cpu(9));
}
