//! What is wrong with an application as it is written, step by step, in words that say what to do. Pure.

use crds::cloud_product::Fulfilment;
use crds::resource_request::ApplicationType;
use crds::service_offering::ParameterKind;
use kube::ResourceExt as _;

use super::form::{Form, ItemForm, day, stated};
use super::steps::AMOUNT;
use crate::fields::Wrong;
use crate::figures::resource_word;
use crate::ground::Ground;
use crate::i18n::Lang;

/// A step of the wizard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Title, reasons, days.
    Basics,
    /// What is asked for.
    Items,
    /// The system that it is for.
    System,
    /// The project behind it.
    Project,
    /// Its documents.
    Files,
}

impl Step {
    /// The steps of a form, in their order.
    #[must_use]
    pub fn of(form: &Form) -> Vec<Self> {
        let mut steps = vec![Self::Basics, Self::Items];
        if form.asks_system() {
            steps.push(Self::System);
        }
        if form.needs_project() {
            steps.push(Self::Project);
        }
        steps.push(Self::Files);
        steps
    }

    /// Its word in addresses and message files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Basics => "basics",
            Self::Items => "items",
            Self::System => "system",
            Self::Project => "project",
            Self::Files => "files",
        }
    }

    /// Whether nothing of it was written.
    #[must_use]
    pub fn is_untouched(self, form: &Form) -> bool {
        match self {
            Self::Basics => form.basics == super::form::Basics::default(),
            Self::Items => form.items.is_empty(),
            Self::System => form.system == super::form::SystemForm::default(),
            Self::Project => form.project == super::form::ProjectForm::default(),
            Self::Files => form.attachments.is_empty(),
        }
    }

    /// Whether an application may do without it.
    #[must_use]
    pub fn is_optional(self) -> bool {
        self == Self::Files
    }

    /// What is wrong with it.
    #[must_use]
    pub fn wrongs(self, lang: Lang, form: &Form, ground: &Ground) -> Vec<Wrong> {
        match self {
            Self::Basics => basics(lang, form, ground),
            Self::Items if form.items.is_empty() => {
                vec![Wrong::new("items", lang.t("wrong.no-items"))]
            }
            Self::Items => form
                .items
                .iter()
                .flat_map(|i| item(lang, form, i, ground))
                .collect(),
            Self::System => system(lang, form, ground),
            Self::Project => project(lang, form),
            // A file is judged when it comes, and kept only where it is good.
            Self::Files => Vec::new(),
        }
    }
}

/// That a field is empty, or longer than it may be.
fn text(lang: Lang, field: &str, key: &str, value: &str, most: usize) -> Option<Wrong> {
    let label = lang.t(&format!("field.{key}")).to_owned();
    let length = value.chars().count();
    if value.is_empty() {
        return Some(Wrong::new(
            field,
            lang.say("wrong.empty", &[("field", &label)]),
        ));
    }
    (length > most).then(|| {
        let figures = [
            ("field", label.as_str()),
            ("most", &most.to_string()),
            ("length", &length.to_string()),
        ];
        Wrong::new(field, lang.say("wrong.long", &figures))
    })
}

