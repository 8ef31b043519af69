//! Sources of type `tcp`: lines over TCP connections.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::socket_path::unblocked;
use super::stream::{BACKLOG, Listening};
use crate::sys::{Inherited, ListenerKind};

/// A silent peer is asked whether it still lives after this long.
const KEEPALIVE: Duration = Duration::from_secs(60);

pub(super) fn listen(address: SocketAddr, inherited: &mut Inherited) -> io::Result<Listening> {
    let found = inherited.take_address(ListenerKind::Stream, &[address]);
    let is_inherited = found.is_some();
    let socket = found.map_or_else(|| open(address), Ok)?;
    Ok(Listening { socket, _path: None, is_inherited, greet })
}

fn open(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    unblocked(socket)
}

/// Makes sure that a peer which vanished is noticed, and says who it is.
fn greet(connection: BorrowedFd<'_>) -> String {
    let fd = connection.as_fd();
    let socket = SockRef::from(&fd);
    // Without keep-alive the connection works all the same.
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4));
    match socket.peer_addr().ok().and_then(|peer| peer.as_socket()) {
        Some(peer) => peer.to_string(),
        None => "unknown peer".to_owned(),
    }
}
