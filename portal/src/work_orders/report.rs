//! The report of a fault (故障申报): a unit's people make a work order for the operations provider of a platform.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use crds::WorkOrder;
use crds::keys::{tenant_namespace, tenant_of_namespace};
use crds::work_order::{Purpose, WorkOrderSpec};
use futures::{StreamExt as _, TryStreamExt as _};
use http::HeaderMap;

use crate::access::{Visible, within};
use crate::acts::request_id;
use crate::cluster::write::{Author, WriteError};
use crate::cluster::{Cluster, Kind};
use crate::db::new_id;
use crate::error::AppError;
use crate::forms::{Fields, WRONG, not_done, token};
use crate::live::Visit;
use crate::page::Page;
use crate::refusals::Told;

/// What the form's token is for.
const PURPOSE: &str = "report-a-fault";
/// Characters of a title, and of what happened.
const TITLE: usize = 128;
const DESCRIPTION: usize = 4096;
/// Questions that are open at once.
const AT_ONCE: usize = 16;

#[derive(Template)]
#[template(path = "report.html")]
struct Report {
    p: Page,
    units: Vec<(String, String)>,
    platforms: Vec<(String, String)>,
    fields: Fields,
    errors: Vec<(&'static str, &'static str)>,
    token: String,
    /// The name that the order gets: sending the form twice makes one.
    name: String,
}

/// The units for which somebody may report a fault: id and name.
///
/// # Errors
/// The hub gives no answer.
pub async fn units(visit: &Visit, visible: &Visible) -> Result<Vec<(String, String)>, AppError> {
    let names = visible.tenant_names.iter().cloned();
    let allowed: Vec<_> = futures::stream::iter(names)
        .map(|name| async move {
            let namespace = tenant_namespace(&name);
            let question = within("create", Kind::WorkOrder, &namespace);
            let may = visit.may(question).await?;
            Ok::<_, AppError>(may.then_some(name))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let lang = visit.reader.lang;
    let titled = |name: String| (name.clone(), visible.names.tenant(lang, &name).to_owned());
    Ok(allowed.into_iter().flatten().map(titled).collect())
}

/// The platforms that a unit's grants are on come first; then every other one whose name may be known.
fn platforms(visit: &Visit, visible: &Visible) -> Vec<(String, String)> {
    let lang = visit.reader.lang;
    let own = visible
        .quotas
        .iter()
        .map(|quota| quota.spec.platform.clone());
    let names: BTreeSet<_> = own.collect();
    let seen = visible
        .platforms
        .iter()
        .map(|platform| kube::ResourceExt::name_any(platform.as_ref()));
    let others: BTreeSet<_> = seen.filter(|name| !names.contains(name)).collect();
    names
        .into_iter()
        .chain(others)
        .map(|name| (name.clone(), visible.names.platform(lang, &name).to_owned()))
        .collect()
}

/// The form.
///
/// # Errors
/// The person may not report for any unit, or the hub gives no answer.
pub async fn form(visit: Visit) -> Result<Response, AppError> {
    draw(&visit, Fields::default(), Vec::new(), None).await
}

async fn draw(
    visit: &Visit,
    fields: Fields,
    errors: Vec<(&'static str, &'static str)>,
    alert: Option<Told>,
) -> Result<Response, AppError> {
    let (visible, lang) = (visit.visible().await?, visit.reader.lang);
    let units = units(visit, &visible).await?;
    if units.is_empty() {
        return Err(AppError::NoPage);
    }
    let here = lang.t("orders.report");
    let above = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.orders"), "/work-orders"),
    ];
    let mut p = visit.page(&visible, here.to_owned()).under(&above, here);
    p.alert = alert;
    let name = match fields.get("id") {
        "" => format!("fault-{}", &new_id().map_err(AppError::internal)?[..10]),
        name => name.to_owned(),
    };
    let report = Report {
        p,
        platforms: platforms(visit, &visible),
        units,
        errors,
        token: token(&visit.session, PURPOSE),
        name,
        fields,
    };
    Ok(Html(report.render()?).into_response())
}

pub(crate) fn wrong(visit: &Visit, fields: &Fields) -> Vec<(&'static str, &'static str)> {
    let lang = visit.reader.lang;
    let mut errors = Vec::new();
    let mut unless = |good: bool, field: &'static str, key: &'static str| {
        if !good {
            errors.push((field, lang.find(key).unwrap_or(key)));
        }
    };
    let length = |name: &str| fields.get(name).chars().count();
    unless(
        !fields.get("tenant").is_empty(),
        "tenant",
        "report.wrong.tenant",
    );
    unless(
        !fields.get("platform").is_empty(),
        "platform",
        "report.wrong.platform",
    );
    unless(
        (1..=TITLE).contains(&length("title")),
        "title",
        "report.wrong.title",
    );
    unless(
        (1..=DESCRIPTION).contains(&length("description")),
        "description",
        "report.wrong.description",
    );
    errors
}

/// Makes the order that a report says, as the person who reports.
///
/// # Errors
/// The hub says no.
pub async fn make(
    cluster: &Cluster,
    author: Author<'_>,
    fields: &Fields,
) -> Result<WorkOrder, WriteError> {
    let spec = WorkOrderSpec {
        purpose: Purpose::Fault,
        title: fields.get("title").to_owned(),
        request: None,
        item: None,
        platform: fields.get("platform").to_owned(),
        zone: None,
        product: None,
        size: None,
        count: None,
        resources: crds::ResourceList::default(),
        parameters: std::collections::BTreeMap::default(),
        delivered: None,
        until: None,
        description: fields.some("description"),
        due: None,
        progress: Vec::new(),
    };
    let mut order = WorkOrder::new(fields.get("id"), spec);
    order.metadata.namespace = Some(tenant_namespace(fields.get("tenant")));
    cluster.create(author, &order).await
}

/// Makes the order, as the person who reports.
///
/// # Errors
/// The form is not this session's, or the hub gives no answer.
pub async fn send(visit: Visit, headers: HeaderMap, fields: Fields) -> Result<Response, AppError> {
    fields.check(&visit.session, PURPOSE)?;
    let errors = wrong(&visit, &fields);
    if !errors.is_empty() {
        let page = draw(&visit, fields, errors, None).await;
        return page.map(not_done(WRONG));
    }
    let tenant = fields.get("tenant").to_owned();
    let namespace = tenant_namespace(&tenant);
    let author = Author {
        user: &visit.session.user,
        request_id: request_id(&headers),
        dry: false,
    };
    match make(&visit.state.cluster, author, &fields).await {
        // A second click finds what the first one made.
        Ok(_) | Err(WriteError::Exists) => {
            let tenant = tenant_of_namespace(&namespace).unwrap_or_default();
            let (name, cluster) = (fields.get("id"), &visit.state.cluster);
            cluster
                .has(|hub| hub.order(&namespace, name).is_some())
                .await;
            Ok(
                Redirect::to(&format!("/work-orders/{tenant}/{name}?done=reported"))
                    .into_response(),
            )
        }
        Err(error) => {
            let visible = visit.visible().await?;
            let told = visit.wording(&visible).refusal(&error);
            let page = draw(&visit, fields, Vec::new(), Some(told)).await;
            page.map(not_done(error.status()))
        }
    }
}
