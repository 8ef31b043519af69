//! The answer as a person reads it, in 80 columns.

use ebbd_core::localize::{Cause, Direction, LeafTable, Located};
use ebbd_core::model::Slice;
use ebbd_core::report::escape;

use crate::command::figures::{grouped, percent};

/// Where text begins behind a share.
const SHARE: usize = 7;

/// The whole answer, with a newline at its end.
pub(super) fn answer(table: &LeafTable, located: &Located, direction: Direction) -> String {
    let mut out = head(table, direction);
    if let Some(left) = located.global {
        out += &shift(left);
        out += if located.causes.is_empty() { "\n" } else { " What follows comes on top of that.\n" };
    }
    if located.causes.is_empty() {
        out += "not localised: no combination of dimensions stands out from chance\n";
        return out;
    }
    let mut told = Vec::new();
    for cause in &located.causes {
        if !told.contains(&cause.group) {
            told.push(cause.group);
            let set: Vec<&Cause> = located.causes.iter().filter(|c| c.group == cause.group).collect();
            out += &set_of(&set, direction);
        }
    }
    if located.unexplained >= 0.005 {
        out += &format!("{:>1$}  not explained by these\n", percent(located.unexplained), SHARE - 2);
    }
    if located.partial {
        out += "The table is large: combinations of many dimensions were only looked for inside these.\n";
    }
    out
}

fn head(table: &LeafTable, direction: Direction) -> String {
    let (observed, expected): (f64, f64) = (table.observed.iter().sum(), table.expected.iter().sum());
    let names: Vec<String> = table.dimensions.iter().map(|d| escape(&d.name)).collect();
    let (away, word) = match direction {
        Direction::Fall => (expected - observed, "below"),
        Direction::Rise => (observed - expected, "above"),
    };
    let share =
        if expected > 0.0 { format!(" ({})", percent(away.max(0.0) / expected)) } else { String::new() };
    let seen = format!("{} observed, {} expected", number(observed), number(expected));
    let away =
        if away > 0.0 { format!("{}{share} {word}", number(away)) } else { format!("not {word} in all") };
    format!("{seen}: {away}\n{} combinations of {}\n", grouped(table.observed.len() as u64), names.join(", "))
}

fn shift(left: f64) -> String {
    format!(
        "Everything alike is at {}: input is incomplete, or the cause lies outside\nthe dimensions.",
        percent(left)
    )
}

/// Causes that differ in one value only, as one.
fn set_of(set: &[&Cause], direction: Direction) -> String {
    let of = |figure: fn(&Cause) -> f64| set.iter().map(|cause| figure(cause)).sum::<f64>();
    let (observed, expected) = (of(|c| c.observed), of(|c| c.expected));
    let values = match set {
        [one] => conditions(&one.slice, None),
        several => conditions(&several[0].slice, Some(several)),
    };
    let mut out = format!("{:>1$}  {values}\n", percent(of(|c| c.share)), SHARE - 2);
    let effect = match direction {
        Direction::Fall if set.len() == 1 => format!(", {} gone", between(set[0].effect)),
        Direction::Fall => format!(", {} gone", percent(1.0 - observed / expected.max(f64::MIN_POSITIVE))),
        Direction::Rise if expected > 0.0 => format!(", {:.1} times as many", observed / expected),
        Direction::Rise => String::new(),
    };
    out += &format!("{:SHARE$}{} of {}{effect}\n", "", number(observed), number(expected));
    for refined in set.iter().filter_map(|cause| cause.refined.as_ref()) {
        let (slice, figures) =
            (conditions(&refined.slice, None), [refined.observed, refined.expected].map(number));
        out += &format!("{:SHARE$}hardest hit: {slice}: {} of {}\n", "", figures[0], figures[1]);
    }
    out
}

/// `feature=one-click, marketplace=US`; with a set, all values of the dimension in which it differs.
fn conditions(slice: &Slice, set: Option<&[&Cause]>) -> String {
    let condition = |(dimension, value): (&String, &String)| {
        let mut values = vec![value];
        for other in set.unwrap_or_default().iter().filter_map(|cause| cause.slice.0.get(dimension)) {
            if !values.contains(&other) {
                values.push(other);
            }
        }
        let shown = |value: &&String| if value.is_empty() { "(none)".to_owned() } else { escape(value) };
        let values: Vec<String> = values.iter().map(shown).collect();
        format!("{}={}", escape(dimension), values.join("|"))
    };
    slice.0.iter().map(condition).collect::<Vec<_>>().join(", ")
}

/// `98 % (96 to 99 %)`.
fn between(effect: [f64; 3]) -> String {
    let [low, estimate, high] = effect.map(|share| (share.clamp(0.0, 1.0) * 100.0).round());
    format!("{estimate} % ({low} to {high} %)")
}

fn number(figure: f64) -> String {
    if figure < 100.0 && figure.fract() != 0.0 {
        format!("{figure:.1}")
    } else {
        grouped(figure.round() as u64)
    }
}
