//! Each stage started with what the next one needs of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};
use ebbd_core::aggregate::{Aggregator, LaneCounter, Order};
use ebbd_core::alarm::{AlarmRecord, Severity};
use ebbd_core::detect::DetectKnobs;
use ebbd_core::judge::{Judge, JudgeContext};
use ebbd_core::sync::Pool;

use super::recover::{self, Recovered, look, recover, restored_judge};
use super::view::View;
use super::{StartError, ToStore, troubles, trying, warm};
use crate::commit::{
    self, Checkpoint, CommitLog, CommitRequest, Committer, Lanes, RejectLog, SourceFeed, SourceFeeds,
};
use crate::config::{Config, LANE_BLOCKS, ReceiveBuffers, Secrets, Surroundings};
use crate::journal::{self, About, Beginning, FrameKind, Journal, NewFrame};
use crate::judge::{self, JudgeMessage, JudgeRequest, JudgeThread, JudgeView, Publisher, Troubles};
use crate::lane::{LaneQueue, spawn_lane};
use crate::service::ServiceManager;
use crate::source::{
    self, AckDesk, Before, ConnTable, EarlierRun, Ending, Intake, Left, Position, ReadTallies, SourceHandle,
};
use crate::store::{self, Place, Rolls, Store, StoreMessage};
use crate::sys::{Clock, Disk, Inherited};

/// Change markers of so many microseconds before a start are shown: a day.
const MARKERS_SHOWN_US: i64 = 86_400_000_000;
/// Sealed minutes and requests that wait for the judge at most.
const JUDGE_QUEUE: usize = 4_096;
/// Numbers that outlive the process; the stage is cleaned of Parquet only.
const TALLY: &str = "tally";
/// Late data become revisions at least this often, however long a roll is: an alarm that was only late data is
/// withdrawn within about a minute of their coming.
const REVISE_AT_LEAST_US: i64 = 60_000_000;

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
}

/// What sources and committer go on from.
pub(super) struct Around<'a> {
    pub(super) inherited: &'a mut Inherited,
    /// What earlier threads have left, by the name of the source.
    pub(super) sources: BTreeMap<String, Left>,
    /// What the committer is asked.
    pub(super) requests: Receiver<CommitRequest>,
}

/// Sources, lanes and the committer.
pub(super) struct Pipeline {
    pub(super) sources: Vec<SourceHandle>,
    pub(super) committer: JoinHandle<Committer>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Stages<'_> {
    /// What is left of an earlier run, under today's configuration. If commits were made under another one they
    /// are told again under that, and all their rows are written before anything else is.
    pub(super) fn recovered(&self, left: &journal::Recovered) -> Result<Recovered, StartError> {
        let looked = look(left)?;
        let is_same = looked.config.as_ref().is_none_or(|text| *text == self.config.text);
        let mut state = match looked.config.clone().filter(|_| !is_same) {
            None => recover(left, looked, self.config, self.service)?,
            Some(text) => {
                let before = earlier_config(&text)?;
                let state = recover(left, looked, &before, self.service)?;
                self.taken_over(state, &before)?
            }
        };
        if state.rolls.assigned == 0 {
            state.rolls.assigned = self.place(self.config).next_sequence() - 1;
        }
        let troubles = recover::trouble(left).into_iter().chain(state.trouble.take());
        state.trouble = troubles.reduce(|all, one| all + "; " + &one);
        Ok(state)
    }

    /// Brings the state of a run with another configuration under today's.
    fn taken_over(&self, mut state: Recovered, before: &Config) -> Result<Recovered, StartError> {
        let rolls = Arc::new(Rolls::new(state.rolls));
        let store = self.store(before, Arc::clone(&rolls));
        store::write_at_once(store, std::mem::take(&mut state.backlog)).map_err(|error| {
            let what = "writing what was counted before the configuration changed".to_owned();
            StartError::System { what, error: std::io::Error::other(error) }
        })?;
        let (commit, config) = (state.aggregator.commit(), self.config);
        state.rolls = rolls.state();
        state.rolls.done.through = commit;
        let (streams, specs) = (Arc::clone(&config.streams), config.source_specs());
        let saved = state.aggregator.save();
        state.aggregator = Aggregator::new(streams, specs, config.limits.core, seed());
        let restored = state.aggregator.restore(saved);
        restored.map_err(|error| StartError::Foreign(error.to_string()))?;
        state.judge = state.judge.map(|judge| restored_judge(config, judge.save())).transpose()?;
        Ok(state)
    }

