//! What a source's lines look like.

use crate::model::{SourceId, StreamRoute};

/// The format of a source's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line (RFC 8259).
    Ndjson,
    /// InfluxDB line protocol v2.
    Influx,
    /// StatsD and DogStatsD counters.
    Statsd,
}

impl Format {
    /// Every format, in the order of the registry.
    pub const ALL: [Format; 3] = [Format::Ndjson, Format::Influx, Format::Statsd];

    /// The name used in configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Ndjson => "ndjson",
            Format::Influx => "influx",
            Format::Statsd => "statsd",
        }
    }
}

/// What the core needs to know of a declared source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpec {
    /// Its place in the configuration's list of sources.
    pub id: SourceId,
    /// Its configured name.
    pub name: String,
    /// The format of its lines.
    pub format: Format,
    /// How its lines find their stream.
    pub route: StreamRoute,
    /// Origins that ought to send.
    pub expect: Vec<String>,
    /// A silent origin is forgotten after this long.
    pub forget_after_us: i64,
}
