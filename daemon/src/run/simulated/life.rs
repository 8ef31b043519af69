//! One process: the daemon's own parts, without the threads whose timing would decide what happens.
//!
//! Lanes and the judge have their threads, and each step waits for them; committer, store, sources and journal
//! take turns.
//!
//! In: a world. Out: a daemon that lives there. Must not know: what is right.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, bounded};
use ebbd_core::aggregate::Order;
use ebbd_core::alarm::Severity;

use super::super::recover::Recovered;
use super::super::stages::{JudgeStage, Stages};
use super::super::{View, troubles};
use super::world::World;
use crate::commit::{
    Bridge, Checkpoint, CommitLog, Committer, Lanes, Segments, SourceFeed, SourceFeeds, WaitingAcks,
};
use crate::config::SourceConfig;
use crate::journal::{self, FrameKind, Journal, want_inline};
use crate::judge::{Ailment, JudgeMessage, JudgeThread, Publisher};
use crate::lane::{LaneMessage, LaneQueue};
use crate::service::ServiceManager;
use crate::source::{EarlierRun, FileBook, ReadBook, ReadTallies, SimulatedSource, SourceTold};
use crate::store::{self, Rolls, StoreMessage, Writer};
use crate::sys::{Clock, Disk, Mutant, make_mutant, stop_time};

/// A running daemon.
pub(super) struct Life {
    committer: Committer,
    judge: JudgeStage,
    store: Writer,
    from_judge: Receiver<StoreMessage>,
    /// In the order of the configuration.
    pub(super) sources: Vec<SimulatedSource>,
    queues: Vec<Arc<LaneQueue>>,
    journal: Journal,
    rolls: Arc<Rolls>,
    clock: Arc<dyn Clock>,
    mutant: Option<Mutant>,
}

/// Starting ended in this: the disk refused, or the oracle objects.
pub(super) enum NotBegun {
    Disk(String),
    Wrong(String),
}

/// What a start needs of the world.
struct Start<'a> {
    world: &'a World,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    view: Arc<View>,
    service: Arc<ServiceManager>,
}

/// A trouble of ebbd's own.
fn ailment() -> Ailment {
    Ailment { part: "it".to_owned(), text: "made up".to_owned(), severity: Severity::Page }
}

fn refused(error: impl std::fmt::Display) -> NotBegun {
    NotBegun::Disk(error.to_string())
}

impl Start<'_> {
    fn stages(&self) -> Stages<'_> {
        let Start { world, clock, disk, view, service } = self;
        Stages { config: &world.config, clock, disk, view, service }
    }

    /// What an earlier process left, if the oracle agrees.
    fn recovered(&self) -> Result<(journal::Recovered, Recovered), NotBegun> {
        let data_dir = &self.world.config.data_dir;
        self.disk.make_dir(data_dir).map_err(refused)?;
        store::clean_stage(self.disk.as_ref(), data_dir).map_err(refused)?;
        let left = journal::recover(Arc::clone(&self.disk), &data_dir.join("journal")).map_err(refused)?;
        let state = self.stages().recovered(&left).map_err(refused)?;
        self.world.check_recovered(&left, &state).map_err(NotBegun::Wrong)?;
        Ok((left, state))
    }

    /// Journal, store and judge, and how the committer writes down.
    fn behind(&self, left: &journal::Recovered, state: &mut Recovered) -> Result<Behind, NotBegun> {
        let stages = self.stages();
        let (mut judge, beginning) = stages.learnt_judge(state, None);
        judge.skip_to(state.last_seq(), state.last_no());
        let boot = stages.boot();
        let journal = stages.journal(state, (&judge, beginning), left, &boot).map_err(refused)?;
        let rolls = Arc::new(Rolls::new(state.rolls));
        let (to_store, from_judge) = bounded(4096);
        let store = stages.store(&self.world.config, Arc::clone(&rolls));
        let backlog = std::mem::take(&mut state.backlog);
        let store = Writer::new(store, Arc::clone(&self.clock), journal.handle(), backlog);
        let mut troubles = troubles::of_disk(journal.handle(), self.view.store_counters());
        let ails = Arc::clone(&self.world.ails);
        troubles.watch("simulated", move || ails.load(Ordering::Relaxed).then(ailment).into_iter().collect());
        let publisher = Publisher::new(journal.handle(), self.world.sink(), &state.records);
        let judge = stages.judge(judge, publisher, state, to_store, troubles).map_err(refused)?;
        let mut reads = ReadBook::new(&self.world.config.sources);
        reads.restore(&state.reads);
        let log = CommitLog {
            journal: journal.handle(),
            files: FileBook::new(state.files.clone()),
            reads,
            segments: Segments::new(journal.first(), state.aggregator.commit(), Duration::from_secs(2)),
            rolls: Arc::clone(&rolls),
            acks: WaitingAcks::default(),
            spoken: Vec::new(),
            is_hurried: false,
            has_gap: false,
            bridge: Bridge::default(),
            boot,
        };
        Ok(Behind { journal, rolls, store, from_judge, judge, log })
    }
}

/// What stands behind the committer.
struct Behind {
    journal: Journal,
    rolls: Arc<Rolls>,
    store: Writer,
    from_judge: Receiver<StoreMessage>,
    judge: JudgeStage,
    log: CommitLog,
}

