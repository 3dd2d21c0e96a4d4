//! The beginning of an application: the question about secrecy first, and nothing is stored before it is answered with no.

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::keys::tenant_namespace;
use crds::resource_request::{ApplicationType, Environment};
use futures::{StreamExt as _, TryStreamExt as _};
use http::StatusCode;
use kube::ResourceExt as _;

use super::form::{Form, ItemForm};
use super::{FormPage, Open, PURPOSE, draft_error};
use crate::access::{Visible, within};
use crate::ages;
use crate::attachments;
use crate::cluster::Kind;
use crate::db::drafts;
use crate::db::micros;
use crate::error::AppError;
use crate::fields::{Choice, Field, Group, Input, Wrong, mark};
use crate::forms::{self, Fields};
use crate::ground::Ground;
use crate::i18n::Lang;
use crate::live::Visit;
use crate::requests::words;

const BEGIN: &str = "begin";
const TYPES: [ApplicationType; 5] = [
    ApplicationType::New,
    ApplicationType::Change,
    ApplicationType::Renew,
    ApplicationType::Release,
    ApplicationType::Exception,
];
const ENVIRONMENTS: [Environment; 3] = [
    Environment::Production,
    Environment::Test,
    Environment::Emergency,
];

/// The page that says that this is not the place.
#[derive(Template)]
#[template(path = "classified.html")]
struct Classified {
    p: crate::page::Page,
}

/// The units that a person may ask for.
///
/// # Errors
/// The hub gives no answer.
pub async fn units(visit: &Visit, visible: &Visible) -> Result<Vec<String>, AppError> {
    let may = |tenant: String| async move {
        let question = within("create", Kind::ResourceRequest, &tenant_namespace(&tenant));
        let allowed = visit.may(question).await?;
        Ok::<_, AppError>(allowed.then_some(tenant))
    };
    let candidates = visible.tenant_names.iter().cloned();
    let asked = futures::stream::iter(candidates.map(may)).buffered(16);
    let allowed = asked.try_filter_map(|tenant| async move { Ok(tenant) });
    allowed.try_collect().await
}

struct Answers {
    classified: String,
    tenant: String,
    type_: String,
    environment: String,
}

/// The first question.
///
/// # Errors
/// The person may ask for no unit, or the hub gives no answer.
pub async fn page(visit: Visit) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    let units = units(&visit, &visible).await?;
    let answers = Answers {
        classified: String::new(),
        tenant: visit.reader.parameter("tenant"),
        type_: Some(visit.reader.parameter("type"))
            .filter(|t| !t.is_empty())
            .unwrap_or_else(|| "New".to_owned()),
        environment: "Production".to_owned(),
    };
    Ok(Html(first(&visit, &visible, &units, &answers, &[]).render()?).into_response())
}

fn first(
    visit: &Visit,
    visible: &Visible,
    units: &[String],
    answers: &Answers,
    wrongs: &[Wrong],
) -> FormPage {
    let lang = visit.reader.lang;
    let mut groups = vec![questions(lang, visible, units, answers)];
    let errors = mark(&mut groups, wrongs);
    let way = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.requests"), "/requests"),
    ];
    let mut p = visit
        .page(visible, lang.t("wizard.begin.title").to_owned())
        .under(&way, lang.t("wizard.begin"));
    if !errors.is_empty() {
        p.title_prefix = Some(lang.t("error.prefix"));
    }
    let nobody = units
        .is_empty()
        .then(|| lang.t("wizard.no-unit").to_owned());
    FormPage {
        p,
        about: nobody
            .into_iter()
            .chain([lang.t("wizard.begin.about").to_owned()])
            .collect(),
        groups: if units.is_empty() { Vec::new() } else { groups },
        action: format!(
            "/requests/new?offering={}&grant={}",
            safe(&visit.reader.parameter("offering")),
            safe(&visit.reader.parameter("grant"))
        ),
        hidden: vec![(forms::TOKEN, forms::token(&visit.session, BEGIN))],
        button: lang.t("wizard.next").to_owned(),
        back: Some(("/requests".to_owned(), lang.t("wizard.cancel").to_owned())),
        errors,
        remove: None,
        preview: None,
    }
}

