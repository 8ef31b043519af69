//! What a shortfall costs: orders with an interval, money by the slice's usual basket, customers.
//!
//! In: verdicts, rows of sealed minutes. Out: [`Loss`], [`Baskets`].
//! Must not know: alarms, records.

mod basket;
mod buyers;
mod loss;

pub use basket::{Baskets, PerOrder};
pub use loss::{Loss, METHOD, Settled, variance};
