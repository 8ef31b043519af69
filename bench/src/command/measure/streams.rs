//! Streams: the daemon's CPU per event against that of a sink that counts lines on the same socket.

use ebbd_bench::{Pace, ShopSpec, SinkKind, WireFormat};

use super::either;
use crate::command::path::{Plan, Rounds, figures, run};
use crate::command::this_minute;
use crate::kept::{Figure, Outcome};
use crate::rig::{Failure, Setup, Transport};

/// CPU ns per event of Vector 0.58 (decode, log_to_metric, aggregate) on the same kind of machine; measured
/// once, it takes long to build.
const VECTOR_NS: f64 = 10_700.0;

pub(super) fn measure(quick: bool) -> Result<Outcome, Failure> {
    let rounds = rounds(Transport::Unix, WireFormat::Ndjson, 1, quick)?;
    let mut all = figures("unix/ndjson", &rounds);
    all.push(Figure::ratio("unix/ndjson ÷ line sink", &rounds.daemon, &rounds.sink).goal("S1"));
    let vector = vec![VECTOR_NS; rounds.daemon.len()];
    all.push(Figure::ratio("unix/ndjson ÷ Vector", &rounds.daemon, &vector).goal("S4b"));
    let others: &[(Transport, WireFormat, usize)] = &[
        (Transport::Unix, WireFormat::Ndjson, 8),
        (Transport::Unix, WireFormat::Influx, 1),
        (Transport::Unix, WireFormat::Statsd, 1),
        (Transport::Tcp, WireFormat::Ndjson, 1),
    ];
    for &(transport, format, shapes) in either(quick, others, &[]) {
        let rounds = self::rounds(transport, format, shapes, quick)?;
        let shapes = if shapes == 1 { String::new() } else { format!(", {shapes} shapes") };
        all.extend(figures(&format!("{}/{}{shapes}", transport.name(), format.name()), &rounds));
    }
    let remarks =
        vec!["Each round is a daemon's whole life: start, events, stop with Parquet written.".to_owned()];
    Ok(Outcome::new("streams", all, remarks))
}

fn rounds(transport: Transport, format: WireFormat, shapes: usize, quick: bool) -> Result<Rounds, Failure> {
    let load = ShopSpec { shapes, ..ShopSpec::reference(either(quick, 4_000_000, 2_000_000), this_minute()) };
    run(&Plan {
        setup: Setup::new(transport, format),
        load,
        pace: Pace::default(),
        sink: Some(SinkKind::Lines),
        rounds: either(quick, 5, 3),
    })
}
