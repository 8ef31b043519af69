//! What the scan found, put together for whoever asked: shares, intervals, sets of values, refinements.

use super::cuboid::Sums;
use super::noise::Noise;
use super::round::{Place, Rounds, Taken, shortfalls};
use super::{Cause, LeafTable, Located, Refined};
use crate::model::Slice;

/// The 97.5 % point of the normal distribution.
const Z95: f64 = 1.96;
/// A part of a cause is told when it is hit so many times as hard.
const HARDER: f64 = 1.5;
/// And when that is so many standard deviations.
const CERTAIN: f64 = 4.0;
/// Causes of a set of values differ in their effects by no more than this.
const ALIKE: f64 = 0.15;

/// The answer.
pub(super) fn located(table: &LeafTable, noise: &Noise, rounds: Rounds) -> Located {
    let explained: f64 = rounds.taken.iter().map(|taken| taken.missing).sum();
    let whole = shortfalls(table, noise).sum::<f64>().max(explained);
    let cause = |taken: &Taken| cause(table, noise, taken, whole);
    let mut causes: Vec<Cause> = rounds.taken.iter().map(cause).collect();
    causes.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.slice.cmp(&b.slice)));
    group(&mut causes);
    Located {
        global: (noise.shift != 1.0).then_some(noise.shift),
        causes,
        unexplained: if whole > 0.0 { (1.0 - explained / whole).clamp(0.0, 1.0) } else { 1.0 },
        partial: rounds.partial,
    }
}

fn cause(table: &LeafTable, noise: &Noise, taken: &Taken, whole: f64) -> Cause {
    let inside: Vec<usize> = (0..table.observed.len()).filter(|leaf| taken.place.has(table, *leaf)).collect();
    let of = |column: &[f64]| inside.iter().map(|leaf| column[*leaf]).sum::<f64>();
    Cause {
        slice: slice(table, &taken.place),
        share: if whole > 0.0 { (taken.missing / whole).clamp(0.0, 1.0) } else { 0.0 },
        observed: of(&table.observed),
        expected: of(&table.expected),
        effect: interval(&taken.sums, noise),
        gain: taken.sums.gain() / 2.0,
        refined: refined(table, noise, taken, &inside, whole),
        group: 0,
    }
}

fn slice(table: &LeafTable, place: &Place) -> Slice {
    let condition = |(dimension, code): (&usize, &u32)| {
        let dimension = &table.dimensions[*dimension];
        (dimension.name.clone(), dimension.values[*code as usize].clone())
    };
    Slice::of(place.dimensions.iter().zip(&place.codes).map(condition))
}

fn interval(sums: &Sums, noise: &Noise) -> [f64; 3] {
    let half = Z95 * (1.0 / sums.weight + noise.cell_error * noise.cell_error).sqrt();
    let effect = sums.effect();
    [effect - half, effect, effect + half].map(|share| share.clamp(0.0, 1.0))
}

/// What the leaves of a part of a cause add up to.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    sums: Sums,
    observed: f64,
    expected: f64,
}

impl Part {
    fn add(&mut self, observed: f64, expected: f64, noise: &Noise) {
        let usual = expected * noise.shift;
        let variance = noise.variance_over_mean(usual);
        self.sums.weight += usual / variance;
        self.sums.missing += (usual - observed) / variance;
        self.observed += observed;
        self.expected += expected;
    }

    /// Whether it is hit clearly harder than the whole.
    fn is_harder(&self, whole: &Sums) -> bool {
        let effect = self.sums.effect();
        effect >= HARDER * whole.effect() && effect - CERTAIN / self.sums.weight.sqrt() > whole.effect()
    }
}

/// The part of a cause, one dimension further, that is hit clearly harder than the whole of it.
fn refined(table: &LeafTable, noise: &Noise, taken: &Taken, inside: &[usize], whole: f64) -> Option<Refined> {
    let mut best: Option<(Part, Place)> = None;
    let others = (0..table.dimensions.len()).filter(|at| !taken.place.dimensions.contains(at));
    for dimension in others {
        let column = &table.dimensions[dimension];
        let mut parts = vec![Part::default(); column.values.len()];
        for leaf in inside {
            parts[column.codes[*leaf] as usize].add(table.observed[*leaf], table.expected[*leaf], noise);
        }
        let parts = parts.iter().enumerate().filter(|(_, part)| part.sums.weight > 0.0);
        for (code, part) in parts.filter(|(_, part)| part.is_harder(&taken.sums)) {
            if best.as_ref().is_none_or(|best| part.sums.gain() > best.0.sums.gain()) {
                best = Some((*part, taken.place.narrower(dimension, code as u32)));
            }
        }
    }
    best.map(|(part, place)| Refined {
        slice: slice(table, &place),
        share: ((part.expected * noise.shift - part.observed) / whole.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0),
        observed: part.observed,
        expected: part.expected,
        effect: interval(&part.sums, noise),
    })
}

/// Causes that differ in one value only and are hit alike get the number of the first of them.
fn group(causes: &mut [Cause]) {
    for at in 0..causes.len() {
        let alike = |other: &Cause| {
            differ_in_one_value(&other.slice, &causes[at].slice)
                && (other.effect[1] - causes[at].effect[1]).abs() <= ALIKE
        };
        let group = causes[..at].iter().find(|other| alike(other)).map_or(at, |other| other.group);
        causes[at].group = group;
    }
}

fn differ_in_one_value(a: &Slice, b: &Slice) -> bool {
    a.0.len() == b.0.len()
        && a.0.keys().eq(b.0.keys())
        && a.0.iter().zip(&b.0).filter(|(one, other)| one.1 != other.1).count() == 1
}
