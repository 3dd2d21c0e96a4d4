//! The endpoint: HTTPS only, for callers with a token of the hub.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use crds::Reason;
use crds::way_in::{Ask, Given, Refused};

use super::{Denied, Issuer};
use crate::args::WayIn;
use crate::runtime::controller::spawn;
use crate::runtime::metrics::WAYS_IN;

/// A question is a few names.
const BODY_BYTES: usize = 64 * 1024;
/// How often the certificate is read again: cert-manager and the kubelet replace it in place.
const RELOAD: Duration = Duration::from_mins(5);

/// Listens for those who let people in, where an address was given.
///
/// # Errors
/// The address is taken, or the certificate cannot be used.
pub async fn serve(place: WayIn, issuer: Issuer) -> anyhow::Result<()> {
    let WayIn {
        listen: Some(listen),
        certificate: Some(certificate),
        key: Some(key),
    } = place
    else {
        return Ok(());
    };
    let tls = RustlsConfig::from_pem_file(&certificate, &key).await;
    let tls = tls.with_context(|| {
        let (certificate, key) = (certificate.display(), key.display());
        format!("cannot use {certificate} and {key} for TLS")
    })?;
    let listener =
        TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    listener.set_nonblocking(true)?;
    println!("ways in on https://{}", listener.local_addr()?);
    let fresh = tls.clone();
    spawn("way-in-certificate", async move {
        loop {
            tokio::time::sleep(RELOAD).await;
            if let Err(why) = fresh.reload_from_pem_file(&certificate, &key).await {
                tracing::warn!(error = %why, "the certificate for ways in cannot be read again; the old one is kept");
            }
        }
    });
    let server = axum_server::from_tcp_rustls(listener, tls)?;
    spawn("way-in", async move {
        if let Err(why) = server.serve(router(issuer).into_make_service()).await {
            tracing::error!(error = %why, "the server for ways in ended");
        }
    });
    Ok(())
}

fn router(issuer: Issuer) -> Router {
    Router::new()
        .route(crds::way_in::PATH, post(answer))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(issuer)
}

async fn answer(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
    Json(ask): Json<Ask>,
) -> Response {
    let outcome = let_in(&issuer, &headers, &ask).await;
    let (label, mut response) = match outcome {
        Ok(given) => {
            let ids: Vec<_> = given.doors.iter().map(|d| d.credential.as_str()).collect();
            tracing::info!(
                user = ask.user,
                tenant.namespace = ask.namespace,
                grant = ask.grant,
                until = %given.until,
                credentials = ids.join(","),
                "a way in was given"
            );
            ("given", Json(given).into_response())
        }
        Err(denied) => denied_response(&denied, &ask),
    };
    WAYS_IN.with_label_values(&[label]).inc();
    let fresh = axum::http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, fresh);
    response
}

async fn let_in(issuer: &Issuer, headers: &HeaderMap, ask: &Ask) -> Result<Given, Denied> {
    let header = headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok());
    let token = header.and_then(|h| h.strip_prefix("Bearer "));
    let token = token.ok_or(Denied::Unauthenticated)?;
    issuer.caller(token).await?;
    issuer.let_in(ask).await
}

fn denied_response(denied: &Denied, ask: &Ask) -> (&'static str, Response) {
    match denied {
        Denied::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED.into_response()),
        Denied::Caller(who) => {
            tracing::warn!(
                caller = who,
                "somebody asked for a way in who may not let people in"
            );
            ("forbidden", StatusCode::FORBIDDEN.into_response())
        }
        Denied::Refused(verdict) => {
            tracing::info!(
                user = ask.user,
                tenant.namespace = ask.namespace,
                grant = ask.grant,
                reason = %verdict.reason,
                "no way in was given"
            );
            let said = |reason| verdict.reason == reason;
            let status = if said(Reason::WayInNotAllowed) {
                StatusCode::FORBIDDEN
            } else if said(Reason::UnknownGrant) {
                StatusCode::NOT_FOUND
            } else if said(Reason::WayInUnavailable) {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::CONFLICT
            };
            let refused = Refused::from(verdict.clone());
            ("refused", (status, Json(refused)).into_response())
        }
        Denied::Hub(error) => {
            tracing::warn!(error = %error.detail(), "the hub gave no answer about a way in");
            ("no_answer", StatusCode::BAD_GATEWAY.into_response())
        }
    }
}
