//! Where generated lines go: a file, standard output, a stream socket, datagrams.

use std::fs::File;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use crate::load::{Load, WireFormat};

/// Bytes of a packed datagram: fits an Ethernet frame.
const DATAGRAM_BYTES: usize = 1_400;

/// Where to send: `unix:PATH`, `unixgram:PATH`, `tcp:HOST:PORT`, `udp:HOST:PORT`, `file:PATH`, `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A UNIX stream socket.
    Unix(String),
    /// A UNIX datagram socket.
    UnixDatagram(String),
    /// A TCP address.
    Tcp(String),
    /// A UDP address.
    Udp(String),
    /// A file, written anew.
    File(String),
    /// Standard output.
    Stdout,
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let rest = rest.to_owned();
        match scheme {
            "unix" => Ok(Target::Unix(rest)),
            "unixgram" => Ok(Target::UnixDatagram(rest)),
            "tcp" => Ok(Target::Tcp(rest)),
            "udp" => Ok(Target::Udp(rest)),
            "file" => Ok(Target::File(rest)),
            "-" => Ok(Target::Stdout),
            _ => Err(format!("{text}: want unix:PATH, unixgram:PATH, tcp:ADDR, udp:ADDR, file:PATH or -")),
        }
    }
}

/// Sends all lines; datagrams at most `per_second` lines a second (0: as fast as they go).
///
/// # Errors
/// Whatever the socket or file says.
pub fn send(load: &Load, format: WireFormat, target: &Target, per_second: u64) -> io::Result<()> {
    match target {
        Target::Unix(path) => {
            let mut stream = UnixStream::connect(path)?;
            stream.write_all(load.text(format).as_bytes())?;
            stream.shutdown(Shutdown::Write)
        }
        Target::Tcp(address) => {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(load.text(format).as_bytes())?;
            stream.shutdown(Shutdown::Write)
        }
        Target::UnixDatagram(path) => {
            let socket = UnixDatagram::unbound()?;
            paced(&load.datagrams(format, DATAGRAM_BYTES), per_second, |d| socket.send_to(d, path).map(drop))
        }
        Target::Udp(address) => {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            paced(&load.datagrams(format, DATAGRAM_BYTES), per_second, |d| {
                socket.send_to(d, address).map(drop)
            })
        }
        Target::File(path) => File::create(path)?.write_all(load.text(format).as_bytes()),
        Target::Stdout => io::stdout().write_all(load.text(format).as_bytes()),
    }
}

fn paced(datagrams: &[String], per_second: u64, send: impl Fn(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let (start, mut lines) = (Instant::now(), 0);
    for datagram in datagrams {
        if let Some(due_us) = (lines * 1_000_000u64).checked_div(per_second) {
            let due = Duration::from_micros(due_us);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
        send(datagram.as_bytes())?;
        lines += datagram.lines().count() as u64;
    }
    Ok(())
}
