//! What can be asked, and by whom.
//!
//! In: requests. Out: their lines to the intray, answers in their clients' words. Must not know: lanes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Path, RawQuery, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use ebbd_core::decode::{Reading, TimeUnit};
use ebbd_core::model::StreamId;
use serde_json::{Map, Value, json};

use super::super::tally::SourceCounters;
use super::answer::{self, Failure, Style, json_response};
use super::body::{self, Body, Room};
use super::handover::{Counted, Intray};
use super::listener::RequestPatience;
use super::{query, token};
use crate::config::Token;

/// What InfluxDB's clients look for to know what they talk to.
const VERSION: &str = concat!("v2.0.0-ebbd.", env!("CARGO_PKG_VERSION"));
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-influxdb-version");
const BUILD_HEADER: HeaderName = HeaderName::from_static("x-influxdb-build");

/// What requests are served with.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) intray: Intray,
    pub(super) room: Arc<Room>,
    pub(super) token: Option<Arc<Token>>,
    pub(super) streams: Arc<BTreeMap<String, StreamId>>,
    pub(super) counters: Arc<SourceCounters>,
    /// How long a body may take.
    pub(super) patience: Duration,
}

/// A request's lines, and how they are read.
struct Lines {
    body: Arc<Body>,
    reading: Reading,
}

pub(super) fn router(desk: Desk) -> Router {
    Router::new()
        .route("/api/v2/write", post(write))
        .route("/write", post(write))
        .route("/api/v1/events/{stream}", post(events))
        .route("/api/v1/marks", post(marks))
        .route("/query", any(database))
        .route_layer(middleware::from_fn_with_state(desk.clone(), admit))
        .route("/ping", get(ping))
        .route("/health", get(health))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_like_this)
        .layer(middleware::from_fn_with_state(desk.clone(), count))
        .with_state(desk)
}

/// For all requests: their time begins, their answers are counted and say what this is.
async fn count(
    State(desk): State<Desk>,
    ConnectInfo(patience): ConnectInfo<RequestPatience>,
    request: Request,
    next: Next,
) -> Response {
    patience.request();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(VERSION_HEADER, HeaderValue::from_static(VERSION));
    headers.insert(BUILD_HEADER, HeaderValue::from_static("ebbd"));
    desk.counters.answered(response.status().as_u16());
    response
}

/// Before a body is read: may it be written, and is there any use?
async fn admit(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let style = style(request.uri());
    if let Some(token) = &desk.token
        && !token::is_presented(token, request.headers(), request.uri().query().unwrap_or_default())
    {
        let message = "unauthorized access: the token is missing or wrong";
        return Failure::new(StatusCode::UNAUTHORIZED, message).response(style);
    }
    match desk.intray.trouble() {
        Some(trouble) => Failure::from(trouble).response(style),
        None => next.run(request).await,
    }
}

/// Whose words are understood at this path.
fn style(uri: &Uri) -> Style {
    match uri.path() {
        path if path.starts_with("/api/v2/") => Style::Influx2,
        "/write" | "/query" | "/ping" => Style::Influx1,
        _ => Style::Own,
    }
}

/// Line protocol. `org`, `bucket`, `db` and `rp` say nothing here: the measurement is the stream.
async fn write(State(desk): State<Desk>, RawQuery(query): RawQuery, request: Request) -> Response {
    let style = style(request.uri());
    let written = desk.write(query.as_deref().unwrap_or_default(), request).await;
    let answer = written.map(|(counted, body)| answer::write(style, &counted, &body));
    answer.unwrap_or_else(|failure| failure.response(style))
}

/// NDJSON of one stream.
async fn events(State(desk): State<Desk>, Path(stream): Path<String>, request: Request) -> Response {
    let Some(stream) = desk.streams.get(&stream) else {
        let message = format!("no [stream.{}] is declared", stream.escape_debug());
        return Failure::new(StatusCode::NOT_FOUND, message).response(Style::Own);
    };
    counts(desk.count(Reading::Ndjson(*stream), request).await)
}

/// Change markers: one JSON object, or one after the other.
async fn marks(State(desk): State<Desk>, request: Request) -> Response {
    counts(desk.mark(request).await)
}

fn counts(counted: Result<(Counted, Arc<Body>), Failure>) -> Response {
    let answer = counted.map(|(counted, _)| answer::counts(&counted));
    answer.unwrap_or_else(|failure| failure.response(Style::Own))
}

impl Desk {
    async fn write(&self, query: &str, request: Request) -> Result<(Counted, Arc<Body>), Failure> {
        let unit = precision(query::parameter(query, "precision").as_deref())?;
        self.count(Reading::Influx(unit), request).await
    }

    async fn count(&self, reading: Reading, request: Request) -> Result<(Counted, Arc<Body>), Failure> {
        let (head, body) = request.into_parts();
        let body = Arc::new(body::read(&head.headers, body, &self.room, self.patience).await?);
        self.lines(Lines { body, reading }).await
    }

    async fn mark(&self, request: Request) -> Result<(Counted, Arc<Body>), Failure> {
        let (head, body) = request.into_parts();
        let told = body::read(&head.headers, body, &self.room, self.patience).await?;
        let mut body = Body::new(&self.room);
        mark_lines(told.bytes(), &mut body)?;
        drop(told);
        // Any stream will do: control records are the same in all of them.
        self.lines(Lines { body: Arc::new(body), reading: Reading::Ndjson(StreamId(0)) }).await
    }

