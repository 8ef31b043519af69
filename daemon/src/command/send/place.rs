//! Where lines are sent to: a path or an address, given or found in the configuration.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, SourceKind};

/// How long a daemon that can be reached may take to answer a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Where a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A UNIX socket.
    Path(PathBuf),
    /// HOST:PORT.
    Address(String),
}

/// A connection to it.
#[derive(Debug)]
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Place {
    /// Reads `/run/ebbd/events.sock`, `unix:PATH`, `HOST:PORT` or `tcp:HOST:PORT`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn read(text: &str) -> Result<Place, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Place::Path(path.into()));
        }
        let address = text.strip_prefix("tcp:").unwrap_or(text);
        let has_port = address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        match has_port && !address.contains('/') {
            true => Ok(Place::Address(address.to_owned())),
            false if address.len() < text.len() => Err(format!("{text:?} lacks HOST:PORT")),
            false => Ok(Place::Path(text.into())),
        }
    }

    /// The first source of a configuration that acknowledges.
    pub(super) fn of(config: &Config) -> Option<Place> {
        config.sources.iter().filter(|source| source.ack).find_map(|source| match &source.kind {
            SourceKind::Unix(socket) => Some(Place::Path(socket.path.clone())),
            SourceKind::Tcp { addr } => Some(Place::Address(addr.to_string())),
            _ => None,
        })
    }

    /// Connects.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(super) fn connect(&self) -> io::Result<Stream> {
        use std::net::ToSocketAddrs;
        let address = match self {
            Place::Path(path) => return UnixStream::connect(path).map(Stream::Unix),
            Place::Address(address) => address,
        };
        let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Stream::Tcp(stream));
                }
                Err(refused) => error = refused,
            }
        }
        Err(error)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Path(path) => write!(f, "{}", path.display()),
            Place::Address(address) => f.write_str(address),
        }
    }
}

impl Stream {
    pub(super) fn try_clone(&self) -> io::Result<Stream> {
        match self {
            Stream::Unix(stream) => stream.try_clone().map(Stream::Unix),
            Stream::Tcp(stream) => stream.try_clone().map(Stream::Tcp),
        }
    }

    /// Ends one direction or both. One that is gone already is as good.
    pub(super) fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Stream::Unix(stream) => stream.shutdown(how),
            Stream::Tcp(stream) => stream.shutdown(how),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.read(buffer),
            Stream::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_paths_or_addresses() {
        let path = |path: &str| Ok(Place::Path(path.into()));
        let address = |address: &str| Ok(Place::Address(address.to_owned()));
        assert_eq!(Place::read("/run/ebbd/events.sock"), path("/run/ebbd/events.sock"));
        assert_eq!(Place::read("unix:a:1"), path("a:1"));
        assert_eq!(Place::read("./odd:1"), path("./odd:1"));
        assert_eq!(Place::read("shop.example:5170"), address("shop.example:5170"));
        assert_eq!(Place::read("tcp:[::1]:5170"), address("[::1]:5170"));
        assert!(Place::read("tcp:shop").is_err());
        assert_eq!(Place::read("shop"), path("shop"));
    }
}
