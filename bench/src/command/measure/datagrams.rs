//! Datagrams: one line each against a null sink, packed ones against other counters of StatsD lines.

use ebbd_bench::{Pace, ShopLoad, ShopSpec, SinkKind, WireFormat};

use super::{either, peers};
use crate::command::path::{Plan, Rounds, figures, run};
use crate::command::this_minute;
use crate::kept::{Figure, Outcome};
use crate::rig::{Failure, Setup, Transport, sink_round};

/// Lines a second: what the kernel takes without a drop on two busy cores.
const SINGLE_RATE: u64 = 100_000;
const PACKED_RATE: u64 = 680_000;

pub(super) fn measure(quick: bool) -> Result<Outcome, Failure> {
    let single = rounds(0, SINGLE_RATE, SinkKind::Null, quick)?;
    let mut all = figures("udp/statsd, a line each", &single);
    all.push(Figure::ratio("udp/statsd, a line each ÷ null sink", &single.daemon, &single.sink).goal("S6"));
    let gulps = gulps(single.daemon.len(), quick)?;
    let name = "udp/statsd, a line each ÷ null sink that lets datagrams gather";
    all.push(Figure::ratio(name, &single.daemon, &gulps));
    let packed = rounds(1_400, PACKED_RATE, SinkKind::Lines, quick)?;
    all.extend(figures("udp/statsd packed", &packed));
    let mut remarks = Vec::new();
    let events = events(PACKED_RATE, quick);
    for (peer, goal) in [(peers::Counter::Brubeck, "S5"), (peers::Counter::Statsite, "S5b")] {
        let name = peer.name();
        match peers::counter(peer, events, PACKED_RATE, packed.daemon.len())? {
            Some(ns) => {
                all.push(Figure::new(&format!("udp/statsd packed: {name}"), "CPU ns/event", ns.clone()));
                let ratio = Figure::ratio(&format!("udp/statsd packed ÷ {name}"), &packed.daemon, &ns);
                all.push(ratio.goal(goal));
            }
            None => remarks.push(format!("{name} is not there: bench/peers/setup.sh says how to build it.")),
        }
    }
    remarks.push(format!("Paced: {SINGLE_RATE} single and {PACKED_RATE} packed lines a second."));
    Ok(Outcome::new("datagrams", all, remarks))
}

/// CPU ns per datagram of a sink that reads half a millisecond's datagrams at once.
fn gulps(rounds: usize, quick: bool) -> Result<Vec<f64>, Failure> {
    let text = ShopLoad::new(ShopSpec::reference(events(SINGLE_RATE, quick), this_minute()))
        .text(WireFormat::Statsd);
    let pace = Pace { lines_per_s: SINGLE_RATE, datagram_bytes: 0, ..Pace::default() };
    let round = |_| {
        let report = sink_round(Transport::Udp, SinkKind::Gulps, pace, &text)?;
        Ok(report.spent.ns_each(report.datagrams))
    };
    (0..rounds).map(round).collect()
}

/// Some seconds' worth.
fn events(rate: u64, quick: bool) -> u64 {
    rate * either(quick, 5, 2)
}

fn rounds(datagram_bytes: usize, rate: u64, sink: SinkKind, quick: bool) -> Result<Rounds, Failure> {
    run(&Plan {
        setup: Setup::new(Transport::Udp, WireFormat::Statsd),
        load: ShopSpec::reference(events(rate, quick), this_minute()),
        pace: Pace { lines_per_s: rate, datagram_bytes, ..Pace::default() },
        sink: Some(sink),
        rounds: either(quick, 5, 3),
    })
}
