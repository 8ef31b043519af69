//! A stream as it is now, for whoever looks at it from a terminal: its last minutes and its worst slices, with
//! bounds on both.
//!
//! In: the board. Out: plain figures that can cross a socket. Must not know: how they are shown.

use std::collections::BTreeMap;

use ebbd_core::model::Slice;
use serde::{Deserialize, Serialize};

use super::answers;
use super::board::{Board, Latest, Point, StreamBoard};

/// Minutes that are told of a whole stream.
const MINUTES: usize = 180;
/// Slices that are told: those that most events are missing from.
const SLICES: usize = 60;

/// One minute of a slice. Times are RFC 3339 in UTC, fractions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MinuteNow {
    /// When it began.
    pub minute: String,
    /// Watched events; none without data.
    pub observed: Option<i64>,
    /// Expected; none while learning.
    pub expected: Option<f64>,
    /// Lower end of the 90 % band.
    pub low: Option<f64>,
    /// Upper end of the 90 % band.
    pub high: Option<f64>,
    /// Believed fraction that arrived.
    pub completeness: Option<f64>,
    /// The verdict's name.
    pub verdict: Option<String>,
}

/// A watched slice in the latest minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SliceNow {
    /// Its conditions.
    pub slice: BTreeMap<String, String>,
    /// What people call it; safe to be shown.
    pub title: String,
    /// The likeliest first minute of what is missing, while it is.
    pub since: Option<String>,
    /// Its latest minute.
    pub now: MinuteNow,
}

/// A stream as it is now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamNow {
    /// Its name.
    pub stream: String,
    /// Watched slices by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// The last minutes of all of it, the oldest first; empty if it is not watched as a whole.
    pub minutes: Vec<MinuteNow>,
    /// Its worst slices, the worst first; the whole stream is none of them.
    pub worst: Vec<SliceNow>,
}

impl Board {
    /// Every stream that has been judged, by name.
    pub fn now(&self) -> Vec<StreamNow> {
        let of = |(name, board): (String, StreamBoard)| {
            let minutes = self.minutes(&name, &Slice::default()).unwrap_or_default();
            let first = minutes.len().saturating_sub(MINUTES);
            StreamNow {
                minutes: minutes[first..].iter().map(MinuteNow::of).collect(),
                verdicts: board.verdicts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
                worst: worst(&board),
                stream: name,
            }
        };
        self.streams().into_iter().map(of).collect()
    }
}

impl MinuteNow {
    fn of(point: &Point) -> MinuteNow {
        let short = |figure: Option<f32>| figure.map(|figure| (f64::from(figure) * 10.0).round() / 10.0);
        MinuteNow {
            minute: point.minute.start().to_rfc3339(),
            observed: point.observed,
            expected: short(point.expected),
            low: short(point.low),
            high: short(point.high),
            completeness: point.verdict.map(|_| (f64::from(point.completeness) * 1e4).round() / 1e4),
            verdict: point.verdict.map(|verdict| verdict.name().to_owned()),
        }
    }
}

fn worst(board: &StreamBoard) -> Vec<SliceNow> {
    let mut latest: Vec<&Latest> = board.latest.iter().filter(|latest| !latest.slice.is_whole()).collect();
    latest.sort_by(|a, b| missing(&b.point).total_cmp(&missing(&a.point)));
    let told = |latest: &&Latest| SliceNow {
        slice: latest.slice.0.clone(),
        title: answers::title(&board.dimensions, &latest.slice),
        since: latest.since.map(|since| since.start().to_rfc3339()),
        now: MinuteNow::of(&latest.point),
    };
    latest.iter().take(SLICES).map(told).collect()
}

/// Events that are missing in a minute; less than any where nobody knows.
fn missing(point: &Point) -> f64 {
    match (point.observed, point.expected) {
        (Some(observed), Some(expected)) => f64::from(expected) - observed as f64,
        (None, Some(expected)) => expected.into(),
        _ => f64::NEG_INFINITY,
    }
}
