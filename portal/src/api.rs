//! The JSON API, `/api/v1`: what the pages show and do, for programs. It reads the same caches through the same rights and
//! writes by the same functions as the pages, as the person whose token it is.
//!
//! [`operations`] is the table of everything that it can do. The routes and the OpenAPI document are both made of it.

pub mod call;
pub mod catalog;
pub mod desk;
pub mod document;
pub mod objects;
pub mod operation;
pub mod orders;
pub mod page;
pub mod problem;
pub mod requests;
pub mod schemas;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};

use crate::acts::By;
use crate::state::AppState;
use call::Call;
use operation::{Operation, Verb};
use problem::Problem;

/// Where the API is.
pub const ROOT: &str = "/api/v1";
/// Where its description is.
pub const DOCUMENT: &str = "/api/v1/openapi.json";

/// Everything that the API can do.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    let groups = [
        desk::OPERATIONS,
        objects::OPERATIONS,
        catalog::OPERATIONS,
        requests::OPERATIONS,
        orders::OPERATIONS,
    ];
    groups.into_iter().flatten()
}

/// Whether a path is the API's: what goes wrong there is told to programs.
#[must_use]
pub fn is_of(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The routes of the operations; that of the document is among those of the pages, which link to it.
pub fn routes() -> Router<AppState> {
    let mut router = Router::new();
    for operation in operations() {
        let filter = match operation.verb {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
        };
        let handler = async move |State(state): State<AppState>, request: Request| {
            answer(operation, state, request).await
        };
        let mut route = on(filter, handler);
        if let Some(most) = operation.most {
            route = route.layer(DefaultBodyLimit::max(most));
        }
        router = router.route(&format!("{ROOT}{}", operation.path), route);
    }
    router.method_not_allowed_fallback(async || Problem::of("no-method"))
}

async fn answer(operation: &'static Operation, state: AppState, request: Request) -> Response {
    let call = match Call::read(operation, &state, request).await {
        Ok(call) => call,
        Err(problem) => return problem.into_response(),
    };
    let caller = call.visit.session.user.clone();
    let mut response = match (operation.run)(call).await {
        Ok(reply) => reply.respond(&state),
        Err(problem) => problem.by(caller.clone()).into_response(),
    };
    response.extensions_mut().insert(By(caller));
    response
}

#[cfg(test)]
mod tests;
