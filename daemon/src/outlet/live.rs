//! `/api/v1/live`: alarm records and sealed minutes as they come, as server-sent events.
//!
//! A client has no queue of its own: it reads the ring of records at its own pace, a batch at a time, and of
//! minutes only the latest. What has left the ring in the meantime it is told as a gap; one that takes nothing
//! is closed by the connection's guard.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use ebbd_core::model::Minute;
use futures_core::Stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::answers;
use super::board::Board;
use super::hub::AlarmHub;
use super::selection::Selection;
use crate::telemetry::HttpCounters;

/// Clients at a time: half of HTTP's connections, so that metrics and pages always have some.
const CLIENTS: usize = 64;
/// Records and bytes that a client takes from the ring at once.
const BATCH: (usize, usize) = (64, 64 << 10);
/// Silence is broken after this long.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A client that lost its connection comes back after so many milliseconds.
const RETRY_MS: u32 = 2_000;

/// Whom live clients are served by.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) hub: Arc<AlarmHub>,
    pub(super) board: Arc<Board>,
    pub(super) counters: Arc<HttpCounters>,
    stop: watch::Receiver<bool>,
    seats: Arc<Semaphore>,
    heartbeat: Duration,
}

/// One client and where it stands.
struct Client {
    live: Live,
    /// First record that it has not had.
    next: u64,
    boots: u64,
    /// The last minute of each stream that it was told.
    minutes: BTreeMap<String, Minute>,
    _seat: OwnedSemaphorePermit,
}

/// What a client's task has written, as its connection reads it.
struct Chunks(mpsc::Receiver<Bytes>);

impl Stream for Chunks {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(Ok))
    }
}

impl Live {
    pub(super) fn new(
        hub: Arc<AlarmHub>,
        board: Arc<Board>,
        counters: Arc<HttpCounters>,
        stop: watch::Receiver<bool>,
    ) -> Live {
        let seats = Arc::new(Semaphore::new(CLIENTS));
        Live { hub, board, counters, stop, seats, heartbeat: HEARTBEAT }
    }

    /// Answers with a stream that ends when the client leaves or the daemon stops. `Last-Event-ID` is the
    /// number of the last record that the client has had.
    pub(super) fn answer(self, headers: &HeaderMap) -> Response {
        let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else {
            self.counters.live_refused.inc();
            let why = format!("there are {CLIENTS} live streams already; try again later\n");
            return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")], why).into_response();
        };
        let since = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.trim().parse().ok());
        let (sender, receiver) = mpsc::channel(1);
        let client = Client::new(self, since, seat);
        tokio::spawn(client.serve(sender));
        let headers = [
            (CONTENT_TYPE, "text/event-stream"),
            (axum::http::HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        (headers, Body::from_stream(Chunks(receiver))).into_response()
    }
}

impl Client {
    fn new(live: Live, since: Option<u64>, seat: OwnedSemaphorePermit) -> Client {
        let welcome = live.hub.welcome();
        // A number above the newest was given before the numbers began anew.
        let known = since.filter(|since| *since <= welcome.newest);
        let next = known.unwrap_or(welcome.newest) + 1;
        Client { live, next, boots: welcome.boots, minutes: BTreeMap::new(), _seat: seat }
    }

    async fn serve(mut self, sender: mpsc::Sender<Bytes>) {
        self.live.counters.live.add(1);
        self.tell_all(&sender).await;
        self.live.counters.live.add(-1);
    }

    /// Runs until the client or the daemon goes.
    async fn tell_all(&mut self, sender: &mpsc::Sender<Bytes>) {
        let (mut records, mut minutes) = (self.live.hub.subscribe(), self.live.board.subscribe());
        let mut stop = self.live.stop.clone();
        let mut text = format!("retry: {RETRY_MS}\n{}", event("hello", None, &self.live.hub.welcome().hello));
        loop {
            self.refill(&mut text);
            if text.is_empty() {
                tokio::select! {
                    changed = records.changed() => if changed.is_err() { return },
                    changed = minutes.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(self.live.heartbeat) => text = self.heartbeat(),
                    () = sender.closed() => return,
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            } else {
                let chunk = Bytes::from(std::mem::take(&mut text));
                tokio::select! {
                    sent = sender.send(chunk) => if sent.is_err() { return },
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        }
    }

    /// Adds what is new for this client, at most a batch of records and a minute of each stream.
    fn refill(&mut self, text: &mut String) {
        let batch = self.live.hub.read(self.next, self.boots, &Selection::default(), BATCH);
        (self.next, self.boots) = (batch.next, batch.boots);
        self.live.counters.live_gaps.add(batch.gaps);
        for told in batch.lines {
            text.push_str(&event(told.what, (told.through > 0).then_some(told.through), &told.json));
        }
        for (name, board) in self.live.board.streams() {
            if self.minutes.get(&name) != Some(&board.minute) {
                text.push_str(&event("minute", None, &answers::tick(&name, &board).to_string()));
                self.minutes.insert(name, board.minute);
            }
        }
    }

    fn heartbeat(&self) -> String {
        event("heartbeat", None, &json!({ "seq": self.next.saturating_sub(1) }).to_string())
    }
}

/// An event; its data are one line of JSON.
fn event(name: &str, id: Option<u64>, data: &str) -> String {
    let mut text = format!("event: {name}\n");
    if let Some(id) = id {
        let _ = writeln!(text, "id: {id}");
    }
    let _ = write!(text, "data: {data}\n\n");
    text
}
