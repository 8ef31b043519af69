//! The writer thread: collects rows, and every `roll` turns them into files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use ebbd_core::alarm::AlarmRecord;
use ebbd_core::columns::{
    self, ColumnsError, Dataset, Footer, IncidentRow, LedgerNames, MoneyRow, SliceRowRef, SourceRowRef,
    Written, bad_field_names,
};
use ebbd_core::model::{Ledger, Mark, SealedMinute, StreamId, StreamSpec, TimeUs};

use super::pending::{JudgedRow, Pending, StreamDate};
use super::place::{DAEMON, Place, StagedFile, StoreError, WRITER};
use crate::sys::Clock;

/// Messages that may wait for the writer before the sender does.
const QUEUE: usize = 4_096;
/// How often the writer looks whether a roll is due.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After a failure the disk is left alone this long.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What goes to the writer.
pub enum StoreMessage {
    /// A sealed minute or a revision.
    Minute(Arc<SealedMinute>),
    /// Verdicts of a minute.
    Slices(StreamId, Vec<JudgedRow>),
    /// Ledger entries whose minutes of arrival are over.
    Ledger(Ledger),
    /// Alarm records.
    Alarms(Vec<AlarmRecord>),
    /// Change markers.
    Marks(Vec<Mark>),
    /// Incidents in their latest state.
    Incidents(Vec<(IncidentRow, Vec<MoneyRow>)>),
    /// The streams and source names after a reload.
    Names(Arc<[StreamSpec]>, Vec<String>, String),
}

/// What the writer needs to know of the daemon.
pub struct Store {
    /// Where files go.
    pub place: Place,
    /// The daemon's host, as rows carry it.
    pub host: String,
    /// Hash of the configuration.
    pub config: String,
    /// The streams, by id.
    pub streams: Arc<[StreamSpec]>,
    /// Names of the sources, by id.
    pub sources: Vec<String>,
    /// How long until a sealed minute can be read.
    pub roll_us: i64,
    /// Bytes of rows that may wait for it: with more the roll comes early.
    pub waiting_bytes: u64,
    /// Files written and failed attempts, for telemetry.
    pub counters: Arc<StoreCounters>,
}

/// What the writer has done.
#[derive(Debug, Default)]
pub struct StoreCounters {
    /// Files published.
    pub files: AtomicU64,
    /// Rows published.
    pub rows: AtomicU64,
    /// Attempts that failed and are repeated.
    pub failures: AtomicU64,
    /// 1 while the last attempt failed.
    pub failing: AtomicU64,
}

/// Starts the writer. It ends, with everything written, when every sender is gone.
pub fn spawn(store: Store, clock: Arc<dyn Clock>) -> (Sender<StoreMessage>, JoinHandle<()>) {
    let (sender, receiver) = bounded(QUEUE);
    let work = move || Writer::new(store, clock).run(&receiver);
    let thread = std::thread::Builder::new().name("ebbd-store".to_owned()).spawn(work);
    (sender, thread.expect("a thread can be started at start-up"))
}

/// Turns rows into files, one after the other.
struct Press {
    store: Store,
    sequence: u64,
}

struct Writer {
    press: Press,
    clock: Arc<dyn Clock>,
    pending: Pending,
    rest_until: Option<Instant>,
}

impl Writer {
    fn new(store: Store, clock: Arc<dyn Clock>) -> Writer {
        let sequence = store.place.next_sequence();
        Writer { press: Press { store, sequence }, clock, pending: Pending::default(), rest_until: None }
    }

