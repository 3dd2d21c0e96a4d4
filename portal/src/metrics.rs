//! Every metric of the portal. The help text says how to read it.

use std::sync::LazyLock;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use prometheus::{
    Encoder as _, HistogramVec, IntCounterVec, IntGauge, TextEncoder, histogram_opts, opts,
    register_histogram_vec, register_int_counter_vec, register_int_gauge,
};

use crate::cluster::ClusterError;

// Registering fails only where a name is taken twice, which the first request of any test would show.
static REQUESTS: LazyLock<Option<HistogramVec>> = LazyLock::new(|| {
    let help = "Time to the head of the response, by route and status; rising p95 at a steady rate: look at the hub's SubjectAccessReviews";
    register_histogram_vec!(
        histogram_opts!("qipan_portal_request_seconds", help),
        &["route", "status"]
    )
    .ok()
});
static REVIEWS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    let help = "SubjectAccessReviews by outcome; `failed` rising: the hub does not answer and rights are up to 10 minutes old";
    register_int_counter_vec!(
        opts!("qipan_portal_access_reviews_total", help),
        &["outcome"]
    )
    .ok()
});
static LIVE: LazyLock<Option<IntGauge>> = LazyLock::new(|| {
    register_int_gauge!(opts!(
        "qipan_portal_live_pages",
        "Pages that are open and kept up to date"
    ))
    .ok()
});

/// Counts an answer of the API server about rights.
pub fn reviewed(outcome: &Result<bool, ClusterError>) {
    let outcome = match outcome {
        Ok(true) => "allowed",
        Ok(false) => "denied",
        Err(_) => "failed",
    };
    if let Some(reviews) = &*REVIEWS {
        reviews.with_label_values(&[outcome]).inc();
    }
}

/// One live page more or less.
pub fn live_pages(change: i64) {
    if let Some(live) = &*LIVE {
        live.add(change);
    }
}

/// Times every request.
pub async fn time(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let began = Instant::now();
    let response = next.run(request).await;
    if let Some(requests) = &*REQUESTS {
        requests
            .with_label_values(&[&route, response.status().as_str()])
            .observe(began.elapsed().as_secs_f64());
    }
    response
}

/// `/metrics`.
pub async fn page() -> Vec<u8> {
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&prometheus::gather(), &mut text) {
        tracing::error!(%error, "failed to write the metrics");
    }
    text
}
