//! One minute of one slice, looked at again: what the detector made of it, and the same minute of the weeks before.

use super::Moment;
use crate::detect::{DetectKnobs, Detector, SliceVerdict};
use crate::model::{CalendarEntry, DeclaredPeriod, Minute, Slice, StreamSpec};

/// Minutes in a week.
const WEEK: i32 = 10_080;
/// Weeks looked back to.
pub const LOOK_WEEKS: usize = 4;

/// Lives up to a minute and keeps what is said of it.
pub struct Look {
    detector: Detector,
    slice: Slice,
    names: Vec<String>,
    at: Minute,
    verdict: Option<SliceVerdict>,
    weeks: [Option<i64>; LOOK_WEEKS],
    drop_since: Option<Minute>,
    declared: Vec<DeclaredPeriod>,
}

impl Look {
    /// Watches what the stream watches, and the slice that is asked about.
    ///
    /// # Errors
    /// A dimension that the stream has not, by name.
    pub fn new(
        spec: &StreamSpec,
        (knobs, calendar): (&DetectKnobs, &[CalendarEntry]),
        slice: Slice,
        at: Minute,
    ) -> Result<Look, String> {
        let names: Vec<String> = spec.dimension_names().into_iter().map(str::to_owned).collect();
        let place = |name: &String| names.iter().position(|own| own == name).ok_or_else(|| name.clone());
        let mut grouping = slice.0.keys().map(place).collect::<Result<Vec<usize>, String>>()?;
        grouping.sort_unstable();
        let mut spec = spec.clone();
        if !spec.watch.contains(&grouping) {
            spec.watch.push(grouping);
        }
        let mut detector = Detector::new(&spec, knobs);
        detector.declare(calendar);
        let weeks = [None; LOOK_WEEKS];
        Ok(Look { detector, slice, names, at, verdict: None, weeks, drop_since: None, declared: Vec::new() })
    }

    /// Lives through a minute; they come in ascending order.
    pub fn tell(&mut self, moment: &Moment) {
        let sealed = &moment.sealed;
        let ago = self.at.0 - sealed.minute.0;
        if ago < 0 {
            return;
        }
        if ago > 0 && ago % WEEK == 0 && !sealed.completeness.no_data {
            let week = (ago / WEEK) as usize - 1;
            let own = |key: &crate::model::SeriesKey| {
                let has = |(d, v): (&String, &String)| {
                    self.names.iter().position(|name| name == d).is_some_and(|at| *key.dimensions[at] == **v)
                };
                key.watched && self.slice.0.iter().all(has)
            };
            let count = sealed.judged_rows().filter(|row| own(row.key)).map(|row| row.count).sum();
            self.weeks.get_mut(week).into_iter().for_each(|slot| *slot = Some(count));
        }
        let verdicts = self.detector.judge(sealed);
        if ago == 0 {
            let id = self.detector.slices().find(&self.slice);
            self.verdict = verdicts.into_iter().find(|verdict| Some(verdict.slice) == id);
            self.drop_since = id.and_then(|id| self.detector.open_since(id)).map(|[_, likeliest]| likeliest);
            self.declared = self.detector.declared();
            self.declared.retain(|period| !period.slice.is_apart(&self.slice));
        }
    }

    /// What was said of it; `None` if the minute did not come, or the slice was never seen.
    pub fn verdict(&self) -> Option<&SliceVerdict> {
        self.verdict.as_ref()
    }

    /// Since when a drop of it was open then.
    pub fn drop_since(&self) -> Option<Minute> {
        self.drop_since
    }

    /// The periods that are declared for the minute and for events of the slice.
    pub fn declared(&self) -> &[DeclaredPeriod] {
        &self.declared
    }

    /// Events in the same minute one to four weeks before; `None` without data.
    pub fn weeks(&self) -> [Option<i64>; LOOK_WEEKS] {
        self.weeks
    }
}
