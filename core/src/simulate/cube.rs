//! A table of all combinations of some dimensions, with causes of known truth, and how an answer is scored.
//!
//! In: sizes of dimensions, values, where it is hit. Out: a [`Cube`]. Must not know: how causes are found.

use crate::localize::{LeafDimension, LeafTable, Located};
use crate::model::{Rng, Slice};

/// Conditions: dimension and value.
pub(super) type Conditions = Vec<(usize, u32)>;

/// A table and what is wrong in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cube {
    /// Observed and expected by leaf.
    pub table: LeafTable,
    /// The causes.
    pub causes: Vec<Slice>,
}

/// Hits and misses of exactly named causes, over many tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CubeScore {
    /// Causes that were named.
    pub hits: usize,
    /// Causes that were not.
    pub missed: usize,
    /// Slices that were named and are no cause.
    pub wrong: usize,
}

impl CubeScore {
    /// Adds one answer.
    pub fn add(&mut self, cube: &Cube, answer: &Located) {
        let named = |cause: &&Slice| answer.causes.iter().any(|own| own.slice == **cause);
        let hits = cube.causes.iter().filter(named).count();
        self.hits += hits;
        self.missed += cube.causes.len() - hits;
        self.wrong += answer.causes.len() - hits;
    }

    /// The harmonic mean of precision and recall; 1 where there was nothing to find and nothing was named.
    pub fn f1(&self) -> f64 {
        let all = 2 * self.hits + self.missed + self.wrong;
        if all == 0 { 1.0 } else { 2.0 * self.hits as f64 / all as f64 }
    }
}

/// A table in the making.
pub(super) struct Draft {
    sizes: Vec<u32>,
    table: LeafTable,
    hit: Vec<Conditions>,
}

impl Draft {
    /// All combinations of dimensions of these sizes, nothing expected of any.
    pub(super) fn new(sizes: &[u32]) -> Draft {
        let leaves = sizes.iter().map(|size| *size as usize).product::<usize>();
        let mut below = leaves;
        let dimension = |(at, size): (usize, &u32)| {
            let name = char::from(b'a' + at as u8).to_string();
            below /= *size as usize;
            let codes = (0..leaves).map(|leaf| (leaf / below) as u32 % size).collect();
            let values = (1..=*size).map(|value| format!("{name}{value}")).collect();
            LeafDimension { name, values, codes }
        };
        let dimensions = sizes.iter().enumerate().map(dimension).collect();
        let table = LeafTable { dimensions, observed: vec![0.0; leaves], expected: vec![0.0; leaves] };
        Draft { sizes: sizes.to_vec(), table, hit: Vec::new() }
    }

    pub(super) fn leaves(&self) -> usize {
        self.table.observed.len()
    }

    pub(super) fn put(&mut self, leaf: usize, observed: f64, expected: f64) {
        self.table.observed[leaf] = observed;
        self.table.expected[leaf] = expected;
    }

    /// A weight per leaf: the product of one per value of each dimension.
    pub(super) fn weights(&self, mut draw: impl FnMut() -> f64) -> Vec<f64> {
        let of_values: Vec<Vec<f64>> =
            self.sizes.iter().map(|size| (0..*size).map(|_| draw()).collect()).collect();
        let of = |leaf: usize| {
            let dimensions = self.table.dimensions.iter().zip(&of_values);
            dimensions.map(|(dimension, weights)| weights[dimension.codes[leaf] as usize]).product()
        };
        (0..self.leaves()).map(of).collect()
    }

    /// `elements` different cells of one cuboid of `order` dimensions, apart from what was hit before; of a
    /// single leaf (if `not_empty`) only such as expect something.
    pub(super) fn elements(
        &mut self,
        rng: &mut impl Rng,
        order: usize,
        elements: usize,
        not_empty: bool,
    ) -> Vec<Conditions> {
        for _ in 0..1000 {
            let mut dimensions: Vec<usize> = (0..self.sizes.len()).collect();
            (0..dimensions.len()).for_each(|at| {
                let other = at + rng.below((dimensions.len() - at) as u64) as usize;
                dimensions.swap(at, other);
            });
            dimensions.truncate(order);
            dimensions.sort_unstable();
            let mut value =
                |dimension: &usize| (*dimension, rng.below(u64::from(self.sizes[*dimension])) as u32);
            let mut places: Vec<Conditions> = Vec::new();
            (0..elements).for_each(|_| places.push(dimensions.iter().map(&mut value).collect()));
            let empty = |place: &Conditions| {
                self.inside(place)
                    .iter()
                    .all(|leaf| self.table.expected[*leaf] * self.table.observed[*leaf] == 0.0)
            };
            let twice = (1..places.len()).any(|at| places[..at].contains(&places[at]));
            let free = places.iter().all(|place| self.is_apart(place));
            if !twice && free && !(not_empty && places.iter().any(empty)) {
                return places;
            }
        }
        Vec::new()
    }

