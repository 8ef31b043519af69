//! What is usual in a table: a shift that all leaves share, and how far counts stray from their
//! expectation without a cause.

use super::LeafTable;
use super::cuboid::pairs;

/// A shift of all leaves below this is no shift.
const LEAST_SHIFT: f64 = 0.06;
/// Cells that expect less say nothing of a shift.
const SHIFT_EXPECTS: f64 = 30.0;
/// Fewer cells are too few for a median.
const LEAST_CELLS: usize = 8;
/// Variance over mean of a count: Poisson, and the forecast is the mean of some four past counts.
const COUNT_DISPERSION: f64 = 1.25;
/// The least error of a leaf's forecast.
const LEAST_ERROR: f64 = 0.05;
/// The most that large cells are thought to stray before causes are known.
const FIRST_ERROR: f64 = 0.02;
/// Leaves that expect so much show the error of the forecast.
const LARGE: f64 = 30.0;
/// Leaves that expect so much show the dispersion.
const MIDDLE: f64 = 2.0;
/// A median absolute deviation times this is a standard deviation.
const MAD_TO_SD: f64 = 1.4826;

/// What is usual.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Noise {
    /// What all leaves have left of their expectation; 1 without a shift.
    pub(super) shift: f64,
    /// Variance over mean of a leaf with a small expectation.
    pub(super) dispersion: f64,
    /// Relative error of a leaf's forecast.
    pub(super) leaf_error: f64,
    /// Relative error of the forecast of a large cell: errors of leaves are not independent.
    pub(super) cell_error: f64,
}

impl Noise {
    /// By the leaves that are `free` of causes.
    pub(super) fn of(table: &LeafTable, free: &[bool]) -> Noise {
        let mut ratios = pairs(table, free);
        ratios.retain(|cell| cell.1 >= SHIFT_EXPECTS);
        let mut of_cells: Vec<f64> = ratios.iter().map(|(observed, expected)| observed / expected).collect();
        let shift = if of_cells.len() < LEAST_CELLS { 1.0 } else { median(&mut of_cells) };
        let shift = if (shift - 1.0).abs() > LEAST_SHIFT && shift > 0.0 { shift } else { 1.0 };
        let (dispersion, leaf_error) = leaves(table, free, shift);
        let mut noise = Noise { shift, dispersion, leaf_error, cell_error: 0.0 };
        noise.cell_error = noise.of_cells(&ratios);
        noise
    }

    /// The same, of a table whose causes are not known yet: what large cells stray may well be due to those.
    pub(super) fn before_causes(self) -> Noise {
        Noise { cell_error: self.cell_error.min(FIRST_ERROR), ..self }
    }

    /// The same, if nothing were shared by all.
    pub(super) fn unshifted(&self) -> Noise {
        Noise { shift: 1.0, ..self.clone() }
    }

    /// Variance of a leaf over its expectation `expected` (shifted).
    pub(super) fn variance_over_mean(&self, expected: f64) -> f64 {
        self.dispersion + self.leaf_error * self.leaf_error * expected
    }

    /// What large cells stray beyond what their counts alone would.
    fn of_cells(&self, cells: &[(f64, f64)]) -> f64 {
        let strays =
            cells.iter().map(|(observed, expected)| (observed / (expected * self.shift) - 1.0).abs());
        let mut strays: Vec<f64> = strays.collect();
        if strays.len() < LEAST_CELLS {
            return 0.0;
        }
        let sd = MAD_TO_SD * median(&mut strays);
        let own = cells.iter().map(|(_, expected)| self.dispersion / (expected * self.shift));
        let mut own: Vec<f64> = own.collect();
        (sd * sd - median(&mut own)).max(0.0).sqrt()
    }
}

/// Dispersion and error of the forecast, from leaves that expect enough to show them.
fn leaves(table: &LeafTable, free: &[bool], shift: f64) -> (f64, f64) {
    let rows = table.observed.iter().zip(&table.expected).zip(free).filter(|(_, free)| **free);
    let rows: Vec<(f64, f64)> =
        rows.map(|((v, f), _)| (*v, *f * shift)).filter(|row| row.1 >= MIDDLE).collect();
    let counts = table.observed.iter().all(|v| v.fract() == 0.0);
    let spread = |least: f64, most: f64| {
        let mut strays: Vec<f64> = Vec::new();
        let mut means: Vec<f64> = Vec::new();
        for (observed, expected) in rows.iter().filter(|row| row.1 >= least && row.1 < most) {
            strays.push((observed - expected).abs() / expected);
            means.push(*expected);
        }
        (strays.len() >= 20).then(|| ((MAD_TO_SD * median(&mut strays)).powi(2), median(&mut means)))
    };
    let large = spread(LARGE, f64::INFINITY);
    let usual = if counts { COUNT_DISPERSION } else { 0.0 };
    let error = large.map_or(0.0, |(square, mean)| (square - usual / mean).max(0.0).sqrt());
    let error = error.max(LEAST_ERROR);
    let middle = spread(MIDDLE, LARGE).map(|(square, mean)| (square - error * error) * mean);
    let dispersion = match middle {
        Some(own) if !counts => own.clamp(0.001, 4.0),
        Some(own) => own.clamp(COUNT_DISPERSION, 4.0),
        None => COUNT_DISPERSION,
    };
    (dispersion, error)
}

/// The median; 0 of nothing. Reorders.
pub(super) fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}
