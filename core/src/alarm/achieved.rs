//! How the budget of false alarms is kept: drops that paged and that nobody called real, over the last weeks.

use super::book::AlarmBook;
use super::handling::MOST_PAST;
use super::record::{Kind, Severity};
use crate::model::{Label, MICROS_PER_MINUTE, TimeUs};

/// Alarms are looked back on for so long.
const LOOKED_BACK_US: i64 = 28 * 1440 * MICROS_PER_MINUTE;
const WEEK_US: f64 = (7 * 1440 * MICROS_PER_MINUTE) as f64;
/// What the interval leaves out on each side: together 10 %.
const TAIL: f64 = 0.05;

/// How many alarms paged without need, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Achieved {
    /// Weeks that are looked back on: at most four.
    pub weeks: f64,
    /// Drops that paged in them.
    pub pages: u64,
    /// Of these: nobody has said what they were.
    pub unlabelled: u64,
    /// Those not labelled `real`, per week: low, estimate, high (90 %).
    pub per_week: [f64; 3],
}

impl AlarmBook {
    /// The rate of false alarms. An alarm that nobody has labelled counts as one. `None` before any slice could
    /// have alarmed.
    pub fn achieved(&self, now: TimeUs) -> Option<Achieved> {
        let pages = &self.pages;
        let judged = pages.streams.values().filter_map(|memory| memory.judged_since).min()?.start();
        let mut from = judged.max(now.plus_us(-LOOKED_BACK_US));
        if pages.past.len() >= MOST_PAST {
            from = from.max(pages.past.front().map_or(from, |past| past.life.detected));
        }
        let weeks = now.since_us(from) as f64 / WEEK_US;
        if weeks <= 0.0 {
            return None;
        }
        let lives = pages.open.iter().chain(&pages.ended).map(|alarm| &alarm.life);
        let lives = lives.chain(pages.past.iter().map(|past| &past.life));
        let paged: Vec<Option<Label>> = lives
            .filter(|life| {
                life.kind == Kind::Drop && life.severity == Severity::Page && life.detected >= from
            })
            .map(|life| life.label)
            .collect();
        let not_real = paged.iter().filter(|label| **label != Some(Label::Real)).count() as u64;
        let [low, high] = poisson_interval(not_real);
        Some(Achieved {
            weeks,
            pages: paged.len() as u64,
            unlabelled: paged.iter().filter(|label| label.is_none()).count() as u64,
            per_week: [low, not_real as f64, high].map(|count| count / weeks),
        })
    }
}

/// The exact interval of a Poisson mean of which `count` was seen (Garwood 1936): fewer means than the low one
/// would give so many, or more, with a probability below [`TAIL`]; likewise above.
fn poisson_interval(count: u64) -> [f64; 2] {
    let most = 2.0 * count as f64 + 20.0;
    let at_least = |mean: f64| 1.0 - up_to(count.saturating_sub(1), mean);
    let low = if count == 0 { 0.0 } else { crossing(most, |mean| at_least(mean) >= TAIL) };
    [low, crossing(most, |mean| up_to(count, mean) <= TAIL)]
}

/// The probability of `count` or fewer.
fn up_to(count: u64, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    let mut sum = term;
    for n in 1..=count {
        term *= mean / n as f64;
        sum += term;
    }
    sum
}

/// Where `holds` begins to hold, between 0 and `most`.
fn crossing(most: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, most);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if holds(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Garwood's 90 % limits.
        for (count, low, high) in
            [(0, 0.0, 2.996), (1, 0.051, 4.744), (4, 1.366, 9.154), (30, 21.594, 40.691)]
        {
            let [got_low, got_high] = poisson_interval(count);
            assert!(
                (got_low - low).abs() < 2e-3 && (got_high - high).abs() < 2e-3,
                "{count}: {got_low} {got_high}"
            );
        }
    }
}
