//! What the core knows of a declared source.

use crate::model::{SourceId, StreamRoute};

use super::format::Format;

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
