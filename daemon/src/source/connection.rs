//! One stream connection: what is read, cut and handed over, what is answered, and how it ends, or goes on
//! elsewhere.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use ebbd_core::decode::{Answer, FirstLine, Greeting, Reading, Refusal};
use ebbd_core::model::ConnId;
use ebbd_core::sync::Lease;
use memchr::memchr;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, read};
use rustix::net::{Shutdown, shutdown};

use super::acked::Acked;
use super::acks::{Address, Claim, Mail};
use super::cut::Cutter;
use super::feed::{Feed, Origin};
use super::left::{LeftConnection, LeftTalk};
use super::outbox::Outbox;
use super::senders::Numbered;
use super::tally::Told;

/// How long a sender that was turned down may take to read that and close.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long a sender may take to read the last word.
const LAST_WORD: Duration = Duration::from_secs(30);
/// When it is said again to one that doesn't read.
const AGAIN: Duration = Duration::from_millis(50);
/// Bytes read at a time until it is known whether the sender greets: what comes with a greeting has to be
/// kept until the greeting is answered.
const FIRST_BYTES: usize = 4096;

/// A connection of a stream source.
#[derive(Debug)]
pub(super) struct Connection {
    fd: OwnedFd,
    id: ConnId,
    /// Its place among its source's connections.
    key: usize,
    /// Whether its source looks for what it sends.
    pub(super) is_polled: bool,
    cutter: Cutter,
    talk: Talk,
    outbox: Outbox,
}

/// What is known of the sender.
#[derive(Debug)]
enum Talk {
    /// Its first line hasn't come yet.
    Unknown,
    /// It just sends lines.
    Plain,
    /// It greeted.
    Acked(Box<Acked>),
    /// The last word is said, then, but not sent yet.
    Ending(Instant),
    /// It was turned down, then: what it sends on is not received.
    TurnedDown(Instant),
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// So many bytes came.
    Read(usize),
    /// Nothing for now.
    Idle,
    /// Nothing is to be read until it gets mail.
    Paused,
    /// It is over.
    Ended,
}

impl Connection {
    /// One that may greet. `key` is its place among its source's connections.
    pub(super) fn new(fd: OwnedFd, id: ConnId, line: usize, key: usize) -> Connection {
        let (cutter, talk) = (Cutter::keeping(line), Talk::Unknown);
        Connection { fd, id, key, is_polled: true, cutter, talk, outbox: Outbox::default() }
    }

    /// One that can't be answered, so that nothing is taken for a greeting.
    pub(super) fn unspoken(fd: OwnedFd, id: ConnId, line: usize) -> Connection {
        Connection { talk: Talk::Plain, cutter: Cutter::new(line), ..Connection::new(fd, id, line, 0) }
    }

    /// One that an earlier thread has left; `None` if it can't go on here.
    pub(super) fn taken_up(left: LeftConnection, feed: &Feed, id: ConnId, key: usize) -> Option<Connection> {
        let LeftConnection { fd, mut cutter, talk, outbox, .. } = left;
        if cutter.limit() != feed.line() {
            return None;
        }
        cutter.begin_anew(Instant::now());
        let talk = match talk {
            LeftTalk::Unknown => Talk::Unknown,
            LeftTalk::Plain => Talk::Plain,
            LeftTalk::Acked(acked) => Talk::Acked(acked),
        };
        let mut connection = Connection { fd, id, key, is_polled: true, cutter, talk, outbox };
        connection.outbox.flush(&connection.fd);
        if let Talk::Acked(acked) = &connection.talk {
            let (greeting, reached) = acked.claim();
            connection.ask(feed, greeting, reached);
            connection.is_polled = false;
        }
        Some(connection)
    }

