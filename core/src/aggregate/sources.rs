//! Who sends: every source and origin, how they usually behave, and what they are doing now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::delta::Tally;
use crate::decode::SourceSpec;
use crate::model::{
    ConnId, Goodbye, Heartbeat, MICROS_PER_SECOND, Minute, OTHER, SourceId, StreamId, StreamRoute, TimeUs,
};

/// Silence that is tolerated of a source whose habits are not known, and the longest tolerated of any.
pub(super) const LONGEST_LAG_US: i64 = 60 * MICROS_PER_SECOND;
/// The shortest silence that counts as missing.
const SHORTEST_LAG_US: i64 = 10 * MICROS_PER_SECOND;
/// A source's gaps are believed once it is known for this long.
const LEARN_US: i64 = 600 * MICROS_PER_SECOND;
/// Gaps fade with this time constant.
const FADE_US: f64 = 3600.0 * MICROS_PER_SECOND as f64;
/// Minutes over which a usual rate is averaged.
const RATE_MINUTES: f64 = 30.0;

/// A source and a sending host; the host is empty if unnamed.
pub(super) type OriginKey = (SourceId, Arc<str>);

/// What a sending host usually sends of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habit {
    /// Lines a minute.
    pub(super) rate: f64,
    /// Minutes that `rate` has seen.
    pub(super) minutes: f64,
    /// The latest event time.
    pub(super) latest_event: TimeUs,
    /// How old its latest event was when its last one arrived.
    pub(super) delay_us: i64,
}

/// One sending host of a source.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// The configuration or a person says that it ought to send.
    pub(super) expected: bool,
    pub(super) first_seen: Option<TimeUs>,
    pub(super) last_arrival: Option<TimeUs>,
    /// The widest gap between arrivals of late.
    pub(super) widest_gap_us: f64,
    /// Up to here it says that it has sent everything.
    pub(super) through: Option<TimeUs>,
    pub(super) left_at: Option<TimeUs>,
    /// Events it says it dropped since its own start.
    pub(super) dropped_total: Option<u64>,
    pub(super) habits: BTreeMap<StreamId, Habit>,
}

/// The connections of a source.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections {
    pub(super) open: BTreeSet<ConnId>,
    pub(super) ever: bool,
    pub(super) closed_at: Option<TimeUs>,
}

/// Every source and origin.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) specs: Arc<[SourceSpec]>,
    pub(super) origins: BTreeMap<OriginKey, Origin>,
    pub(super) connections: Vec<Connections>,
    per_source: Vec<usize>,
    limit: usize,
    cap_hits: u64,
    /// When the daemon started last, or ran again after it had stood still.
    pub(super) started: TimeUs,
}

impl Origin {
    /// How long it may be silent before that counts as missing.
    pub(super) fn lag_us(&self) -> i64 {
        let known = match (self.first_seen, self.last_arrival) {
            (Some(first), Some(last)) => last.since_us(first) >= LEARN_US,
            _ => false,
        };
        let learnt = (3.0 * self.widest_gap_us) as i64;
        if known { learnt.clamp(SHORTEST_LAG_US, LONGEST_LAG_US) } else { LONGEST_LAG_US }
    }

    /// Whether it said goodbye and was not heard of again.
    pub(super) fn has_left(&self) -> bool {
        self.left_at.is_some_and(|left| self.last_arrival.is_none_or(|last| last <= left))
    }

    /// Notes signs of life from `first` to `last`. An outage is no habit: a gap beyond what is tolerated
    /// widens the tolerance by half, and one in which ebbd itself was down teaches nothing.
    fn heard(&mut self, first: TimeUs, last: TimeUs, started: TimeUs) {
        if let Some(before) = self.last_arrival.filter(|&before| before < first && before >= started) {
            let gap = first.since_us(before) as f64;
            let faded = self.widest_gap_us * (-gap / FADE_US).exp();
            self.widest_gap_us = faded.max(gap.min(self.lag_us() as f64 / 2.0));
        }
        self.first_seen.get_or_insert(first);
        self.last_arrival = self.last_arrival.max(Some(last));
    }
}

