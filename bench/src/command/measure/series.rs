//! Cardinality: what an event costs when there are a thousand to a million series.

use ebbd_bench::stages::Stage;
use ebbd_bench::{ShopSpec, WireFormat};

use super::files::written;
use super::{either, peers};
use crate::command::this_minute;
use crate::kept::{Figure, Outcome};
use crate::rig::{Failure, Ingest, counted_below};

/// Series, the name of the lane's stage, and the goal of the ratio to the first.
const STEPS: [(u32, &str, &str); 4] =
    [(1_000, "1e3", ""), (10_000, "1e4", "S8a"), (100_000, "1e5", "S8b"), (1_000_000, "1e6", "S8c")];

pub(super) fn measure(quick: bool) -> Result<Outcome, Failure> {
    let (events, rounds) = either(quick, (3_000_000, 3), (1_000_000, 2));
    let (mut all, mut ingested, mut laned) = (Vec::new(), Vec::<Vec<f64>>::new(), Vec::<Vec<f64>>::new());
    for (series, name, goal) in STEPS {
        let dir = tempfile::tempdir()?;
        let reference = ShopSpec::reference(events, this_minute());
        let spec = ShopSpec { series: Some(series), minutes: 1, late: 0.0, ..reference };
        let (file, truth) = written(dir.path(), WireFormat::Ndjson, spec)?;
        let mut ns = Vec::new();
        for _ in 0..rounds {
            peers::warm(&file)?;
            let (ingest, dir) = Ingest::run(&file, WireFormat::Ndjson, 2_000_000)?;
            counted_below(&dir.path().join("data"), WireFormat::Ndjson)?
                .must_be(&truth, WireFormat::Ndjson)?;
            ns.push(ingest.spent.ns_each(truth.lines));
        }
        all.push(Figure::new(&format!("{name} series: ebbd ingest"), "CPU ns/event", ns.clone()));
        let stage = Stage::named(&format!("lane/series-{name}")).ok_or("no such stage")?;
        let lane = stage.time(events);
        all.push(Figure::new(&format!("{name} series: a lane"), "CPU ns/event", lane.clone()));
        if let (Some(first), Some(first_lane)) = (ingested.first(), laned.first()) {
            all.push(Figure::ratio(&format!("ebbd ingest: {name} ÷ 1e3 series"), &ns, first).goal(goal));
            all.push(Figure::ratio(&format!("a lane: {name} ÷ 1e3 series"), &lane, first_lane));
        }
        ingested.push(ns);
        laned.push(lane);
    }
    let remarks = vec![format!(
        "{events} events of one minute, all series equally frequent; at 1e6 there is a Parquet row for every \
         third event, which the first of both includes."
    )];
    Ok(Outcome::new("series", all, remarks))
}
