//! What is known of acknowledged senders: for each name the number up to which its lines are counted, and
//! the running check of what they were.
//!
//! In: connections bound to names, how far each was counted at every commit. Out: numbers, and what to go
//! on from after a restart. A plain function of what it is told, in the order in which it is told, so a
//! recovery that repeats the commits gets the same numbers. Must not know: sockets, threads, what is durable.

use std::collections::{BTreeMap, VecDeque};

use ebbd_core::aggregate::Reached;
use ebbd_core::decode::{Refusal, SenderId};
use ebbd_core::model::{ConnId, SourceId, TimeUs};
use serde::{Deserialize, Serialize};

/// Acknowledged numbers of one sender that are remembered: who goes on from one of them can be checked.
const ACKED: usize = 64;

/// A number and the running check of all lines up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// The last of the lines.
    pub number: u64,
    /// The CRC32C of the lines with their ends.
    pub check: u32,
}

/// One sender, as it is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Its name.
    pub id: SenderId,
    /// Up to where its lines are counted.
    pub reached: Numbered,
    /// When it was last heard.
    pub heard: TimeUs,
    /// Numbers it was told, oldest first, the last few.
    pub acked: VecDeque<Numbered>,
}

/// All senders, and which connection speaks for which.
#[derive(Debug)]
pub struct Senders {
    most: usize,
    forget_after_us: i64,
    by_id: BTreeMap<SenderId, Sender>,
    bound: BTreeMap<ConnId, Bound>,
    /// Lines counted since somebody asked.
    counted: u64,
}

/// A connection that was granted.
#[derive(Clone, Debug)]
struct Bound {
    source: SourceId,
    id: Option<SenderId>,
    /// Its first counted line comes behind this one.
    base: Numbered,
    told: Moved,
}

/// How far an acknowledged connection was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Up to this number of the sender's.
    pub reached: Numbered,
    /// Lines of this connection that were refused.
    pub rejected: u64,
}

/// A connection speaks for a name, as it is written down: with how far the connection was counted it tells
/// how far the sender was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// The connection, by its id.
    pub conn: u64,
    source: u16,
    id: SenderId,
    base: Numbered,
    heard: TimeUs,
}

impl Senders {
    /// Nobody is known. Up to `most` names are remembered; one that is not heard for `forget_after_us` makes
    /// room for another.
    pub fn new(most: usize, forget_after_us: i64) -> Senders {
        Senders { most, forget_after_us, by_id: BTreeMap::new(), bound: BTreeMap::new(), counted: 0 }
    }

    /// Lets `conn` speak for `id` (for nobody in particular if there is none), which would begin with the
    /// line numbered `from`. Gives up to where its lines are counted. No other connection may be bound to
    /// the name.
    ///
    /// # Errors
    /// [`Refusal::Gap`], [`Refusal::TooManyIds`]: then nothing has changed.
    pub fn bind(
        &mut self,
        conn: ConnId,
        source: SourceId,
        id: Option<&SenderId>,
        from: u64,
        at: TimeUs,
    ) -> Result<Numbered, Refusal> {
        let base = id.and_then(|id| self.by_id.get(id)).map(|sender| sender.reached).unwrap_or_default();
        if from - 1 > base.number {
            return Err(Refusal::Gap(base.number));
        }
        if let Some(id) = id {
            self.hear(id, at)?;
        }
        let told = Moved { reached: base, rejected: 0 };
        self.bound.insert(conn, Bound { source, id: id.cloned(), base, told });
        Ok(base)
    }

    /// Lets `conn` go on behind line `reached` of a conversation that an earlier thread or process held.
    ///
    /// # Errors
    /// [`Refusal::Gap`] if that is not what is known of the sender: it has to greet again.
    pub fn go_on(
        &mut self,
        conn: ConnId,
        source: SourceId,
        id: Option<&SenderId>,
        reached: Numbered,
        at: TimeUs,
    ) -> Result<Numbered, Refusal> {
        if let Some(id) = id {
            let known = self.by_id.get(id).map(|sender| sender.reached).unwrap_or_default();
            if known != reached {
                return Err(Refusal::Gap(known.number));
            }
            self.hear(id, at)?;
        }
        let told = Moved { reached, rejected: 0 };
        self.bound.insert(conn, Bound { source, id: id.cloned(), base: reached, told });
        Ok(reached)
    }

    /// How far a connection was counted that speaks for somebody.
    pub fn told(&self, conn: ConnId) -> Option<Moved> {
        self.bound.get(&conn).map(|bound| bound.told)
    }

