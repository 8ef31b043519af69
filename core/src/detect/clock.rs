//! Local time per slice: which zone it lives in, and when its bucket of the week ends.

use crate::baseline::{LocalTime, LocalZone};
use crate::model::{Minute, Slice, StreamSpec};

/// The zones of a stream; a slice is in the one that its conditions select.
#[derive(Clone, Debug)]
pub(super) struct SliceClock {
    by: Option<String>,
    names: Vec<String>,
    zones: Vec<LocalZone>,
    now: Vec<LocalTime>,
}

/// What the coming of a minute means for the slices of one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    /// The week and bucket that ended just before it.
    pub ended: Option<(i64, usize)>,
    /// Bucket centres before and after it, where they changed.
    pub sides: Option<(usize, usize)>,
}

impl SliceClock {
    /// The default zone is the first.
    pub(super) fn new(stream: &StreamSpec) -> SliceClock {
        let zones = &stream.timezones;
        let named = zones.zones.iter().map(|(value, zone)| (value.clone(), zone.as_str()));
        let all = std::iter::once((String::new(), zones.default.as_str())).chain(named);
        let (names, zones): (Vec<_>, Vec<_>) = all.map(|(n, zone)| (n, LocalZone::named(zone))).unzip();
        let by = stream.timezones.by.map(|at| stream.dimensions[at].name.clone());
        SliceClock { by, names, zones, now: Vec::new() }
    }

    /// The zone of a slice.
    pub(super) fn zone_of(&self, slice: &Slice) -> u16 {
        let value = self.by.as_ref().and_then(|dimension| slice.0.get(dimension));
        let listed = value.and_then(|value| self.names.iter().skip(1).position(|name| name == value));
        listed.map_or(0, |at| at as u16 + 1)
    }

    /// All zones.
    pub(super) fn zones(&self) -> &[LocalZone] {
        &self.zones
    }

    /// The place of a slice's zone among [`SliceClock::zones`]; one behind them for a slice that spans zones.
    pub(super) fn place_of(&self, slice: &Slice) -> usize {
        let spans = self.by.as_ref().is_some_and(|dimension| !slice.0.contains_key(dimension));
        if spans { self.zones.len() } else { usize::from(self.zone_of(slice)) }
    }

    /// Where a minute lies in the local week of a zone.
    pub(super) fn local(&self, zone: u16, minute: Minute) -> LocalTime {
        self.zones[usize::from(zone)].at(minute)
    }

    /// Goes on to `minute`: one tick per zone.
    pub(super) fn advance(&mut self, minute: Minute) -> Vec<Tick> {
        let next: Vec<LocalTime> = self.zones.iter().map(|zone| zone.at(minute)).collect();
        let tick = |at: usize| {
            let (new, old) = (next[at], self.now.get(at));
            let ended = old.map(|o| (o.week, o.bucket)).filter(|o| *o != (new.week, new.bucket));
            let sides = Some(new.sides()).filter(|sides| old.is_none_or(|o| o.sides() != *sides));
            Tick { ended, sides }
        };
        let ticks = (0..next.len()).map(tick).collect();
        self.now = next;
        ticks
    }

    /// Puts the clock at a minute without a tick.
    pub(super) fn set(&mut self, minute: Minute) {
        self.now = self.zones.iter().map(|zone| zone.at(minute)).collect();
    }

    /// Where between the bucket centres the minute lies, per zone.
    pub(super) fn fractions(&self) -> Vec<f32> {
        self.now.iter().map(|now| now.fraction()).collect()
    }
}
