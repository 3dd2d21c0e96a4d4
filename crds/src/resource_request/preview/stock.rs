//! How much of each product is taken: what was given out or is held, without what was released.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::application::{ApplicationType, Item};
use super::super::{EventKind, Phase, ResourceRequest, record};

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

/// Whether a request has given something back: a release that was carried out.
#[must_use]
pub fn gave_back(request: &ResourceRequest) -> bool {
    request.spec.application.type_ == ApplicationType::Release
        && matches!(phase(request), Phase::Delivered | Phase::Accepted)
}

/// Whether the grant that an item became was released after it.
fn is_released(request: &ResourceRequest, item: &Item, releases: &[&ResourceRequest]) -> bool {
    let status = request.status.as_ref();
    let mut grants = status.iter().flat_map(|s| &s.grants);
    let became = grants.find(|g| {
        g.platform == item.platform
            && Some(&g.pool) == item.pool.as_ref()
            && item.grant.as_ref().is_none_or(|named| *named == g.grant)
    });
    let Some(became) = became else { return false };
    releases.iter().any(|release| {
        let mut items = release.spec.application.items.iter();
        release.metadata.namespace == request.metadata.namespace
            && order(release) > order(request)
            && items.any(|i| i.grant.as_ref() == Some(&became.grant))
    })
}

/// How many of each product others have taken: who holds its capacity or was delivered, and who came before; what was released
/// is free again.
#[must_use]
pub fn taken<'a>(
    requests: impl Iterator<Item = &'a ResourceRequest>,
    me: Option<&ResourceRequest>,
) -> BTreeMap<String, u32> {
    let requests: Vec<&ResourceRequest> = requests.collect();
    let mine = me.map(order);
    let held = |r: &ResourceRequest| {
        let status = r.status.as_ref();
        status.is_some_and(|s| record::at(&s.timeline, EventKind::Held, None).is_some())
    };
    let releases: Vec<_> = requests.iter().copied().filter(|r| gave_back(r)).collect();
    let mut taken = BTreeMap::new();
    for request in requests.iter().copied() {
        let gone = matches!(phase(request), Phase::Rejected | Phase::Withdrawn);
        let before = mine
            .as_ref()
            .is_none_or(|m| order(request) < *m && me.is_none_or(|me| !held(me)));
        let is_me = mine.as_ref().is_some_and(|m| order(request) == *m);
        let adds = !matches!(
            request.spec.application.type_,
            ApplicationType::Renew | ApplicationType::Release
        );
        if gone || is_me || !adds || !(before || held(request)) {
            continue;
        }
        for item in &request.spec.application.items {
            if let Some(product) = &item.product
                && !is_released(request, item, &releases)
            {
                *taken.entry(product.clone()).or_insert(0) += item.count.unwrap_or(1);
            }
        }
    }
    taken
}