fn basics(lang: Lang, form: &Form, ground: &Ground) -> Vec<Wrong> {
    let basics = &form.basics;
    let mut wrongs: Vec<_> = [
        text(lang, "title", "title", &basics.title, 128),
        text(
            lang,
            "justification",
            "justification",
            &basics.justification,
            4096,
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    let read = |field: &str, value: &str| {
        let wrong = || Wrong::new(field, lang.say("wrong.day", &[("value", value)]));
        if value.is_empty() {
            Ok(None)
        } else {
            day(value).map(Some).ok_or_else(wrong)
        }
    };
    match (read("from", &basics.from), read("until", &basics.until)) {
        (Ok(from), Ok(until)) => {
            if until.is_none() && form.type_ == ApplicationType::Renew {
                wrongs.push(Wrong::new("until", lang.t("wrong.renew-until")));
            }
            if until.is_some_and(|until| until < ground.today) {
                wrongs.push(Wrong::new(
                    "until",
                    lang.say("wrong.past", &[("today", &ground.today.to_string())]),
                ));
            } else if from.zip(until).is_some_and(|(from, until)| from > until) {
                wrongs.push(Wrong::new("until", lang.t("wrong.until-before-from")));
            }
        }
        (from, until) => wrongs.extend([from.err(), until.err()].into_iter().flatten()),
    }
    wrongs
}

/// What is wrong with one line.
#[must_use]
pub fn item(lang: Lang, form: &Form, item: &ItemForm, ground: &Ground) -> Vec<Wrong> {
    if form.is_service(item) {
        of_catalog(lang, form, item, ground)
    } else {
        of_grant(lang, form, item, ground)
    }
}

fn of_catalog(lang: Lang, form: &Form, item: &ItemForm, ground: &Ground) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    let product = ground.product(&item.product);
    if product.is_none_or(|p| !p.spec.sizes.iter().any(|s| s.name == item.size)) {
        wrongs.push(Wrong::new("place", lang.t("wrong.no-place")));
    }
    wrongs.extend(count(lang, &item.count).err());
    if product.is_some_and(|p| p.spec.fulfilment == Fulfilment::Automatic)
        && !is_name(&item.namespace)
    {
        wrongs.push(Wrong::new("namespace", lang.t("wrong.namespace")));
    }
    // One namespace of two items is one grant's, and so of one product's pool.
    let elsewhere = |other: &ItemForm| {
        other.name != item.name
            && !item.namespace.is_empty()
            && other.namespace == item.namespace
            && other.product != item.product
    };
    if form.items.iter().any(elsewhere) {
        let figures = [("name", item.namespace.as_str())];
        let words = lang.say("wrong.namespace-twice", &figures);
        wrongs.push(Wrong::new("namespace", words));
    }
    wrongs.extend(questions(lang, item, ground));
    wrongs
}

/// Every question of the service is answered.
fn questions(lang: Lang, item: &ItemForm, ground: &Ground) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    let offering = ground.offering(&item.offering);
    for parameter in offering
        .map(|o| o.spec.parameters.as_slice())
        .unwrap_or_default()
    {
        let answer = item
            .parameters
            .get(&parameter.name)
            .map_or("", String::as_str);
        let good = if answer.is_empty() {
            !parameter.required
        } else {
            parameter.accepts(answer)
        };
        if good {
            continue;
        }
        let key = match parameter.kind {
            ParameterKind::Number if !answer.is_empty() => "wrong.number",
            ParameterKind::Text | ParameterKind::Number | ParameterKind::Choice => "wrong.empty",
        };
        let label = parameter.display_name.in_language(lang.code());
        let field = format!("answer-{}", parameter.name);
        wrongs.push(Wrong::new(
            &field,
            lang.say(key, &[("field", label), ("value", answer)]),
        ));
    }
    wrongs
}

fn of_grant(lang: Lang, form: &Form, item: &ItemForm, ground: &Ground) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    let grant = ground.grants.iter().any(|g| g.name_any() == item.grant);
    let delivery = form.takes_deliveries() && ground.delivered(&item.grant).is_some();
    if !grant && !delivery {
        wrongs.push(Wrong::new("grant", lang.t("wrong.no-grant")));
    }
    if delivery && form.states_count() {
        wrongs.extend(of_delivery(lang, item, ground));
        return wrongs;
    }
    if !item.count.is_empty() && form.states_count() {
        wrongs.push(Wrong::new("count", lang.t("wrong.count-of-grant")));
    }
    if !form.states_amounts() {
        return wrongs;
    }
    let can_be = stated(ground);
    for (name, value) in &item.amounts {
        let id = format!("{AMOUNT}{name}");
        let label = resource_word(lang, name);
        if !can_be.contains(name) {
            let said = lang.say("wrong.not-held", &[("resource", &label)]);
            wrongs.push(Wrong::new("grant", said));
        } else if value.parse::<u64>().is_err() {
            let said = lang.say("wrong.number", &[("field", &label), ("value", value)]);
            wrongs.push(Wrong::new(&id, said));
        }
    }
    if let (true, Some(first)) = (item.amounts.is_empty(), can_be.first()) {
        let id = format!("{AMOUNT}{first}");
        wrongs.push(Wrong::new(&id, lang.t("wrong.no-amount")));
    }
    wrongs
}

/// How many pieces.
fn count(lang: Lang, text: &str) -> Result<u32, Wrong> {
    let count = text.parse().ok().filter(|n| (1..=10_000).contains(n));
    count.ok_or_else(|| Wrong::new("count", lang.say("wrong.count", &[("value", text)])))
}

