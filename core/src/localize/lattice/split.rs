//! Whether a cell is one cause, or only holds others: a parent of which some parts are hit and others clearly
//! are not is no cause, however likely it looks.

use super::cuboid::Sums;
use super::round::{Place, Scan};

/// The parts together must gain this many times what the cell gains.
const BETTER: f64 = 1.1;
/// And this much more.
const BETTER_BY: f64 = 10.0;
/// And so much of the cell's expectation must lie in parts that are clearly not hit.
const UNHIT_MASS: f64 = 0.02;
/// A part is clearly not hit when its effect is below this fraction of the cell's with certainty.
const UNHIT_EFFECT: f64 = 0.5;
/// Standard deviations that make it certain.
const CERTAIN: f64 = 2.0;

/// A part of a cell: its leaves with one value of a further dimension.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    pub(super) sums: Sums,
    expected: f64,
}

/// What a cell must gain to be one among `cells`: the more there are to choose from, the more.
pub(super) fn price(cells: f64) -> f64 {
    1.5 * cells.max(1.0).ln() + 2.0
}

/// Whether the parts of a cell by some further dimension tell it better than the cell itself. `inside` are
/// its live leaves, `cells` how many cells its cuboid has.
pub(super) fn tells_better(scan: &Scan, place: &Place, inside: &[u32], cells: f64) -> bool {
    let mut whole = Sums::default();
    inside.iter().for_each(|leaf| whole.add(scan.leaves[*leaf as usize]));
    let mut others = (0..scan.table.dimensions.len()).filter(|at| !place.dimensions.contains(at));
    others.any(|dimension| {
        let parts = parts(scan, inside, dimension);
        let price = price((cells * parts.len() as f64).min(scan.leaves.len() as f64));
        tell_better(&parts, &whole, price)
    })
}

fn tell_better(parts: &[Part], whole: &Sums, price: f64) -> bool {
    let together: f64 = parts.iter().map(|part| (part.sums.gain() - price).max(0.0)).sum();
    if together <= BETTER * whole.gain() + BETTER_BY {
        return false;
    }
    let expected: f64 = parts.iter().map(|part| part.expected).sum();
    let unhit = parts.iter().filter(|part| is_unhit(part, whole.effect()));
    unhit.map(|part| part.expected).sum::<f64>() > UNHIT_MASS * expected
}

fn is_unhit(part: &Part, effect: f64) -> bool {
    let sd = 1.0 / part.sums.weight.max(f64::MIN_POSITIVE).sqrt();
    part.sums.effect() + CERTAIN * sd < UNHIT_EFFECT * effect
}

/// The parts of some leaves by the values of a dimension.
pub(super) fn parts(scan: &Scan, inside: &[u32], dimension: usize) -> Vec<Part> {
    let dimension = &scan.table.dimensions[dimension];
    let mut parts = vec![Part::default(); dimension.values.len()];
    for leaf in inside {
        let part = &mut parts[dimension.codes[*leaf as usize] as usize];
        part.sums.add(scan.leaves[*leaf as usize]);
        part.expected += scan.table.expected[*leaf as usize] * scan.noise.shift;
    }
    parts
}
