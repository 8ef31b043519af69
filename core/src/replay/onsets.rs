//! Drops that would have been told if other groupings had been watched as well.

use std::collections::BTreeSet;

use super::Moment;
use crate::detect::{DetectKnobs, Detector, Verdict};
use crate::model::{Minute, Slice, SliceId, StreamSpec};

/// Most drops that are kept.
const MOST_DROPS: usize = 100_000;

/// A drop of a slice that began to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// The slice.
    pub slice: Slice,
    /// The first minute with the verdict.
    pub at: Minute,
}

/// A detector that watches more, and what it tells.
pub struct Onsets {
    detector: Detector,
    from: Minute,
    open: BTreeSet<SliceId>,
    started: Vec<Started>,
}

impl Onsets {
    /// Watches these groupings beside those of the stream; what begins before `from` is not kept.
    pub fn new(spec: &StreamSpec, knobs: &DetectKnobs, more: &[Vec<usize>], from: Minute) -> Onsets {
        let mut spec = spec.clone();
        spec.watch.extend(
            more.iter().filter(|grouping| !spec.watch.contains(grouping)).cloned().collect::<Vec<_>>(),
        );
        Onsets { detector: Detector::new(&spec, knobs), from, open: BTreeSet::new(), started: Vec::new() }
    }

    /// Lives through a minute; they come in ascending order.
    pub fn tell(&mut self, moment: &Moment) {
        for verdict in self.detector.judge(&moment.sealed) {
            let is_drop = verdict.verdict == Verdict::Drop;
            if !is_drop {
                if matches!(verdict.verdict, Verdict::Ok | Verdict::Learning) {
                    self.open.remove(&verdict.slice);
                }
                continue;
            }
            let is_new = self.open.insert(verdict.slice) && moment.sealed.minute >= self.from;
            if let Some(slice) = self.detector.slices().get(verdict.slice).filter(|_| is_new)
                && self.started.len() < MOST_DROPS
            {
                self.started.push(Started { slice: (**slice).clone(), at: moment.sealed.minute });
            }
        }
    }

    /// The drops, by minute.
    pub fn started(&self) -> &[Started] {
        &self.started
    }

    /// How many of the slices are such.
    pub fn slices(&self, is_one: impl Fn(&Slice) -> bool) -> usize {
        self.detector.slices().iter().filter(|(_, slice)| is_one(slice)).count()
    }
}
