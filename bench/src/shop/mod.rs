//! The reference workload: order events of a busy shop, written straight into bytes.
//!
//! In: a [`ShopSpec`]. Out: lines in any format, the same events in each, and the [`Truth`] of what was
//! written. Must not know: where the lines go. It draws and writes a few million events a second, so that
//! whoever is measured is the bottleneck.

mod draw;
mod truth;
mod values;
mod write;

pub use truth::Truth;
pub use write::TimeText;

use ebbd_core::model::{MICROS_PER_MINUTE, Minute, SplitMix64, TimeUs};

use crate::load::WireFormat;
use draw::Draw;
use values::Values;
use write::Writer;

/// Event time of the reference: so many events make a minute.
pub const EVENTS_PER_MINUTE: u64 = 666_667;

/// What the shop sends.
#[derive(Clone, Debug, PartialEq)]
pub struct ShopSpec {
    /// The same seed gives the same lines.
    pub seed: u64,
    /// How many events.
    pub events: u64,
    /// The first minute of event time.
    pub from: Minute,
    /// Over how many minutes of event time.
    pub minutes: u32,
    /// So many series, all equally often (in steps of 216); none: the shop's 8,640, some far busier than
    /// others.
    pub series: Option<u32>,
    /// How many customers there are, the first ones far busier; 0: every event has its own.
    pub customers: u64,
    /// Lines come in so many orders of keys, with and without optional fields.
    pub shapes: usize,
    /// Keys in a new order in each line, unknown fields, escapes.
    pub crooked: bool,
    /// Share of events that come up to 20 seconds late, 0 to 1.
    pub late: f64,
    /// Share of events that stand for more than one (line protocol and StatsD can say that), 0 to 1.
    pub weighted: f64,
    /// How times are written in NDJSON.
    pub time: TimeText,
}

impl ShopSpec {
    /// The reference: `events` events at its density, ending at `end`.
    pub fn reference(events: u64, end: Minute) -> ShopSpec {
        let minutes = events.div_ceil(EVENTS_PER_MINUTE).max(1) as u32;
        ShopSpec {
            seed: 1,
            events,
            from: end.plus(-(minutes as i32)),
            minutes,
            series: None,
            customers: 1_000_000,
            shapes: 1,
            crooked: false,
            late: 0.01,
            weighted: 0.0,
            time: TimeText::Rfc3339,
        }
    }
}

/// One event, before it is written.
#[derive(Clone, Copy, Debug)]
struct Order {
    time: TimeUs,
    /// Index of its combination of dimension values.
    tuple: u32,
    cents: u64,
    customer: u64,
    number: u64,
    weight: u32,
}

/// The shop, sending.
#[derive(Debug)]
pub struct ShopLoad {
    spec: ShopSpec,
    rng: SplitMix64,
    draw: Draw,
    values: Values,
    writer: Writer,
    truth: Truth,
}

impl ShopLoad {
    /// A shop that has sent nothing yet.
    pub fn new(spec: ShopSpec) -> ShopLoad {
        let values = Values::new(spec.series);
        ShopLoad {
            rng: SplitMix64::new(spec.seed),
            draw: Draw::new(&spec, &values),
            writer: Writer::new(&spec),
            truth: Truth::new(&spec, values.tuples()),
            values,
            spec,
        }
    }

    /// Appends at most `events` lines to `out`, LF included; how many there were: 0 at the end.
    pub fn fill(&mut self, format: WireFormat, events: u64, out: &mut Vec<u8>) -> u64 {
        let events = events.min(self.spec.events - self.truth.lines);
        for _ in 0..events {
            let order = self.draw.order(&self.spec, self.truth.lines, &mut self.rng);
            self.truth.note(&order, format);
            self.writer.line(format, &order, &self.values, out);
        }
        events
    }

    /// All lines that are left, as one text.
    pub fn text(&mut self, format: WireFormat) -> Vec<u8> {
        let left = self.spec.events - self.truth.lines;
        let mut text = Vec::with_capacity(left as usize * format.usual_line_bytes());
        self.fill(format, left, &mut text);
        text
    }

    /// What has been written so far.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }
}

/// The first instant of a workload, and how long it takes.
fn span_us(spec: &ShopSpec) -> (i64, i64) {
    (i64::from(spec.from.0) * MICROS_PER_MINUTE, i64::from(spec.minutes) * MICROS_PER_MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ShopSpec {
        ShopSpec { minutes: 3, ..ShopSpec::reference(6_000, Minute(29_922_000)) }
    }

    fn texts(spec: &ShopSpec) -> Vec<(WireFormat, String, Truth)> {
        let of = |format| {
            let mut load = ShopLoad::new(spec.clone());
            let text = String::from_utf8(load.text(format)).expect("UTF-8");
            (format, text, load.truth().clone())
        };
        [WireFormat::Ndjson, WireFormat::Influx, WireFormat::Statsd].map(of).to_vec()
    }

    #[test]
    fn as_many_lines_as_asked_about_as_long_as_the_reference() {
        for (format, text, truth) in texts(&spec()) {
            assert_eq!((text.lines().count(), truth.lines), (6_000, 6_000));
            let bytes = text.len() as f64 / 6_000.0;
            let wanted = [204.0, 130.0, 65.0][format as usize];
            assert!((bytes / wanted - 1.0).abs() < 0.08, "{format:?}: {bytes} bytes a line");
        }
    }

    #[test]
    fn every_shape_is_a_json_object_with_the_same_content() {
        let plain = ShopLoad::new(spec()).text(WireFormat::Ndjson);
        let crooked = ShopSpec { crooked: true, ..spec() };
        let shapes = ShopSpec { shapes: 5, ..spec() };
        let keys = ["ts", "marketplace", "feature", "payment", "status", "amount", "customer"];
        for other in [crooked, shapes] {
            let text = ShopLoad::new(other).text(WireFormat::Ndjson);
            let mut orders = std::collections::BTreeSet::new();
            for (a, b) in plain.split(|b| *b == b'\n').zip(text.split(|b| *b == b'\n')) {
                if a.is_empty() {
                    continue;
                }
                let (a, b): (serde_json::Value, serde_json::Value) =
                    (serde_json::from_slice(a).expect("plain"), serde_json::from_slice(b).expect("JSON"));
                assert!(keys.iter().all(|key| a[key] == b[key]), "{a} {b}");
                orders.insert(b.as_object().expect("an object").keys().cloned().collect::<Vec<_>>());
            }
            assert!(orders.len() >= 5, "{} shapes", orders.len());
        }
    }

    #[test]
    fn uniform_series_are_as_many_as_asked() {
        for (asked, got) in [(1_000, 1_080), (10_000, 9_936 + 216), (216, 216)] {
            let mut load =
                ShopLoad::new(ShopSpec { series: Some(asked), minutes: 1, events: 120_000, ..spec() });
            load.text(WireFormat::Statsd);
            assert!(load.truth().rows.abs_diff(got) <= got / 50, "{} of {got}", load.truth().rows);
        }
    }

    #[test]
    fn every_event_has_its_own_customer_when_asked() {
        let mut load = ShopLoad::new(ShopSpec { customers: 0, ..spec() });
        let text = String::from_utf8(load.text(WireFormat::Ndjson)).expect("UTF-8");
        let customers: std::collections::HashSet<&str> =
            text.lines().filter_map(|line| line.split("\"customer\":\"").nth(1)?.split('"').next()).collect();
        assert_eq!(customers.len(), 6_000);
    }
}
