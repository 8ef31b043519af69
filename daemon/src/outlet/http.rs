//! HTTP, read-only: health, metrics, the API, and the dashboard that is made from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ebbd_core::alarm::AlarmRecord;
use ebbd_core::model::{Minute, Slice};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::answers;
use super::board::{Board, Point, StreamBoard};
use super::dashboard;
use super::guarded::GuardedListener;
use super::hub::AlarmHub;
use super::live::Live;
use super::names::{self, NamesSource};
use super::past::{Asked, Past};
use super::query::Query;
use crate::telemetry::{Exposition, StatusReport, Telemetry, TextFormat};

/// Records that `/api/v1/alarms` answers beside the open alarms.
const RECENT_RECORDS: usize = 100;

/// Minutes of an hour and of a week.
const HOUR: i32 = 60;
pub(super) const WEEK: i32 = 7 * 24 * HOUR;

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
    board: Arc<Board>,
    figures: FiguresSource,
    status: StatusSource,
    past: Asked,
    names: NamesSource,
}

impl HttpOutlet {
    /// Answers from these.
    pub fn new(
        hub: Arc<AlarmHub>,
        board: Arc<Board>,
        figures: FiguresSource,
        status: StatusSource,
        past: Arc<dyn Past>,
        names: NamesSource,
    ) -> HttpOutlet {
        HttpOutlet { hub, board, figures, status, past: Asked::new(past), names }
    }

    fn router(self, stop: watch::Receiver<bool>) -> Router {
        let telemetry = (self.figures)();
        let counters = Arc::clone(&telemetry.http);
        let live = Live::new(Arc::clone(&self.hub), Arc::clone(&self.board), counters, stop);
        Router::new()
            .route("/", get(dashboard::page))
            .route("/slices", get(dashboard::page))
            .route("/alarms/{no}", get(dashboard::alarm_page))
            .route("/assets/{name}", get(dashboard::asset))
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/api/v1/status", get(status))
            .route("/api/v1/alarms", get(alarms))
            .route("/api/v1/alarms/{no}", get(alarm))
            .route("/api/v1/slices", get(slices))
            .route("/api/v1/marks", get(marks))
            .route("/api/v1/live", get(move |headers: HeaderMap| async move { live.answer(&headers) }))
            .fallback(nothing_here)
            .layer(middleware::from_fn_with_state(Arc::clone(&self.names), names::check))
            .layer(middleware::from_fn_with_state(telemetry, count))
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
    let router = outlet.router(stop.clone());
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let listener = GuardedListener::new(listener, idle);
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!("http: {error}");
    }
}

