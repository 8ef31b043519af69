//! Which watched slices explain a shortfall: the few that tell it best, the narrowest that holds.
//!
//! In: observed and expected counts of watched slices over the same minutes. Out: [`Explanation`].
//! Must not know: how expectations are made, alarms, records.

mod interval;
mod scan;

pub use interval::{gone, poisson_bounds};
pub use scan::{Cell, Explained, Explanation, explain, share_of};
