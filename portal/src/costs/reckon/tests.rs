//! Lines, months and shares, on requests made up for it.

use super::*;
use serde_json::{Value, json};

fn product(price: &Value) -> CloudProduct {
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "CloudProduct", "metadata": { "name": "zj-vm" },
        "spec": {
            "displayName": { "zh": "云主机" }, "offering": "vm", "platform": "zj", "zone": "Extranet", "fulfilment": "WorkOrder",
            "sizes": [{ "name": "s", "price": price }, { "name": "free-of-price" }],
        },
    }))
    .unwrap()
}

fn request(
    name: &str,
    type_: &str,
    item: &Value,
    at: &str,
    until: Option<&str>,
) -> ResourceRequest {
    let mut application = json!({
        "type": type_, "environment": "Production", "title": "t", "justification": "j", "items": [item],
        "project": { "name": "p", "approvalNumber": "1", "funding": [{ "source": "OwnBudget", "percent": 70 }, { "source": "Project", "percent": 30 }] },
    });
    if let Some(until) = until {
        application["until"] = json!(until);
    }
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest", "metadata": { "name": name, "namespace": "qp-renshe" },
        "spec": { "classified": false, "application": application },
        "status": { "phase": "Delivered", "delivery": { "at": at, "entries": [] } },
    }))
    .unwrap()
}

fn vm(grant: Option<&str>, size: &str, count: u32) -> Value {
    let mut item = json!({ "name": "vm", "platform": "zj", "zone": "Extranet", "product": "zj-vm", "size": size, "count": count });
    if let Some(grant) = grant {
        item["grant"] = json!(grant);
    }
    item
}

fn reckoned(price: &Value, requests: &[ResourceRequest]) -> Vec<Line> {
    let product = product(price);
    lines(requests, &BTreeMap::from([("zj-vm".to_owned(), &product)]))
}

fn sum(lines: &[Line], month: &str, today: &str) -> Sum {
    let when = (Month::read(month).unwrap(), today.parse().unwrap());
    let all = sums(lines, when, |_| ());
    all.first().map(|((), sum)| *sum).unwrap_or_default()
}

#[test]
fn a_month_is_charged_by_days_to_the_fen() {
    let price = json!({ "monthly": "300" });
    let lines = reckoned(
        &price,
        &[request(
            "r",
            "New",
            &vm(None, "s", 2),
            "2026-11-15T16:30:00Z",
            None,
        )],
    );
    assert_eq!(lines[0].from.to_string(), "2026-11-16", "a day of Beijing");
    assert_eq!(
        sum(&lines, "2026-11", "2026-11-30").priced.to_string(),
        "300.00"
    );
    assert_eq!(
        sum(&lines, "2026-11", "2026-11-16").priced.to_string(),
        "20.00"
    );
    assert_eq!(
        sum(&lines, "2026-12", "2027-03-01").priced.to_string(),
        "600.00"
    );
    assert_eq!(sum(&lines, "2026-10", "2027-03-01"), Sum::default());
}

#[test]
fn what_has_no_price_is_counted_and_never_added() {
    let requests = [
        request(
            "a",
            "New",
            &vm(None, "free-of-price", 1),
            "2026-11-01T01:00:00Z",
            None,
        ),
        request(
            "b",
            "New",
            &json!({ "name": "x", "platform": "zj", "zone": "Extranet", "resources": { "cpu": "4" } }),
            "2026-11-01T01:00:00Z",
            None,
        ),
        request("c", "New", &vm(None, "s", 1), "2026-11-01T01:00:00Z", None),
    ];
    let lines = reckoned(&json!({ "monthly": "10" }), &requests);
    let sum = sum(&lines, "2026-11", "2026-11-30");
    assert_eq!(
        (sum.priced.to_string().as_str(), sum.unpriced, sum.lines),
        ("10.00", 2, 3)
    );
    let later = reckoned(
        &json!({ "monthly": "10", "since": "2026-12-01" }),
        &requests[2..],
    );
    assert_eq!(
        super::sums(
            &later,
            (
                Month::read("2026-11").unwrap(),
                "2026-11-30".parse().unwrap()
            ),
            |_| ()
        )[0]
        .1
        .unpriced,
        1
    );
}