async fn count(
    State(telemetry): State<Arc<Telemetry>>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    telemetry.http.requests.inc();
    dashboard::guarded(next.run(request).await)
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

/// `{"told":…,"open":[…],"recent":[…]}`: open alarms by their latest records; the newest records, newest first.
async fn alarms(State(outlet): State<HttpOutlet>, RawQuery(query): RawQuery) -> Response {
    let query = match Query::read(query.as_deref()) {
        Ok(query) => query,
        Err(why) => return refused(StatusCode::BAD_REQUEST, &why),
    };
    let (open, recent) = outlet.hub.recent(RECENT_RECORDS);
    axum::Json(answers::alarms(&open, &recent, &query.zone)).into_response()
}

async fn alarm(
    State(outlet): State<HttpOutlet>,
    Path(no): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = match Query::read(query.as_deref()) {
        Ok(query) => query,
        Err(why) => return refused(StatusCode::BAD_REQUEST, &why),
    };
    let no = no.parse().unwrap_or(0);
    let texts = outlet.hub.of_alarm(no);
    let mut records: Vec<AlarmRecord> =
        texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    if records.first().is_none_or(|record| record.rev > 1) {
        // What the ring has lost of it may be on disk; what is newer is not yet.
        records.splice(0..0, outlet.past.alarm(no).await);
        records.sort_by_key(|record| record.rev);
        records.dedup_by_key(|record| record.rev);
    }
    if records.is_empty() {
        let why = format!("there is no alarm {no}, or it is no longer kept");
        return refused(StatusCode::NOT_FOUND, &why);
    }
    axum::Json(answers::alarm(no, &records, &query.zone)).into_response()
}

/// Without a slice: the latest verdicts of all. With one: its minutes.
async fn slices(State(outlet): State<HttpOutlet>, RawQuery(query): RawQuery) -> Response {
    let query = match Query::read(query.as_deref()) {
        Ok(query) => query,
        Err(why) => return refused(StatusCode::BAD_REQUEST, &why),
    };
    let answer = match &query.slice {
        None => outlet.latest(&query),
        Some(slice) => outlet.minutes(slice, &query).await,
    };
    match answer {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(why) => refused(StatusCode::NOT_FOUND, &why),
    }
}

/// The change markers of the last hours, by the clock of event time.
async fn marks(State(outlet): State<HttpOutlet>, RawQuery(query): RawQuery) -> Response {
    match Query::read(query.as_deref()) {
        Ok(query) => {
            let newest = outlet.board.streams().values().map(|board| board.minute).max();
            let last = query.until.map(|until| until.plus(-1)).or(newest);
            let from = last.map_or(Minute(0), |last| before(last, query.hours));
            axum::Json(answers::marks(from, &outlet.board.marks(from))).into_response()
        }
        Err(why) => refused(StatusCode::BAD_REQUEST, &why),
    }
}

impl HttpOutlet {
    fn streams(&self, query: &Query) -> Result<BTreeMap<String, StreamBoard>, String> {
        let mut streams = self.board.streams();
        if let Some(wanted) = &query.stream {
            streams.retain(|name, _| name == wanted);
            if streams.is_empty() {
                return Err(format!("no minute of a stream {wanted} has been judged"));
            }
        }
        Ok(streams)
    }

    fn latest(&self, query: &Query) -> Result<Value, String> {
        let streams = self.streams(query)?;
        let told: Vec<Value> = streams.iter().map(|(name, board)| answers::stream(name, board)).collect();
        Ok(json!({ "v": 1, "streams": told }))
    }

    /// From memory what it has, from disk what lies before, and the same time a week ago.
    async fn minutes(&self, slice: &Slice, query: &Query) -> Result<Value, String> {
        let streams = self.streams(query)?;
        let (name, board) = streams.first_key_value().ok_or("no minute has been judged yet")?;
        let end = board.minute.next();
        let end = query.until.map_or(end, |until| until.min(end));
        let from = before(end.plus(-1), query.hours);
        let mut kept = self.board.minutes(name, slice).unwrap_or_default();
        kept.retain(|point| point.minute < end);
        let first = kept.first().map_or(end, |point| point.minute);
        // By whole hours, so that the same is asked again and again.
        let stored = self.past.minutes(name, slice, hour(from)..first).await;
        let week_ago = hour(from).plus(-WEEK)..hour(end.plus(HOUR - 1)).plus(-WEEK);
        let week_ago = self.past.minutes(name, slice, week_ago).await;
        let minutes: Vec<&Point> = stored.iter().chain(&kept).filter(|point| point.minute >= from).collect();
        if minutes.is_empty() {
            return Err(format!("nothing is known of slice {slice} of stream {name} in that time"));
        }
        let last_week = week_ago.iter().filter(|point| (from..end).contains(&point.minute.plus(WEEK)));
        Ok(json!({
            "v": 1,
            "stream": name,
            "slice": slice,
            "title": answers::title(&board.dimensions, slice),
            "from": from.start().to_rfc3339(),
            "to": end.start().to_rfc3339(),
            "minutes": minutes.into_iter().map(answers::point).collect::<Vec<Value>>(),
            "last_week": last_week.map(answers::week_ago).collect::<Vec<Value>>(),
        }))
    }
}

/// The hour that a minute lies in begins here.
fn hour(minute: Minute) -> Minute {
    minute.plus(-minute.0.rem_euclid(HOUR))
}

/// The first of the last `hours` that end with `minute`.
fn before(minute: Minute, hours: u32) -> Minute {
    minute.plus(1 - HOUR * i32::try_from(hours).unwrap_or(WEEK))
}

fn refused(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(json!({ "error": why }))).into_response()
}

async fn nothing_here() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "nothing here; / shows what there is\n")
}
