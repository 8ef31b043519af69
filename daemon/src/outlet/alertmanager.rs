//! `type = "alertmanager"`: keeps an Alertmanager told of every open alarm that a person should know of.
//!
//! It is told what changed at once and everything again every minute, each alert with the time at which it is
//! to be taken as over if nothing more is heard: half an hour for alarms, because silence of ebbd is no
//! recovery, four minutes for the watchdog, because its end is how people learn of that silence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ebbd_core::alarm::{AlarmRecord, Notify, State};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::alert::{Alert, Posted};
use super::backoff::Backoff;
use super::post::{Failure, Poster};
use super::reader::{Heard, Reader};
use crate::telemetry::{DaemonGauges, OutletCounters};

/// Alerts that are kept at most, open ones and those whose end is not yet told.
const ALERTS_MAX: usize = 256;
/// Alerts in one request.
const TOGETHER: usize = 64;

/// A daemon that is not ready is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often, how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Everything is told again this often.
    pub(super) again: Duration,
    /// An alert is over this long after it was told last.
    pub(super) held: Duration,
    /// The same of the watchdog.
    pub(super) watched: Duration,
}

impl Pace {
    /// Faster than Alertmanager forgets (5 minutes, unless told otherwise).
    pub(super) const USUAL: Pace = Pace {
        again: Duration::from_secs(60),
        held: Duration::from_secs(30 * 60),
        watched: Duration::from_secs(4 * 60),
    };
}

/// The outlet.
pub(super) struct Alertmanager {
    pub(super) poster: Poster,
    pub(super) reader: Reader,
    pub(super) counters: Arc<OutletCounters>,
    pub(super) daemon: Arc<DaemonGauges>,
    pub(super) pace: Pace,
    pub(super) backoff: Backoff,
    pub(super) alerts: Alerts,
}

/// What it has to tell.
pub(super) struct Alerts {
    watchdog: Alert,
    /// By the alarm's number.
    open: BTreeMap<u64, Alert>,
    /// Over, and Alertmanager may not know.
    ended: Vec<(Alert, Timestamp)>,
    /// Whether something is to be told before its time.
    is_changed: bool,
    /// Alarms that found no room.
    no_room: u64,
}

