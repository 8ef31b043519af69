//! Sealed minutes as they were, from what the daemon has written of them.
//!
//! A minute that the daemon judged has a row in `slices` (which says when, and how much had arrived) and in
//! `sources` (who was missing); its rows in `minutes` are those of revision 0. Any other minute with rows was
//! ingested: all its rows count, and a minute without rows between such minutes is missing data. What came after
//! a seal (or before the first one) was not judged and is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::columns::{FileMinute, JudgedAt, LedgerRow, SourceRow};
use crate::model::{
    Completeness, Minute, MissingOrigin, SealedMinute, SealedRow, SealedRows, SeriesKey, SourceMinute,
    SourceState, StreamId, StreamSpec, TimeUs,
};

use super::Moment;

/// What lies in data directories of one stream and day. What was judged comes first, then the rows.
#[derive(Clone, Debug, Default)]
pub struct Day {
    judged: BTreeMap<Minute, JudgedAt>,
    /// By directory: what a later file says of a minute stands instead of what an earlier one does.
    sources: BTreeMap<Minute, BTreeMap<usize, Vec<SourceMinute>>>,
    arrivals: BTreeMap<Minute, Arrival>,
    rows: BTreeMap<Minute, BTreeMap<Arc<SeriesKey>, SealedRow>>,
    revised: BTreeSet<Minute>,
    first_judged: Option<Minute>,
}

/// What came in a minute of arrival.
#[derive(Clone, Copy, Debug, Default)]
struct Arrival {
    counted: u64,
    late: u64,
    refused: u64,
}

impl Day {
    /// A day of a stream of which `first_judged` is the first minute with a verdict that is kept.
    pub fn new(first_judged: Option<Minute>) -> Day {
        Day { first_judged, ..Day::default() }
    }

    /// When minutes were judged.
    pub fn add_judged(&mut self, judged: Vec<JudgedAt>) {
        for one in judged {
            let known = self.judged.entry(one.minute).or_insert(one);
            if one.at > known.at {
                *known = one;
            }
        }
    }

    /// What a file of the directory `directory` says of the sources of `stream`.
    pub fn add_sources(&mut self, directory: usize, stream: &str, rows: Vec<SourceRow>) {
        let mut of_file: BTreeMap<Minute, Vec<SourceMinute>> = BTreeMap::new();
        for row in rows.into_iter().filter(|row| row.stream == stream) {
            of_file.entry(row.minute).or_default().push(row.source);
        }
        for (minute, rows) in of_file {
            self.sources.entry(minute).or_default().insert(directory, rows);
        }
    }

    /// What came late and what was refused; `feeds` says which sources can have lines of `stream`.
    pub fn add_ledger(&mut self, stream: &str, feeds: impl Fn(&str) -> bool, rows: Vec<LedgerRow>) {
        for row in rows {
            let arrival = self.arrivals.entry(row.arrival).or_default();
            if row.stream == stream {
                arrival.counted += row.counted;
                arrival.late += row.late;
            }
            if feeds(&row.source) {
                arrival.refused += row.refused;
            }
        }
    }

    /// Rows of a minute from a file; `by_daemon`: not ingested.
    pub fn add_rows(&mut self, minute: FileMinute, by_daemon: bool) {
        let at = minute.minute;
        let is_late = if by_daemon { minute.revision > 0 } else { self.was_judged(at) };
        if is_late {
            self.revised.insert(at);
            return;
        }
        let rows = self.rows.entry(at).or_default();
        for row in minute.rows {
            match rows.get_mut(&row.key) {
                Some(known) => known.absorb(&row),
                None => drop(rows.insert(Arc::clone(&row.key), row)),
            }
        }
    }

    /// Whether the daemon judged this minute. Verdicts may be kept for a shorter time than sources.
    fn was_judged(&self, minute: Minute) -> bool {
        let before_verdicts = self.first_judged.is_none_or(|first| minute < first);
        self.judged.contains_key(&minute) || (before_verdicts && self.sources.contains_key(&minute))
    }

    /// Minutes of which there are rows or verdicts.
    fn minutes(&self) -> BTreeSet<Minute> {
        self.rows.keys().chain(self.judged.keys()).chain(self.sources.keys()).copied().collect()
    }
}

/// Rebuilds the minutes of one stream, day by day.
#[derive(Clone, Debug)]
pub struct Rebuild {
    stream: StreamId,
    seal_us: i64,
    /// The minute behind the last ingested one.
    next_ingested: Option<Minute>,
    ever_seen: bool,
    /// Minutes judged by the daemon whose later rows were left out.
    pub revised: u64,
    /// Minutes that were still open when the daemon stopped.
    pub left_open: u64,
}

