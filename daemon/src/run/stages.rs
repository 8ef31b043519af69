//! Each stage started with what the next one needs of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use crossbeam::channel::{Sender, bounded};
use ebbd_core::aggregate::{Aggregator, LaneCounter};
use ebbd_core::alarm::Severity;
use ebbd_core::detect::DetectKnobs;
use ebbd_core::judge::{Judge, JudgeContext};
use ebbd_core::sync::Pool;

use super::checkpoint::{self, Recovered};
use super::view::View;
use super::{StartError, ToStore, trying, warm};
use crate::commit::{self, CommitRequest, Committer, Lanes, Outputs, RejectLog, SourceFeed, SourceFeeds};
use crate::config::{Config, LANE_BLOCKS, ReceiveBuffers};
use crate::journal::{self, About, Journal};
use crate::judge::{self, AlarmSink, Carried, JudgeMessage, JudgeThread, Publisher};
use crate::lane::{LaneQueue, spawn_lane};
use crate::service::ServiceManager;
use crate::source::{self, AckDesk, ConnTable, Intake, Position, SourceHandle, SourceTold};
use crate::store::{self, Place, Store};
use crate::sys::{Clock, Disk, Inherited};

/// Sealed minutes and requests that wait for the judge at most.
const JUDGE_QUEUE: usize = 4_096;
/// Requests that wait for the committer at most.
const COMMIT_REQUESTS: usize = 64;
/// Late data become revisions at least this often, however long a roll is.
const REVISE_AT_LEAST_US: i64 = 300_000_000;

/// What every stage is started with.
pub(super) struct Stages<'a> {
    pub(super) config: &'a Arc<Config>,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) disk: &'a Arc<dyn Disk>,
    pub(super) view: &'a Arc<View>,
    pub(super) service: &'a Arc<ServiceManager>,
}

/// The judge's thread and the way to it.
pub(super) struct JudgeStage {
    pub(super) messages: Sender<JudgeMessage>,
    pub(super) thread: JoinHandle<JudgeThread>,
    pub(super) journal: Journal,
}

/// Sources, lanes and the committer.
pub(super) struct Pipeline {
    pub(super) sources: Vec<SourceHandle>,
    pub(super) committer: JoinHandle<Committer>,
    pub(super) requests: Sender<CommitRequest>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Stages<'_> {
    /// The writer of Parquet.
    pub(super) fn store(&self) -> (ToStore, JoinHandle<()>) {
        let config = self.config;
        let store = Store {
            place: Place::new(Arc::clone(self.disk), &config.data_dir, &config.host),
            host: config.host.clone(),
            config: config.hash(),
            streams: Arc::clone(&config.streams),
            sources: config.sources.iter().map(|source| source.spec.name.clone()).collect(),
            roll_us: config.parquet.roll_us,
            waiting_bytes: config.waiting_rows_bytes(),
            counters: self.view.store_counters(),
        };
        store::spawn(store, Arc::clone(self.clock))
    }

    /// The judge, as it was at the last stop or taught by what lies in the Parquet.
    pub(super) fn judge(
        &self,
        state: &Recovered,
        sink: Arc<dyn AlarmSink>,
        store: ToStore,
        left: &journal::Recovered,
    ) -> Result<JudgeStage, StartError> {
        let mut judge = match &state.judge {
            Some(saved) => Judge::restore(Arc::clone(&self.config.streams), self.context(), saved.clone())
                .map_err(|error| StartError::Foreign(error.to_string()))?,
            None => self.taught_judge(),
        };
        judge.skip_to(state.last_seq(), state.last_no());
        state.marks.iter().for_each(|mark| judge.mark(mark.clone()));
        let (journal, carried) = self.journal(state, left)?;
        let mut publisher = Publisher::new(journal.handle(), sink, store.clone(), carried);
        let now = self.clock.now();
        let told = match checkpoint::trouble(left) {
            Some(text) => judge.trouble("quarantine", &text, Severity::Page, now),
            None => judge.trouble_over("quarantine", now),
        };
        publisher.records(told.into_iter().collect());
        let thread = JudgeThread {
            judge,
            publisher,
            store,
            clock: Arc::clone(self.clock),
            view: Arc::clone(self.view) as Arc<dyn judge::JudgeView>,
            service: Arc::clone(self.service),
            disk_trouble: true,
        };
        let (messages, receiver) = bounded(JUDGE_QUEUE);
        let thread = trying("starting the judge", judge::spawn(thread, receiver))?;
        Ok(JudgeStage { messages, thread, journal })
    }

    fn context(&self) -> JudgeContext {
        let config = self.config;
        JudgeContext {
            host: config.host.clone(),
            view: config.view,
            config_hash: config.hash(),
            knobs: DetectKnobs {
                false_alarms_per_week: config.detect.false_alarms_per_week,
                max_slices: config.limits.slices,
            },
            http_url: config.http.map(|address| format!("http://{address}")),
        }
    }

