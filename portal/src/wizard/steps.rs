//! The steps of the wizard as forms: which fields each has, and what the fields say. Pure.

use crds::InformationSystem;
use crds::resource_request::ApplicationType;
use crds::service_offering::{Parameter, ParameterKind};
use kube::ResourceExt as _;

use super::check::Step;
use super::form::{Form, ItemForm, ProjectForm, REVIEWS, SHARES, SOURCES, stated, unit_of};
use super::places;
use crate::fields::{Choice, Field, Group, Input};
use crate::figures::resource_word;
use crate::forms::Fields;
use crate::ground::Ground;
use crate::health::Wording;
use crate::i18n::Lang;
use crate::requests::effect::service;
use crate::requests::words;

/// The fields of a step.
#[must_use]
pub fn groups(
    lang: Lang,
    step: Step,
    form: &Form,
    systems: &[std::sync::Arc<InformationSystem>],
) -> Vec<Group> {
    match step {
        Step::Basics => vec![basics(lang, form)],
        Step::Items | Step::Files => Vec::new(),
        Step::System => system(lang, form, systems),
        Step::Project => project(lang, form),
    }
}

fn basics(lang: Lang, form: &Form) -> Group {
    let basics = &form.basics;
    let until = Field::new(lang, "until", "until", Input::Day).with(&basics.until);
    let renews = form.type_ == ApplicationType::Renew;
    Group::new(
        "",
        vec![
            Field::new(lang, "title", "title", Input::Line)
                .with(&basics.title)
                .required(),
            Field::new(lang, "justification", "justification", Input::Long)
                .with(&basics.justification)
                .required()
                .most(4096),
            Field::new(lang, "from", "from", Input::Day).with(&basics.from),
            if renews { until.required() } else { until },
        ],
    )
}

fn levels(lang: Lang) -> Vec<Choice> {
    let none = Choice::new("", lang.t("mlps.none"));
    let levels = (1..=4).map(|n| {
        Choice::new(
            n.to_string(),
            lang.say("figure.level", &[("n", &n.to_string())]),
        )
    });
    std::iter::once(none).chain(levels).collect()
}

/// A list to choose from that begins with nothing.
fn folded(lang: Lang, key: fn(&str) -> String, names: &[&str]) -> Input {
    let none = Choice::new("", lang.t("field-choose"));
    let choices = names
        .iter()
        .map(|name| Choice::new(*name, lang.find(&key(name)).unwrap_or(name)));
    Input::Choice(std::iter::once(none).chain(choices).collect())
}

fn system(lang: Lang, form: &Form, systems: &[std::sync::Arc<InformationSystem>]) -> Vec<Group> {
    let known = systems.iter().map(|system| {
        let level = system.spec.mlps_level.map_or_else(
            || lang.t("mlps.none").to_owned(),
            |n| lang.say("figure.level", &[("n", &n.to_string())]),
        );
        let name = system.spec.display_name.in_language(lang.code());
        Choice::new(format!("registered:{}", system.name_any()), name).about(level)
    });
    let others = [
        Choice::new("new", lang.t("system.new")).about(lang.t("system.new.about")),
        Choice::new("none", lang.t("system.none")).about(lang.t("system.none.about")),
    ];
    let choices = known.chain(others).collect();
    let system = &form.system;
    let which = Field::new(lang, "system", "system", Input::Radio(choices))
        .with(&system.choice)
        .required();
    let categories = folded(
        lang,
        |name| format!("system-category.{name}"),
        &["National", "Provincial", "Own"],
    );
    let hostings = folded(
        lang,
        |name| format!("hosting.{name}"),
        &["Local", "Superior", "ManagedInPlace"],
    );
    let new = vec![
        Field::new(lang, "id", "system-id", Input::Line)
            .with(&system.id)
            .most(40),
        Field::new(lang, "name", "system-name", Input::Line).with(&system.name),
        Field::new(lang, "owner", "system-owner", Input::Line).with(&system.owner),
        Field::new(lang, "category", "system-category", categories).with(&system.category),
        Field::new(lang, "hosting", "system-hosting", hostings).with(&system.hosting),
        Field::new(lang, "mlps", "mlps", Input::Choice(levels(lang))).with(&system.mlps),
    ];
    let new = new.into_iter().map(Field::depends).collect();
    vec![
        Group::new("", vec![which]),
        Group::new(lang.t("system.new"), new).hint(lang.t("system.new.hint")),
    ]
}

