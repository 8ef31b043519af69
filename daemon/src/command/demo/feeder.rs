//! The shop's senders: every simulated event becomes a line on the daemon's UNIX socket when its time has come.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ebbd_core::model::{Minute, TimeUs};
use ebbd_core::simulate::{Incident, Shop, SimulatedEvent};

use crate::sys::Clock;

/// Lines are sent in batches this far apart.
const SEND_EVERY: Duration = Duration::from_millis(40);

/// The running shop.
pub(super) struct Feeder {
    shop: Arc<Mutex<Shop>>,
    lines: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Feeder {
    /// Begins to send to `socket` from the minute `from` on.
    pub(super) fn start(
        shop: Shop,
        socket: &Path,
        clock: Arc<dyn Clock>,
        from: Minute,
    ) -> std::io::Result<Feeder> {
        let stream = UnixStream::connect(socket)?;
        let shop = Arc::new(Mutex::new(shop));
        let (lines, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let sender =
            Sender { shop: Arc::clone(&shop), lines: Arc::clone(&lines), stop: Arc::clone(&stop), clock };
        let thread = std::thread::Builder::new()
            .name("demo-shop".to_owned())
            .spawn(move || sender.run(stream, from))?;
        Ok(Feeder { shop, lines, stop, thread })
    }

    /// From the next minute on, this goes wrong.
    pub(super) fn break_slice(&self, incident: Incident) {
        lock(&self.shop).break_slice(incident);
    }

    /// From `minute` on, nothing is wrong any more.
    pub(super) fn repair(&self, minute: Minute) {
        lock(&self.shop).repair(minute);
    }

    /// Sends a line as it is, in band.
    pub(super) fn say(&self, line: String) {
        lock(&self.lines).push(line);
    }

    /// Ends the senders.
    pub(super) fn stop(self) -> std::io::Result<()> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap_or(Ok(()))
    }
}

struct Sender {
    shop: Arc<Mutex<Shop>>,
    lines: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
}

impl Sender {
    fn run(self, mut stream: UnixStream, from: Minute) -> std::io::Result<()> {
        let mut minute = from;
        let mut events = self.events(minute).into_iter().peekable();
        let mut text = String::new();
        while !self.stop.load(Ordering::Acquire) {
            text.clear();
            for line in lock(&self.lines).drain(..) {
                text.push_str(&line);
                text.push('\n');
            }
            let now = self.clock.now();
            loop {
                while let Some(event) = events.next_if(|event| event.time <= now) {
                    event.write_ndjson(&mut text);
                }
                if events.peek().is_some() || minute.end() > now {
                    break;
                }
                minute = minute.next();
                events = self.events(minute).into_iter().peekable();
            }
            stream.write_all(text.as_bytes())?;
            std::thread::sleep(SEND_EVERY);
        }
        Ok(())
    }

    fn events(&self, minute: Minute) -> Vec<SimulatedEvent> {
        lock(&self.shop).events(minute)
    }
}

/// A mark as a deploy script would send it in band.
pub(super) fn mark_line(kind: &str, what: &str, at: TimeUs, feature: &str) -> String {
    format!(
        r#"{{"ebbd":"mark","kind":"{kind}","what":"{what}","at":"{at}","scope":{{"feature":"{feature}"}}}}"#
    )
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
