//! Sources without threads, for tests that have to come out the same each time: their turns are taken by hand.
//!
//! In: a pipeline's intake, connected sockets, files. Out: blocks, answers, as the threads would have made
//! them. Must not know: what becomes of blocks.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::{Duration, Instant};

use super::acks::Inbox;
use super::connection::{Connection, Turn};
use super::feed::{Feed, Intake};
use super::file::SimulatedFiles;
use super::tally::SourceCounters;
use super::{Ending, Position};
use crate::config::{SourceConfig, SourceKind};
use crate::sys::Wake;

/// A source of streams or of followed files.
pub(crate) struct SimulatedSource {
    feed: Feed,
    connections: Vec<Option<Connection>>,
    files: Option<SimulatedFiles>,
    /// How often it has looked at a connection.
    looks: u64,
}

impl SimulatedSource {
    /// The source that `config` describes; files go on from `resume`.
    pub(crate) fn new(config: &SourceConfig, intake: &Intake, resume: &[Position]) -> SimulatedSource {
        let feed = Feed {
            source: config.spec.id,
            name: Arc::from(config.spec.name.as_str()),
            intake: intake.clone(),
            counters: Arc::new(SourceCounters::default()),
            reads: intake.reads.of(config.spec.id),
            kernel_buffer: 1 << 16,
            acks: config.ack,
            inbox: Arc::new(Inbox::new().expect("descriptors are left")),
            stop: Arc::new(Wake::new().expect("descriptors are left")),
            ending: Arc::new(AtomicU8::new(Ending::default() as u8)),
        };
        let own = resume.iter().filter(|position| position.source == config.spec.name);
        let files = match &config.kind {
            SourceKind::File { glob, .. } => Some(SimulatedFiles::begun(&feed, glob, own.cloned().collect())),
            _ => None,
        };
        SimulatedSource { feed, connections: Vec::new(), files, looks: 0 }
    }

    /// What it counts.
    pub(crate) fn counters(&self) -> Arc<SourceCounters> {
        Arc::clone(&self.feed.counters)
    }

    /// A sender connects; this is its end.
    pub(crate) fn connect(&mut self) -> UnixStream {
        let (theirs, ours) = UnixStream::pair().expect("descriptors are left");
        for end in [&theirs, &ours] {
            end.set_nonblocking(true).expect("a socket can do that");
        }
        let (conn, key) = (self.feed.opened("simulated".to_owned()), self.connections.len());
        let ours = Connection::new(OwnedFd::from(ours), conn, self.feed.line(), key);
        self.connections.push(Some(ours));
        theirs
    }

    /// Reads what came, though not at every connection each time, then the mail that was there before.
    pub(crate) fn turn(&mut self) {
        let now = Instant::now();
        let mail = self.feed.inbox.take();
        self.read(now);
        for (_, mail) in mail {
            let key = mail.key;
            if let Some(Some(connection)) = self.connections.get_mut(key)
                && connection.told(&self.feed, mail, now) == Turn::Ended
            {
                self.close(key);
            }
        }
    }

    fn read(&mut self, now: Instant) {
        for key in 0..self.connections.len() {
            self.looks += 1;
            if self.looks.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62 == 0 {
                continue;
            }
            let Some(connection) = &mut self.connections[key] else { continue };
            let turn = connection.turn(&self.feed, &mut None, now);
            let is_over = connection.expire(&self.feed, Duration::from_secs(30), now);
            if turn == Turn::Ended || is_over {
                self.close(key);
            }
        }
        self.files.iter_mut().for_each(SimulatedFiles::turn);
    }

    /// Nothing more is read: the process stops in order.
    pub(crate) fn stop(&mut self) {
        (0..4).for_each(|_| self.turn());
        for connection in self.connections.drain(..).flatten() {
            self.feed.forgotten(connection.id());
        }
    }

    fn close(&mut self, key: usize) {
        if let Some(mut connection) = self.connections[key].take() {
            connection.abandon(&self.feed);
            self.feed.closed(connection.id());
        }
    }
}
