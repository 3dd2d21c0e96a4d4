//! A service as its form says it. Pure.

use std::sync::Arc;

use crds::ServiceOffering;
use crds::service_offering::{
    Category, OfferedSize, Parameter, ParameterKind, ServiceClass, ServiceLevel,
    ServiceOfferingSpec,
};
use crds::words::{Text, Zone};
use kube::ResourceExt as _;

use super::entry::{Catalogs, Entry};
use super::rights::Keeper;
use super::rows::{Filled, YES, filled, line, name, names, optional, rows, withdrawn};
use crate::fields::{Choice, Field, Group, Input, Wrong};
use crate::forms::Fields;
use crate::i18n::Lang;

const CLASSES: [ServiceClass; 3] = [
    ServiceClass::Cloud,
    ServiceClass::Network,
    ServiceClass::CommonCapability,
];
const CATEGORIES: [Category; 11] = [
    Category::Compute,
    Category::Storage,
    Category::Gpu,
    Category::Database,
    Category::Backup,
    Category::Segment,
    Category::Bandwidth,
    Category::Exposure,
    Category::Domain,
    Category::Exchange,
    Category::Capability,
];
const ZONES: [Zone; 3] = [Zone::Extranet, Zone::Internet, Zone::Exchange];
const KINDS: [ParameterKind; 3] = [
    ParameterKind::Text,
    ParameterKind::Number,
    ParameterKind::Choice,
];
/// As many as the kind takes.
const ABOUT: usize = 2048;
const SIZES: usize = 32;
const PARAMETERS: usize = 16;
const CHOICES: usize = 32;

impl Entry for ServiceOffering {
    type Spec = ServiceOfferingSpec;

    const PLACE: &'static str = "/catalog/services";
    const NEW: &'static str = "keep.new-service";
    const ROWS: bool = true;
    const OF_SERVICE: bool = false;
    const PLURAL: &'static str = "serviceofferings";

    fn all(catalogs: &Catalogs) -> &[Arc<Self>] {
        &catalogs.offerings
    }

    fn kept_by(keeper: &Keeper, _: Option<&Self>) -> bool {
        keeper.offers
    }

    fn called(&self, lang: Lang) -> String {
        self.spec.display_name.in_language(lang.code()).to_owned()
    }

    fn service(&self) -> String {
        self.name_any()
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
        all.named("name", &spec.display_name);
        all.put("class", &format!("{:?}", spec.class));
        all.put("category", &format!("{:?}", spec.category));
        if let Some(text) = &spec.description {
            all.put("about-zh", &text.zh);
            all.put("about-en", text.en.as_deref().unwrap_or_default());
        }
        all.named("unit", &spec.unit);
        for zone in &spec.zones {
            all.put("zone", zone.as_str());
        }
        for (n, size) in spec.sizes.iter().enumerate() {
            all.put(&format!("size-{n}"), &size.name);
            all.named(&format!("size-{n}"), &size.display_name);
        }
        for (n, asked) in spec.parameters.iter().enumerate() {
            all.put(&format!("asked-{n}"), &asked.name);
            all.named(&format!("asked-{n}"), &asked.display_name);
            all.put(&format!("asked-{n}-kind"), &format!("{:?}", asked.kind));
            all.flag(&format!("asked-{n}-required"), asked.required);
            all.put(&format!("asked-{n}-choices"), &asked.choices.join("\n"));
        }
        let sla = spec.sla.clone().unwrap_or_default();
        let days = sla.delivery_working_days.map(|n| n.to_string());
        all.put("sla-percent", &sla.availability_percent.unwrap_or_default());
        all.put("sla-days", &days.unwrap_or_default());
        all.put("sla-hours", &sla.support_hours.unwrap_or_default());
        all.put("contact", spec.contact.as_deref().unwrap_or_default());
        all.flag("withdrawn", spec.withdrawn);
        Fields(all.0)
    }

