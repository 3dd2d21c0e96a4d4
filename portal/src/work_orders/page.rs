//! The page of one work order, and a step of it as the person who takes it.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use crds::keys::tenant_namespace;
use crds::work_order::{OrderState, Progress, StepState};
use crds::{CloudProduct, ServiceOffering, WorkOrder};
use http::HeaderMap;
use kube::ResourceExt as _;

use super::{Row, row, visible};
use crate::access::{Visible, operate};
use crate::acts::request_id;
use crate::ages::{self, Moment};
use crate::cluster::write::{Author, WriteError};
use crate::cluster::{Cluster, Kind};
use crate::error::AppError;
use crate::forms::{Fields, not_done, token};
use crate::health::{Health, Wording};
use crate::i18n::Lang;
use crate::live::{self, Visit, live};
use crate::objects::{self, AsCode};
use crate::page::Page;
use crate::platforms::Fact;
use crate::requests::words;

/// What a step may report.
pub(crate) const STEPS: [StepState; 4] = [
    StepState::Accepted,
    StepState::InProgress,
    StepState::Done,
    StepState::Failed,
];

/// A step as it is shown.
struct Step {
    state: &'static str,
    health: Health,
    by: String,
    comment: String,
    seen: Option<Moment>,
}

#[derive(Template)]
#[template(path = "work_order.html", blocks = ["banners", "head", "steps", "code"])]
struct OrderPage {
    p: Page,
    health: Health,
    state: &'static str,
    facts: Vec<Fact>,
    description: String,
    steps: Vec<Step>,
    choices: Vec<(String, &'static str)>,
    action: String,
    token: String,
    code: AsCode,
}

live!(OrderPage: "banners" => as_banners, "head" => as_head, "steps" => as_steps, "code" => as_code);

/// One order, where the person may see it.
pub(crate) async fn order(
    visit: &Visit,
    tenant: &str,
    name: &str,
) -> Result<Arc<WorkOrder>, AppError> {
    let namespace = tenant_namespace(tenant);
    let mut orders = visible(visit).await?.into_iter();
    let found = orders
        .find(|order| order.name_any() == name && order.namespace().as_deref() == Some(&namespace));
    found.ok_or(AppError::NoPage)
}

/// The page of one order.
///
/// # Errors
/// There is none of that name that the person may see, or the hub gives no answer.
pub async fn page(
    visit: Visit,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<Response, AppError> {
    live::answer(&visit.reader, &draw(&visit, &tenant, &name).await?)
}

pub(crate) async fn draw(
    visit: &Visit,
    tenant: &str,
    name: &str,
) -> Result<impl live::Live + use<>, AppError> {
    draw_told(visit, (tenant, name), None).await
}

async fn draw_told(
    visit: &Visit,
    (tenant, name): (&str, &str),
    alert: Option<crate::refusals::Told>,
) -> Result<OrderPage, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let order = order(visit, tenant, name).await?;
    let wording = visit.wording(&visible);
    let row = row(&wording, &order);
    let may = visit.may(operate(&order.spec.platform)).await?;
    // What failed may be taken up again (policy work-order-steps).
    let open = order.spec.state() != OrderState::Done;
    let choices = STEPS.map(|step| (format!("{step:?}"), step_word(lang, step)));
    let title = lang.say(
        "order.title",
        &[("title", &row.title), ("state", row.state)],
    );
    let mut p = visit.page(&visible, title).under(
        &[
            (lang.t("nav.overview"), "/"),
            (lang.t("nav.orders"), "/work-orders"),
        ],
        &row.title,
    );
    p.alert = alert;
    Ok(OrderPage {
        p,
        health: row.health,
        state: row.state,
        facts: facts(&wording, &order, &row, &Called::of(visit, &visible, &order)),
        description: order.spec.description.clone().unwrap_or_default(),
        steps: steps(&wording, &order),
        choices: if may && open {
            choices.into()
        } else {
            Vec::new()
        },
        action: format!("{}/steps", row.href),
        token: token(&visit.session, &purpose_of(&order)),
        code: objects::as_code(
            order.as_ref(),
            "workorders",
            order.namespace().as_deref(),
            name,
            format!("{}/yaml", row.href),
        )?,
    })
}

/// What a form of an order is for: this order, as many steps as were seen.
fn purpose_of(order: &WorkOrder) -> String {
    let uid = order.uid().unwrap_or_default();
    format!("step:{uid}:{}", order.spec.progress.len())
}

fn step_word(lang: Lang, step: StepState) -> &'static str {
    lang.find(&format!("step.{step:?}")).unwrap_or("")
}

fn steps(wording: &Wording, order: &WorkOrder) -> Vec<Step> {
    let seen = order.status.as_ref().map(|status| status.seen.as_slice());
    let shown = |(index, step): (usize, &Progress)| Step {
        state: step_word(wording.lang, step.state),
        health: match step.state {
            StepState::Accepted | StepState::InProgress => Health::Progress,
            StepState::Done => Health::Good,
            StepState::Failed => Health::Bad,
        },
        by: step.by.clone(),
        comment: step.comment.clone().unwrap_or_default(),
        seen: seen
            .and_then(|seen| seen.get(index))
            .map(|at| ages::moment(wording.lang, *at, wording.now)),
    };
    order.spec.progress.iter().enumerate().map(shown).collect()
}

