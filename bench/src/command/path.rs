//! `ebbd-bench path`: a fresh daemon is sent the reference workload and a sink beside it, in turn.

use std::collections::BTreeMap;

use clap::Args;
use ebbd_bench::{Pace, Sender, ShopLoad, ShopSpec, SinkKind, Truth, WireFormat};

use super::this_minute;
use crate::kept::{Figure, Outcome};
use crate::rig::{Daemon, Failure, Setup, Transport, counted_below, sink_round};

/// What `path` takes.
#[derive(Args)]
#[command(after_help = "Example: ebbd-bench path --transport unix --format ndjson --events 5000000")]
pub struct PathArgs {
    /// How lines come
    #[arg(long, value_enum, default_value = "unix")]
    transport: Transport,
    /// The lines' format
    #[arg(long, value_enum, default_value = "ndjson")]
    format: WireFormat,
    /// Events of a round
    #[arg(long, default_value_t = 3_000_000)]
    events: u64,
    /// Rounds, daemon and sink in turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The daemon's lanes
    #[arg(long, default_value_t = 1)]
    lanes: usize,
    /// Lines a second; 0: as fast as they go
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Most bytes of a datagram; 0: one line each
    #[arg(long, default_value_t = 1_400)]
    datagram_bytes: usize,
    /// Connections of a stream
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// About so many equally frequent series
    #[arg(long)]
    series: Option<u32>,
    /// So many orders of keys
    #[arg(long, default_value_t = 1)]
    shapes: usize,
    /// Keys in a new order in each line, unknown fields, escapes
    #[arg(long)]
    crooked: bool,
    /// UDP: the kernel cuts large writes into datagrams, and the daemon takes them together
    #[arg(long)]
    segmented: bool,
    /// What the sink does
    #[arg(long, value_enum, default_value = "lines")]
    sink: SinkKind,
}

/// What is to be run.
pub struct Plan {
    /// The daemon.
    pub setup: Setup,
    /// What it is sent.
    pub load: ShopSpec,
    /// How.
    pub pace: Pace,
    /// What it is compared with.
    pub sink: Option<SinkKind>,
    /// How often.
    pub rounds: usize,
}

/// What came of it: each list has an entry per round.
#[derive(Debug, Default)]
pub struct Rounds {
    /// CPU ns of the daemon per received event.
    pub daemon: Vec<f64>,
    /// CPU ns of the sink per received event.
    pub sink: Vec<f64>,
    /// Share of lines that came.
    pub received: Vec<f64>,
    /// CPU ns per event of each of the daemon's threads.
    pub threads: BTreeMap<String, Vec<f64>>,
    /// Peak of the daemon's memory, in MiB.
    pub peak_mib: Vec<f64>,
    /// 99.9th percentile of each latency, in ms.
    pub p999_ms: BTreeMap<String, Vec<f64>>,
    /// Parquet rows, revisions apart.
    pub rows: Vec<f64>,
}

/// Runs one plan and prints it.
///
/// # Errors
/// A process fails, or the daemon miscounts.
pub fn path(args: &PathArgs) -> Result<(), Failure> {
    let load = ShopSpec {
        series: args.series,
        shapes: args.shapes,
        crooked: args.crooked,
        ..ShopSpec::reference(args.events, this_minute())
    };
    let mut setup = Setup { lanes: args.lanes, ..Setup::new(args.transport, args.format) };
    if args.series.is_some_and(|series| series > 150_000) {
        (setup.series, setup.memory_mib, setup.watch) = (2_000_000, 8192, "[[]]");
    }
    if args.segmented {
        setup.source_more = "gro = true";
    }
    let pace = Pace {
        lines_per_s: args.rate,
        datagram_bytes: args.datagram_bytes,
        segmented: args.segmented,
        connections: args.connections,
    };
    let plan = Plan { setup, load, pace, sink: Some(args.sink), rounds: args.rounds };
    let rounds = run(&plan)?;
    Outcome::new("path", figures("", &rounds), Vec::new()).print();
    Ok(())
}

