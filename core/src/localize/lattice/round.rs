//! Round after round: the best cell that passes is a cause, and its leaves are left out of the next.

use super::cuboid::{Lattice, Sums};
use super::noise::Noise;
use super::split::{self, price};
use super::{LeafTable, Reach};

/// What a cell must gain beyond its price.
const LEAST_GAIN: f64 = 8.0;
/// The least fraction that is gone from a cause.
const LEAST_EFFECT: f64 = 0.10;
/// The least fraction that is gone from a cell that may hold a cause too deep to be looked at with all others.
const LEAST_HINT: f64 = 0.02;
/// The least effect in standard deviations, the forecast's error of large cells among them.
const LEAST_SIGMAS: f64 = 4.0;
/// Causes must leave so much of the expectation untouched to be all that is wrong.
const LEAST_REST: f64 = 0.15;
/// Cells of a round that are looked at more closely, best first.
const CANDIDATES: usize = 256;
/// Leaves times cuboids beyond which cuboids of a higher order are only looked into below promising cells.
const MOST_WORK: f64 = 9e7;

/// A cell by the codes of its dimensions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) dimensions: Vec<usize>,
    pub(super) codes: Vec<u32>,
}

impl Place {
    pub(super) fn has(&self, table: &LeafTable, leaf: usize) -> bool {
        let wanted = self.dimensions.iter().zip(&self.codes);
        wanted.into_iter().all(|(dimension, code)| table.dimensions[*dimension].codes[leaf] == *code)
    }

    /// The part of it that has one value of a further dimension.
    pub(super) fn narrower(&self, dimension: usize, code: u32) -> Place {
        let mut narrower = self.clone();
        narrower.dimensions.push(dimension);
        narrower.codes.push(code);
        narrower
    }
}

/// A cell that was taken.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taken {
    pub(super) place: Place,
    pub(super) sums: Sums,
    /// What is missing in it and in none before it.
    pub(super) missing: f64,
}

/// All rounds of a scan.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rounds {
    pub(super) taken: Vec<Taken>,
    pub(super) partial: bool,
}

/// A cell that may be a cause: which cuboid, which cell of it.
#[derive(Clone, Copy)]
struct Candidate {
    score: f64,
    cuboid: usize,
    cell: usize,
}

/// What a scan looks at.
pub(super) struct Scan<'a> {
    pub(super) table: &'a LeafTable,
    pub(super) noise: &'a Noise,
    /// Weight and weighted shortfall of each leaf; zeros once it is taken.
    pub(super) leaves: Vec<[f32; 2]>,
    /// Most dimensions of a cause.
    most: usize,
    /// Dimensions up to which all cuboids are looked at.
    order: usize,
}

/// The causes, in the order in which they were taken.
pub(super) fn causes(table: &LeafTable, noise: &Noise, reach: Reach) -> Rounds {
    let most = reach.order.min(table.dimensions.len());
    let order = affordable(table, most);
    let mut scan = Scan { table, noise, leaves: weigh(table, noise), most, order };
    let mut lattice = Lattice::new(table, &scan.leaves, order);
    let mut rounds = Rounds { taken: Vec::new(), partial: lattice.partial || order < most };
    while rounds.taken.len() < reach.causes {
        let candidates = scan.candidates(&lattice);
        let Some((taken, inside)) = candidates.iter().find_map(|one| scan.passes(&lattice, one)) else {
            break;
        };
        lattice.take(table, &scan.leaves, &inside);
        inside.iter().for_each(|leaf| scan.leaves[*leaf as usize] = [0.0; 2]);
        rounds.taken.push(taken);
    }
    rounds
}

/// Which leaves are in no cause.
pub(super) fn untouched(table: &LeafTable, rounds: &Rounds) -> Vec<bool> {
    let free = |leaf| !rounds.taken.iter().any(|taken| taken.place.has(table, leaf));
    (0..table.observed.len()).map(free).collect()
}

/// Whether the causes alone, without a shift that all leaves share, leave a good part of the table untouched,
/// and that part as it ought to be.
pub(super) fn tells_all(table: &LeafTable, rounds: &Rounds) -> bool {
    let free = untouched(table, rounds);
    let rest: f64 = table.expected.iter().zip(&free).map(|(f, free)| if *free { *f } else { 0.0 }).sum();
    !rounds.taken.is_empty()
        && rest >= LEAST_REST * table.expected.iter().sum::<f64>()
        && Noise::of(table, &free).shift == 1.0
}

/// What is missing of each leaf, the global shift taken out.
pub(super) fn shortfalls<'a>(table: &'a LeafTable, noise: &'a Noise) -> impl Iterator<Item = f64> + 'a {
    let leaves = table.observed.iter().zip(&table.expected);
    leaves.map(move |(observed, expected)| expected * noise.shift - observed)
}

/// Weight and weighted shortfall of each leaf.
fn weigh(table: &LeafTable, noise: &Noise) -> Vec<[f32; 2]> {
    let missing = shortfalls(table, noise).zip(&table.expected);
    missing
        .map(|(missing, expected)| {
            let variance = noise.variance_over_mean(expected * noise.shift);
            [(expected * noise.shift / variance) as f32, (missing / variance) as f32]
        })
        .collect()
}