    /// The writer of Parquet, that of the run that left `backlog`, too.
    pub(super) fn store(&self, config: &Config, rolls: Arc<Rolls>) -> Store {
        Store {
            place: self.place(config),
            host: config.host.clone(),
            config: config.hash(),
            streams: Arc::clone(&config.streams),
            sources: config.sources.iter().map(|source| source.spec.name.clone()).collect(),
            roll_us: config.parquet.roll_us,
            waiting_bytes: config.waiting_rows_bytes(),
            counters: self.view.store_counters(),
            rolls,
        }
    }

    /// Where files of a run with `config` lie.
    pub(super) fn place(&self, config: &Config) -> Place {
        Place::new(Arc::clone(self.disk), &self.config.data_dir, &config.host)
    }

    /// A fresh segment that carries on what was recovered; its beginning ends with `boot`.
    pub(super) fn journal(
        &self,
        state: &Recovered,
        (judge, beginning): (&Judge, Beginning),
        left: &journal::Recovered,
        boot: &NewFrame,
    ) -> Result<Journal, StartError> {
        let aggregate = state.aggregator.save();
        let (files, rolls) = (state.files.clone(), state.rolls);
        let checkpoint = Checkpoint::new(self.clock.now(), aggregate, judge.save(), files, rolls)
            .with_senders(state.senders.clone(), Vec::new())
            .with_reads(state.reads.clone());
        let records = state.records.iter().filter_map(|record| serde_json::to_vec(record).ok());
        let mut frames: Vec<NewFrame> = records.map(|body| (FrameKind::Alarm, body)).collect();
        frames.push((FrameKind::Checkpoint, checkpoint.to_json()));
        frames.push(boot.clone());
        let about = About { host: self.config.host.clone(), config: self.config.text.clone() };
        let telemetry = Arc::clone(self.view.telemetry());
        let begun = Journal::begin_as(beginning, Arc::clone(self.disk), left, about, &frames, telemetry);
        trying("writing the journal", begun)
    }

    /// The frame that says who writes.
    pub(super) fn boot(&self) -> NewFrame {
        let boot = serde_json::json!({ "host": self.config.host, "at": self.clock.now().to_rfc3339() });
        (FrameKind::Boot, boot.to_string().into_bytes())
    }

    /// The judge's thread. What an earlier run could not publish goes out first.
    pub(super) fn judge(
        &self,
        mut judge: Judge,
        mut publisher: Publisher,
        state: &mut Recovered,
        store: ToStore,
        troubles: Troubles,
    ) -> Result<JudgeStage, StartError> {
        let commit = state.aggregator.commit() + 1;
        publisher.records(&mut std::mem::take(&mut state.unpublished), commit - 1);
        let now = self.clock.now();
        let told = match state.trouble.take() {
            Some(text) => judge.trouble("quarantine", &text, Severity::Page, now),
            None => judge.trouble_over("quarantine", now),
        };
        let mut told: Vec<AlarmRecord> = told.into_iter().collect();
        publisher.records(&mut told, commit);
        let told_now = told.len();
        if !told.is_empty() {
            // The store has just been started.
            let _ = store.send(StoreMessage::Alarms(told));
        }
        self.view.told(&judge, told_now);
        let remembered = self.clock.now().plus_us(-MARKERS_SHOWN_US);
        judge.marks_since(remembered).iter().for_each(|mark| self.view.board().marked(mark));
        let thread = JudgeThread {
            judge,
            publisher,
            store,
            clock: Arc::clone(self.clock),
            view: Arc::clone(self.view) as Arc<dyn JudgeView>,
            service: Arc::clone(self.service),
            troubles,
            commit,
        };
        let (messages, receiver) = bounded(JUDGE_QUEUE);
        let thread = trying("starting the judge", judge::spawn(thread, receiver))?;
        Ok(JudgeStage { messages, thread })
    }

