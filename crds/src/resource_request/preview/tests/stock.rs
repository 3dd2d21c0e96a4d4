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
