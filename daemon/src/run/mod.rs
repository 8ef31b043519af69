//! The daemon put together, and its orderly stop, on one page.
//!
//! In: a checked configuration, a clock, inherited sockets. Out: a running [`Daemon`].
//! Must not know: how any stage does its work.

#[cfg(test)]
mod clock_tests;
mod control;
mod figures;
mod kept;
mod lock;
mod outlets;
mod past;
mod recover;
#[cfg(test)]
mod simulated;
mod stages;
mod status;
mod troubles;
mod view;
mod warm;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use ebbd_core::aggregate::Order;
use ebbd_core::judge::Judge;
use ebbd_core::model::{Mark, StreamSpec};

pub use kept::Kept;
pub use stages::judge_context;
pub use view::{Pulse, View};

use crate::commit::{Bridge, Checkpoint, CommitLog, CommitRequest, Committer, Segments, WaitingAcks};
use crate::config::Config;
use crate::journal::{self, FrameKind, Journal, RecoverError};
use crate::judge::{JudgeMessage, JudgeThread, Publisher};
use crate::service::ServiceManager;
use crate::source::{self, Ending, FileBook, Left, ReadBook, SourceError, SourceHandle};
use crate::store::{self, Rolls, StoreMessage};
use crate::sys::{Clock, Disk, Inherited, RealDisk};
use kept::ToKeep;
use lock::DataLock;
use outlets::Outlets;

/// What is not yet durable at the very end gets this long.
const LAST_SYNC: Duration = Duration::from_secs(10);

/// Why a daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something that the configuration asks for cannot be had: an address in use, a directory taken.
    #[error("{0}")]
    Refused(String),
    /// Something is there that this version cannot read. Nothing was touched.
    #[error("{0}")]
    Foreign(String),
    /// The system said no.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
}

impl StartError {
    /// The exit code: 2 for what has to be configured differently, 3 for trouble with the system.
    pub fn exit_code(&self) -> i32 {
        match self {
            StartError::Refused(_) | StartError::Foreign(_) => 2,
            StartError::System { .. } => 3,
        }
    }
}

impl From<RecoverError> for StartError {
    fn from(error: RecoverError) -> StartError {
        match error {
            RecoverError::Disk(error) => StartError::System { what: "reading the journal".to_owned(), error },
            other => StartError::Foreign(other.to_string()),
        }
    }
}

impl From<SourceError> for StartError {
    fn from(error: SourceError) -> StartError {
        StartError::Refused(error.to_string())
    }
}

/// Says of a system error what was being tried.
pub(crate) fn trying<T>(what: impl Into<String>, result: std::io::Result<T>) -> Result<T, StartError> {
    result.map_err(|error| StartError::System { what: what.into(), error })
}

/// What a daemon is started with besides its configuration.
pub struct Surroundings {
    /// Event time.
    pub clock: Arc<dyn Clock>,
    /// The service manager.
    pub service: Arc<ServiceManager>,
}

/// A running daemon.
pub struct Daemon {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    service: Arc<ServiceManager>,
    view: Arc<View>,
    sources: Vec<SourceHandle>,
    stop_commit: Arc<AtomicBool>,
    committer: JoinHandle<Committer>,
    judge_messages: Sender<JudgeMessage>,
    judge: JoinHandle<JudgeThread>,
    journal: Journal,
    rolls: Arc<Rolls>,
    store: JoinHandle<bool>,
    outlets: Outlets,
    _lock: DataLock,
}

impl Daemon {
    /// Recovers what an earlier run left, starts every thread, binds every socket. When this returns,
    /// events are being counted.
    ///
    /// # Errors
    /// [`StartError`]; nothing keeps running then.
    pub fn start(
        config: Config,
        surroundings: Surroundings,
        inherited: &mut Inherited,
    ) -> Result<Daemon, StartError> {
        Daemon::go_on(config, surroundings, inherited, Kept::default())
    }

