//! The way of a request's lines to the source's thread, and of the answer back.
//!
//! In: bodies of whole lines. Out: what became of them, once it is durable. Whoever gives up before the lines
//! are taken is not counted; from then on the lines are counted whatever becomes of the request.
//! Must not know: HTTP, lanes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use ebbd_core::aggregate::RefusedLines;
use ebbd_core::decode::Reading;
use tokio::sync::oneshot;

use super::super::feed::Feed;
use super::super::tally::Told;
use super::body::Body;
use crate::sys::Wake;

/// Requests that wait to be handed over at most.
const MOST_WAITING: usize = 1024;
/// How long a request waits for room in the lanes before it is turned away.
pub(super) const ROOM_PATIENCE: Duration = Duration::from_secs(10);
/// How long a request whose lines were handed over waits until they are durable.
pub(super) const DURABLE_PATIENCE: Duration = Duration::from_secs(60);

/// Lines of a request on their way to the source's thread.
pub(super) struct Handover {
    pub(super) body: Arc<Body>,
    pub(super) reading: Reading,
    pub(super) outcome: Offered,
}

/// Where a request hears what became of its lines, before these are taken.
pub(super) struct Offered {
    is_settled: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<Counted, Unavailable>>,
}

/// The same once they are taken.
pub(super) struct Outcome(oneshot::Sender<Result<Counted, Unavailable>>);

/// What became of the lines of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// Its lines that are not empty.
    pub(super) received: u64,
    /// Those that were refused, by reason and block; numbered within the request, from 1.
    pub(super) refused: Vec<RefusedLines>,
}

/// Why nothing can be said of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unavailable {
    /// What is counted would not be safe. Nothing was.
    JournalFails,
    /// There is no room. Nothing was counted.
    Full,
    /// The daemon ends. Nothing was counted, or what was counted can't be told any more.
    Stopping,
    /// The lines are counted, and may not survive a crash.
    NotDurable,
}

/// Where requests leave their lines.
#[derive(Clone)]
pub(super) struct Intray {
    queue: Sender<Handover>,
    bell: Arc<Wake>,
    feed: Feed,
}

/// Where the source's thread takes them.
pub(super) struct Tray {
    queue: Receiver<Handover>,
    bell: Arc<Wake>,
}

/// Both ends.
///
/// # Errors
/// No descriptor is left.
pub(super) fn intray(feed: &Feed) -> io::Result<(Intray, Tray)> {
    let (sender, receiver) = bounded(MOST_WAITING);
    let bell = Arc::new(Wake::new()?);
    Ok((
        Intray { queue: sender, bell: Arc::clone(&bell), feed: feed.clone() },
        Tray { queue: receiver, bell },
    ))
}

impl Intray {
    /// Whether lines would be turned away at once, and why.
    pub(super) fn trouble(&self) -> Option<Unavailable> {
        match () {
            () if self.feed.desk().is_held() => Some(Unavailable::JournalFails),
            () if self.feed.is_stopping() => Some(Unavailable::Stopping),
            () if self.queue.is_full() => Some(Unavailable::Full),
            () => None,
        }
    }

    /// Has lines counted and waits until that is durable.
    ///
    /// # Errors
    /// [`Unavailable`], which says whether anything was counted.
    pub(super) async fn count(&self, body: Arc<Body>, reading: Reading) -> Result<Counted, Unavailable> {
        if let Some(trouble) = self.trouble() {
            return Err(trouble);
        }
        let (answer, mut told) = oneshot::channel();
        let offer = Offer(Arc::new(AtomicBool::new(false)));
        let outcome = Offered { is_settled: Arc::clone(&offer.0), answer };
        self.queue.try_send(Handover { body, reading, outcome }).map_err(|_| Unavailable::Full)?;
        self.bell.set();
        if let Ok(told) = tokio::time::timeout(ROOM_PATIENCE, &mut told).await {
            return told.unwrap_or(Err(Unavailable::Stopping));
        }
        if offer.withdraw() {
            self.feed.count(Told::Waits, 1);
            return Err(Unavailable::Full);
        }
        match tokio::time::timeout(DURABLE_PATIENCE, told).await {
            Ok(told) => told.unwrap_or(Err(Unavailable::NotDurable)),
            Err(_) => Err(Unavailable::NotDurable),
        }
    }
}

/// Lines that are offered. They are not taken any more once this is gone, as with a client that hung up.
struct Offer(Arc<AtomicBool>);

impl Offer {
    /// Whether nobody had taken them.
    fn withdraw(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.withdraw();
    }
}

impl Offered {
    /// Takes the lines: they are counted from now on. `None` if whoever sent them has given up.
    pub(super) fn claim(self) -> Option<Outcome> {
        let is_ours = !self.is_settled.swap(true, Ordering::AcqRel);
        is_ours.then_some(Outcome(self.answer))
    }
}

impl Outcome {
    pub(super) fn tell(self, outcome: Result<Counted, Unavailable>) {
        // Whoever asked may be gone.
        let _ = self.0.send(outcome);
    }
}

impl Tray {
    /// The next request, if one waits.
    pub(super) fn next(&self) -> Option<Handover> {
        self.queue.try_recv().ok()
    }

    /// To be called before requests are taken: what comes later rings again.
    pub(super) fn answer_bell(&self) {
        self.bell.take();
    }

    /// To be called after requests were taken, of which some may be left.
    pub(super) fn ring_again(&self) {
        if !self.queue.is_empty() {
            self.bell.set();
        }
    }

    /// Readable while something may be there.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
