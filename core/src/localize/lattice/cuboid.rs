//! Sums over all cells of all cuboids (choices of dimensions): made once, then leaves are taken out.

use hashbrown::HashMap;

use super::LeafTable;

/// A cuboid of at most so many possible cells (or one per leaf) is an array; above, cells are numbered as they come.
const DENSE_CELLS: u64 = 1 << 18;
/// Numbers of cells by leaf that are kept for cuboids whose cells are numbered; further ones are not looked at.
const MOST_NUMBERED: usize = 1 << 25;

/// Sums over the live leaves of a cell: of weights, and of weighted shortfalls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) weight: f64,
    pub(super) missing: f64,
}

impl Sums {
    /// Fraction that is gone.
    pub(super) fn effect(&self) -> f64 {
        self.missing / self.weight.max(f64::MIN_POSITIVE)
    }

    /// Twice the gain in log-likelihood when the cell has lost that fraction, zero for a rise.
    pub(super) fn gain(&self) -> f64 {
        if self.missing <= 0.0 { 0.0 } else { self.missing * self.effect() }
    }

    #[inline]
    pub(super) fn add(&mut self, [weight, missing]: [f32; 2]) {
        self.weight += f64::from(weight);
        self.missing += f64::from(missing);
    }

    #[inline]
    fn take(&mut self, [weight, missing]: [f32; 2]) {
        self.weight -= f64::from(weight);
        self.missing -= f64::from(missing);
    }
}

/// A choice of dimensions with the sums of its cells.
#[derive(Debug)]
pub(super) struct Cuboid {
    /// Indexes of the dimensions, ascending.
    pub(super) dimensions: Vec<usize>,
    /// Sums by cell.
    pub(super) sums: Vec<Sums>,
    /// How many of the cells have leaves.
    pub(super) cells: f64,
    /// Which cell a leaf is in, where cells are numbered.
    numbers: Option<Vec<u32>>,
}

impl Cuboid {
    /// The codes of a cell, one per dimension.
    pub(super) fn codes(&self, table: &LeafTable, cell: usize) -> Option<Vec<u32>> {
        if let Some(numbers) = &self.numbers {
            let leaf = numbers.iter().position(|number| *number as usize == cell)?;
            return Some(self.dimensions.iter().map(|at| table.dimensions[*at].codes[leaf]).collect());
        }
        let mut left = cell;
        let mut codes: Vec<u32> = Vec::with_capacity(self.dimensions.len());
        for at in self.dimensions.iter().rev() {
            let values = table.dimensions[*at].values.len();
            codes.push((left % values) as u32);
            left /= values;
        }
        codes.reverse();
        Some(codes)
    }

    fn cell_of(&self, table: &LeafTable, leaf: usize) -> usize {
        if let Some(numbers) = &self.numbers {
            return numbers[leaf] as usize;
        }
        let step = |cell: usize, at: &usize| {
            let dimension = &table.dimensions[*at];
            cell * dimension.values.len() + dimension.codes[leaf] as usize
        };
        self.dimensions.iter().fold(0, step)
    }
}

/// All cuboids of at most some order.
#[derive(Debug)]
pub(super) struct Lattice {
    pub(super) cuboids: Vec<Cuboid>,
    /// Whether some cuboid was too large to be looked at.
    pub(super) partial: bool,
}

impl Lattice {
    /// The sums of all cuboids of at most `order` dimensions; `leaves` has the weight and the weighted shortfall
    /// of each leaf.
    pub(super) fn new(table: &LeafTable, leaves: &[[f32; 2]], order: usize) -> Lattice {
        let lattice = Lattice { cuboids: Vec::new(), partial: false };
        let mut walk = Walk { table, leaves, order, chosen: Vec::new(), numbered: 0, lattice };
        walk.below(&Cells { ids: vec![0; leaves.len()], possible: 1, numbered: false }, 0);
        walk.lattice
    }

    /// Leaves are taken out of every cell they are in.
    pub(super) fn take(&mut self, table: &LeafTable, leaves: &[[f32; 2]], taken: &[u32]) {
        for cuboid in &mut self.cuboids {
            for leaf in taken {
                let cell = cuboid.cell_of(table, *leaf as usize);
                cuboid.sums[cell].take(leaves[*leaf as usize]);
            }
        }
    }
}

