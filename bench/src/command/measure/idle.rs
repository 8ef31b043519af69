//! What the daemon costs while nothing comes, and while little comes.

use std::time::{Duration, Instant};

use ebbd_bench::{Pace, Sender, ShopLoad, ShopSpec, WireFormat};

use super::either;
use crate::command::this_minute;
use crate::kept::{Figure, Outcome};
use crate::rig::{Daemon, Failure, Setup, Transport};

/// Events a second when little comes.
const LITTLE: u64 = 1_000;

pub(super) fn measure(quick: bool) -> Result<Outcome, Failure> {
    let seconds = either(quick, 20, 4);
    let daemon = Daemon::start(&Setup { lanes: 2, ..Setup::new(Transport::Unix, WireFormat::Ndjson) })?;
    std::thread::sleep(Duration::from_secs(1));
    let nothing = share(&daemon, || {
        std::thread::sleep(Duration::from_secs(seconds));
        Ok(())
    })?;
    let events = LITTLE * seconds;
    let text = ShopLoad::new(ShopSpec { minutes: 1, ..ShopSpec::reference(events, this_minute()) })
        .text(WireFormat::Ndjson);
    let pace = Pace { lines_per_s: LITTLE, ..Pace::default() };
    let mut sender = Sender::open(&daemon.target, pace)?;
    let little = share(&daemon, || Ok(sender.send(&text)?))?;
    sender.finish()?;
    daemon.await_lines(events)?;
    daemon.stop()?;
    let figures = vec![
        Figure::new("nothing comes", "% of a core", vec![nothing * 100.0]),
        Figure::new("1,000 events a second", "% of a core", vec![little * 100.0]),
    ];
    let remarks = vec![format!("Over {seconds} s each, two lanes, all threads together, seals included.")];
    Ok(Outcome::new("idle", figures, remarks))
}

/// CPU of the daemon while `what` happens, as a share of the time it took.
fn share(daemon: &Daemon, what: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let (before, start) = (total_us(daemon)?, Instant::now());
    what()?;
    Ok((total_us(daemon)? - before) / start.elapsed().as_micros() as f64)
}

fn total_us(daemon: &Daemon) -> Result<f64, Failure> {
    Ok(daemon.threads()?.values().sum())
}
