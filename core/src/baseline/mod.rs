//! What is normal: the weekly profile of each watched slice, in its local time.
//!
//! In: mean rates of finished half-hours. Out: the profile around a minute, and how many weeks it
//! rests on. Must not know: verdicts, evidence, files. The profile records always, also under an
//! alarm: the median over four weeks is what keeps it sound, freezing would keep an error for ever.

mod local;
mod packed;
mod profile;

pub use local::{BUCKETS, LocalTime, LocalZone, MINUTES_PER_BUCKET};
pub use packed::{Packed, exact};
pub use profile::{Masked, Profiles, Sides};