impl Habit {
    /// Takes in a minute in which so many lines came.
    pub(super) fn learn(&mut self, lines: u64) {
        self.minutes = (self.minutes + 1.0).min(RATE_MINUTES);
        self.rate += (lines as f64 - self.rate) / self.minutes;
    }
}

impl Connections {
    /// Since when all of them are closed, if there ever was one.
    pub(super) fn all_closed_since(&self) -> Option<TimeUs> {
        if self.open.is_empty() { self.closed_at } else { None }
    }
}

impl Inventory {
    pub(super) fn new(specs: Arc<[SourceSpec]>, limit: usize) -> Inventory {
        let mut inventory = Inventory {
            origins: BTreeMap::new(),
            connections: vec![Connections::default(); specs.len()],
            per_source: vec![0; specs.len()],
            limit,
            cap_hits: 0,
            started: TimeUs(i64::MIN),
            specs,
        };
        inventory.expect_declared();
        inventory
    }

    /// A new run of the daemon: no connection is open, what the configuration expects is expected.
    pub(super) fn resumed(&mut self) {
        self.connections.iter_mut().for_each(|connections| connections.open.clear());
        self.expect_declared();
    }

    fn expect_declared(&mut self) {
        for spec in Arc::clone(&self.specs).iter() {
            spec.expect.iter().for_each(|name| self.expect(spec.id, name));
        }
    }

    /// From now on this origin ought to send.
    pub(super) fn expect(&mut self, source: SourceId, name: &str) {
        if let Some(key) = self.admit(source, &Arc::from(name)) {
            self.origins.entry(key).or_default().expected = true;
        }
    }

    /// This origin is not expected any more. Whether it was known.
    pub(super) fn forget(&mut self, source: SourceId, name: &str) -> bool {
        let known = self.origins.remove(&(source, Arc::from(name))).is_some();
        self.per_source[source.index()] -= usize::from(known);
        known
    }

    /// The key under which a host is known; the limit's `__other__` if there is no room for it.
    pub(super) fn admit(&mut self, source: SourceId, name: &Arc<str>) -> Option<OriginKey> {
        let count = self.per_source.get_mut(source.index())?;
        let key = (source, Arc::clone(name));
        if self.origins.contains_key(&key) {
            return Some(key);
        }
        let key = if *count <= self.limit { key } else { (source, Arc::from(OTHER)) };
        self.cap_hits += u64::from(*count > self.limit);
        if !self.origins.contains_key(&key) {
            *count += 1;
            self.origins.insert(key.clone(), Origin::default());
        }
        Some(key)
    }

    /// The key under which a host was known: it needs no room.
    pub(super) fn readmit(&mut self, source: SourceId, name: &Arc<str>) -> Option<OriginKey> {
        *self.per_source.get_mut(source.index())? += 1;
        Some((source, Arc::clone(name)))
    }

    /// Forgets all origins, those that are expected too.
    pub(super) fn forget_all(&mut self) {
        self.origins.clear();
        self.per_source.fill(0);
    }

    /// Notes the lines of a tally; returns whose events they are, if they are events.
    pub(super) fn heard(&mut self, tally: &Tally) -> Option<OriginKey> {
        let counted = tally.counts.counted > 0;
        let key = match counted {
            true => self.admit(tally.source, &tally.origin)?,
            // Refused lines are a sign of life of who is known, no introduction.
            false => (tally.source, Arc::clone(&tally.origin)),
        };
        let origin = self.origins.get_mut(&key)?;
        origin.heard(tally.first_arrival, tally.last_arrival, self.started);
        if let Some(stream) = tally.stream.filter(|_| counted) {
            let habit = origin.habits.entry(stream).or_default();
            habit.latest_event = habit.latest_event.max(tally.latest_event);
            habit.delay_us = tally.last_arrival.since_us(habit.latest_event);
        }
        counted.then_some(key)
    }

