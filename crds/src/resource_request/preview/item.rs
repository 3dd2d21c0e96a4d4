//! One item against the two catalogs: what it is made of, what it costs, whether it is still offered.

use std::collections::BTreeMap;

use super::super::application::{Application, ApplicationType, Item};
use super::{Around, again, may_grow};
use crate::cloud_platform::CloudPlatform;
use crate::cloud_product::{CloudProduct, Fulfilment};
use crate::condition::Verdict;
use crate::money::Money;
use crate::quantity::{Quantity, ResourceList};
use crate::reason::Reason;
use crate::resource_name;
use crate::service_offering::ServiceClass;

/// What an item comes to.
pub(super) struct Judged {
    /// What it is made of, in canonical names.
    pub amount: ResourceList,
    /// Yuan a month; `None` where it is unknown.
    pub cost: Option<Money>,
    /// Whether Qipan delivers it by itself.
    pub automatic: bool,
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Judges an item; `counts` are the pieces of each product that items before it take.
pub(super) fn judge<'a>(
    application: &Application,
    item: &'a Item,
    around: Around<'_>,
    counts: &mut BTreeMap<&'a str, u32>,
) -> Result<Judged, Verdict> {
    let gives_back = matches!(
        application.type_,
        ApplicationType::Renew | ApplicationType::Release
    ) || again::shrinks(item, around);
    let product = item.product.as_deref().map(|name| {
        let mut products = around.products.iter();
        let found = products.find(|p| p.metadata.name.as_deref() == Some(name));
        found.ok_or_else(|| {
            Verdict::no(Reason::UnknownProduct)
                .with("product", name)
                .with("item", &item.name)
        })
    });
    let product = product.transpose()?;
    // What was delivered may be given back although it is offered no more.
    if !gives_back {
        offered(item, product, around)?;
        stock(item, product, around, counts)?;
    }
    let (stated, price) = match (product, &item.size) {
        (Some(product), Some(size)) => {
            let found = product.spec.sizes.iter().find(|s| s.name == *size);
            let found = found.ok_or_else(|| {
                let sizes = list(product.spec.sizes.iter().map(|s| &s.name));
                Verdict::no(Reason::UnknownSize)
                    .with("product", name(product))
                    .with("size", size)
                    .with("sizes", sizes)
            })?;
            let count = item.count.unwrap_or(1);
            let price = found.price.as_ref().map(|p| p.monthly.times(count));
            (found.resources.by(count), price)
        }
        _ => (item.resources.clone(), None),
    };
    let amount =
        resource_name::canonical_list(&format!("items[{}].resources", item.name), &stated)?;
    let automatic = product.is_none_or(|p| p.spec.fulfilment == Fulfilment::Automatic);
    if automatic {
        placed(item, &amount, around)?;
    } else if let Some(product) = product.filter(|_| !gives_back) {
        by_hand(application, item, product, &amount, around)?;
    }
    let released = application.type_ == ApplicationType::Release;
    Ok(Judged {
        amount,
        cost: if released {
            Some(Money::default())
        } else {
            price
        },
        automatic,
    })
}

fn name(product: &CloudProduct) -> &str {
    product.metadata.name.as_deref().unwrap_or_default()
}

/// Whether the catalogs still offer it, there, with every question answered.
fn offered(item: &Item, product: Option<&CloudProduct>, around: Around<'_>) -> Result<(), Verdict> {
    if let Some(product) = product {
        let spec = &product.spec;
        if spec.withdrawn {
            return Err(Verdict::no(Reason::ProductWithdrawn).with("product", name(product)));
        }
        let elsewhere =
            (&spec.platform, spec.zone, &spec.pool) != (&item.platform, item.zone, &item.pool);
        let other = item.offering.as_ref().is_some_and(|o| *o != spec.offering);
        if elsewhere || other {
            return Err(Verdict::no(Reason::ProductMismatch)
                .with("item", &item.name)
                .with("product", name(product))
                .with("offering", &spec.offering)
                .with("platform", &spec.platform)
                .with("zone", spec.zone)
                .with("pool", spec.pool.as_deref().unwrap_or("-")));
        }
    }
    let Some(wanted) = item.offering.as_ref().or(product.map(|p| &p.spec.offering)) else {
        return Ok(());
    };
    let mut offerings = around.offerings.iter();
    let offering = offerings
        .find(|o| o.metadata.name.as_deref() == Some(wanted))
        .ok_or_else(|| Verdict::no(Reason::UnknownOffering).with("offering", wanted))?;
    if offering.spec.withdrawn {
        return Err(Verdict::no(Reason::OfferingWithdrawn).with("offering", wanted));
    }
    for parameter in &offering.spec.parameters {
        let answer = item.parameters.get(&parameter.name);
        let good = answer.map_or(!parameter.required, |a| parameter.accepts(a));
        if !good {
            return Err(Verdict::no(Reason::ParameterWrong)
                .with("item", &item.name)
                .with("parameter", &parameter.name)
                .with("answer", answer.map_or("", String::as_str))
                .with("choices", list(parameter.choices.iter())));
        }
    }
    Ok(())
}

