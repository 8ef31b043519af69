//! Who is at the other end of a UNIX connection.

use std::io;
use std::os::fd::AsFd;

/// A peer's process, user and group as the kernel saw them when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process id.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// The credentials of a connected UNIX socket's peer.
///
/// # Errors
/// It is no connected UNIX socket.
pub fn peer_credentials(socket: impl AsFd) -> io::Result<Peer> {
    let credentials = rustix::net::sockopt::socket_peercred(socket)?;
    Ok(Peer {
        pid: credentials.pid.as_raw_nonzero().get(),
        uid: credentials.uid.as_raw(),
        gid: credentials.gid.as_raw(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_sockets_is_connected_to_this_process() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let peer = peer_credentials(&one).expect("credentials");
        assert_eq!(u32::try_from(peer.pid).ok(), Some(std::process::id()));
        assert_eq!(peer.uid, rustix::process::getuid().as_raw());
        assert!(peer_credentials(std::io::stdin()).is_err());
    }
}