impl Life {
    /// Starts a daemon on the world's disk.
    pub(super) fn begin(world: &World) -> Result<Life, NotBegun> {
        want_inline();
        let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
        let start = Start {
            world,
            disk: Arc::new(world.disk.clone()),
            view: Arc::new(View::succeeding(None, &world.config, &clock)),
            service: Arc::new(ServiceManager::default()),
            clock: Arc::clone(&clock),
        };
        let (left, mut state) = start.recovered()?;
        let Behind { journal, rolls, store, from_judge, judge, log } = start.behind(&left, &mut state)?;
        let (stages, config) = (start.stages(), &world.config);
        let (queues, lanes) = stages.lanes(state.aggregator.seed()).map_err(refused)?;
        let earlier = state.ran_until.map(|until| EarlierRun { until, ended_in_order: state.ended_in_order });
        let begun = ReadTallies::begin(&world.tally(), &config.sources, &state.reads, earlier, clock.now());
        let (tallies, lost) = begun.expect("that disk is sound");
        let intake = stages.intake(&queues, tallies);
        intake.desk.restore(state.senders.clone());
        let source = |config| SimulatedSource::new(config, &intake, &state.files);
        let sources: Vec<SimulatedSource> = config.sources.iter().map(source).collect();
        let feeds = sources.iter().zip(&config.sources).map(feed).collect();
        let feeds = SourceFeeds::new(feeds, intake.conns, intake.desk);
        let resumed = state.ran_until.map(Order::Resumed).into_iter();
        let orders = resumed.chain(lost.crashes.into_iter().map(Order::Crash)).collect();
        let messages = judge.messages.clone();
        let committer = stages.committer((state.aggregator, orders), lanes, feeds, messages, log);
        let mutant = world.mutant;
        Ok(Life { committer, judge, store, from_judge, sources, queues, journal, rolls, clock, mutant })
    }

    /// Everybody's turn once, at `now` of the time that passes.
    pub(super) fn turn(&mut self, now: Instant) {
        self.in_judge(now);
        self.sources.iter_mut().for_each(SimulatedSource::turn);
        if self.committer.feeds.desk().calls().try_recv().is_ok() {
            self.committer.log.is_hurried = true;
        }
        self.committer.commit(Lanes::cut, false);
        // What the judge publishes of it is in the journal before segments go.
        self.in_judge(now);
        self.committer.look_at_segments();
        self.in_judge(now);
        self.store_turn();
        self.journal.handle().look();
        self.committer.tell();
        self.sources.iter_mut().for_each(SimulatedSource::turn);
    }

    /// Waits until the judge has done all that came, and sets its thread's time and mistake.
    fn in_judge(&self, now: Instant) {
        let (sender, answer) = bounded(1);
        let mutant = self.mutant;
        let ask = Box::new(move |_: &mut JudgeThread| {
            stop_time(Some(now));
            make_mutant(mutant);
            // Whoever asked waits.
            let _ = sender.send(());
        });
        self.judge.messages.send(JudgeMessage::Request(ask)).expect("it lives");
        answer.recv().expect("it answers");
    }

    fn store_turn(&mut self) {
        while let Ok(message) = self.from_judge.try_recv() {
            self.store.accept(message);
        }
        self.store.turn();
    }

    /// SIGTERM, as the daemon itself does it.
    pub(super) fn stop(mut self) -> Result<(), String> {
        self.sources.iter_mut().for_each(SimulatedSource::stop);
        self.committer.last_turn();
        let (aggregate, desk) = (self.committer.aggregator.save(), self.committer.feeds.desk());
        let files = self.committer.feeds.positions(&self.committer.aggregator);
        let (senders, reads) = (desk.save(), self.committer.log.reads.save());
        drop(self.committer);
        // Nothing comes behind it.
        let _ = self.judge.messages.send(JudgeMessage::Stop);
        let judge = self.judge.thread.join().map_err(|_| "the judge panicked")?;
        while let Ok(message) = self.from_judge.try_recv() {
            self.store.accept(message);
        }
        if !self.store.finish() {
            return Err("the last rows are not in files".to_owned());
        }
        let (state, mut frames) = (judge.judge.save(), judge.publisher.recent());
        let checkpoint = Checkpoint::new(self.clock.now(), aggregate, state, files, self.rolls.state())
            .with_senders(senders, Vec::new())
            .with_reads(reads);
        frames.push((FrameKind::Checkpoint, checkpoint.to_json()));
        self.journal.close(&frames).map_err(|error| error.to_string())
    }

    /// Nothing of the process remains but what it wrote.
    pub(super) fn kill(self) {
        drop(self.committer);
        // Lanes find nobody to answer to, and end.
        self.queues.iter().for_each(|queue| assert!(queue.send(LaneMessage::Marker(0))));
        drop(self.judge);
    }
}

fn feed((source, config): (&SimulatedSource, &SourceConfig)) -> SourceFeed {
    SourceFeed {
        id: config.spec.id,
        name: config.spec.name.clone(),
        counters: source.counters(),
        total: SourceTold::default(),
    }
}