    fn groups(lang: Lang, fields: &Fields, _: &Catalogs) -> Vec<Group> {
        let mut groups = vec![what(lang, fields), how(lang, fields)];
        groups.extend(rows(fields, "size", SIZES).map(|n| size(lang, fields, n)));
        groups.extend(rows(fields, "asked", PARAMETERS).map(|n| asked(lang, fields, n)));
        let line = |id: &str, key: &str, most| {
            Field::new(lang, id, key, Input::Line)
                .with(fields.get(id))
                .most(most)
        };
        let number = |id: &str, key: &str| {
            Field::new(lang, id, key, Input::Number)
                .with(fields.get(id))
                .most(8)
        };
        groups.push(Group::new(
            lang.t("keep.promises"),
            vec![
                number("sla-percent", "sla-percent").unit("%"),
                number("sla-days", "sla-days").unit(lang.t("keep.working-days")),
                line("sla-hours", "sla-hours", 128),
                line("contact", "contact", 256),
            ],
        ));
        groups.push(withdrawn(lang, fields, "keep.withdrawn-service"));
        groups
    }

    fn read(lang: Lang, fields: &Fields, _: &Catalogs) -> Result<Self::Spec, Vec<Wrong>> {
        let mut wrongs = Vec::new();
        let display_name = name(lang, fields, "name", &mut wrongs);
        let unit = name(lang, fields, "unit", &mut wrongs);
        let class = one_of(CLASSES, fields.get("class"));
        let category = one_of(CATEGORIES, fields.get("category"));
        for (field, chosen) in [("class", class.is_some()), ("category", category.is_some())] {
            if !chosen {
                wrongs.push(Wrong::new(field, lang.t("wrong.choose")));
            }
        }
        let zones: Vec<_> = ZONES
            .into_iter()
            .filter(|zone| fields.all("zone").any(|taken| taken == zone.as_str()))
            .collect();
        let length = fields.get("about-zh").chars().count();
        if length > ABOUT || (length == 0 && !fields.get("about-en").is_empty()) {
            let n = length.to_string();
            let figures = [("n", n.as_str())];
            wrongs.push(Wrong::new("about-zh", lang.say("wrong.about", &figures)));
        }
        if zones.is_empty() {
            wrongs.push(Wrong::new("zone", lang.t("wrong.no-zone")));
        }
        let (sizes, parameters) = (
            sizes(lang, fields, &mut wrongs),
            parameters(lang, fields, &mut wrongs),
        );
        let sla = sla(lang, fields, &mut wrongs);
        let (Some(class), Some(category), true) = (class, category, wrongs.is_empty()) else {
            return Err(wrongs);
        };
        let about = fields.some("about-zh");
        Ok(ServiceOfferingSpec {
            display_name,
            class,
            category,
            description: about.map(|zh| Text {
                zh,
                en: fields.some("about-en"),
            }),
            unit,
            sizes,
            parameters,
            zones,
            sla,
            contact: fields.some("contact"),
            withdrawn: fields.get("withdrawn") == YES,
        })
    }

    fn effects(&self, lang: Lang, before: Option<&Self>, catalogs: &Catalogs) -> Vec<String> {
        let name = self.name_any();
        let products = catalogs.products.iter();
        let of_it: Vec<_> = products.filter(|p| p.spec.offering == name).collect();
        let open = catalogs
            .requests
            .iter()
            .filter(|request| {
                let mut items = request.spec.application.items.iter();
                items.any(|item| item.offering.as_deref() == Some(&name))
            })
            .count();
        let mut told = vec![lang.say(
            "keep.effect.service",
            &[("n", &of_it.len().to_string()), ("open", &open.to_string())],
        )];
        if self.spec.withdrawn && !before.is_some_and(|one| one.spec.withdrawn) {
            told.push(lang.say("keep.effect.withdraw", &[("open", &open.to_string())]));
        }
        let sizes =
            |one: &Self| -> Vec<String> { one.spec.sizes.iter().map(|s| s.name.clone()).collect() };
        let (now, was) = (sizes(self), before.map(sizes).unwrap_or_default());
        for size in was.iter().filter(|size| !now.contains(size)) {
            let having = of_it
                .iter()
                .filter(|p| p.spec.sizes.iter().any(|s| s.name == *size));
            let n = having.count().to_string();
            told.push(lang.say("keep.effect.size", &[("size", size), ("n", &n)]));
        }
        told
    }
}

