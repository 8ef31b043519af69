//! The listener: so many connections, and none that holds its place without sending a request or taking its
//! answer.
//!
//! In: a bound listener, who begins a request. Out: connections that end when their time is over.
//! Must not know: what is asked.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::super::feed::Feed;
use super::super::tally::Told;
use super::handover::{DURABLE_PATIENCE, ROOM_PATIENCE};
use crate::sys::{Patience, PatientStream};

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
    type Io = PatientStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (PatientStream, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            match Arc::clone(&self.seats).try_acquire_owned() {
                Ok(seat) => {
                    let patience = Patience::new(self.body * IDLE);
                    return (PatientStream::new(stream, seat, patience), address);
                }
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

/// Until when a request and its answer are waited for.
#[derive(Clone, Debug)]
pub(super) struct RequestPatience {
    patience: Patience,
    /// How long a body may take.
    body: Duration,
}

impl RequestPatience {
    /// The head of a request is here. All that it waits for from now on has bounds of its own.
    pub(super) fn request(&self) {
        self.patience.renew(self.body + ROOM_PATIENCE + DURABLE_PATIENCE + self.body * IDLE);
    }
}

impl Connected<IncomingStream<'_, Limited>> for RequestPatience {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> RequestPatience {
        let patience = stream.io().patience().clone();
        RequestPatience { body: patience.idle() / IDLE, patience }
    }
}
