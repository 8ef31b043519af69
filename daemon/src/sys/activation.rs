//! Sockets inherited from the service manager, found by address and type.

#![allow(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{SockRef, Type};

/// What kind of listener is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// A stream (listening) socket.
    Stream,
    /// A datagram socket.
    Datagram,
}

/// Inherited sockets that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Socket>,
}

#[derive(Debug)]
struct Socket {
    fd: OwnedFd,
    name: String,
    kind: Option<ListenerKind>,
    path: Option<PathBuf>,
    address: Option<SocketAddr>,
}

/// The environment's sockets may be taken over once only.
static TAKEN_OVER: AtomicBool = AtomicBool::new(false);

impl Inherited {
    /// Nothing is inherited.
    pub fn none() -> Inherited {
        Inherited::default()
    }

    /// The sockets that the service manager passed to this process (`LISTEN_FDS`). Only the first
    /// call finds any.
    ///
    /// # Errors
    /// The variables are broken.
    pub fn from_environment() -> io::Result<Inherited> {
        let mut sockets = Vec::new();
        for (fd, name) in sd_notify::listen_fds_with_names()? {
            if TAKEN_OVER.load(Ordering::Acquire) {
                break;
            }
            // SAFETY: `LISTEN_PID` says that these descriptors were made for this process, and
            // `TAKEN_OVER` lets them be owned once only.
            sockets.push((unsafe { OwnedFd::from_raw_fd(fd) }, name));
        }
        TAKEN_OVER.store(true, Ordering::Release);
        Ok(Inherited::from_sockets(sockets))
    }

    /// Takes over these sockets, each with its name.
    pub fn from_sockets(sockets: Vec<(OwnedFd, String)>) -> Inherited {
        Inherited { sockets: sockets.into_iter().map(|(fd, name)| Socket::new(fd, name)).collect() }
    }

    /// The inherited UNIX socket bound to `path`, if there is one.
    pub fn take_path(&mut self, kind: ListenerKind, path: &Path) -> Option<OwnedFd> {
        let wanted = resolved(path);
        self.take(|socket| socket.kind == Some(kind) && socket.path.as_deref() == Some(&wanted))
    }

    /// The inherited TCP or UDP socket bound to one of `addresses`, if there is one.
    pub fn take_address(&mut self, kind: ListenerKind, addresses: &[SocketAddr]) -> Option<OwnedFd> {
        self.take(|socket| {
            socket.kind == Some(kind) && socket.address.is_some_and(|a| addresses.contains(&a))
        })
    }

    /// Those that have a name which begins like this, listeners or not.
    pub fn take_named(&mut self, beginning: &str) -> Vec<(String, OwnedFd)> {
        let named = self.sockets.extract_if(.., |socket| socket.name.starts_with(beginning));
        named.map(|socket| (socket.name, socket.fd)).collect()
    }

    /// The same sockets once more: a reload binds anew while the manager's sockets stay open.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Inherited> {
        let copies: io::Result<Vec<_>> =
            self.sockets.iter().map(|socket| Ok((socket.fd.try_clone()?, socket.name.clone()))).collect();
        Ok(Inherited::from_sockets(copies?))
    }

    /// The names of sockets that nothing in the configuration took: worth a warning.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.sockets.iter().map(|socket| socket.name.as_str())
    }

    fn take(&mut self, fits: impl Fn(&Socket) -> bool) -> Option<OwnedFd> {
        let at = self.sockets.iter().position(fits)?;
        Some(self.sockets.swap_remove(at).fd)
    }
}

impl Socket {
    fn new(fd: OwnedFd, name: String) -> Socket {
        let socket = SockRef::from(&fd);
        // The manager hands them over blocking, and nobody here waits in accept. One that can't be
        // changed is of no use and matches nothing.
        let usable = socket.set_nonblocking(true).is_ok();
        let kind = match socket.r#type() {
            _ if !usable => None,
            Ok(Type::STREAM) if socket.is_listener().unwrap_or(false) => Some(ListenerKind::Stream),
            Ok(Type::DGRAM) => Some(ListenerKind::Datagram),
            _ => None,
        };
        let bound = socket.local_addr().ok();
        let path = bound.as_ref().and_then(|address| address.as_pathname()).map(resolved);
        let address = bound.as_ref().and_then(socket2::SockAddr::as_socket);
        Socket { fd, name, kind, path, address }
    }
}

/// `/var/run/x` and `/run/x` are the same place.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    #[test]
    fn listeners_are_found_by_address_and_type() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("events.sock");
        let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
        let tcp_address = tcp.local_addr().expect("an address");
        let udp = UdpSocket::bind(tcp_address).expect("the same port, another protocol");
        let stream = UnixListener::bind(&path).expect("bound");
        let datagram = UnixDatagram::bind(dir.path().join("events.dgram")).expect("bound");
        let fds: [OwnedFd; 4] = [udp.into(), tcp.into(), stream.into(), datagram.into()];
        let names = ["udp", "tcp", "stream", "datagram"].map(str::to_owned);
        let mut inherited = Inherited::from_sockets(fds.into_iter().zip(names).collect());

        assert!(inherited.take_path(ListenerKind::Datagram, &path).is_none(), "the type differs");
        let roundabout = dir.path().join(".").join("events.sock");
        assert!(inherited.take_path(ListenerKind::Stream, &roundabout).is_some());
        assert!(inherited.take_path(ListenerKind::Stream, &path).is_none(), "it was taken");
        let found = inherited.take_address(ListenerKind::Stream, &[tcp_address]).expect("inherited");
        assert_eq!(SockRef::from(&found).r#type().expect("a type"), Type::STREAM);
        let mut left: Vec<&str> = inherited.left().collect();
        left.sort_unstable();
        assert_eq!(left, ["datagram", "udp"]);
    }

    #[test]
    fn without_a_service_manager_nothing_is_inherited() {
        assert_eq!(Inherited::from_environment().expect("no variables").left().count(), 0);
        assert_eq!(Inherited::none().left().count(), 0);
    }
}
