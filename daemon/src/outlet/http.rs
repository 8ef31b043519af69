//! HTTP, read-only: health, metrics, status, alarms, and a plain page that shows where they are.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::guarded::GuardedListener;
use super::hub::AlarmHub;
use super::page;
use crate::telemetry::{Exposition, StatusReport, Telemetry, TextFormat};

/// Records that `/api/v1/alarms` answers beside the open alarms.
const RECENT_RECORDS: usize = 100;

/// A connection on which nothing moves for this long is closed.
const IDLE: Duration = Duration::from_secs(30);

/// Makes the status report. Called on one of tokio's blocking threads.
pub type StatusSource = Arc<dyn Fn() -> StatusReport + Send + Sync>;

/// Gives the figures; others after a change of the configuration.
pub type FiguresSource = Arc<dyn Fn() -> Arc<Telemetry> + Send + Sync>;

/// What HTTP answers from.
#[derive(Clone)]
pub struct HttpOutlet {
    hub: Arc<AlarmHub>,
    figures: FiguresSource,
    status: StatusSource,
}

impl HttpOutlet {
    /// Answers from these.
    pub fn new(hub: Arc<AlarmHub>, figures: FiguresSource, status: StatusSource) -> HttpOutlet {
        HttpOutlet { hub, figures, status }
    }

    fn router(self) -> Router {
        Router::new()
            .route("/", get(front))
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/api/v1/status", get(status))
            .route("/api/v1/alarms", get(alarms))
            .fallback(nothing_here)
            .layer(middleware::from_fn_with_state((self.figures)(), count))
            .with_state(self)
    }

    async fn report(&self) -> StatusReport {
        let status = Arc::clone(&self.status);
        tokio::task::spawn_blocking(move || status()).await.unwrap_or_default()
    }
}

/// Serves until `stop` becomes true.
pub async fn serve_http(listener: TcpListener, outlet: HttpOutlet, stop: watch::Receiver<bool>) {
    serve_within(IDLE, listener, outlet, stop).await;
}

pub(super) async fn serve_within(
    idle: Duration,
    listener: TcpListener,
    outlet: HttpOutlet,
    mut stop: watch::Receiver<bool>,
) {
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let listener = GuardedListener::new(listener, idle);
    if let Err(error) = axum::serve(listener, outlet.router()).with_graceful_shutdown(stopped).await {
        tracing::error!("http: {error}");
    }
}

async fn count(
    State(telemetry): State<Arc<Telemetry>>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    telemetry.http.requests.inc();
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    response
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(outlet): State<HttpOutlet>) -> (StatusCode, &'static str) {
    match (outlet.figures)().daemon.ready.get() {
        0 => (StatusCode::SERVICE_UNAVAILABLE, "not ready: recovering or stopping\n"),
        _ => (StatusCode::OK, "ready\n"),
    }
}

async fn metrics(State(outlet): State<HttpOutlet>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = TextFormat::wanted(accept);
    ([(CONTENT_TYPE, format.content_type())], Exposition::new((outlet.figures)()).text(format))
}

async fn status(State(outlet): State<HttpOutlet>) -> impl IntoResponse {
    axum::Json(outlet.report().await)
}

/// `{"open":[…],"recent":[…]}`: open alarms by their latest records; the newest records, newest first.
async fn alarms(State(outlet): State<HttpOutlet>) -> impl IntoResponse {
    let (open, recent) = outlet.hub.recent(RECENT_RECORDS);
    let text = format!("{{\"open\":[{}],\"recent\":[{}]}}\n", open.join(","), recent.join(","));
    ([(CONTENT_TYPE, "application/json")], text)
}

async fn front(State(outlet): State<HttpOutlet>) -> impl IntoResponse {
    let text = page::front(&outlet.report().await);
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], text)
}

async fn nothing_here() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "nothing here; / says where things are\n")
}
