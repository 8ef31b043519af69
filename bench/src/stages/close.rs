//! The stages that see cells and rows: merging deltas, closing minutes, writing Parquet.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use ebbd_core::aggregate::{Aggregator, Delta};
use ebbd_core::columns::{Footer, write_minutes};
use ebbd_core::model::SealedMinute;

use super::text::{Bench, stream};
use super::{PASSES, Prepared};
use crate::load::WireFormat;
use crate::shop::ShopSpec;

/// One delta per pass, each of the same lines; the first one brings the keys.
fn deltas(bench: &Bench, count: usize) -> VecDeque<Delta> {
    let mut lane = bench.lane();
    let delta = |epoch| {
        bench.blocks.iter().for_each(|block| {
            lane.consume(block);
        });
        lane.cut(epoch)
    };
    (1..=count as u64).map(delta).collect()
}

fn aggregator(bench: &Bench) -> Aggregator {
    let (streams, sources) = (Arc::clone(&bench.streams), Arc::clone(&bench.sources));
    Aggregator::new(streams, sources, bench.limits, Bench::seed()).batch()
}

/// Rows of what an aggregator has merged.
fn rows(minutes: &[SealedMinute]) -> u64 {
    minutes.iter().map(|minute| minute.rows.len() as u64).sum()
}

/// A lane's delta into the open minutes, per cell.
pub(super) fn merge(spec: &ShopSpec) -> Prepared {
    let bench = Bench::new(WireFormat::Ndjson, spec);
    let mut aggregator = aggregator(&bench);
    let mut deltas = deltas(&bench, PASSES + 1);
    aggregator.merge(deltas.pop_front().expect("there is one more than passes"));
    let cells = aggregator.counters().open_cells;
    Box::new(move || {
        let delta = deltas.pop_front().expect("at most so many passes are made");
        aggregator.merge(delta);
        cells
    })
}

/// Open minutes to sealed rows.
pub(super) fn seal(spec: &ShopSpec) -> Prepared {
    let bench = Bench::new(WireFormat::Ndjson, spec);
    let merged = |delta| {
        let mut aggregator = aggregator(&bench);
        aggregator.merge(delta);
        aggregator
    };
    let fresh = (0..PASSES).flat_map(|_| deltas(&bench, 1));
    let mut waiting: Vec<Aggregator> = fresh.map(merged).collect();
    Box::new(move || {
        let mut aggregator = waiting.pop().expect("at most so many passes are made");
        rows(&aggregator.take_open_rows())
    })
}

/// Sealed rows to Parquet bytes that nobody keeps.
pub(super) fn parquet(spec: &ShopSpec) -> Prepared {
    let bench = Bench::new(WireFormat::Ndjson, spec);
    let mut aggregator = aggregator(&bench);
    deltas(&bench, 1).into_iter().for_each(|delta| aggregator.merge(delta));
    let minutes: Vec<Arc<SealedMinute>> = aggregator.take_open_rows().into_iter().map(Arc::new).collect();
    let (stream, footer) = (stream(), Footer::default());
    Box::new(move || {
        let written = write_minutes(&stream, &minutes, &footer, io::sink());
        written.expect("rows fit their stream, and a sink takes everything").rows
    })
}
