//! One picture of how everything is, for so many columns and rows: what matters most first, and what finds no room
//! said to be there.

use std::collections::BTreeMap;
use std::time::Instant;

use ebbd_core::report::visible;
use ebbd_core::report::watch::{Style, Tone};

use super::sections;
use crate::command::figures::{clock, span};
use crate::control::NowReport;

/// Narrower terminals are drawn on as if they had this many columns, and cut.
const NARROWEST: usize = 60;

/// What is to be shown.
pub(super) struct Shown<'a> {
    pub(super) report: &'a NowReport,
    pub(super) rates: &'a Rates,
    /// Why the daemon does not answer any more.
    pub(super) silent: Option<&'a str>,
    /// Whether it is drawn again and again, until a key is pressed.
    pub(super) live: bool,
}

/// Events a second of each stream, from two looks at what was counted.
#[derive(Debug, Default)]
pub(super) struct Rates {
    seen: Option<(Instant, BTreeMap<String, u64>)>,
    per_s: BTreeMap<String, f64>,
}

impl Rates {
    /// Takes a look at `now`.
    pub(super) fn note(&mut self, report: &NowReport, now: Instant) {
        let counted: BTreeMap<String, u64> =
            report.status.streams.iter().map(|stream| (stream.name.clone(), stream.counted)).collect();
        if let Some((before, had)) = &self.seen {
            let seconds = now.duration_since(*before).as_secs_f64().max(0.001);
            let rate = |(name, counted): (&String, &u64)| {
                let more = counted.saturating_sub(*had.get(name)?);
                Some((name.clone(), more as f64 / seconds))
            };
            self.per_s = counted.iter().filter_map(rate).collect();
        }
        self.seen = Some((now, counted));
    }

    /// Events a second of a stream; none after one look.
    pub(super) fn of(&self, stream: &str) -> Option<f64> {
        self.per_s.get(stream).copied()
    }
}

/// A line in pieces, each in its colour.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row(pub(super) Vec<(Option<Tone>, String)>);

impl Row {
    pub(super) fn plain(text: impl Into<String>) -> Row {
        Row(vec![(None, text.into())])
    }

    /// With another piece behind.
    pub(super) fn and(mut self, tone: Option<Tone>, text: impl Into<String>) -> Row {
        self.0.push((tone, text.into()));
        self
    }

    /// How many columns it takes.
    pub(super) fn columns(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// At most so many columns of it, in colours if they are wanted.
    fn paint(&self, style: &Style) -> String {
        let (mut out, mut left) = (String::new(), style.width);
        let whole = self.columns();
        for (tone, text) in &self.0 {
            let length = text.chars().count();
            let text = match left {
                _ if whole <= style.width || length < left => text.clone(),
                0 => break,
                _ => text.chars().take(left - 1).chain(['…']).collect(),
            };
            left = left.saturating_sub(length);
            out += &painted(&text, *tone, style.colour);
        }
        out.trim_end().to_owned()
    }
}

fn painted(text: &str, tone: Option<Tone>, colour: bool) -> String {
    let code = match tone {
        Some(Tone::Loud) => "1;31",
        Some(Tone::Mild) => "1;33",
        Some(Tone::Good) => "32",
        Some(Tone::Plain) => "1",
        None => return text.to_owned(),
    };
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// The picture: at most `rows` lines of at most `style.width` columns.
pub(super) fn frame(shown: &Shown<'_>, style: &Style, rows: usize) -> Vec<String> {
    let wide = Style { width: style.width.max(NARROWEST), ..style.clone() };
    let mut top = vec![head(shown, &wide)];
    top.extend(troubles(shown));
    top.extend(sections::streams(shown, &wide));
    let bottom = sections::data(shown, &wide);
    let (alarms, slices) = (sections::alarms(shown, &wide), sections::slices(shown, &wide));
    let free = rows.saturating_sub(top.len() + bottom.len());
    // Slices get what alarms leave, and a third of the room at least.
    let for_alarms = free.saturating_sub(slices.len().min(free / 3));
    let alarms = fitting(alarms, for_alarms, "more alarms: ebbd alarms list");
    let slices = fitting(slices, free.saturating_sub(alarms.len()), "more slices");
    let all = top.into_iter().chain(alarms).chain(slices).chain(bottom);
    all.take(rows).map(|row| row.paint(style)).collect()
}

/// As many as there is room for; the last one says what is left out.
fn fitting(mut section: Vec<Row>, room: usize, more: &str) -> Vec<Row> {
    if section.len() > room {
        section.truncate(room);
        if let Some(last) = section.last_mut().filter(|_| room > 2) {
            *last = Row::plain(format!("  … {more}"));
        }
    }
    section
}

fn head(shown: &Shown<'_>, style: &Style) -> Row {
    let status = &shown.report.status;
    let begin = format!("ebbd on {}", visible(&status.host));
    let about = format!("   {}, up {}", visible(&status.state), span(status.uptime_s));
    let keys = if shown.live { "   q quits" } else { "" };
    let end = clock(&status.now, &status.now, &style.zone) + keys;
    let taken = [&begin, &about, &end].iter().map(|text| text.chars().count()).sum();
    let gap = " ".repeat(style.width.saturating_sub(taken).max(3));
    Row::default().and(Some(Tone::Plain), begin).and(None, about + &gap + &end)
}

/// What is wrong with the daemon itself.
fn troubles(shown: &Shown<'_>) -> Vec<Row> {
    let status = &shown.report.status;
    let silent = shown.silent.map(|why| format!("NO ANSWER: {}; this is what was last seen", visible(why)));
    let degraded = status.degraded.iter().map(|word| format!("DEGRADED: {}", visible(word)));
    let loud = silent.into_iter().chain(degraded).map(|text| Row::default().and(Some(Tone::Loud), text));
    loud.collect()
}
