//! Sources of type `udp`: lines in UDP datagrams, with large receive buffers and the kernel's drops counted,
//! at one socket or at several that share the port.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_reuseport, socket_cookie};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::Bound;
use super::datagrams::{DatagramLimits, DatagramSocket, Datagrams};
use super::feed::Feed;
use super::left::Left;
use super::pace::Pace;
use super::reads::ReadTallies;
use super::socket_path::unblocked;
use crate::config::UdpOptions;
use crate::sys::{
    Inherited, ListenerKind, ReceiveBuffer, join_datagrams, request_receive_buffer, socket_drops,
};

/// The receive buffer asked for: about 10 ms of datagrams at a gigabyte per second.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;
/// The longest rest between few datagrams, however large the buffer is.
const REST: Duration = Duration::from_millis(4);
/// What datagrams take of the buffer at worst, in bytes per nanosecond: a rest may use a third of it.
const WORST_RATE: f64 = 1.5;
/// From so many datagrams at once on, rests get shorter: more at a time is hardly cheaper, and they leave
/// the cache.
const SOME: usize = 384;
/// From so many on there is no rest.
const MANY: usize = 4096;

/// The sockets of one source.
struct Receivers {
    sockets: Vec<DatagramSocket>,
    buffer: ReceiveBuffer,
    address: Option<SocketAddr>,
}

/// Takes up the sockets that an earlier thread has left, if there are any.
pub(super) fn bind(
    address: SocketAddr,
    options: UdpOptions,
    inherited: &mut Inherited,
    reads: &ReadTallies,
    left: Vec<DatagramSocket>,
) -> io::Result<Bound> {
    let receivers = match left.is_empty() {
        true => open_or_inherit(address, options, inherited, reads)?,
        false => Receivers::of(left)?,
    };
    let (address, receive_buffer) = (receivers.address, Some(receivers.buffer));
    Ok(Bound { address, receive_buffer, run: Box::new(move |feed| receivers.run(feed)) })
}

fn open_or_inherit(
    address: SocketAddr,
    options: UdpOptions,
    inherited: &mut Inherited,
    reads: &ReadTallies,
) -> io::Result<Receivers> {
    let mut found: Vec<OwnedFd> =
        std::iter::from_fn(|| inherited.take_address(ListenerKind::Datagram, &[address])).collect();
    let wanted = options.receivers.max(1);
    let is_inherited = !found.is_empty();
    if is_inherited && found.len() != wanted {
        let (given, asked) = (found.len(), wanted);
        tracing::warn!(%address, given, asked, "the service manager gave another number of sockets");
    }
    if !is_inherited {
        found = open_all(address, wanted)?;
    }
    let ready = |fd| {
        let drops = if is_inherited { drops_before(&fd, reads)? } else { 0 };
        if options.gro {
            join_datagrams(&fd)?;
        }
        Ok(DatagramSocket { fd, drops, trains: options.gro })
    };
    Receivers::of(found.into_iter().map(ready).collect::<io::Result<_>>()?)
}

/// How many drops of an inherited socket an earlier run has counted. Those of a socket that none of ours had
/// are not ours to count.
fn drops_before(socket: &OwnedFd, reads: &ReadTallies) -> io::Result<u32> {
    let known = socket_cookie(socket).ok().and_then(|cookie| reads.drops(cookie));
    known.map_or_else(|| socket_drops(socket), Ok)
}

fn open_all(address: SocketAddr, count: usize) -> io::Result<Vec<OwnedFd>> {
    let first = open(address, count > 1)?;
    // The same port for all, also where any was asked for.
    let address = SockRef::from(&first).local_addr()?.as_socket().unwrap_or(address);
    let others = (1..count).map(|_| open(address, true));
    std::iter::once(Ok(first)).chain(others).collect()
}

fn open(address: SocketAddr, is_shared: bool) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if is_shared {
        set_socket_reuseport(&socket, true)?;
    }
    socket.bind(&address.into())?;
    unblocked(socket)
}

impl Receivers {
    fn of(sockets: Vec<DatagramSocket>) -> io::Result<Receivers> {
        let mut buffer = ReceiveBuffer { asked: RECEIVE_BUFFER, granted: RECEIVE_BUFFER };
        let mut address = None;
        for DatagramSocket { fd, .. } in &sockets {
            let granted = request_receive_buffer(fd, RECEIVE_BUFFER)?.granted;
            buffer.granted = buffer.granted.min(granted);
            address = SockRef::from(fd).local_addr()?.as_socket();
        }
        Ok(Receivers { sockets, buffer, address })
    }

    /// Serves each socket on a thread of its own until the source is stopped. Gives those that are to go on.
    fn run(self, feed: Feed) -> Left {
        let limits = limits(self.buffer);
        let (count, address) = (self.sockets.len(), self.address);
        let who = |at: usize| {
            let address = address.map_or_else(String::new, |address| address.to_string());
            if count > 1 { format!("{address} ({} of {count})", at + 1) } else { address }
        };
        let mut all: Vec<Datagrams> = (0..)
            .zip(self.sockets)
            .map(|(at, socket)| {
                let feed = if at == 0 { feed.clone() } else { feed.for_another_thread() };
                Datagrams::new(socket, who(at), feed, limits)
            })
            .collect();
        let first = all.pop();
        let sockets = thread::scope(|scope| {
            let mut others = Vec::new();
            for (at, receiver) in (2..).zip(all) {
                let builder = thread::Builder::new().name(format!("source-{}-{at}", feed.name));
                match builder.spawn_scoped(scope, || receiver.run()) {
                    Ok(other) => others.push(other),
                    // Its socket is closed; what comes goes to the others.
                    Err(error) => {
                        tracing::error!(source = &*feed.name, %error, "a receiver can't be started");
                    }
                }
            }
            let first = first.and_then(Datagrams::run);
            let others = others.into_iter().filter_map(|other| other.join().ok().flatten());
            others.chain(first).collect()
        });
        Left { sockets, ..Left::default() }
    }
}

/// Datagrams are at most 65,507 bytes long. A short stall of the lanes is sat out (the kernel's buffer
/// fills meanwhile); a longer one sheds, so that the loss is known in lines rather than in datagrams.
fn limits(buffer: ReceiveBuffer) -> DatagramLimits {
    // The kernel really grants twice of what it is asked for.
    let third_ns = (2 * buffer.granted / 3) as f64 / WORST_RATE;
    let pace = Pace::new(REST.min(Duration::from_nanos(third_ns as u64)), SOME, MANY);
    DatagramLimits { batch: 64, datagram_bytes: 64 * 1024, patience: Duration::from_millis(20), pace }
}
