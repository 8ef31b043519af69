//! A TCP connection that is waited for only so long, for HTTP on both of its sides.
//!
//! In: an accepted connection with its place, how long it may be idle. Out: reads and writes that fail once its
//! time is over. Must not know: what is said on it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};

/// Until when a connection is waited for: each part of an answer that is taken renews it.
#[derive(Clone, Debug)]
pub struct Patience {
    until: Arc<Mutex<Instant>>,
    idle: Duration,
}

impl Patience {
    /// From now on, for so long.
    pub fn new(idle: Duration) -> Patience {
        Patience { until: Arc::new(Mutex::new(Instant::now() + idle)), idle }
    }

    /// It has this long from now on.
    pub fn renew(&self, time: Duration) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + time;
    }

    /// How long it has after each part of an answer.
    pub fn idle(&self) -> Duration {
        self.idle
    }

    fn until(&self) -> Instant {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that ends when its time is over. However much is asked meanwhile: a request that never ends
/// would hold its place for ever.
pub struct PatientStream {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    patience: Patience,
    _seat: OwnedSemaphorePermit,
}

impl PatientStream {
    /// A connection that gives `seat` back when it ends.
    pub fn new(stream: TcpStream, seat: OwnedSemaphorePermit, patience: Patience) -> PatientStream {
        PatientStream { stream, silence: Box::pin(sleep_until(patience.until())), patience, _seat: seat }
    }

    /// How long it is waited for.
    pub fn patience(&self) -> &Patience {
        &self.patience
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

impl AsyncRead for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.guard(context, moved)
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(context, bytes);
        if moved.is_ready() {
            self.patience.renew(self.patience.idle);
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
