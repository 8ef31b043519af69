//! Sending text: streams in large whole-line writes over one or more connections, datagrams packed or one
//! line each, at a rate or as fast as they go.

use std::fs::File;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use ebbd_core::simd::count_lines;
use nix::sys::socket::{setsockopt, sockopt};

use crate::target::Target;

/// Bytes of one write to a stream.
const WRITE_BYTES: usize = 64 * 1024;
/// Datagrams that the kernel cuts out of one segmented write.
const SEGMENTS: usize = 40;

/// How lines are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Lines a second; 0: as fast as they go.
    pub lines_per_s: u64,
    /// Datagrams hold whole lines up to so many bytes; 0: one line each.
    pub datagram_bytes: usize,
    /// UDP: leave the cutting into datagrams (filled up with line ends) to the kernel.
    pub segmented: bool,
    /// Connections of a stream, served in turn.
    pub connections: usize,
}

impl Default for Pace {
    /// As fast as it goes, over one connection; datagrams fit an Ethernet frame.
    fn default() -> Pace {
        Pace { lines_per_s: 0, datagram_bytes: 1_400, segmented: false, connections: 1 }
    }
}

/// An open target.
pub struct Sender {
    way: Way,
    pace: Pace,
    start: Instant,
    lines: u64,
}

enum Way {
    Streams(Vec<Box<dyn Stream>>, usize),
    Datagrams(Box<Post>, Vec<u8>),
}

/// Sends one datagram.
type Post = dyn Fn(&[u8]) -> io::Result<usize>;

/// A stream that can be closed for writing.
trait Stream: Write {
    /// Nothing follows.
    fn end(&mut self) -> io::Result<()>;
}

impl Stream for UnixStream {
    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for TcpStream {
    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for File {
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for io::Stdout {
    fn end(&mut self) -> io::Result<()> {
        self.flush()
    }
}

impl Sender {
    /// Connects, or makes the file.
    ///
    /// # Errors
    /// Whatever the socket or file says.
    pub fn open(target: &Target, pace: Pace) -> io::Result<Sender> {
        let connections = 0..pace.connections.max(1);
        let way = match target {
            Target::Unix(path) => Way::Streams(
                connections.map(|_| Ok(boxed(UnixStream::connect(path)?))).collect::<io::Result<_>>()?,
                0,
            ),
            Target::Tcp(address) => Way::Streams(
                connections.map(|_| Ok(boxed(TcpStream::connect(address)?))).collect::<io::Result<_>>()?,
                0,
            ),
            Target::File(path) => Way::Streams(vec![boxed(File::create(path)?)], 0),
            Target::Stdout => Way::Streams(vec![boxed(io::stdout())], 0),
            Target::UnixDatagram(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                Way::Datagrams(Box::new(move |datagram| socket.send(datagram)), Vec::new())
            }
            Target::Udp(address) => {
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                socket.connect(address)?;
                if pace.segmented {
                    setsockopt(&socket, sockopt::UdpGsoSegment, &(pace.datagram_bytes as i32))?;
                }
                Way::Datagrams(Box::new(move |datagram| socket.send(datagram)), Vec::new())
            }
        };
        Ok(Sender { way, pace, start: Instant::now(), lines: 0 })
    }

    /// Sends whole lines.
    ///
    /// # Errors
    /// Whatever the socket or file says. A datagram that nobody takes is no error.
    pub fn send(&mut self, text: &[u8]) -> io::Result<()> {
        let most = match (&self.way, self.pace.lines_per_s) {
            (Way::Streams(..), 0) => WRITE_BYTES,
            // A hundredth of a second's lines at once.
            (Way::Streams(..), rate) => (rate as usize * 2).clamp(1, WRITE_BYTES),
            (Way::Datagrams(..), _) => self.pace.datagram_bytes,
        };
        for piece in pieces(text, most) {
            if let Some(due_us) = (self.lines * 1_000_000).checked_div(self.pace.lines_per_s) {
                std::thread::sleep(Duration::from_micros(due_us).saturating_sub(self.start.elapsed()));
                self.lines += count_lines(piece);
            }
            match &mut self.way {
                Way::Streams(streams, next) => {
                    streams[*next].write_all(piece)?;
                    *next = (*next + 1) % streams.len();
                }
                Way::Datagrams(send, train) if self.pace.segmented => couple(send, train, piece, most)?,
                Way::Datagrams(send, _) => tolerant(send(piece.strip_suffix(b"\n").unwrap_or(piece)))?,
            }
        }
        Ok(())
    }

    /// Closes every connection.
    ///
    /// # Errors
    /// Whatever the socket or file says.
    pub fn finish(self) -> io::Result<()> {
        match self.way {
            Way::Streams(mut streams, _) => streams.iter_mut().try_for_each(|stream| stream.end()),
            Way::Datagrams(send, train) if !train.is_empty() => tolerant(send(&train)),
            Way::Datagrams(..) => Ok(()),
        }
    }
}

fn boxed<S: Stream + 'static>(stream: S) -> Box<dyn Stream> {
    Box::new(stream)
}

/// Appends a datagram, filled up with line ends, to a train that leaves when it is long enough.
fn couple(send: &Post, train: &mut Vec<u8>, piece: &[u8], segment: usize) -> io::Result<()> {
    train.extend_from_slice(piece);
    train.resize(train.len().next_multiple_of(segment), b'\n');
    if train.len() >= SEGMENTS * segment {
        tolerant(send(train))?;
        train.clear();
    }
    Ok(())
}

/// Nobody listens any more, or the kernel has no room: datagrams get lost like that.
fn tolerant(sent: io::Result<usize>) -> io::Result<()> {
    match sent {
        Err(e) if matches!(e.raw_os_error(), Some(nix::libc::ENOBUFS | nix::libc::ECONNREFUSED)) => Ok(()),
        other => other.map(drop),
    }
}

/// Whole lines, of at most `most` bytes together; a longer line is alone.
fn pieces(text: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let mut left = text;
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        let window = &left[..left.len().min(most)];
        let whole = window.iter().rposition(|b| *b == b'\n').map(|at| at + 1);
        let first = || left.iter().position(|b| *b == b'\n').map_or(left.len(), |at| at + 1);
        let (piece, rest) = left.split_at(whole.unwrap_or_else(first));
        left = rest;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines() {
        let text = b"one\ntwo\nthree and more\nfour";
        let cut =
            |most| pieces(text, most).map(|p| String::from_utf8_lossy(p).into_owned()).collect::<Vec<_>>();
        assert_eq!(cut(8), ["one\ntwo\n", "three and more\n", "four"]);
        assert_eq!(cut(0), ["one\n", "two\n", "three and more\n", "four"]);
        assert_eq!(cut(100), ["one\ntwo\nthree and more\n", "four"]);
    }

    #[test]
    fn trains_are_of_equal_cars() {
        let sent = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let kept = std::rc::Rc::clone(&sent);
        let send = move |bytes: &[u8]| {
            kept.borrow_mut().push(bytes.to_vec());
            Ok(bytes.len())
        };
        let mut train = Vec::new();
        for _ in 0..SEGMENTS {
            couple(&send, &mut train, b"a line\n", 10).expect("sent");
        }
        assert_eq!(*sent.borrow(), [b"a line\n\n\n\n".repeat(SEGMENTS)]);
    }
}
