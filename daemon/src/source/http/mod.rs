//! Sources of type `http`: what InfluxDB's clients write, NDJSON events, change markers.
//!
//! In: requests, each with its lines. Out: the lines as blocks of one connection, numbered through; an answer
//! to each request once its lines are counted and that is durable. Tokio's threads read requests and wait;
//! the source's own thread is the only one that hands lines over, so the runtime never waits for a lane.
//! Must not know: what lines say, the journal.

mod answer;
mod body;
mod handover;
mod listener;
mod query;
mod routes;
mod serve;
mod token;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ebbd_core::aggregate::RefusedLines;
use ebbd_core::model::{ConnId, StreamId, StreamRoute};
use ebbd_core::simd::count_lines;
use ebbd_core::sync::Lease;
use memchr::memrchr;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::Bound;
use super::acks::Address;
use super::feed::{Feed, Origin};
use super::left::{Ending, Left};
use super::stream::Listening;
use crate::config::{SourceConfig, Token};
use handover::{Counted, Handover, Outcome, Tray, Unavailable};
use serve::Server;

/// Requests handed over before mail is read.
const BATCH: usize = 64;
/// After a stop, requests that came before it are still counted and answered for up to this long.
const DRAIN: Duration = Duration::from_secs(3);
/// How often that is looked at.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// What the source is configured with.
struct Settings {
    listener: std::net::TcpListener,
    /// Most connections at once.
    connections: usize,
    /// What writers must present.
    token: Option<Token>,
    /// Streams that NDJSON may be sent for; all of them if nothing is said.
    streams: Option<BTreeSet<StreamId>>,
    /// How long the body of a request may take.
    patience: Duration,
}

/// Serves the listener.
///
/// # Errors
/// The address is in use or not allowed; the token is not there.
pub(super) fn bind(listening: Listening, token: Option<Token>, config: &SourceConfig) -> io::Result<Bound> {
    let listener = std::net::TcpListener::from(listening.socket.try_clone()?);
    let address = listener.local_addr().ok();
    let streams = match &config.spec.route {
        StreamRoute::ByName(streams) => Some(streams.values().copied().collect()),
        StreamRoute::Fixed(_) | StreamRoute::ByField { .. } => None,
    };
    let patience = Duration::from_millis(config.partial_line_ms);
    let settings = Settings { listener, connections: config.connections, token, streams, patience };
    Ok(Bound { address, receive_buffer: None, run: Box::new(move |feed| run(settings, feed, listening)) })
}

/// Gives the listener back if it is to go on; open requests have been answered.
fn run(settings: Settings, feed: Feed, listening: Listening) -> Left {
    let ending = Arc::clone(&feed.ending);
    let name = feed.name.clone();
    let served = handover::intray(&feed).and_then(|(intray, tray)| {
        let server = Server::start(settings, intray, &feed)?;
        Ok((server, tray))
    });
    match served {
        Ok((server, tray)) => Writer::new(feed, tray).run(server),
        Err(error) => tracing::error!(source = &*name, %error, "the source can't be served"),
    }
    let goes_on = Ending::of(ending.load(Ordering::Acquire)) == Ending::LeaveAll;
    Left { listening: goes_on.then_some(listening), ..Left::default() }
}

/// The source's thread: one connection to the lanes, on which the lines of all requests follow each other.
struct Writer {
    feed: Feed,
    tray: Tray,
    conn: ConnId,
    /// The number of the next line.
    next_line: u64,
    /// Bytes handed over.
    offset: u64,
    /// Requests whose lines are handed over, in that order.
    waiting: VecDeque<Waiting>,
}

/// A request that waits for its answer.
struct Waiting {
    /// The number of its first line.
    first: u64,
    /// The number behind its last one.
    end: u64,
    refused: Vec<RefusedLines>,
    outcome: Outcome,
}

impl Writer {
    fn new(feed: Feed, tray: Tray) -> Writer {
        let conn = feed.opened("http".to_owned());
        feed.desk().attach(feed.source, conn, Address { inbox: feed.inbox.clone(), key: 0 });
        Writer { feed, tray, conn, next_line: 1, offset: 0, waiting: VecDeque::new() }
    }

    fn run(mut self, server: Server) {
        while !self.feed.is_stopping() {
            self.wait(None);
            self.turn();
        }
        server.stop();
        let deadline = Instant::now() + DRAIN;
        while Instant::now() < deadline && !(server.is_over() && self.waiting.is_empty()) {
            self.wait(Some(DRAIN_LOOK));
            self.turn();
        }
        self.feed.desk().detach(self.conn);
        self.feed.forgotten(self.conn);
        server.end();
    }

