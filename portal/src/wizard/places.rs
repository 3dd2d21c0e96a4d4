//! Where a service can be had: every product and size, with its price and what its pool still has. Pure.

use std::cmp::Reverse;

use crds::cloud_platform::Expansion;
use crds::cloud_product::{Fulfilment, ProductSize};
use crds::{CloudProduct, Quantity, ServiceOffering, resource_name};
use kube::ResourceExt as _;

use super::form::Form;
use crate::fields::Choice;
use crate::figures::{number, resource_word};
use crate::ground::Ground;
use crate::health::Wording;
use crate::requests::words;
use crds::resource_request::ApplicationType;

/// The choices of where and in which size, as `product/size`.
#[must_use]
pub fn places(
    wording: &Wording,
    form: &Form,
    offering: &ServiceOffering,
    ground: &Ground,
) -> Vec<Choice> {
    let name = offering.name_any();
    let provides = |p: &&CloudProduct| p.spec.offering == name && !p.spec.withdrawn;
    let mut products: Vec<_> = ground.products.iter().filter(provides).collect();
    // Those of the unit's own city come before the province's and before other cities'.
    let own = ground.tenant.spec.division.as_deref();
    products.sort_by_key(|product| {
        let platform = ground.platform(&product.spec.platform);
        let division = platform.and_then(|p| p.spec.division.as_deref());
        Reverse(shared(
            own.unwrap_or_default(),
            division.unwrap_or_default(),
        ))
    });
    products
        .into_iter()
        .flat_map(|product| product.spec.sizes.iter().map(move |size| (product, size)))
        .map(|(product, size)| place(wording, form, offering, (product, size), ground))
        .collect()
}

/// How much two divisions share: province, city and county are two digits each (GB/T 2260).
fn shared(one: &str, other: &str) -> usize {
    let levels = one.as_bytes().chunks(2).zip(other.as_bytes().chunks(2));
    levels.take_while(|(a, b)| a == b).count()
}

fn place(
    wording: &Wording,
    form: &Form,
    offering: &ServiceOffering,
    (product, size): (&CloudProduct, &ProductSize),
    ground: &Ground,
) -> Choice {
    let lang = wording.lang;
    let spec = &product.spec;
    let known = offering.spec.sizes.iter().find(|s| s.name == size.name);
    let called = known.map_or_else(
        || offering.spec.unit.in_language(lang.code()),
        |s| s.display_name.in_language(lang.code()),
    );
    let dot = lang.t("sentence.dot");
    let word = [
        wording.platform(&spec.platform),
        words::zone(lang, spec.zone),
        called,
    ]
    .join(dot);
    let price = words::monthly(lang, size.price.as_ref().map(|p| p.monthly));
    let left = match spec.fulfilment {
        Fulfilment::Automatic => left(wording, form, product, size, ground),
        Fulfilment::WorkOrder => lang.t("place.by-hand").to_owned(),
    };
    let stock = spec.stock.map(|stock| {
        let taken = ground.taken.get(&product.name_any()).copied().unwrap_or(0);
        lang.say(
            "place.stock",
            &[("n", &number(stock.saturating_sub(taken).into()))],
        )
    });
    let about: Vec<_> = [Some(price), Some(left), stock]
        .into_iter()
        .flatten()
        .collect();
    Choice::new(format!("{}/{}", product.name_any(), size.name), word).about(about.join(dot))
}

/// What the pool still has, counted in this size.
fn left(
    wording: &Wording,
    form: &Form,
    product: &CloudProduct,
    size: &ProductSize,
    ground: &Ground,
) -> String {
    let lang = wording.lang;
    let Some(platform) = ground.platform(&product.spec.platform) else {
        return lang.t("place.unknown").to_owned();
    };
    if platform.spec.expansion == Expansion::Frozen && form.type_ != ApplicationType::Exception {
        let way = platform
            .spec
            .growth_goes_to
            .as_deref()
            .or(platform.spec.docks_to.as_deref());
        return way.map_or_else(
            || lang.t("place.frozen").to_owned(),
            |way| lang.say("place.frozen-to", &[("platform", wording.platform(way))]),
        );
    }
    let pools = platform
        .status
        .as_ref()
        .map(|s| s.pools.as_slice())
        .unwrap_or_default();
    let Some(pool) = pools
        .iter()
        .find(|p| Some(&p.name) == product.spec.pool.as_ref())
    else {
        return lang.t("place.unknown").to_owned();
    };
    let wanted = resource_name::canonical_list("", &size.resources).unwrap_or_default();
    let wanted: Vec<_> = wanted.iter().filter(|(_, q)| *q > Quantity::ZERO).collect();
    let free = |name: &str| pool.account.free(name).max(Quantity::ZERO);
    let fits = wanted
        .iter()
        .map(|(name, one)| free(name).nanos() / one.nanos())
        .min();
    let amounts = wanted.iter().map(|(name, _)| {
        format!(
            "{} {}",
            resource_word(lang, name),
            words::amount(lang, name, free(name))
        )
    });
    let amounts = lang.join(&amounts.collect::<Vec<_>>());
    let fits = fits.map_or_else(String::new, |n| {
        number(i64::try_from(n).unwrap_or(i64::MAX))
    });
    lang.say("place.left", &[("fits", &fits), ("amounts", &amounts)])
}

#[cfg(test)]
mod tests {
    use super::shared;

    #[test]
    fn a_county_is_nearer_to_its_city_than_to_the_province_or_to_another_city() {
        let county =
            ["440881", "440800", "440000", "440500", ""].map(|other| shared("440881", other));
        assert_eq!(county, [3, 2, 1, 1, 0]);
    }
}
