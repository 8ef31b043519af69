//! `ebbd-bench load`: seeded order events to wherever they are wanted.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use ebbd_bench::{Load, LoadSpec, Pace, Sender, ShopLoad, ShopSpec, Target, TimeText, WireFormat};
use ebbd_core::model::Minute;

use super::this_minute;
use crate::rig::Failure;

/// Lines that are made before they are sent.
const CHUNK: u64 = 4096;

/// Which shop sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// The demo's: 48 series, with currencies and hosts
    Demo,
    /// The benches': 8,640 series, millions of events a second
    Shop,
}

/// What `load` takes.
#[derive(Args)]
#[command(after_help = "Examples:\n  ebbd-bench load --events 200000 --to unix:ebbd-data/events.sock\n  \
                  ebbd-bench load --preset shop --events 20000000 --format influx --to file:orders.lp\n  \
                  ebbd-bench load --preset shop --crooked --rate 5000 --seconds 60 --to tcp:127.0.0.1:7000")]
pub struct LoadArgs {
    /// How many events
    #[arg(long, default_value_t = 200_000)]
    events: u64,
    /// The lines' format
    #[arg(long, value_enum, default_value = "ndjson")]
    format: WireFormat,
    /// unix:PATH, unixgram:PATH, tcp:ADDR, udp:ADDR, file:PATH or -
    #[arg(long, default_value = "-")]
    to: Target,
    /// The same seed gives the same lines
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Minutes of event time, ending now [default: 30 of the demo, 666,667 events each of the shop]
    #[arg(long)]
    minutes: Option<u32>,
    /// First minute of event time, in minutes since 1970; default: so that the last one ends now
    #[arg(long)]
    from: Option<i32>,
    /// Share of events that come late: minutes in the demo, up to 20 s in the shop
    #[arg(long, default_value_t = 0.01)]
    late: f64,
    /// Lines a second; 0: as fast as they go [default: 100000 for datagrams, else 0]
    #[arg(long)]
    rate: Option<u64>,
    /// Go on for so long, with the time as it is then, instead of --events (needs --rate; shop only)
    #[arg(long)]
    seconds: Option<u64>,
    /// Which shop sends
    #[arg(long, value_enum, default_value = "demo")]
    preset: Preset,
    /// Shop: about so many equally frequent series
    #[arg(long)]
    series: Option<u32>,
    /// Shop: so many orders of keys, with and without optional fields
    #[arg(long, default_value_t = 1)]
    shapes: usize,
    /// Shop: keys in a new order in each line, unknown fields, escapes
    #[arg(long, alias = "shuffle")]
    crooked: bool,
    /// Shop: so many customers; 0: each event has its own
    #[arg(long, default_value_t = 1_000_000)]
    customers: u64,
    /// Shop: share of events that stand for several (not in NDJSON)
    #[arg(long, default_value_t = 0.0)]
    weighted: f64,
    /// Shop: how NDJSON writes times
    #[arg(long, value_enum, default_value = "rfc3339")]
    time: TimeText,
    /// Most bytes of a datagram; 0: one line each
    #[arg(long, default_value_t = 1_400)]
    datagram_bytes: usize,
    /// UDP: the kernel cuts large writes into datagrams (for receivers with GRO)
    #[arg(long)]
    segmented: bool,
    /// Connections of a stream, served in turn
    #[arg(long, default_value_t = 1)]
    connections: usize,
}

/// Sends what was asked for.
///
/// # Errors
/// The target says no.
pub fn load(args: &LoadArgs) -> Result<(), Failure> {
    let datagrams = matches!(args.to, Target::Udp(_) | Target::UnixDatagram(_));
    let pace = Pace {
        lines_per_s: args.rate.unwrap_or(if datagrams { 100_000 } else { 0 }),
        datagram_bytes: args.datagram_bytes,
        segmented: args.segmented,
        connections: args.connections,
    };
    let trouble = |error| format!("cannot send to {}: {error}", args.to);
    let mut sender = Sender::open(&args.to, pace).map_err(trouble)?;
    match (args.preset, args.seconds) {
        (Preset::Demo, _) => sender.send(demo(args).text(args.format).as_bytes()).map_err(trouble)?,
        (Preset::Shop, None) => shop(args, &mut sender)?,
        (Preset::Shop, Some(seconds)) => live(args, pace.lines_per_s, seconds, &mut sender)?,
    }
    Ok(sender.finish().map_err(trouble)?)
}

fn demo(args: &LoadArgs) -> Load {
    let minutes = args.minutes.unwrap_or(30);
    let from = args.from.map_or_else(|| this_minute().plus(-(minutes as i32)), Minute);
    Load::new(&LoadSpec { seed: args.seed, events: args.events as usize, from, minutes, late: args.late })
}

fn shop_spec(args: &LoadArgs) -> ShopSpec {
    let mut spec = ShopSpec::reference(args.events, this_minute());
    if let Some(minutes) = args.minutes {
        (spec.minutes, spec.from) = (minutes, this_minute().plus(-(minutes as i32)));
    }
    ShopSpec {
        seed: args.seed,
        from: args.from.map_or(spec.from, Minute),
        series: args.series,
        customers: args.customers,
        shapes: args.shapes,
        crooked: args.crooked,
        late: args.late,
        weighted: args.weighted,
        time: args.time,
        ..spec
    }
}

fn shop(args: &LoadArgs, sender: &mut Sender) -> Result<(), Failure> {
    let (mut load, mut text) = (ShopLoad::new(shop_spec(args)), Vec::new());
    while load.fill(args.format, CHUNK, &mut text) > 0 {
        sender.send(&text)?;
        text.clear();
    }
    Ok(())
}

/// A second's events at a time, their times in that second.
fn live(args: &LoadArgs, rate: u64, seconds: u64, sender: &mut Sender) -> Result<(), Failure> {
    if rate == 0 {
        return Err("--seconds needs --rate".into());
    }
    let start = Instant::now();
    for second in 0..seconds {
        // A minute's worth is drawn with the same seed; the part of this second is sent.
        let from = this_minute();
        let spec = ShopSpec { from, minutes: 1, events: rate * 60, late: 0.0, ..shop_spec(args) };
        let spec = ShopSpec { seed: args.seed + second, ..spec };
        let (mut load, mut text) = (ShopLoad::new(spec), Vec::new());
        let of_minute = super::now().since_us(from.start()) as u64 / 1_000_000;
        load.fill(args.format, rate * of_minute.min(59), &mut text);
        text.clear();
        load.fill(args.format, rate, &mut text);
        sender.send(&text)?;
        std::thread::sleep(Duration::from_secs(second + 1).saturating_sub(start.elapsed()));
    }
    Ok(())
}
