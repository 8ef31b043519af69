//! Jumps in rejections: a source of which suddenly much is refused has changed what it writes. Nobody orders
//! less because of that.
//!
//! In: ledger entries of past minutes of arrival. Out: words for a person. Must not know: verdicts, which judge
//! such a minute as one with missing data by themselves.

use std::collections::BTreeMap;

use ebbd_core::model::{LedgerCounts, Minute, Reason};

/// So many refused lines in a minute are worth a word …
const WORTH_LINES: u64 = 10;
/// … if they are this part of all lines, and three times the usual part.
const WORTH_SHARE: f64 = 0.1;
const TIMES_USUAL: f64 = 3.0;
/// Weight of a calm minute in what is usual: half of it is forgotten in about two hours.
const GAIN: f64 = 1.0 / 180.0;
/// A jump that lasts for so many minutes is what is usual now.
const LASTS: i32 = 24 * 60;

/// What is refused of each source.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    sources: BTreeMap<String, Source>,
}

#[derive(Debug, Default)]
struct Source {
    /// The usual part of lines that are refused, and minutes that it is known of.
    usual: f64,
    minutes: u32,
    latest: Option<Minute>,
    jump: Option<Jump>,
}

/// Much is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Jump {
    since: Minute,
    share: f64,
    reason: Reason,
}

impl Rejections {
    /// Takes in what became of a source's lines in a past minute. Gives words if that is news.
    pub(super) fn minute(&mut self, source: &str, minute: Minute, counts: &LedgerCounts) -> Option<String> {
        let refused = counts.rejected_total();
        if counts.received == 0 {
            return None;
        }
        let state = self.sources.entry(source.to_owned()).or_default();
        if state.latest >= Some(minute) {
            // The last lines of a minute that was looked at already.
            return None;
        }
        state.latest = Some(minute);
        let share = refused as f64 / counts.received as f64;
        // Of the first minute nothing is known to compare it with.
        let is_jump = state.minutes > 0
            && refused >= WORTH_LINES
            && share >= WORTH_SHARE.max(TIMES_USUAL * state.usual);
        let lasts = state.jump.is_some_and(|jump| minute.0 - jump.since.0 >= LASTS);
        if !is_jump || lasts {
            let gain = if lasts { 1.0 } else { GAIN.max(1.0 / f64::from(state.minutes + 1)) };
            state.usual += gain * (share - state.usual);
            state.minutes += 1;
            let over = state.jump.take()?;
            return Some(format!("source {source}: no longer are {}", words(&over)));
        }
        let most = Reason::ALL.into_iter().max_by_key(|reason| counts.rejected[*reason as usize]);
        let reason = most.unwrap_or(Reason::BadTime);
        let since = state.jump.map_or(minute, |jump| jump.since);
        let is_news = state.jump.is_none_or(|jump| jump.reason != reason);
        let jump = Jump { since, share, reason };
        state.jump = Some(jump);
        is_news.then(|| note(source, &jump))
    }

    /// Jumps that go on, in words.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        self.sources.iter().filter_map(|(source, state)| Some(note(source, state.jump.as_ref()?)))
    }
}

fn note(source: &str, jump: &Jump) -> String {
    format!("source {source}: {}: looks like a log change, not fewer orders", words(jump))
}

fn words(jump: &Jump) -> String {
    let since = jump.since.start().to_rfc3339();
    let clock = since.get(11..16).unwrap_or(&since);
    format!("{:.0} % of lines rejected as {} since {clock} UTC", 100.0 * jump.share, jump.reason.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(received: u64, bad_time: u64, bad_line: u64) -> LedgerCounts {
        let mut counts = LedgerCounts { received, ..LedgerCounts::default() };
        counts.rejected[Reason::BadTime as usize] = bad_time;
        counts.rejected[Reason::TooLong as usize] = bad_line;
        counts.counted = received - counts.rejected_total();
        counts
    }

    /// 2026-11-22T14:02Z.
    const AT: Minute = Minute(29_922_602);

    #[test]
    fn a_jump_is_told_once_and_its_end_too() {
        let mut rejections = Rejections::default();
        for minute in -200..0 {
            assert_eq!(
                rejections.minute("shop", AT.plus(minute), &counts(1000, 30, 2)),
                None,
                "usual rubbish"
            );
        }
        let news = rejections.minute("shop", AT, &counts(1000, 720, 2)).expect("news");
        let told = "source shop: 72 % of lines rejected as bad_time since 14:02 UTC: looks like a log change, \
                    not fewer orders";
        assert_eq!(news, told);
        assert_eq!(rejections.minute("shop", AT.plus(1), &counts(1000, 700, 20)), None);
        assert_eq!(rejections.notes().collect::<Vec<_>>(), [told]);
        let other = rejections.minute("shop", AT.plus(2), &counts(1000, 0, 900)).expect("another reason");
        assert!(other.contains("90 % of lines rejected as too_long since 14:02"), "{other}");
        let over = rejections.minute("shop", AT.plus(3), &counts(1000, 30, 2)).expect("it is over");
        assert!(over.starts_with("source shop: no longer are 90 %"), "{over}");
        assert_eq!(rejections.notes().count(), 0);
    }

    #[test]
    fn few_lines_are_no_jump_and_what_lasts_is_usual() {
        let mut rejections = Rejections::default();
        assert_eq!(rejections.minute("shop", AT, &counts(12, 9, 0)), None);
        assert_eq!(rejections.minute("shop", AT, &counts(0, 0, 0)), None);
        assert_eq!(rejections.minute("other", AT.plus(-1), &counts(100, 9, 0)), None);
        assert!(rejections.minute("other", AT, &counts(100, 90, 0)).is_some());
        assert_eq!(rejections.minute("other", AT, &counts(5, 0, 0)), None, "a few late lines");
        for minute in 1..LASTS {
            assert_eq!(rejections.minute("other", AT.plus(minute), &counts(100, 90, 0)), None);
        }
        assert!(rejections.minute("other", AT.plus(LASTS), &counts(100, 90, 0)).is_some());
        assert_eq!(rejections.minute("other", AT.plus(LASTS + 1), &counts(100, 90, 0)), None);
    }
}
