//! Which combinations of dimension values had how much in a period, and how much was to be expected of each.
//!
//! What a combination is expected to have is its mean over the same minutes of the weeks before, without those of
//! past incidents; sums over it are as good as sums get. These are then raked (Deming and Stephan 1940) to what the
//! detector expects of the watched slices, which knows levels and trends.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use super::{Held, Moment};
use crate::impact::Loss;
use crate::localize::{LeafDimension, LeafTable};
use crate::model::{Minute, SeriesKey, Slice, StreamSpec};

/// Minutes in a week.
const WEEK: i32 = 10_080;
/// Weeks looked back to.
const WEEKS: usize = 4;
/// Most combinations; more are left out and counted.
const MOST_LEAVES: usize = 500_000;
/// A minute of which more than this is missing is no history.
const COMPLETE: f64 = 0.95;
/// Slices from this expectation on are raked to, so many times in turn.
const RAKED_FROM: f64 = 20.0;
const ROUNDS: usize = 8;
/// What a slice is expected to have changes by at most this factor in a round.
const MOST_FACTOR: f64 = 10.0;

/// The combinations of one stream within a slice.
pub struct Leaves {
    names: Vec<String>,
    within: Slice,
    period: Range<Minute>,
    incidents: Vec<Range<Minute>>,
    leaves: HashMap<Box<[Arc<str>]>, usize, foldhash::fast::RandomState>,
    keys: Vec<Arc<SeriesKey>>,
    observed: Vec<f64>,
    /// Sums over all weeks.
    history: Vec<f64>,
    minutes: u32,
    history_minutes: u32,
    /// Sum of the completeness of the period's minutes.
    arrived: f64,
    left_out: u64,
}

impl Leaves {
    /// Nothing told yet. Minutes of `incidents` are no history.
    pub fn new(
        spec: &StreamSpec,
        within: Slice,
        period: Range<Minute>,
        incidents: Vec<Range<Minute>>,
    ) -> Leaves {
        Leaves {
            names: spec.dimension_names().into_iter().map(str::to_owned).collect(),
            within,
            period,
            incidents,
            leaves: HashMap::default(),
            keys: Vec::new(),
            observed: Vec::new(),
            history: Vec::new(),
            minutes: 0,
            history_minutes: 0,
            arrived: 0.0,
            left_out: 0,
        }
    }

    /// Takes a minute in; any minute, in any order, each once.
    pub fn tell(&mut self, moment: &Moment) {
        let sealed = &moment.sealed;
        let at = sealed.minute;
        if sealed.completeness.no_data {
            return;
        }
        let is_own = self.period.contains(&at);
        let weeks = (1..=WEEKS as i32).filter(|week| self.period.contains(&at.plus(week * WEEK))).count();
        let in_incident = self.incidents.iter().any(|incident| incident.contains(&at));
        let is_history = weeks > 0 && !is_own && !in_incident && sealed.completeness.fraction >= COMPLETE;
        if !is_own && !is_history {
            return;
        }
        if is_own {
            self.minutes += 1;
            self.arrived += sealed.completeness.fraction;
        } else {
            self.history_minutes += weeks as u32;
        }
        for row in sealed.rows.iter().filter(|row| row.key.watched) {
            let Some(leaf) = self.leaf(row.key) else { continue };
            if is_own {
                self.observed[leaf] += row.count as f64;
            } else {
                self.history[leaf] += row.count as f64 * weeks as f64;
            }
        }
    }

    fn leaf(&mut self, key: &Arc<SeriesKey>) -> Option<usize> {
        let names = &self.names;
        let has = |(dimension, value): (&String, &String)| {
            names.iter().position(|name| name == dimension).is_some_and(|at| *key.dimensions[at] == **value)
        };
        if !self.within.0.iter().all(has) {
            return None;
        }
        if let Some(leaf) = self.leaves.get(&key.dimensions) {
            return Some(*leaf);
        }
        if self.keys.len() >= MOST_LEAVES {
            self.left_out += 1;
            return None;
        }
        let leaf = self.keys.len();
        self.leaves.insert(key.dimensions.clone(), leaf);
        self.keys.push(Arc::clone(key));
        self.observed.push(0.0);
        self.history.push(0.0);
        Some(leaf)
    }

    /// Minutes of the weeks before that expectations rest on.
    pub fn history_minutes(&self) -> u32 {
        self.history_minutes
    }

    /// Which part of the period's data had arrived.
    pub fn arrived(&self) -> f64 {
        if self.minutes == 0 { 0.0 } else { self.arrived / f64::from(self.minutes) }
    }

    /// Rows of combinations that found no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Observed and expected of each combination. What is known to be missing is taken out of what is expected.
    /// Dimensions with one value say nothing and are left out.
    pub fn table(&self, held: &Held) -> LeafTable {
        let part = f64::from(self.minutes) / f64::from(self.history_minutes.max(1));
        let mut expected: Vec<f64> = self.history.iter().map(|sum| sum * part).collect();
        let mut dimensions: Vec<LeafDimension> = (0..self.names.len()).map(|at| self.dimension(at)).collect();
        rake(&mut expected, &dimensions, &self.within, held);
        let arrived = self.arrived();
        expected.iter_mut().for_each(|expected| *expected *= arrived);
        dimensions.retain(|dimension| dimension.values.len() > 1);
        LeafTable { dimensions, observed: self.observed.clone(), expected }
    }

    fn dimension(&self, at: usize) -> LeafDimension {
        let (mut known, mut values) =
            (HashMap::<&str, u32, foldhash::fast::RandomState>::default(), Vec::new());
        let mut codes = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let value: &str = &key.dimensions[at];
            let next = known.len() as u32;
            let code = *known.entry(value).or_insert(next);
            if code == next {
                values.push(value.to_owned());
            }
            codes.push(code);
        }
        LeafDimension { name: self.names[at].clone(), values, codes }
    }
}

/// Scales leaves so that their sums are what the detector expects of each slice. The leaves are all of `within`, so
/// they are no more than a part of a slice that reaches beyond it.
fn rake(expected: &mut [f64], dimensions: &[LeafDimension], within: &Slice, held: &Held) {
    let code = |(dimension, value): (&String, &String)| {
        let at = dimensions.iter().position(|own| own.name == *dimension)?;
        let code = dimensions[at].values.iter().position(|own| own == value)?;
        Some((at, code as u32))
    };
    let mut targets: Vec<(Vec<usize>, f64)> = Vec::new();
    let known = |loss: &Loss| loss.minutes > 0 && loss.expected >= RAKED_FROM;
    for (slice, loss) in held.all().filter(|(slice, loss)| within.contains(slice) && known(loss)) {
        let Some(codes) = slice.0.iter().map(code).collect::<Option<Vec<(usize, u32)>>>() else { continue };
        let has = |leaf: &usize| codes.iter().all(|(at, code)| dimensions[*at].codes[*leaf] == *code);
        targets.push(((0..expected.len()).filter(has).collect(), loss.expected));
    }
    // The whole last: what is more certain stands.
    targets.sort_by(|a, b| a.1.total_cmp(&b.1));
    for _ in 0..ROUNDS {
        for (leaves, target) in &targets {
            let sum: f64 = leaves.iter().map(|leaf| expected[*leaf]).sum();
            if sum > 0.0 {
                let factor = (target / sum).clamp(1.0 / MOST_FACTOR, MOST_FACTOR);
                leaves.iter().for_each(|leaf| expected[*leaf] *= factor);
            }
        }
    }
}
