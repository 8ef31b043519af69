//! The service manager: what systemd is told. Without one, nothing happens.
//!
//! In: readiness, status, an epoch that passed the whole pipeline, descriptors to be kept. Out: notify messages.
//! Must not know: why the daemon is in that state.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The watchdog is fed at most this often.
const FEED_EVERY: Duration = Duration::from_millis(900);

/// Descriptors that a manager keeps which does not say how many it would.
const KEPT_USUALLY: usize = 1024;

/// The line to the service manager.
#[derive(Debug, Default)]
pub struct ServiceManager {
    fed: Mutex<Option<Instant>>,
    watched: bool,
    /// Descriptors that it would keep.
    room: usize,
}

impl ServiceManager {
    /// As the environment says.
    pub fn from_environment() -> ServiceManager {
        let room = |room: std::ffi::OsString| room.to_str().and_then(|room| room.parse().ok());
        let room = std::env::var_os("FDSTORE").map_or(Some(KEPT_USUALLY), room).unwrap_or(0);
        let is_there = std::env::var_os("NOTIFY_SOCKET").is_some();
        ServiceManager {
            fed: Mutex::new(None),
            watched: sd_notify::watchdog_enabled().is_some(),
            room: if is_there { room } else { 0 },
        }
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

    /// How many descriptors it would keep for the next start; none if there is no manager.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Hands it a descriptor to be kept for the next start. It must not look whether the other end is there: what
    /// was sent before that end closed has not been read.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let told = [NotifyState::FdStore, NotifyState::FdName(name), NotifyState::Custom("FDPOLL=0")];
        sd_notify::notify_with_fds(&told, &[descriptor])
    }

    /// What it kept under this name is of no more use to a later start.
    pub fn let_go(&self, name: &str) {
        tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
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
        assert_eq!(manager.room(), 0);
        manager.stopping();
    }
}
