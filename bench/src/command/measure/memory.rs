//! Memory: per active series, and under values that never come again.

use ebbd_bench::{Pace, Sender, ShopLoad, ShopSpec, WireFormat};

use super::either;
use crate::command::this_minute;
use crate::kept::{Figure, Outcome};
use crate::rig::{Daemon, Failure, Setup, Transport};

/// Lines that are made before they are sent.
const CHUNK: u64 = 200_000;

pub(super) fn measure(quick: bool) -> Result<Outcome, Failure> {
    let many = either(quick, 1_000_000, 100_000);
    let events = u64::from(many) * 3;
    let reference = ShopSpec::reference(events, this_minute());
    let spec = |series| ShopSpec { series: Some(series), minutes: 1, late: 0.0, ..reference.clone() };
    let (_, few_kib) = peak_kib(spec(1_000), 8192)?;
    let (series, many_kib) = peak_kib(spec(many), 8192)?;
    let each = (many_kib.saturating_sub(few_kib) * 1024) as f64 / series as f64;
    let unique = either(quick, 50_000_000, 3_000_000);
    let (_, unique_kib) =
        peak_kib(ShopSpec { customers: 0, ..ShopSpec::reference(unique, this_minute()) }, 1024)?;
    let mib = |kib: u64| vec![kib as f64 / 1024.0];
    let figures = vec![
        Figure::new("per active series", "bytes", vec![each]).goal("S9"),
        Figure::new(&format!("{series} series: peak of the daemon"), "MiB", mib(many_kib)),
        Figure::new("1080 series: peak of the daemon", "MiB", mib(few_kib)),
        Figure::new(
            &format!("{unique} unique customers: peak, limits.memory = 1024"),
            "MiB",
            mib(unique_kib),
        ),
    ];
    let remarks = vec![format!(
        "Peaks of resident memory; per series: the difference of the two peaks by the series, {events} events \
         of one minute each, nothing but the whole stream judged."
    )];
    Ok(Outcome::new("memory", figures, remarks))
}

/// Series known and peak resident memory of a daemon that took all of `spec`.
fn peak_kib(spec: ShopSpec, memory_mib: u64) -> Result<(u64, u64), Failure> {
    let series = if memory_mib > 1024 { 2_000_000 } else { 200_000 };
    let reference = Setup::new(Transport::Unix, WireFormat::Ndjson);
    let daemon = Daemon::start(&Setup { series, memory_mib, watch: "[[]]", ..reference })?;
    let mut sender = Sender::open(&daemon.target, Pace::default())?;
    let (mut load, mut text) = (ShopLoad::new(spec), Vec::new());
    while load.fill(WireFormat::Ndjson, CHUNK, &mut text) > 0 {
        sender.send(&text)?;
        text.clear();
    }
    sender.finish()?;
    let received = daemon.await_lines(load.truth().lines)?;
    let ended = daemon.stop()?;
    if received != load.truth().lines {
        return Err(format!("{received} of {} lines have come", load.truth().lines).into());
    }
    Ok((ended.status["streams"][0]["series"].as_u64().unwrap_or(0), ended.peak_kib))
}
