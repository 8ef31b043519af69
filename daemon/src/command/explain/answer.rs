//! The answer as JSON lines, best first.

use ebbd_core::localize::{Cause, Located, Refined};
use ebbd_core::model::Slice;
use ebbd_core::report::visible_json;
use serde_json::{Value, json};

/// A line per cause, each followed by its refinement if it has one; then a global shift.
pub(super) fn lines(located: &Located) -> String {
    let causes = located.causes.iter().flat_map(|cause| {
        let refined = cause.refined.iter().map(|part| refined(cause, part));
        std::iter::once(self::cause(cause)).chain(refined)
    });
    let global = located.global.iter().map(|left| json!({ "global": rounded(*left) }));
    causes.chain(global).map(|line| visible_json(&line.to_string()) + "\n").collect()
}

fn cause(cause: &Cause) -> Value {
    let figures = (cause.share, cause.observed, cause.expected, cause.effect);
    line(&cause.slice, figures, true, cause.group)
}

fn refined(cause: &Cause, part: &Refined) -> Value {
    line(&part.slice, (part.share, part.observed, part.expected, part.effect), false, cause.group)
}

fn line(slice: &Slice, figures: (f64, f64, f64, [f64; 3]), is_cause: bool, group: usize) -> Value {
    let (share, observed, expected, effect) = figures;
    json!({"slice": slice, "explains": rounded(share), "observed": rounded(observed), "expected": rounded(expected),
        "effect": effect.map(rounded), "cause": is_cause, "group": group})
}

/// Four digits behind the point say all that is known.
fn rounded(figure: f64) -> f64 {
    (figure * 1e4).round() / 1e4
}
