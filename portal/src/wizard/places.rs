//! Where a service can be had: every product and size, with its price and what its pool still has. Pure.

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
    let products = ground.products.iter().filter(provides);
    products
        .flat_map(|product| product.spec.sizes.iter().map(move |size| (product, size)))
        .map(|(product, size)| place(wording, form, offering, (product, size), ground))
        .collect()
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
