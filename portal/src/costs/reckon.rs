//! What was delivered costs, by month: from the delivery of requests and the prices of the product catalog. Pure.
//!
//! A line is in force from its delivery until it is changed, released or at its end; a month is charged by days, to the fen.
//! What nobody has priced (未定价) is not free of charge: it is counted apart, and no sum holds it.

use std::collections::BTreeMap;

use crds::calendar::day_of;
use crds::keys::tenant_of_namespace;
use crds::money::Money;
use crds::money_budget::Monthly;
use crds::resource_request::{ApplicationType, Item};
use crds::tenant_quota::FundingSource;
use crds::{CloudProduct, ResourceRequest, work_order};
use jiff::civil::Date;
use kube::ResourceExt as _;

/// Something that was delivered and is charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The unit.
    pub tenant: String,
    /// The request that it was delivered by.
    pub request: String,
    /// The grant that it is a part of.
    pub grant: String,
    /// The service; the product's name, or nothing for plain resources.
    pub offering: String,
    /// The platform.
    pub platform: String,
    /// Yuan a month, where it has a price.
    pub monthly: Option<Money>,
    /// The first day of that price; days before it have none.
    pub priced: Option<Date>,
    /// The first day.
    pub from: Date,
    /// The last day; absent where it goes on.
    pub until: Option<Date>,
    /// Who pays which share, in percent.
    pub funding: Vec<(FundingSource, u8)>,
}

/// A month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    first: Date,
}

/// What something comes to in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// What has a price.
    pub priced: Money,
    /// How many lines have none.
    pub unpriced: usize,
    /// How many lines there are.
    pub lines: usize,
}

impl Sum {
    fn add(&mut self, charge: Option<Money>) {
        self.lines += 1;
        match charge {
            Some(money) => self.priced = self.priced.plus(money),
            None => self.unpriced += 1,
        }
    }
}

impl Month {
    /// The month of a day.
    #[must_use]
    pub fn of(day: Date) -> Self {
        Self {
            first: day.first_of_month(),
        }
    }

    /// A month as it is written, `2026-11`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        format!("{text}-01").parse().ok().map(Self::of)
    }

    /// The one before.
    #[must_use]
    pub fn before(self) -> Self {
        self.first.yesterday().map_or(self, Self::of)
    }

    fn last(self) -> Date {
        self.first.last_of_month()
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

/// What was delivered, as lines with when each was in force.
#[must_use]
pub fn lines<'a>(
    requests: impl IntoIterator<Item = &'a ResourceRequest>,
    products: &BTreeMap<String, &CloudProduct>,
) -> Vec<Line> {
    let mut delivered: Vec<_> = requests
        .into_iter()
        .filter_map(|request| {
            let at = request.status.as_ref()?.delivery.as_ref()?.at;
            Some((at, request))
        })
        .collect();
    delivered.sort_by_key(|(at, request)| (*at, request.name_any()));
    // By unit and grant: what is in force there at the moment, by its places among the lines.
    let mut standing: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    let mut lines: Vec<Line> = Vec::new();
    for (at, request) in delivered {
        let day = day_of(at).0;
        let namespace = request.namespace().unwrap_or_default();
        let application = &request.spec.application;
        let ends = application.until.map(|until| until.0);
        let mut cleared = std::collections::BTreeSet::new();
        for item in &application.items {
            if could_not(request, item) {
                continue;
            }
            let grant = place(request, item);
            let key = (namespace.clone(), grant);
            let there = standing.entry(key.clone()).or_default();
            match application.type_ {
                ApplicationType::Renew => {
                    for place in there.iter() {
                        lines[*place].until = ends;
                    }
                }
                ApplicationType::Release => end(&mut lines, there, day),
                ApplicationType::Change => {
                    // Items of one grant are one grant: they replace what stood there once.
                    if cleared.insert(key) {
                        end(&mut lines, there, day);
                    }
                    there.push(lines.len());
                    lines.push(line(request, item, products, (day, ends)));
                }
                ApplicationType::New | ApplicationType::Exception => {
                    there.push(lines.len());
                    lines.push(line(request, item, products, (day, ends)));
                }
            }
        }
    }
    lines
}

/// Where an item stands: in its grant, or in the order that it was given out in.
fn place(request: &ResourceRequest, item: &Item) -> String {
    let delivered = item.delivered.as_ref();
    let then = delivered.map(|d| work_order::name_of(&d.request, &d.item));
    let own = || work_order::name_of(&request.name_any(), &item.name);
    item.grant.clone().or(then).unwrap_or_else(own)
}

/// Whether the operations provider could not do it: it is not there, or not taken back, and the sheet says so.
fn could_not(request: &ResourceRequest, item: &Item) -> bool {
    let order = work_order::name_of(&request.name_any(), &item.name);
    let delivery = request.status.iter().filter_map(|s| s.delivery.as_ref());
    let mut entries = delivery.flat_map(|d| &d.entries);
    entries.any(|e| e.failed && e.work_order.as_ref() == Some(&order))
}

