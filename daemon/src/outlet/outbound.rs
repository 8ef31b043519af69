//! The outlets that send: one task each, from the configuration.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::alertmanager::{Alertmanager, Alerts, Pace};
use super::backoff::Backoff;
use super::hub::AlarmHub;
use super::post::Poster;
use super::reader::Reader;
use super::runtime::Outlets;
use super::webhook::{self, Webhook};
use crate::config::{OutletConfig, OutletKind};
use crate::telemetry::Telemetry;

/// An answer takes no longer than this.
const WITHIN: Duration = Duration::from_secs(10);

/// Tasks that send; they end when this is dropped.
#[derive(Debug)]
pub struct Sending(Vec<AbortHandle>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// What outlets that send need to know.
#[derive(Clone, Copy, Debug)]
pub struct Senders<'a> {
    /// Which there are.
    pub outlets: &'a [OutletConfig],
    /// The daemon's host.
    pub host: &'a str,
    /// A directory where they note how far they came.
    pub notes: &'a Path,
    /// Their figures, and whether the daemon is ready.
    pub telemetry: &'a Telemetry,
}

impl Outlets {
    /// Starts a task for each outlet that sends.
    pub fn send(&self, senders: &Senders<'_>) -> Sending {
        let tasks = senders.outlets.iter().map(|outlet| self.send_one(outlet, senders));
        Sending(tasks.collect())
    }

    fn send_one(&self, outlet: &OutletConfig, senders: &Senders<'_>) -> AbortHandle {
        let poster = Poster::new(&outlet.url, outlet.ca_file.as_deref(), WITHIN);
        match outlet.kind {
            OutletKind::Alertmanager => {
                let alertmanager = alertmanager(Arc::clone(self.hub()), poster, outlet, senders, Pace::USUAL);
                self.spawn(alertmanager.run())
            }
            OutletKind::Webhook => self.spawn(webhook(Arc::clone(self.hub()), poster, outlet, senders).run()),
        }
    }
}

pub(super) fn alertmanager(
    hub: Arc<AlarmHub>,
    poster: Poster,
    outlet: &OutletConfig,
    senders: &Senders<'_>,
    pace: Pace,
) -> Alertmanager {
    Alertmanager {
        poster,
        reader: Reader::after(hub, 0),
        counters: senders.telemetry.outlets.of(&outlet.name),
        daemon: Arc::clone(&senders.telemetry.daemon),
        pace,
        backoff: Backoff::new(&outlet.name),
        alerts: Alerts::new(senders.host),
    }
}

pub(super) fn webhook(
    hub: Arc<AlarmHub>,
    poster: Poster,
    outlet: &OutletConfig,
    senders: &Senders<'_>,
) -> Webhook {
    // It may be the first to write there.
    if let Err(why) = std::fs::create_dir_all(senders.notes) {
        tracing::warn!("{}: {why}", senders.notes.display());
    }
    let cursor = webhook::cursor_at(senders.notes.join(format!("outlet-{}.json", outlet.name)), &outlet.name);
    let had = cursor.as_ref().and_then(super::cursor::Cursor::seq);
    Webhook {
        poster,
        reader: Reader::after(hub, had.unwrap_or(0)),
        counters: senders.telemetry.outlets.of(&outlet.name),
        backoff: Backoff::new(&outlet.name),
        cursor,
    }
}
