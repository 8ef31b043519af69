//! A seeded shop: events and minute counts with seasons, noise, incidents of known truth and late data.
//!
//! In: a [`ShopSpec`] and a seed. Out: the same orders for the same seed, minute by minute, in any
//! order of asking. Used by the demo, the load generator and the tests.
//! Must not know: how anything is counted or judged.

mod cube;
mod cube_family;
mod draw;
mod event;
mod season;
mod shop;
pub mod trial;

pub use cube::{Cube, CubeScore};
pub use cube_family::CubeFamily;
pub use event::SimulatedEvent;
pub use shop::{Choice, Incident, Shop, ShopSpec};
