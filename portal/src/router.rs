//! Every route of the portal, on one screen.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::get;
use http::{HeaderName, Request};
use tower_http::compression::CompressionLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use self::Gives::{Asset, Events, File, Hop, Json, Pdf, Text};
use self::routes::Routes;
pub(crate) use self::routes::page_of;
pub use self::routes::{Gives, Route};

use crate::attachments::form;
use crate::audit::page;
use crate::catalog::keep;
use crate::error::{self, AppError};
use crate::identity::oidc::pages as provider;
use crate::identity::{self, demo as demo_sign_in, mine, sign_in, step_up, token_page};
use crate::notify::page as notifications;
use crate::paper::application;
use crate::state::AppState;
use crate::tenants::members;
use crate::work_orders::report;
use crate::{
    acts, api, approvals, assets, attachments, bulletins, catalog, costs, events, headers, metrics,
    mine as desk, objects, overview, platforms, reader, requests, search, server, systems, tenants,
    trends, typed, views, way_in, windows, wizard, work_orders,
};

/// The header that carries a request's id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What programs send is a few fields.
const API_BYTES: usize = 64 * 1024;
/// No page takes longer.
pub(crate) const PAGE_SECONDS: Duration = Duration::from_secs(20);
/// But files go up over slow lines.
const UPLOAD_MINUTES: Duration = Duration::from_mins(3);

/// What people see.
pub fn pages(state: AppState) -> Router {
    let (demo, oidc) = (state.demo, state.oidc.is_some());
    let within = |time| TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, time);
    let pages = dynamic(demo, oidc).into_router();
    let routes = pages
        .layer(DefaultBodyLimit::max(typed::BODY))
        .merge(api::routes().layer(DefaultBodyLimit::max(API_BYTES)))
        .layer(within(PAGE_SECONDS));
    let uploads = of_uploads()
        .into_router()
        .layer(within(UPLOAD_MINUTES))
        .layer(DefaultBodyLimit::max(form::BODY));
    let fallback = async || AppError::NoPage;
    Router::new()
        .merge(routes)
        .merge(uploads)
        .merge(of_assets().into_router())
        .fallback(fallback)
        .layer(own_forms_only(&state))
        .layer(from_fn_with_state(state.clone(), acts::note))
        .layer(from_fn(reader::remember))
        .layer(from_fn_with_state(state.clone(), error::respond))
        .layer(from_fn_with_state(state.clone(), identity::identify))
        .layer(from_fn_with_state(state.clone(), headers::secure))
        .layer(CompressionLayer::new())
        .layer(from_fn(metrics::time))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request<_>| {
            let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or("");
            // The path only: a query may hold what somebody searched for.
            tracing::info_span!("request", method = %request.method(), path = request.uri().path(), request.id = id)
        }))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .with_state(state)
}

/// Every route of [`pages`] but the operations of the API (`api::operations`), for a portal with the demo sign-in, with a provider, or with both.
#[must_use]
pub fn list(demo: bool, oidc: bool) -> Vec<Route> {
    dynamic(demo, oidc)
        .and(of_uploads())
        .and(of_assets())
        .into_list()
}

/// What is drawn anew for each visit.
fn dynamic(demo: bool, oidc: bool) -> Routes {
    of_objects()
        .and(of_requests())
        .and(of_people())
        .and(of_work())
        .and(of_sign_in(demo, oidc))
}