    /// Lets go of it for another thread to take up; `None` if all is said and it is only to be closed.
    pub(super) fn leave(mut self) -> Option<LeftConnection> {
        let talk = match self.talk {
            Talk::Unknown => LeftTalk::Unknown,
            Talk::Plain => LeftTalk::Plain,
            Talk::Acked(acked) => LeftTalk::Acked(acked),
            Talk::Ending(_) | Talk::TurnedDown(_) => {
                self.outbox.flush(&self.fd);
                return None;
            }
        };
        let (fd, cutter, outbox) = (self.fd, self.cutter, self.outbox);
        Some(LeftConnection { fd, conn: self.id, who: String::new(), cutter, talk, outbox })
    }

    /// Whether it is one of an acknowledged sender.
    pub(super) fn is_acked(&self) -> bool {
        matches!(self.talk, Talk::Acked(_))
    }

    pub(super) fn id(&self) -> ConnId {
        self.id
    }

    /// Whether what it sends is to be read now.
    pub(super) fn is_reading(&self, feed: &Feed) -> bool {
        match &self.talk {
            Talk::Acked(acked) => acked.is_reading() && !feed.desk().is_held(),
            Talk::Ending(_) => false,
            Talk::Unknown | Talk::Plain | Talk::TurnedDown(_) => true,
        }
    }

