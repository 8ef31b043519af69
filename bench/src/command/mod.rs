//! One file per command of `ebbd-bench`.

mod detect;
mod impact;
mod instructions;
mod load;
mod localise;
mod measure;
mod path;
mod report;
mod sink;
mod stages;

pub use detect::{DetectArgs, detect};
pub use impact::{ImpactArgs, impact};
pub use instructions::{InstructionsArgs, PassArgs, instructions, pass};
pub use load::{LoadArgs, load};
pub use localise::{LocaliseArgs, localise};
pub use measure::{MeasureArgs, measure};
pub use path::{PathArgs, path};
pub use report::{ReportArgs, report};
pub use sink::{SinkArgs, sink};
pub use stages::{StagesArgs, stages};

use ebbd_core::model::{Minute, TimeUs};

/// What time it is.
pub(crate) fn now() -> TimeUs {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    TimeUs(since_1970.as_micros() as i64)
}

/// The minute that has begun last.
pub(crate) fn this_minute() -> Minute {
    now().minute()
}