fn shares(lang: Lang, form: &ProjectForm) -> Vec<Field> {
    let sources: Vec<_> = SOURCES.iter().map(|source| format!("{source:?}")).collect();
    let sources: Vec<_> = sources.iter().map(String::as_str).collect();
    (0..SHARES)
        .flat_map(|index| {
            let (source, percent, reference) = form.shares.get(index).cloned().unwrap_or_default();
            [
                Field::new(
                    lang,
                    &format!("source-{index}"),
                    "source",
                    folded(lang, |name| format!("funding.{name}"), &sources),
                )
                .with(&source)
                .depends(),
                Field::new(lang, &format!("percent-{index}"), "percent", Input::Number)
                    .with(&percent)
                    .depends()
                    .unit("%")
                    .most(3),
                Field::new(
                    lang,
                    &format!("reference-{index}"),
                    "reference",
                    Input::Line,
                )
                .with(&reference),
            ]
        })
        .collect()
}

fn reviews(lang: Lang, form: &ProjectForm) -> Vec<Field> {
    REVIEWS
        .iter()
        .enumerate()
        .flat_map(|(index, kind)| {
            let (number, date) = form.reviews.get(index).cloned().unwrap_or_default();
            let mut number = Field::new(
                lang,
                &format!("review-number-{index}"),
                "review-number",
                Input::Line,
            )
            .with(&number);
            lang.t(&format!("review.{kind:?}"))
                .clone_into(&mut number.label);
            [
                number,
                Field::new(
                    lang,
                    &format!("review-date-{index}"),
                    "review-date",
                    Input::Day,
                )
                .with(&date),
            ]
        })
        .collect()
}

fn project(lang: Lang, form: &Form) -> Vec<Group> {
    let project = &form.project;
    let basis = Input::Radio(vec![
        Choice::new("approved", lang.t("project.approved")).about(lang.t("project.approved.about")),
        Choice::new("exempt", lang.t("project.exempt")).about(lang.t("project.exempt.about")),
    ]);
    vec![
        Group::new(
            "",
            vec![
                Field::new(lang, "name", "project-name", Input::Line)
                    .with(&project.name)
                    .required()
                    .most(256),
                Field::new(lang, "post", "project-post", Input::Line).with(&project.post),
                Field::new(lang, "mlps", "mlps", Input::Choice(levels(lang))).with(&project.mlps),
                Field::new(lang, "basis", "project-basis", basis)
                    .with(&project.basis)
                    .required(),
            ],
        ),
        Group::new(
            lang.t("project.approved"),
            vec![
                Field::new(lang, "approval", "project-approval", Input::Line)
                    .with(&project.approval)
                    .depends(),
            ],
        ),
        Group::new(lang.t("project.funding"), shares(lang, project))
            .hint(lang.t("project.funding.hint")),
        Group::new(lang.t("project.reviews"), reviews(lang, project))
            .hint(lang.t("project.reviews.hint")),
        Group::new(
            lang.t("project.exempt"),
            vec![
                Field::new(lang, "exemption", "project-exemption", Input::Long)
                    .with(&project.exemption)
                    .depends()
                    .most(512),
                Field::new(lang, "exempted-by", "project-exempted-by", Input::Line)
                    .with(&project.exempted_by)
                    .depends(),
            ],
        ),
    ]
}

