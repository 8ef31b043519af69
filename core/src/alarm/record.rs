//! The alarm record: one line on the alarm socket, one row of the `alarms` dataset. All keys are
//! always present; what is not known is `null` or empty. Fields are only ever added within `v` 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Slice;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// The word used in records and columns.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }
    };
}

words!(
    /// Where an alarm stands in its life.
    State {
        /// Orders are missing now.
        Firing = "firing",
        /// It was firing when data ceased: recovery cannot be seen.
        FiringBlind = "firing_blind",
        /// Evidence for recovery is accumulating.
        Recovering = "recovering",
        /// It is over.
        Resolved = "resolved",
        /// Later data showed that it never was.
        Withdrawn = "withdrawn",
    }
);
words!(
    /// What kind of trouble it is.
    Kind {
        /// Fewer events than expected.
        Drop = "drop",
        /// A source or a whole stream is silent.
        NoData = "no_data",
        /// Too few events followed from others.
        Funnel = "funnel",
        /// Everything this host sees fell alike.
        Traffic = "traffic",
        /// ebbd's own trouble.
        Ebbd = "ebbd",
    }
);
words!(
    /// How loud it is.
    Severity {
        /// Wake somebody.
        Page = "page",
        /// Somebody should look in working hours.
        Ticket = "ticket",
    }
);
words!(
    /// Whether a person should hear of this very record.
    Notify {
        /// Yes, now.
        Page = "page",
        /// Yes, in working hours.
        Ticket = "ticket",
        /// No.
        None = "none",
    }
);
words!(
    /// Why this record was written.
    Because {
        /// The alarm opened.
        Opened = "opened",
        /// It became worse.
        Escalated = "escalated",
        /// It touches more slices.
        Spread = "spread",
        /// Fresh figures.
        Update = "update",
        /// Data ceased.
        Blind = "blind",
        /// Data came back.
        NoLongerBlind = "no longer blind",
        /// Recovery began.
        Recovering = "recovering",
        /// It ended.
        Resolved = "resolved",
        /// It was taken back.
        Withdrawn = "withdrawn",
        /// Somebody took it.
        Acked = "acked",
    }
);

/// One revision of an alarm. Times are RFC 3339 in UTC; intervals `[low, estimate, high]`; fractions 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmRecord {
    /// Always `alarm`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// Version of the record: 1.
    pub v: u32,
    /// Dense sequence number over all alarms of this daemon.
    pub seq: u64,
    /// The alarm's number, for people.
    pub no: u64,
    /// ULID made of the onset and a hash of stream, root slice and onset: a replay gives the same.
    pub id: String,
    /// `kind/stream/dim=value,…`: the same trouble again has the same key.
    pub key: String,
    /// Revision of this alarm, from 1.
    pub rev: u32,
    /// When the record was made.
    pub at: String,
    /// The daemon's host.
    pub host: String,
    /// `whole` or `part`.
    pub view: String,
    /// Where the alarm stands in its life.
    pub state: State,
    /// What kind of trouble it is.
    pub kind: Kind,
    /// How loud it is.
    pub severity: Severity,
    /// Whether a person should hear of this record.
    pub notify: Notify,
    /// Why this record was written.
    pub because: Because,
    /// The stream.
    pub stream: String,
    /// The slice that it is about.
    pub slice: Slice,
    /// One line for people: `US / one-click: orders -98 % since 13:03 UTC`.
    pub title: String,
    /// A few lines for people.
    pub text: String,
    /// The minute that the figures belong to.
    pub minute: String,
    /// Earliest, likeliest and latest first minute.
    pub onset: Option<[String; 3]>,
    /// The first minute after it, once it is over.
    pub ended: Option<String>,
    /// Events counted in `minute`.
    pub observed: Option<i64>,
    /// With what is missing added (upper 99 % bound).
    pub observed_max: Option<f64>,
    /// Events expected in `minute`.
    pub expected: Option<f64>,
    /// Lower end of the 90 % band.
    pub low: Option<f64>,
    /// Upper end of the 90 % band.
    pub high: Option<f64>,
    /// Figures since the onset.
    pub since_onset: Option<SinceOnsetPart>,
    /// Evidence in nats.
    pub evidence: Option<f64>,
    /// The bar in nats.
    pub threshold: Option<f64>,
    /// How much can be trusted.
    pub completeness: DataQuality,
    /// Loss per minute right now.
    pub losing: Option<Losing>,
    /// What it has cost so far.
    pub lost: Option<Lost>,
    /// The slices that explain it, best first.
    pub causes: Vec<Cause>,
    /// Share of the shortfall that no cause explains.
    pub unexplained: Option<f64>,
    /// Change markers near the onset, best first.
    pub changes: Vec<Change>,
    /// What is to be said of markers in a sentence.
    pub changes_note: Option<String>,
    /// Made from an open minute.
    pub early: bool,
    /// Made from late data.
    pub late: bool,
    /// Whether the record was on disk when it was sent.
    pub durable: bool,
    /// Who took it, and when.
    pub acked: Option<String>,
    /// Silenced until then.
    pub silenced_until: Option<String>,
    /// What a person said it was: `real`, `expected`, `false`.
    pub label: Option<String>,
    /// Why it was withdrawn or closed.
    pub reason: Option<String>,
    /// Hash of the configuration it was judged by.
    pub config: String,
    /// Where to read on.
    pub url: Option<String>,
}

/// Figures since the onset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinceOnsetPart {
    /// Minutes since the onset, the record's minute included.
    pub minutes: u32,
    /// Events observed in them.
    pub observed: i64,
    /// Events expected in them.
    pub expected: f64,
}

/// How complete the data behind a record is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataQuality {
    /// Believed fraction that arrived.
    pub fraction: f64,
    /// Fraction that came late.
    pub late: f64,
    /// Upper bound of events lost on the way.
    pub dropped: u64,
    /// Lines rejected that might have been events.
    pub rejected: u64,
    /// Who is missing.
    pub missing: Vec<MissingPart>,
}

/// A missing origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MissingPart {
    /// Its name.
    pub origin: String,
    /// Since when.
    pub since: String,
    /// Its usual share.
    pub share: f64,
}

/// Loss per minute right now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Losing {
    /// Orders a minute.
    pub orders_per_min: f64,
    /// Money a minute, by currency.
    pub amount_per_min: BTreeMap<String, f64>,
}

/// What it has cost so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    /// Up to and including this minute.
    pub through: String,
    /// Orders.
    pub orders: Option<[f64; 3]>,
    /// Money, by currency.
    pub amount: BTreeMap<String, [f64; 3]>,
    /// Customers.
    pub customers: Option<[f64; 3]>,
    /// Orders that came after the recovery.
    pub recovered_later: f64,
    /// How it was reckoned.
    pub method: String,
}

/// A slice that explains the shortfall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The slice.
    pub slice: Slice,
    /// Share of the shortfall.
    pub explains: f64,
    /// Events observed in it.
    pub observed: f64,
    /// Events expected in it.
    pub expected: f64,
    /// Fraction of it that is gone.
    pub effect: [f64; 3],
    /// A narrower slice inside it, if one stands out.
    pub refined: Option<Slice>,
}

/// A change marker near the onset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its kind.
    pub kind: String,
    /// What was changed.
    pub what: String,
    /// When.
    pub at: String,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// Why, in words.
    pub why: String,
}
