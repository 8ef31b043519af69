//! A subscriber inside the daemon: reads the hub's ring at its own pace, as those on the alarm socket do.

use std::sync::Arc;

use ebbd_core::alarm::AlarmRecord;
use serde::Deserialize;
use tokio::sync::watch;

use super::hub::AlarmHub;
use super::selection::Selection;

/// Records that are looked at in one go.
const BATCH: (usize, usize) = (256, 256 * 1024);

/// Where somebody stands who reads the records.
pub(super) struct Reader {
    hub: Arc<AlarmHub>,
    bell: watch::Receiver<u64>,
    next: u64,
    boots: u64,
}

/// What a reader gets.
#[derive(Debug)]
pub(super) enum Heard {
    /// A record and its JSON.
    Record(Box<AlarmRecord>, Arc<str>),
    /// So many records are no longer kept.
    Missed(u64),
}

#[derive(Deserialize)]
struct Gap {
    from: u64,
    to: u64,
}

impl Reader {
    /// Reads on after record `seq`.
    pub(super) fn after(hub: Arc<AlarmHub>, seq: u64) -> Reader {
        let (bell, boots) = (hub.subscribe(), hub.welcome().boots);
        Reader { bell, next: seq + 1, boots, hub }
    }

    /// The number of the last record that was given out or is known to be gone.
    pub(super) fn position(&self) -> u64 {
        self.next - 1
    }

    /// Goes on after record `seq`.
    pub(super) fn skip_to(&mut self, seq: u64) {
        self.next = seq + 1;
    }

    /// The highest number ever given.
    pub(super) fn newest(&self) -> u64 {
        self.hub.newest()
    }

    /// Open alarms by their latest records.
    pub(super) fn open(&self) -> Vec<(AlarmRecord, Arc<str>)> {
        let lines = self.hub.welcome().snapshot.into_iter().map(|(line, _)| line.json);
        lines.filter_map(|json| Some((serde_json::from_str(&json).ok()?, json))).collect()
    }

    /// What there is, in order; empty if there is nothing new.
    pub(super) fn read(&mut self) -> Vec<Heard> {
        let batch = self.hub.read(self.next, self.boots, &Selection::default(), BATCH);
        (self.next, self.boots) = (batch.next, batch.boots);
        batch.lines.into_iter().filter_map(|told| heard(told.json)).collect()
    }

    /// Waits until there may be something new.
    pub(super) async fn wait(&mut self) {
        if self.bell.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn heard(line: Arc<str>) -> Option<Heard> {
    if let Ok(record) = serde_json::from_str(&line) {
        return Some(Heard::Record(Box::new(record), line));
    }
    // A new greeting is of no interest here: numbers go on within a run.
    let gap: Gap = serde_json::from_str(&line).ok()?;
    Some(Heard::Missed(gap.to + 1 - gap.from))
}
