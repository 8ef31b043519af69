//! What the core knows of a declared source, and how its lines are read.

use crate::model::{SourceId, StreamId, StreamRoute};

use super::format::Format;
use super::time::TimeUnit;

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

/// How the lines of a block are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As the source's configuration says.
    #[default]
    Configured,
    /// As line protocol, whose timestamps count this. The configuration says which measurement is which
    /// stream.
    Influx(TimeUnit),
    /// As NDJSON of this stream.
    Ndjson(StreamId),
}

impl SourceSpec {
    /// The source as a block with this reading sees it.
    pub(super) fn read_as(&self, reading: Reading) -> SourceSpec {
        let (format, route) = match reading {
            Reading::Configured => (self.format, self.route.clone()),
            Reading::Influx(_) => (Format::Influx, self.route.clone()),
            Reading::Ndjson(stream) => (Format::Ndjson, StreamRoute::Fixed(stream)),
        };
        SourceSpec { format, route, ..self.clone() }
    }
}