    /// The judge to go on with. What nothing is known of it learns from the Parquet, groupings that are watched anew
    /// too (`ahead` has learnt them already, if anything has): they are judged at once.
    ///
    /// What was learnt stands in no commit. A recovery must therefore not begin before it: the journal's next segment
    /// begins with this judge, alone. While rows wait that only earlier segments have, groupings learn as they go.
    pub(super) fn learnt_judge(&self, state: &mut Recovered, ahead: Option<Judge>) -> (Judge, Beginning) {
        let Some(mut judge) = state.judge.take() else { return (self.taught_judge(), Beginning::GoesOn) };
        let anew = judge.groupings_anew();
        if anew.iter().all(Vec::is_empty) || !state.backlog.is_empty() {
            return (judge, Beginning::GoesOn);
        }
        let now = || warm::learn_groupings(&anew, self.config, self.clock.now(), self.service);
        match judge.adopt(&ahead.unwrap_or_else(now)) {
            0 => (judge, Beginning::GoesOn),
            slices => {
                tracing::info!("{slices} slices that are watched anew were learnt from the Parquet");
                (judge, Beginning::Alone)
            }
        }
    }

    fn taught_judge(&self) -> Judge {
        let mut judge = Judge::new(Arc::clone(&self.config.streams), judge_context(self.config));
        let learnt = warm::learn(&mut judge, self.config, self.clock.now(), self.service);
        self.view.learnt(learnt);
        judge
    }

    /// Sources, lanes, committer: from here on lines are counted.
    pub(super) fn pipeline(
        &self,
        state: Recovered,
        log: CommitLog,
        judge: Sender<JudgeMessage>,
        around: Around<'_>,
    ) -> Result<Pipeline, StartError> {
        let (reads, crashes) = self.reads(&state);
        let Recovered { aggregator, ran_until, files, senders, .. } = state;
        let (queues, lanes) = self.lanes(aggregator.seed())?;
        let intake = self.intake(&queues, reads);
        intake.desk.restore(senders);
        let desk = Arc::clone(&intake.desk);
        let watch: JudgeRequest = Box::new(move |judge| troubles::watch_senders(&mut judge.troubles, desk));
        // The judge has just been started.
        let _ = judge.send(JudgeMessage::Request(watch));
        let Around { inherited, sources, requests } = around;
        let sources = self.sources(&intake, &files, inherited, sources)?;
        let feeds = sources.iter().map(|source| self.feed(source)).collect();
        let feeds = SourceFeeds::new(feeds, intake.conns, intake.desk);
        let orders = ran_until.map(Order::Resumed).into_iter().chain(crashes).collect();
        let committer = self.committer((aggregator, orders), lanes, feeds, judge, log);
        let stop = Arc::new(AtomicBool::new(false));
        let committer =
            trying("starting the committer", commit::spawn(committer, requests, Arc::clone(&stop)))?;
        Ok(Pipeline { sources, committer, stop })
    }

    /// The lanes' queues, and the lanes as the committer sees them.
    pub(super) fn lanes(&self, seed: u64) -> Result<(Vec<Arc<LaneQueue>>, Lanes), StartError> {
        let config = self.config;
        let (deltas, answers) = bounded(config.lanes * 2);
        let queues: Vec<Arc<LaneQueue>> =
            (0..config.lanes).map(|_| Arc::new(LaneQueue::new(LANE_BLOCKS))).collect();
        for (index, queue) in queues.iter().enumerate() {
            let lane = u16::try_from(index).unwrap_or(u16::MAX);
            let (streams, specs) = (Arc::clone(&config.streams), config.source_specs());
            let counter = LaneCounter::new(lane, streams, specs, config.limits.core, seed);
            trying("starting a lane", spawn_lane(index, counter, Arc::clone(queue), deltas.clone()))?;
        }
        let lanes = Lanes::new(queues.clone(), answers);
        Ok((queues, lanes))
    }