    /// Whether no value of a dimension that was hit is used again: no cause lies in another.
    pub(super) fn is_apart(&self, place: &Conditions) -> bool {
        self.hit.iter().all(|hit| place.iter().all(|condition| !hit.contains(condition)))
    }

    pub(super) fn inside(&self, place: &Conditions) -> Vec<usize> {
        let is = |leaf: usize, (dimension, value): &(usize, u32)| {
            self.table.dimensions[*dimension].codes[leaf] == *value
        };
        (0..self.leaves()).filter(|leaf| place.iter().all(|condition| is(*leaf, condition))).collect()
    }

    /// A cause: what its leaves observe is made of what they expect.
    pub(super) fn hit(&mut self, place: &Conditions, mut observed: impl FnMut(f64) -> f64) {
        self.hit_leaves(place, |_, expected| observed(expected));
    }

    /// A cause: what its leaves observe, by leaf and expectation.
    pub(super) fn hit_leaves(&mut self, place: &Conditions, mut observed: impl FnMut(usize, f64) -> f64) {
        for leaf in self.inside(place) {
            self.table.observed[leaf] = observed(leaf, self.table.expected[leaf]).max(0.0);
        }
        self.hit.push(place.clone());
    }

    /// The cube; sets of both directions are told here as falls.
    pub(super) fn facing_down(self) -> Cube {
        self.done()
    }

    /// The cube.
    pub(super) fn done(self) -> Cube {
        let condition = |(dimension, value): &(usize, u32)| {
            let dimension = &self.table.dimensions[*dimension];
            (dimension.name.clone(), dimension.values[*value as usize].clone())
        };
        let causes = self.hit.iter().map(|place| Slice::of(place.iter().map(condition))).collect();
        Cube { table: self.table, causes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::localize::{Direction, Reach, locate};
    use crate::simulate::CubeFamily;

    fn score(family: CubeFamily, seeds: std::ops::Range<u64>) -> CubeScore {
        let mut score = CubeScore::default();
        for seed in seeds {
            let cube = family.cube(seed);
            score.add(&cube, &locate(&cube.table, Direction::Fall, Reach::default()));
        }
        score
    }

    #[test]
    fn causes_are_named_exactly() {
        for (family, least) in [
            (CubeFamily::Rippled, 0.98),
            (CubeFamily::Scattered, 0.85),
            (CubeFamily::Leaves, 0.95),
            (CubeFamily::Counts, 0.95),
            (CubeFamily::Sparse, 0.85),
            (CubeFamily::Incomplete, 0.9),
            (CubeFamily::Siblings, 0.9),
        ] {
            let score = score(family, 2000..2008);
            assert!(score.f1() >= least, "{}: {score:?}", family.name());
        }
    }

    #[test]
    fn nothing_is_named_where_nothing_is_wrong() {
        assert_eq!(score(CubeFamily::Nothing, 2000..2020), CubeScore::default());
    }

    #[test]
    fn the_other_direction_is_the_same_seen_from_the_other_side() {
        let mut cube = CubeFamily::Counts.cube(2100);
        std::mem::swap(&mut cube.table.observed, &mut cube.table.expected);
        let mut score = CubeScore::default();
        score.add(&cube, &locate(&cube.table, Direction::Rise, Reach::default()));
        assert_eq!((score.missed, score.wrong), (0, 0));
        assert!(locate(&cube.table, Direction::Fall, Reach::default()).causes.is_empty());
    }

    #[test]
    fn a_cause_deeper_than_all_cuboids_are_looked_at_is_found() {
        let mut draft = Draft::new(&[4; 9]);
        (0..draft.leaves()).for_each(|leaf| draft.put(leaf, 40.0, 40.0));
        let place: Conditions = (0..5).map(|dimension| (dimension, 2)).collect();
        draft.hit(&place, |_| 0.0);
        let cube = draft.done();
        let located = locate(&cube.table, Direction::Fall, Reach::default());
        let named: Vec<&Slice> = located.causes.iter().map(|cause| &cause.slice).collect();
        assert_eq!(named, cube.causes.iter().collect::<Vec<_>>());
    }

    #[test]
    fn scores_count_exact_names_only() {
        let cube = CubeFamily::Counts.cube(2200);
        let mut score = CubeScore::default();
        score.add(&cube, &Located::default());
        assert_eq!((score.hits, score.missed, score.wrong, score.f1()), (0, cube.causes.len(), 0, 0.0));
        assert_eq!(CubeScore::default().f1(), 1.0);
    }
}
