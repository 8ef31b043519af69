//! Change markers, and how well each fits an onset by time and scope.

use serde::{Deserialize, Serialize};

use super::record::Change;
use super::words::duration;
use crate::model::{MICROS_PER_MINUTE, Mark, Minute, Slice, TimeUs};

/// Markers this long before an onset are looked at.
const BEFORE_US: i64 = 30 * MICROS_PER_MINUTE;
/// Markers this long after the likeliest onset, too: onsets are uncertain, people mark late.
const AFTER_US: i64 = 3 * MICROS_PER_MINUTE;
/// A marker this long before the onset is e times less likely the cause than one right before it.
const FADE_US: f64 = 10.0 * MICROS_PER_MINUTE as f64;
/// Markers kept; beyond, the oldest goes.
const MOST: usize = 4096;
/// Markers are kept this long.
const KEPT_US: i64 = 90 * 24 * 60 * MICROS_PER_MINUTE;
/// Most markers named in one record.
const NAMED: usize = 5;

/// The markers of the last 90 days, at most 4,096.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Marks {
    marks: Vec<Mark>,
    evicted: u64,
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

    /// The markers near `onset` (earliest, likeliest, latest) that may concern `slice`.
    pub fn near(&self, onset: [Minute; 3], slice: &Slice) -> Suspects {
        let (from, to) = (onset[0].start().plus_us(-BEFORE_US), onset[1].start().plus_us(AFTER_US));
        let within = |at: TimeUs| at >= from && at < to;
        let live = self.marks.iter().filter(|mark| !mark.retracted);
        let near: Vec<&Mark> = live.filter(|m| within(m.at) || m.until.is_some_and(within)).collect();
        let fits = near.iter().filter_map(|mark| change(mark, onset[1].start(), slice, within));
        let mut changes: Vec<Change> = fits.collect();
        changes.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| b.at.cmp(&a.at)));
        let note = note(near.len(), changes.len().min(1));
        changes.truncate(NAMED);
        Suspects { changes, note }
    }

    /// The last marker up to 30 minutes before `end` and after `onset`: what may have mended it.
    pub fn before_end(&self, onset: Minute, end: Minute, slice: &Slice) -> Option<Change> {
        let from = onset.start().plus_us(AFTER_US).max(end.start().plus_us(-BEFORE_US));
        let live = self.marks.iter().rev().filter(|mark| !mark.retracted);
        let mark = live.filter(|m| m.at >= from && m.at < end.end()).find(|m| scope(m, slice).0 > 0.0)?;
        let (fit, scope) = scope(mark, slice);
        let lead = end.start().since_us(mark.at);
        let why = format!("{} before it came back, {scope}", duration(lead));
        Some(told(mark, mark.at, fit * fade(lead), why))
    }
}

/// What is said of the markers near an onset, `named` of which is the suspect.
fn note(near: usize, named: usize) -> String {
    match near - named {
        0 if named == 0 => "no marker within 30 min".to_owned(),
        0 => "no other marker within 30 min".to_owned(),
        1 if named == 0 => "1 marker within 30 min, of another scope".to_owned(),
        1 => "1 other marker within 30 min".to_owned(),
        n if named == 0 => format!("{n} markers within 30 min, of other scopes"),
        n => format!("{n} other markers within 30 min"),
    }
}

/// A marker as a suspect; `None` if its scope shares nothing with the slice.
fn change(mark: &Mark, onset: TimeUs, slice: &Slice, within: impl Fn(TimeUs) -> bool) -> Option<Change> {
    let (fit, scope) = scope(mark, slice);
    if fit == 0.0 {
        return None;
    }
    let ends = mark.until.filter(|&until| within(until) && onset.since_us(until) >= -AFTER_US);
    let (at, what) = match ends {
        Some(until) if !within(mark.at) || until <= onset => (until, "ended "),
        _ => (mark.at, ""),
    };
    let lead = onset.since_us(at);
    let when = if lead >= 0 { "before onset" } else { "after onset" };
    let weight = if mark.kind == "note" { 0.5 } else { 1.0 };
    let why = format!("{what}{} {when}, {scope}", duration(lead.abs()));
    Some(told(mark, at, weight * fit * fade(lead), why))
}

fn told(mark: &Mark, at: TimeUs, score: f64, why: String) -> Change {
    let score = (score * 100.0).round() / 100.0;
    Change { kind: mark.kind.clone(), what: mark.what.clone(), at: at.to_rfc3339(), score, why }
}

/// 1 right before the onset, less the longer before, at most a half after it.
fn fade(lead_us: i64) -> f64 {
    let fade = (-(lead_us.abs() as f64) / FADE_US).exp();
    if lead_us >= 0 { fade } else { fade / 2.0 }
}

/// How well a marker's scope fits a slice, 0 to 1, and in words.
fn scope(mark: &Mark, slice: &Slice) -> (f64, &'static str) {
    let scope = &mark.scope;
    if scope == slice && !slice.is_whole() {
        (1.0, "same scope")
    } else if scope.is_whole() {
        (0.7, "scope not told")
    } else if scope.contains(slice) {
        (0.9, "wider scope")
    } else if slice.contains(scope) {
        (0.8, "narrower scope")
    } else if slice.0.iter().any(|(d, v)| scope.0.get(d).is_some_and(|other| other != v)) {
        (0.0, "other scope")
    } else {
        (0.5, "overlapping scope")
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
        assert_eq!(whys(&marks), ["0.92 50 s before onset, same scope", "no other marker within 30 min"]);
        marks.add(mark("b", 20, Slice::default()));
        marks.add(mark("c", -90, click()));
        marks.add(mark("d", 10, Slice::of([("feature", "cart")])));
        marks.add(mark("old", 3600, click()));
        assert_eq!(
            whys(&marks),
            [
                "0.92 50 s before onset, same scope",
                "0.68 20 s before onset, scope not told",
                "0.43 1 min after onset, same scope",
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
        assert_eq!(whys(&marks)[0], "0.90 ended 60 s before onset, same scope");
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
}
