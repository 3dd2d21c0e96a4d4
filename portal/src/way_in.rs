//! A way in: the kubeconfig of a few hours by which a unit's people work in a grant's namespaces.
//!
//! The operator issues it (`crds::way_in`) and the browser saves it; the portal keeps nothing of it but a row of the ledger
//! with the credential's id, by which the member's audit log names it too. Who asks for it proves again who they are.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse as _, Response};
use crds::TenantQuota;
use crds::keys::{VERB_ENTER, tenant_namespace};
use crds::way_in::{Ask, Given, HOURS, NAMESPACES};
use http::HeaderMap;
use kube::ResourceExt as _;
use serde_json::json;

use crate::access::{Visible, within};
use crate::acts::{self, Recorded};
use crate::cluster::Kind;
use crate::cluster::way_in::NoWayIn;
use crate::error::AppError;
use crate::forms::{self, Fields};
use crate::identity::StepUp;
use crate::live::Visit;
use crate::page::Page;
use crate::refusals::Told;

#[derive(Template)]
#[template(path = "way_in.html")]
struct WayInPage {
    p: Page,
    about: String,
    action: String,
    token: String,
    /// The namespaces, and whether all of them can be opened at once.
    leaves: Vec<String>,
    together: bool,
    /// How to begin, with the file's name.
    first: String,
}

/// Whether somebody is offered ways into a unit's grants: they may enter, and the portal hands out ways in at all.
///
/// # Errors
/// The hub gives no answer.
pub async fn offered(visit: &Visit, tenant: &str) -> Result<bool, AppError> {
    if visit.state.doorkeeper.is_none() {
        return Ok(false);
    }
    let question = within(VERB_ENTER, Kind::TenantQuota, &tenant_namespace(tenant));
    visit.may(question).await
}

/// The address of a grant's way in.
#[must_use]
pub fn address(tenant: &str, grant: &str) -> String {
    format!("/tenants/{tenant}/grants/{grant}/way-in")
}

/// The page that says what one gets.
///
/// # Errors
/// There is no such grant that the person may see, or no way in is handed out here.
pub async fn page(
    StepUp(_): StepUp,
    visit: Visit,
    Path((tenant, grant)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    draw(&visit, &visible, (&tenant, &grant), None)
}

/// Hands one out.
///
/// # Errors
/// The form is not this session's, or the ledger takes nothing more: then nothing is handed out.
pub async fn give(
    StepUp(_): StepUp,
    visit: Visit,
    Path((tenant, grant)): Path<(String, String)>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, AppError> {
    let visible = visit.visible().await?;
    fields.check(&visit.session, &address(&tenant, &grant))?;
    let Some(doorkeeper) = &visit.state.doorkeeper else {
        return Err(AppError::NoPage);
    };
    find(&visible, &tenant, &grant)?;
    let user = &visit.session.user;
    let ask = Ask {
        user: user.name.clone(),
        groups: user.groups_as_authenticated(),
        namespace: tenant_namespace(&tenant),
        grant: grant.clone(),
        leaf: fields.some("namespace"),
    };
    let mut act = acts::act(user, "way-in", &headers);
    "TenantQuota".clone_into(&mut act.kind);
    act.namespace.clone_from(&ask.namespace);
    act.name.clone_from(&grant);
    match doorkeeper.let_in(&ask).await {
        Ok(given) => {
            act.after = json!({ "until": given.until, "doors": given.doors }).to_string();
            // What cannot be recorded is not handed out; the credential is forgotten here and ends by itself.
            visit.state.record(act)?;
            Ok(file(&grant, given))
        }
        Err(no) => {
            let (status, told) = told(&visit, &visible, &no);
            visit.state.record(act.refused(&told.happened))?;
            let page = draw(&visit, &visible, (&tenant, &grant), Some(told))?;
            Ok((status, page).into_response())
        }
    }
}

fn find<'a>(
    visible: &'a Visible,
    tenant: &str,
    grant: &str,
) -> Result<&'a Arc<TenantQuota>, AppError> {
    let namespace = tenant_namespace(tenant);
    let ours = |q: &&Arc<TenantQuota>| {
        q.name_any() == grant && q.namespace().as_deref() == Some(&namespace)
    };
    visible.quotas.iter().find(ours).ok_or(AppError::NoPage)
}

fn told(visit: &Visit, visible: &Visible, no: &NoWayIn) -> (StatusCode, Told) {
    let lang = visit.reader.lang;
    match no {
        NoWayIn::Refused(refused) => {
            let fallback = refused.words("en");
            let wording = visit.wording(visible);
            let (happened, todo) = wording.reason(&refused.reason, &refused.params, &fallback);
            let told = Told {
                happened,
                todo,
                ..Told::default()
            };
            (StatusCode::CONFLICT, told)
        }
        NoWayIn::Silent(cause) => {
            tracing::warn!(error = cause, "the operator gives no answer about a way in");
            let told = Told {
                happened: lang.t("way-in.silent.happened").to_owned(),
                todo: lang.t("way-in.silent.todo").to_owned(),
                ..Told::default()
            };
            (StatusCode::SERVICE_UNAVAILABLE, told)
        }
    }
}

fn file_name(grant: &str) -> String {
    // A Kubernetes name: nothing in it needs quoting.
    format!("kubeconfig-{grant}.yaml")
}

fn file(grant: &str, given: Given) -> Response {
    let name = file_name(grant);
    let headers = [
        (CONTENT_TYPE, "application/yaml; charset=utf-8".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    let mut response = (headers, given.kubeconfig).into_response();
    response.extensions_mut().insert(Recorded);
    response
}

fn draw(
    visit: &Visit,
    visible: &Visible,
    (tenant, grant): (&str, &str),
    alert: Option<Told>,
) -> Result<Response, AppError> {
    if visit.state.doorkeeper.is_none() {
        return Err(AppError::NoPage);
    }
    let (lang, quota) = (visit.reader.lang, find(visible, tenant, grant)?);
    let entries = quota.status.iter().flat_map(|status| &status.leaves);
    let leaves: Vec<_> = entries
        .filter(|entry| entry.uid.is_some())
        .map(|entry| entry.namespace.clone())
        .collect();
    let called = visible.names.tenant(lang, tenant).to_owned();
    let home = format!("/tenants/{tenant}");
    let way = [
        (lang.t("nav.overview"), "/"),
        (lang.t("nav.tenants"), "/tenants"),
        (called.as_str(), home.as_str()),
    ];
    let hours = HOURS.to_string();
    let title = lang.say("way-in.title", &[("grant", grant), ("hours", &hours)]);
    let mut p = visit.page(visible, title).under(&way, grant);
    p.alert = alert;
    let action = address(tenant, grant);
    let first = leaves.first().cloned().unwrap_or_default();
    let html = WayInPage {
        about: lang.say("way-in.about", &[("hours", &hours)]),
        token: forms::token(&visit.session, &action),
        together: leaves.len() <= NAMESPACES,
        first: format!(
            "kubectl --kubeconfig {} -n {first} get resourcequota,pods",
            file_name(grant)
        ),
        p,
        action,
        leaves,
    };
    Ok(Html(html.render()?).into_response())
}
