//! Numbers, times and names as a tired person reads them.
//!
//! In: figures. Out: short texts. Must not know: alarms.

mod escape;
mod numbers;
mod times;

pub use escape::{escape, is_hidden, visible, visible_json};
pub use numbers::{band, count, exact, percent_down, rough, share};
pub use times::{Clock, duration};

/// What is said of a fall in a declared period, before the period's name.
pub(super) const DECLARED: &str = "the calendar declares ";
/// What is said of a fall of the whole shop that comes little by little.
pub(super) const LIKE_A_HOLIDAY: &str = "all falls alike and little by little, as on a holiday: a ticket";

/// `web-03`, `web-03 and web-04`, `web-03, web-04 and 5 others`.
pub fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} others", rest.len()),
    }
}
