//! Who is at the other end of a UNIX connection.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

/// Groups that a process may be in (`NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;
/// More groups than nearly everybody is in: one call is enough then.
const GROUPS_USUAL: usize = 64;

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

/// The further groups of a connected UNIX socket's peer, as the kernel saw them when it connected. Nothing
/// of the standard library, rustix or nix tells them, and `/proc` would tell of whoever has the process id now.
///
/// # Errors
/// It is no connected UNIX socket, or the kernel is older than 4.13.
pub fn peer_groups(socket: impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; GROUPS_USUAL];
    match groups_into(&socket, &mut groups) {
        Err(error) if error.raw_os_error() == Some(libc::ERANGE) => groups.resize(GROUPS_MAX, 0),
        told => {
            groups.truncate(told?);
            return Ok(groups);
        }
    }
    let known = groups_into(&socket, &mut groups)?;
    groups.truncate(known);
    Ok(groups)
}

/// Fills `groups` from the front; how many there are.
fn groups_into(socket: &impl AsFd, groups: &mut [u32]) -> io::Result<usize> {
    let mut bytes = size_of_val(groups) as libc::socklen_t;
    // SAFETY: `groups` lives for the call and is as long as `bytes` says; the kernel writes at most that much,
    // whole numbers of 32 bits, and tells how much it wrote. The descriptor is borrowed, thus open.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(bytes as usize / size_of::<u32>()) }
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
        let own: Vec<u32> =
            rustix::process::getgroups().expect("groups").iter().map(|g| g.as_raw()).collect();
        assert_eq!(peer_groups(&one).expect("groups"), own);
        let file = std::fs::File::open("/dev/null").expect("a file");
        assert!(peer_credentials(&file).is_err() && peer_groups(&file).is_err());
    }
}