    /// Notes that a sender lives.
    fn hear(&mut self, id: &SenderId, at: TimeUs) -> Result<(), Refusal> {
        if let Some(sender) = self.by_id.get_mut(id) {
            sender.heard = sender.heard.max(at);
            return Ok(());
        }
        if self.by_id.len() >= self.most && !self.make_room(at) {
            return Err(Refusal::TooManyIds);
        }
        let sender =
            Sender { id: id.clone(), reached: Numbered::default(), heard: at, acked: VecDeque::new() };
        self.by_id.insert(id.clone(), sender);
        Ok(())
    }

    /// Forgets the senders that nobody speaks for and of whom nothing is left to be doubled: they never sent
    /// a line, or what they sent is too old to be counted again.
    fn make_room(&mut self, now: TimeUs) -> bool {
        let speaking: std::collections::BTreeSet<&SenderId> =
            self.bound.values().filter_map(|bound| bound.id.as_ref()).collect();
        let keep_us = self.forget_after_us;
        self.by_id.retain(|id, sender| {
            let is_old = now.since_us(sender.heard) > keep_us;
            speaking.contains(id) || (sender.reached.number > 0 && !is_old)
        });
        self.by_id.len() < self.most
    }

    /// After each commit: how far connections were counted, as far as it is news, and for whom they speak.
    pub fn moved(
        &mut self,
        at: TimeUs,
        reached: impl Fn(SourceId, ConnId) -> Option<Reached>,
    ) -> Vec<(ConnId, Option<SenderId>, Moved)> {
        let mut news = Vec::new();
        for (&conn, bound) in &mut self.bound {
            let Some(mark) = reached(bound.source, conn).filter(|mark| mark.next_line > 1) else { continue };
            let at_line = Numbered { number: bound.base.number + mark.next_line - 1, check: mark.check };
            let moved = Moved { reached: at_line, rejected: mark.rejected };
            if moved == bound.told {
                continue;
            }
            self.counted += moved.reached.number - bound.told.reached.number;
            bound.told = moved;
            news.push((conn, bound.id.clone(), moved));
            if let Some(sender) = bound.id.as_ref().and_then(|id| self.by_id.get_mut(id)) {
                sender.reached = at_line;
                sender.heard = sender.heard.max(at);
            }
        }
        news
    }

    /// Lines of all senders that were counted since the last call.
    pub(super) fn take_counted(&mut self) -> u64 {
        std::mem::take(&mut self.counted)
    }

    /// The number before the first line of a connection that was counted.
    pub fn base(&self, conn: ConnId) -> Option<u64> {
        self.bound.get(&conn).map(|bound| bound.base.number)
    }

    /// After the last lines of a connection were counted. Gives the name for which it spoke; `None` if it
    /// was not bound.
    pub fn closed(&mut self, conn: ConnId) -> Option<Option<SenderId>> {
        self.bound.remove(&conn).map(|bound| bound.id)
    }

    /// Notes that a sender was told a number.
    pub fn acked(&mut self, id: &SenderId, upto: Numbered) {
        let Some(sender) = self.by_id.get_mut(id) else { return };
        if sender.acked.back().is_some_and(|last| last.number >= upto.number) {
            return;
        }
        if sender.acked.len() >= ACKED {
            sender.acked.pop_front();
        }
        sender.acked.push_back(upto);
    }

    /// Where lines of a sender that begin with the one numbered `from` can be compared with what was
    /// counted: first what is known of the line before, if anything, then each number up to what was reached.
    pub fn known(&self, id: Option<&SenderId>, from: u64) -> (Option<Numbered>, VecDeque<Numbered>) {
        let Some(sender) = id.and_then(|id| self.by_id.get(id)) else {
            return (Some(Numbered::default()), VecDeque::new());
        };
        let all = || std::iter::once(Numbered::default()).chain(sender.acked.iter().copied());
        let before = all().chain([sender.reached]).find(|known| known.number == from - 1);
        let ahead = all().filter(|known| known.number >= from && known.number < sender.reached.number);
        let last = Some(sender.reached).filter(|reached| reached.number >= from);
        (before, ahead.chain(last).collect())
    }

    /// Whether a connection speaks for a name: then its sender goes on where its lines are counted.
    pub fn is_named(&self, conn: ConnId) -> bool {
        self.bound.get(&conn).is_some_and(|bound| bound.id.is_some())
    }

    /// How many names are known.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no name is known.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Connections that speak for somebody.
    pub fn speaking(&self) -> usize {
        self.bound.len()
    }

