//! What was delivered costs, by month: from the delivery of requests and the prices of the product catalog. Pure.
//!
//! A line is in force from its delivery until it is changed, released or at its end; a month is charged by days, to the fen.
//! What nobody has priced (未定价) is not free of charge: it is counted apart, and no sum holds it.

mod prices;

use std::collections::BTreeMap;

pub use prices::Prices;

use crds::calendar::day_of;
use crds::cloud_product::ProductSize;
use crds::keys::tenant_of_namespace;
use crds::money::Money;
use crds::money_budget::{Commitment, shares};
use crds::resource_request::{ApplicationType, Item};
use crds::tenant_quota::FundingSource;
use crds::{CloudProduct, ResourceRequest, work_order};
use jiff::civil::Date;
use kube::ResourceExt as _;

use crate::i18n::Lang;

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
    /// What it costs a month.
    pub prices: Prices,
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

    /// As people say it.
    #[must_use]
    pub fn in_words(self, lang: Lang) -> String {
        let month = self.first.month().to_string();
        let name = lang.find(&format!("month.{month}")).unwrap_or(&month);
        let year = self.first.year().to_string();
        lang.say("month.words", &[("year", &year), ("month", name)])
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
            let grant = place(&request.name_any(), item);
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
                    // What was delivered by hand stands under its last change from then on.
                    let now = (namespace.clone(), stands(&request.name_any(), item));
                    standing.entry(now).or_default().push(lines.len());
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

/// Where what an item is about stands: in its grant, or in the order that it was given out in.
#[must_use]
pub fn place(request: &str, item: &Item) -> String {
    let delivered = item.delivered.as_ref();
    let then = delivered.map(|d| work_order::name_of(&d.request, &d.item));
    then.unwrap_or_else(|| stands(request, item))
}

/// Where an item that was delivered stands.
fn stands(request: &str, item: &Item) -> String {
    let own = || work_order::name_of(request, &item.name);
    item.grant.clone().unwrap_or_else(own)
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
    let offering = item.offering.clone();
    let offering = offering.or_else(|| product.map(|product| product.spec.offering.clone()));
    let project = request.spec.application.project.as_ref();
    Line {
        grant: stands(&request.name_any(), item),
        tenant: tenant_of_namespace(&namespace)
            .unwrap_or_default()
            .to_owned(),
        request: request.name_any(),
        offering: offering.unwrap_or_default(),
        platform: item.platform.clone(),
        prices: prices(request, item, size),
        from,
        until,
        funding: project.map_or_else(Vec::new, |project| {
            let shares = project.funding.iter();
            shares.map(|share| (share.source, share.percent)).collect()
        }),
    }
}

/// What it was approved at, and what the catalog says of its size now. A change of amounts alone was approved at what its
/// request said.
fn prices(request: &ResourceRequest, item: &Item, now: Option<&ProductSize>) -> Prices {
    let status = request.status.as_ref();
    let alone = request.spec.application.items.len() == 1;
    if item.product.is_none() {
        return Prices::flat(status.filter(|_| alone).and_then(|s| s.monthly_cost));
    }
    let mut decided = status.iter().flat_map(|s| &s.sizes);
    let decided = decided.find(|d| {
        item.product.as_ref() == Some(&d.product) && item.size.as_ref() == Some(&d.size.name)
    });
    let decided = decided.and_then(|d| d.size.price.as_ref());
    let now = now.and_then(|size| size.price.as_ref());
    Prices::of(decided, now, item.count.unwrap_or(1))
}

/// What a line costs in a month: nothing said where it was not in force, and no sum where it has no price.
#[must_use]
pub fn charge(line: &Line, month: Month, today: Date) -> Option<Option<Money>> {
    let (first, last) = (month.first.max(line.from), month.last().min(today));
    let last = line.until.map_or(last, |until| last.min(until));
    if first > last {
        return None;
    }
    Some(line.prices.charge(first, last))
}

/// What is in force on a day, by unit: yuan a month, by who pays, and how much of it has no price.
#[must_use]
pub fn in_force(lines: &[Line], today: Date) -> BTreeMap<String, Commitment> {
    let mut sums: BTreeMap<String, Commitment> = BTreeMap::new();
    let stands = |line: &&Line| line.from <= today && line.until.is_none_or(|until| until >= today);
    for line in lines.iter().filter(stands) {
        let sum = sums.entry(line.tenant.clone()).or_default();
        sum.add(line.prices.on(today), &line.funding);
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
        for (source, share) in shares(charge, &line.funding) {
            add(Some(source), share);
        }
    }
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.priced));
    sums
}

#[cfg(test)]
mod tests;