#[test]
fn changes_replace_releases_end_and_renewals_go_on() {
    let price = json!({ "monthly": "30" });
    let new = request(
        "r",
        "New",
        &vm(Some("g"), "s", 1),
        "2026-11-01T01:00:00Z",
        Some("2026-11-20"),
    );
    let of = |more: Vec<ResourceRequest>| {
        let all: Vec<_> = std::iter::once(new.clone()).chain(more).collect();
        sum(&reckoned(&price, &all), "2026-11", "2026-11-30")
            .priced
            .to_string()
    };
    assert_eq!(of(vec![]), "20.00");
    let renewed = request(
        "n",
        "Renew",
        &json!({ "name": "vm", "platform": "zj", "zone": "Extranet", "grant": "g" }),
        "2026-11-10T01:00:00Z",
        Some("2027-01-01"),
    );
    assert_eq!(of(vec![renewed]), "30.00");
    let changed = request(
        "c",
        "Change",
        &vm(Some("g"), "s", 3),
        "2026-11-11T01:00:00Z",
        None,
    );
    assert_eq!(
        of(vec![changed]),
        "70.00",
        "10 days of one, 20 days of three"
    );
    let released = request(
        "x",
        "Release",
        &json!({ "name": "vm", "platform": "zj", "zone": "Extranet", "grant": "g" }),
        "2026-11-11T01:00:00Z",
        None,
    );
    assert_eq!(of(vec![released]), "10.00");
}

#[test]
fn what_was_delivered_by_hand_costs_until_it_is_taken_back() {
    let price = json!({ "monthly": "30" });
    let new = request("r", "New", &vm(None, "s", 1), "2026-11-01T01:00:00Z", None);
    let back = json!({ "name": "vm", "platform": "zj", "zone": "Extranet", "delivered": { "request": "r", "item": "vm" } });
    let back = request("x", "Release", &back, "2026-11-11T01:00:00Z", None);
    let of = |requests: &[ResourceRequest]| {
        sum(&reckoned(&price, requests), "2026-11", "2026-11-30")
            .priced
            .to_string()
    };
    assert_eq!(of(&[new.clone(), back.clone()]), "10.00");
    // A change takes its place, and is what is taken back after it.
    let mut more = vm(None, "s", 3);
    more["delivered"] = json!({ "request": "r", "item": "vm" });
    let more = request("c", "Change", &more, "2026-11-11T01:00:00Z", None);
    assert_eq!(of(&[new.clone(), more.clone()]), "70.00");
    let last = json!({ "name": "vm", "platform": "zj", "zone": "Extranet", "delivered": { "request": "c", "item": "vm" } });
    let last = request("y", "Release", &last, "2026-11-21T01:00:00Z", None);
    assert_eq!(
        of(&[new.clone(), more, last]),
        "40.00",
        "10 days of one, 10 of three"
    );
    // What could not be taken back goes on, what could not be delivered costs nothing.
    let failed = |mut request: ResourceRequest| {
        let order = format!("{}-vm", request.name_any());
        let entry =
            json!({ "platform": "zj", "zone": "Extranet", "workOrder": order, "failed": true });
        let status = request.status.as_mut().unwrap();
        let delivery = status.delivery.as_mut().unwrap();
        delivery.entries = vec![serde_json::from_value(entry).unwrap()];
        request
    };
    assert_eq!(of(&[new.clone(), failed(back)]), "30.00");
    assert_eq!(of(&[failed(new)]), "0.00");
}

#[test]
fn shares_of_the_funding_add_up() {
    let price = json!({ "monthly": "0.01" });
    let lines = reckoned(
        &price,
        &[request(
            "r",
            "New",
            &vm(None, "s", 1),
            "2026-11-01T01:00:00Z",
            None,
        )],
    );
    let when = (
        Month::read("2026-11").unwrap(),
        "2026-11-30".parse().unwrap(),
    );
    let shares = by_funding(&lines, when);
    let fen: i64 = shares.iter().map(|(_, sum)| sum.priced.in_fen()).sum();
    assert_eq!((fen, shares[0].0), (1, Some(FundingSource::OwnBudget)));
}