/// What a change says of what was delivered by hand: a number of pieces, another than stands, and no amounts.
fn of_delivery(lang: Lang, item: &ItemForm, ground: &Ground) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    let there = ground.delivered(&item.grant).map(|(_, there)| there);
    let same = |count: u32| {
        there.is_some_and(|there| {
            let size = item.size.is_empty() || there.size.as_deref() == Some(&item.size);
            size && there.count.unwrap_or(1) == count
        })
    };
    match count(lang, &item.count) {
        _ if item.count.is_empty() => {
            wrongs.push(Wrong::new("count", lang.t("wrong.no-count")));
        }
        Err(wrong) => wrongs.push(wrong),
        Ok(count) if same(count) => {
            wrongs.push(Wrong::new("count", lang.t("wrong.same-count")));
        }
        Ok(_) => {}
    }
    if let Some(name) = item.amounts.keys().next() {
        let id = format!("{AMOUNT}{name}");
        wrongs.push(Wrong::new(&id, lang.t("wrong.amount-by-hand")));
    }
    wrongs
}

/// Whether a name may be part of a namespace's.
fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=40).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn system(lang: Lang, form: &Form, _: &Ground) -> Vec<Wrong> {
    let system = &form.system;
    match system.choice.as_str() {
        "" => vec![Wrong::new("system", lang.t("wrong.no-system"))],
        "new" => {
            let mut wrongs: Vec<_> = [
                text(lang, "name", "system-name", &system.name, 128),
                text(lang, "owner", "system-owner", &system.owner, 128),
                text(lang, "category", "system-category", &system.category, 32),
                text(lang, "hosting", "system-hosting", &system.hosting, 32),
            ]
            .into_iter()
            .flatten()
            .collect();
            if !is_name(&system.id) {
                wrongs.insert(0, Wrong::new("id", lang.t("wrong.system-id")));
            }
            wrongs
        }
        _ => Vec::new(),
    }
}

fn project(lang: Lang, form: &Form) -> Vec<Wrong> {
    let project = &form.project;
    let mut wrongs: Vec<_> = text(lang, "name", "project-name", &project.name, 256)
        .into_iter()
        .collect();
    match project.basis.as_str() {
        "approved" => {
            wrongs.extend(text(
                lang,
                "approval",
                "project-approval",
                &project.approval,
                128,
            ));
            wrongs.extend(funding(lang, form));
            if project.reviews.iter().all(|(number, _)| number.is_empty()) {
                wrongs.push(Wrong::new("review-number-0", lang.t("wrong.no-review")));
            }
        }
        "exempt" => {
            wrongs.extend(text(
                lang,
                "exemption",
                "project-exemption",
                &project.exemption,
                512,
            ));
            wrongs.extend(text(
                lang,
                "exempted-by",
                "project-exempted-by",
                &project.exempted_by,
                128,
            ));
        }
        _ => wrongs.push(Wrong::new("basis", lang.t("wrong.no-basis"))),
    }
    for (index, (number, date)) in project.reviews.iter().enumerate() {
        if !date.is_empty() && day(date).is_none() {
            wrongs.push(Wrong::new(
                &format!("review-date-{index}"),
                lang.say("wrong.day", &[("value", date)]),
            ));
        } else if number.is_empty() && !date.is_empty() {
            wrongs.push(Wrong::new(
                &format!("review-number-{index}"),
                lang.t("wrong.review-number"),
            ));
        }
    }
    wrongs
}

/// The shares add up to 100.
fn funding(lang: Lang, form: &Form) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    let mut sum = 0_u32;
    for (index, (source, percent, reference)) in form.project.shares.iter().enumerate() {
        if source.is_empty() && percent.is_empty() && reference.is_empty() {
            continue;
        }
        let field = format!("percent-{index}");
        match percent.parse::<u32>() {
            Ok(percent) if (1..=100).contains(&percent) => sum += percent,
            _ => wrongs.push(Wrong::new(
                &field,
                lang.say("wrong.percent", &[("value", percent)]),
            )),
        }
        if source.is_empty() {
            wrongs.push(Wrong::new(
                &format!("source-{index}"),
                lang.t("wrong.no-source"),
            ));
        }
    }
    if wrongs.is_empty() && sum != 100 {
        wrongs.push(Wrong::new(
            "percent-0",
            lang.say("wrong.sum", &[("sum", &sum.to_string())]),
        ));
    }
    wrongs
}
