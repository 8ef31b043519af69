//! Where sources and committer meet over acknowledged senders: who may speak for which name, what each is
//! told, and when.
//!
//! In: claims of source threads; from the committer what a commit counted, and later that it is durable.
//! Out: mail for the source threads. Locked per greeting and per commit, never per block.
//! Must not know: sockets, the journal. What is safe is the committer's word: it hands [`Acks`] back by
//! [`AckDesk::publish`] when they may be said.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender as Bell, bounded};
use ebbd_core::aggregate::{Aggregator, RefusedLines, Sample};
use ebbd_core::decode::{Greeting, Refusal, SenderId};
use ebbd_core::model::{ConnId, Reason, SourceId, TimeUs};

use super::ack_counters::AckCounters;
use super::quarrels::Quarrels;
use super::senders::{Moved, Numbered, Sender, Senders, Spoken};
use crate::sys::Wake;

/// Names that are remembered at most.
pub const MOST_IDS: usize = 4096;
/// Refused lines that one connection is told of at a time.
const REJECTS: usize = 16;

/// The desk: one for all sources.
#[derive(Debug)]
pub struct AckDesk {
    inner: Mutex<Inner>,
    bell: Bell<()>,
    calls: Receiver<()>,
    is_held: AtomicBool,
    counters: AckCounters,
}

#[derive(Debug)]
struct Inner {
    senders: Senders,
    /// Which connection speaks for a name: from its grant until its last lines are counted.
    holders: BTreeMap<SenderId, Holder>,
    /// Connections that wait to speak, at most one for each name.
    waiting: BTreeMap<ConnId, Claim>,
    /// Connections without a conversation that are told what became of their lines.
    attached: BTreeMap<ConnId, (SourceId, Moved)>,
    /// Where the mail for a connection that was granted or attached goes.
    addresses: BTreeMap<ConnId, Address>,
    quarrels: Quarrels,
}

#[derive(Debug)]
struct Holder {
    conn: ConnId,
    is_fenced: bool,
}

/// A sender has greeted.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) source: SourceId,
    pub(super) conn: ConnId,
    pub(super) greeting: Greeting,
    pub(super) address: Address,
    /// It greeted an earlier thread and was counted up to here. None for one that has just greeted.
    pub(super) reached: Option<Numbered>,
}

/// A connection's place in its source's thread.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) inbox: Arc<Inbox>,
    pub(super) key: usize,
}

/// Mail for the connections of one source.
#[derive(Debug)]
pub(super) struct Inbox {
    mail: Mutex<BTreeMap<ConnId, Mail>>,
    wake: Wake,
}

/// What a connection is told; what is newer replaces what was not read.
#[derive(Clone, Debug, Default)]
pub(super) struct Mail {
    pub(super) key: usize,
    pub(super) answer: Option<Result<Grant, Refusal>>,
    pub(super) is_fenced: bool,
    pub(super) moved: Option<Moved>,
    pub(super) rejected: Vec<(u64, Reason)>,
    /// All refused lines of a connection that is attached.
    pub(super) refused: Vec<RefusedLines>,
}

/// A connection may speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Up to here its sender's lines are counted.
    pub(super) reached: Numbered,
    /// What is known of the lines before its first one.
    pub(super) before: Option<Numbered>,
    /// Where lines that are sent again are compared.
    pub(super) known: std::collections::VecDeque<Numbered>,
}

/// What a commit makes to be told, as soon as it is safe.
#[derive(Debug, Default)]
pub struct Acks {
    answers: Vec<(ConnId, Address, Result<Grant, Refusal>)>,
    moved: Vec<(ConnId, Option<SenderId>, Moved)>,
    rejected: Vec<(ConnId, u64, Reason)>,
    refused: Vec<RefusedLines>,
    /// Lines of senders that are counted by this commit.
    lines: u64,
    bound: Vec<Binding>,
}

/// A connection that speaks for a sender from the next commit on. Whoever repeats commits repeats these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The connection.
    pub conn: ConnId,
    /// Its source.
    pub source: SourceId,
    /// The sender's name, if it has one.
    pub id: Option<SenderId>,
    /// The number of the first line that it announced.
    pub from: u64,
}

impl Acks {
    /// Whether there is nothing to be told.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.moved.is_empty() && self.rejected.is_empty()
    }

    /// The connections that were granted by this commit: their lines are in later ones.
    pub fn bound(&self) -> &[Binding] {
        &self.bound
    }
}

