//! Sources: threads that wait at sockets and files, read into pooled buffers and hand blocks of whole
//! lines to the lanes. One thread per source, one file per kind.
//!
//! In: the checked configuration of a source, an [`Intake`]. Out: blocks, counters, who is connected,
//! answers to acknowledged senders.
//! Must not know: formats, counting, storage, outlets.

mod ack_counters;
mod acked;
mod acks;
mod connection;
mod conns;
mod cut;
mod datagrams;
mod feed;
mod file;
mod http;
mod left;
mod outbox;
mod pace;
mod quarrels;
mod reads;
mod running;
mod senders;
#[cfg(test)]
mod simulated;
mod slots;
mod socket_path;
mod stdin;
mod stream;
mod tally;
mod tcp;
mod udp;
mod unix;
mod unix_datagram;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ebbd_core::model::SourceId;

pub use ack_counters::{AckFigures, PROTOCOL_ERRORS};
pub use acks::{AckDesk, Acks, Binding, MOST_IDS};
pub use conns::{Changes, Conn, ConnChange, ConnTable};
pub use feed::Intake;
pub use file::{FileBook, FileNote, Position};
pub use left::{Conversation, Ending, Left};
pub use reads::{EarlierRun, Lost, Read, ReadBook, ReadTallies};
pub use senders::{Numbered, Sender, Senders, Spoken};
#[cfg(test)]
pub(crate) use simulated::SimulatedSource;
pub use tally::{SourceCounters, SourceTold};

use crate::config::{SourceConfig, SourceKind};
use crate::sys::{Inherited, ReceiveBuffer, Wake};
use acks::Inbox;
use feed::Feed;
use tally::Told;

/// What a TCP connection's buffer grows to by default.
const TCP_BUFFER: usize = 6 * 1024 * 1024;
/// What UNIX sockets and pipes hold by default.
const LOCAL_BUFFER: usize = 208 * 1024;

/// A source could not be started.
#[derive(Debug, thiserror::Error)]
#[error("source \"{name}\" can't use {place}: {error}")]
pub struct SourceError {
    /// Its configured name.
    pub name: String,
    /// Its address, path or glob.
    pub place: String,
    /// Why.
    #[source]
    pub error: io::Error,
}

/// A running source.
#[derive(Debug)]
pub struct SourceHandle {
    /// Its place in the configuration.
    pub id: SourceId,
    /// Its configured name.
    pub name: String,
    /// What it tells the committer.
    pub counters: Arc<SourceCounters>,
    /// The address it is bound to (the port, when 0 was configured).
    pub address: Option<SocketAddr>,
    /// The receive buffer of a datagram socket: a short one is worth a warning.
    pub receive_buffer: Option<ReceiveBuffer>,
    stop: Arc<Wake>,
    ending: Arc<AtomicU8>,
    thread: JoinHandle<Left>,
}

impl SourceHandle {
    /// Asks it to end. Returns at once.
    pub fn stop(&self, ending: Ending) {
        self.ending.store(ending as u8, Ordering::Release);
        self.stop.set();
    }

    /// Whether its thread has ended: after a stop, at the end of standard input, or by a panic.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end. Gives what it left; `None` if its thread panicked.
    pub fn join(self) -> Option<Left> {
        self.thread.join().ok()
    }
}

/// A bound source that doesn't run yet.
struct Bound {
    address: Option<SocketAddr>,
    receive_buffer: Option<ReceiveBuffer>,
    run: Box<dyn FnOnce(Feed) -> Left + Send>,
}

/// What a source goes on from.
#[derive(Debug, Default)]
pub struct Before<'a> {
    /// How far files were read (those of other sources are ignored).
    pub files: &'a [Position],
    /// What an earlier thread of the same source has left.
    pub left: Left,
}

/// Binds a source, taking a socket that was left or inherited where one matches, and starts its thread.
///
/// # Errors
/// The address is in use, the path not allowed, the group unknown: a [`SourceError`] says so.
pub fn spawn(
    config: &SourceConfig,
    intake: &Intake,
    inherited: &mut Inherited,
    before: Before<'_>,
) -> Result<SourceHandle, SourceError> {
    let explain = explain(config);
    let bound = bind(config, &intake.reads, inherited, before).map_err(explain)?;
    start(config, intake, bound).map_err(explain)
}

