//! Sources of type `unix_datagram`: lines in UNIX datagrams. The kernel never drops them: it holds the
//! sender up. Lines are shed only when the lanes stand still.

use std::io;
use std::time::Duration;

use socket2::Type;

use super::Bound;
use super::datagrams::{DatagramLimits, Datagrams};
use super::socket_path::{bind_path, unblocked};
use crate::config::SocketPath;
use crate::sys::{Inherited, ListenerKind};

/// A sender can't make a datagram longer than its send buffer, whose usual bound is 208 KiB.
const LIMITS: DatagramLimits =
    DatagramLimits { batch: 16, datagram_bytes: 256 * 1024, patience: Duration::from_secs(1) };

pub(super) fn bind(place: &SocketPath, inherited: &mut Inherited) -> io::Result<Bound> {
    let (socket, path) = match inherited.take_path(ListenerKind::Datagram, &place.path) {
        Some(socket) => (socket, None),
        None => {
            let (socket, path) = bind_path(place, Type::DGRAM)?;
            (unblocked(socket)?, Some(path))
        }
    };
    let who = place.path.display().to_string();
    let run = move |feed| {
        let path = path;
        Datagrams::new(socket, who, feed, LIMITS, 0).run();
        drop(path);
    };
    Ok(Bound { address: None, receive_buffer: None, run: Box::new(run) })
}
