//! What was delivered by hand earlier, and is to be renewed or given back.

use super::super::application::{Application, ApplicationType, DeliveredItem, Item};
use super::{Around, Order};
use crate::condition::Verdict;
use crate::money::Money;
use crate::quantity::ResourceList;
use crate::reason::Reason;
use crate::resource_name;

/// The work that it takes, and what it costs a month from then on; `None` where the price is unknown.
pub(super) fn judge(
    application: &Application,
    item: &Item,
    named: &DeliveredItem,
    around: Around<'_>,
) -> Result<(Order, Option<Money>), Verdict> {
    let on = |reason| {
        let verdict = Verdict::no(reason).with("item", &item.name);
        verdict
            .with("request", &named.request)
            .with("delivered", &named.item)
    };
    let there = around.standing.get(named);
    let there = there.ok_or_else(|| on(Reason::NotDelivered))?;
    if (&there.platform, there.zone) != (&item.platform, item.zone) {
        return Err(on(Reason::DeliveredElsewhere)
            .with("platform", &there.platform)
            .with("zone", there.zone));
    }
    let mut products = around.products.iter();
    let product = products.find(|p| p.metadata.name == there.product);
    let sizes = product.into_iter().flat_map(|p| &p.spec.sizes);
    let size = sizes
        .into_iter()
        .find(|s| Some(&s.name) == there.size.as_ref());
    let count = there.count.unwrap_or(1);
    let stated = size.map_or_else(ResourceList::default, |s| s.resources.by(count));
    let price = size.and_then(|s| s.price.as_ref());
    let cost = if application.type_ == ApplicationType::Release {
        Some(Money::default())
    } else {
        price.map(|p| p.monthly.times(count))
    };
    let order = Order {
        item: item.name.clone(),
        resources: resource_name::canonical_list("resources", &stated)?,
    };
    Ok((order, cost))
}
