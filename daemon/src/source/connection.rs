//! One stream connection: what is read, cut and handed over, and how it ends.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use ebbd_core::model::ConnId;
use ebbd_core::sync::Lease;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, read};
use rustix::net::{SendFlags, Shutdown, send, shutdown};

use super::cut::Cutter;
use super::feed::{Feed, Origin};
use super::tally::Told;

/// A first line that begins so asks for acknowledgements.
const GREETING: &[u8] = b"EBBD/1";
/// The answer to a greeting. Plain senders are never written to.
const NOT_ACKED: &[u8] = b"ERR not_acked this release counts plain lines only\n";
/// How long a sender whose greeting was turned down may take to read that and close.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection of a stream source.
#[derive(Debug)]
pub(super) struct Connection {
    fd: OwnedFd,
    id: ConnId,
    cutter: Cutter,
    talk: Talk,
}

/// What is known of the sender.
#[derive(Clone, Copy, Debug)]
enum Talk {
    /// Its first line hasn't come yet.
    Unknown,
    /// It just sends lines.
    Plain,
    /// It greeted and was turned down, then: what it sends on is not received.
    TurnedDown(Instant),
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// So many bytes came.
    Read(usize),
    /// Nothing for now.
    Idle,
    /// It is over.
    Ended,
}

impl Connection {
    pub(super) fn new(fd: OwnedFd, id: ConnId, line: usize) -> Connection {
        Connection { fd, id, cutter: Cutter::new(line), talk: Talk::Unknown }
    }

    /// One that can't be answered, so that nothing is taken for a greeting.
    pub(super) fn unspoken(fd: OwnedFd, id: ConnId, line: usize) -> Connection {
        Connection { talk: Talk::Plain, ..Connection::new(fd, id, line) }
    }

    pub(super) fn id(&self) -> ConnId {
        self.id
    }

    /// Reads once and hands over the whole lines. `spare` is a buffer that no connection uses.
    pub(super) fn turn(&mut self, feed: &Feed, spare: &mut Option<Lease>, now: Instant) -> Turn {
        let mut bytes = spare.take().unwrap_or_else(|| feed.buffer());
        bytes.clear();
        self.cutter.begin(&mut bytes);
        match read(&self.fd, spare_capacity(&mut bytes)) {
            Ok(0) => {
                self.end(feed, bytes, now);
                Turn::Ended
            }
            Ok(read) => {
                *spare = self.received(feed, bytes, now);
                Turn::Read(read)
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                *spare = Some(bytes);
                Turn::Idle
            }
            Err(_) => {
                *spare = Some(bytes);
                self.abandon(feed);
                Turn::Ended
            }
        }
    }

    /// Returns the buffer if it was not handed over.
    fn received(&mut self, feed: &Feed, mut bytes: Lease, now: Instant) -> Option<Lease> {
        if matches!(self.talk, Talk::TurnedDown(_)) {
            return Some(bytes);
        }
        if self.cutter.cut(&mut bytes, now) {
            feed.count(Told::TooLongLines, 1);
        }
        if bytes.is_empty() {
            return Some(bytes);
        }
        if self.is_turned_down(feed, &bytes, now) {
            return Some(bytes);
        }
        self.hand_over(feed, bytes);
        None
    }

    fn hand_over(&mut self, feed: &Feed, bytes: Lease) {
        let origin = Origin {
            conn: self.id,
            first_line: self.cutter.next_line(),
            end_offset: self.cutter.end_offset(),
            arrival: feed.now(),
        };
        self.cutter.number(feed.deliver(bytes, origin));
    }

    /// Looks at the first line: a greeting is answered and ends the conversation.
    fn is_turned_down(&mut self, feed: &Feed, first: &[u8], now: Instant) -> bool {
        if !matches!(self.talk, Talk::Unknown) {
            return false;
        }
        let greets = is_greeting(first);
        self.talk = if greets { Talk::TurnedDown(now) } else { Talk::Plain };
        if greets {
            feed.count(Told::ControlLines, 1);
            self.cutter = Cutter::new(feed.line());
            // A sender that doesn't take the answer has only itself to blame.
            let _ = send(&self.fd, NOT_ACKED, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
            let _ = shutdown(&self.fd, Shutdown::Write);
        }
        greets
    }

    /// The sender closed or half-closed: a last line without LF counts as a line.
    fn end(&mut self, feed: &Feed, mut bytes: Lease, now: Instant) {
        if self.cutter.finish(&mut bytes) && !self.is_turned_down(feed, &bytes, now) {
            self.hand_over(feed, bytes);
        }
    }

    /// The connection was reset or is closed by us: an unfinished line never gets its end.
    pub(super) fn abandon(&mut self, feed: &Feed) {
        if self.cutter.unfinished_since().is_some() {
            feed.count(Told::PartialLines, 1);
            self.cutter.give_up();
        }
    }

    /// Gives an unfinished line up that is older than `patience`; its rest will be skipped. Whether the
    /// connection has to be closed: a sender that was turned down and stays.
    pub(super) fn expire(&mut self, feed: &Feed, patience: Duration, now: Instant) -> bool {
        if self.cutter.unfinished_since().is_some_and(|since| now.duration_since(since) >= patience) {
            self.abandon(feed);
        }
        matches!(self.talk, Talk::TurnedDown(since) if now.duration_since(since) >= GOODBYE)
    }

    /// When [`Connection::expire`] will have something to do.
    pub(super) fn deadline(&self, patience: Duration) -> Option<Instant> {
        match self.talk {
            Talk::TurnedDown(since) => Some(since + GOODBYE),
            _ => self.cutter.unfinished_since().map(|since| since + patience),
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn is_greeting(first: &[u8]) -> bool {
    let behind = first.strip_prefix(GREETING);
    behind.is_some_and(|behind| matches!(behind.first(), None | Some(b' ' | b'\r' | b'\n')))
}
