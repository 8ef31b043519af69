//! Lines on their way in: every transport, each format.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

use ebbd_bench::{Load, LoadSpec, WireFormat};

use super::support::{Place, Running, free_port, this_minute};

/// Bytes of a packed datagram: fits an Ethernet frame.
const DATAGRAM_BYTES: usize = 1_400;
/// UDP datagrams on their way at a time: far fewer than make the kernel drop, however slow the machine is.
const UDP_UNREAD: usize = 500;

/// How lines travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A UNIX stream socket.
    Unix,
    /// TCP, several connections at once.
    Tcp,
    /// Packed UDP at a rate without kernel drops.
    Udp,
    /// UNIX datagrams.
    UnixDatagram,
    /// A growing file.
    File,
    /// Standard input.
    Stdin,
}

impl Transport {
    /// Each of them; standard input last, as there is one only.
    pub const ALL: [Transport; 6] = [
        Transport::Unix,
        Transport::Tcp,
        Transport::Udp,
        Transport::UnixDatagram,
        Transport::File,
        Transport::Stdin,
    ];

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Unix => "unix",
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::UnixDatagram => "unix_datagram",
            Transport::File => "file",
            Transport::Stdin => "stdin",
        }
    }
}

/// The name of a format in a configuration.
pub fn format_name(format: WireFormat) -> &'static str {
    match format {
        WireFormat::Ndjson => "ndjson",
        WireFormat::Influx => "influx",
        WireFormat::Statsd | WireFormat::StatsdPlain => "statsd",
    }
}

/// A source and the way to it.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Its name, which is its stream's, too.
    pub name: String,
    /// How lines travel.
    pub transport: Transport,
    /// What they look like.
    pub format: WireFormat,
    port: u16,
}

impl Wire {
    /// A source called after its transport and format.
    pub fn new(transport: Transport, format: WireFormat) -> Wire {
        let name = format!("{}_{}", transport.name(), format_name(format));
        Wire { name, transport, format, port: free_port() }
    }

    /// Its section of the configuration.
    pub fn section(&self) -> String {
        let place = match self.transport {
            Transport::Unix | Transport::UnixDatagram => format!("listen = \"@/{}\"", self.name),
            Transport::Tcp | Transport::Udp => format!("listen = \"127.0.0.1:{}\"", self.port),
            Transport::File => format!("path = \"@/{}.log\"", self.name),
            Transport::Stdin => String::new(),
        };
        let (name, kind, format) = (&self.name, self.transport.name(), format_name(self.format));
        format!("\n[source.{name}]\ntype = \"{kind}\"\nformat = \"{format}\"\nstream = \"{name}\"\n{place}\n")
    }

    /// A load's lines for its stream.
    pub fn text(&self, load: &Load) -> String {
        let text = load.text(self.format);
        if self.format == WireFormat::Ndjson {
            return text;
        }
        // Measurements and metrics name the stream.
        text.split_inclusive('\n').flat_map(|line| [self.name.as_str(), &line["orders".len()..]]).collect()
    }

    /// Sends all of `text`; returns when the last byte has left.
    pub fn send(&self, place: &Place, running: &mut Running, text: &[u8]) {
        match self.transport {
            Transport::Unix => through_unix(&place.path(&self.name), text),
            Transport::Tcp => through_tcp(self.port, text),
            Transport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.connect(("127.0.0.1", self.port)).unwrap();
                let mut come = running.lines();
                for datagrams in packed(text).chunks(UDP_UNREAD) {
                    datagrams.iter().for_each(|datagram| assert!(socket.send(datagram).is_ok()));
                    come += datagrams.iter().map(|datagram| count_lines(datagram)).sum::<u64>();
                    running.await_lines(come);
                }
            }
            Transport::UnixDatagram => {
                let socket = UnixDatagram::unbound().unwrap();
                socket.connect(place.path(&self.name)).unwrap();
                packed(text).iter().for_each(|datagram| assert!(socket.send(datagram).is_ok()));
            }
            Transport::File => append(&place.path(&format!("{}.log", self.name)), text),
            Transport::Stdin => running.child().stdin.as_mut().expect("piped").write_all(text).unwrap(),
        }
    }
}

/// Sends over a UNIX stream socket.
pub fn through_unix(path: &Path, text: &[u8]) {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(text).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
}

/// Sends over four connections at once, cut at lines.
fn through_tcp(port: u16, text: &[u8]) {
    std::thread::scope(|scope| {
        let mut rest = text;
        for left in (1..=4).rev() {
            let (part, others) = rest.split_at(line_end(rest, rest.len() / left));
            rest = others;
            scope.spawn(move || {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.write_all(part).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
        }
    });
}

/// The end of the line that begins before or reaches to `at`.
pub fn line_end(text: &[u8], at: usize) -> usize {
    let behind = text[at..].iter().position(|byte| *byte == b'\n');
    behind.map_or(text.len(), |more| at + more + 1)
}

/// Lines packed into datagrams; a longer one gets its own.
fn packed(text: &[u8]) -> Vec<&[u8]> {
    let (mut datagrams, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let mut end = line_end(rest, 0);
        while end < rest.len() && line_end(rest, end) <= DATAGRAM_BYTES {
            end = line_end(rest, end);
        }
        let (datagram, others) = rest.split_at(end);
        datagrams.push(datagram);
        rest = others;
    }
    datagrams
}

/// Lines that have a number: those that are not empty.
fn count_lines(text: &[u8]) -> u64 {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty() && *line != b"\r").count() as u64
}

/// Appends to a file, made if absent.
pub fn append(path: &Path, text: &[u8]) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text).unwrap();
}

/// Events of the last half hour, a hundredth of them late and a hundredth out of order.
pub fn load(seed: u64, events: usize) -> Load {
    Load::new(&LoadSpec { seed, events, from: this_minute().plus(-30), minutes: 30, late: 0.01 })
}