    /// The same with what was kept of an earlier process, or of another configuration.
    ///
    /// # Errors
    /// [`StartError`]; nothing keeps running then, and what was kept is gone.
    pub fn go_on(
        config: Config,
        surroundings: Surroundings,
        inherited: &mut Inherited,
        mut kept: Kept,
    ) -> Result<Daemon, StartError> {
        let config = Arc::new(config);
        let Surroundings { clock, service } = surroundings;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (data_dir, begun) = (config.data_dir.clone(), Instant::now());
        trying(format!("data_dir {}", data_dir.display()), disk.make_dir(&data_dir))?;
        let lock = DataLock::take(&data_dir)?;
        trying("cleaning the stage", store::clean_stage(disk.as_ref(), &data_dir))?;
        let left = journal::recover(Arc::clone(&disk), &data_dir.join("journal"))?;
        let view = Arc::new(View::succeeding(kept.view.take(), &config, &clock));
        let stages =
            stages::Stages { config: &config, clock: &clock, disk: &disk, view: &view, service: &service };
        let mut state = stages.recovered(&left)?;
        view.recovered_in(begun.elapsed());
        let outlets = Outlets::kept_or_bound(kept.outlets.take(), &config, &view, inherited, &state)?;
        kept.reunite(&mut state, &config, &service);
        let (mut judge, beginning) = stages.learnt_judge(&mut state, kept.taught.take());
        judge.skip_to(state.last_seq(), state.last_no());
        let boot = stages.boot();
        let journal = stages.journal(&state, (&judge, beginning), &left, &boot)?;
        let rolls = Arc::new(Rolls::new(state.rolls));
        let store = stages.store(&config, Arc::clone(&rolls));
        let (to_store, store) =
            store::spawn(store, Arc::clone(&clock), journal.handle(), std::mem::take(&mut state.backlog));
        let publisher = Publisher::new(journal.handle(), outlets.sink(), &state.records);
        let mut troubles = troubles::of_disk(journal.handle(), view.store_counters());
        troubles::watch_clock(&mut troubles, Arc::clone(&clock));
        let judge = stages.judge(judge, publisher, &mut state, to_store, troubles)?;
        let roll = Duration::from_micros(u64::try_from(config.parquet.roll_us).unwrap_or(0));
        let mut reads = ReadBook::new(&config.sources);
        reads.restore(&state.reads);
        let log = CommitLog {
            journal: journal.handle(),
            files: FileBook::new(state.files.clone()),
            reads,
            segments: Segments::new(journal.first(), state.aggregator.commit(), roll),
            rolls: Arc::clone(&rolls),
            acks: WaitingAcks::default(),
            spoken: Vec::new(),
            is_hurried: false,
            has_gap: false,
            bridge: Bridge::default(),
            boot,
        };
        let around = stages::Around { inherited, sources: kept.sources, requests: outlets.requests() };
        let pipeline = stages.pipeline(state, log, judge.messages.clone(), around)?;
        let daemon = Daemon {
            stop_commit: pipeline.stop,
            committer: pipeline.committer,
            sources: pipeline.sources,
            judge_messages: judge.messages,
            judge: judge.thread,
            journal,
            rolls,
            store,
            outlets,
            config,
            clock,
            service,
            view,
            _lock: lock,
        };
        daemon.open()?;
        Ok(daemon)
    }

    /// Serves subscribers and tells the service manager that all is ready.
    fn open(&self) -> Result<(), StartError> {
        self.outlets.serve(&self.config)?;
        self.view.set_ready(true);
        self.service.ready(&format!("counting {} stream(s)", self.config.streams.len()));
        Ok(())
    }

    /// The configuration that it runs with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its figures.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Its sources.
    pub fn sources(&self) -> &[SourceHandle] {
        &self.sources
    }

    /// The address HTTP is served at, if it is.
    pub fn http_address(&self) -> Option<std::net::SocketAddr> {
        self.outlets.http_address()
    }

    /// Whether every source has come to its end, as standard input does.
    pub fn is_finished(&self) -> bool {
        !self.sources.is_empty() && self.sources.iter().all(SourceHandle::is_finished)
    }

    /// Takes a change marker in.
    pub fn mark(&self, mark: Mark) {
        let request: CommitRequest =
            Box::new(move |committer| committer.orders.push((Order::Mark(mark), None)));
        // The committer lives as long as the daemon.
        self.outlets.ask(request);
    }

    /// Tries whether another configuration could be run with, as far as that can be told while this one runs:
    /// whether what is new in it can be bound.
    ///
    /// # Errors
    /// What could not be had.
    pub fn probe(&self, next: &Config, inherited: &mut Inherited) -> Result<(), StartError> {
        if next.data_dir != self.config.data_dir {
            let told = format!("data_dir {}", next.data_dir.display());
            trying(told, RealDisk.make_dir(&next.data_dir))?;
            DataLock::take(&next.data_dir)?;
        }
        let own: Vec<String> = self.config.sources.iter().map(|source| source.kind.place()).collect();
        for source in next.sources.iter().filter(|source| !own.contains(&source.kind.place())) {
            source::probe(source, inherited)?;
        }
        outlets::probe(&self.config, next, inherited)
    }

    /// Learns from the Parquet what `next` watches and this configuration does not, while this one runs on.
    pub fn taught_ahead(&self, next: &Config) -> Option<Judge> {
        let names = |spec: &StreamSpec, grouping: &Vec<usize>| -> Vec<String> {
            grouping.iter().map(|at| spec.dimensions[*at].name.clone()).collect()
        };
        let anew = |spec: &StreamSpec| -> Vec<Vec<usize>> {
            let Some(old) = self.config.streams.iter().find(|old| old.name == spec.name) else {
                return Vec::new();
            };
            let watched: Vec<_> = old.watch.iter().map(|grouping| names(old, grouping)).collect();
            spec.watch.iter().filter(|grouping| !watched.contains(&names(spec, grouping))).cloned().collect()
        };
        let anew: Vec<_> = next.streams.iter().map(anew).collect();
        let is_any = anew.iter().any(|groupings| !groupings.is_empty());
        is_any.then(|| warm::learn_groupings(&anew, next, self.clock.now(), &self.service))
    }

