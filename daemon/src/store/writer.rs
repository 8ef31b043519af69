//! The writer thread: collects rows, and every `roll` turns them into files.
//!
//! A roll is a transaction: which commits are in it is in the journal before the first of its files has a
//! name, and a roll that a crash cut short is done again with the same rows under the same names. So no row
//! is in two files and none is in a file that the journal knows nothing of.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use super::rolls::{Batch, Roll, Rolls};
use crate::journal::{FrameKind, JournalError, JournalHandle, Sync};
use crate::sys::{Clock, Mutant, instant, is_made};

/// Messages that may wait for the writer before the sender does.
const QUEUE: usize = 4_096;
/// How often the writer looks whether a roll is due.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After a failure the disk is left alone this long.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// A roll waits this long for the journal.
const PATIENCE: Duration = Duration::from_secs(30);

/// What goes to the writer.
#[derive(Debug)]
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
    /// All that comes of this commit and those before it has been sent.
    Through(u64),
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
    /// Which rolls are done.
    pub rolls: Arc<Rolls>,
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
    /// Why the last attempt failed; none if it did not.
    error: Mutex<Option<String>>,
}

impl StoreCounters {
    /// Why the last attempt failed; none if it did not.
    pub fn failing(&self) -> Option<String> {
        self.lock().clone()
    }

