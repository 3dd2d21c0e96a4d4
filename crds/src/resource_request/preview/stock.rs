//! How much of each product is taken: what was given out or is held, without what was released.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::application::{ApplicationType, DeliveredItem, Item};
use super::super::{EventKind, Phase, ResourceRequest, record};
use crate::work_order;

/// In which order requests came.
type Order = (Option<Timestamp>, Option<String>, Option<String>);

fn order(request: &ResourceRequest) -> Order {
    let meta = &request.metadata;
    let created = meta.creation_timestamp.as_ref().map(|t| t.0);
    (created, meta.namespace.clone(), meta.name.clone())
}

fn phase(request: &ResourceRequest) -> Phase {
    let status = request.status.as_ref();
    status.and_then(|s| s.phase).unwrap_or_default()
}

/// Whether a request is in its course: what it asks for is held, or nothing needs to be.
fn is_held(request: &ResourceRequest) -> bool {
    let status = request.status.as_ref();
    status.is_some_and(|s| record::at(&s.timeline, EventKind::Held, None).is_some())
}

/// Whether a request has given something back: a release that was carried out.
#[must_use]
pub fn gave_back(request: &ResourceRequest) -> bool {
    request.spec.application.type_ == ApplicationType::Release
        && matches!(phase(request), Phase::Delivered | Phase::Accepted)
}

/// Whether the operations provider could not do what an item was given out for.
fn has_failed(request: &ResourceRequest, item: &Item) -> bool {
    let name = request.metadata.name.as_deref().unwrap_or_default();
    let order = work_order::name_of(name, &item.name);
    let delivery = request.status.iter().filter_map(|s| s.delivery.as_ref());
    let mut entries = delivery.flat_map(|d| &d.entries);
    entries.any(|e| e.failed && e.work_order.as_ref() == Some(&order))
}

/// Whether a request takes back what was delivered by hand, or makes something else of it.
fn takes_over(request: &ResourceRequest) -> bool {
    matches!(
        request.spec.application.type_,
        ApplicationType::Release | ApplicationType::Change
    )
}

/// Whether something of what stood is no more: a release that was carried out, or a change of what was delivered by hand.
fn has_ended(request: &ResourceRequest) -> bool {
    let status = request.status.as_ref();
    let delivered = || status.is_some_and(|s| s.delivery.is_some());
    gave_back(request) || request.spec.application.type_ == ApplicationType::Change && delivered()
}

/// Whether a release or a change names an item that was delivered by hand.
fn names(release: &ResourceRequest, request: &ResourceRequest, item: &Item) -> bool {
    let name = request.metadata.name.as_ref();
    let mut items = release.spec.application.items.iter();
    let is = |i: &&Item| {
        let delivered = i.delivered.as_ref();
        delivered.is_some_and(|d| (Some(&d.request), &d.item) == (name, &item.name))
    };
    release.metadata.namespace == request.metadata.namespace
        && items.any(|i| is(&i) && !has_failed(release, i))
}

/// What was delivered by hand, by request and item.
pub type Standing = BTreeMap<DeliveredItem, Item>;

/// What was delivered by hand to a unit and nobody has given back or changed, or is about to but `me`: what it may change,
/// renew or release. `requests` are the unit's.
#[must_use]
pub fn standing<'a>(
    requests: impl Iterator<Item = &'a ResourceRequest> + Clone,
    me: Option<&str>,
) -> Standing {
    let releases = requests.clone().filter(|r| {
        let gone = matches!(phase(r), Phase::Rejected | Phase::Withdrawn);
        let mine = me.is_some() && r.metadata.name.as_deref() == me;
        let runs = is_held(r) && !gone && !mine;
        takes_over(r) && runs
    });
    let releases: Vec<_> = releases.collect();
    let mut standing = Standing::new();
    for request in requests.filter(|r| adds(r)) {
        let status = request.status.as_ref();
        let Some(status) = status.filter(|s| s.delivery.is_some()) else {
            continue;
        };
        let name = request.metadata.name.clone().unwrap_or_default();
        for item in &request.spec.application.items {
            let by_hand = status
                .work_orders
                .contains(&work_order::name_of(&name, &item.name));
            let back = releases.iter().any(|r| names(r, request, item));
            if by_hand && !back && !has_failed(request, item) {
                let key = DeliveredItem {
                    request: name.clone(),
                    item: item.name.clone(),
                };
                standing.insert(key, item.clone());
            }
        }
    }
    standing
}

/// Whether a request takes of products, and does not only prolong or give back.
fn adds(request: &ResourceRequest) -> bool {
    !matches!(
        request.spec.application.type_,
        ApplicationType::Renew | ApplicationType::Release
    )
}

/// Whether what an item became was released after it: the grant, or what was delivered by hand.
fn is_released(request: &ResourceRequest, item: &Item, releases: &[&ResourceRequest]) -> bool {
    if releases.iter().any(|release| names(release, request, item)) {
        return true;
    }
    let status = request.status.as_ref();
    let mut grants = status.iter().flat_map(|s| &s.grants);
    let became = grants.find(|g| {
        g.platform == item.platform
            && Some(&g.pool) == item.pool.as_ref()
            && item.grant.as_ref().is_none_or(|named| *named == g.grant)
    });
    let Some(became) = became else { return false };
    let of_grants = releases.iter().filter(|release| gave_back(release));
    of_grants.into_iter().any(|release| {
        let mut items = release.spec.application.items.iter();
        release.metadata.namespace == request.metadata.namespace
            && order(release) > order(request)
            && items.any(|i| i.grant.as_ref() == Some(&became.grant))
    })
}

/// How many stand of what a change names, until it is carried out: they are counted there where they were given out.
fn changed(request: &ResourceRequest, item: &Item, requests: &[&ResourceRequest]) -> u32 {
    let Some(named) = item.delivered.as_ref().filter(|_| !has_ended(request)) else {
        return 0;
    };
    let mut requests = requests.iter();
    let then = requests.find(|r| {
        r.metadata.namespace == request.metadata.namespace
            && r.metadata.name.as_ref() == Some(&named.request)
    });
    let mut items = then.iter().flat_map(|r| &r.spec.application.items);
    let there = items.find(|i| i.name == named.item);
    there.map_or(0, |there| there.count.unwrap_or(1))
}

/// How many of each product others have taken: who holds its capacity or was delivered, and who came before; what was released
/// is free again, and so is what the operations provider could not do.
#[must_use]
pub fn taken<'a>(
    requests: impl Iterator<Item = &'a ResourceRequest>,
    me: Option<&ResourceRequest>,
) -> BTreeMap<String, u32> {
    let requests: Vec<&ResourceRequest> = requests.collect();
    let mine = me.map(order);
    let releases: Vec<_> = requests.iter().copied().filter(|r| has_ended(r)).collect();
    let mut taken = BTreeMap::new();
    for request in requests.iter().copied() {
        let gone = matches!(phase(request), Phase::Rejected | Phase::Withdrawn);
        let before = mine
            .as_ref()
            .is_none_or(|m| order(request) < *m && me.is_none_or(|me| !is_held(me)));
        let is_me = mine.as_ref().is_some_and(|m| order(request) == *m);
        if gone || is_me || !adds(request) || !(before || is_held(request)) {
            continue;
        }
        for item in &request.spec.application.items {
            if let Some(product) = &item.product
                && !is_released(request, item, &releases)
                && !has_failed(request, item)
            {
                let stands = changed(request, item, &requests);
                let more = item.count.unwrap_or(1).saturating_sub(stands);
                *taken.entry(product.clone()).or_insert(0) += more;
            }
        }
    }
    taken
}
