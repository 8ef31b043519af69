//! How much of a minute's data is believed to have arrived, and who is missing.

use serde::{Deserialize, Serialize};

use super::{SourceId, TimeUs};

/// What a source (or one of its origins) was doing in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceState {
    /// It sent events or a heartbeat that covers the minute: zero of it is zero.
    Alive,
    /// It is open but silent past its learnt lag, without a heartbeat.
    Silent,
    /// It closed without a goodbye.
    Closed,
    /// It said goodbye: not expected any more.
    Left,
    /// It is expected by the configuration and never came.
    NeverSeen,
}

impl SourceState {
    /// Every state.
    pub const ALL: [SourceState; 5] = [
        SourceState::Alive,
        SourceState::Silent,
        SourceState::Closed,
        SourceState::Left,
        SourceState::NeverSeen,
    ];

    /// The state of this name.
    pub fn named(name: &str) -> Option<SourceState> {
        SourceState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The name written in the `sources` dataset.
    pub fn name(self) -> &'static str {
        match self {
            SourceState::Alive => "alive",
            SourceState::Silent => "silent",
            SourceState::Closed => "closed",
            SourceState::Left => "left",
            SourceState::NeverSeen => "never_seen",
        }
    }

    /// Whether the absence of its events is missing data rather than zero.
    pub fn is_missing(self) -> bool {
        matches!(self, SourceState::Silent | SourceState::Closed | SourceState::NeverSeen)
    }
}

/// One source (and origin) in one minute: a row of the `sources` dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceMinute {
    /// The declared source.
    pub source: SourceId,
    /// The source's configured name.
    pub source_name: String,
    /// The sending host; empty if unnamed.
    pub origin: String,
    /// What it was doing.
    pub state: SourceState,
    /// Its usual share of the stream's events, 0 to 1.
    pub share: f64,
    /// Believed fraction of its events that arrived, 0 to 1.
    pub completeness: f64,
    /// Upper bound of events known to be lost (queue, kernel, sender), this minute.
    pub lost_upper: f64,
    /// Since when it is missing.
    pub missing_since: Option<TimeUs>,
}

/// A missing origin as alarms name it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MissingOrigin {
    /// The origin, or the source's name if it has no origins.
    pub origin: String,
    /// The last instant at which it was alive.
    pub since: TimeUs,
    /// Its usual share of the stream's events, 0 to 1.
    pub share: f64,
}

/// How much of a minute's data is believed to have arrived. Known loss widens verdicts, it never silences them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completeness {
    /// Believed fraction that arrived, 0 to 1.
    pub fraction: f64,
    /// Fraction of counted events that came after their minute was sealed.
    pub late: f64,
    /// Upper bound of events lost on the way (shed, kernel drops, told by senders).
    pub dropped: u64,
    /// Lines rejected in the minute of arrival that might have been events.
    pub rejected: u64,
    /// Who is missing.
    pub missing: Vec<MissingOrigin>,
    /// No source of the stream is proven alive: there is no data at all, which is not zero.
    pub no_data: bool,
}

impl Completeness {
    /// Everything arrived.
    pub fn whole() -> Completeness {
        Completeness {
            fraction: 1.0,
            late: 0.0,
            dropped: 0,
            rejected: 0,
            missing: Vec::new(),
            no_data: false,
        }
    }

    /// Nothing arrived and nobody is proven alive.
    pub fn absent() -> Completeness {
        Completeness { fraction: 0.0, no_data: true, ..Completeness::whole() }
    }

    /// The usual share of those who are missing, 0 to 1.
    pub fn missing_share(&self) -> f64 {
        self.missing.iter().map(|m| m.share).sum::<f64>().min(1.0)
    }
}