/// Which cell each leaf is in.
struct Cells {
    ids: Vec<u32>,
    possible: u64,
    numbered: bool,
}

struct Walk<'a> {
    table: &'a LeafTable,
    leaves: &'a [[f32; 2]],
    order: usize,
    chosen: Vec<usize>,
    numbered: usize,
    lattice: Lattice,
}

impl Walk<'_> {
    fn below(&mut self, above: &Cells, first: usize) {
        if self.chosen.len() >= self.order {
            return;
        }
        for dimension in first..self.table.dimensions.len() {
            if self.numbered > MOST_NUMBERED {
                self.lattice.partial = true;
                return;
            }
            self.chosen.push(dimension);
            let (cells, sums) = narrowed(above, self.table, dimension, self.leaves);
            self.below(&cells, dimension + 1);
            let numbers = cells.numbered.then_some(cells.ids);
            self.numbered += numbers.as_ref().map_or(0, Vec::len);
            let some = sums.iter().filter(|sums| sums.weight > 0.0).count() as f64;
            self.lattice.cuboids.push(Cuboid { dimensions: self.chosen.clone(), sums, cells: some, numbers });
            self.chosen.pop();
        }
    }
}

/// The cells of `above`, each divided by the values of one more dimension, and their sums.
fn narrowed(above: &Cells, table: &LeafTable, dimension: usize, leaves: &[[f32; 2]]) -> (Cells, Vec<Sums>) {
    let dimension = &table.dimensions[dimension];
    let values = dimension.values.len().max(1) as u64;
    let possible = above.possible * values;
    if above.numbered || possible > DENSE_CELLS.max(above.ids.len() as u64) {
        return numbered(above, &dimension.codes, leaves);
    }
    let values = values as u32;
    let mut sums = vec![Sums::default(); possible as usize];
    let rows = above.ids.iter().zip(&dimension.codes).zip(leaves);
    let place = |((id, code), leaf): ((&u32, &u32), &[f32; 2])| {
        let id = id * values + code;
        sums[id as usize].add(*leaf);
        id
    };
    let ids = rows.map(place).collect();
    (Cells { ids, possible, numbered: false }, sums)
}

/// Cells that are too many to have a place each: they are numbered as they come.
fn numbered(above: &Cells, codes: &[u32], leaves: &[[f32; 2]]) -> (Cells, Vec<Sums>) {
    let mut known: HashMap<u64, u32, foldhash::fast::RandomState> = HashMap::default();
    let mut sums: Vec<Sums> = Vec::new();
    let mut ids = Vec::with_capacity(codes.len());
    for ((id, code), leaf) in above.ids.iter().zip(codes).zip(leaves) {
        let next = sums.len() as u32;
        let id = *known.entry(u64::from(*id) << 32 | u64::from(*code)).or_insert(next);
        if id == next {
            sums.push(Sums::default());
        }
        sums[id as usize].add(*leaf);
        ids.push(id);
    }
    let possible = sums.len() as u64;
    (Cells { ids, possible, numbered: true }, sums)
}

/// Observed and expected of all cells of two dimensions (of one, where there is only one), over the leaves
/// that are `free`.
pub(super) fn pairs(table: &LeafTable, free: &[bool]) -> Vec<(f64, f64)> {
    let zip = table.observed.iter().zip(&table.expected).zip(free);
    let leaves: Vec<[f32; 2]> =
        zip.map(|((v, f), free)| if *free { [*f as f32, *v as f32] } else { [0.0; 2] }).collect();
    let order = table.dimensions.len().min(2);
    let lattice = Lattice::new(table, &leaves, order);
    let pairs = lattice.cuboids.iter().filter(|cuboid| cuboid.dimensions.len() == order);
    let cells = pairs.flat_map(|cuboid| &cuboid.sums).filter(|cell| cell.weight > 0.0);
    cells.map(|cell| (cell.missing, cell.weight)).collect()
}