/// What there is: platforms, tenants, grants, services, and what happened.
fn of_objects() -> Routes {
    Routes::default()
        .page("/", overview::page)
        .files("/overview", overview::csv)
        .page("/platforms", platforms::list)
        .files("/platforms", overview::csv)
        .page("/platforms/{name}", platforms::page)
        .files("/platforms/{name}/pools", platforms::csv)
        .get("/platforms/{name}/yaml", Text, objects::platform)
        .page("/platforms/{name}/trends", trends::platform)
        .files("/platforms/{name}/trends", trends::platform_csv)
        .page("/tenants", tenants::list)
        .files("/tenants", tenants::list_csv)
        .page("/tenants/{name}", tenants::page)
        .files("/tenants/{name}/grants", tenants::csv)
        .get("/tenants/{name}/yaml", Text, objects::tenant)
        .page("/tenants/{name}/trends", trends::tenant)
        .files("/tenants/{name}/trends", trends::tenant_csv)
        .get("/tenants/{name}/grants/{grant}/yaml", Text, objects::grant)
        .page("/tenants/{name}/grants/{grant}/way-in", way_in::page)
        .act("/tenants/{name}/grants/{grant}/way-in", way_in::give)
        .page("/systems", systems::list)
        .files("/systems", systems::csv)
        .page("/tenants/{name}/systems/{system}", systems::page)
        .get("/tenants/{name}/systems/{system}/yaml", Text, systems::yaml)
        .page("/catalog", catalog::page)
        .files("/catalog", catalog::csv)
        .page("/catalog/services/new", keep::new_service)
        .act("/catalog/services/new", keep::offer)
        .page("/catalog/services/{name}/keep", keep::service_form)
        .act("/catalog/services/{name}/keep", keep::keep_service)
        .page("/catalog/products/new", keep::new_product)
        .act("/catalog/products/new", keep::provide)
        .page("/catalog/products/{name}/keep", keep::product_form)
        .act("/catalog/products/{name}/keep", keep::keep_product)
        .get("/catalog/services/{name}/yaml", Text, objects::offering)
        .get("/catalog/products/{name}/yaml", Text, objects::product)
        .page("/search", search::page)
        .files("/search", search::csv)
        .page("/costs", costs::page)
        .files("/costs", costs::csv)
        .page("/audit", page::page)
        .files("/audit", page::csv)
        .get("/events", Events, events::stream)
}

/// What departments ask for, and what becomes of it.
fn of_requests() -> Routes {
    Routes::default()
        .page("/approvals", approvals::list)
        .act("/approvals", approvals::bulk)
        .files("/approvals", approvals::csv)
        .page("/approvals/{tenant}/{name}", approvals::decide::page)
        .act("/approvals/{tenant}/{name}", approvals::decide::post)
        .page("/requests", requests::list)
        .files("/requests", requests::csv)
        .page("/requests/{tenant}/{name}", requests::page::page)
        .get("/requests/{tenant}/{name}/yaml", Text, requests::page::yaml)
        .get("/requests/{tenant}/{name}/pdf", Pdf, application::pdf)
        .get(
            "/requests/{tenant}/{name}/files/{sha256}",
            File,
            attachments::give,
        )
        .act("/requests/{tenant}/{name}/{act}", requests::acts::act)
        .page("/requests/new", wizard::begin::page)
        .act("/requests/new", wizard::begin::enter)
        .page("/drafts/{id}", wizard::review::tasks)
        .act("/drafts/{id}/delete", wizard::begin::delete)
        .page("/drafts/{id}/check", wizard::review::check)
        .act("/drafts/{id}/check", wizard::review::submit)
        .page("/drafts/{id}/files", wizard::files::page)
        .act("/drafts/{id}/files/remove", wizard::files::remove)
        .get("/drafts/{id}/files/{sha256}", File, wizard::files::give)
        .page("/drafts/{id}/items/{item}", wizard::items::item)
        .act("/drafts/{id}/items/{item}", wizard::items::save_item)
        .act("/drafts/{id}/items/{item}/preview", wizard::items::preview)
        .act(
            "/drafts/{id}/items/{item}/remove",
            wizard::items::remove_item,
        )
        .page("/drafts/{id}/{step}", wizard::step)
        .act("/drafts/{id}/{step}", wizard::save_step)
}

