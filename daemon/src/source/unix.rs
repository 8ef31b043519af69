//! Sources of type `unix`: lines over UNIX stream connections.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::Type;

use super::socket_path::{bind_path, unblocked};
use super::stream::{BACKLOG, Listening};
use crate::config::SocketPath;
use crate::sys::{Inherited, ListenerKind, peer_credentials};

pub(super) fn listen(place: &SocketPath, inherited: &mut Inherited) -> io::Result<Listening> {
    let (socket, path) = match inherited.take_path(ListenerKind::Stream, &place.path) {
        Some(socket) => (socket, None),
        None => {
            let (socket, path) = bind_path(place, Type::STREAM)?;
            socket.listen(BACKLOG)?;
            (unblocked(socket)?, Some(path))
        }
    };
    let is_inherited = path.is_none();
    Ok(Listening { socket, _path: path, is_inherited, greet })
}

/// Who connected.
fn greet(connection: BorrowedFd<'_>) -> String {
    match peer_credentials(connection.as_fd()) {
        Ok(peer) => format!("pid {} uid {}", peer.pid, peer.uid),
        Err(_) => "unknown peer".to_owned(),
    }
}
