//! What goes out while the daemon runs: the alarm socket, HTTP, and alarms that are sent, on tokio's threads.
//!
//! In: alarm records through [`AlarmHub`], which never makes the judge wait; judged minutes through [`Board`];
//! figures through [`crate::telemetry`]. Out: lines to subscribers, answers to HTTP.
//! Must not know: how an alarm comes about, where records are stored, data sockets.

mod alarm_socket;
mod alert;
mod alertmanager;
mod answers;
mod backoff;
mod bind;
mod board;
mod boot;
mod cursor;
mod dashboard;
mod guarded;
mod http;
mod hub;
mod live;
mod names;
mod now;
mod outbound;
mod past;
mod post;
mod query;
mod reader;
mod ring;
mod runtime;
mod selection;
mod subscriber;
mod tls;
mod webhook;

pub use alarm_socket::{AlarmSocketOptions, serve_alarms};
pub use bind::{BindError, bind_unix, unix_from_fd};
pub use board::{BOARD_MINUTES, Board, Point};
pub use boot::boot_id;
pub use cursor::Cursor;
pub use http::{FiguresSource, HttpOutlet, StatusSource, serve_http};
pub use hub::{AlarmHub, Progress};
pub use names::NamesSource;
pub use now::{MinuteNow, SliceNow, StreamNow};
pub use outbound::{Senders, Sending};
pub use past::Past;
pub use ring::{RING_BYTES, RING_RECORDS};
pub use runtime::Outlets;

/// Most bytes that all of this holds: the ring and its snapshots, the inbox, every subscriber's batch.
pub const fn memory_bound_bytes(subscribers_max: usize) -> usize {
    2 * RING_BYTES + hub::INBOX_BYTES + subscribers_max * (2 * subscriber::BATCH_BYTES)
}

#[cfg(test)]
pub(crate) mod tests;
