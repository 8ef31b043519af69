//! `type = "webhook"`: every record that a person should hear of is posted as it is, in order, until it is taken.
//!
//! What was taken is remembered in a file, so that a restart neither repeats nor forgets. A record that the server
//! answers with trouble again and again must not keep the later ones from people: it is given up and counted.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use ebbd_core::alarm::Notify;

use super::backoff::Backoff;
use super::cursor::Cursor;
use super::post::{Failure, Poster};
use super::reader::{Heard, Reader};
use crate::telemetry::OutletCounters;

/// Answers of trouble to one record until it is given up. Without an answer it is never given up.
const ANSWERS_MAX: u32 = 10;

/// The outlet.
pub(super) struct Webhook {
    pub(super) poster: Poster,
    pub(super) reader: Reader,
    pub(super) counters: Arc<OutletCounters>,
    pub(super) backoff: Backoff,
    pub(super) cursor: Option<Cursor>,
}

/// Where the outlet `name` stands, and whether it has a past here.
pub(super) fn cursor_at(file: PathBuf, name: &str) -> Option<Cursor> {
    match Cursor::open(Some(file), None) {
        Ok(cursor) => Some(cursor),
        Err(why) => {
            tracing::error!("[outlet.{name}]: {why}; it begins with the open alarms");
            None
        }
    }
}

impl Webhook {
    /// Posts until it is dropped.
    pub(super) async fn run(mut self) {
        self.begin().await;
        loop {
            for heard in self.reader.read() {
                match heard {
                    Heard::Record(record, json) if record.notify != Notify::None => {
                        self.post(json, record.seq).await;
                        self.keep(record.seq).await;
                    }
                    Heard::Record(..) => {}
                    Heard::Missed(count) => {
                        self.counters.missed.add(count);
                        self.post_open().await;
                    }
                }
            }
            let position = self.reader.position();
            self.keep(position).await;
            self.counters.waiting.set(0);
            if self.reader.newest() <= position {
                self.reader.wait().await;
            }
        }
    }

    /// An outlet without a past hears of what is open; the rest is history.
    async fn begin(&mut self) {
        let kept = self.cursor.as_ref().and_then(Cursor::seq);
        if kept.is_none_or(|seq| seq > self.reader.newest()) {
            let newest = self.reader.newest();
            self.reader.skip_to(newest);
            self.post_open().await;
            self.keep(newest).await;
        }
    }

    /// Posts the open alarms as they are now: better one too many than none.
    async fn post_open(&mut self) {
        for (record, json) in self.reader.open() {
            self.post(json, record.seq).await;
        }
    }

    /// Posts record `seq`, however long that takes.
    async fn post(&mut self, json: Arc<str>, seq: u64) {
        let body = Bytes::copy_from_slice(json.as_bytes());
        let mut answers = 0;
        loop {
            let waiting = (self.reader.newest() + 1).saturating_sub(seq);
            self.counters.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
            match self.poster.post("", body.clone()).await {
                Ok(()) => {
                    self.counters.sent.inc();
                    return self.backoff.worked(&self.counters);
                }
                Err(failure @ Failure::Refused(_)) => {
                    return self.backoff.refused(&self.counters, &failure);
                }
                Err(failure) => {
                    answers += u32::from(matches!(failure, Failure::Trouble(_)));
                    if answers >= ANSWERS_MAX {
                        return self.backoff.refused(&self.counters, &failure);
                    }
                    tokio::time::sleep(self.backoff.failed(&self.counters, &failure)).await;
                }
            }
        }
    }

    /// Notes that everything up to `seq` was dealt with.
    async fn keep(&mut self, seq: u64) {
        let Some(mut cursor) = self.cursor.take() else { return };
        if cursor.seq() == Some(seq) {
            self.cursor = Some(cursor);
            return;
        }
        let moved = tokio::task::spawn_blocking(move || {
            let moved = cursor.move_to(seq);
            (cursor, moved)
        });
        let Ok((cursor, moved)) = moved.await else { return };
        if let Err(why) = moved {
            tracing::warn!("what was posted is not noted, record {seq} may be posted again: {why}");
        }
        self.cursor = Some(cursor);
    }
}
