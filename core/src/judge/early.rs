//! Open minutes: what a glance at them says before they are sealed.

use super::Judge;
use crate::alarm::{AlarmRecord, EarlyNews};
use crate::model::Glance;

impl Judge {
    /// Looks at a stream's open minutes. Glances come after the minutes that were sealed before them; what sealed
    /// minutes say later does not depend on them, but for numbers and for who is to be called.
    pub fn glance(&mut self, glance: &Glance) -> Vec<AlarmRecord> {
        let detector = &mut self.detectors[glance.stream.index()];
        let early = detector.glance(glance);
        if early.silent.is_empty() && early.partial.is_empty() {
            return Vec::new();
        }
        let table = detector.slices();
        let news = EarlyNews {
            silent: &early.silent,
            partial: &|slice| table.find(slice).and_then(|id| early.partial.get(&id).copied()),
            next: glance.next,
            now: glance.at,
        };
        self.book.early(&self.streams[glance.stream.index()], &news)
    }
}