impl Rebuild {
    /// Nothing rebuilt yet.
    pub fn new(stream: StreamId, spec: &StreamSpec) -> Rebuild {
        Rebuild {
            stream,
            seal_us: spec.seal_us,
            next_ingested: None,
            ever_seen: false,
            revised: 0,
            left_open: 0,
        }
    }

    /// The minutes of a day, ascending. Days come in ascending order.
    pub fn day(&mut self, mut day: Day) -> Vec<Moment> {
        self.revised += day.revised.len() as u64;
        let mut moments = Vec::new();
        for minute in day.minutes() {
            let rows = day.rows.remove(&minute);
            if day.was_judged(minute) {
                self.next_ingested = None;
                moments.push(self.judged(minute, rows, &day));
            } else if day.sources.contains_key(&minute) {
                self.left_open += 1;
            } else {
                self.fill(minute, &mut moments);
                let rows = rows.unwrap_or_default().into_values().collect();
                moments.push(self.moment(minute, rows, Completeness::whole(), Vec::new(), None));
                self.next_ingested = Some(minute.next());
            }
        }
        moments
    }

    /// Minutes without rows between ingested ones are missing data.
    fn fill(&mut self, until: Minute, moments: &mut Vec<Moment>) {
        while let Some(gap) = self.next_ingested.filter(|gap| *gap < until) {
            moments.push(self.moment(gap, SealedRows::default(), Completeness::absent(), Vec::new(), None));
            self.next_ingested = Some(gap.next());
        }
    }

    fn judged(
        &mut self,
        minute: Minute,
        rows: Option<BTreeMap<Arc<SeriesKey>, SealedRow>>,
        day: &Day,
    ) -> Moment {
        let rows: SealedRows = rows.unwrap_or_default().into_values().collect();
        let by_directory = day.sources.get(&minute).cloned().unwrap_or_default();
        let mut sources: Vec<SourceMinute> = by_directory.into_values().flatten().collect();
        sources.sort_by(|a, b| (a.source, &a.origin).cmp(&(b.source, &b.origin)));
        let judged = day.judged.get(&minute);
        let arrival = day.arrivals.get(&minute).copied().unwrap_or_default();
        let completeness = self.completeness(minute, &rows, &sources, judged, arrival);
        self.moment(minute, rows, completeness, sources, judged.map(|judged| judged.at))
    }

    fn completeness(
        &self,
        minute: Minute,
        rows: &SealedRows,
        sources: &[SourceMinute],
        judged: Option<&JudgedAt>,
        arrival: Arrival,
    ) -> Completeness {
        let dropped = sources.iter().map(|source| source.lost_upper).sum::<f64>() as u64;
        let missing = sources.iter().filter(|source| source.state.is_missing()).map(|source| MissingOrigin {
            origin: if source.origin.is_empty() { source.source_name.clone() } else { source.origin.clone() },
            since: source.missing_since.unwrap_or(minute.start()),
            share: source.share,
        });
        let known = judged.map(|judged| (judged.completeness, judged.no_data));
        let (fraction, no_data) =
            known.unwrap_or_else(|| self.arrived(rows.events() as f64, sources, dropped));
        Completeness {
            fraction,
            late: if arrival.counted == 0 { 0.0 } else { arrival.late as f64 / arrival.counted as f64 },
            dropped,
            rejected: arrival.refused,
            missing: missing.collect(),
            no_data,
        }
    }

    /// What verdicts would say of completeness where they are no longer kept.
    fn arrived(&self, events: f64, sources: &[SourceMinute], dropped: u64) -> (f64, bool) {
        let proven = sources.iter().any(|s| s.state == SourceState::Alive && s.completeness > 0.0);
        let no_data = events == 0.0 && (!self.ever_seen || !proven);
        let shares: f64 = sources.iter().map(|source| source.share).sum();
        let covered: f64 = sources.iter().map(|source| source.share * source.completeness).sum();
        let arrived = if shares > 0.0 { covered / shares } else { 1.0 };
        let not_lost = if dropped > 0 { events / (events + dropped as f64) } else { 1.0 };
        (if no_data { 0.0 } else { arrived * not_lost }, no_data)
    }

    fn moment(
        &mut self,
        minute: Minute,
        rows: SealedRows,
        completeness: Completeness,
        sources: Vec<SourceMinute>,
        judged_at: Option<TimeUs>,
    ) -> Moment {
        self.ever_seen |= !rows.is_empty();
        let now = judged_at.unwrap_or(minute.end().plus_us(self.seal_us));
        let first = SealedMinute::first(self.stream, minute, rows, completeness, now);
        let sealed = SealedMinute { sources, ..first };
        Moment { sealed, now, is_history: false }
    }
}
