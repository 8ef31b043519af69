//! The thread of a stream source: one epoll over the listener and all its connections.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use ebbd_core::sync::Lease;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use rustix::time::Timespec;
use socket2::SockRef;

use super::Bound;
use super::connection::{Connection, Turn};
use super::feed::Feed;
use super::left::{Ending, Left, LeftConnection};
use super::pace::Pace;
use super::slots::Slots;
use super::socket_path::BoundPath;
use super::tally::Told;
use crate::config::SourceConfig;

/// Connections that may wait to be accepted (the system may allow fewer).
pub(super) const BACKLOG: i32 = 4096;
/// Connections served per wake-up.
const EVENTS: usize = 256;
/// Reads of one connection before the others have their turn.
const READS: usize = 4;
/// After a read of this much there is probably more: reading again is cheaper than asking.
const MORE: usize = 64 * 1024;
/// Connections accepted before those that are open have their turn.
const ACCEPTS: usize = 64;
/// The longest rest between small writes. A sender that suddenly has more than the kernel holds for it
/// waits this long once.
const REST: Duration = Duration::from_millis(8);
/// From so many bytes of one connection on rests get shorter: small writes take several times their size
/// of the kernel's buffer.
const SOME: usize = 8 * 1024;
/// From so many bytes of one connection on there is no rest.
const MANY: usize = 48 * 1024;
/// How long the listener is left alone when nothing can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// After a stop, what waits in the kernel is still taken for up to this long.
const DRAIN: Duration = Duration::from_millis(500);

const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;
const MAIL: u64 = u64::MAX - 2;

/// Bounds of a stream source.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamLimits {
    /// Most connections at once.
    pub(super) connections: usize,
    /// An unfinished line is given up after this long.
    pub(super) partial_line: Duration,
}

