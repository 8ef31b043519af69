//! Change markers, what was found to follow them, and which of them are suspects.

use serde::{Deserialize, Serialize};

use super::block::instant;
use super::fit::{self, AFTER_US, BEFORE_US, PastRecord};
use super::record::{AlarmRecord, Change, Kind, State};
use crate::model::{MICROS_PER_MINUTE, Mark, Minute, Slice, TimeUs};

/// Markers kept; beyond, the oldest goes.
const MOST: usize = 4096;
/// Markers are kept this long.
const KEPT_US: i64 = 90 * 24 * 60 * MICROS_PER_MINUTE;
/// Most markers named in one record.
const NAMED: usize = 5;
/// Onsets kept; beyond, the oldest goes.
const MOST_ONSETS: usize = 1024;

/// The markers of the last 90 days, at most 4,096, and the onsets of the drops in that time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Marks {
    marks: Vec<Mark>,
    evicted: u64,
    #[serde(default)]
    onsets: Vec<Onset>,
}

/// The beginning of a drop that was not taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Onset {
    /// The alarm's id.
    id: String,
    minute: Minute,
    slice: Slice,
}

/// Markers near an onset, best first, and a sentence about the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suspects {
    /// Those that fit, best first.
    pub changes: Vec<Change>,
    /// `no other marker within 30 min`.
    pub note: String,
}

impl Marks {
    /// Keeps a marker; the same id again replaces it, a retracted one no longer counts.
    pub fn add(&mut self, mark: Mark) {
        self.marks.retain(|kept| kept.id != mark.id);
        let oldest = TimeUs(mark.received.0.saturating_sub(KEPT_US));
        self.marks.retain(|kept| kept.at >= oldest);
        let place = self.marks.partition_point(|kept| kept.at <= mark.at);
        self.marks.insert(place, mark);
        if self.marks.len() > MOST {
            self.marks.remove(0);
            self.evicted += 1;
        }
    }

