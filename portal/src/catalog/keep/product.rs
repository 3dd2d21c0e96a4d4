//! A product as its form says it: where it is, what each size is made of, its price, how many there are. Pure.

use std::sync::Arc;

use crds::cloud_product::{CloudProductSpec, Fulfilment, Price, ProductSize};
use crds::money::Money;
use crds::words::{Day, Zone};
use crds::{CloudProduct, Quantity, ResourceList};
use kube::ResourceExt as _;

use super::entry::{Catalogs, Entry};
use super::rights::Keeper;
use super::rows::{Filled, YES, name, names, withdrawn};
use crate::access::Visible;
use crate::fields::{Choice, Field, Group, Input, Wrong};
use crate::figures::Resource;
use crate::forms::Fields;
use crate::health::Wording;
use crate::i18n::Lang;
use crate::requests::words;

/// As many as the kind takes.
const STOCK: u32 = 1_000_000;
/// The size of a service that comes in none.
const UNIT: &str = "unit";
const ZONES: [Zone; 4] = [
    Zone::Extranet,
    Zone::Internet,
    Zone::Exchange,
    Zone::Management,
];

impl Entry for CloudProduct {
    type Spec = CloudProductSpec;

    const PLACE: &'static str = "/catalog/products";
    const NEW: &'static str = "keep.new-product";
    const ROWS: bool = false;
    const OF_SERVICE: bool = true;
    const PLURAL: &'static str = "cloudproducts";

    fn all(catalogs: &Catalogs) -> &[Arc<Self>] {
        &catalogs.products
    }

    fn kept_by(keeper: &Keeper, one: Option<&Self>) -> bool {
        match one {
            Some(one) => keeper.platforms.contains(&one.spec.platform),
            None => !keeper.platforms.is_empty(),
        }
    }

    fn called(&self, lang: Lang) -> String {
        self.spec.display_name.in_language(lang.code()).to_owned()
    }

    fn service(&self) -> String {
        self.spec.offering.clone()
    }

    fn made(name: &str, spec: Self::Spec) -> Self {
        Self::new(name, spec)
    }

    fn spec(&self) -> &Self::Spec {
        &self.spec
    }

    fn filled(&self) -> Fields {
        let spec = &self.spec;
        let mut all = Filled::default();
        all.put("offering", &spec.offering);
        all.named("name", &spec.display_name);
        all.put(
            "shelf",
            &place(&spec.platform, spec.zone, spec.pool.as_deref()),
        );
        all.put("fulfilment", &format!("{:?}", spec.fulfilment));
        let stock = spec.stock.map(|n| n.to_string());
        all.put("stock", &stock.unwrap_or_default());
        for size in &spec.sizes {
            let id = |part: &str| format!("{part}-{}", size.name);
            all.put(&id("given"), YES);
            for resource in Resource::ALL {
                let amount = resource.of(&size.resources).map(|q| q.to_string());
                all.put(&id(resource.name()), &amount.unwrap_or_default());
            }
            all.put(&id("other"), &others(&size.resources));
            let Some(price) = &size.price else { continue };
            all.put(&id("price"), &price.monthly.to_string());
            all.put(&id("basis"), price.basis.as_deref().unwrap_or_default());
            let since = price.since.map(|day| day.to_string());
            all.put(&id("since"), &since.unwrap_or_default());
        }
        all.flag("withdrawn", spec.withdrawn);
        Fields(all.0)
    }

    fn groups(lang: Lang, fields: &Fields, catalogs: &Catalogs) -> Vec<Group> {
        let mut groups = vec![where_(lang, fields, catalogs)];
        let sizes = sizes(lang, fields, catalogs).into_iter();
        groups.extend(sizes.map(|(code, word)| size(lang, fields, &code, &word)));
        groups.push(withdrawn(lang, fields, "keep.withdrawn-product"));
        groups
    }