    fn run(mut self, receiver: &Receiver<StoreMessage>) {
        loop {
            match receiver.recv_timeout(LOOK_EVERY) {
                Ok(message) => self.accept(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.is_due() {
                self.roll();
            }
        }
        self.finish();
    }

    fn is_due(&self) -> bool {
        let resting = self.rest_until.is_some_and(|until| Instant::now() < until);
        let age_us = |oldest| self.clock.now().since_us(oldest);
        let is_full = self.pending.bytes() > self.press.store.waiting_bytes;
        let is_old = |oldest| age_us(oldest) >= self.press.store.roll_us;
        !resting && (is_full || self.pending.oldest().is_some_and(is_old))
    }

    fn accept(&mut self, message: StoreMessage) {
        self.pending.touch(self.clock.now());
        match message {
            StoreMessage::Minute(sealed) => self.pending.add_minute(sealed),
            StoreMessage::Slices(stream, rows) => self.pending.add_slices(stream, rows),
            StoreMessage::Ledger(ledger) => self.pending.add_ledger(ledger),
            StoreMessage::Alarms(records) => self.pending.add_alarms(records),
            StoreMessage::Marks(marks) => self.pending.add_marks(marks),
            StoreMessage::Incidents(rows) => {
                let by_id = rows.into_iter().map(|(row, money)| (row.id.clone(), (row, money)));
                self.pending.incidents.extend(by_id);
            }
            StoreMessage::Names(streams, sources, config) => {
                self.roll();
                let store = &mut self.press.store;
                (store.streams, store.sources, store.config) = (streams, sources, config);
            }
        }
    }

    /// At the end: a few attempts, then say what could not be written.
    fn finish(&mut self) {
        for attempt in 0..3 {
            if self.roll() {
                return;
            }
            std::thread::sleep(Duration::from_millis(200 << attempt));
        }
        tracing::error!("the last rows could not be written as Parquet before the stop");
    }

    /// Writes everything that waits; says whether all of it is now in files.
    fn roll(&mut self) -> bool {
        let done = self.press.write_all(&mut self.pending);
        let counters = &self.press.store.counters;
        counters.failing.store(u64::from(done.is_err()), Ordering::Relaxed);
        if let Err(error) = &done {
            counters.failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!("cannot write Parquet, will try again: {error}");
        }
        self.rest_until = done.is_err().then(|| Instant::now() + RETRY_AFTER);
        self.pending.settled();
        done.is_ok()
    }
}

/// Writes and removes one entry after the other; what failed and what follows stays.
fn drain<K: Ord, V>(
    waiting: &mut BTreeMap<K, V>,
    mut write: impl FnMut(&K, &V) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    while let Some((key, value)) = waiting.first_key_value() {
        write(key, value)?;
        waiting.pop_first();
    }
    Ok(())
}

impl Press {
    /// Publishes one file of a dataset that grows by files.
    fn file(
        &mut self,
        dataset: Dataset,
        stream: &str,
        time: TimeUs,
        write: impl FnOnce(&Store, &Footer, &mut StagedFile) -> Result<Written, ColumnsError>,
    ) -> Result<(), StoreError> {
        let name = format!("{:08}", self.sequence);
        self.named(dataset, stream, time, &name, false, write)
    }

    fn named(
        &mut self,
        dataset: Dataset,
        stream: &str,
        time: TimeUs,
        name: &str,
        replace: bool,
        write: impl FnOnce(&Store, &Footer, &mut StagedFile) -> Result<Written, ColumnsError>,
    ) -> Result<(), StoreError> {
        let (store, mut rows) = (&self.store, 0);
        let footer = Footer {
            host: store.host.clone(),
            config: store.config.clone(),
            sequence: self.sequence,
            more: BTreeMap::from([(WRITER.to_owned(), DAEMON.to_owned())]),
        };
        store.place.publish(dataset, stream, time, name, replace, |file| {
            write(store, &footer, file).map(|written| rows = written.rows)
        })?;
        store.counters.files.fetch_add(1, Ordering::Relaxed);
        store.counters.rows.fetch_add(rows, Ordering::Relaxed);
        self.sequence += 1;
        Ok(())
    }

    fn write_all(&mut self, pending: &mut Pending) -> Result<(), StoreError> {
        drain(&mut pending.minutes, |key, minutes| self.minutes(key, minutes))?;
        drain(&mut pending.slices, |key, rows| self.slices(key, rows))?;
        drain(&mut pending.sources, |_, minutes| self.sources(minutes))?;
        drain(&mut pending.ledger, |_, ledger| self.ledger(ledger))?;
        drain(&mut pending.alarms, |date, records| {
            self.file(Dataset::Alarms, "", start_of(date), |_, footer, file| {
                columns::write_alarms(records, footer, file)
            })
        })?;
        drain(&mut pending.marks, |date, marks| {
            self.file(Dataset::Marks, "", start_of(date), |_, footer, file| {
                columns::write_marks(marks, footer, file)
            })
        })?;
        drain(&mut pending.incidents, |id, (incident, money)| self.incident(id, incident, money))
    }

    fn minutes(&mut self, key: &StreamDate, minutes: &[Arc<SealedMinute>]) -> Result<(), StoreError> {
        let streams = Arc::clone(&self.store.streams);
        let spec = &streams[key.0.index()];
        self.file(Dataset::Minutes, &spec.name, start_of(&key.1), |_, footer, file| {
            columns::write_minutes(spec, minutes, footer, file)
        })
    }

    fn slices(&mut self, key: &StreamDate, judged: &[JudgedRow]) -> Result<(), StoreError> {
        let streams = Arc::clone(&self.store.streams);
        let spec = &streams[key.0.index()];
        let rows: Vec<SliceRowRef<'_>> = judged.iter().map(slice_row).collect();
        self.file(Dataset::Slices, &spec.name, start_of(&key.1), |_, footer, file| {
            columns::write_slices(spec, &rows, footer, file)
        })
    }

    fn sources(&mut self, minutes: &[Arc<SealedMinute>]) -> Result<(), StoreError> {
        let time = minutes[0].minute.start();
        self.file(Dataset::Sources, "", time, |store, footer, file| {
            let rows: Vec<SourceRowRef<'_>> =
                minutes.iter().flat_map(|sealed| source_rows(sealed, &store.streams)).collect();
            columns::write_sources(&rows, footer, file)
        })
    }

    fn ledger(&mut self, ledger: &Ledger) -> Result<(), StoreError> {
        let time = ledger.0.keys().next().map_or(TimeUs(0), |key| key.arrival.start());
        self.file(Dataset::Ledger, "", time, |store, footer, file| {
            let bad_fields = bad_field_names(&store.streams);
            let names = LedgerNames { sources: &store.sources, bad_fields: &bad_fields };
            columns::write_ledger(ledger, names, footer, file)
        })
    }

    /// One file per incident, replaced as the incident goes on: so there is one row per incident.
    fn incident(&mut self, id: &str, row: &IncidentRow, money: &[MoneyRow]) -> Result<(), StoreError> {
        self.named(Dataset::Incidents, "", TimeUs(0), id, true, |_, footer, file| {
            columns::write_incidents(std::slice::from_ref(row), footer, file)
        })?;
        self.named(Dataset::IncidentMoney, "", TimeUs(0), id, true, |_, footer, file| {
            columns::write_incident_money(money, footer, file)
        })
    }
}

fn slice_row(judged: &JudgedRow) -> SliceRowRef<'_> {
    SliceRowRef {
        minute: judged.minute,
        slice: &judged.slice,
        verdict: &judged.verdict,
        revision: judged.revision,
        judged_at: judged.judged_at,
    }
}

fn source_rows<'a>(
    sealed: &'a SealedMinute,
    streams: &'a [StreamSpec],
) -> impl Iterator<Item = SourceRowRef<'a>> {
    let stream = streams[sealed.stream.index()].name.as_str();
    sealed.sources.iter().map(move |source| SourceRowRef { minute: sealed.minute, stream, source })
}

/// The first instant of a `date=` that came from an instant.
fn start_of(date: &str) -> TimeUs {
    let stamp: Option<jiff::Timestamp> = format!("{date}T00:00:00Z").parse().ok();
    TimeUs(stamp.map_or(0, jiff::Timestamp::as_microsecond))
}
