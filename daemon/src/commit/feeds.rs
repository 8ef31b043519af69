//! What source threads tell beside blocks: lines that never reached a lane, connections that come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use ebbd_core::aggregate::{Aggregator, SourceTally};
use ebbd_core::model::{ConnId, SourceId, TimeUs};

use crate::source::{AckDesk, ConnTable, Position, SourceCounters, SourceTold};

/// One source as the committer knows it.
pub struct SourceFeed {
    /// Its place in the configuration.
    pub id: SourceId,
    /// Its name.
    pub name: String,
    /// What its thread counts.
    pub counters: Arc<SourceCounters>,
    /// The sum of what was drained since the start.
    pub total: SourceTold,
}

/// All sources' side channels.
pub struct SourceFeeds {
    sources: Vec<SourceFeed>,
    conns: Arc<ConnTable>,
    desk: Arc<AckDesk>,
}

impl SourceFeeds {
    /// The side channels of `sources`, whose connections are in `conns`, and whose acknowledged senders
    /// `desk` knows.
    pub fn new(sources: Vec<SourceFeed>, conns: Arc<ConnTable>, desk: Arc<AckDesk>) -> SourceFeeds {
        SourceFeeds { sources, conns, desk }
    }

    /// Who speaks for which acknowledged sender.
    pub fn desk(&self) -> &AckDesk {
        &self.desk
    }

    /// The sources.
    pub fn sources(&self) -> &[SourceFeed] {
        &self.sources
    }

    /// Who is connected.
    pub fn conns(&self) -> &ConnTable {
        &self.conns
    }

    /// The name of a source.
    pub fn name(&self, id: SourceId) -> &str {
        self.sources.iter().find(|source| source.id == id).map_or("", |source| source.name.as_str())
    }

    /// Whether sources have told nothing since the last cut.
    pub fn is_quiet(&self) -> bool {
        self.conns.is_unchanged() && self.sources.iter().all(|source| source.counters.is_zero())
    }

    /// How far each followed file was counted.
    pub fn positions(&self, aggregator: &Aggregator) -> Vec<Position> {
        let reached: BTreeMap<ConnId, u64> =
            aggregator.positions().map(|(_, conn, reached)| (conn, reached.end_offset)).collect();
        self.conns.positions(|conn| reached.get(&conn).copied())
    }

    /// Before the markers go out: what was told, and who came and went. The last lines of those who went are
    /// still on their way to the cut.
    pub fn before_cut(&mut self) -> Comings {
        let mut comings = Comings::default();
        for source in &mut self.sources {
            let told = source.counters.drain();
            source.total.add(&told);
            if told.cut_lines_at_most > 0 {
                comings.cut.push((source.id, told.cut_lines_at_most));
            }
            let tally = tally(&told);
            if tally != SourceTally::default() {
                comings.told.push((source.id, tally));
            }
        }
        for change in self.conns.take_changes().list {
            let list = if change.opened { &mut comings.opened } else { &mut comings.closed };
            list.push((change.source, change.conn, change.at));
        }
        comings
    }
}

/// What sources told since the last cut.
#[derive(Debug, Default)]
pub struct Comings {
    /// Lines that never reached a lane.
    pub told: Vec<(SourceId, SourceTally)>,
    /// Lines that may have been lost with files that were cut.
    pub cut: Vec<(SourceId, u64)>,
    /// Connections and files that were opened, and when.
    pub opened: Vec<(SourceId, ConnId, TimeUs)>,
    /// Connections and files that were closed, and when.
    pub closed: Vec<(SourceId, ConnId, TimeUs)>,
}

fn tally(told: &SourceTold) -> SourceTally {
    SourceTally {
        dropped_queue_lines: told.dropped_queue_lines,
        too_long_lines: told.too_long_lines,
        partial_lines: told.partial_lines,
        control_lines: told.control_lines,
        duplicate_lines: told.duplicate_lines,
        kernel_datagrams: told.kernel_datagrams,
    }
}
