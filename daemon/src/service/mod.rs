//! The service manager: what systemd is told. Without one, nothing happens.
//!
//! In: readiness, status, an epoch that passed the whole pipeline. Out: notify messages.
//! Must not know: why the daemon is in that state.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The watchdog is fed at most this often.
const FEED_EVERY: Duration = Duration::from_millis(900);

/// The line to the service manager.
#[derive(Debug, Default)]
pub struct ServiceManager {
    fed: Mutex<Option<Instant>>,
    watched: bool,
}

impl ServiceManager {
    /// As the environment says.
    pub fn from_environment() -> ServiceManager {
        ServiceManager { fed: Mutex::new(None), watched: sd_notify::watchdog_enabled().is_some() }
    }

    /// Recovery is over, events are being counted.
    pub fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// A new configuration is being taken up; [`ServiceManager::ready`] ends it.
    pub fn reloading(&self) {
        let now = NotifyState::monotonic_usec_now();
        match now {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// An orderly stop has begun.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// One line for `systemctl status`.
    pub fn status(&self, status: &str) {
        tell(&[NotifyState::Status(status)]);
    }

    /// Start-up needs longer: asks for `more` from now.
    pub fn extend_start(&self, more: Duration) {
        let micros = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
    }

    /// An epoch marker has passed every lane, the committer and the judge: feeds the watchdog. Called by
    /// the judge's thread for each marker, never by a free timer.
    pub fn epoch_passed(&self) {
        if !self.watched {
            return;
        }
        let mut fed = self.fed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if fed.is_none_or(|at| at.elapsed() >= FEED_EVERY) {
            *fed = Some(Instant::now());
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// Without a manager there is no socket to tell, and a manager that cannot hear changes nothing here.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("the service manager cannot be told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_manager_nothing_happens() {
        let manager = ServiceManager::from_environment();
        manager.reloading();
        manager.ready("counting");
        manager.status("orders: 0 counted");
        manager.extend_start(Duration::from_secs(5));
        manager.epoch_passed();
        manager.stopping();
    }
}
