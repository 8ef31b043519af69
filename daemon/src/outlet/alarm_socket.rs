//! The alarm socket: lines of JSON over a UNIX stream.
//!
//! A connection gets `hello`, then the latest record of each open alarm with `"snapshot":true`, then
//! every record with a number above the hello's `newest`, as it happens. The subscriber may send a line
//! `{"since":SEQ,"filter":{…}}`. Sent within 200 ms of connecting it rules the whole connection: the
//! snapshot is filtered, and after it come the records after SEQ instead of those after `newest`, each
//! once and in order. The snapshot waits for that line no longer than these 200 ms (not at all once the
//! subscriber has closed its side). Sent later, it rules what follows: `since` goes back (or ahead) to
//! the records after SEQ. Numbers that are no longer kept are told as a `gap`. A SEQ above the newest was
//! given under another boot: an `error` line with the code `since_ahead` says so, and what comes then is
//! what comes without `since`. A line that cannot be understood gets an `error` line, too.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire},
};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::hub::AlarmHub;
use super::subscriber::Subscriber;
use crate::telemetry::{Seldom, Telemetry};

/// How the alarm socket behaves. The default is what the interface says.
#[derive(Clone, Debug)]
pub struct AlarmSocketOptions {
    /// Most subscribers at a time; further ones are told so and closed.
    pub subscribers_max: usize,
    /// Real time between heartbeats.
    pub heartbeat: Duration,
    /// How long the snapshot waits for the subscriber's line.
    pub select_within: Duration,
    /// A subscriber that takes nothing for this long while something waits for it is closed.
    pub stalled_after: Duration,
}

impl Default for AlarmSocketOptions {
    fn default() -> AlarmSocketOptions {
        AlarmSocketOptions {
            subscribers_max: 256,
            heartbeat: Duration::from_secs(10),
            select_within: Duration::from_millis(200),
            stalled_after: Duration::from_secs(300),
        }
    }
}

/// A subscriber's place among the allowed ones, given back when dropped.
struct Seat {
    taken: Arc<AtomicUsize>,
    telemetry: Arc<Telemetry>,
}

impl Seat {
    fn take(taken: &Arc<AtomicUsize>, most: usize, telemetry: &Arc<Telemetry>) -> Option<Seat> {
        let free = |seats: usize| (seats < most).then_some(seats + 1);
        taken.fetch_update(AcqRel, Acquire, free).ok()?;
        telemetry.alarm_socket.subscribers.add(1);
        telemetry.alarm_socket.connected.inc();
        Some(Seat { taken: Arc::clone(taken), telemetry: Arc::clone(telemetry) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, AcqRel);
        self.telemetry.alarm_socket.subscribers.add(-1);
    }
}

/// Serves subscribers until `stop` becomes true. Each is a task of its own; one that hangs or leaves
/// costs its task and nothing else.
pub async fn serve_alarms(
    listener: UnixListener,
    hub: Arc<AlarmHub>,
    telemetry: Arc<Telemetry>,
    options: AlarmSocketOptions,
    mut stop: watch::Receiver<bool>,
) {
    let taken = Arc::new(AtomicUsize::new(0));
    let mut complaint = Seldom::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors or the like: wait a little instead of turning in circles.
                if complaint.is_due(Instant::now()) {
                    tracing::warn!("alarm socket: cannot accept a subscriber: {error}");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(seat) = Seat::take(&taken, options.subscribers_max, &telemetry) else {
            telemetry.alarm_socket.refused.inc();
            turn_away(&stream, options.subscribers_max);
            continue;
        };
        let (hub, telemetry) = (Arc::clone(&hub), Arc::clone(&telemetry));
        let (options, stop) = (options.clone(), stop.clone());
        tokio::spawn(async move {
            Subscriber::new(stream, hub, telemetry, options).serve(stop).await;
            drop(seat);
        });
    }
}

/// Says why, if the peer has room for a line, and closes.
fn turn_away(stream: &UnixStream, most: usize) {
    let text = format!("there are {most} subscribers already; try again later");
    let line = format!("{}\n", json!({"type": "error", "code": "too_many_subscribers", "text": text}));
    // A fresh socket has room; tokio's own try_write would first want to hear that from epoll.
    let flags = rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::DONTWAIT;
    let _ = rustix::net::send(stream, line.as_bytes(), flags);
}
