//! The dashboard's page and what belongs to it, all of it in the program: the browser loads nothing from
//! anywhere else, and is told to refuse it.
//!
//! One page serves `/`, `/slices` and `/alarms/NO`; its script reads the address and asks the API.

use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

const PAGE: &str = include_str!("index.html");

/// What the page loads: name, type, text.
const ASSETS: [(&str, &str, &str); 6] = [
    ("style.css", "text/css; charset=utf-8", include_str!("style.css")),
    ("main.js", SCRIPT, include_str!("main.js")),
    ("views.js", SCRIPT, include_str!("views.js")),
    ("chart.js", SCRIPT, include_str!("chart.js")),
    ("words.js", SCRIPT, include_str!("words.js")),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What every answer says to browsers: nothing from elsewhere, no script in the page, in nobody's frame.
const GUARD: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Adds what every answer says to browsers.
pub(super) fn guarded(mut response: Response) -> Response {
    for (name, value) in GUARD {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// The page.
pub(super) async fn page() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE)
}

/// The page of an alarm: an address that is no number is no alarm.
pub(super) async fn alarm_page(Path(no): Path<String>) -> Response {
    match no.parse::<u64>() {
        Ok(_) => page().await.into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "alarms have numbers: /alarms/47\n").into_response(),
    }
}

/// A part of the page.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(known, _, _)| *known == name) {
        Some((_, kind, text)) => ([(CONTENT_TYPE, *kind)], *text).into_response(),
        None => (StatusCode::NOT_FOUND, "no such part of the dashboard\n").into_response(),
    }
}
