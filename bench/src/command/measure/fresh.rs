//! How soon a minute can be read from the Parquet: a steady trickle, and a look at the files until a minute
//! that was sealed meanwhile is there.

use std::path::Path;
use std::time::{Duration, Instant};

use ebbd_bench::{Pace, Sender, ShopLoad, ShopSpec, WireFormat};

use crate::command::{now, this_minute};
use crate::kept::{Figure, Outcome};
use crate::rig::{Daemon, Failure, Setup, Transport, counted_below};

/// `parquet.roll` in this measurement.
const ROLL_S: u32 = 10;
/// Events a second.
const RATE: u64 = 2_000;
const PATIENCE: Duration = Duration::from_secs(150);

pub(super) fn measure() -> Result<Outcome, Failure> {
    let setup = Setup { roll_s: ROLL_S, ..Setup::new(Transport::Unix, WireFormat::Ndjson) };
    let daemon = Daemon::start(&setup)?;
    let minute = this_minute();
    let seconds = (minute.end().since_us(now()) / 1_000_000).max(1) as u64;
    let spec =
        ShopSpec { from: minute, minutes: 1, late: 0.0, ..ShopSpec::reference(RATE * seconds, minute) };
    let mut load = ShopLoad::new(spec);
    let text = load.text(WireFormat::Ndjson);
    let mut sender = Sender::open(&daemon.target, Pace { lines_per_s: RATE, ..Pace::default() })?;
    sender.send(&text)?;
    let sealed = await_true(|| Ok(complete_to(&daemon)? >= minute.end().to_rfc3339()))?;
    let after_seal = await_true(|| has_all(&daemon.data_dir(), load.truth().events))?;
    sender.finish()?;
    daemon.stop()?;
    let figures = vec![
        Figure::new("from the seal to the Parquet, beyond roll", "s", vec![after_seal - f64::from(ROLL_S)])
            .goal("S14"),
        Figure::new("from the minute's end to its seal", "s", vec![sealed]),
    ];
    let remarks = vec![format!(
        "roll = {ROLL_S} s, {RATE} events a second; the rows are read by the project's reader."
    )];
    Ok(Outcome::new("fresh", figures, remarks))
}

/// Seconds until it is so.
fn await_true(is_so: impl Fn() -> Result<bool, Failure>) -> Result<f64, Failure> {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() > PATIENCE {
            return Err("it does not come to that".into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(start.elapsed().as_secs_f64())
}

fn complete_to(daemon: &Daemon) -> Result<String, Failure> {
    let status = daemon.status()?;
    Ok(status["streams"][0]["complete_to"].as_str().unwrap_or("").to_owned())
}

/// Whether the files have all that was sent; not there yet is no error.
fn has_all(data_dir: &Path, events: u64) -> Result<bool, Failure> {
    let counted = counted_below(data_dir, WireFormat::Ndjson).unwrap_or_default();
    Ok(counted.events as u64 == events)
}