/// One of several by its word in the API.
fn one_of<T: std::fmt::Debug, const N: usize>(all: [T; N], word: &str) -> Option<T> {
    all.into_iter().find(|one| format!("{one:?}") == word)
}

fn choices<T: std::fmt::Debug, const N: usize>(
    all: [T; N],
    word: impl Fn(&str) -> String,
) -> Vec<Choice> {
    let one = |one: T| {
        let value = format!("{one:?}");
        let word = word(&value);
        Choice::new(value, word)
    };
    all.into_iter().map(one).collect()
}

fn what(lang: Lang, fields: &Fields) -> Group {
    let class = choices(CLASSES, |name| {
        lang.t(&format!("service-class.{name}")).to_owned()
    });
    let about = |class: Choice| {
        let about = lang.find(&format!("service-class-about.{}", class.value));
        class.about(about.unwrap_or_default())
    };
    let class = class.into_iter().map(about).collect();
    let none = Choice::new("", lang.t("field-choose"));
    let categories = choices(CATEGORIES, |name| {
        lang.t(&format!("category.{name}")).to_owned()
    });
    let categories = std::iter::once(none).chain(categories).collect();
    let text = |id: &str, most| {
        Field::new(lang, id, id, Input::Long)
            .with(fields.get(id))
            .most(most)
    };
    let mut all: Vec<_> = names(lang, fields, "name", "entry-name").into();
    all.extend([
        Field::new(lang, "class", "class", Input::Radio(class))
            .with(fields.get("class"))
            .required(),
        Field::new(lang, "category", "category", Input::Choice(categories))
            .with(fields.get("category"))
            .required(),
        text("about-zh", ABOUT),
        text("about-en", 4096),
    ]);
    Group::new("", all)
}

fn how(lang: Lang, fields: &Fields) -> Group {
    let zones = choices(ZONES, |name| lang.t(&format!("zone.{name}")).to_owned());
    let taken: Vec<_> = fields.all("zone").collect();
    let mut all: Vec<_> = names(lang, fields, "unit", "unit").into();
    all.push(
        Field::new(lang, "zone", "zones", Input::Several(zones))
            .with(&taken.join(","))
            .required(),
    );
    Group::new(lang.t("keep.scope"), all)
}

fn size(lang: Lang, fields: &Fields, n: usize) -> Group {
    let id = format!("size-{n}");
    let mut all = vec![line(lang, fields, &id, "size-name").most(63)];
    all.extend(names(lang, fields, &id, "size").map(optional));
    Group::new(&lang.say("keep.size", &[("n", &(n + 1).to_string())]), all)
}

fn asked(lang: Lang, fields: &Fields, n: usize) -> Group {
    let id = format!("asked-{n}");
    let kinds = choices(KINDS, |name| {
        lang.t(&format!("parameter-kind.{name}")).to_owned()
    });
    let kind = format!("{id}-kind");
    let chosen = match fields.get(&kind) {
        "" => "Text",
        kind => kind,
    };
    let (required, listed) = (format!("{id}-required"), format!("{id}-choices"));
    let yes = vec![Choice::new(YES, lang.t("keep.must-answer"))];
    let mut all = vec![line(lang, fields, &id, "asked-name").most(63)];
    all.extend(names(lang, fields, &id, "asked").map(optional));
    all.extend([
        Field::new(lang, &kind, "asked-kind", Input::Choice(kinds)).with(chosen),
        Field::new(lang, &required, "asked-required", Input::Several(yes))
            .with(fields.get(&required))
            .required(),
        Field::new(lang, &listed, "asked-choices", Input::Long)
            .with(fields.get(&listed))
            .most(4096),
    ]);
    Group::new(&lang.say("keep.asked", &[("n", &(n + 1).to_string())]), all)
}

