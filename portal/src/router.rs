//! Every route of the portal, on one screen.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use http::{HeaderName, Request};
use tower_http::compression::CompressionLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::audit::page;
use crate::error::{self, AppError};
use crate::identity::oidc::pages as oidc;
use crate::identity::{self, demo, mine, sign_in, step_up};
use crate::notify::page as notifications;
use crate::paper::application;
use crate::state::AppState;
use crate::tenants::members;
use crate::work_orders::report;
use crate::{
    acts, approvals, assets, bulletins, catalog, costs, events, headers, metrics, mine as desk,
    objects, overview, platforms, reader, requests, search, server, tenants, trends, way_in,
    wizard, work_orders,
};

/// The header that carries a request's id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A form is a few fields.
const BODY_BYTES: usize = 64 * 1024;
/// No page takes longer.
const PAGE_SECONDS: Duration = Duration::from_secs(20);

/// What people see.
pub fn pages(state: AppState) -> Router {
    let routes = Router::new()
        .route("/", get(overview::page))
        .merge(files("/overview", overview::csv))
        .route("/platforms", get(platforms::list))
        .merge(files("/platforms", overview::csv))
        .route("/platforms/{name}", get(platforms::page))
        .merge(files("/platforms/{name}/pools", platforms::csv))
        .route("/platforms/{name}/yaml", get(objects::platform))
        .route("/tenants", get(tenants::list))
        .merge(files("/tenants", tenants::list_csv))
        .route("/tenants/{name}", get(tenants::page))
        .merge(files("/tenants/{name}/grants", tenants::csv))
        .route("/tenants/{name}/yaml", get(objects::tenant))
        .route("/tenants/{name}/grants/{grant}/yaml", get(objects::grant))
        .route(
            "/tenants/{name}/grants/{grant}/way-in",
            get(way_in::page).post(way_in::give),
        )
        .route("/catalog", get(catalog::page))
        .merge(files("/catalog", catalog::csv))
        .route("/audit", get(page::page))
        .merge(files("/audit", page::csv))
        .route("/events", get(events::stream));
    let routes = routes
        .merge(of_requests())
        .merge(of_people())
        .merge(of_sign_in(&state))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            PAGE_SECONDS,
        ))
        .layer(DefaultBodyLimit::max(BODY_BYTES));
    let fallback = async || AppError::NoPage;
    Router::new()
        .merge(routes)
        .route("/assets/{file}", get(assets::serve))
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

/// What departments ask for, and what becomes of it.
fn of_requests() -> Router<AppState> {
    Router::new()
        .route("/approvals", get(approvals::list).post(approvals::bulk))
        .route(
            "/approvals/{tenant}/{name}",
            get(approvals::decide::page).post(approvals::decide::post),
        )
        .route("/requests", get(requests::list))
        .merge(files("/requests", requests::csv))
        .route("/requests/{tenant}/{name}", get(requests::page::page))
        .route("/requests/{tenant}/{name}/yaml", get(requests::page::yaml))
        .route("/requests/{tenant}/{name}/{act}", post(requests::acts::act))
        .route(
            "/requests/new",
            get(wizard::begin::page).post(wizard::begin::enter),
        )
        .route("/drafts/{id}", get(wizard::review::tasks))
        .route("/drafts/{id}/delete", post(wizard::begin::delete))
        .route(
            "/drafts/{id}/check",
            get(wizard::review::check).post(wizard::review::submit),
        )
        .route(
            "/drafts/{id}/items/{item}",
            get(wizard::items::item).post(wizard::items::save_item),
        )
        .route(
            "/drafts/{id}/items/{item}/remove",
            post(wizard::items::remove_item),
        )
        .route(
            "/drafts/{id}/{step}",
            get(wizard::step).post(wizard::save_step),
        )
}

/// Somebody's own desk, what they are told, work orders, members.
fn of_people() -> Router<AppState> {
    Router::new()
        .route("/tenants/{name}/members", get(members::page))
        .merge(files("/tenants/{name}/members", members::csv))
        .route("/tenants/{name}/members/add", post(members::add))
        .route("/tenants/{name}/members/remove", post(members::remove))
        .route("/requests/{tenant}/{name}/pdf", get(application::pdf))
        .route("/tenants/{name}/trends", get(trends::tenant))
        .merge(files("/tenants/{name}/trends", trends::tenant_csv))
        .route("/platforms/{name}/trends", get(trends::platform))
        .merge(files("/platforms/{name}/trends", trends::platform_csv))
        .route("/mine", get(desk::page))
        .route("/search", get(search::page))
        .merge(files("/search", search::csv))
        .route("/costs", get(costs::page))
        .merge(files("/costs", costs::csv))
        .route("/bulletins", get(bulletins::page).post(bulletins::put))
        .merge(files("/bulletins", bulletins::csv))
        .route("/bulletins/end", post(bulletins::end))
        .route("/work-orders", get(work_orders::list))
        .merge(files("/work-orders", work_orders::list_csv))
        .route("/work-orders/new", get(report::form).post(report::send))
        .route("/work-orders/{tenant}/{name}", get(work_orders::page::page))
        .route(
            "/work-orders/{tenant}/{name}/steps",
            post(work_orders::page::step),
        )
        .route(
            "/work-orders/{tenant}/{name}/yaml",
            get(work_orders::page::yaml),
        )
        .route("/notifications", get(notifications::page))
        .route("/notifications/read", post(notifications::read_all))
        .route("/notifications/contact", post(notifications::keep))
        .route("/notifications/log", get(notifications::log))
        .merge(files("/notifications/log", notifications::log_csv))
        .route("/notifications/{id}", get(notifications::open))
}

/// A list as a file, in both forms.
fn files<H, T>(path: &str, handler: H) -> Router<AppState>
where
    H: Handler<T, AppState> + Clone,
    T: 'static,
{
    Router::new()
        .route(&format!("{path}.csv"), get(handler.clone()))
        .route(&format!("{path}.xlsx"), get(handler))
}

/// Ways in and out, and a person's own sessions.
fn of_sign_in(state: &AppState) -> Router<AppState> {
    let mut routes = Router::new().route("/sessions", get(mine::page).post(mine::end));
    if state.demo || state.oidc.is_some() {
        routes = routes
            .route("/sign-in", get(sign_in::form))
            .route("/sign-in/again", get(step_up::ask).post(step_up::prove))
            .route("/sign-out", post(sign_in::leave));
    }
    if state.demo {
        routes = routes.route("/sign-in", post(demo::enter));
    }
    if state.oidc.is_some() {
        routes = routes
            .route("/sign-in/start", get(oidc::start))
            .route("/sign-in/callback", get(oidc::callback))
            .route("/sign-in/back-channel", post(oidc::logout));
    }
    routes
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

#[cfg(test)]
mod people;
#[cfg(test)]
pub(crate) mod tests;