/// The order up to which all cuboids are looked at.
fn affordable(table: &LeafTable, wanted: usize) -> usize {
    let dimensions = table.dimensions.len();
    let (mut cuboids, mut choices) = (0.0, 1.0);
    for order in 1..=wanted {
        choices *= (dimensions + 1 - order) as f64 / order as f64;
        cuboids += choices;
        if order > 2 && cuboids * table.observed.len() as f64 > MOST_WORK {
            return order - 1;
        }
    }
    wanted
}

/// Whether the effect is large enough, and certain.
fn is_clear(sums: &Sums, noise: &Noise, least_effect: f64) -> bool {
    let sd = (noise.cell_error * noise.cell_error + 1.0 / sums.weight).sqrt();
    sums.effect() >= least_effect && sums.effect() >= LEAST_SIGMAS * sd
}

impl Scan<'_> {
    /// The cells that gain enough, best first.
    fn candidates(&self, lattice: &Lattice) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        let mut least = LEAST_GAIN;
        for (at, cuboid) in lattice.cuboids.iter().enumerate() {
            let price = price(cuboid.cells);
            let least_effect =
                if self.has_depths(cuboid.dimensions.len()) { LEAST_HINT } else { LEAST_EFFECT };
            for (cell, sums) in cuboid.sums.iter().enumerate() {
                let score = sums.gain() - price;
                if score >= least && sums.weight > 0.0 && is_clear(sums, self.noise, least_effect) {
                    found.push(Candidate { score, cuboid: at, cell });
                }
            }
            if found.len() > 4 * CANDIDATES {
                least = keep_best(lattice, &mut found);
            }
        }
        keep_best(lattice, &mut found);
        found
    }

    /// The candidate, or a part of it, as a cause with its live leaves, if it is one.
    fn passes(&self, lattice: &Lattice, candidate: &Candidate) -> Option<(Taken, Vec<u32>)> {
        let cuboid = &lattice.cuboids[candidate.cuboid];
        let codes = cuboid.codes(self.table, candidate.cell)?;
        let place = Place { dimensions: cuboid.dimensions.clone(), codes };
        let live = |leaf: &usize| self.leaves[*leaf] != [0.0; 2] && place.has(self.table, *leaf);
        let inside: Vec<u32> = (0..self.leaves.len()).filter(live).map(|leaf| leaf as u32).collect();
        self.settles(place, inside, cuboid.cells)
    }

    /// Whether cells of so many dimensions have parts that were not looked at.
    fn has_depths(&self, dimensions: usize) -> bool {
        dimensions >= self.order && dimensions < self.most
    }

    /// Takes the place, or the best part of it when that tells better and is too deep to have been a candidate.
    fn settles(&self, place: Place, inside: Vec<u32>, cells: f64) -> Option<(Taken, Vec<u32>)> {
        let mut sums = Sums::default();
        inside.iter().for_each(|leaf| sums.add(self.leaves[*leaf as usize]));
        let clear = is_clear(&sums, self.noise, LEAST_EFFECT);
        if clear && !split::tells_better(self, &place, &inside, cells) {
            return Some((self.taken(place, sums, &inside), inside));
        }
        if !self.has_depths(place.dimensions.len()) {
            return None;
        }
        let (dimension, code, cells) = self.best_part(&place, &inside, cells)?;
        let codes = &self.table.dimensions[dimension].codes;
        let inside = inside.into_iter().filter(|leaf| codes[*leaf as usize] == code).collect();
        self.settles(place.narrower(dimension, code), inside, cells)
    }

    /// The part of a cell by one further dimension that gains most, and how many cells its cuboid may have.
    fn best_part(&self, place: &Place, inside: &[u32], cells: f64) -> Option<(usize, u32, f64)> {
        let mut best: Option<(f64, (usize, u32, f64))> = None;
        let least_effect =
            if self.has_depths(place.dimensions.len() + 1) { LEAST_HINT } else { LEAST_EFFECT };
        for dimension in (0..self.table.dimensions.len()).filter(|at| !place.dimensions.contains(at)) {
            let parts = split::parts(self, inside, dimension);
            let cells = (cells * parts.len() as f64).min(self.leaves.len() as f64);
            for (code, part) in parts.iter().enumerate() {
                let score = part.sums.gain() - price(cells);
                let clear = score >= LEAST_GAIN && is_clear(&part.sums, self.noise, least_effect);
                if clear && best.is_none_or(|best| score > best.0) {
                    best = Some((score, (dimension, code as u32, cells)));
                }
            }
        }
        best.map(|best| best.1)
    }

    fn taken(&self, place: Place, sums: Sums, inside: &[u32]) -> Taken {
        let (table, shift) = (self.table, self.noise.shift);
        let own = |leaf: &u32| table.expected[*leaf as usize] * shift - table.observed[*leaf as usize];
        Taken { place, sums, missing: inside.iter().map(own).sum() }
    }
}

/// Keeps the best candidates, in an order that does not depend on anything else; gives the score of the last.
fn keep_best(lattice: &Lattice, found: &mut Vec<Candidate>) -> f64 {
    let dimensions = |candidate: &Candidate| &lattice.cuboids[candidate.cuboid].dimensions;
    found.sort_by(|a, b| {
        let narrower = || dimensions(a).len().cmp(&dimensions(b).len());
        let rest = || dimensions(a).cmp(dimensions(b)).then(a.cell.cmp(&b.cell));
        b.score.total_cmp(&a.score).then_with(narrower).then_with(rest)
    });
    if found.len() <= CANDIDATES {
        return LEAST_GAIN;
    }
    found.truncate(CANDIDATES);
    found.last().map_or(LEAST_GAIN, |last| last.score)
}