/// The rounds of a plan.
///
/// # Errors
/// A process fails, or the daemon miscounts what it received.
pub fn run(plan: &Plan) -> Result<Rounds, Failure> {
    let mut load = ShopLoad::new(plan.load.clone());
    let text = load.text(plan.setup.format);
    let mut rounds = Rounds::default();
    for _ in 0..plan.rounds {
        if let Some(kind) = plan.sink {
            let pace = Pace { connections: 1, ..plan.pace };
            let report = sink_round(plan.setup.transport, kind, pace, &text)?;
            let one_each = report.datagrams > 0 && plan.pace.datagram_bytes == 0;
            let lines = if one_each { report.datagrams } else { report.lines.max(report.datagrams) };
            let lines = if lines == 0 { plan.load.events } else { lines };
            rounds.sink.push(report.spent.ns_each(lines));
        }
        daemon_round(plan, &text, load.truth(), &mut rounds)?;
    }
    Ok(rounds)
}

fn daemon_round(plan: &Plan, text: &[u8], truth: &Truth, rounds: &mut Rounds) -> Result<(), Failure> {
    let daemon = Daemon::start(&plan.setup)?;
    let mut sender = Sender::open(&daemon.target, plan.pace)?;
    sender.send(text)?;
    sender.finish()?;
    let received = daemon.await_lines(truth.lines)?;
    let ended = daemon.stop()?;
    let ledger = &ended.status["ledger"];
    if received != truth.lines && !plan.setup.transport.is_lossy() {
        return Err(format!("{received} of {} lines have come: {ledger}", truth.lines).into());
    }
    let counted = counted_below(&ended.dir.path().join("data"), plan.setup.format)?;
    if received == truth.lines {
        counted.must_be(truth, plan.setup.format)?;
    }
    rounds.daemon.push(ended.spent.ns_each(received));
    rounds.received.push(received as f64 / truth.lines as f64);
    rounds.peak_mib.push(ended.peak_kib as f64 / 1024.0);
    rounds.rows.push(counted.revisions as f64);
    let threads_us: f64 = ended.threads.values().sum();
    let rest_us = ended.spent.total().as_micros() as f64 - threads_us;
    for (name, us) in ended.threads.into_iter().chain([("(the stop, with Parquet)".to_owned(), rest_us)]) {
        rounds.threads.entry(name).or_default().push(us * 1e3 / received.max(1) as f64);
    }
    for latency in ended.status["latencies"].as_array().into_iter().flatten() {
        let (name, p999) = (latency["name"].as_str(), latency["p999_ms"].as_f64());
        rounds.p999_ms.entry(name.unwrap_or("").to_owned()).or_default().push(p999.unwrap_or(f64::NAN));
    }
    Ok(())
}

/// The figures of rounds, their names beginning with `what`.
pub fn figures(what: &str, rounds: &Rounds) -> Vec<Figure> {
    let named = |name: &str| format!("{what}{}{name}", if what.is_empty() { "" } else { ": " });
    let each = "CPU ns/event";
    let mut figures = vec![Figure::new(&named("daemon"), each, rounds.daemon.clone())];
    if !rounds.sink.is_empty() {
        figures.push(Figure::new(&named("sink"), each, rounds.sink.clone()));
        figures.push(Figure::ratio(&named("daemon ÷ sink"), &rounds.daemon, &rounds.sink));
    }
    for (name, ns) in &rounds.threads {
        figures.push(Figure::new(&named(&format!("thread {name}")), each, ns.clone()));
    }
    for (name, ms) in &rounds.p999_ms {
        figures.push(Figure::new(&named(&format!("p99.9 of {name}")), "ms", ms.clone()));
    }
    figures.push(Figure::new(&named("peak memory"), "MiB", rounds.peak_mib.clone()));
    figures.push(Figure::new(&named("rows written"), "rows", rounds.rows.clone()));
    figures.push(Figure::new(&named("received"), "of 1", rounds.received.clone()));
    figures
}