    fn read(lang: Lang, fields: &Fields, catalogs: &Catalogs) -> Result<Self::Spec, Vec<Wrong>> {
        let mut wrongs = Vec::new();
        let display_name = name(lang, fields, "name", &mut wrongs);
        let offering = fields.get("offering");
        if catalogs.offering(offering).is_none() {
            wrongs.push(Wrong::new("main", lang.t("wrong.no-service")));
        }
        let chosen = fields.get("shelf");
        let known = catalogs.places.iter().any(|(value, _)| value == chosen);
        let at = known.then(|| read_place(chosen)).flatten();
        if at.is_none() {
            wrongs.push(Wrong::new("shelf", lang.t("wrong.choose")));
        }
        let fulfilment = match fields.get("fulfilment") {
            "Automatic" => Some(Fulfilment::Automatic),
            "WorkOrder" => Some(Fulfilment::WorkOrder),
            _ => None,
        };
        if fulfilment.is_none() {
            wrongs.push(Wrong::new("fulfilment", lang.t("wrong.choose")));
        }
        let stock = fields.some("stock").map(|text| text.parse::<u32>().ok());
        if stock.is_some_and(|n| n.is_none_or(|n| n > STOCK)) {
            let figures = [("value", fields.get("stock"))];
            wrongs.push(Wrong::new("stock", lang.say("wrong.stock", &figures)));
        }
        let given = given(lang, fields, catalogs, &mut wrongs);
        let (Some((platform, zone, pool)), Some(fulfilment), true) =
            (at, fulfilment, wrongs.is_empty())
        else {
            return Err(wrongs);
        };
        Ok(CloudProductSpec {
            display_name,
            offering: offering.to_owned(),
            platform,
            zone,
            pool,
            sizes: given,
            stock: stock.flatten(),
            fulfilment,
            withdrawn: fields.get("withdrawn") == YES,
        })
    }

    fn effects(&self, lang: Lang, before: Option<&Self>, catalogs: &Catalogs) -> Vec<String> {
        let name = self.name_any();
        let of_it = |product: &Option<String>| product.as_deref() == Some(&name);
        let open = catalogs.requests.iter().filter(|request| {
            let mut items = request.spec.application.items.iter();
            items.any(|item| of_it(&item.product))
        });
        let open = open.count().to_string();
        let mut told = vec![lang.say("keep.effect.product", &[("open", &open)])];
        if self.spec.withdrawn && !before.is_some_and(|one| one.spec.withdrawn) {
            told.push(lang.say("keep.effect.withdraw", &[("open", &open)]));
        }
        let taken = before.and_then(|one| one.status.as_ref()?.taken);
        if let Some((taken, stock)) = taken.zip(self.spec.stock) {
            let figures = [("taken", taken.to_string()), ("stock", stock.to_string())];
            let figures = figures.each_ref().map(|(key, n)| (*key, n.as_str()));
            let key = if taken > stock {
                "keep.effect.stock-over"
            } else {
                "keep.effect.stock"
            };
            told.push(lang.say(key, &figures));
        }
        let undated = |size: &&ProductSize| {
            let was = before.map(|one| one.spec.sizes.iter()).into_iter();
            let mut was = was
                .flatten()
                .filter_map(|s| (s.name == size.name).then_some(&s.price));
            let now = size.price.as_ref();
            let then = was.next().and_then(Option::as_ref);
            let other = now
                .zip(then)
                .is_some_and(|(now, then)| now.monthly != then.monthly);
            other && now.is_some_and(|price| price.since.is_none())
        };
        if self.spec.sizes.iter().any(|size| undated(&size)) {
            told.push(lang.t("keep.effect.price").to_owned());
        }
        let unpriced = self.spec.sizes.iter().filter(|size| size.price.is_none());
        match unpriced.count() {
            0 => {}
            n => told.push(lang.say("keep.effect.unpriced", &[("n", &n.to_string())])),
        }
        told
    }
}

/// The fields of a new product of a service.
#[must_use]
pub fn of_service(offering: &str) -> Fields {
    Fields(vec![("offering".to_owned(), offering.to_owned())])
}

/// What a place is sent as: `platform/zone/pool`; without a pool where it takes nothing from one.
fn place(platform: &str, zone: Zone, pool: Option<&str>) -> String {
    format!("{platform}/{}/{}", zone.as_str(), pool.unwrap_or_default())
}

