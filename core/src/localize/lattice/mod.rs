//! The lattice scan: which combinations of dimension values explain that a table of counts differs from
//! what was expected. It may name any cell of the lattice of all combinations, several, or none.
//!
//! In: a [`LeafTable`], one row per full combination, observed and expected. Out: a [`Located`].
//! Must not know: slices that are watched, minutes, alarms, files.
//!
//! Each leaf weighs by the variance of its count (Poisson, and an error of its forecast in proportion to it).
//! Sums over a cell then give its effect and the gain in likelihood if all its leaves lost one share: an
//! expectation-based scan statistic (Neill, "Fast subset scan for spatial pattern detection", JRSS B 2012)
//! whose model of a cause is the ripple effect (Sun et al., "HotSpot", IEEE Access 2018; Li et al.,
//! "Generic and robust localization of multi-dimensional root causes", ISSRE 2019). The best cell is taken,
//! its leaves are left out, and the next is sought; a cell whose parts tell it better is passed over.

mod cuboid;
mod noise;
mod round;
mod split;
mod together;

use self::noise::Noise;
use crate::model::Slice;

/// One row per combination of the values of all dimensions; combinations may be absent or come twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeafTable {
    /// The dimensions.
    pub dimensions: Vec<LeafDimension>,
    /// What was counted, one figure per leaf; may be fractional.
    pub observed: Vec<f64>,
    /// What was expected, one figure per leaf, not negative.
    pub expected: Vec<f64>,
}

/// A dimension of a [`LeafTable`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeafDimension {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
    /// Which of `values` a leaf has, one per leaf.
    pub codes: Vec<u32>,
}

/// What is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What has fallen below its expectation.
    Fall,
    /// What has risen above it.
    Rise,
}

/// How far the scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Most dimensions that a cause may name.
    pub order: usize,
    /// Most causes.
    pub causes: usize,
}

impl Default for Reach {
    fn default() -> Reach {
        Reach { order: usize::MAX, causes: 16 }
    }
}

/// What was found, largest share first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Located {
    /// What all leaves alike have left of their expectation, when that is not about 1: input is incomplete,
    /// or the cause lies outside the dimensions. Causes are sought beyond it.
    pub global: Option<f64>,
    /// The causes; none when nothing passes.
    pub causes: Vec<Cause>,
    /// Share of the difference that no cause explains, 0 to 1.
    pub unexplained: f64,
    /// Whether the table was too large to look at every combination: parts of what was found were not split
    /// as far as they might be.
    pub partial: bool,
}

/// One cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// Where.
    pub slice: Slice,
    /// Share of the whole difference that lies in it and in no cause before it, 0 to 1.
    pub share: f64,
    /// Counted in it.
    pub observed: f64,
    /// Expected in it, the global shift not applied.
    pub expected: f64,
    /// Fraction of the expectation that is gone (of what was observed that is surplus, for a rise):
    /// `[low, estimate, high]`, 95 %, each in 0 to 1.
    pub effect: [f64; 3],
    /// How much likelier it makes the counts, in nats.
    pub gain: f64,
    /// A narrower cell in it that is hit at least one and a half times as hard.
    pub refined: Option<Refined>,
    /// Causes of one group differ in the value of one dimension only, and are hit alike: a set of values.
    pub group: usize,
}

/// A part of a cause that is hit clearly harder than the rest of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refined {
    /// Where.
    pub slice: Slice,
    /// Share of the whole difference that lies in it, 0 to 1; it is part of the cause's.
    pub share: f64,
    /// Counted in it.
    pub observed: f64,
    /// Expected in it, the global shift not applied.
    pub expected: f64,
    /// As [`Cause::effect`].
    pub effect: [f64; 3],
}

/// Finds the causes.
///
/// A rise is a fall seen from the other side: from what was observed down to what was expected. So the effect of
/// a rise is the surplus as a fraction of what was observed.
pub fn locate(table: &LeafTable, direction: Direction, reach: Reach) -> Located {
    match direction {
        Direction::Fall => falls(table, reach),
        Direction::Rise => {
            let mut turned = table.clone();
            std::mem::swap(&mut turned.observed, &mut turned.expected);
            let mut located = falls(&turned, reach);
            for cause in &mut located.causes {
                std::mem::swap(&mut cause.observed, &mut cause.expected);
                if let Some(refined) = &mut cause.refined {
                    std::mem::swap(&mut refined.observed, &mut refined.expected);
                }
            }
            located.global = located.global.map(|shift| 1.0 / shift);
            located
        }
    }
}

fn falls(table: &LeafTable, reach: Reach) -> Located {
    if table.observed.is_empty() || table.dimensions.is_empty() {
        return Located { unexplained: 1.0, ..Located::default() };
    }
    let table = &with_leaves(table);
    let noise = Noise::of(table, &vec![true; table.observed.len()]).before_causes();
    let alone = (noise.shift != 1.0).then(|| round::causes(table, &noise.unshifted(), reach));
    let found = alone.filter(|found| round::tells_all(table, found));
    let found = found.unwrap_or_else(|| round::causes(table, &noise, reach));
    // What is usual is known better without the leaves that are not.
    let noise = Noise::of(table, &round::untouched(table, &found));
    together::located(table, &noise, round::causes(table, &noise, reach))
}

/// The leaves of which something was counted or expected: of the others nothing can be told.
fn with_leaves(table: &LeafTable) -> LeafTable {
    let some = |leaf: &usize| table.observed[*leaf] != 0.0 || table.expected[*leaf] != 0.0;
    let kept: Vec<usize> = (0..table.observed.len()).filter(some).collect();
    let column = |column: &[f64]| kept.iter().map(|leaf| column[*leaf]).collect();
    let dimension = |own: &LeafDimension| LeafDimension {
        name: own.name.clone(),
        values: own.values.clone(),
        codes: kept.iter().map(|leaf| own.codes[*leaf]).collect(),
    };
    LeafTable {
        dimensions: table.dimensions.iter().map(dimension).collect(),
        observed: column(&table.observed),
        expected: column(&table.expected),
    }
}
