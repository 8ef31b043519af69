//! What was written of the past against what was judged, expectations, and two runs side by side.

mod expected;
mod markers;
mod rebuilt;

use std::sync::Arc;

use crate::detect::DetectKnobs;
use crate::judge::JudgeContext;
use crate::model::{Minute, SealedMinute, Slice, StreamId, StreamSpec, View};
use crate::simulate::{Incident, Shop, ShopSpec};

/// Sunday 2026-11-22, 13:00 UTC.
const BEGIN: Minute = Minute(29_922_540);
/// Minutes of history before it.
const HISTORY: i32 = 9 * 1440;

fn context() -> JudgeContext {
    JudgeContext {
        host: "web-01".to_owned(),
        view: View::Whole,
        config_hash: "test".to_owned(),
        knobs: DetectKnobs { false_alarms_per_week: 1.0, max_slices: 1_000 },
        http_url: None,
        funnels: Vec::new(),
        calendar: Vec::new(),
    }
}

/// The documentation's stream, without sketches: nobody who judges looks at them.
fn spec() -> StreamSpec {
    StreamSpec { distincts: Vec::new(), ..StreamSpec::example() }
}

fn streams() -> Arc<[StreamSpec]> {
    Arc::from([spec()])
}

fn broken() -> Slice {
    Slice::of([("feature", "one-click"), ("marketplace", "US")])
}

/// A shop in which one-click fails in the US for 40 minutes, an hour after the beginning.
fn shop(seed: u64) -> Shop {
    let (from, to) = (BEGIN.plus(60), BEGIN.plus(100));
    let incidents = vec![Incident { slice: broken(), from, to, remaining: 0.0 }];
    Shop::new(ShopSpec { incidents, ..ShopSpec::demo(seed) }, &spec())
}

fn minute(shop: &Shop, at: Minute) -> SealedMinute {
    shop.sealed(at, StreamId(0), &spec())
}