/// Somebody's own desk, what they are told, members, their sessions, and what programs of theirs need.
fn of_people() -> Routes {
    Routes::default()
        .page("/mine", desk::page)
        .page("/tenants/{name}/members", members::page)
        .files("/tenants/{name}/members", members::csv)
        .act("/tenants/{name}/members/add", members::add)
        .act("/tenants/{name}/members/remove", members::remove)
        .page("/notifications", notifications::page)
        .files("/notifications", notifications::csv)
        .act("/notifications/read", notifications::read_all)
        .act("/notifications/contact", notifications::keep)
        .page("/notifications/log", notifications::log)
        .files("/notifications/log", notifications::log_csv)
        .get("/notifications/{id}", Hop, notifications::open)
        .act("/views/{list}", views::act::act)
        .page("/sessions", mine::page)
        .files("/sessions", mine::csv)
        .act("/sessions", mine::end)
        .page("/tokens", token_page::page)
        .files("/tokens", token_page::csv)
        .act("/tokens", token_page::make)
        .act("/tokens/revoke", token_page::revoke)
        .page("/api", api::page::page)
        .get(api::DOCUMENT, Json, api::document::serve)
}

/// What the operations provider works off, and what is announced.
fn of_work() -> Routes {
    Routes::default()
        .page("/bulletins", bulletins::page)
        .act("/bulletins", bulletins::put)
        .files("/bulletins", bulletins::csv)
        .act("/bulletins/end", bulletins::end)
        .page("/windows", windows::page)
        .act("/windows", windows::put)
        .files("/windows", windows::csv)
        .get("/windows/{name}/yaml", Text, objects::window)
        .act("/windows/end", windows::end)
        .page("/work-orders", work_orders::list)
        .files("/work-orders", work_orders::list_csv)
        .page("/work-orders/new", report::form)
        .act("/work-orders/new", report::send)
        .page("/work-orders/{tenant}/{name}", work_orders::page::page)
        .act(
            "/work-orders/{tenant}/{name}/steps",
            work_orders::page::step,
        )
        .get(
            "/work-orders/{tenant}/{name}/yaml",
            Text,
            work_orders::page::yaml,
        )
}

/// Ways in and out.
fn of_sign_in(demo: bool, oidc: bool) -> Routes {
    let mut routes = Routes::default();
    if demo || oidc {
        routes = routes
            .page("/sign-in", sign_in::form)
            .page("/sign-in/again", step_up::ask)
            .act("/sign-in/again", step_up::prove)
            .act("/sign-out", sign_in::leave);
    }
    if demo {
        routes = routes.act("/sign-in", demo_sign_in::enter);
    }
    if oidc {
        routes = routes
            .get("/sign-in/start", Hop, provider::start)
            .get("/sign-in/callback", Hop, provider::callback)
            .act("/sign-in/back-channel", provider::logout);
    }
    routes
}

/// Forms that carry files: more goes up, and it may take longer.
fn of_uploads() -> Routes {
    Routes::default()
        .act("/requests/{tenant}/{name}/answer", requests::acts::answer)
        .act("/drafts/{id}/files", wizard::files::add)
}

/// What pages are made of.
fn of_assets() -> Routes {
    Routes::default().get("/assets/{file}", Asset, assets::serve)
}

/// What the machine room asks.
pub fn admin(state: AppState) -> Router {
    Router::new()
        .route("/livez", get(server::livez))
        .route("/readyz", get(server::readyz))
        .route("/metrics", get(metrics::page))
        .with_state(state)
}

type Refusal = fn(ProtectionError) -> axum::response::Response;

/// Refuses forms that other sites send (`Sec-Fetch-Site`, else `Origin` against `Host`).
fn own_forms_only(state: &AppState) -> CsrfLayer<Refusal> {
    let refuse: Refusal = |_| AppError::Foreign.into_response();
    let mut layer = CsrfLayer::new();
    if let Some(origin) = &state.origin {
        layer = layer.clone().add_trusted_origin(origin.as_ref()).unwrap_or_else(|error| {
            tracing::error!(%error, "--public-url is not an origin: forms behind a proxy that changes Host are refused");
            layer
        });
    }
    layer.with_rejection_response(refuse)
}

mod routes;

#[cfg(test)]
mod people;
#[cfg(test)]
pub(crate) mod tests;
