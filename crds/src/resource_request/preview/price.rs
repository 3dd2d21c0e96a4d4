//! What a grant costs by the catalog where no product is named: a change states amounts, a renewal nothing.

use super::super::application::{Application, ApplicationType};
use super::{Around, Preview};
use crate::cloud_product::{CloudProduct, Fulfilment};
use crate::money::Money;
use crate::quantity::{Quantity, ResourceList};
use crate::resource_name;
use crate::words::Zone;

/// Yuan a month for an amount in a pool: it is a whole number of pieces of one size there. Absent where no size fits, where
/// one that fits has no price, and where several fit at different prices: nobody can say which it is.
#[must_use]
pub fn by_catalog(
    amount: &ResourceList,
    (platform, zone, pool): (&str, Zone, &str),
    products: &[CloudProduct],
) -> Option<Money> {
    let there = products.iter().filter(|product| {
        let spec = &product.spec;
        spec.fulfilment == Fulfilment::Automatic
            && (spec.platform.as_str(), spec.zone) == (platform, zone)
            && spec.pool.as_deref() == Some(pool)
    });
    let mut fitting = there.flat_map(|p| &p.spec.sizes).filter_map(|size| {
        let one = resource_name::canonical_list("sizes[].resources", &size.resources).ok()?;
        let pieces = pieces(amount, &one)?;
        Some(size.price.as_ref().map(|price| price.monthly.times(pieces)))
    });
    let first = fitting.next()??;
    fitting.all(|other| other == Some(first)).then_some(first)
}

/// How many of a size an amount is.
fn pieces(amount: &ResourceList, one: &ResourceList) -> Option<u32> {
    let some = |list: &ResourceList| {
        let mut list = list.clone();
        list.0.retain(|_, quantity| *quantity > Quantity::ZERO);
        list
    };
    let (amount, one) = (some(amount), some(one));
    let (name, single) = one.iter().next()?;
    let pieces = u32::try_from(amount.of(name).nanos() / single.nanos()).ok()?;
    (pieces > 0 && one.by(pieces) == amount).then_some(pieces)
}

/// Prices what changes and goes on, where the catalog says it.
pub(super) fn settle(application: &Application, around: Around<'_>, preview: &mut Preview) {
    let of_grants = matches!(
        application.type_,
        ApplicationType::Change | ApplicationType::Renew
    );
    for change in preview.changes.iter().filter(|_| of_grants) {
        let [item] = change.items.as_slice() else {
            continue;
        };
        let place = (change.platform.as_str(), change.zone, change.pool.as_str());
        let price = by_catalog(&change.after, place, around.products);
        let unpriced = |cost: &&mut (String, Option<Money>)| cost.0 == *item && cost.1.is_none();
        if let Some(cost) = preview.costs.iter_mut().find(unpriced) {
            cost.1 = price;
        }
    }
}