fn read_place(text: &str) -> Option<(String, Zone, Option<String>)> {
    let mut parts = text.split('/');
    let (platform, zone, pool) = (parts.next()?, parts.next()?, parts.next()?);
    let zone = ZONES.into_iter().find(|one| one.as_str() == zone)?;
    let pool = Some(pool.to_owned()).filter(|pool| !pool.is_empty());
    Some((platform.to_owned(), zone, pool))
}

/// The pools of the platforms that somebody runs, and each of their zones without one.
#[must_use]
pub fn places(wording: &Wording, visible: &Visible, keeper: &Keeper) -> Vec<(String, String)> {
    let lang = wording.lang;
    let run = visible
        .platforms
        .iter()
        .filter(|p| keeper.platforms.contains(&p.name_any()));
    run.flat_map(|platform| {
        let name = platform.name_any();
        let title = wording.platform(&name).to_owned();
        let dot = lang.t("sentence.dot");
        let word = move |zone: Zone, pool: String| {
            [title.as_str(), words::zone(lang, zone), &pool].join(dot)
        };
        let pools = platform.spec.pools.iter().map(|pool| {
            let figures = [("pool", pool.name.as_str()), ("arch", &pool.architecture)];
            let told = word(pool.zone, lang.say("keep.pool", &figures));
            (place(&name, pool.zone, Some(&pool.name)), told)
        });
        let bare = ZONES.into_iter().filter(|zone| *zone != Zone::Management);
        let bare = bare.map(|zone| {
            let told = word(zone, lang.t("keep.no-pool").to_owned());
            (place(&name, zone, None), told)
        });
        pools.chain(bare).collect::<Vec<_>>()
    })
    .collect()
}

/// The sizes of the service and those that the fields name beside them: code and word.
fn sizes(lang: Lang, fields: &Fields, catalogs: &Catalogs) -> Vec<(String, String)> {
    let offering = catalogs.offering(fields.get("offering"));
    let offered = offering
        .map(|o| o.spec.sizes.as_slice())
        .unwrap_or_default();
    let mut all: Vec<_> = offered
        .iter()
        .map(|size| {
            let word = size.display_name.in_language(lang.code());
            (size.name.clone(), word.to_owned())
        })
        .collect();
    if all.is_empty() {
        let unit = offering.map(|o| o.spec.unit.in_language(lang.code()));
        all.push((UNIT.to_owned(), unit.unwrap_or(UNIT).to_owned()));
    }
    for (key, _) in &fields.0 {
        if let Some(code) = key.strip_prefix("given-")
            && !all.iter().any(|(known, _)| known == code)
        {
            all.push((
                code.to_owned(),
                lang.say("keep.size-gone", &[("size", code)]),
            ));
        }
    }
    all
}

fn where_(lang: Lang, fields: &Fields, catalogs: &Catalogs) -> Group {
    let none = Choice::new("", lang.t("field-choose"));
    let places = catalogs.places.iter();
    let places = places.map(|(value, word)| Choice::new(value, word));
    let places = std::iter::once(none).chain(places).collect();
    let ways = [
        ("Automatic", "fulfilment.Automatic", "keep.automatic"),
        ("WorkOrder", "fulfilment.WorkOrder", "keep.by-hand"),
    ];
    let ways =
        ways.map(|(value, word, about)| Choice::new(value, lang.t(word)).about(lang.t(about)));
    let mut all: Vec<_> = names(lang, fields, "name", "entry-name").into();
    all.extend([
        Field::new(lang, "shelf", "shelf", Input::Choice(places))
            .with(fields.get("shelf"))
            .required(),
        Field::new(lang, "fulfilment", "fulfilment", Input::Radio(ways.into()))
            .with(fields.get("fulfilment"))
            .required(),
        Field::new(lang, "stock", "stock", Input::Number)
            .with(fields.get("stock"))
            .most(7),
    ]);
    let service = catalogs.offering(fields.get("offering"));
    let service = service.map_or("", |o| o.spec.display_name.in_language(lang.code()));
    Group::new("", all).hint(&lang.say("keep.provides", &[("service", service)]))
}