    /// The committer of a run that goes on with `counts`: an aggregator, and what it is told first.
    pub(super) fn committer(
        &self,
        counts: (Aggregator, Vec<Order>),
        lanes: Lanes,
        feeds: SourceFeeds,
        judge: Sender<JudgeMessage>,
        log: CommitLog,
    ) -> Committer {
        let (config, (aggregator, orders)) = (self.config, counts);
        Committer {
            aggregator,
            lanes,
            feeds,
            orders: orders.into_iter().map(|order| (order, None)).collect(),
            judge,
            log,
            clock: Arc::clone(self.clock),
            rejects: config
                .rejects
                .map(|r| RejectLog::new(&config.data_dir, r.max_bytes, r.keep_us, &config.streams)),
            revise_every_us: config.parquet.roll_us.min(REVISE_AT_LEAST_US),
            view: Arc::clone(self.view) as Arc<dyn commit::CommitView>,
            revised_at: self.clock.now(),
        }
    }

    /// The tallies of what is read, and what an earlier run read and lost. Without them everything goes on,
    /// but what the next crash loses cannot be told.
    fn reads(&self, state: &Recovered) -> (ReadTallies, Vec<Order>) {
        let dir = self.config.data_dir.join(store::STAGE);
        let earlier = state.ran_until.map(|until| EarlierRun { until, ended_in_order: state.ended_in_order });
        let (sources, now) = (&self.config.sources, self.clock.now());
        let begun = self
            .disk
            .make_dir(&dir)
            .and_then(|()| ReadTallies::begin(&dir.join(TALLY), sources, &state.reads, earlier, now));
        let (tallies, lost) = begun.unwrap_or_else(|error| {
            tracing::warn!("what a crash would lose could not be told: {error}");
            Default::default()
        });
        self.view.crashed(&lost);
        (tallies, lost.crashes.into_iter().map(Order::Crash).collect())
    }

    pub(super) fn intake(&self, queues: &[Arc<LaneQueue>], reads: ReadTallies) -> Intake {
        let config = self.config;
        let ReceiveBuffers { count, bytes } = config.receive_buffers();
        Intake {
            lanes: queues.iter().cloned().collect(),
            pool: Pool::new(count, bytes),
            clock: Arc::clone(self.clock),
            conns: Arc::new(ConnTable::new()),
            desk: Arc::new(AckDesk::new(source::MOST_IDS, self.longest_lateness_us())),
            reads: Arc::new(reads),
            line: config.limits.core.line,
            streams: config.streams.iter().map(|stream| stream.name.clone()).collect(),
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
        mut left: BTreeMap<String, Left>,
    ) -> Result<Vec<SourceHandle>, StartError> {
        let mut started: Vec<SourceHandle> = Vec::new();
        for source in &self.config.sources {
            let left = left.remove(&source.spec.name).unwrap_or_default();
            match source::spawn(source, intake, inherited, Before { files, left }) {
                Ok(handle) => started.push(handle),
                Err(error) => {
                    // Nothing keeps running behind a failed start.
                    started.iter().for_each(|source| source.stop(Ending::Close));
                    return Err(error.into());
                }
            }
        }
        Ok(started)
    }

    fn feed(&self, source: &SourceHandle) -> SourceFeed {
        SourceFeed {
            id: source.id,
            name: source.name.clone(),
            counters: Arc::clone(&source.counters),
            total: self.view.told_by(&source.name),
        }
    }
}

/// The configuration of an earlier run.
fn earlier_config(text: &str) -> Result<Config, StartError> {
    let told = "the last run crashed under a configuration that this ebbd does not accept; start the ebbd that wrote it";
    // What it was allowed to send then is of no interest.
    let surroundings = Surroundings { secrets: Secrets::Unread, ..Surroundings::here() };
    Config::check(text, None, &surroundings).config.ok_or_else(|| StartError::Foreign(told.to_owned()))
}

/// What a judge has to know of a configuration.
pub fn judge_context(config: &Config) -> JudgeContext {
    JudgeContext {
        host: config.host.clone(),
        view: config.view,
        config_hash: config.hash(),
        knobs: DetectKnobs {
            false_alarms_per_week: config.detect.false_alarms_per_week,
            max_slices: config.limits.slices,
        },
        http_url: config.http.map(|address| format!("http://{address}")),
        calendar: config.calendar.clone(),
        funnels: config.funnels.iter().filter_map(|funnel| funnel.spec(&config.streams)).collect(),
    }
}

/// A seed that nobody outside can foresee.
pub(super) fn seed() -> u64 {
    #[cfg(test)]
    if crate::journal::is_inline() {
        return 7;
    }
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