impl AckDesk {
    /// A desk that remembers up to `most_ids` names, each for at least `forget_after_us`.
    pub fn new(most_ids: usize, forget_after_us: i64) -> AckDesk {
        let (bell, calls) = bounded(1);
        let inner = Inner {
            senders: Senders::new(most_ids, forget_after_us),
            holders: BTreeMap::new(),
            waiting: BTreeMap::new(),
            attached: BTreeMap::new(),
            addresses: BTreeMap::new(),
            quarrels: Quarrels::default(),
        };
        AckDesk {
            inner: Mutex::new(inner),
            bell,
            calls,
            is_held: AtomicBool::new(false),
            counters: AckCounters::default(),
        }
    }

    /// The bell: it rings when somebody waits for a commit.
    pub fn calls(&self) -> &Receiver<()> {
        &self.calls
    }

    /// How often things happened.
    pub fn counters(&self) -> &AckCounters {
        &self.counters
    }

    /// Names for which one connection fences another again and again.
    pub fn quarrels(&self) -> Vec<String> {
        let names = self.lock().quarrels.lasting(Instant::now());
        names.iter().map(ToString::to_string).collect()
    }

    /// Asks for a commit at once.
    pub(super) fn hurry(&self) {
        // Full: it has been asked for already.
        let _ = self.bell.try_send(());
    }

    /// Asks to speak. The answer comes by mail, after those who spoke for the same name have been fenced and
    /// their last lines are counted.
    pub(super) fn claim(&self, claim: Claim) {
        let mut inner = self.lock();
        if let Some(id) = &claim.greeting.id {
            inner.fence(id);
        }
        inner.waiting.insert(claim.conn, claim);
        drop(inner);
        self.hurry();
    }

    /// Takes a connection that doesn't speak: it is told of every line that is refused and how far it was
    /// counted, as soon as that is durable. To be called before its first line is handed over.
    pub(super) fn attach(&self, source: SourceId, conn: ConnId, address: Address) {
        let mut inner = self.lock();
        inner.attached.insert(conn, (source, Moved::default()));
        inner.addresses.insert(conn, address);
    }

    /// Lets go of it.
    pub(super) fn detach(&self, conn: ConnId) {
        let mut inner = self.lock();
        inner.attached.remove(&conn);
        inner.addresses.remove(&conn);
    }

    /// While held, nothing of acknowledged senders is read: they can wait.
    pub fn hold(&self, is_held: bool) {
        if self.is_held.swap(is_held, Ordering::AcqRel) && !is_held {
            let inner = self.lock();
            inner.addresses.iter().for_each(|(conn, address)| address.post(*conn, |_| {}));
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }

    /// After a commit is merged: what it makes to be told. `closed` are the connections whose last lines it
    /// had, `samples` and `refused` what was refused in it, `at` its time.
    pub fn merged(
        &self,
        at: TimeUs,
        aggregator: &Aggregator,
        closed: impl IntoIterator<Item = ConnId>,
        samples: &[Sample],
        refused: Vec<RefusedLines>,
    ) -> Acks {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if inner.addresses.is_empty() && inner.waiting.is_empty() {
            return Acks::default();
        }
        let mut moved = inner.senders.moved(at, |source, conn| aggregator.position(source, conn));
        moved.extend(inner.attached_moved(aggregator));
        let lines = inner.senders.take_counted();
        let mut acks = Acks { moved, refused, lines, ..Acks::default() };
        for sample in samples {
            let base = inner.senders.base(sample.conn);
            acks.rejected.extend(base.map(|base| (sample.conn, base + sample.number, sample.reason)));
        }
        for conn in closed {
            inner.waiting.remove(&conn);
            inner.addresses.remove(&conn);
            if let Some(Some(id)) = inner.senders.closed(conn) {
                inner.holders.remove(&id);
            }
        }
        inner.grant(at, &mut acks);
        acks
    }

    /// Tells what a commit made to be told: it is safe now. To be called in the order of commits.
    pub fn publish(&self, acks: Acks) {
        let mut inner = self.lock();
        self.counters.acked(acks.lines);
        // Who hears how far it was counted has heard before what was refused.
        for lines in acks.refused {
            inner.post(lines.conn, |mail| mail.refused.push(lines));
        }
        for (conn, id, moved) in acks.moved {
            id.iter().for_each(|id| inner.senders.acked(id, moved.reached));
            inner.post(conn, |mail| mail.moved = Some(moved));
        }
        for (conn, number, reason) in acks.rejected {
            inner.post(conn, |mail| {
                if mail.rejected.len() < REJECTS {
                    mail.rejected.push((number, reason));
                }
            });
        }
        for (conn, address, answer) in acks.answers {
            address.post(conn, |mail| mail.answer = Some(answer));
        }
    }

    /// How far a connection was counted that speaks for somebody.
    pub(super) fn told(&self, conn: ConnId) -> Option<Moved> {
        self.lock().senders.told(conn)
    }

    /// How many names are known, and how many connections are acknowledged.
    pub fn figures(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.senders.len(), inner.senders.speaking())
    }

