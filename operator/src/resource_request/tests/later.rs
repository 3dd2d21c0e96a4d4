//! What happens around a request after it was decided on, or handed on: people lose rights, catalogs change, orders fail.

use super::*;
use crate::runtime::Right;
use crds::resource_request::course::Why;
use crds::work_order::Purpose;

/// A service of which one is made of so many cores, delivered by Qipan.
fn machines(world: &mut World, cores: u32, stock: u32) {
    catalog(world, stock);
    let product = json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudProduct", "metadata": { "name": "zj-zhuji" },
        "spec": {
            "displayName": { "zh": "主机" }, "offering": "yuming", "platform": "zj", "zone": "Extranet", "pool": "gui",
            "sizes": [{ "name": "da", "resources": { "cpu": cores }, "price": { "monthly": "80" } }],
            "stock": stock, "fulfilment": "Automatic",
        },
    });
    world.products = vec![serde_json::from_value(product).unwrap()];
}

fn two_machines() -> Value {
    json!({ "items": [{ "name": "app", "offering": "yuming", "platform": "zj", "zone": "Extranet", "pool": "gui",
                        "product": "zj-zhuji", "size": "da", "count": 2, "namespaces": [{ "name": "web" }] }] })
}

#[test]
fn what_was_decided_on_is_enacted_whatever_the_catalog_says_by_then() {
    let mut story = Story::of(&two_machines());
    machines(&mut story.world, 3, 5);
    story.settle();
    assert_eq!(story.account().held, cpu(6));
    machines(&mut story.world, 4, 5);
    story.settle();
    story.approve();
    let granted = &story.world.grants[0].spec.hard;
    assert_eq!(granted.of("requests.cpu"), Quantity::units(6), "not 8");
    assert_eq!(story.status().sizes[0].product, "zj-zhuji");
    // Who asks now is judged by what there is now.
    let mut later = Story::of(&two_machines());
    machines(&mut later.world, 4, 5);
    later.settle();
    assert_eq!(later.account().held, cpu(8));
}

#[test]
fn a_size_that_is_gone_from_the_catalog_is_enacted_as_well() {
    let mut story = Story::of(&two_machines());
    machines(&mut story.world, 3, 5);
    story.settle();
    story.world.products[0].spec.sizes[0].name = "xin".into();
    story.settle();
    story.approve();
    assert_eq!(story.world.grants.len(), 1);
}

#[test]
fn what_is_asked_for_from_a_later_day_on_is_opened_that_day() {
    let mut story = Story::of(&json!({ "from": "2026-11-20" }));
    story.settle();
    story.approve();
    assert_eq!(story.phase(), Phase::Approved);
    assert_eq!(
        story.ready(),
        (ConditionStatus::Unknown, Reason::BeginsLater)
    );
    assert_eq!(story.account().held, cpu(6), "its capacity is kept");
    assert_eq!(story.world.grants.len(), 0);
    assert!(story.plan().requeue.is_some(), "it looks again by itself");
    // The end of the day before, and the first instant of the day, in Beijing.
    story.now = "2026-11-19T15:50:00Z".parse().unwrap();
    story.settle();
    assert_eq!(story.world.grants.len(), 0);
    story.now = "2026-11-19T16:00:00Z".parse().unwrap();
    story.settle();
    assert_eq!(story.world.grants.len(), 1);
}

fn handed_on(story: &mut Story) {
    story.settle();
    story.append(
        "delegations",
        json!({ "stage": "UnitHead", "by": "tou", "to": "fu", "reason": "r" }),
    );
    story.append(
        "decisions",
        json!({ "stage": "UnitHead", "by": "fu", "onBehalf": "tou", "outcome": "Approve", "comment": "c" }),
    );
}

#[test]
fn a_decision_that_was_handed_on_waits_for_what_its_giver_may_do() {
    let mut story = Story::new();
    handed_on(&mut story);
    assert_eq!(story.status().uncounted[0].why, Why::DelegatorUnknown);
    let asked = Inquiry::Right {
        of: ("uid-r1".into(), 0),
        right: Right {
            user: "tou".into(),
            verb: "approve-unithead",
            resource: "resourcerequests",
            namespace: "qp-shui".into(),
            name: None,
        },
    };
    assert_eq!(story.plan().inquiries, [asked]);
    story.world.rights = [(0, true)].into();
    story.settle();
    assert_eq!(story.status().uncounted, []);
    assert!(story.status().chain[0].done.is_some());
    // What counted counts on, also for an operator that has forgotten the answer.
    story.world.rights.clear();
    story.settle();
    assert!(story.status().chain[0].done.is_some());
    assert_eq!(story.plan().inquiries, []);
}

#[test]
fn whoever_lost_the_right_has_handed_nothing_on_and_somebody_else_decides() {
    let mut story = Story::new();
    handed_on(&mut story);
    story.world.rights = [(0, false)].into();
    story.settle();
    assert_eq!(story.status().uncounted[0].why, Why::DelegatorLost);
    assert!(story.status().chain[0].done.is_none());
    assert_eq!(
        story.ready(),
        (ConditionStatus::Unknown, Reason::DelegatorLost)
    );
    let said = story.status();
    let said = &said.conditions.get(ConditionType::Ready).unwrap().message;
    assert!(
        said.contains("fu decided at UnitHead for tou") && said.contains("approve-unithead"),
        "{said}"
    );
    // It stays so when the right comes back, and the next decision counts.
    story.world.rights = [(0, true)].into();
    story.settle();
    assert_eq!(story.status().uncounted[0].why, Why::DelegatorLost);
    story.decide("UnitHead", "tou", "Approve");
    assert!(story.status().chain[0].done.is_some());
}