fn size(lang: Lang, fields: &Fields, code: &str, word: &str) -> Group {
    let given = format!("given-{code}");
    let yes = vec![Choice::new(YES, lang.t("keep.given"))];
    let line = |part: &str, key: &str, input: Input| {
        let id = format!("{part}-{code}");
        Field::new(lang, &id, key, input).with(fields.get(&id))
    };
    let mut all = vec![
        Field::new(lang, &given, "given", Input::Several(yes))
            .with(fields.get(&given))
            .required(),
    ];
    for resource in Resource::ALL {
        let mut field = line(resource.name(), "size-amount", Input::Line).most(32);
        resource.word(lang).clone_into(&mut field.label);
        // Said once, above them all.
        field.hint.clear();
        all.push(field);
    }
    all.extend([
        line("other", "size-other", Input::Long).most(2048),
        line("price", "price", Input::Line)
            .most(16)
            .unit(lang.t("keep.yuan")),
        line("basis", "basis", Input::Line).most(256),
        line("since", "since", Input::Day),
    ]);
    Group::new(word, all).hint(lang.t("field-hint.size-amount"))
}

/// What a size takes beside the three that every platform is compared by: a line each, `name=amount`.
fn others(resources: &ResourceList) -> String {
    let known = |name: &str| {
        let mut all = Resource::ALL.iter();
        all.any(|r| r.name() == name || r.name().trim_start_matches("requests.") == name)
    };
    let rest = resources.0.iter().filter(|(name, _)| !known(name));
    let lines: Vec<_> = rest
        .map(|(name, amount)| format!("{name}={amount}"))
        .collect();
    lines.join("\n")
}

/// The sizes that are given out, as the fields say them.
fn given(
    lang: Lang,
    fields: &Fields,
    catalogs: &Catalogs,
    wrongs: &mut Vec<Wrong>,
) -> Vec<ProductSize> {
    let all = sizes(lang, fields, catalogs);
    let taken: Vec<_> = all
        .iter()
        .filter(|(code, _)| fields.get(&format!("given-{code}")) == YES)
        .collect();
    if taken.is_empty() {
        let first = all.first().map(|(code, _)| format!("given-{code}"));
        let words = lang.t("wrong.no-size");
        wrongs.push(Wrong::new(&first.unwrap_or_default(), words));
    }
    taken
        .into_iter()
        .map(|(code, _)| ProductSize {
            name: code.clone(),
            resources: resources(lang, fields, code, wrongs),
            price: price(lang, fields, code, wrongs),
        })
        .collect()
}

fn resources(lang: Lang, fields: &Fields, code: &str, wrongs: &mut Vec<Wrong>) -> ResourceList {
    let mut list = ResourceList::default();
    let mut take = |field: &str, name: &str, text: &str| match text.parse::<Quantity>() {
        Ok(amount) if !name.is_empty() => {
            list.0.insert(name.to_owned(), amount);
        }
        _ => {
            let words = lang.say("wrong.quantity", &[("value", text)]);
            wrongs.push(Wrong::new(field, words));
        }
    };
    for resource in Resource::ALL {
        let field = format!("{}-{code}", resource.name());
        let text = fields.get(&field);
        if !text.is_empty() {
            take(&field, resource.name(), text);
        }
    }
    let field = format!("other-{code}");
    for line in fields
        .get(&field)
        .lines()
        .filter(|line| !line.trim().is_empty())
    {
        let (name, amount) = line.split_once('=').unwrap_or(("", line));
        take(&field, name.trim(), amount.trim());
    }
    list
}

fn price(lang: Lang, fields: &Fields, code: &str, wrongs: &mut Vec<Wrong>) -> Option<Price> {
    let id = |part: &str| format!("{part}-{code}");
    let mut wrong = |part: &str, key: &str| {
        let figures = [("value", fields.get(&id(part)))];
        wrongs.push(Wrong::new(&id(part), lang.say(key, &figures)));
    };
    let since = fields.some(&id("since")).map(|text| text.parse().ok());
    if since == Some(None) {
        wrong("since", "wrong.day");
    }
    let Some(text) = fields.some(&id("price")) else {
        if fields.some(&id("basis")).is_some() || since.is_some() {
            wrong("price", "wrong.no-price");
        }
        return None;
    };
    let Ok(monthly) = text.parse::<Money>() else {
        wrong("price", "wrong.money");
        return None;
    };
    Some(Price {
        monthly,
        basis: fields.some(&id("basis")),
        since: since.flatten().map(Day),
    })
}
