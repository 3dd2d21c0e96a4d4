//! What every response says to the browser about itself: nothing from elsewhere, nothing inline, no framing.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};

use crate::state::AppState;

/// No `unsafe-*`: scripts and styles are files of ours, charts use presentation attributes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// The policy; with an identity provider, forms may lead to it: signing out does, and browsers judge a form's redirects.
#[must_use]
pub fn policy(provider: Option<&str>) -> HeaderValue {
    let text = provider.map(|origin| format!("{POLICY} {origin}"));
    let text = text.and_then(|text| HeaderValue::from_str(&text).ok());
    text.unwrap_or(HeaderValue::from_static(POLICY))
}

/// Sets the security headers.
pub async fn secure(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let always = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // `no-referrer` would make browsers send `Origin: null` with our own forms.
        (REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
        (VARY, "cookie"),
    ];
    for (name, value) in always {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers.insert(CONTENT_SECURITY_POLICY, state.policy.clone());
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if state.secure {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    response
}