    fn taught_judge(&self) -> Judge {
        let mut judge = Judge::new(Arc::clone(&self.config.streams), self.context());
        let learnt = warm::learn(&mut judge, self.config, self.clock.now(), self.service);
        self.view.learnt(learnt);
        judge
    }

    /// A fresh segment that carries on what the last one had.
    fn journal(
        &self,
        state: &Recovered,
        left: &journal::Recovered,
    ) -> Result<(Journal, Carried), StartError> {
        let boot = serde_json::json!({ "host": self.config.host, "at": self.clock.now().to_rfc3339() });
        let boot = boot.to_string().into_bytes();
        let carried = Carried::new(state.checkpoint.clone(), boot, &state.records, &state.marks);
        let about = About { host: self.config.host.clone(), config: self.config.text.clone() };
        let telemetry = Arc::clone(self.view.telemetry());
        let frames = carried.frames();
        let begun = Journal::begin(Arc::clone(self.disk), left, about, &frames, telemetry);
        let journal = trying("writing the journal", begun)?;
        journal.release_old();
        Ok((journal, carried))
    }

    /// Sources, lanes, committer: from here on lines are counted.
    pub(super) fn pipeline(
        &self,
        state: Recovered,
        judge: Sender<JudgeMessage>,
        store: ToStore,
        inherited: &mut Inherited,
    ) -> Result<Pipeline, StartError> {
        let config = self.config;
        let specs = config.source_specs();
        let mut aggregator =
            Aggregator::new(Arc::clone(&config.streams), Arc::clone(&specs), config.limits.core, seed());
        if let Some(saved) = state.aggregate {
            aggregator.restore(saved).map_err(|error| StartError::Foreign(error.to_string()))?;
        }
        let (deltas, answers) = bounded(config.lanes * 2);
        let queues: Vec<Arc<LaneQueue>> =
            (0..config.lanes).map(|_| Arc::new(LaneQueue::new(LANE_BLOCKS))).collect();
        for (index, queue) in queues.iter().enumerate() {
            let lane = u16::try_from(index).unwrap_or(u16::MAX);
            let counter = LaneCounter::new(
                lane,
                Arc::clone(&config.streams),
                Arc::clone(&specs),
                config.limits.core,
                aggregator.seed(),
            );
            trying("starting a lane", spawn_lane(index, counter, Arc::clone(queue), deltas.clone()))?;
        }
        let intake = self.intake(&queues);
        intake.desk.restore(state.senders);
        let sources = self.sources(&intake, &state.files, inherited)?;
        let committer = Committer {
            aggregator,
            lanes: Lanes::new(queues, answers),
            feeds: SourceFeeds::new(sources.iter().map(feed).collect(), intake.conns, intake.desk),
            outputs: Outputs { judge, store },
            clock: Arc::clone(self.clock),
            rejects: config
                .rejects
                .map(|r| RejectLog::new(&config.data_dir, r.max_bytes, r.keep_us, &config.streams)),
            revise_every_us: config.parquet.roll_us.min(REVISE_AT_LEAST_US),
            view: Arc::clone(self.view) as Arc<dyn commit::CommitView>,
            revised_at: self.clock.now(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let (requests, receiver) = bounded(COMMIT_REQUESTS);
        let committer =
            trying("starting the committer", commit::spawn(committer, receiver, Arc::clone(&stop)))?;
        Ok(Pipeline { sources, committer, requests, stop })
    }

    fn intake(&self, queues: &[Arc<LaneQueue>]) -> Intake {
        let config = self.config;
        let ReceiveBuffers { count, bytes } = config.receive_buffers();
        Intake {
            lanes: queues.iter().cloned().collect(),
            pool: Pool::new(count, bytes),
            clock: Arc::clone(self.clock),
            conns: Arc::new(ConnTable::new()),
            desk: Arc::new(AckDesk::new(source::MOST_IDS, self.longest_lateness_us())),
            line: config.limits.core.line,
        }
    }

    /// How long lines that were counted may come again.
    fn longest_lateness_us(&self) -> i64 {
        self.config.streams.iter().map(|stream| stream.lateness_us).max().unwrap_or(0)
    }

    fn sources(
        &self,
        intake: &Intake,
        files: &[Position],
        inherited: &mut Inherited,
    ) -> Result<Vec<SourceHandle>, StartError> {
        let mut started = Vec::new();
        for source in &self.config.sources {
            match source::spawn(source, intake, inherited, files) {
                Ok(handle) => started.extend(handle),
                Err(error) => {
                    // Nothing keeps running behind a failed start.
                    started.iter().for_each(SourceHandle::stop);
                    return Err(error.into());
                }
            }
        }
        Ok(started)
    }
}

fn feed(source: &SourceHandle) -> SourceFeed {
    SourceFeed {
        id: source.id,
        name: source.name.clone(),
        counters: Arc::clone(&source.counters),
        total: SourceTold::default(),
    }
}

/// A seed that nobody outside can foresee.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
