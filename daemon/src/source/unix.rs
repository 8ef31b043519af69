//! Sources of type `unix`: lines over UNIX stream connections.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::Type;

use super::Bound;

use super::socket_path::{bind_path, unblocked};
use super::stream::{BACKLOG, Listening, StreamLimits};
use crate::config::{SocketPath, SourceConfig};
use crate::sys::{Inherited, ListenerKind, peer_credentials};

pub(super) fn bind(
    place: &SocketPath,
    config: &SourceConfig,
    inherited: &mut Inherited,
) -> io::Result<Bound> {
    let (socket, path) = match inherited.take_path(ListenerKind::Stream, &place.path) {
        Some(socket) => (socket, None),
        None => {
            let (socket, path) = bind_path(place, Type::STREAM)?;
            socket.listen(BACKLOG)?;
            (unblocked(socket)?, Some(path))
        }
    };
    let is_inherited = path.is_none();
    let listening = Listening { socket, path, is_inherited, greet };
    let limits = StreamLimits::of(config);
    Ok(Bound {
        address: None,
        receive_buffer: None,
        run: Box::new(move |feed| listening.serve(feed, limits)),
    })
}

/// Who connected.
fn greet(connection: BorrowedFd<'_>) -> String {
    match peer_credentials(connection.as_fd()) {
        Ok(peer) => format!("pid {} uid {}", peer.pid, peer.uid),
        Err(_) => "unknown peer".to_owned(),
    }
}