    /// The markers since `from` that were not taken back, oldest first.
    pub fn since(&self, from: TimeUs) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(move |mark| mark.at >= from && !mark.retracted)
    }

    /// Markers pushed out by newer ones before their 90 days were over.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Remembers what a record says of a drop: markers before it were no false trail, unless it was none.
    pub(super) fn follow(&mut self, record: &AlarmRecord) {
        if record.kind != Kind::Drop {
            return;
        }
        self.onsets.retain(|known| known.id != record.id);
        let onset = record.onset.as_ref().and_then(|onset| instant(&onset[1]));
        if let Some(onset) = onset.filter(|_| record.state != State::Withdrawn) {
            self.began(Onset { id: record.id.clone(), minute: onset.minute(), slice: record.slice.clone() });
        }
    }

    /// Keeps an onset in its place in time.
    fn began(&mut self, onset: Onset) {
        let oldest = onset.minute.start().plus_us(-KEPT_US);
        self.onsets.retain(|known| known.minute.start() >= oldest);
        let place = self.onsets.partition_point(|known| known.minute <= onset.minute);
        self.onsets.insert(place, onset);
        if self.onsets.len() > MOST_ONSETS {
            self.onsets.remove(0);
        }
    }

    /// The markers near `onset` (earliest, likeliest, latest) that may concern `slice`.
    pub fn near(&self, onset: [Minute; 3], slice: &Slice) -> Suspects {
        let to = onset[1].start().plus_us(AFTER_US).max(onset[2].end());
        let from = onset[0].start().plus_us(-BEFORE_US);
        let within = |at: TimeUs| at >= from && at < to;
        let live = self.marks.iter().filter(|mark| !mark.retracted);
        let near: Vec<&Mark> = live.filter(|m| within(m.at) || m.until.is_some_and(within)).collect();
        let fitting = near.iter().filter_map(|mark| {
            let fit = fit::of(mark, onset, slice, within)?;
            let alike = |past: &Mark| past.kind == mark.kind && past.scope == mark.scope;
            Some((fit, self.record_of(from, alike)))
        });
        let fitting: Vec<(fit::Fit, PastRecord)> = fitting.collect();
        let usual = self.record_of(from, |_| true).usual();
        let worst = fitting.iter().map(|(_, past)| past.rate(usual)).fold(f64::MIN_POSITIVE, f64::max);
        let told = |(fit, past): (fit::Fit, PastRecord)| fit.told(&past, past.rate(usual) / worst);
        let mut changes: Vec<Change> = fitting.into_iter().map(told).collect();
        changes.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| b.at.cmp(&a.at)));
        let note = fit::note(near.len(), changes.len().min(1));
        changes.truncate(NAMED);
        Suspects { changes, note }
    }

    /// What followed those of the markers before `from` that are `alike`.
    fn record_of(&self, from: TimeUs, alike: impl Fn(&Mark) -> bool) -> PastRecord {
        let before = self.marks.iter().take_while(|past| past.at < from);
        let mut record = PastRecord::default();
        for past in before.filter(|past| !past.retracted && alike(past)) {
            let first = self.onsets.partition_point(|onset| onset.minute.end() < past.at);
            let soon = |onset: &&Onset| onset.minute.end().since_us(past.at) <= BEFORE_US;
            let mut after = self.onsets[first..].iter().take_while(soon);
            record.add(after.any(|onset| fit::scope(past, &onset.slice).0 > 0.0));
        }
        record
    }

    /// The last marker up to 30 minutes before `end` and after `onset`: what may have mended it.
    pub fn before_end(&self, onset: Minute, end: Minute, slice: &Slice) -> Option<Change> {
        let from = onset.start().plus_us(AFTER_US).max(end.start().plus_us(-BEFORE_US));
        let live = self.marks.iter().rev().filter(|mark| !mark.retracted);
        let mark =
            live.filter(|m| m.at >= from && m.at < end.end()).find(|m| fit::scope(m, slice).0 > 0.0)?;
        Some(fit::cure(mark, end.start(), slice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONSET: [Minute; 3] = [Minute(999), Minute(1000), Minute(1001)];

    fn mark(id: &str, seconds_before: i64, scope: Slice) -> Mark {
        let at = ONSET[1].start().plus_us(-seconds_before * 1_000_000);
        Mark {
            id: id.to_owned(),
            kind: "deploy".to_owned(),
            what: "checkout v42".to_owned(),
            at,
            until: None,
            scope,
            retracted: false,
            received: at,
            by: "shop".to_owned(),
        }
    }

    fn click() -> Slice {
        Slice::of([("feature", "one-click")])
    }

    fn whys(marks: &Marks) -> Vec<String> {
        let suspects = marks.near(ONSET, &click());
        let why = |c: &Change| format!("{:.2} {}", c.score, c.why);
        suspects.changes.iter().map(why).chain([suspects.note.clone()]).collect()
    }

    #[test]
    fn the_nearest_of_the_same_scope_is_the_suspect() {
        let mut marks = Marks::default();
        assert_eq!(whys(&marks), ["no marker within 30 min"]);
        marks.add(mark("a", 50, click()));
        assert_eq!(whys(&marks), ["0.85 50 s before onset, same scope", "no other marker within 30 min"]);
        marks.add(mark("b", 20, Slice::default()));
        marks.add(mark("c", -90, click()));
        marks.add(mark("d", 10, Slice::of([("feature", "cart")])));
        marks.add(mark("old", 3600, click()));
        assert_eq!(
            whys(&marks),
            [
                "0.78 50 s before onset, same scope",
                "0.57 20 s before onset, scope not told",
                "0.38 1 min after onset, same scope",
                "3 other markers within 30 min"
            ]
        );
    }

    #[test]
    fn retracted_and_replaced_markers_do_not_count() {
        let mut marks = Marks::default();
        marks.add(mark("a", 50, click()));
        marks.add(Mark { retracted: true, ..mark("a", 50, click()) });
        assert_eq!(whys(&marks), ["no marker within 30 min"]);
        marks.add(mark("a", 50, Slice::of([("feature", "cart")])));
        assert_eq!(whys(&marks), ["1 marker within 30 min, of another scope"]);
    }

    #[test]
    fn the_end_of_a_promotion_is_a_suspect() {
        let mut marks = Marks::default();
        let end = ONSET[1].start().plus_us(-MICROS_PER_MINUTE);
        marks.add(Mark { kind: "promo".to_owned(), until: Some(end), ..mark("p", 86_400, click()) });
        assert_eq!(whys(&marks)[0], "0.87 ended 60 s before onset, same scope");
    }

    #[test]
    fn the_store_is_bounded() {
        let mut marks = Marks::default();
        for at in 0..5000 {
            marks.add(mark(&at.to_string(), -at, click()));
        }
        assert_eq!((marks.marks.len(), marks.evicted()), (MOST, 5000 - MOST as u64));
    }

    #[test]
    fn what_mended_it_is_found() {
        let mut marks = Marks::default();
        marks.add(mark("a", 50, click()));
        assert_eq!(marks.before_end(ONSET[1], Minute(1038), &click()), None);
        marks.add(Mark { kind: "rollback".to_owned(), ..mark("b", -35 * 60, click()) });
        let change = marks.before_end(ONSET[1], Minute(1038), &click()).unwrap();
        assert_eq!(
            (change.kind.as_str(), change.why.as_str()),
            ("rollback", "3 min before it came back, same scope")
        );
    }

    fn opened(id: &str, minute: Minute, slice: &Slice) -> Onset {
        Onset { id: id.to_owned(), minute, slice: slice.clone() }
    }

    #[test]
    fn markers_that_never_did_harm_come_behind_those_that_did() {
        let mut marks = Marks::default();
        let old = |n: i64| 3600 * 5 * (n + 1);
        for n in 0..40 {
            marks.add(Mark { kind: "flag".to_owned(), ..mark(&format!("f{n}"), old(n), click()) });
            marks.add(mark(&format!("d{n}"), old(n) + 7200, click()));
        }
        for n in 0..4 {
            let at = ONSET[1].start().plus_us((-old(n) - 7000) * 1_000_000).minute();
            marks.began(opened(&n.to_string(), at, &click()));
        }
        marks.add(Mark { kind: "flag".to_owned(), ..mark("flag", 30, click()) });
        marks.add(mark("deploy", 90, click()));
        let suspects = marks.near(ONSET, &click());
        let kinds: Vec<&str> = suspects.changes.iter().map(|change| change.kind.as_str()).collect();
        assert_eq!(kinds, ["deploy", "flag"]);
        assert!(suspects.changes[0].why.ends_with("4 of 40 such before were followed by a drop"));
        assert!(suspects.changes[1].why.ends_with("none of 40 such before was followed by a drop"));
        assert!(suspects.changes[0].score > 2.0 * suspects.changes[1].score);
        // An onset of another slice is no harm of theirs.
        marks.onsets.iter_mut().for_each(|onset| onset.slice = Slice::of([("feature", "cart")]));
        assert_eq!(marks.near(ONSET, &click()).changes[0].kind, "flag");
    }

    #[test]
    fn a_marker_is_measured_against_the_whole_interval_of_the_onset() {
        let mut marks = Marks::default();
        // Two minutes before the likeliest onset, three after it; the onset may lie as late as ten after it.
        marks.add(mark("before", 120, click()));
        marks.add(mark("after", -180, click()));
        let first = |onset: [i32; 3]| {
            let suspects = marks.near(onset.map(Minute), &click());
            suspects.changes[0].why.clone()
        };
        assert!(first([999, 1000, 1000]).starts_with("2 min before"));
        let within = marks.near([Minute(999), Minute(1000), Minute(1010)], &click());
        assert_eq!(within.changes.len(), 2);
        let gap = |late: i32| {
            let scores = marks.near([Minute(999), Minute(1000), Minute(late)], &click()).changes;
            scores[0].score - scores[1].score
        };
        assert!(gap(1010) < gap(1004), "the later it may lie, the less the two differ");
    }

    #[test]
    fn onsets_are_bounded_and_told_again_replace_each_other() {
        let mut marks = Marks::default();
        for n in 0..MOST_ONSETS as i32 + 50 {
            marks.began(opened(&n.to_string(), Minute(1000 - n % 7), &click()));
        }
        assert_eq!(marks.onsets.len(), MOST_ONSETS);
        assert!(marks.onsets.is_sorted_by_key(|onset| onset.minute));
    }
}
