//! Who is told of what a request takes of the products' stock, delivers by hand or gives back.

use crds::ResourceRequest;
use crds::resource_request::{EventKind, Phase, preview, record};

use super::{Links, is_waiting, products_of};
use crate::runtime::hub::Guarded;

/// What a product's stock sees of a request: whether it takes of it, gave back, what could not be done, what was delivered.
fn seen(request: &Guarded<ResourceRequest>) -> (bool, bool, usize, bool) {
    let Ok(request) = &request.0 else {
        return (false, false, 0, false);
    };
    let status = request.status.clone().unwrap_or_default();
    let held = record::at(&status.timeline, EventKind::Held, None).is_some();
    let gone = matches!(status.phase, Some(Phase::Rejected | Phase::Withdrawn));
    let entries = status.delivery.iter().flat_map(|d| &d.entries);
    let failed = entries.filter(|e| e.failed).count();
    let delivered = status.delivery.is_some();
    (
        held && !gone,
        preview::gave_back(request),
        failed,
        delivered,
    )
}

/// A request came, went or is another to the stock: its products are counted anew, and whoever waits for them judged.
pub(super) fn news(
    old: Option<&Guarded<ResourceRequest>>,
    new: &Guarded<ResourceRequest>,
    gone: bool,
    links: &Links,
) {
    let Ok(request) = &new.0 else { return };
    if !gone && old.is_some_and(|o| seen(o) == seen(new)) {
        return;
    }
    for product in products_of(request) {
        links.queues.products.push(product);
        links.open_requests_where(|r| is_waiting(r) && products_of(r).any(|p| p == product));
    }
    // What was delivered by hand there may be given back now, or no more.
    let again = |r: &ResourceRequest| {
        let mut items = r.spec.application.items.iter();
        items.any(|i| i.delivered.is_some())
    };
    let own = &request.metadata.namespace;
    links.open_requests_where(|r| r.metadata.namespace == *own && is_waiting(r) && again(r));
    if preview::gave_back(request) {
        // What a released grant was made of is in the request that it came from.
        links.products_where(|p| p.spec.stock.is_some());
        links.open_requests_where(|r| is_waiting(r) && products_of(r).next().is_some());
    }
}