impl Alertmanager {
    /// Tells until it is dropped.
    pub(super) async fn run(mut self) {
        let mut again = Instant::now();
        loop {
            self.take_in();
            if self.alerts.is_changed || Instant::now() >= again {
                match self.tell().await {
                    Ok(()) if self.is_ready() => again = Instant::now() + self.pace.again,
                    // The watchdog is to fire as soon as it may.
                    Ok(()) => again = Instant::now() + LOOK_AGAIN.min(self.pace.again),
                    Err(failure) => {
                        let pause = self.backoff.failed(&self.counters, &failure);
                        self.alerts.is_changed = true;
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                }
            }
            tokio::select! {
                () = self.reader.wait() => {}
                () = tokio::time::sleep_until(again) => {}
            }
        }
    }

    /// Reads what is new in the hub.
    fn take_in(&mut self) {
        let (now, from) = (Timestamp::now(), self.reader.position());
        let mut missed = 0;
        loop {
            let heard = self.reader.read();
            if heard.is_empty() {
                break;
            }
            for heard in heard {
                match heard {
                    Heard::Record(record, _) => self.alerts.hear(&record, self.since(now)),
                    Heard::Missed(count) => missed += count,
                }
            }
        }
        if missed > 0 {
            // What had gone before it began was missed by nobody.
            self.counters.missed.add(if from > 0 { missed } else { 0 });
            self.alerts.catch_up(&self.reader.open(), now);
        }
        self.counters.missed.add(std::mem::take(&mut self.alerts.no_room));
        let waiting =
            if self.alerts.is_changed { self.alerts.open.len() + self.alerts.ended.len() } else { 0 };
        self.counters.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Whether the daemon counts.
    fn is_ready(&self) -> bool {
        self.daemon.ready.get() != 0
    }

    /// Ends before this time are told no more.
    fn since(&self, now: Timestamp) -> Timestamp {
        now.saturating_sub(span(self.pace.held)).unwrap_or(now)
    }

    /// Tells everything.
    async fn tell(&mut self) -> Result<(), Failure> {
        let now = Timestamp::now();
        let until = |held| now.saturating_add(span(held)).unwrap_or(now);
        let watchdog = self.is_ready().then(|| self.alerts.watchdog.posted(until(self.pace.watched)));
        let open = self.alerts.open.values().map(|alert| alert.posted(until(self.pace.held)));
        let ended = self.alerts.ended.iter().map(|(alert, at)| alert.posted(*at));
        let all: Vec<Posted<'_>> = watchdog.into_iter().chain(open).chain(ended).collect();
        for some in all.chunks(TOGETHER) {
            let body = serde_json::to_vec(some).expect("an alert has only string keys");
            match self.poster.post("/api/v2/alerts", Bytes::from(body)).await {
                Ok(()) => self.counters.sent.add(some.len() as u64),
                // It takes the good ones of a request and refuses the others; all come again.
                Err(failure @ Failure::Refused(_)) => self.backoff.refused(&self.counters, &failure),
                Err(failure) => return Err(failure),
            }
        }
        if !all.is_empty() {
            self.backoff.worked(&self.counters);
        }
        self.alerts.ended.clear();
        self.alerts.is_changed = false;
        self.counters.waiting.set(0);
        Ok(())
    }
}

impl Alerts {
    /// Nothing but the watchdog of this host.
    pub(super) fn new(host: &str) -> Alerts {
        Alerts {
            watchdog: Alert::watchdog(host, Timestamp::now()),
            open: BTreeMap::new(),
            ended: Vec::new(),
            is_changed: true,
            no_room: 0,
        }
    }

    /// Takes a record in. Alarms that were over before `since` are not worth telling.
    fn hear(&mut self, record: &AlarmRecord, since: Timestamp) {
        let is_over = matches!(record.state, State::Resolved | State::Withdrawn);
        let at: Timestamp = record.at.parse().unwrap_or(since);
        match self.open.get_mut(&record.no) {
            _ if is_over => self.end(record, at, since),
            Some(alert) if alert.is_outgrown(record) => {
                let mut alert = Alert::of(record);
                std::mem::swap(&mut alert, self.open.entry(record.no).or_insert_with(|| Alert::of(record)));
                self.ended.push((alert, at));
            }
            Some(alert) => alert.tell(record),
            None if record.notify == Notify::None => return,
            None => self.open(record),
        }
        self.is_changed = true;
    }

    fn open(&mut self, record: &AlarmRecord) {
        if self.open.len() + self.ended.len() >= ALERTS_MAX && !self.ended.is_empty() {
            // It is over in time by itself.
            self.ended.remove(0);
        }
        if self.open.len() < ALERTS_MAX {
            self.open.insert(record.no, Alert::of(record));
        } else {
            self.no_room += 1;
        }
    }

    fn end(&mut self, record: &AlarmRecord, at: Timestamp, since: Timestamp) {
        if let Some(mut alert) = self.open.remove(&record.no).filter(|_| at >= since) {
            alert.tell(record);
            self.ended.push((alert, at.min(Timestamp::now())));
        }
    }

    /// After records were missed: these are the open alarms. One too many is better than none.
    fn catch_up(&mut self, open: &[(AlarmRecord, Arc<str>)], now: Timestamp) {
        let records: BTreeMap<u64, &AlarmRecord> =
            open.iter().map(|(record, _)| (record.no, record)).collect();
        let gone: Vec<u64> = self.open.keys().filter(|no| !records.contains_key(no)).copied().collect();
        self.ended.extend(gone.iter().filter_map(|no| self.open.remove(no)).map(|alert| (alert, now)));
        for (no, record) in records {
            let silenced: Option<Timestamp> = record.silenced_until.as_ref().and_then(|at| at.parse().ok());
            if !self.open.contains_key(&no) && silenced.is_none_or(|until| until <= now) {
                self.open(record);
            }
        }
        self.is_changed = true;
    }
}

fn span(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
