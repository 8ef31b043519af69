//! Sources of type `udp`: lines in UDP datagrams, with a large receive buffer and the kernel's drops counted.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::Bound;
use super::datagrams::{DatagramLimits, Datagrams};
use super::socket_path::unblocked;
use crate::sys::{Inherited, ListenerKind, request_receive_buffer, socket_drops};

/// The receive buffer asked for: about 10 ms of datagrams at a gigabyte per second.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;
/// Datagrams are at most 65,507 bytes long. A short stall of the lanes is sat out (the kernel's buffer
/// fills meanwhile); a longer one sheds, so that the loss is known in lines rather than in datagrams.
const LIMITS: DatagramLimits =
    DatagramLimits { batch: 64, datagram_bytes: 64 * 1024, patience: Duration::from_millis(20) };

pub(super) fn bind(address: SocketAddr, inherited: &mut Inherited) -> io::Result<Bound> {
    let found = inherited.take_address(ListenerKind::Datagram, &[address]);
    // What an inherited socket dropped before was somebody else's to count.
    let drops = found.as_ref().map_or(Ok(0), socket_drops)?;
    let socket = found.map_or_else(|| open(address), Ok)?;
    let receive_buffer = request_receive_buffer(&socket, RECEIVE_BUFFER)?;
    let address = SockRef::from(&socket).local_addr()?.as_socket();
    let who = address.map_or_else(String::new, |address| address.to_string());
    let run = move |feed| Datagrams::new(socket, who, feed, LIMITS, drops).run();
    Ok(Bound { address, receive_buffer: Some(receive_buffer), run: Box::new(run) })
}

fn open(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&address.into())?;
    unblocked(socket)
}