/// Tries whether a source could be bound, and lets go of it again.
///
/// # Errors
/// Those of [`spawn`].
pub fn probe(config: &SourceConfig, inherited: &mut Inherited) -> Result<(), SourceError> {
    bind(config, &ReadTallies::default(), inherited, Before::default()).map(drop).map_err(explain(config))
}

fn explain(config: &SourceConfig) -> impl Fn(io::Error) -> SourceError + Copy {
    |error| SourceError { name: config.spec.name.clone(), place: config.kind.place(), error }
}

/// The registry of kinds.
fn bind(
    config: &SourceConfig,
    reads: &ReadTallies,
    inherited: &mut Inherited,
    before: Before<'_>,
) -> io::Result<Bound> {
    let Before { files, left } = before;
    Ok(match &config.kind {
        SourceKind::Unix(socket) => {
            let listening = left.listening.map_or_else(|| unix::listen(socket, inherited), Ok)?;
            listening.bound(config, left.connections)
        }
        SourceKind::Tcp { addr } => {
            let listening = left.listening.map_or_else(|| tcp::listen(*addr, inherited), Ok)?;
            listening.bound(config, left.connections)
        }
        SourceKind::UnixDatagram(socket) => unix_datagram::bind(socket, inherited, left)?,
        SourceKind::Udp { addr, options } => udp::bind(*addr, *options, inherited, reads, left.sockets)?,
        SourceKind::File { glob, from } => {
            let own = files.iter().filter(|position| position.source == config.spec.name);
            file::bind(glob, *from, &own.cloned().collect::<Vec<_>>())
        }
        SourceKind::Stdin => stdin::bind(Duration::from_millis(config.partial_line_ms), left.connections)?,
        SourceKind::Http { addr, token_file, token } => {
            if token_file.is_some() && token.is_none() {
                return Err(io::Error::other("its token_file could not be read"));
            }
            let listening = left.listening.map_or_else(|| tcp::listen(*addr, inherited), Ok)?;
            http::bind(listening, token.clone(), config)?
        }
    })
}

fn start(config: &SourceConfig, intake: &Intake, bound: Bound) -> io::Result<SourceHandle> {
    let stop = Arc::new(Wake::new()?);
    let counters = Arc::new(SourceCounters::default());
    let ending = Arc::new(AtomicU8::new(Ending::default() as u8));
    let feed = Feed {
        source: config.spec.id,
        name: Arc::from(config.spec.name.as_str()),
        intake: intake.clone(),
        counters: Arc::clone(&counters),
        reads: intake.reads.of(config.spec.id),
        kernel_buffer: kernel_buffer(config, bound.receive_buffer),
        acks: config.ack,
        inbox: Arc::new(Inbox::new()?),
        stop: Arc::clone(&stop),
        ending: Arc::clone(&ending),
    };
    feed.counters.add(Told::KernelDatagrams, intake.reads.kernel_datagrams(config.spec.id));
    let Bound { address, receive_buffer, run } = bound;
    if let Some(short) = receive_buffer.filter(ReceiveBuffer::is_short) {
        let ReceiveBuffer { asked, granted } = short;
        tracing::warn!(
            source = config.spec.name,
            asked,
            granted,
            "the receive buffer is small, bursts may be lost: raise net.core.rmem_max"
        );
    }
    let thread =
        thread::Builder::new().name(format!("source-{}", config.spec.name)).spawn(move || run(feed))?;
    let (id, name) = (config.spec.id, config.spec.name.clone());
    Ok(SourceHandle { id, name, counters, address, receive_buffer, stop, ending, thread })
}

/// What the kernel holds for a connection or socket at most, in bytes.
fn kernel_buffer(config: &SourceConfig, receive_buffer: Option<ReceiveBuffer>) -> usize {
    match config.kind {
        SourceKind::Tcp { .. } => most_tcp_buffer().unwrap_or(TCP_BUFFER),
        // It really grants twice of what it is asked for.
        _ => receive_buffer.map_or(LOCAL_BUFFER, |buffer| 2 * buffer.granted),
    }
}

/// The third number says how far the kernel lets a connection's buffer grow.
fn most_tcp_buffer() -> Option<usize> {
    let numbers = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_rmem").ok()?;
    numbers.split_ascii_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests;