fn is_size(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.len() <= 63
        && text.chars().all(inner)
        && edge(text.chars().next())
        && edge(text.chars().last())
}

fn sizes(lang: Lang, fields: &Fields, wrongs: &mut Vec<Wrong>) -> Vec<OfferedSize> {
    let mut all: Vec<OfferedSize> = Vec::new();
    for n in filled(fields, "size", SIZES) {
        let id = format!("size-{n}");
        let code = fields.get(&id).to_owned();
        if !is_size(&code) {
            wrongs.push(Wrong::new(
                &id,
                lang.say("wrong.size-name", &[("value", &code)]),
            ));
        } else if all.iter().any(|other| other.name == code) {
            wrongs.push(Wrong::new(
                &id,
                lang.say("wrong.twice", &[("value", &code)]),
            ));
        }
        all.push(OfferedSize {
            name: code,
            display_name: name(lang, fields, &id, wrongs),
        });
    }
    all
}

fn is_parameter(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn parameters(lang: Lang, fields: &Fields, wrongs: &mut Vec<Wrong>) -> Vec<Parameter> {
    let mut all: Vec<Parameter> = Vec::new();
    for n in filled(fields, "asked", PARAMETERS) {
        let id = format!("asked-{n}");
        let code = fields.get(&id).to_owned();
        if !is_parameter(&code) {
            wrongs.push(Wrong::new(
                &id,
                lang.say("wrong.asked-name", &[("value", &code)]),
            ));
        } else if all.iter().any(|other| other.name == code) {
            wrongs.push(Wrong::new(
                &id,
                lang.say("wrong.twice", &[("value", &code)]),
            ));
        }
        let kind = one_of(KINDS, fields.get(&format!("{id}-kind"))).unwrap_or(ParameterKind::Text);
        let listed = format!("{id}-choices");
        let choices = fields.get(&listed).lines().map(str::trim);
        let choices: Vec<_> = choices
            .filter(|c| !c.is_empty())
            .map(str::to_owned)
            .collect();
        let is_choice = kind == ParameterKind::Choice;
        if is_choice != (1..=CHOICES).contains(&choices.len()) && (is_choice || !choices.is_empty())
        {
            wrongs.push(Wrong::new(&listed, lang.t("wrong.choices")));
        }
        all.push(Parameter {
            name: code,
            display_name: name(lang, fields, &id, wrongs),
            kind,
            required: fields.get(&format!("{id}-required")) == YES,
            choices,
        });
    }
    all
}

fn sla(lang: Lang, fields: &Fields, wrongs: &mut Vec<Wrong>) -> Option<ServiceLevel> {
    let percent = fields.some("sla-percent");
    if percent.as_deref().is_some_and(|text| !is_percent(text)) {
        let figures = [("value", fields.get("sla-percent"))];
        wrongs.push(Wrong::new(
            "sla-percent",
            lang.say("wrong.availability", &figures),
        ));
    }
    let days = fields.some("sla-days");
    let delivery_working_days = days.as_ref().and_then(|text| text.parse().ok());
    if days.is_some() && delivery_working_days.is_none_or(|n: u16| n > 365) {
        let figures = [("value", fields.get("sla-days"))];
        wrongs.push(Wrong::new("sla-days", lang.say("wrong.days", &figures)));
    }
    let sla = ServiceLevel {
        availability_percent: percent,
        delivery_working_days,
        support_hours: fields.some("sla-hours"),
    };
    (sla != ServiceLevel::default()).then_some(sla)
}

/// Whether it is a share from 0 to 100 with at most four places.
fn is_percent(text: &str) -> bool {
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = whole.parse::<u8>().unwrap_or(u8::MAX);
    let over = number == 100 && places.bytes().any(|b| b != b'0');
    digits(whole)
        && digits(places)
        && whole.len() <= 3
        && places.len() <= 4
        && number <= 100
        && !over
}
