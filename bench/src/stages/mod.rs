//! Each stage of the hot path alone, on the reference workload in memory: what one event, cell or row costs.
//!
//! A stage is prepared once and then passed through a few times; a pass says how many units it was. The
//! preparation does not depend on how many passes are made, so that the difference between two runs under
//! an instruction counter is passes and nothing else.

mod close;
mod pause;
mod text;

use ebbd_core::model::Minute;

use crate::load::WireFormat;
use crate::shop::ShopSpec;
use crate::spent::thread_ns;

pub use pause::Pauses;

/// Passes that a prepared stage has material for.
pub const PASSES: usize = 4;
/// The minute in which everything happens: 2026-11-22T13:04Z.
const MINUTE: Minute = Minute(29_922_544);

/// A stage, ready to be passed through: each call is a pass and says how many units it was.
pub type Prepared = Box<dyn FnMut() -> u64>;

/// A stage of the hot path.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// What one unit is.
    pub unit: &'static str,
    make: Make,
}

/// How a stage is prepared.
#[derive(Clone, Copy, Debug)]
enum Make {
    Count,
    Decode(WireFormat, Mix),
    Lane(WireFormat, Mix),
    TwoLanes,
    Merge(Mix),
    Seal(Mix),
    Parquet(Mix),
}

/// What the lines are like.
#[derive(Clone, Copy, Debug)]
enum Mix {
    /// The reference.
    Plain,
    /// Eight orders of keys.
    Shapes,
    /// A new order of keys in each line, unknown fields, escapes.
    Crooked,
    /// So many equally frequent series.
    Series(u32),
}

const fn stage(name: &'static str, unit: &'static str, make: Make) -> Stage {
    Stage { name, unit, make }
}

/// Every stage, in the order of the path.
pub const STAGES: [Stage; 24] = {
    use Make::{Count, Decode, Lane, Merge, Parquet, Seal, TwoLanes};
    use Mix::{Crooked, Plain, Series, Shapes};
    use WireFormat::{Influx, Ndjson, Statsd};
    [
        stage("lines/count", "line", Count),
        stage("decode/ndjson", "event", Decode(Ndjson, Plain)),
        stage("decode/ndjson-shapes", "event", Decode(Ndjson, Shapes)),
        stage("decode/ndjson-crooked", "event", Decode(Ndjson, Crooked)),
        stage("decode/influx", "event", Decode(Influx, Plain)),
        stage("decode/influx-crooked", "event", Decode(Influx, Crooked)),
        stage("decode/statsd", "event", Decode(Statsd, Plain)),
        stage("lane/ndjson", "event", Lane(Ndjson, Plain)),
        stage("lane/ndjson-two-lanes", "event", TwoLanes),
        stage("lane/ndjson-shapes", "event", Lane(Ndjson, Shapes)),
        stage("lane/ndjson-crooked", "event", Lane(Ndjson, Crooked)),
        stage("lane/influx", "event", Lane(Influx, Plain)),
        stage("lane/influx-crooked", "event", Lane(Influx, Crooked)),
        stage("lane/statsd", "event", Lane(Statsd, Plain)),
        stage("lane/series-1e3", "event", Lane(Ndjson, Series(1_000))),
        stage("lane/series-1e4", "event", Lane(Ndjson, Series(10_000))),
        stage("lane/series-1e5", "event", Lane(Ndjson, Series(100_000))),
        stage("lane/series-1e6", "event", Lane(Ndjson, Series(1_000_000))),
        stage("merge", "cell", Merge(Plain)),
        stage("merge/series-1e5", "cell", Merge(Series(100_000))),
        stage("seal", "row", Seal(Plain)),
        stage("seal/series-1e5", "row", Seal(Series(100_000))),
        stage("parquet", "row", Parquet(Plain)),
        stage("parquet/series-1e5", "row", Parquet(Series(100_000))),
    ]
};

impl Stage {
    /// The stage of this name.
    pub fn named(name: &str) -> Option<Stage> {
        STAGES.into_iter().find(|stage| stage.name == name)
    }

    /// Prepares the stage with the lines of `events` events.
    pub fn prepare(self, events: u64) -> Prepared {
        match self.make {
            Make::Count => text::count(&mix(Mix::Plain, events)),
            Make::Decode(format, of) => text::decode(format, &mix(of, events)),
            Make::Lane(format, of) => text::lane(format, &mix(of, events)),
            Make::TwoLanes => text::two_lanes(WireFormat::Ndjson, &mix(Mix::Plain, events)),
            Make::Merge(of) => close::merge(&mix(of, events)),
            Make::Seal(of) => close::seal(&mix(of, events)),
            Make::Parquet(of) => close::parquet(&mix(of, events)),
        }
    }

    /// CPU nanoseconds per unit of each pass but the first, which learns the keys.
    pub fn time(self, events: u64) -> Vec<f64> {
        let mut pass = self.prepare(events);
        pass();
        let timed = |_| {
            let before = thread_ns();
            let units = pass();
            (thread_ns() - before) as f64 / units.max(1) as f64
        };
        (1..PASSES).map(timed).collect()
    }
}

fn mix(mix: Mix, events: u64) -> ShopSpec {
    let plain = ShopSpec { minutes: 1, from: MINUTE, ..ShopSpec::reference(events, MINUTE) };
    match mix {
        Mix::Plain => plain,
        Mix::Shapes => ShopSpec { shapes: 8, ..plain },
        Mix::Crooked => ShopSpec { crooked: true, ..plain },
        Mix::Series(series) => ShopSpec { series: Some(series), ..plain },
    }
}

/// A table of every stage whose name contains `only`, written line by line as it comes.
pub fn table(only: &str, events: u64) {
    println!("{:<24} {:>10} {:>10} {:>10}  CPU ns per", "stage", "min", "median", "max");
    for stage in STAGES.into_iter().filter(|stage| stage.name.contains(only)) {
        let mut ns = stage.time(events);
        ns.sort_by(f64::total_cmp);
        let (min, median, max) = (ns[0], ns[ns.len() / 2], ns[ns.len() - 1]);
        println!("{:<24} {min:>10.1} {median:>10.1} {max:>10.1}  {}", stage.name, stage.unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_passes_and_says_its_units() {
        for stage in STAGES.into_iter().filter(|stage| !stage.name.contains("1e6")) {
            let mut pass = stage.prepare(2_000);
            let units: Vec<u64> = (0..PASSES).map(|_| pass()).collect();
            assert!(units.iter().all(|u| *u > 0 && *u <= 2_000), "{}: {units:?}", stage.name);
            assert!(stage.unit != "event" || units == [2_000; PASSES], "{}: {units:?}", stage.name);
        }
    }
}
