//! Every route of the portal, on one screen.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
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
use crate::identity::{self, demo, mine};
use crate::state::AppState;
use crate::{
    acts, approvals, assets, catalog, events, headers, metrics, objects, overview, platforms,
    reader, requests, server, tenants, way_in, wizard,
};

/// The header that carries a request's id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A form is a few fields.
const BODY_BYTES: usize = 64 * 1024;
/// No page takes longer.
const PAGE_SECONDS: Duration = Duration::from_secs(20);

/// What people see.
pub fn pages(state: AppState) -> Router {
    let mut routes = Router::new()
        .route("/", get(overview::page))
        .route("/overview.csv", get(overview::csv))
        .route("/platforms", get(platforms::list))
        .route("/platforms.csv", get(overview::csv))
        .route("/platforms/{name}", get(platforms::page))
        .route("/platforms/{name}/pools.csv", get(platforms::csv))
        .route("/platforms/{name}/yaml", get(objects::platform))
        .route("/tenants", get(tenants::list))
        .route("/tenants.csv", get(tenants::list_csv))
        .route("/tenants/{name}", get(tenants::page))
        .route("/tenants/{name}/grants.csv", get(tenants::csv))
        .route("/tenants/{name}/yaml", get(objects::tenant))
        .route("/tenants/{name}/grants/{grant}/yaml", get(objects::grant))
        .route(
            "/tenants/{name}/grants/{grant}/way-in",
            get(way_in::page).post(way_in::give),
        )
        .route("/sessions", get(mine::page).post(mine::end))
        .route("/catalog", get(catalog::page))
        .route("/catalog.csv", get(catalog::csv))
        .route("/audit", get(page::page))
        .route("/audit.csv", get(page::csv))
        .route("/events", get(events::stream));
    routes = routes.merge(of_requests());
    if state.demo {
        routes = routes
            .route("/sign-in", get(demo::form).post(demo::enter))
            .route("/sign-out", post(demo::leave));
    }
    let routes = routes
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
        .route("/requests.csv", get(requests::csv))
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
pub(crate) mod tests;
