//! A watched ratio between two streams, as the core uses it.

use super::{SeriesKey, Slice, StreamId};

/// What one stream should bring in another: shipments that orders should have brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunnelSpec {
    /// Its name: part of the alarms' keys.
    pub name: String,
    /// The stream that comes first.
    pub from: StreamId,
    /// The stream that should follow.
    pub to: StreamId,
    /// Dimensions that both streams have, each with its place in either.
    pub by: Vec<FunnelDimension>,
    /// How many minutes later what follows has come at the latest, at least 1.
    pub within_min: u32,
}

/// A dimension of both streams of a funnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunnelDimension {
    /// Its name.
    pub name: String,
    /// Its place in the stream that comes first.
    pub from: usize,
    /// Its place in the stream that follows.
    pub to: usize,
}

impl FunnelSpec {
    /// The slice that a row of the first stream (`first`) or of the other belongs to.
    pub fn slice_of(&self, key: &SeriesKey, first: bool) -> Slice {
        let place = |by: &FunnelDimension| if first { by.from } else { by.to };
        Slice(self.by.iter().map(|by| (by.name.clone(), key.dimensions[place(by)].to_string())).collect())
    }
}