fn stock<'a>(
    item: &'a Item,
    product: Option<&CloudProduct>,
    around: Around<'_>,
    counts: &mut BTreeMap<&'a str, u32>,
) -> Result<(), Verdict> {
    let (Some(product), Some(key)) = (product, item.product.as_deref()) else {
        return Ok(());
    };
    let asked = counts.entry(key).or_insert(0);
    let more = item
        .count
        .unwrap_or(1)
        .saturating_sub(again::standing(item, around));
    *asked = asked.saturating_add(more);
    let Some(stock) = product.spec.stock else {
        return Ok(());
    };
    let taken = around.taken.get(name(product)).copied().unwrap_or(0);
    let free = stock.saturating_sub(taken);
    if *asked <= free {
        return Ok(());
    }
    Err(Verdict::no(Reason::StockExhausted)
        .with("product", name(product))
        .with("asked", *asked)
        .with("free", free)
        .with("stock", stock)
        .with("taken", taken)
        .with("missing", *asked - free))
}

fn platform<'a>(item: &Item, around: Around<'a>) -> Result<&'a CloudPlatform, Verdict> {
    let mut platforms = around.platforms.iter();
    platforms
        .find(|p| p.metadata.name.as_deref() == Some(&item.platform))
        .ok_or_else(|| Verdict::no(Reason::UnknownPlatform).with("platform", &item.platform))
}

/// Whether a platform may grow by what is delivered there by hand. It grows by whatever states what it is made of, and by
/// every cloud service: a machine, a card or a database is one also where its size says nothing. What is of the network or
/// shared (a domain, a seal) leaves the platform as it is.
fn by_hand(
    application: &Application,
    item: &Item,
    product: &CloudProduct,
    amount: &ResourceList,
    around: Around<'_>,
) -> Result<(), Verdict> {
    let platform = platform(item, around)?;
    let pool = item.pool.as_deref().unwrap_or("-");
    if let Some((resource, asked)) = amount.iter().find(|(_, q)| *q > Quantity::ZERO) {
        return may_grow(application, platform, pool, (resource, &asked));
    }
    let offering = Some(&product.spec.offering);
    let mut offerings = around.offerings.iter();
    let offering = offerings.find(|o| o.metadata.name.as_ref() == offering);
    if offering.is_none_or(|o| o.spec.class != ServiceClass::Cloud) {
        return Ok(());
    }
    let count = item.count.unwrap_or(1);
    may_grow(application, platform, pool, (name(product), &count))
}

/// Whether the place that it names is one, and offers what it asks for.
fn placed(item: &Item, amount: &ResourceList, around: Around<'_>) -> Result<(), Verdict> {
    let platform = platform(item, around)?;
    let on = |reason| {
        let verdict = Verdict::no(reason).with("platform", &item.platform);
        verdict.with("pool", item.pool.as_deref().unwrap_or("-"))
    };
    let mut pools = platform.spec.pools.iter();
    let pool = pools.find(|p| Some(&p.name) == item.pool.as_ref());
    let pool = pool.ok_or_else(|| {
        on(Reason::UnknownPool).with("pools", list(platform.spec.pools.iter().map(|p| &p.name)))
    })?;
    if pool.zone != item.zone {
        return Err(on(Reason::ZoneMismatch)
            .with("poolZone", pool.zone)
            .with("zone", item.zone));
    }
    let offers: Vec<String> = pool
        .capacity
        .0
        .keys()
        .filter_map(|k| resource_name::canonical(k).ok())
        .collect();
    let missing = amount
        .iter()
        .find(|(k, q)| *q > Quantity::ZERO && !offers.iter().any(|o| o == k));
    missing.map_or(Ok(()), |(resource, _)| {
        Err(on(Reason::NotInPool)
            .with("resource", resource)
            .with("offered", list(offers.iter())))
    })
}