/// What the catalogs call what an order names, where the person may know of it.
#[derive(Default)]
struct Called {
    product: Option<Arc<CloudProduct>>,
    offering: Option<Arc<ServiceOffering>>,
}

impl Called {
    fn of(visit: &Visit, visible: &Visible, order: &WorkOrder) -> Self {
        let may = |kind: Kind| visible.general.contains(&kind);
        let Some(id) = order.spec.product.as_deref() else {
            return Self::default();
        };
        let mut products = visit.state.cluster.products().into_iter();
        let product = products
            .find(|p| p.name_any() == id)
            .filter(|_| may(Kind::CloudProduct));
        let offering = product.as_ref().and_then(|product| {
            let mut offerings = visit.state.cluster.offerings().into_iter();
            let found = offerings.find(|o| o.name_any() == product.spec.offering);
            found.filter(|_| may(Kind::ServiceOffering))
        });
        Self { product, offering }
    }

    fn product(&self, lang: Lang, id: &str) -> String {
        let known = self.product.as_ref();
        known
            .map_or(id, |p| p.spec.display_name.in_language(lang.code()))
            .to_owned()
    }

    /// A size, or what is counted where there is none.
    fn size(&self, lang: Lang, name: &str, count: u32) -> String {
        let Some(offering) = &self.offering else {
            return format!("{name} × {count}");
        };
        let mut sizes = offering.spec.sizes.iter();
        let size = sizes.find(|size| size.name == name);
        let size = size.map(|size| size.display_name.in_language(lang.code()));
        let unit = offering.spec.unit.in_language(lang.code());
        match size {
            Some(size) => format!("{size} × {count} {unit}"),
            None => format!("{count} {unit}"),
        }
    }

    fn question<'a>(&'a self, lang: Lang, name: &'a str) -> &'a str {
        let parameters = self.offering.iter().flat_map(|o| &o.spec.parameters);
        let mut known = parameters.filter(|parameter| parameter.name == name);
        known
            .next()
            .map_or(name, |p| p.display_name.in_language(lang.code()))
    }
}

fn facts(wording: &Wording, order: &WorkOrder, row: &Row, called: &Called) -> Vec<Fact> {
    let (lang, spec) = (wording.lang, &order.spec);
    let size = match (&spec.size, spec.count) {
        (Some(size), Some(count)) => called.size(lang, size, count),
        _ => String::new(),
    };
    let parameters = spec.parameters.iter().map(|(key, value)| {
        let figures = [("name", called.question(lang, key)), ("value", value)];
        lang.say("order.parameter", &figures)
    });
    let product = spec.product.as_deref();
    let facts = [
        ("table.purpose", row.purpose.to_owned()),
        ("table.tenant", row.tenant.clone()),
        ("table.platform", row.platform.clone()),
        (
            "table.zone",
            spec.zone
                .map_or("", |zone| words::zone(lang, zone))
                .to_owned(),
        ),
        ("table.request", spec.request.clone().unwrap_or_default()),
        (
            "table.product",
            product.map_or_else(String::new, |id| called.product(lang, id)),
        ),
        ("table.size", size),
        ("table.resource", words::amounts(lang, &spec.resources)),
        (
            "table.parameters",
            lang.join(&parameters.collect::<Vec<_>>()),
        ),
        ("table.due", row.due.clone()),
    ];
    let told = facts.into_iter().filter(|(_, value)| !value.is_empty());
    told.map(|(key, value)| Fact {
        word: lang.find(key).unwrap_or(key),
        value,
    })
    .collect()
}

/// Takes a step of an order as it was seen, and gives the order as it is then.
///
/// # Errors
/// The hub says no.
pub async fn take(
    cluster: &Cluster,
    author: Author<'_>,
    order: &WorkOrder,
    (state, comment): (StepState, Option<String>),
) -> Result<WorkOrder, WriteError> {
    let entry = Progress {
        by: author.user.name.clone(),
        state,
        comment,
    };
    cluster.append(author, order, "progress", &entry).await
}

/// Appends a step, as the person who takes it.
///
/// # Errors
/// There is no such order, the form is not this session's, or the hub or the ledger gives no answer.
pub async fn step(
    visit: Visit,
    Path((tenant, name)): Path<(String, String)>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, AppError> {
    let order = order(&visit, &tenant, &name).await?;
    fields.check(&visit.session, &purpose_of(&order))?;
    let mut steps = STEPS.into_iter();
    let state = steps.find(|step| format!("{step:?}") == fields.get("state"));
    let state = state.ok_or(AppError::FormExpired)?;
    let author = Author {
        user: &visit.session.user,
        request_id: request_id(&headers),
        dry: false,
    };
    let said = (state, fields.some("comment"));
    match take(&visit.state.cluster, author, &order, said).await {
        Ok(_) => {
            Ok(Redirect::to(&format!("/work-orders/{tenant}/{name}?done=step")).into_response())
        }
        Err(error) => {
            let visible = visit.visible().await?;
            let told = visit.wording(&visible).refusal(&error);
            let page = draw_told(&visit, (&tenant, &name), Some(told)).await?;
            live::answer(&visit.reader, &page).map(not_done(error.status()))
        }
    }
}

/// An order as YAML.
///
/// # Errors
/// There is none of that name that the person may see.
pub async fn yaml(
    visit: Visit,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<Response, AppError> {
    objects::answer(order(&visit, &tenant, &name).await?.as_ref())
}