fn questions(lang: Lang, visible: &Visible, units: &[String], answers: &Answers) -> Group {
    let secrecy = Input::Radio(vec![
        Choice::new("no", lang.t("secrecy.no")),
        Choice::new("yes", lang.t("secrecy.yes")).about(lang.t("secrecy.yes.about")),
    ]);
    let types = TYPES.map(|type_| {
        Choice::new(format!("{type_:?}"), words::type_(lang, type_))
            .about(lang.t(&format!("request-type-about.{type_:?}")))
    });
    let environments = ENVIRONMENTS.map(|environment| {
        let key = format!("environment-about.{environment:?}");
        Choice::new(
            format!("{environment:?}"),
            words::environment(lang, environment),
        )
        .about(lang.t(&key))
    });
    let named = units
        .iter()
        .map(|unit| Choice::new(unit, visible.names.tenant(lang, unit)));
    let unit = Field::new(lang, "tenant", "tenant", Input::Choice(named.collect()))
        .with(&answers.tenant)
        .required();
    Group::new(
        "",
        vec![
            Field::new(lang, "classified", "classified", secrecy)
                .with(&answers.classified)
                .required(),
            unit,
            Field::new(lang, "type", "request-type", Input::Radio(types.into()))
                .with(&answers.type_)
                .required(),
            Field::new(
                lang,
                "environment",
                "environment",
                Input::Radio(environments.into()),
            )
            .with(&answers.environment)
            .required(),
        ],
    )
}

/// A name as it may stand in an address.
fn safe(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .collect()
}

/// Takes the answer: stops where anything is classified, else begins a draft.
///
/// # Errors
/// The form is not ours, or the hub or the database gives no answer.
pub async fn enter(visit: Visit, fields: Fields) -> Result<Response, AppError> {
    fields.check(&visit.session, BEGIN)?;
    let lang = visit.reader.lang;
    let visible = visit.visible().await?;
    if fields.get("classified") == "yes" {
        let title = lang.t("secrecy.stop.title").to_owned();
        let p = visit.page(&visible, title).under(
            &[(lang.t("nav.requests"), "/requests")],
            lang.t("wizard.begin"),
        );
        return Ok(Html(Classified { p }.render()?).into_response());
    }
    let units = units(&visit, &visible).await?;
    let get = |name: &str| fields.get(name).to_owned();
    let answers = Answers {
        classified: get("classified"),
        tenant: get("tenant"),
        type_: get("type"),
        environment: get("environment"),
    };
    let type_ = TYPES
        .into_iter()
        .find(|t| format!("{t:?}") == answers.type_);
    let environment = ENVIRONMENTS
        .into_iter()
        .find(|e| format!("{e:?}") == answers.environment);
    let wrongs: Vec<_> = [
        (answers.classified != "no", "classified", "wrong.secrecy"),
        (
            !units.contains(&answers.tenant),
            "tenant",
            "wrong.no-tenant",
        ),
        (type_.is_none(), "type", "wrong.no-type"),
        (environment.is_none(), "environment", "wrong.no-environment"),
    ]
    .into_iter()
    .filter(|(wrong, _, _)| *wrong)
    .map(|(_, field, key)| Wrong::new(field, lang.t(key)))
    .collect();
    let (Some(type_), Some(environment), true) = (type_, environment, wrongs.is_empty()) else {
        let page = first(&visit, &visible, &units, &answers, &wrongs);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response());
    };
    begin(&visit, Form::begin(&answers.tenant, type_, environment)).await
}