    /// Reads once and hands over the whole lines. `spare` is a buffer that no connection uses.
    pub(super) fn turn(&mut self, feed: &Feed, spare: &mut Option<Lease>, now: Instant) -> Turn {
        if !self.is_reading(feed) {
            return Turn::Paused;
        }
        let mut bytes = spare.take().unwrap_or_else(|| feed.buffer());
        bytes.clear();
        self.cutter.begin(&mut bytes);
        match self.read(&mut bytes) {
            Ok(0) => self.end(feed, bytes, now),
            Ok(read) => {
                *spare = self.received(feed, bytes, now);
                if self.is_reading(feed) { Turn::Read(read) } else { Turn::Paused }
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

    fn read(&self, bytes: &mut Lease) -> Result<usize, Errno> {
        if !matches!(self.talk, Talk::Unknown) {
            return read(&self.fd, spare_capacity(bytes));
        }
        let mut first = [0; FIRST_BYTES];
        let read = read(&self.fd, &mut first)?;
        bytes.extend_from_slice(&first[..read]);
        Ok(read)
    }

    /// Returns the buffer if it was not handed over.
    fn received(&mut self, feed: &Feed, mut bytes: Lease, now: Instant) -> Option<Lease> {
        if matches!(self.talk, Talk::TurnedDown(_)) {
            return Some(bytes);
        }
        if matches!(self.talk, Talk::Unknown) && FirstLine::is_data(&bytes) {
            self.turn_plain(feed);
        }
        if self.cutter.cut(&mut bytes, now) {
            feed.count(Told::TooLongLines, 1);
        }
        if bytes.is_empty() {
            return Some(bytes);
        }
        if matches!(self.talk, Talk::Unknown) && !self.is_plain(feed, &mut bytes, now) {
            return Some(bytes);
        }
        match self.talk {
            Talk::Acked(_) => self.take(feed, bytes, now),
            _ => {
                self.hand_over(feed, bytes, 0);
                None
            }
        }
    }

    /// Hands over a block; whether a lane took it.
    fn hand_over(&mut self, feed: &Feed, bytes: Lease, check: u32) -> bool {
        let origin = Origin {
            conn: self.id,
            first_line: self.cutter.next_line(),
            end_offset: self.cutter.end_offset(),
            check,
            arrival: feed.now(),
            reading: Reading::Configured,
        };
        let lines = match &self.talk {
            Talk::Acked(acked) if acked.is_named() => feed.deliver_repeatable(bytes, origin),
            _ => feed.deliver(bytes, origin),
        };
        self.cutter.number(lines);
        lines > 0
    }

    /// Looks at the first line. A greeting is claimed or turned down; what came with it is kept.
    fn is_plain(&mut self, feed: &Feed, bytes: &mut Lease, now: Instant) -> bool {
        let end = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let first = FirstLine::read(&bytes[..end]);
        if first == FirstLine::Data {
            self.turn_plain(feed);
            return true;
        }
        feed.count(Told::ControlLines, 1);
        match first {
            FirstLine::Greeting(greeting) if feed.acks => {
                feed.desk().counters().greeted();
                self.claim(feed, greeting, bytes[end..].to_vec());
            }
            FirstLine::Greeting(_) => self.turn_down(feed, Refusal::NotAcked, now),
            _ => self.turn_down(feed, Refusal::BadGreeting, now),
        }
        false
    }

    /// Nobody looks for a greeting any more.
    fn turn_plain(&mut self, feed: &Feed) {
        self.talk = Talk::Plain;
        feed.count(Told::TooLongLines, u64::from(self.cutter.skip_long_lines()));
    }

    fn claim(&mut self, feed: &Feed, greeting: Greeting, early: Vec<u8>) {
        self.talk = Talk::Acked(Box::new(Acked::new(&greeting, early)));
        self.ask(feed, greeting, None);
    }

    fn ask(&self, feed: &Feed, greeting: Greeting, reached: Option<Numbered>) {
        let address = Address { inbox: feed.inbox.clone(), key: self.key };
        feed.desk().claim(Claim { source: feed.source, conn: self.id, greeting, address, reached });
    }

    /// Says why and ends the conversation. The sender may take a moment to read that: closing at once would
    /// take the words away from under it.
    fn turn_down(&mut self, feed: &Feed, refusal: Refusal, now: Instant) {
        feed.desk().counters().refused(refusal);
        self.outbox.say(&Answer::Error(refusal));
        self.talk = Talk::TurnedDown(now);
        self.cutter = Cutter::new(0);
        // A sender that doesn't take the answer has only itself to blame.
        self.outbox.flush(&self.fd);
        let _ = shutdown(&self.fd, Shutdown::Write);
    }

    /// Ends an acknowledged conversation: none of its lines is counted from now on.
    fn refuse(&mut self, feed: &Feed, refusal: Refusal, now: Instant) {
        self.turn_down(feed, refusal, now);
        feed.closed(self.id);
        feed.desk().hurry();
    }

    /// Takes whole lines of an acknowledged sender. Returns the buffer if it was not handed over.
    fn take(&mut self, feed: &Feed, mut bytes: Lease, now: Instant) -> Option<Lease> {
        let cut_short = self.cutter.take_cut_short();
        let Talk::Acked(acked) = &mut self.talk else { return Some(bytes) };
        let taken = acked.take(&mut bytes, cut_short);
        feed.count(Told::DuplicateLines, taken.duplicates);
        if let Some(number) = taken.diverged {
            self.refuse(feed, Refusal::Diverged(number), now);
            return Some(bytes);
        }
        if taken.hurry {
            feed.desk().hurry();
        }
        if taken.new == 0 {
            return Some(bytes);
        }
        if !self.hand_over(feed, bytes, taken.check) {
            // No lane is left: what is not counted must not be acknowledged.
            feed.closed(self.id);
            self.talk = Talk::TurnedDown(now);
        }
        None
    }

    /// Reads its mail.
    pub(super) fn told(&mut self, feed: &Feed, mail: Mail, now: Instant) -> Turn {
        let Talk::Acked(acked) = &mut self.talk else { return Turn::Idle };
        if mail.is_fenced {
            self.refuse(feed, Refusal::Fenced, now);
            return Turn::Idle;
        }
        let acknowledged = acked.moved(&mail);
        for (number, reason) in &mail.rejected {
            self.outbox.mention(&Answer::Rejected(*number, reason.name().to_owned()));
        }
        if let Some(number) = acknowledged {
            self.outbox.ack(number);
        }
        match mail.answer.filter(|_| acked.is_waiting()) {
            Some(Ok(grant)) => {
                let (answer, early) = acked.granted(grant);
                answer.iter().for_each(|answer| self.outbox.say(answer));
                self.cutter.resume(now);
                if !early.is_empty() {
                    self.take(feed, Lease::owned(early), now);
                }
            }
            // Nothing that it could make sense of: it greets again.
            Some(Err(_)) if acked.is_going_on() => return Turn::Ended,
            Some(Err(refusal)) => self.refuse(feed, refusal, now),
            None => {}
        }
        self.speak(now)
    }

    /// Says what is to be said, and goodbye if it is time.
    fn speak(&mut self, now: Instant) -> Turn {
        if let Talk::Acked(acked) = &mut self.talk
            && let Some(bye) = acked.bye()
        {
            self.outbox.say(&bye);
            self.talk = Talk::Ending(now);
        }
        let is_said = self.outbox.flush(&self.fd);
        if is_said && matches!(self.talk, Talk::Ending(_)) { Turn::Ended } else { Turn::Idle }
    }

    /// The sender closed or half-closed. Of a plain one a last line without LF counts as a line; an
    /// acknowledged one is told goodbye when all its lines are counted.
    fn end(&mut self, feed: &Feed, mut bytes: Lease, now: Instant) -> Turn {
        if let Talk::Acked(acked) = &mut self.talk {
            acked.half_closed(self.cutter.unfinished_bytes());
            self.cutter.give_up();
            feed.desk().hurry();
            return if self.speak(now) == Turn::Ended { Turn::Ended } else { Turn::Paused };
        }
        if self.cutter.finish(&mut bytes) && self.is_line(feed, &bytes) {
            self.hand_over(feed, bytes, 0);
        }
        Turn::Ended
    }

    /// Whether a last line without LF counts: not if it is a greeting with nothing behind it.
    fn is_line(&mut self, feed: &Feed, last: &[u8]) -> bool {
        let is_line = !matches!(self.talk, Talk::Unknown) || FirstLine::read(last) == FirstLine::Data;
        feed.count(Told::ControlLines, u64::from(!is_line));
        is_line
    }

    /// The connection was reset or is closed by us: an unfinished line never gets its end. One of an
    /// acknowledged sender has no number yet; it will be sent again.
    pub(super) fn abandon(&mut self, feed: &Feed) {
        if self.cutter.unfinished_since().is_some() {
            feed.count(Told::PartialLines, u64::from(!matches!(self.talk, Talk::Acked(_))));
            self.cutter.give_up();
        }
    }

    /// Gives an unfinished line up that is older than `patience`; its rest will be skipped. Whether the
    /// connection has to be closed: an acknowledged sender that doesn't finish its line (it can send it
    /// again), one that was turned down and stays, one that doesn't read the last word.
    pub(super) fn expire(&mut self, feed: &Feed, patience: Duration, now: Instant) -> bool {
        let is_late =
            self.cutter.unfinished_since().is_some_and(|since| now.duration_since(since) >= patience);
        match self.talk {
            Talk::TurnedDown(since) => now.duration_since(since) >= GOODBYE,
            Talk::Ending(since) => self.speak(now) == Turn::Ended || now.duration_since(since) >= LAST_WORD,
            Talk::Acked(_) => is_late && self.is_reading(feed),
            Talk::Unknown | Talk::Plain => {
                if is_late {
                    self.abandon(feed);
                }
                false
            }
        }
    }

    /// When [`Connection::expire`] will have something to do.
    pub(super) fn deadline(&self, patience: Duration, now: Instant) -> Option<Instant> {
        match self.talk {
            Talk::TurnedDown(since) => Some(since + GOODBYE),
            Talk::Ending(_) => Some(now + AGAIN),
            // It waits for us, not we for it.
            Talk::Acked(_) if !self.is_polled => None,
            _ => self.cutter.unfinished_since().map(|since| since + patience),
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
