//! HTTP's listener: so many connections at a time, and none that gets no answer for long. A browser or
//! scraper that hangs, or asks a letter at a time, costs a connection for half a minute and nobody else
//! anything.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Connections at a time; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 128;

/// A listener with limits.
pub(super) struct GuardedListener {
    listener: TcpListener,
    seats: Arc<Semaphore>,
    idle: Duration,
}

impl GuardedListener {
    pub(super) fn new(listener: TcpListener, idle: Duration) -> GuardedListener {
        GuardedListener { listener, seats: Arc::new(Semaphore::new(CONNECTIONS_MAX)), idle }
    }
}

impl Listener for GuardedListener {
    type Io = GuardedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (GuardedStream, SocketAddr) {
        let seat = Arc::clone(&self.seats).acquire_owned().await;
        let seat = seat.expect("nobody ever closes the semaphore");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let silence = Box::pin(tokio::time::sleep(self.idle));
        (GuardedStream { stream, silence, idle: self.idle, _seat: seat }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when no part of an answer was taken for too long, however much was asked: a
/// request that never ends would hold its place for ever.
pub(super) struct GuardedStream {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    idle: Duration,
    _seat: OwnedSemaphorePermit,
}

impl GuardedStream {
    /// Passes `moved` on; ends the connection when the last part of an answer was too long ago.
    fn guard<T>(&mut self, context: &mut Context<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            return moved;
        }
        ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn answered(&mut self) {
        self.silence.as_mut().reset(Instant::now() + self.idle);
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.guard(context, moved)
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(context, bytes);
        if moved.is_ready() {
            self.answered();
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