/// Begins a draft, with what was chosen before.
async fn begin(visit: &Visit, mut form: Form) -> Result<Response, AppError> {
    let ground =
        Ground::of(&visit.state.cluster, &form.tenant, None, visit.now).ok_or(AppError::NoPage)?;
    let (offering, grant) = (
        visit.reader.parameter("offering"),
        visit.reader.parameter("grant"),
    );
    let next = if form.by_catalog() && ground.offering(&offering).is_some() {
        let item = add_service(&mut form, &offering, &ground);
        format!("/items/{item}")
    } else if form.takes_grants() && ground.grants.iter().any(|g| g.name_any() == grant) {
        let name = form.free_name(&grant);
        form.items.push(ItemForm {
            name: name.clone(),
            grant,
            ..ItemForm::default()
        });
        format!("/items/{name}")
    } else {
        String::new()
    };
    let contents = serde_json::to_string(&form).map_err(AppError::internal)?;
    let mut connection = visit
        .records()?
        .db
        .acquire()
        .await
        .map_err(|e| AppError::database(&e))?;
    let owner = visit.session.user.name.as_str();
    let draft = drafts::begin(
        &mut connection,
        owner,
        (PURPOSE, "", &contents),
        micros(visit.now),
    )
    .await;
    let draft = draft.map_err(draft_error)?;
    Ok(Redirect::to(&format!("/drafts/{}{next}", draft.id)).into_response())
}

/// Adds a line for a service; gives its name.
pub(super) fn add_service(form: &mut Form, offering: &str, ground: &Ground) -> String {
    let name = form.free_name(offering);
    let products = ground
        .products
        .iter()
        .filter(|p| p.spec.offering == offering && !p.spec.withdrawn);
    let places: Vec<_> = products
        .flat_map(|p| p.spec.sizes.iter().map(|s| (p.name_any(), s.name.clone())))
        .collect();
    // Where there is one place and one size, nothing is to be chosen.
    let (product, size) = if let [only] = places.as_slice() {
        only.clone()
    } else {
        Default::default()
    };
    form.items.push(ItemForm {
        name: name.clone(),
        offering: offering.to_owned(),
        product,
        size,
        count: "1".to_owned(),
        namespace: form.system.chosen().unwrap_or_else(|| name.clone()),
        ..ItemForm::default()
    });
    name
}

/// Throws a draft away.
///
/// # Errors
/// There is no such draft, or the form is not ours.
pub async fn delete(
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, AppError> {
    let open = Open::find(visit, &id).await?;
    open.check(&fields)?;
    let db = &open.visit.records()?.db;
    let deleted = attachments::drop_draft(db, (&open.draft.owner, &id)).await;
    deleted.map_err(|error| AppError::database(&error))?;
    Ok(Redirect::to("/requests?done=draft-deleted").into_response())
}

/// A draft in a list.
#[derive(Clone, Debug)]
pub struct DraftRow {
    /// Its address.
    pub href: String,
    /// What it is called.
    pub title: String,
    /// What it is.
    pub kind: String,
    /// The unit.
    pub tenant: String,
    /// When it was saved last.
    pub changed: ages::Moment,
}

/// A person's drafts; none where the database gives no answer, for the list is not about them.
pub async fn mine(visit: &Visit, visible: &Visible) -> Vec<DraftRow> {
    let lang = visit.reader.lang;
    let Some(records) = &visit.state.records else {
        return Vec::new();
    };
    let Ok(mut connection) = records.db.acquire().await else {
        return Vec::new();
    };
    let drafts = drafts::of(&mut connection, &visit.session.user.name)
        .await
        .unwrap_or_default();
    let row = |draft: drafts::Draft| {
        let form: Form = serde_json::from_str(&draft.contents).ok()?;
        let at = jiff::Timestamp::from_microsecond(draft.changed).ok()?;
        Some(DraftRow {
            href: format!("/drafts/{}", draft.id),
            title: if draft.title.is_empty() {
                lang.t("drafts.untitled").to_owned()
            } else {
                draft.title
            },
            kind: super::kind_word(lang, &form),
            tenant: visible.names.tenant(lang, &form.tenant).to_owned(),
            changed: ages::moment(lang, at, visit.now),
        })
    };
    drafts
        .into_iter()
        .filter(|draft| draft.purpose == PURPOSE)
        .filter_map(row)
        .collect()
}
