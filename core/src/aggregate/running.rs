//! What makes a saved aggregator go on as if nothing had happened: when it runs, who is connected, how far
//! each connection was counted, and what lanes call the series.
//!
//! In: an aggregator, or its saved state. Out: state, or an aggregator that does with further steps what the
//! saved one does. A new run of the daemon has no use for it: see [`Aggregator::restore`]. Must not know:
//! what is counted, which is `save`'s and `restore`'s.

use serde::{Deserialize, Serialize};

use super::aggregator::Aggregator;
use super::position::Conn;
use super::state::{AggregateState, RestoreError};
use crate::model::{ConnId, SourceId, TimeUs};

/// The running daemon, as far as an aggregator knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RunningSaved {
    started: Option<TimeUs>,
    inventory_started: TimeUs,
    swept: TimeUs,
    down_since: TimeUs,
    down: Vec<(TimeUs, TimeUs)>,
    connections: Vec<ConnectionsSaved>,
    positions: Vec<(u16, u64, Conn)>,
    closed: Vec<(u16, u64, TimeUs)>,
}

/// The connections of one source.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ConnectionsSaved {
    source: u16,
    open: Vec<u64>,
    closed_at: Option<TimeUs>,
}

/// What one lane calls the series of one stream. Keys are places in the stream's list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct LaneSaved {
    pub(super) generation: u32,
    /// Series by the lane's id.
    pub(super) ids: Vec<u32>,
    /// The lane's ids whose sums can't all be kept, and which those are.
    pub(super) refused: Vec<(u32, u8)>,
    /// The lane's ids whose series was forgotten, and their keys.
    pub(super) lost: Vec<(u32, u32)>,
    /// The lane's ids that are counted under a coarser series, and their keys.
    pub(super) coarser: Vec<(u32, u32)>,
}

impl Aggregator {
    /// Goes on from saved state in the middle of a run: with the same steps as the saved aggregator it comes to
    /// the same minutes, but that estimates of distinct values may differ within the error of a sketch. Only
    /// for an aggregator that has not counted anything.
    ///
    /// # Errors
    /// As [`Aggregator::restore`]; also if streams or sources are not the same as in the state.
    pub fn go_on_from(&mut self, mut state: AggregateState) -> Result<(), RestoreError> {
        let Some(running) = state.running.take() else { return self.restore(state) };
        if !self.is_alike(&state) {
            return Err(RestoreError::Configuration);
        }
        self.inventory.forget_all();
        self.restore_as(state, true)?;
        self.put_running(running);
        Ok(())
    }

    /// Whether streams and sources are those of a state.
    fn is_alike(&self, state: &AggregateState) -> bool {
        let sources = self.inventory.specs.iter().map(|source| &source.name);
        let streams = self.specs.len() == state.streams.len();
        sources.eq(&state.sources)
            && streams
            && self.specs.iter().zip(&state.streams).all(|(a, b)| b.is_of(a))
    }

    pub(super) fn save_running(&self) -> RunningSaved {
        let connections = self.inventory.connections.iter().enumerate();
        let of = |(at, of): (usize, &super::sources::Connections)| ConnectionsSaved {
            source: at as u16,
            open: of.open.iter().map(|conn| conn.0).collect(),
            closed_at: of.closed_at,
        };
        let positions = self.positions.conns.iter();
        let closed = self.positions.closed.iter();
        RunningSaved {
            started: self.started,
            inventory_started: self.inventory.started,
            swept: self.swept,
            down_since: self.down_since,
            down: self.down.clone(),
            connections: connections.map(of).collect(),
            positions: positions.map(|((source, conn), state)| (source.0, conn.0, state.clone())).collect(),
            closed: closed.map(|((source, conn), &at)| (source.0, conn.0, at)).collect(),
        }
    }

    fn put_running(&mut self, saved: RunningSaved) {
        self.started = saved.started;
        self.inventory.started = saved.inventory_started;
        self.swept = saved.swept;
        self.down_since = saved.down_since;
        self.down = saved.down;
        for of in saved.connections {
            if let Some(connections) = self.inventory.connections.get_mut(usize::from(of.source)) {
                connections.open = of.open.into_iter().map(ConnId).collect();
                connections.closed_at = of.closed_at;
            }
        }
        let key = |source: u16, conn: u64| (SourceId(source), ConnId(conn));
        let positions = saved.positions.into_iter();
        self.positions.conns = positions.map(|(source, conn, state)| (key(source, conn), state)).collect();
        let closed = saved.closed.into_iter();
        self.positions.closed = closed.map(|(source, conn, at)| (key(source, conn), at)).collect();
    }
}