    fn ended(&self, error: Option<String>) {
        *self.lock() = error;
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        // Whoever holds it only replaces a text.
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the writer, which first does the rolls of `backlog`. It ends when every sender is gone and says
/// whether everything is written.
pub fn spawn(
    store: Store,
    clock: Arc<dyn Clock>,
    journal: JournalHandle,
    backlog: Vec<Batch>,
) -> (Sender<StoreMessage>, JoinHandle<bool>) {
    let (sender, receiver) = bounded(QUEUE);
    let work = move || Writer::new(store, clock, journal, backlog).run(&receiver);
    let thread = std::thread::Builder::new().name("ebbd-store".to_owned()).spawn(work);
    (sender, thread.expect("a thread can be started at start-up"))
}

/// Does rolls before there is a journal to note them in: if that is cut short, the next start does them again.
///
/// # Errors
/// The disk refused; what is written stays.
pub fn write_at_once(store: Store, batches: Vec<Batch>) -> Result<(), StoreError> {
    let mut press = Press { store, sequence: 0 };
    for mut batch in batches {
        press.sequence = batch.roll.roll;
        press.write_all(&mut batch.rows)?;
        press.store.rolls.done(batch.roll);
    }
    Ok(())
}

/// Turns rows into files, one after the other.
struct Press {
    store: Store,
    sequence: u64,
}

pub(crate) struct Writer {
    press: Press,
    clock: Arc<dyn Clock>,
    journal: JournalHandle,
    pending: Pending,
    /// The last commit of which all rows are in `pending` or further.
    through: u64,
    /// What is being rolled, oldest first.
    batches: VecDeque<Batch>,
    /// The oldest of them is in the journal.
    is_noted: bool,
    rest_until: Option<Instant>,
}

impl Writer {
    pub(crate) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        journal: JournalHandle,
        backlog: Vec<Batch>,
    ) -> Writer {
        let through = backlog.last().map_or(0, |batch| batch.roll.through);
        let batches = VecDeque::from(backlog);
        let (press, pending) = (Press { store, sequence: 0 }, Pending::default());
        Writer { press, clock, journal, pending, through, batches, is_noted: false, rest_until: None }
    }

    fn run(mut self, receiver: &Receiver<StoreMessage>) -> bool {
        loop {
            self.turn();
            match receiver.recv_timeout(LOOK_EVERY) {
                Ok(message) => self.accept(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            }
        }
    }

    /// Writes what is being rolled, if it may be tried.
    pub(crate) fn turn(&mut self) {
        if !self.is_resting() {
            self.roll(false);
        }
    }

    fn is_resting(&self) -> bool {
        self.rest_until.is_some_and(|until| instant() < until)
    }

    fn is_due(&self) -> bool {
        let age_us = |oldest| self.clock.now().since_us(oldest);
        let is_full = self.pending.bytes() > self.press.store.waiting_bytes;
        let is_old = |oldest| age_us(oldest) >= self.press.store.roll_us;
        is_full || self.pending.oldest().is_some_and(is_old)
    }

    pub(crate) fn accept(&mut self, message: StoreMessage) {
        if let StoreMessage::Through(commit) = message {
            self.through = commit;
            if self.batches.is_empty() && (self.press.store.rolls.take_hurry() || self.is_due()) {
                self.freeze();
            }
            return;
        }
        self.pending.touch(self.clock.now());
        self.pending.add(message);
    }

    /// What has come so far is the next roll.
    fn freeze(&mut self) {
        if !self.pending.is_empty() {
            let rows = std::mem::take(&mut self.pending);
            let roll = Roll { roll: self.press.store.rolls.assign(), through: self.through };
            self.batches.push_back(Batch { roll, rows });
        }
    }

    /// At the end: a few attempts, then say what could not be written.
    pub(crate) fn finish(&mut self) -> bool {
        self.freeze();
        for attempt in 0..3 {
            if self.roll(true) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(200 << attempt));
        }
        tracing::error!("the last rows could not be written as Parquet before the stop");
        false
    }

    /// Writes what is being rolled; says whether all of it is now in files. At the end that is more important
    /// than that the journal knows.
    fn roll(&mut self, is_last: bool) -> bool {
        while let Some(batch) = self.batches.front_mut() {
            if !self.is_noted {
                let noted = note(&self.journal, FrameKind::Rolling, batch.roll, Sync::Now);
                let durable = noted.and_then(|lsn| self.journal.wait(lsn, PATIENCE));
                if let (Err(error), false) = (durable, is_last) {
                    self.fail(&error);
                    return false;
                }
            }
            self.is_noted = true;
            self.press.sequence = batch.roll.roll;
            if let Err(error) = self.press.write_all(&mut batch.rows) {
                self.fail(&error);
                return false;
            }
            // If this note is lost the roll is done again, which changes nothing.
            let _ = note(&self.journal, FrameKind::Rolled, batch.roll, Sync::No);
            self.press.store.rolls.done(batch.roll);
            self.batches.pop_front();
            self.is_noted = false;
        }
        self.press.store.counters.ended(None);
        self.rest_until = None;
        true
    }

    fn fail(&mut self, error: &dyn std::error::Error) {
        let counters = &self.press.store.counters;
        counters.ended(Some(error.to_string()));
        counters.failures.fetch_add(1, Ordering::Relaxed);
        tracing::error!("cannot write Parquet, will try again: {error}");
        self.rest_until = Some(instant() + RETRY_AFTER);
    }
}

fn note(journal: &JournalHandle, kind: FrameKind, roll: Roll, sync: Sync) -> Result<u64, JournalError> {
    journal.append(vec![(kind, roll.to_json())], sync)
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
    /// Publishes one file of a dataset that grows by files. One that is there already is of an attempt at
    /// this very roll: it has the same rows.
    fn file(
        &mut self,
        dataset: Dataset,
        stream: &str,
        time: TimeUs,
        write: impl FnOnce(&Store, &Footer, &mut StagedFile) -> Result<Written, ColumnsError>,
    ) -> Result<(), StoreError> {
        let mut name = format!("{:08}", self.sequence);
        if is_made(Mutant::RollTwice) {
            name += &format!("{:?}", std::time::SystemTime::now()).replace(|c: char| !c.is_ascii_digit(), "");
        }
        match self.named(dataset, stream, time, &name, false, write) {
            Err(error) if error.is_there_already() => self.store.place.keep(dataset, stream, time),
            done => done,
        }
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
