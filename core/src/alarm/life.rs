//! What every alarm has, whatever it is about: identity, state, severity, times.

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::record::{Because, Kind, Notify, Severity, State};
use crate::model::{Label, Minute, Slice, TimeUs};

/// Identity and state of an alarm. What it is about stands beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Life {
    pub(super) no: u64,
    pub(super) id: String,
    pub(super) key: String,
    pub(super) rev: u32,
    pub(super) stream: String,
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) severity: Severity,
    /// The slice it was opened for: part of id and key, never changed.
    pub(super) root: Slice,
    pub(super) onset: [Minute; 3],
    pub(super) detected: TimeUs,
    /// When it was told from an open minute, before that.
    #[serde(default)]
    pub(super) foretold: Option<TimeUs>,
    pub(super) ended: Option<Minute>,
    /// Who took it, and when.
    #[serde(default)]
    pub(super) acked: Option<Acked>,
    /// What a person said it was.
    #[serde(default)]
    pub(super) label: Option<Label>,
    /// Until when nobody hears of it, as of its latest record.
    #[serde(default)]
    pub(super) silenced_until: Option<TimeUs>,
}

/// Somebody has taken an alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Acked {
    pub(super) at: TimeUs,
    pub(super) by: String,
    pub(super) text: String,
}

impl Acked {
    /// `2026-11-22T13:10:00Z ann: on it`.
    pub(super) fn words(&self) -> String {
        let text = if self.text.is_empty() { String::new() } else { format!(": {}", self.text) };
        format!("{} {}{text}", self.at.to_rfc3339(), self.by)
    }
}

/// What has happened to an alarm that is worth a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct News {
    pub(super) because: Because,
    /// In words, where `because` alone does not say it.
    pub(super) reason: Option<String>,
    /// An early record has told it already: nobody is to be called once more.
    pub(super) is_known: bool,
    /// A person should hear of it whatever `because` says.
    pub(super) is_loud: bool,
}

impl News {
    pub(super) fn plain(because: Because) -> News {
        News { because, reason: None, is_known: false, is_loud: false }
    }

    pub(super) fn told(because: Because, reason: impl Into<String>) -> News {
        News { because, reason: Some(reason.into()), is_known: false, is_loud: false }
    }
}

impl Life {
    /// When it was first told.
    pub(super) fn told_first(&self) -> TimeUs {
        self.foretold.unwrap_or(self.detected)
    }

    /// Whether a person should hear of a record of it that is written for this.
    pub(super) fn notify(&self, news: &News) -> Notify {
        match self.severity {
            _ if self.silenced_until.is_some() => Notify::None,
            Severity::Page if news.is_loud => Notify::Page,
            Severity::Ticket if news.is_loud => Notify::Ticket,
            severity => notify(news.because, severity),
        }
    }

    /// Whether it still has to be followed.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Resolved | State::Withdrawn)
    }

    /// The louder of its own severity and `other`.
    pub(super) fn severity_or_louder(&self, other: Severity) -> Severity {
        if other == Severity::Page { other } else { self.severity }
    }

    /// Opens again what had ended. Number, id, key and revision go on.
    pub(super) fn reopen(&mut self, severity: Severity) {
        self.state = State::Firing;
        self.severity = severity;
        self.ended = None;
    }
}

/// Whether a person should hear of a record: openings and escalations as loud as the alarm is; what
/// spreads, goes blind or ends as a ticket; everything else not at all.
fn notify(because: Because, severity: Severity) -> Notify {
    match (because, severity) {
        (Because::Opened | Because::Escalated, Severity::Page) => Notify::Page,
        (Because::Opened | Because::Escalated, Severity::Ticket) => Notify::Ticket,
        (Because::Spread | Because::Blind | Because::Resolved | Because::Withdrawn, _) => Notify::Ticket,
        (Because::Update | Because::NoLongerBlind | Because::Recovering | Because::Acked, _) => Notify::None,
    }
}

/// `drop/orders/feature=one-click,marketplace=US`.
pub(super) fn key(kind: Kind, stream: &str, what: &str) -> String {
    format!("{}/{stream}/{what}", kind.name())
}

/// The ULID of an alarm: the onset's time and a hash of key and onset, so that a replay gives the same.
/// The key holds kind, stream and root slice.
pub(super) fn id(key: &str, onset: Minute) -> String {
    let millis = u64::try_from(onset.start().0 / 1000).unwrap_or(0);
    let bytes = key.bytes().chain([0]).chain(onset.0.to_be_bytes());
    Ulid::from_parts(millis, fnv1a(bytes) & ((1 << 80) - 1)).to_string()
}

/// FNV-1a of 128 bits, its upper part folded down: a fixed function, the same on every machine.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = bytes.fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    hash ^ (hash >> 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_onset_and_key() {
        let onset = Minute(29_922_543);
        let id_here = id("drop/orders/feature=one-click", onset);
        assert_eq!(id_here, id("drop/orders/feature=one-click", onset));
        assert_ne!(id_here, id("drop/orders/feature=cart", onset));
        assert_ne!(id_here, id("drop/orders/feature=one-click", onset.next()));
        let ulid = Ulid::from_string(&id_here).unwrap();
        assert_eq!(ulid.timestamp_ms(), 29_922_543 * 60_000);
        assert!(id("k", Minute(-5)).starts_with("0000000000"));
    }
}
