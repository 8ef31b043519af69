//! The listener: so many connections, and none that holds its place without sending a request or taking its
//! answer.
//!
//! In: a bound listener, who begins a request. Out: connections that end when their time is over.
//! Must not know: what is asked.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

use super::super::feed::Feed;
use super::super::tally::Told;
use super::handover::{DURABLE_PATIENCE, ROOM_PATIENCE};

/// How many times as long as a body may take a connection may be without a request, or take to say one or to
/// take an answer.
const IDLE: u32 = 3;

/// Said to whom there is no place for.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
    Content-Length: 33\r\nRetry-After: 2\r\nConnection: close\r\n\r\n{\"error\":\"too many connections\"}\n";

/// A listener with limits.
pub(super) struct Limited {
    listener: TcpListener,
    seats: Arc<Semaphore>,
    body: Duration,
    feed: Feed,
}

impl Limited {
    /// With so many connections at once, whose bodies may take so long.
    pub(super) fn new(listener: TcpListener, connections: usize, body: Duration, feed: Feed) -> Limited {
        Limited { listener, seats: Arc::new(Semaphore::new(connections)), body, feed }
    }
}

impl Listener for Limited {
    type Io = Patient;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Patient, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            match Arc::clone(&self.seats).try_acquire_owned() {
                Ok(seat) => return (Patient::new(stream, seat, self.body), address),
                Err(_) => {
                    self.feed.count(Told::RefusedConnections, 1);
                    // Whoever can't take a word at once goes without.
                    let _ = stream.try_write(NO_PLACE);
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Until when a connection is waited for.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    until: Arc<Mutex<Instant>>,
    /// How long a body may take.
    body: Duration,
}

impl Patience {
    fn new(body: Duration) -> Patience {
        Patience { until: Arc::new(Mutex::new(Instant::now() + body * IDLE)), body }
    }

    fn until(&self) -> Instant {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renew(&self, time: Duration) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + time;
    }

    /// The head of a request is here. All that it waits for from now on has bounds of its own.
    pub(super) fn request(&self) {
        self.renew(self.body + ROOM_PATIENCE + DURABLE_PATIENCE + self.body * IDLE);
    }

    /// A part of an answer was taken.
    fn answered(&self) {
        self.renew(self.body * IDLE);
    }
}

impl Connected<IncomingStream<'_, Limited>> for Patience {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Patience {
        stream.io().patience.clone()
    }
}

/// A connection that ends when its time is over.
pub(super) struct Patient {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    patience: Patience,
    _seat: OwnedSemaphorePermit,
}

impl Patient {
    fn new(stream: TcpStream, seat: OwnedSemaphorePermit, body: Duration) -> Patient {
        let patience = Patience::new(body);
        Patient { stream, silence: Box::pin(sleep_until(patience.until())), patience, _seat: seat }
    }

    /// Passes `moved` on; ends the connection when its time is over and nothing moves.
    fn guard<T>(&mut self, context: &mut Context<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            return moved;
        }
        loop {
            ready!(self.silence.as_mut().poll(context));
            let until = self.patience.until();
            if until <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.silence.as_mut().reset(until);
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.guard(context, moved)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(context, bytes);
        if moved.is_ready() {
            self.patience.answered();
        }
        self.guard(context, moved)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