    /// Ends so that [`Daemon::go_on`] can take over under the configuration `next`: what that leaves as it is
    /// stays open.
    ///
    /// # Errors
    /// A stage had ended by a panic.
    pub fn make_way(self, next: &Config) -> Result<Kept, StartError> {
        let config = Arc::clone(&self.config);
        let is_same = |name: &str| next.source_facts(name) == config.source_facts(name);
        let view = Some(Arc::clone(&self.view));
        let (gone, outlets) =
            self.end(|name| if is_same(name) { Ending::LeaveAll } else { Ending::Close }, 0)?;
        if let Err(error) = gone.written {
            tracing::error!("the state could not be written in order: {error}; it is taken from the journal");
        }
        let sources = gone.sources.into_iter().collect();
        if outlets::are_same(&config, next) {
            return Ok(Kept { sources, view, outlets: Some(outlets), ..Kept::default() });
        }
        outlets.stop();
        Ok(Kept { sources, view, ..Kept::default() })
    }

    /// The orderly stop: sources hand over what they have received, everything is counted and written, the state
    /// goes into the journal, and connections of acknowledged senders to a service manager that keeps them.
    ///
    /// # Errors
    /// The state could not be written: the next start begins without it.
    pub fn stop(self) -> Result<(), StartError> {
        let service = Arc::clone(&self.service);
        let ending = if service.room() > 0 { Ending::LeaveGreeted } else { Ending::Close };
        let (gone, outlets) = self.end(|_| ending, service.room())?;
        if gone.written.is_ok() {
            gone.to_keep.hand_over(&service);
        }
        outlets.stop();
        trying("writing the state to the journal", gone.written)
    }

    /// Ends every stage but the outlets. Up to `room` conversations are written down with the state; if there is
    /// no room, sources are given back with what they left.
    fn end(self, ending: impl Fn(&str) -> Ending, room: usize) -> Result<(Gone, Outlets), StartError> {
        self.view.set_ready(false);
        self.sources.iter().for_each(|source| source.stop(ending(&source.name)));
        let mut sources = left_of(self.sources);
        self.stop_commit.store(true, Ordering::Release);
        let committer = ended("committer", self.committer.join())?;
        let aggregate = committer.aggregator.save();
        let files = committer.feeds.positions(&committer.aggregator);
        let senders = committer.feeds.desk().save();
        let reads = committer.log.reads.save();
        sources.iter_mut().for_each(|(_, left)| left.settle(committer.feeds.desk()));
        drop(committer);
        // Behind everything that the committer sent; control may still hold a sender.
        let _ = self.judge_messages.send(JudgeMessage::Stop);
        let judge = ended("judge", self.judge.join())?;
        let judge_state = judge.judge.save();
        let mut frames = judge.publisher.recent();
        drop(judge.store);
        let is_written = ended("store", self.store.join())?;
        let to_write = if room > 0 { std::mem::take(&mut sources) } else { Vec::new() };
        let (to_keep, kept) = ToKeep::of(to_write, &self.config, room);
        let checkpoint = Checkpoint::new(self.clock.now(), aggregate, judge_state, files, self.rolls.state())
            .with_senders(senders, Vec::new())
            .with_reads(reads)
            .with_kept(kept);
        frames.push((FrameKind::Checkpoint, checkpoint.to_json()));
        let written = if is_written { self.journal.close(&frames) } else { left_open(&self.journal) };
        Ok((Gone { sources, to_keep, written }, self.outlets))
    }
}

/// What is left when every stage has ended.
struct Gone {
    sources: Vec<(String, Left)>,
    to_keep: ToKeep,
    /// Whether the state was written.
    written: std::io::Result<()>,
}

/// Waits until sources have ended. Gives what each has left.
fn left_of(sources: Vec<SourceHandle>) -> Vec<(String, Left)> {
    let mut left = Vec::new();
    for source in sources {
        let name = source.name.clone();
        match source.join() {
            Some(of_it) => left.push((name, of_it)),
            None => tracing::error!("the thread of source {name} had ended by a panic"),
        }
    }
    left
}

/// Rows that are in no file are in the journal: it stays as a crash would leave it.
fn left_open(journal: &Journal) -> std::io::Result<()> {
    let handle = journal.handle();
    let synced = handle.append(Vec::new(), journal::Sync::Now);
    let durable = synced.and_then(|lsn| handle.wait(lsn, LAST_SYNC));
    let unwritten = || std::io::Error::other("the last rows are not in files; the next start writes them");
    durable.map_err(std::io::Error::other).and_then(|()| Err(unwritten()))
}

fn ended<T>(what: &str, joined: std::thread::Result<T>) -> Result<T, StartError> {
    let error = || std::io::Error::other("its thread had ended by a panic; see the log");
    joined.map_err(|_| StartError::System { what: format!("the {what}"), error: error() })
}

/// Messages that may wait for the store, so that its channel is named once.
pub(crate) type ToStore = Sender<StoreMessage>;