    async fn lines(&self, lines: Lines) -> Result<(Counted, Arc<Body>), Failure> {
        let Lines { body, reading } = lines;
        let counted = self.intray.count(Arc::clone(&body), reading).await?;
        Ok((counted, body))
    }
}

/// What timestamps count, by either version's names.
fn precision(written: Option<&str>) -> Result<TimeUnit, Failure> {
    match written.unwrap_or_default() {
        "" | "ns" | "n" => Ok(TimeUnit::Nanos),
        "us" | "u" | "µ" => Ok(TimeUnit::Micros),
        "ms" => Ok(TimeUnit::Millis),
        "s" => Ok(TimeUnit::Seconds),
        "m" => Ok(TimeUnit::Minutes),
        "h" => Ok(TimeUnit::Hours),
        _ => Err(Failure::bad("invalid precision: use ns, us, ms or s (or, as of old, n, u, m or h)")),
    }
}

/// Marks as lines in their in-band form, whether they came in it or without the key that says so.
fn mark_lines(told: &[u8], lines: &mut Body) -> Result<(), Failure> {
    let marks = serde_json::Deserializer::from_slice(told).into_iter::<Map<String, Value>>();
    for (number, mark) in (1..).zip(marks) {
        let mark = mark.map_err(|error| Failure::bad(format!("mark {number}: {error}; none was taken")))?;
        if mark.get("ebbd").is_some_and(|kind| kind != "mark") {
            return Err(Failure::bad(format!("record {number} is no mark; none was taken")));
        }
        let kind = std::iter::once(("ebbd".to_owned(), json!("mark")));
        let line: Map<String, Value> =
            kind.chain(mark.into_iter().filter(|(key, _)| key != "ebbd")).collect();
        lines.push(format!("{}\n", Value::Object(line)).as_bytes())?;
    }
    Ok(())
}

/// `204`; with `?verbose=true` the version.
async fn ping(RawQuery(query): RawQuery) -> Response {
    match query::parameter(query.as_deref().unwrap_or_default(), "verbose").as_deref() {
        None | Some("" | "false" | "0") => StatusCode::NO_CONTENT.into_response(),
        Some(_) => json_response(StatusCode::OK, &json!({ "version": VERSION })),
    }
}

async fn health(State(desk): State<Desk>) -> Response {
    let trouble = desk.intray.trouble();
    let (status, word, message) = match trouble {
        None => (StatusCode::OK, "pass", "ready for writes"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "fail", "writes are turned away at the moment"),
    };
    let answer =
        json!({ "name": "ebbd", "message": message, "status": word, "checks": [], "version": VERSION });
    json_response(status, &answer)
}

/// Clients of InfluxDB 1 make their database before they write. There is none to make: streams are declared.
async fn database(State(desk): State<Desk>, RawQuery(query): RawQuery, request: Request) -> Response {
    let from_address = query::parameter(query.as_deref().unwrap_or_default(), "q");
    let statement = match from_address {
        Some(statement) => statement,
        None => {
            let (head, body) = request.into_parts();
            match body::read(&head.headers, body, &desk.room, desk.patience).await {
                Ok(body) => query::parameter(String::from_utf8_lossy(body.bytes()).trim_end(), "q")
                    .unwrap_or_default(),
                Err(error) => return Failure::from(error).response(Style::Influx1),
            }
        }
    };
    let words: Vec<String> = statement.split_whitespace().take(2).map(str::to_ascii_lowercase).collect();
    if words == ["create", "database"] {
        return json_response(StatusCode::OK, &json!({ "results": [{ "statement_id": 0 }] }));
    }
    Failure::bad("nothing is queried here: ebbd writes Parquet").response(Style::Influx1)
}

async fn nothing_here(uri: Uri) -> Response {
    let message = "nothing here; POST to /api/v2/write, /write, /api/v1/events/STREAM or /api/v1/marks";
    Failure::new(StatusCode::NOT_FOUND, message).response(style(&uri))
}

async fn not_like_this(method: Method, uri: Uri) -> Response {
    let message = format!("{method} is not understood here");
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, message).response(style(&uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(told: &str) -> Result<String, Failure> {
        let mut body = Body::new(&Arc::default());
        mark_lines(told.as_bytes(), &mut body)?;
        Ok(String::from_utf8(body.bytes().to_vec()).unwrap())
    }

    #[test]
    fn marks_come_in_either_form() {
        let plain = r#"{ "kind": "deploy",
            "what": "v2\nof it", "scope": {"feature": "x"} }"#;
        let line =
            "{\"ebbd\":\"mark\",\"kind\":\"deploy\",\"what\":\"v2\\nof it\",\"scope\":{\"feature\":\"x\"}}\n";
        assert_eq!(lines(plain).unwrap(), line);
        assert_eq!(lines(&format!("{plain}\n\n{line}")).unwrap(), line.repeat(2));
        assert_eq!(lines("").unwrap(), "");
        for bad in ["[]", "{\"kind\":", "{\"ebbd\":\"goodbye\"}", "{\"ebbd\":7}", "deploy"] {
            assert!(lines(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn both_versions_precisions_are_known() {
        let units = ["ns", "u", "ms", "s", "m", "h"].map(|word| precision(Some(word)).unwrap());
        let want = [TimeUnit::Nanos, TimeUnit::Micros, TimeUnit::Millis, TimeUnit::Seconds];
        assert_eq!(units[..4], want);
        assert_eq!(units[4..], [TimeUnit::Minutes, TimeUnit::Hours]);
        assert_eq!(precision(None).unwrap(), TimeUnit::Nanos);
        assert!(precision(Some("d")).is_err());
    }
}
