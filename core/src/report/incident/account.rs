//! What is told of an incident: figures and sentences, ready to be laid out.

use serde::Serialize;
use serde_json::Value;

use crate::alarm::{Cause, Losing, Lost};
use crate::model::Slice;

/// An incident's story. Times are RFC 3339 in UTC, intervals `[low, estimate, high]` at 90 %.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Account {
    /// Always `report`.
    #[serde(rename = "type")]
    pub record_type: &'static str,
    /// Version of this form: 1; fields are only ever added.
    pub v: u32,
    /// One line: what, how bad, when.
    pub title: String,
    /// The incident in a few sentences.
    pub summary: Vec<String>,
    /// The alarm's number; none of an incident that was missed.
    pub no: Option<u64>,
    /// The alarm's id.
    pub id: Option<String>,
    /// What kind of trouble.
    pub kind: String,
    /// Where the alarm stands; `missed` if there was none.
    pub state: String,
    /// How loud it was at most.
    pub severity: Option<String>,
    /// What a person said it was.
    pub label: Option<String>,
    /// The host whose daemon saw it.
    pub host: String,
    /// The stream.
    pub stream: String,
    /// The slice that it is about.
    pub slice: Slice,
    /// The slice in words.
    pub slice_name: String,
    /// When it was.
    pub span: Span,
    /// What it cost.
    pub lost: Option<Lost>,
    /// What it costs a minute, while it is open.
    pub losing: Option<Losing>,
    /// The slices that explain it, best first.
    pub causes: Vec<Cause>,
    /// Share that no cause explains.
    pub unexplained: Option<f64>,
    /// Markers near the onset by how well they fit, best first.
    pub suspects: Vec<Suspect>,
    /// What is to be said of them in a sentence.
    pub suspects_note: String,
    /// The marker on the way back.
    pub mended: Option<Mended>,
    /// What happened and what was done, in order.
    pub timeline: Vec<Happening>,
    /// All markers of the time that is shown.
    pub markers: Vec<Marker>,
    /// Minutes that one point of the series stands for.
    pub minutes_per_point: i32,
    /// The incident's slice first, then others: those that fell most come first.
    pub series: Vec<Series>,
    /// Slices of which there are verdicts, but no room.
    pub series_left_out: usize,
    /// How far all of this can be trusted.
    pub trust: Trust,
    /// The alarm's records, as they were sent.
    pub records: Vec<Value>,
}

/// When it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    /// Earliest, likeliest and latest first minute, if an alarm said so.
    pub onset: Option<[String; 3]>,
    /// The first minute.
    pub from: String,
    /// The first minute after it.
    pub to: String,
    /// Whether it is over.
    pub is_over: bool,
    /// How long, in minutes.
    pub minutes: i32,
    /// When the alarm opened.
    pub detected: Option<String>,
    /// Minutes from the likeliest onset to the alarm.
    pub detected_after_min: Option<i64>,
    /// Who took it, and when.
    pub acked: Option<String>,
    /// The first minute that is shown.
    pub shown_from: String,
    /// The first minute that is not shown any more.
    pub shown_to: String,
}

/// A marker that may have caused it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// 1 for the likeliest.
    pub rank: usize,
    /// Its letter in the chart.
    pub letter: Option<char>,
    /// `deploy`, `flag`, …
    pub kind: String,
    /// What was changed.
    pub what: String,
    /// When.
    pub at: String,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// Why, in words.
    pub why: String,
}

/// A marker that may have mended it, or was meant to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mended {
    /// `rollback`, `deploy`, …
    pub kind: String,
    /// What was changed.
    pub what: String,
    /// When.
    pub at: String,
    /// Whether orders came back after it.
    pub recovered: bool,
    /// Minutes from it to the first good minute, or to the last that is known.
    pub after_min: i64,
}

/// A line of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Happening {
    /// When.
    pub at: String,
    /// A word: `alarm`, `deploy`, `acked`.
    pub word: String,
    /// What happened.
    pub text: String,
    /// How it is to be shown.
    pub tone: Loudness,
}

/// How a line of the timeline is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Loudness {
    /// Orders are missing.
    Bad,
    /// Orders are back.
    Good,
    /// Somebody did something.
    Done,
    /// Nothing can be seen.
    Blind,
}

/// A marker on the time axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Marker {
    /// Its letter in the chart; none where there are more markers than letters.
    pub letter: Option<char>,
    /// `deploy`, `flag`, …
    pub kind: String,
    /// What was changed.
    pub what: String,
    /// When.
    pub at: String,
    /// Until when, if it spans time.
    pub until: Option<String>,
    /// What it touches.
    pub scope: Slice,
    /// Who gave it.
    pub by: String,
}

/// A slice minute by minute.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// The slice.
    pub slice: Slice,
    /// The slice in words.
    pub name: String,
    /// Orders that it lost during the incident: `[low, estimate, high]`; none without an expectation.
    pub lost: Option<[f64; 3]>,
    /// What was observed of what was expected during the incident.
    pub remaining: Option<f64>,
    /// Its points, without gaps: a minute of which nothing is known is a point without figures.
    pub points: Vec<Point>,
}

/// A minute of a slice, or the mean of several.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The (first) minute.
    pub minute: String,
    /// Events a minute; none if and only if there were no data.
    pub observed: Option<f64>,
    /// Events expected; none while learning.
    pub expected: Option<f64>,
    /// Lower end of the 90 % band.
    pub low: Option<f64>,
    /// Upper end of the 90 % band.
    pub high: Option<f64>,
    /// The verdict; `none` if there is none.
    pub verdict: &'static str,
    /// How much is believed to have arrived, 0 to 1.
    pub completeness: Option<f64>,
}

/// How far all of it can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trust {
    /// Sentences.
    pub caveats: Vec<String>,
    /// Minutes of the incident without any data.
    pub no_data_minutes: usize,
    /// Minutes of the incident of which a part is missing.
    pub incomplete_minutes: usize,
    /// Who was missing.
    pub absences: Vec<Absence>,
}

/// A source that was missing for a while.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Absence {
    /// The source.
    pub source: String,
    /// The sending host, if it has a name.
    pub origin: String,
    /// From this minute on.
    pub from: String,
    /// Up to this one.
    pub to: String,
    /// Its usual share.
    pub share: f64,
}
