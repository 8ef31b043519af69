//! A subscriber of the alarm socket, as `watch` is one.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, unbounded};
use ebbd_core::alarm::AlarmRecord;

/// Records as the alarm socket sends them.
pub(super) struct Listener {
    records: Receiver<AlarmRecord>,
}

impl Listener {
    /// Subscribes.
    pub(super) fn connect(socket: &Path) -> std::io::Result<Listener> {
        let stream = UnixStream::connect(socket)?;
        let (sender, records) = unbounded();
        std::thread::Builder::new().name("demo-watch".to_owned()).spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let record: Option<AlarmRecord> = serde_json::from_str(&line).ok();
                // Greetings and heartbeats are no records; nobody listens at the end.
                if record.is_some_and(|record| sender.send(record).is_err()) {
                    break;
                }
            }
        })?;
        Ok(Listener { records })
    }

    /// Shows each record that comes within `patience` until one satisfies `wanted`; that one, if it came.
    pub(super) fn until(
        &self,
        patience: Duration,
        mut show: impl FnMut(&AlarmRecord),
        wanted: impl Fn(&AlarmRecord) -> bool,
    ) -> Option<AlarmRecord> {
        let deadline = Instant::now() + patience;
        loop {
            match self.records.recv_deadline(deadline) {
                Ok(record) => {
                    show(&record);
                    if wanted(&record) {
                        return Some(record);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}
