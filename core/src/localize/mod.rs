//! What explains a shortfall: the few slices that tell it best, the narrowest that holds.
//!
//! In: observed and expected counts, of watched slices over the same minutes (out: [`Explanation`]), or of every
//! combination of dimension values (out: [`Located`]).
//! Must not know: how expectations are made, alarms, records.

mod interval;
mod lattice;
mod scan;

pub use interval::{gone, poisson_bounds};
pub use lattice::{Cause, Direction, LeafDimension, LeafTable, Located, Reach, Refined, locate};
pub use scan::{Cell, Explained, Explanation, explain, share_of};
