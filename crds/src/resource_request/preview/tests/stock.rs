//! What is taken of a stock, and what becomes free again.

use super::*;

#[test]
fn of_two_for_the_last_pieces_the_older_has_them() {
    let request = |name: &str, second: &str| -> ResourceRequest {
        serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
            "metadata": { "name": name, "namespace": "qp-a", "creationTimestamp": second },
            "spec": { "classified": false, "application": sized("2C4G", 3) },
        }))
        .unwrap()
    };
    let both = [
        request("late", "2026-11-22T00:00:02Z"),
        request("early", "2026-11-22T00:00:01Z"),
    ];
    assert_eq!(taken(both.iter(), Some(&both[0]))["zj-vm"], 3);
    assert!(taken(both.iter(), Some(&both[1])).is_empty());
    assert_eq!(taken(both.iter(), None)["zj-vm"], 6);
}

/// A request of the unit by which machines are delivered by hand, and one that releases or renews them.
fn by_hand(phase: &str, failed: bool) -> ResourceRequest {
    let mut items = serde_json::to_value(sized("2C4G", 4)).unwrap();
    items["items"][0]["name"] = json!("vm");
    then("r", "2026-11-01T00:00:00Z", &items, (phase, failed))
}

fn again(type_: &str, phase: &str, failed: bool) -> ResourceRequest {
    let mut asked = serde_json::to_value(application("zj")).unwrap();
    asked["type"] = json!(type_);
    asked["items"] = json!([{
        "name": "vm", "platform": "zj", "zone": "Extranet", "delivered": { "request": "r", "item": "vm" },
    }]);
    then("b", "2026-11-10T00:00:00Z", &asked, (phase, failed))
}

fn then(name: &str, at: &str, asked: &Value, (phase, failed): (&str, bool)) -> ResourceRequest {
    let order = format!("{name}-vm");
    let entry =
        json!({ "platform": "zj", "zone": "Extranet", "workOrder": order, "failed": failed });
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
        "metadata": { "name": name, "namespace": "qp-shuiwu", "creationTimestamp": at },
        "spec": { "classified": false, "application": asked },
        "status": {
            "timeline": [{ "kind": "Held", "at": at }], "phase": phase, "workOrders": [order],
            "delivery": if phase == "Delivered" { json!({ "at": at, "entries": [entry] }) } else { Value::Null },
        },
    }))
    .unwrap()
}

#[test]
fn what_was_delivered_by_hand_is_renewed_or_given_back_by_its_name() {
    let mut world = World::new();
    world.products[0].spec.fulfilment = Fulfilment::WorkOrder;
    world.platforms[0].spec.expansion = Expansion::Frozen;
    let delivered = by_hand("Delivered", false);
    world.standing = standing(std::iter::once(&delivered), None);
    let release = again("Release", "Submitted", false).spec.application;
    let back = world.preview(&release);
    assert_eq!((back.problems.len(), back.changes.len()), (0, 0));
    assert_eq!(
        (back.orders[0].item.as_str(), &back.orders[0].resources),
        ("vm", &list("8", "16Gi"))
    );
    assert_eq!(back.monthly(), Some(Money::default()));
    let mut renewal = again("Renew", "Submitted", false).spec.application;
    renewal.until = Some(Day("2026-11-30".parse().unwrap()));
    let renewed = world.preview(&renewal);
    assert_eq!((renewed.problems.len(), renewed.orders.len()), (0, 1));
    assert_eq!(renewed.monthly(), "482".parse().ok());
    let mut elsewhere = release.clone();
    elsewhere.items[0].zone = Zone::Internet;
    assert_eq!(world.refusal(&elsewhere).reason, Reason::DeliveredElsewhere);
    // What is not there, was never there, or is being given back cannot be given back.
    let gone = again("Release", "Reviewing", false);
    for requests in [
        vec![by_hand("Provisioning", false)],
        vec![by_hand("Delivered", true)],
        vec![delivered.clone(), gone.clone()],
    ] {
        world.standing = standing(requests.iter(), None);
        let refused = world.refusal(&release);
        assert_eq!(refused.reason, Reason::NotDelivered);
        assert!(!refused.message().contains('?'), "{}", refused.message());
    }
    let both = [delivered, gone];
    assert_eq!(
        standing(both.iter(), Some("b")).len(),
        1,
        "but by the one that does it"
    );
}

/// The change that makes another number of what was delivered by hand.
fn changed(count: u32, phase: &str, failed: bool) -> ResourceRequest {
    let mut request = again("Change", phase, failed);
    let item = &mut request.spec.application.items[0];
    let there = &by_hand("Delivered", false).spec.application.items[0];
    item.offering.clone_from(&there.offering);
    item.product.clone_from(&there.product);
    item.pool.clone_from(&there.pool);
    item.size.clone_from(&there.size);
    item.parameters.clone_from(&there.parameters);
    item.count = Some(count);
    request
}