/// Takes what was filled into a step.
pub fn take(step: Step, form: &mut Form, fields: &Fields) {
    let get = |name: &str| fields.get(name).to_owned();
    match step {
        Step::Basics => {
            form.basics = super::form::Basics {
                title: get("title"),
                justification: get("justification"),
                from: get("from"),
                until: get("until"),
            };
        }
        Step::Items | Step::Files => {}
        Step::System => {
            form.system = super::form::SystemForm {
                choice: get("system"),
                id: get("id"),
                name: get("name"),
                owner: get("owner"),
                category: get("category"),
                hosting: get("hosting"),
                mlps: get("mlps"),
            };
        }
        Step::Project => {
            let at = |name: &str, index: usize| fields.get(&format!("{name}-{index}")).to_owned();
            form.project = super::form::ProjectForm {
                name: get("name"),
                basis: get("basis"),
                approval: get("approval"),
                shares: (0..SHARES)
                    .map(|i| (at("source", i), at("percent", i), at("reference", i)))
                    .collect(),
                reviews: (0..REVIEWS.len())
                    .map(|i| (at("review-number", i), at("review-date", i)))
                    .collect(),
                mlps: get("mlps"),
                post: get("post"),
                exemption: get("exemption"),
                exempted_by: get("exempted-by"),
            };
        }
    }
}

/// The fields of one line.
#[must_use]
pub fn item_groups(wording: &Wording, form: &Form, item: &ItemForm, ground: &Ground) -> Vec<Group> {
    let lang = wording.lang;
    if !form.is_service(item) {
        return vec![Group::new("", of_grant(wording, form, item, ground))];
    }
    let Some(offering) = ground.offering(&item.offering) else {
        return Vec::new();
    };
    let places = Input::Radio(places::places(wording, form, offering, ground));
    let chosen = format!("{}/{}", item.product, item.size);
    let unit = offering.spec.unit.in_language(lang.code());
    let namespace = Field::new(lang, "namespace", "namespace", Input::Line)
        .with(&item.namespace)
        .most(40);
    let prefix = format!("{}-", form.tenant);
    let mut fields = vec![
        Field::new(lang, "place", "place", places)
            .with(&chosen)
            .required(),
        Field::new(lang, "count", "count", Input::Number)
            .with(&item.count)
            .unit(unit)
            .required()
            .most(5),
    ];
    fields.extend(
        offering
            .spec
            .parameters
            .iter()
            .map(|parameter| question(lang, item, parameter)),
    );
    let automatic =
        |p: &crds::CloudProduct| p.spec.offering == item.offering && p.spec.pool.is_some();
    if ground.products.iter().any(automatic) {
        let mut namespace = namespace.required();
        namespace.hint = lang.say("field-hint.namespace-of", &[("prefix", &prefix)]);
        fields.push(namespace);
    }
    vec![Group::new("", fields)]
}

fn question(lang: Lang, item: &ItemForm, parameter: &Parameter) -> Field {
    let input = match parameter.kind {
        ParameterKind::Text => Input::Line,
        ParameterKind::Number => Input::Number,
        ParameterKind::Choice => {
            let none = Choice::new("", lang.t("field-choose"));
            let choices = parameter
                .choices
                .iter()
                .map(|choice| Choice::new(choice, choice));
            Input::Choice(std::iter::once(none).chain(choices).collect())
        }
    };
    let answer = item
        .parameters
        .get(&parameter.name)
        .map_or("", String::as_str);
    let mut field = Field::new(lang, &format!("answer-{}", parameter.name), "answer", input)
        .with(answer)
        .most(512);
    parameter
        .display_name
        .in_language(lang.code())
        .clone_into(&mut field.label);
    if parameter.required {
        field.required()
    } else {
        field
    }
}

/// What the fields of new amounts begin with; the resource follows.
pub const AMOUNT: &str = "amount-";

