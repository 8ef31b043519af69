//! HTTP's listener: so many connections at a time, and none that gets no answer for long. A browser or
//! scraper that hangs, or asks a letter at a time, costs a connection for half a minute and nobody else
//! anything.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::sys::{Patience, PatientStream};

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
    type Io = PatientStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (PatientStream, SocketAddr) {
        let seat = Arc::clone(&self.seats).acquire_owned().await;
        let seat = seat.expect("nobody ever closes the semaphore");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (PatientStream::new(stream, seat, Patience::new(self.idle)), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
