//! What an outlet does about a server that does not take what it sends: longer and longer pauses, a counter, a
//! line in the log at the first failure and when it is over.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::post::Failure;
use crate::telemetry::OutletCounters;

/// First pause before something is tried again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often it has failed in a row.
#[derive(Debug)]
pub(super) struct Backoff {
    outlet: String,
    first: Duration,
    failures: u32,
    is_refused: bool,
}

impl Backoff {
    /// That of the outlet of this name, which has not failed.
    pub(super) fn new(outlet: &str) -> Backoff {
        Backoff::paced(outlet, FIRST_PAUSE)
    }

    /// The same with another first pause.
    pub(super) fn paced(outlet: &str, first: Duration) -> Backoff {
        Backoff { outlet: outlet.to_owned(), first, failures: 0, is_refused: false }
    }

    /// It failed; how long to wait.
    pub(super) fn failed(&mut self, counters: &OutletCounters, failure: &Failure) -> Duration {
        counters.failures.inc();
        if self.failures == 0 {
            tracing::warn!("[outlet.{}]: {}; trying again until it is taken", self.outlet, failure.why());
        }
        self.failures += 1;
        (self.first * 2u32.pow((self.failures - 1).min(10))).min(LONGEST_PAUSE)
    }

    /// Something was turned down for good.
    pub(super) fn refused(&mut self, counters: &OutletCounters, failure: &Failure) {
        counters.refused.inc();
        if !std::mem::replace(&mut self.is_refused, true) {
            tracing::error!("[outlet.{}]: refused: {}", self.outlet, failure.why());
        }
    }

    /// Something was taken.
    pub(super) fn worked(&mut self, counters: &OutletCounters) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        counters.last_success.set(now.as_secs_f64());
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!("[outlet.{}]: it is taken again", self.outlet);
        }
    }
}