    /// Takes a heartbeat in; returns how many more events its sender dropped.
    pub(super) fn heartbeat(&mut self, source: SourceId, heartbeat: &Heartbeat, arrival: TimeUs) -> u64 {
        let Some(key) = self.admit(source, &Arc::from(heartbeat.origin.as_str())) else { return 0 };
        let origin = self.origins.entry(key).or_default();
        origin.heard(arrival, arrival, self.started);
        origin.left_at = None;
        let through = heartbeat.through.map(|through| through.min(arrival));
        origin.through = origin.through.max(through);
        let Some(total) = heartbeat.dropped else { return 0 };
        // A smaller total than before is that of a sender that has started anew.
        let before = origin.dropped_total.replace(total).filter(|&before| before <= total);
        total - before.unwrap_or(0)
    }

    /// Takes a goodbye in.
    pub(super) fn goodbye(&mut self, source: SourceId, goodbye: &Goodbye, arrival: TimeUs) {
        let key = (source, Arc::from(goodbye.origin.as_str()));
        if let Some(origin) = self.origins.get_mut(&key) {
            origin.heard(arrival, arrival, self.started);
            origin.left_at = Some(arrival);
        }
    }

    pub(super) fn opened(&mut self, source: SourceId, conn: ConnId) {
        if let Some(connections) = self.connections.get_mut(source.index()) {
            connections.open.insert(conn);
            connections.ever = true;
        }
    }

    pub(super) fn closed(&mut self, source: SourceId, conn: ConnId, now: TimeUs) {
        if let Some(connections) = self.connections.get_mut(source.index()) {
            connections.open.remove(&conn);
            connections.closed_at = Some(now);
        }
    }

    /// After a restart no connection is open; who doesn't come back is missing from now on.
    pub(super) fn restarted(&mut self, now: TimeUs) {
        self.started = now;
        for connections in &mut self.connections {
            connections.closed_at = connections.ever.then_some(now);
        }
    }

    /// Forgets origins that are silent for longer than their source's `forget_after`, unless expected.
    pub(super) fn forget_silent(&mut self, now: TimeUs) {
        let Inventory { specs, origins, per_source, .. } = self;
        origins.retain(|(source, _), origin| {
            let after = specs.get(source.index()).map_or(0, |spec| spec.forget_after_us);
            let silent = origin.last_arrival.is_none_or(|last| now.since_us(last) > after);
            let keep = origin.expected || !silent;
            per_source[source.index()] -= usize::from(!keep);
            keep
        });
    }

    /// Whether every live sender of a stream says that it has sent all of a minute; `false` if none is
    /// live. `live` are those that are not missing and have not left.
    pub(super) fn all_through(&self, stream: StreamId, minute: Minute, now: TimeUs) -> bool {
        let mut live = self.of_stream(stream).filter(|(_, origin)| {
            let silent_us = origin.last_arrival.map_or(i64::MAX, |last| now.since_us(last));
            !origin.has_left() && silent_us <= LONGEST_LAG_US
        });
        let says_so = |origin: &Origin| origin.through.is_some_and(|through| through >= minute.end());
        let first = live.next().is_some_and(|(_, origin)| says_so(origin));
        first && live.all(|(_, origin)| says_so(origin))
    }

    /// The origins that matter to a stream: that sent of it, or are expected by a source that feeds it.
    pub(super) fn of_stream(&self, stream: StreamId) -> impl Iterator<Item = (&OriginKey, &Origin)> {
        self.origins.iter().filter(move |((source, _), origin)| {
            origin.habits.contains_key(&stream) || (origin.expected && self.feeds(*source, stream))
        })
    }

    /// Whether lines of a source can become events of a stream.
    pub(super) fn feeds(&self, source: SourceId, stream: StreamId) -> bool {
        self.specs.get(source.index()).is_some_and(|spec| match &spec.route {
            StreamRoute::Fixed(fixed) => *fixed == stream,
            StreamRoute::ByField { routes, other, .. } => {
                routes.values().any(|to| *to == Some(stream)) || *other == Some(Some(stream))
            }
            StreamRoute::ByName(names) => names.values().any(|to| *to == stream),
        })
    }

    /// How many origins met the limit.
    pub(super) fn cap_hits(&self) -> u64 {
        self.cap_hits
    }
}