#[test]
fn where_groups_decide_what_admission_found_holds() {
    let mut story = Story::new();
    story.settle();
    story.decide("UnitHead", "tou", "Approve");
    story.append(
        "delegations",
        json!({ "stage": "Authority", "by": "ke", "to": "fu", "reason": "r" }),
    );
    story.world.rights = [(1, false)].into();
    story.append(
        "decisions",
        json!({ "stage": "Authority", "by": "fu", "onBehalf": "ke", "outcome": "Approve", "comment": "c" }),
    );
    assert_eq!(story.status().uncounted, []);
    assert!(story.status().chain[1].done.is_some());
}

#[test]
fn a_test_that_goes_into_production_is_recorded_as_that_and_ends_no_more() {
    let mut story = Story::of(&change(8));
    let mut test = existing(0);
    test.spec.environment = Some(crds::resource_request::Environment::Test);
    test.spec.lease = serde_json::from_value(json!({ "until": "2026-11-17" })).unwrap();
    story.world.grants = vec![test];
    story.request.spec.application.environment = crds::resource_request::Environment::Production;
    story.pool();
    story.settle();
    story.approve();
    let spec = &story.world.grants[0].spec;
    assert_eq!(spec.lease, None);
    assert_eq!(
        spec.environment,
        Some(crds::resource_request::Environment::Production)
    );
}

#[test]
fn what_was_delivered_by_hand_is_changed_or_taken_back_by_an_order_that_says_what_it_is() {
    for (kind, purpose, more, count) in [
        ("Release", Purpose::Release, json!({}), 2),
        ("Renew", Purpose::Renewal, json!({}), 2),
        (
            "Change",
            Purpose::Change,
            json!({ "offering": "yuming", "product": "zj-yuming", "size": "unit", "count": 5 }),
            5,
        ),
    ] {
        let items = json!([{ "name": "ym", "offering": "yuming", "platform": "zj", "zone": "Extranet",
                             "product": "zj-yuming", "size": "unit", "count": 2 }]);
        let mut story = Story::of(&json!({ "items": items }));
        catalog(&mut story.world, 5);
        story.settle();
        story.approve();
        story.work("r1-ym", "Done");
        let mut item = json!({ "name": "ym", "platform": "zj", "zone": "Extranet", "delivered": { "request": "r1", "item": "ym" } });
        let item_more = more.as_object().unwrap().clone();
        item.as_object_mut().unwrap().extend(item_more);
        let mut back = Story::of(&json!({
            "type": kind, "environment": "Production", "until": "2026-12-31", "items": [item],
        }));
        catalog(&mut back.world, 5);
        back.request.metadata.name = Some("r2".into());
        let there = std::iter::once(&story.request);
        back.world.standing = crds::resource_request::preview::standing(there, Some("r2"));
        back.settle();
        assert_eq!(back.phase(), Phase::Reviewing, "people decide on it");
        back.approve();
        let order = back.world.orders[0].spec.clone();
        assert_eq!((order.purpose, order.count), (purpose, Some(count)));
        assert_eq!(order.product.as_deref(), Some("zj-yuming"));
        assert_eq!(order.delivered.unwrap().request, "r1");
        assert_eq!(order.until.unwrap().to_string(), "2026-12-31");
        back.work("r2-ym", "Failed");
        assert!(back.status().delivery.unwrap().entries[0].failed);
        back.work("r2-ym", "Done");
        assert!(!back.status().delivery.unwrap().entries[0].failed);
        assert_eq!(back.ready().1, Reason::Delivered);
    }
}

#[test]
fn an_order_that_failed_is_taken_up_again_and_the_sheet_says_what_came_of_it() {
    let items = json!([{ "name": "ym", "offering": "yuming", "platform": "zj", "zone": "Extranet",
                         "product": "zj-yuming", "size": "unit", "count": 1 }]);
    let mut story = Story::of(&json!({ "items": items }));
    catalog(&mut story.world, 5);
    story.settle();
    story.approve();
    let mut step = |state: &str, comment: &str| {
        let step = json!({ "by": "yw-1", "state": state, "comment": comment });
        let progress = &mut story.world.orders[0].spec.progress;
        progress.push(serde_json::from_value(step).unwrap());
        story.settle();
        (
            story.ready().1,
            story.status().delivery.unwrap().entries[0].note.clone(),
        )
    };
    let (reason, note) = step("Failed", "无可用域名");
    assert_eq!(
        (reason, note.as_deref()),
        (Reason::WorkFailed, Some("无可用域名"))
    );
    let (reason, _) = step("InProgress", "已协调");
    assert_ne!(reason, Reason::WorkFailed);
    let (reason, note) = step("Done", "a.example.gov.cn");
    assert_eq!(
        (reason, note.as_deref()),
        (Reason::Delivered, Some("a.example.gov.cn"))
    );
}
