//! What a judged minute costs beyond its kernel: a year of a thousand slices through `Replay` (S11), and a
//! minute of a hundred thousand slices from its seal to its records (S12).

use std::ops::Range;
use std::sync::Arc;

use ebbd_bench::thread_ns;
use ebbd_core::detect::DetectKnobs;
use ebbd_core::judge::JudgeContext;
use ebbd_core::model::{
    Completeness, Minute, Rng, SealedMinute, SealedRows, SeriesKey, SplitMix64, StreamId, StreamSpec, View,
};
use ebbd_core::replay::{Moment, Replay};

use super::either;
use crate::kept::{Figure, Outcome};
use crate::rig::Failure;

/// A day's minutes.
const DAY: i32 = 1440;
/// Monday, 2026-09-28T00:00Z.
const BEGIN: Minute = Minute(29_842_560);
/// Slices of the year.
const SLICES: usize = 1_000;
/// Slices of the single minutes.
const MANY: usize = 100_000;
/// Minutes of many slices before they are judged: the profile wants eight days.
const LEARNT_DAYS: i32 = 8;

/// What falls in the minutes of many slices.
const FALLS: [(&str, usize, bool); 3] =
    [("nothing falls", 0, false), ("ten slices fall", 10, true), ("a hundred slices fall", 110, false)];

/// A shop of one dimension: each value a slice, and the whole.
struct Shop {
    keys: Vec<Arc<SeriesKey>>,
    rates: Vec<f64>,
    rng: SplitMix64,
}

impl Shop {
    fn new(slices: usize) -> Shop {
        let key = |at: usize| {
            let dimensions = [format!("value-{at}"), String::new(), String::new(), "placed".to_owned()];
            let dimensions = dimensions.iter().map(|text| Arc::from(text.as_str())).collect();
            Arc::new(SeriesKey { dimensions, currencies: Box::default(), watched: true })
        };
        let keys = (1..slices).map(key).collect();
        // Rates from 2 to 2,000 a minute.
        let rates = (1..slices).map(|at| 2.0 * 1000f64.powf(at as f64 / slices as f64)).collect();
        Shop { keys, rates, rng: SplitMix64::new(11) }
    }

    fn spec() -> StreamSpec {
        let mut spec = StreamSpec::example();
        spec.watch = vec![Vec::new(), vec![0]];
        spec
    }

    /// A minute; from its beginning on, `falls` of the slices have nothing.
    fn moment(&mut self, at: i32, falls: usize) -> Moment {
        let day = (std::f64::consts::TAU * f64::from(at % DAY) / f64::from(DAY)).sin();
        let mut rows = SealedRows::with_shape(0, 0, self.keys.len());
        for (slice, (key, rate)) in self.keys.iter().zip(&self.rates).enumerate() {
            let mean = rate * (1.0 + 0.6 * day);
            // Three uniform numbers are normal enough here, and quick.
            let noise = (0..3).map(|_| self.rng.unit()).sum::<f64>() * 2.0 - 3.0;
            let count = (mean + noise * mean.sqrt()).round().max(0.0) as i64;
            if slice >= falls && count > 0 {
                rows.add(Arc::clone(key), count, std::iter::empty(), |_, _| {});
            }
        }
        let minute = BEGIN.plus(at);
        let sealed = SealedMinute {
            stream: StreamId(0),
            minute,
            revision: 0,
            rows,
            earlier: SealedRows::default(),
            completeness: Completeness::whole(),
            sources: Vec::new(),
            sealed_at: minute.end(),
        };
        Moment { now: sealed.sealed_at, is_history: false, sealed }
    }
}

fn replay(slices: usize) -> Replay {
    let context = JudgeContext {
        host: "bench".to_owned(),
        view: View::Whole,
        config_hash: "bench".to_owned(),
        knobs: DetectKnobs { false_alarms_per_week: 1.0, max_slices: slices },
        http_url: None,
        funnels: Vec::new(),
        calendar: Vec::new(),
    };
    Replay::new(Arc::new([Shop::spec()]), context, Vec::new())
}

/// Judges minutes of which the first `falls` slices have nothing. Gives the CPU time of each in milliseconds,
/// and how many records were written.
fn judged(replay: &mut Replay, shop: &mut Shop, minutes: Range<i32>, falls: usize) -> (Vec<f64>, usize) {
    let mut records = 0;
    let minute = |at| {
        let moment = shop.moment(at, falls);
        let begun = thread_ns();
        let judged = replay.tell(&moment);
        let took = thread_ns() - begun;
        if let Some(judged) = judged {
            records += judged.records.len();
            replay.take_back(judged);
        }
        took as f64 / 1e6
    };
    (minutes.map(minute).collect(), records)
}

pub(super) fn measure(quick: bool) -> Result<Outcome, Failure> {
    let days = either(quick, 365, 14);
    let mut year = replay(SLICES);
    let (took, _) = judged(&mut year, &mut Shop::new(SLICES), 0..days * DAY, 0);
    let seconds = took.iter().sum::<f64>() / 1e3;
    let nanoseconds = 1e9 * seconds / (f64::from(days * DAY) * SLICES as f64);
    let mut figures = vec![
        Figure::new("a year of 1,000 slices through the judge", "s", vec![seconds * 365.0 / f64::from(days)])
            .goal("S11"),
        Figure::new("the same, a slice and minute", "ns", vec![nanoseconds]),
    ];
    let slices = either(quick, MANY, 10_000);
    let (mut shop, mut many) = (Shop::new(slices), replay(slices));
    let learnt = LEARNT_DAYS * DAY;
    judged(&mut many, &mut shop, 0..learnt, 0);
    for (name, falls, goal) in FALLS {
        let begin = many.judge().last_minute(StreamId(0)).map_or(learnt, |last| last.0 - BEGIN.0 + 1);
        let (mut took, records) = judged(&mut many, &mut shop, begin..begin + 30, falls);
        assert!(falls == 0 || records > 0, "an outage is told");
        took.sort_by(f64::total_cmp);
        let figure = Figure::new(
            &format!("{name}, {slices} slices: the slowest of 30 minutes"),
            "ms",
            took.split_off(29),
        );
        figures.push(if goal { figure.goal("S12") } else { figure });
    }
    let remarks = vec![
        "CPU time of one thread, in memory: without reading a table, and without the 10 ms that a record takes to \
         be on disk and on a socket."
            .to_owned(),
    ];
    Ok(Outcome::new("year", figures, remarks))
}