impl StreamLimits {
    pub(super) fn of(config: &SourceConfig) -> StreamLimits {
        StreamLimits {
            connections: config.connections,
            partial_line: Duration::from_millis(config.partial_line_ms),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listening {
    /// It doesn't block.
    pub(super) socket: OwnedFd,
    /// Its path, if it is ours to remove.
    pub(super) _path: Option<BoundPath>,
    /// The service manager keeps it: who waits to be accepted at the end is left to the next start.
    pub(super) is_inherited: bool,
    /// Prepares a new connection and says who it is.
    pub(super) greet: fn(BorrowedFd<'_>) -> String,
}

impl Listening {
    /// A source that serves this and the connections that an earlier thread has left.
    pub(super) fn bound(self, config: &SourceConfig, connections: Vec<LeftConnection>) -> Bound {
        let limits = StreamLimits::of(config);
        let address = SockRef::from(&self.socket).local_addr().ok().and_then(|at| at.as_socket());
        let run = Box::new(move |feed| self.serve(feed, limits, connections));
        Bound { address, receive_buffer: None, run }
    }

    /// Serves until the source is stopped.
    fn serve(self, feed: Feed, limits: StreamLimits, connections: Vec<LeftConnection>) -> Left {
        let name = feed.name.clone();
        match StreamSource::new(self, feed, limits) {
            Ok(source) => source.run(connections),
            Err(error) => {
                tracing::error!(source = &*name, %error, "the source can't be served");
                Left::default()
            }
        }
    }
}

struct StreamSource {
    epoll: OwnedFd,
    listening: Listening,
    limits: StreamLimits,
    feed: Feed,
    slots: Slots,
    /// A buffer in hand.
    spare: Option<Lease>,
    /// A descriptor to give up when there are no more, so that a waiting connection can be closed.
    reserve: Option<File>,
    /// When unfinished lines have to be looked at.
    next_check: Option<Instant>,
    /// Until when nothing is accepted.
    paused_until: Option<Instant>,
    pace: Pace,
    /// The most bytes that one connection brought in this round.
    most: usize,
}

impl StreamSource {
    fn new(listening: Listening, feed: Feed, limits: StreamLimits) -> io::Result<StreamSource> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listening.socket, EventData::new_u64(LISTENER), EventFlags::IN)?;
        epoll::add(&epoll, feed.stop.as_fd(), EventData::new_u64(STOP), EventFlags::IN)?;
        epoll::add(&epoll, feed.inbox.as_fd(), EventData::new_u64(MAIL), EventFlags::IN)?;
        Ok(StreamSource {
            epoll,
            listening,
            limits,
            feed,
            slots: Slots::default(),
            spare: None,
            reserve: reserve(),
            next_check: None,
            paused_until: None,
            pace: Pace::new(REST, SOME, MANY),
            most: 0,
        })
    }

    fn run(mut self, connections: Vec<LeftConnection>) -> Left {
        connections.into_iter().for_each(|left| self.take_up(left));
        let mut events = Vec::with_capacity(EVENTS);
        while !self.feed.is_stopping() {
            let timeout = self.timeout();
            // With more connections ready than are served at once, the others must not wait.
            if self.round(&mut events, timeout) < EVENTS {
                self.rest();
            }
        }
        match self.feed.ending() {
            Ending::LeaveAll => {}
            Ending::Close | Ending::LeaveGreeted => self.drain(&mut events),
        }
        self.leave()
    }

    /// Goes on with a connection that an earlier thread has left, or closes it.
    fn take_up(&mut self, left: LeftConnection) {
        let (key, who) = (self.slots.next_key(), left.who.clone());
        let id = self.feed.opened(who);
        let Some(mut connection) = Connection::taken_up(left, &self.feed, id, key) else {
            return self.feed.closed(id);
        };
        if connection.is_polled {
            let data = EventData::new_u64(key as u64);
            connection.is_polled = epoll::add(&self.epoll, &connection, data, EventFlags::IN).is_ok();
        }
        self.slots.insert(connection);
        self.plan_check(key, Instant::now());
    }

    /// Lets small writes gather.
    fn rest(&mut self) {
        let rest = self.pace.after(std::mem::take(&mut self.most));
        if !rest.is_zero() {
            thread::sleep(rest);
        }
    }

    /// How long nothing has to be done unless something comes.
    fn timeout(&self) -> Option<Duration> {
        let next = [self.next_check, self.paused_until].into_iter().flatten().min()?;
        // A millisecond more, rather than waking up just too early.
        Some(next.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    /// Waits, serves who is ready, accepts last (so that no key changes its owner while events are out).
    /// Returns how many were ready.
    fn round(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> usize {
        events.clear();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        if epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref()).is_err() {
            return 0;
        }
        let now = Instant::now();
        let (mut is_called, mut has_mail) = (false, false);
        for event in &*events {
            match event.data.u64() {
                LISTENER => is_called = true,
                STOP => {}
                MAIL => has_mail = true,
                key => self.serve(key as usize, now),
            }
        }
        if has_mail {
            self.read_mail(now);
        }
        if is_called {
            self.accept(now);
        }
        self.check(now);
        events.len()
    }

    fn serve(&mut self, key: usize, now: Instant) {
        for _ in 0..READS {
            let Some(connection) = self.slots.get_mut(key) else { return };
            match connection.turn(&self.feed, &mut self.spare, now) {
                Turn::Read(bytes) => {
                    self.most = self.most.max(bytes);
                    if bytes < MORE {
                        break;
                    }
                }
                Turn::Idle => break,
                Turn::Paused => {
                    self.poll(key, false);
                    break;
                }
                Turn::Ended => return self.close(key),
            }
        }
        self.plan_check(key, now);
    }

    /// Notes when a connection has to be looked at.
    fn plan_check(&mut self, key: usize, now: Instant) {
        let deadline = self.slots.get_mut(key).and_then(|c| c.deadline(self.limits.partial_line, now));
        self.next_check = self.next_check.into_iter().chain(deadline).min();
    }

    /// Begins or ceases to look for what a connection sends. One that is only not read would call for
    /// attention for ever once its sender is gone.
    fn poll(&mut self, key: usize, is_polled: bool) {
        let Some(connection) = self.slots.get_mut(key).filter(|c| c.is_polled != is_polled) else { return };
        let done = match is_polled {
            true => epoll::add(&self.epoll, &*connection, EventData::new_u64(key as u64), EventFlags::IN),
            false => epoll::delete(&self.epoll, &*connection),
        };
        match done {
            Ok(()) => connection.is_polled = is_polled,
            Err(error) => tracing::warn!(source = &*self.feed.name, %error, "a connection can't be polled"),
        }
    }

    /// Tells acknowledged senders what the desk has for them.
    fn read_mail(&mut self, now: Instant) {
        for (conn, mail) in self.feed.inbox.take() {
            let key = mail.key;
            let Some(connection) = self.slots.get_mut(key).filter(|c| c.id() == conn) else { continue };
            if connection.told(&self.feed, mail, now) == Turn::Ended {
                self.close(key);
                continue;
            }
            let is_reading = connection.is_reading(&self.feed);
            self.poll(key, is_reading);
            self.plan_check(key, now);
        }
    }

    fn close(&mut self, key: usize) {
        if let Some(connection) = self.slots.remove(key) {
            self.feed.closed(connection.id());
        }
    }

    /// Looks after unfinished lines, and resumes accepting.
    fn check(&mut self, now: Instant) {
        if self.paused_until.is_some_and(|until| now >= until) {
            self.paused_until = None;
            self.listen(EventFlags::IN);
        }
        if self.next_check.is_none_or(|at| now < at) {
            return;
        }
        self.next_check = None;
        for key in self.slots.keys() {
            let Some(connection) = self.slots.get_mut(key) else { continue };
            if connection.expire(&self.feed, self.limits.partial_line, now) {
                self.close(key);
                continue;
            }
            let deadline = connection.deadline(self.limits.partial_line, now);
            self.next_check = self.next_check.into_iter().chain(deadline).min();
        }
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPTS {
            match accept_with(&self.listening.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(connection) => self.admit(connection),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE) if self.turn_away() => {}
                Err(_) => return self.pause(now),
            }
        }
    }

    fn admit(&mut self, connection: OwnedFd) {
        if self.slots.len() >= self.limits.connections {
            self.feed.count(Told::RefusedConnections, 1);
            return;
        }
        let key = self.slots.next_key();
        let data = EventData::new_u64(key as u64);
        if epoll::add(&self.epoll, &connection, data, EventFlags::IN).is_err() {
            self.feed.count(Told::RefusedConnections, 1);
            return;
        }
        let id = self.feed.opened((self.listening.greet)(connection.as_fd()));
        self.slots.insert(Connection::new(connection, id, self.feed.line(), key));
    }

    /// No descriptor is left: gives up the one in reserve to accept and close a waiting connection, which
    /// would otherwise keep the listener ready for ever. Whether that worked.
    fn turn_away(&mut self) -> bool {
        drop(self.reserve.take());
        let away = accept_with(&self.listening.socket, SocketFlags::CLOEXEC);
        self.feed.count(Told::RefusedConnections, u64::from(away.is_ok()));
        drop(away);
        self.reserve = reserve();
        self.reserve.is_some()
    }

    fn pause(&mut self, now: Instant) {
        self.listen(EventFlags::empty());
        self.paused_until = Some(now + ACCEPT_PAUSE);
        if self.reserve.is_none() {
            self.reserve = reserve();
        }
    }

    fn listen(&self, interest: EventFlags) {
        let key = EventData::new_u64(LISTENER);
        if let Err(error) = epoll::modify(&self.epoll, &self.listening.socket, key, interest) {
            tracing::warn!(source = &*self.feed.name, %error, "the listener can't be polled");
        }
    }

    /// After a stop: takes what waits in the kernel.
    fn drain(&mut self, events: &mut Vec<Event>) {
        let _ = epoll::delete(&self.epoll, self.feed.stop.as_fd());
        let _ = epoll::delete(&self.epoll, self.feed.inbox.as_fd());
        if self.listening.is_inherited {
            let _ = epoll::delete(&self.epoll, &self.listening.socket);
        }
        let deadline = Instant::now() + DRAIN;
        while Instant::now() < deadline && self.round(events, Some(Duration::ZERO)) > 0 {}
    }

    /// Lets go of everything, and gives what is to go on. Of what is closed, a line without its end never gets it.
    fn leave(mut self) -> Left {
        let ending = self.feed.ending();
        let mut connections = Vec::new();
        for key in self.slots.keys() {
            let Some(mut connection) = self.slots.remove(key) else { continue };
            let stays = match ending {
                Ending::Close => false,
                Ending::LeaveGreeted => connection.is_acked(),
                Ending::LeaveAll => true,
            };
            if !stays {
                connection.abandon(&self.feed);
            }
            let who = self.feed.forgotten(connection.id());
            let left = if stays { connection.leave() } else { None };
            connections.extend(left.map(|left| LeftConnection { who, ..left }));
        }
        let listening = (ending == Ending::LeaveAll).then_some(self.listening);
        Left { listening, connections, ..Left::default() }
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}