#[test]
fn what_was_delivered_by_hand_becomes_more_or_less_of_the_same() {
    let mut world = World::new();
    world.products[0].spec.fulfilment = Fulfilment::WorkOrder;
    world.products[0].spec.stock = Some(6);
    let there = by_hand("Delivered", false);
    world.standing = standing(std::iter::once(&there), None);
    world.taken = taken(std::iter::once(&there), None);
    let asks = |count| changed(count, "Submitted", false).spec.application;
    let six = world.preview(&asks(6));
    assert_eq!((six.problems.len(), six.changes.len()), (0, 0));
    assert_eq!(six.orders[0].resources, list("12", "24Gi"), "all of it");
    assert_eq!(six.monthly(), "723".parse().ok(), "for six");
    let refused = world.refusal(&asks(7));
    assert_eq!(
        refused.reason,
        Reason::StockExhausted,
        "only 2 more are left"
    );
    // Fewer may be had also where there is nothing more to have.
    world.products[0].spec.withdrawn = true;
    world.platforms[0].spec.expansion = Expansion::Frozen;
    assert_eq!(world.preview(&asks(1)).problems, []);
    let refused = world.refusal(&asks(5));
    assert_eq!(refused.reason, Reason::ProductWithdrawn);
    world.products[0].spec.withdrawn = false;
    assert_eq!(world.refusal(&asks(5)).reason, Reason::PlatformFrozen);
    let mut other = asks(2);
    other.items[0].product = Some("zj-gpu".into());
    let refused = world.refusal(&other);
    assert_eq!(refused.reason, Reason::DeliveredOther);
    assert!(!refused.message().contains('?'), "{}", refused.message());
    let standing = |requests: &[ResourceRequest]| {
        let all = standing(requests.iter(), None);
        let all = all
            .iter()
            .map(|(key, item)| (key.request.clone(), item.count));
        all.collect::<Vec<_>>()
    };
    let count = |requests: &[ResourceRequest]| taken(requests.iter(), None)["zj-vm"];
    // While it is decided on and worked off nobody changes or gives back the same again; what it takes more is kept.
    let both = |phase: &str, failed| [there.clone(), changed(6, phase, failed)];
    assert_eq!(standing(&both("Provisioning", false)), []);
    assert_eq!(count(&both("Provisioning", false)), 6);
    assert_eq!(
        count(&[there.clone(), changed(1, "Provisioning", false)]),
        4
    );
    // Then it is what stands; where it could not be done, what stood before does.
    let is = |request: &str, count| vec![(request.to_owned(), Some(count))];
    assert_eq!(standing(&both("Delivered", false)), is("b", 6));
    assert_eq!(count(&both("Delivered", false)), 6);
    assert_eq!(count(&[there.clone(), changed(1, "Delivered", false)]), 1);
    assert_eq!(standing(&both("Delivered", true)), is("r", 4));
    assert_eq!(count(&both("Delivered", true)), 4);
}

#[test]
fn stock_is_free_once_it_was_taken_back_or_could_not_be_delivered() {
    let count = |requests: &[ResourceRequest]| {
        let taken = taken(requests.iter(), None);
        taken.get("zj-vm").copied().unwrap_or(0)
    };
    let there = || by_hand("Delivered", false);
    assert_eq!(count(&[there()]), 4);
    assert_eq!(count(&[by_hand("Provisioning", false)]), 4);
    assert_eq!(count(&[by_hand("Delivered", true)]), 0);
    assert_eq!(
        count(&[there(), again("Release", "Provisioning", false)]),
        4
    );
    assert_eq!(count(&[there(), again("Release", "Delivered", false)]), 0);
    assert_eq!(count(&[there(), again("Release", "Delivered", true)]), 4);
    assert_eq!(count(&[there(), again("Renew", "Delivered", false)]), 4);
}

#[test]
fn what_was_released_is_free_again() {
    let request =
        |name: &str, created: &str, application: &Value, status: &Value| -> ResourceRequest {
            serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
            "metadata": { "name": name, "namespace": "qp-shuiwu", "creationTimestamp": created },
            "spec": { "classified": false, "application": application }, "status": status,
        }))
        .unwrap()
        };
    let new = serde_json::to_value(sized("2C4G", 4)).unwrap();
    let held = json!([{ "kind": "Held", "at": "2026-11-01T00:00:00Z" }]);
    let grants = json!([{ "grant": "r-app", "platform": "zj", "pool": "gui", "hard": {} }]);
    let first = request(
        "r",
        "2026-11-01T00:00:00Z",
        &new,
        &json!({ "timeline": held, "phase": "Accepted", "grants": grants }),
    );
    let mut release = serde_json::to_value(application("zj")).unwrap();
    release["type"] = json!("Release");
    release["items"][0]["grant"] = json!("r-app");
    let back = |phase: &str| {
        request(
            "b",
            "2026-11-10T00:00:00Z",
            &release,
            &json!({ "timeline": held, "phase": phase }),
        )
    };
    let count = |requests: &[ResourceRequest]| {
        taken(requests.iter(), None)
            .get("zj-vm")
            .copied()
            .unwrap_or(0)
    };
    assert_eq!(count(std::slice::from_ref(&first)), 4);
    assert_eq!(
        count(&[first.clone(), back("Approved")]),
        4,
        "not before it is done"
    );
    assert_eq!(count(&[first.clone(), back("Delivered")]), 0);
    // A grant of the same name that was made after the release is another.
    let again = request(
        "s",
        "2026-11-12T00:00:00Z",
        &new,
        &json!({ "timeline": held, "phase": "Accepted", "grants": grants }),
    );
    assert_eq!(count(&[first, back("Accepted"), again]), 4);
}