    /// Sleeps until something is to be done; while draining, for `at_most`.
    fn wait(&self, at_most: Option<Duration>) {
        let stop = if at_most.is_some() { PollFlags::empty() } else { PollFlags::IN };
        let mut fds = [
            PollFd::from_borrowed_fd(self.feed.stop.as_fd(), stop),
            PollFd::from_borrowed_fd(self.feed.inbox.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.tray.bell(), PollFlags::IN),
        ];
        let timeout = at_most.and_then(|timeout| Timespec::try_from(timeout).ok());
        // Interrupted or not: the caller looks.
        let _ = poll(&mut fds, timeout.as_ref());
    }

    /// Hands over what came, and answers what is durable.
    fn turn(&mut self) {
        let mut came = false;
        self.tray.answer_bell();
        for _ in 0..BATCH {
            let Some(handover) = self.tray.next() else { break };
            came |= self.take(handover);
        }
        self.tray.ring_again();
        if came {
            self.feed.desk().hurry();
        }
        self.read_mail();
    }

    /// Hands the lines of a request over, unless whoever sent them has given up; whether there were any.
    fn take(&mut self, handover: Handover) -> bool {
        let Handover { body, reading, outcome } = handover;
        let Some(outcome) = outcome.claim() else { return false };
        if self.feed.desk().is_held() {
            outcome.tell(Err(Unavailable::JournalFails));
            return false;
        }
        let first = self.next_line;
        let arrival = self.feed.now();
        for piece in pieces(body.bytes(), self.feed.buffer_bytes()) {
            let lines = count_lines(piece);
            self.offset += piece.len() as u64;
            let origin = Origin {
                conn: self.conn,
                first_line: self.next_line,
                end_offset: self.offset,
                check: 0,
                arrival,
                reading,
            };
            if self.feed.deliver_repeatable(self.block(piece), origin) < lines {
                // No lane is left: the daemon is about to end.
                outcome.tell(Err(Unavailable::Stopping));
                return self.next_line > first;
            }
            self.next_line += lines;
        }
        drop(body);
        if self.next_line == first {
            outcome.tell(Ok(Counted { received: 0, refused: Vec::new() }));
            return false;
        }
        self.waiting.push_back(Waiting { first, end: self.next_line, refused: Vec::new(), outcome });
        true
    }

    /// A buffer with these bytes.
    fn block(&self, piece: &[u8]) -> Lease {
        if piece.len() > self.feed.buffer_bytes() {
            // One line that is too long for any buffer, and for the limit.
            return Lease::owned(piece.to_vec());
        }
        let mut bytes = self.feed.buffer();
        bytes.clear();
        bytes.extend_from_slice(piece);
        bytes
    }

    fn read_mail(&mut self) {
        for mail in self.feed.inbox.take().into_values() {
            for refused in mail.refused {
                let at = self.waiting.partition_point(|waiting| waiting.end <= refused.first);
                self.waiting.get_mut(at).into_iter().for_each(|waiting| waiting.refused.push(refused));
            }
            if let Some(moved) = mail.moved {
                self.answer(moved.reached.number);
            }
        }
    }

    /// Answers the requests whose lines up to `number` are counted and safe.
    fn answer(&mut self, number: u64) {
        while let Some(Waiting { first, end, mut refused, outcome }) =
            self.waiting.pop_front_if(|waiting| waiting.end <= number + 1)
        {
            refused.iter_mut().for_each(|lines| lines.first -= first - 1);
            outcome.tell(Ok(Counted { received: end - first, refused }));
        }
    }
}

/// Pieces of whole lines of at most `most` bytes each, but for a line that is longer.
fn pieces(bytes: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = match rest.len() <= most {
            true => rest.len(),
            false => memrchr(b'\n', &rest[..most])
                .or_else(|| memchr::memchr(b'\n', rest))
                .map_or(rest.len(), |at| at + 1),
        };
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines_and_all_there_is() {
        let text = b"aaa\nbb\n\nccccccccccc\nd\ne";
        let cut: Vec<&[u8]> = pieces(text, 8).collect();
        assert_eq!(cut, [&b"aaa\nbb\n\n"[..], b"ccccccccccc\n", b"d\ne"]);
        for most in 1..30 {
            assert_eq!(pieces(text, most).collect::<Vec<_>>().concat(), text);
        }
        assert_eq!(pieces(b"", 8).count(), 0);
    }
}
