//! The least that anyone can do with what is sent: read it and forget it, or read it and count lines.
//!
//! What a sink spends is the limit that a receiver of the same bytes is compared with.

use std::fs;
use std::io::{self, IoSliceMut, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::Duration;

use ebbd_core::simd::count_lines;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::spent::Spent;
use crate::target::Target;

/// Bytes of one read from a stream.
const READ_BYTES: usize = 256 * 1024;
/// Datagrams of one system call, and room for each.
const BATCH: usize = 64;
const SLOT_BYTES: usize = 2048;
/// How long [`SinkKind::Gulps`] lets datagrams gather.
const GATHER: Duration = Duration::from_micros(500);
/// The receive buffer that is asked for.
const RECEIVE_BUFFER: usize = 8 << 20;

/// What a sink does with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SinkKind {
    /// Nothing.
    Null,
    /// Counts lines.
    Lines,
    /// Nothing, in gulps: of datagrams it lets some gather before it reads again.
    Gulps,
}

/// What a sink took, and what that cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SinkReport {
    /// Bytes received.
    pub bytes: u64,
    /// Lines, as far as they were counted.
    pub lines: u64,
    /// Datagrams received; 0 for streams.
    pub datagrams: u64,
    /// CPU from the first byte on.
    pub spent: Spent,
}

/// A bound socket.
pub enum Sink {
    /// A UNIX stream.
    Unix(UnixListener),
    /// A TCP stream.
    Tcp(TcpListener),
    /// Datagrams.
    Datagrams(Box<dyn AsFd>),
}

impl Sink {
    /// Binds; a socket file that is in the way is removed.
    ///
    /// # Errors
    /// Whatever the socket says; a target that is no socket.
    pub fn bind(on: &Target) -> io::Result<Sink> {
        Ok(match on {
            Target::Unix(path) => {
                remove(path)?;
                Sink::Unix(UnixListener::bind(path)?)
            }
            Target::Tcp(address) => Sink::Tcp(TcpListener::bind(address)?),
            Target::UnixDatagram(path) => {
                remove(path)?;
                Sink::Datagrams(Box::new(UnixDatagram::bind(path)?))
            }
            Target::Udp(address) => {
                let socket = UdpSocket::bind(address)?;
                if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
                    setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
                }
                Sink::Datagrams(Box::new(socket))
            }
            Target::File(_) | Target::Stdout => return Err(io::ErrorKind::InvalidInput.into()),
        })
    }

    /// Takes everything: of a stream until `connections` are closed one after the other, of datagrams
    /// until none came for `idle` after the first.
    ///
    /// # Errors
    /// Whatever the socket says.
    pub fn take(self, kind: SinkKind, connections: usize, idle: Duration) -> io::Result<SinkReport> {
        let mut report = SinkReport::default();
        match self {
            Sink::Unix(listener) => {
                for _ in 0..connections {
                    drain(listener.accept()?.0, kind, &mut report)?;
                }
            }
            Sink::Tcp(listener) => {
                for _ in 0..connections {
                    drain(listener.accept()?.0, kind, &mut report)?;
                }
            }
            Sink::Datagrams(socket) => datagrams(socket.as_fd(), kind, idle, &mut report)?,
        }
        Ok(report)
    }
}

fn remove(path: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn drain(mut stream: impl Read, kind: SinkKind, report: &mut SinkReport) -> io::Result<()> {
    let (mut buffer, before) = (vec![0; READ_BYTES], Spent::by_process());
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        report.bytes += count as u64;
        if kind == SinkKind::Lines {
            report.lines += memchr::memchr_iter(b'\n', &buffer[..count]).count() as u64;
        }
    }
    let spent = Spent::by_process() - before;
    report.spent.user_us += spent.user_us;
    report.spent.system_us += spent.system_us;
    Ok(())
}

fn datagrams(
    socket: BorrowedFd<'_>,
    kind: SinkKind,
    idle: Duration,
    report: &mut SinkReport,
) -> io::Result<()> {
    let mut slab = vec![0; BATCH * SLOT_BYTES];
    let mut headers = MultiHeaders::<()>::preallocate(BATCH, None);
    let mut before = Spent::by_process();
    loop {
        let mut parts = slab.chunks_exact_mut(SLOT_BYTES);
        let mut slots: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(parts.next().unwrap_or_default())]);
        let received =
            recvmmsg(socket.as_raw_fd(), &mut headers, slots.iter_mut(), MsgFlags::MSG_WAITFORONE, None);
        let messages = match received {
            Ok(messages) => messages,
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => break,
            Err(error) => return Err(error.into()),
        };
        if report.datagrams == 0 {
            before = Spent::by_process();
            setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(idle.as_millis() as i64))?;
        }
        let taken = report.datagrams;
        for message in messages {
            report.datagrams += 1;
            report.bytes += message.bytes as u64;
            if kind == SinkKind::Lines {
                report.lines += message.iovs().map(count_lines).sum::<u64>();
            }
        }
        if kind == SinkKind::Gulps && report.datagrams - taken < BATCH as u64 {
            std::thread::sleep(GATHER);
        }
    }
    report.spent = Spent::by_process() - before;
    Ok(())
}
