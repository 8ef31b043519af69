//! Sources of type `unix_datagram`: lines in UNIX datagrams. The kernel never drops them: it holds the
//! sender up. Lines are shed only when the lanes stand still.

use std::io;
use std::time::Duration;

use socket2::Type;

use super::Bound;
use super::datagrams::{DatagramLimits, DatagramSocket, Datagrams};
use super::left::Left;
use super::pace::Pace;
use super::socket_path::{BoundPath, bind_path, unblocked};
use crate::config::SocketPath;
use crate::sys::{Inherited, ListenerKind};

/// The longest rest between few datagrams.
const REST: Duration = Duration::from_millis(2);
/// A socket holds ten datagrams by default before their senders wait: from so many on rests get shorter.
const SOME: usize = 4;
/// From so many on there is no rest.
const MANY: usize = 8;

/// A sender can't make a datagram longer than its send buffer, whose usual bound is 208 KiB.
fn limits() -> DatagramLimits {
    let pace = Pace::new(REST, SOME, MANY);
    DatagramLimits { batch: 16, datagram_bytes: 256 * 1024, patience: Duration::from_secs(1), pace }
}

pub(super) fn bind(place: &SocketPath, inherited: &mut Inherited, left: Left) -> io::Result<Bound> {
    let (socket, path) = match (left.sockets.into_iter().next(), left.path) {
        (Some(socket), path) => (socket, path),
        (None, _) => open(place, inherited)?,
    };
    let who = place.path.display().to_string();
    let run = move |feed| {
        let socket = Datagrams::new(socket, who, feed, limits()).run();
        let path = path.filter(|_| socket.is_some());
        Left { sockets: socket.into_iter().collect(), path, ..Left::default() }
    };
    Ok(Bound { address: None, receive_buffer: None, run: Box::new(run) })
}

fn open(place: &SocketPath, inherited: &mut Inherited) -> io::Result<(DatagramSocket, Option<BoundPath>)> {
    let (fd, path) = match inherited.take_path(ListenerKind::Datagram, &place.path) {
        Some(fd) => (fd, None),
        None => {
            let (socket, path) = bind_path(place, Type::DGRAM)?;
            (unblocked(socket)?, Some(path))
        }
    };
    // The kernel drops none: it holds the sender up.
    Ok((DatagramSocket { fd, drops: 0, trains: false }, path))
}