fn end(lines: &mut [Line], places: &mut Vec<usize>, day: Date) {
    for place in places.drain(..) {
        let last = day.yesterday().ok();
        let until = lines[place].until;
        lines[place].until = match (until, last) {
            (Some(until), Some(last)) => Some(until.min(last)),
            (until, last) => last.or(until),
        };
    }
}

fn line(
    request: &ResourceRequest,
    item: &Item,
    products: &BTreeMap<String, &CloudProduct>,
    (from, until): (Date, Option<Date>),
) -> Line {
    let namespace = request.namespace().unwrap_or_default();
    let product = item.product.as_ref().and_then(|name| products.get(name));
    let size = product.and_then(|product| {
        let name = item.size.as_deref()?;
        product.spec.sizes.iter().find(|size| size.name == name)
    });
    let price = size.and_then(|size| size.price.as_ref());
    let offering = item.offering.clone();
    let offering = offering.or_else(|| product.map(|product| product.spec.offering.clone()));
    let project = request.spec.application.project.as_ref();
    Line {
        grant: place(request, item),
        tenant: tenant_of_namespace(&namespace)
            .unwrap_or_default()
            .to_owned(),
        request: request.name_any(),
        offering: offering.unwrap_or_default(),
        platform: item.platform.clone(),
        monthly: price.map(|price| price.monthly.times(item.count.unwrap_or(1))),
        priced: price.and_then(|price| price.since).map(|since| since.0),
        from,
        until,
        funding: project.map_or_else(Vec::new, |project| {
            let shares = project.funding.iter();
            shares.map(|share| (share.source, share.percent)).collect()
        }),
    }
}

/// What a line costs in a month: nothing said where it was not in force, and no sum where it has no price.
#[must_use]
pub fn charge(line: &Line, month: Month, today: Date) -> Option<Option<Money>> {
    let (first, last) = (month.first.max(line.from), month.last().min(today));
    let last = line.until.map_or(last, |until| last.min(until));
    if first > last {
        return None;
    }
    let Some(monthly) = line.monthly else {
        return Some(None);
    };
    // A price holds from its first day on: days before it have none, and so has the month.
    if line.priced.is_some_and(|since| since > first) {
        return Some(None);
    }
    let days = i64::from(last.day() - first.day()) + 1;
    let whole = i64::from(month.last().day());
    let fen = (monthly.in_fen().saturating_mul(days) + whole / 2) / whole;
    Some(Some(Money::fen(fen)))
}

/// What is in force on a day, by unit: yuan a month, and how much of it has no price.
#[must_use]
pub fn in_force(lines: &[Line], today: Date) -> BTreeMap<String, Monthly> {
    let mut sums: BTreeMap<String, Monthly> = BTreeMap::new();
    let stands = |line: &&Line| line.from <= today && line.until.is_none_or(|until| until >= today);
    for line in lines.iter().filter(stands) {
        let priced = line
            .monthly
            .filter(|_| line.priced.is_none_or(|p| p <= today));
        let sum = sums.entry(line.tenant.clone()).or_default();
        *sum = sum.and(priced);
    }
    sums
}

/// Sums of a month by what is asked for, greatest first.
#[must_use]
pub fn sums<K: Ord>(
    lines: &[Line],
    (month, today): (Month, Date),
    key: impl Fn(&Line) -> K,
) -> Vec<(K, Sum)> {
    let mut sums: BTreeMap<K, Sum> = BTreeMap::new();
    for line in lines {
        if let Some(charge) = charge(line, month, today) {
            sums.entry(key(line)).or_default().add(charge);
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.priced));
    sums
}

/// Sums of a month by who pays: shares in percent, what is left of rounding with the first one.
#[must_use]
pub fn by_funding(
    lines: &[Line],
    (month, today): (Month, Date),
) -> Vec<(Option<FundingSource>, Sum)> {
    let mut sums: Vec<(Option<FundingSource>, Sum)> = Vec::new();
    let mut add = |source: Option<FundingSource>, charge: Option<Money>| {
        let place = sums.iter().position(|(there, _)| *there == source);
        let place = place.unwrap_or_else(|| {
            sums.push((source, Sum::default()));
            sums.len() - 1
        });
        sums[place].1.add(charge);
    };
    for line in lines {
        let Some(charge) = charge(line, month, today) else {
            continue;
        };
        if line.funding.is_empty() {
            add(None, charge);
        }
        let mut left = charge.map_or(0, Money::in_fen);
        for (nth, (source, percent)) in line.funding.iter().enumerate().rev() {
            let share = charge.map(|money| {
                let fen = if nth == 0 {
                    left
                } else {
                    money.in_fen().saturating_mul(i64::from(*percent)) / 100
                };
                left -= fen;
                Money::fen(fen)
            });
            add(Some(*source), share);
        }
    }
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.priced));
    sums
}

#[cfg(test)]
mod tests {
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
}