fn of_grant(wording: &Wording, form: &Form, item: &ItemForm, ground: &Ground) -> Vec<Field> {
    let lang = wording.lang;
    let grants = ground.grants.iter().map(|grant| {
        let spec = &grant.spec;
        let place = [
            wording.platform(&spec.platform),
            words::zone(lang, spec.zone),
            &spec.pool,
        ]
        .join(lang.t("sentence.dot"));
        let ends = spec
            .lease
            .as_ref()
            .map(|lease| lang.say("grant.ends", &[("until", &lease.until.to_string())]));
        let about: Vec<_> = std::iter::once(words::amounts(lang, &spec.hard))
            .chain(ends)
            .collect();
        Choice::new(
            grant.name_any(),
            format!("{place}{}{}", lang.t("sentence.dot"), grant.name_any()),
        )
        .about(about.join(lang.t("sentence.dot")))
    });
    let by_hand = ground.standing.iter().filter(|_| form.takes_deliveries());
    let grants = grants.chain(by_hand.map(|(key, there)| {
        let service = service(wording, ground, there);
        let place = [
            wording.platform(&there.platform),
            words::zone(lang, there.zone),
            &service,
        ];
        Choice::new(
            format!("{}/{}", key.request, key.item),
            place.join(lang.t("sentence.dot")),
        )
        .about(lang.say("grant.by-hand", &[("request", &key.request)]))
    }));
    let mut fields = vec![
        Field::new(lang, "grant", "grant", Input::Radio(grants.collect()))
            .with(&item.grant)
            .required(),
    ];
    if form.states_amounts() {
        fields.extend(stated(ground).into_iter().map(|name| {
            let value = item.amounts.get(&name).map_or("", String::as_str);
            let (unit, _) = unit_of(&name);
            let id = format!("{AMOUNT}{name}");
            let mut field = Field::new(lang, &id, "new-amount", Input::Number)
                .with(value)
                .depends()
                .unit(lang.t(&format!("form-unit.{unit}")))
                .most(12);
            let word = resource_word(lang, &name);
            field.label = lang.say("field.new-amount-of", &[("resource", &word)]);
            field
        }));
    }
    if form.states_count() && !ground.standing.is_empty() {
        fields.extend(of_change(lang, item, ground));
    }
    fields
}

/// What a change says of what was delivered by hand: how many it is to be, and of which size where there are several.
fn of_change(lang: Lang, item: &ItemForm, ground: &Ground) -> Vec<Field> {
    let there = ground.delivered(&item.grant).map(|(_, there)| there);
    let product = there.and_then(|there| ground.product(there.product.as_deref()?));
    let sizes = product.map_or(&[][..], |product| &product.spec.sizes);
    let mut fields = Vec::new();
    if let (Some(there), true) = (there, sizes.len() > 1) {
        let offering = there.offering.as_deref();
        let offering = offering.and_then(|name| ground.offering(name));
        let choices = sizes.iter().map(|size| {
            let mut known = offering.iter().flat_map(|o| &o.spec.sizes);
            let known = known.find(|s| s.name == size.name);
            let word = known.map_or(size.name.as_str(), |s| {
                s.display_name.in_language(lang.code())
            });
            Choice::new(size.name.clone(), word.to_owned())
        });
        let chosen = if item.size.is_empty() {
            there.size.as_deref().unwrap_or_default()
        } else {
            &item.size
        };
        fields.push(
            Field::new(lang, "size", "new-size", Input::Radio(choices.collect()))
                .with(chosen)
                .depends(),
        );
    }
    fields.push(
        Field::new(lang, "count", "new-count", Input::Number)
            .with(&item.count)
            .depends()
            .most(5),
    );
    fields
}

/// Takes what was filled into a line.
pub fn take_item(item: &mut ItemForm, fields: &Fields) {
    let place = fields.get("place");
    let (product, size) = place.split_once('/').unwrap_or_default();
    product.clone_into(&mut item.product);
    // A change of what was delivered by hand names the size alone.
    let size = if place.is_empty() {
        fields.get("size")
    } else {
        size
    };
    size.clone_into(&mut item.size);
    fields.get("count").clone_into(&mut item.count);
    fields.get("namespace").clone_into(&mut item.namespace);
    fields.get("grant").clone_into(&mut item.grant);
    let all_of = |prefix: &'static str| {
        let named = fields.0.iter();
        let named =
            named.filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value)));
        named.map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
    };
    item.parameters = all_of("answer-").collect();
    item.amounts = all_of(AMOUNT)
        .filter(|(_, text)| !text.is_empty())
        .collect();
}