    /// Whether a connection speaks for a name.
    pub fn is_named(&self, conn: ConnId) -> bool {
        self.lock().senders.is_named(conn)
    }

    /// Which connections speak for a name.
    pub fn spoken(&self) -> Vec<Spoken> {
        self.lock().senders.spoken()
    }

    /// All senders, to be saved.
    pub fn save(&self) -> Vec<Sender> {
        self.lock().senders.save()
    }

    /// Goes on from what was saved, before any source runs.
    pub fn restore(&self, saved: Vec<Sender>) {
        self.lock().senders.restore(saved);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// How far attached connections were counted, as far as it is news.
    fn attached_moved(&mut self, aggregator: &Aggregator) -> Vec<(ConnId, Option<SenderId>, Moved)> {
        let mut news = Vec::new();
        for (&conn, (source, told)) in &mut self.attached {
            let Some(mark) = aggregator.position(*source, conn) else { continue };
            let reached = Numbered { number: mark.next_line - 1, check: mark.check };
            let moved = Moved { reached, rejected: mark.rejected };
            if moved != *told {
                *told = moved;
                news.push((conn, None, moved));
            }
        }
        news
    }

    /// Ends whoever speaks for a name or waits to.
    fn fence(&mut self, id: &SenderId) {
        let waiting = self.waiting.values().find(|claim| claim.greeting.id.as_ref() == Some(id));
        if let Some(Claim { conn, address, .. }) = waiting.cloned() {
            self.waiting.remove(&conn);
            address.post(conn, |mail| mail.is_fenced = true);
            self.quarrels.fenced(id, Instant::now());
        }
        let Some(holder) = self.holders.get_mut(id).filter(|holder| !holder.is_fenced) else { return };
        holder.is_fenced = true;
        self.quarrels.fenced(id, Instant::now());
        let conn = holder.conn;
        self.post(conn, |mail| mail.is_fenced = true);
    }

    /// Answers those for whose name nobody speaks any more.
    fn grant(&mut self, at: TimeUs, acks: &mut Acks) {
        let holders = &self.holders;
        let is_free = |_: &ConnId, claim: &mut Claim| {
            claim.greeting.id.as_ref().is_none_or(|id| !holders.contains_key(id))
        };
        let ready: Vec<(ConnId, Claim)> = self.waiting.extract_if(.., is_free).collect();
        for (conn, Claim { source, greeting: Greeting { id, from }, address, reached, .. }) in ready {
            let bound = match reached {
                None => self.senders.bind(conn, source, id.as_ref(), from, at),
                Some(reached) => self.senders.go_on(conn, source, id.as_ref(), reached, at),
            };
            let answer = bound.map(|reached| {
                let (before, known) = self.senders.known(id.as_ref(), from);
                if let Some(id) = &id {
                    self.holders.insert(id.clone(), Holder { conn, is_fenced: false });
                }
                self.addresses.insert(conn, address.clone());
                acks.bound.push(Binding { conn, source, id, from });
                Grant { reached, before, known }
            });
            acks.answers.push((conn, address, answer));
        }
    }

    fn post(&self, conn: ConnId, change: impl FnOnce(&mut Mail)) {
        if let Some(address) = self.addresses.get(&conn) {
            address.post(conn, change);
        }
    }
}

impl Address {
    fn post(&self, conn: ConnId, change: impl FnOnce(&mut Mail)) {
        let mut mail = self.inbox.lock();
        change(mail.entry(conn).or_insert_with(|| Mail { key: self.key, ..Mail::default() }));
        drop(mail);
        self.inbox.wake.set();
    }
}

impl Inbox {
    /// An empty one.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn new() -> io::Result<Inbox> {
        Ok(Inbox { mail: Mutex::default(), wake: Wake::new()? })
    }

    /// Takes all mail. Its descriptor is readable again when more comes.
    pub(super) fn take(&self) -> BTreeMap<ConnId, Mail> {
        self.wake.take();
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConnId, Mail>> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