    /// Which connections speak for a name.
    pub fn spoken(&self) -> Vec<Spoken> {
        let spoken = |(conn, bound): (&ConnId, &Bound)| {
            let id = bound.id.clone()?;
            let heard = self.by_id.get(&id)?.heard;
            Some(Spoken { conn: conn.0, source: bound.source.0, id, base: bound.base, heard })
        };
        self.bound.iter().filter_map(spoken).collect()
    }

    /// Lets a connection speak again, as it was written down.
    pub fn speak(&mut self, spoken: Spoken) {
        let Spoken { conn, source, id, base, heard } = spoken;
        let fresh = Sender { id: id.clone(), reached: base, heard, acked: VecDeque::new() };
        self.by_id.entry(id.clone()).or_insert(fresh);
        let told = Moved { reached: base, rejected: 0 };
        let bound = Bound { source: SourceId(source), id: Some(id), base, told };
        self.bound.insert(ConnId(conn), bound);
    }

    /// All names.
    pub fn save(&self) -> Vec<Sender> {
        self.by_id.values().cloned().collect()
    }

    /// Goes on from what was saved: nobody is connected.
    pub fn restore(&mut self, saved: Vec<Sender>) {
        self.bound.clear();
        self.by_id = saved.into_iter().map(|sender| (sender.id.clone(), sender)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: SourceId = SourceId(0);

    fn id(name: &str) -> SenderId {
        SenderId::new(name).expect("a name")
    }

    fn reached(lines: u64, check: u32) -> Option<Reached> {
        Some(Reached { next_line: lines + 1, end_offset: 0, check, rejected: 1 })
    }

    #[test]
    fn a_sender_goes_on_where_its_last_connection_was_counted() {
        let mut senders = Senders::new(2, 1000);
        let shop = id("shop");
        assert_eq!(senders.bind(ConnId(1), SOURCE, Some(&shop), 2, TimeUs(0)), Err(Refusal::Gap(0)));
        assert!(senders.is_empty(), "a refused one leaves nothing behind");
        assert_eq!(senders.bind(ConnId(1), SOURCE, Some(&shop), 1, TimeUs(0)), Ok(Numbered::default()));
        let news = senders.moved(TimeUs(1), |_, _| reached(10, 7));
        let at_ten = Numbered { number: 10, check: 7 };
        assert_eq!(news, [(ConnId(1), Some(shop.clone()), Moved { reached: at_ten, rejected: 1 })]);
        assert!(senders.moved(TimeUs(2), |_, _| reached(10, 7)).is_empty(), "no news");
        senders.acked(&shop, at_ten);
        senders.moved(TimeUs(3), |_, _| reached(15, 9));
        senders.closed(ConnId(1));
        let at_fifteen = Numbered { number: 15, check: 9 };
        assert_eq!(senders.bind(ConnId(2), SOURCE, Some(&shop), 16, TimeUs(4)), Ok(at_fifteen));
        senders.moved(TimeUs(5), |_, _| reached(1, 11));
        assert_eq!(senders.save()[0].reached, Numbered { number: 16, check: 11 });
        assert_eq!(senders.known(Some(&shop), 11).0, Some(at_ten));
        assert_eq!(senders.known(Some(&shop), 12).0, None);
        let all: Vec<u64> = senders.known(Some(&shop), 1).1.iter().map(|known| known.number).collect();
        assert_eq!(all, [10, 16]);
        let mut again = Senders::new(2, 1000);
        again.restore(senders.save());
        assert_eq!((again.save(), again.speaking()), (senders.save(), 0));
    }

    #[test]
    fn names_are_bounded_and_not_forgotten_too_soon() {
        let mut senders = Senders::new(2, 1000);
        let bind = |senders: &mut Senders, conn: u64, name: &str, at: i64| {
            senders.bind(ConnId(conn), SOURCE, Some(&id(name)), 1, TimeUs(at))
        };
        bind(&mut senders, 1, "a", 0).expect("room");
        bind(&mut senders, 2, "b", 0).expect("room");
        assert_eq!(bind(&mut senders, 3, "c", 5000), Err(Refusal::TooManyIds), "both speak");
        senders.moved(TimeUs(10), |_, conn| if conn == ConnId(1) { reached(3, 1) } else { None });
        senders.closed(ConnId(1));
        senders.closed(ConnId(2));
        bind(&mut senders, 3, "c", 500).expect("b never sent a line");
        senders.moved(TimeUs(500), |_, _| reached(1, 1));
        assert_eq!(bind(&mut senders, 4, "d", 1000), Err(Refusal::TooManyIds));
        bind(&mut senders, 4, "d", 1011).expect("a is too old to come again");
        assert_eq!(senders.len(), 2);
    }
}
