//! What was delivered by hand earlier, and is to be changed, renewed or given back.

use std::collections::BTreeMap;

use super::super::application::{Application, ApplicationType, DeliveredItem, Item};
use super::{Around, Order, item};
use crate::condition::Verdict;
use crate::money::Money;
use crate::quantity::ResourceList;
use crate::reason::Reason;
use crate::resource_name;

/// What stands of what an item names, there where the item says.
fn there<'a>(item: &Item, named: &DeliveredItem, around: Around<'a>) -> Result<&'a Item, Verdict> {
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
    match (&item.product, &there.product) {
        (Some(wanted), Some(product)) if wanted != product => Err(on(Reason::DeliveredOther)
            .with("product", product)
            .with("wanted", wanted)),
        _ => Ok(there),
    }
}

/// What stands of what a change names; nothing where it names nothing.
fn found<'a>(item: &Item, around: Around<'a>) -> Option<&'a Item> {
    around.standing.get(item.delivered.as_ref()?)
}

/// How many of its product stand already of what a change names.
pub(super) fn standing(item: &Item, around: Around<'_>) -> u32 {
    found(item, around).map_or(0, |there| there.count.unwrap_or(1))
}

/// Whether an item only makes fewer of what was delivered by hand.
pub(super) fn shrinks(item: &Item, around: Around<'_>) -> bool {
    let same = |there: &Item| there.size == item.size && item.count <= there.count;
    found(item, around).is_some_and(same)
}

/// The work that a change takes, which says what it is to be, and what it costs a month from then on.
pub(super) fn changed<'a>(
    application: &Application,
    (item, named): (&'a Item, &DeliveredItem),
    around: Around<'_>,
    counts: &mut BTreeMap<&'a str, u32>,
) -> Result<(Order, Option<Money>), Verdict> {
    there(item, named, around)?;
    let judged = item::judge(application, item, around, counts)?;
    let order = Order {
        item: item.name.clone(),
        resources: judged.amount,
    };
    Ok((order, judged.cost))
}

/// The work that a renewal or a release takes, and what it costs a month from then on; `None` where the price is unknown.
pub(super) fn judge(
    application: &Application,
    item: &Item,
    named: &DeliveredItem,
    around: Around<'_>,
) -> Result<(Order, Option<Money>), Verdict> {
    let there = there(item, named, around)?;
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
