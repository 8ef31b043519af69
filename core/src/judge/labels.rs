//! What people order about alarms, and what the detector learns from what they say one was.

use super::Judge;
use crate::alarm::{AlarmRecord, Kind};
use crate::detect::LabelEffect;
use crate::model::{AlarmOrder, Label, Minute, StreamId, TimeUs};

impl Judge {
    /// Does what a person ordered. Returns the records that come of it, in order of `seq`.
    ///
    /// A drop that was `expected` is kept out of the baseline of its slices; one that was `false` raises their
    /// bar for a while; any other label takes both back.
    pub fn ordered(&mut self, order: &AlarmOrder, now: TimeUs) -> Vec<AlarmRecord> {
        if let AlarmOrder::Label { no, label, .. } = order {
            self.learn_label(*no, *label);
        }
        let Judge { book, streams, .. } = self;
        let revise_us =
            |name: &str| streams.iter().find(|spec| spec.name == name).map_or(0, |spec| spec.revise_us);
        book.ordered(order, now, &revise_us)
    }

    /// What the label of an alarm changes in the detector.
    pub fn label_effect(&self, no: u64) -> LabelEffect {
        let about = self.book.about(no);
        let stream = about.and_then(|about| self.stream_named(&about.stream));
        stream.map(|stream| self.detectors[stream.index()].label_effect(no)).unwrap_or_default()
    }

    fn stream_named(&self, name: &str) -> Option<StreamId> {
        let at = self.streams.iter().position(|spec| spec.name == name)?;
        Some(StreamId(u16::try_from(at).ok()?))
    }

    fn learn_label(&mut self, no: u64, label: Option<Label>) {
        let Some(about) = self.book.about(no).filter(|about| about.kind == Kind::Drop) else { return };
        let Some(stream) = self.stream_named(&about.stream) else { return };
        let detector = &mut self.detectors[stream.index()];
        detector.unlearn_label(no);
        match label {
            Some(Label::False) => detector.raise_bar(no, &about.touched),
            Some(Label::Expected) => {
                let to = about.ended.or(detector.last_minute().map(Minute::next)).unwrap_or(about.onset);
                detector.mask(no, |slice| about.covers(slice), about.onset, to);
            }
            Some(Label::Real) | None => {}
        }
    }

    /// A drop that is labelled `expected` while it goes on stays out of the baseline.
    pub(super) fn leave_out_expected(&mut self, stream: StreamId, minute: Minute) {
        for (no, about) in self.book.expected_now(&self.streams[stream.index()].name) {
            self.detectors[stream.index()].mask(no, |slice| about.covers(slice), minute, minute.next());
        }
    }
}
