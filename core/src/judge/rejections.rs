//! Jumps in rejections: a source of which suddenly much is refused has changed what it writes. Nobody orders
//! less because of that.
//!
//! In: what became of a source's lines in past minutes of arrival. Out: what began and what is over, in words.
//! Must not know: verdicts, which judge such a minute as one with missing data by themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Judge;
use crate::alarm::words::{Clock, escape};
use crate::alarm::{AlarmRecord, Kind, Severity, Trouble};
use crate::baseline::exact;
use crate::model::{Minute, Reason, SourceArrivals, TimeUs};

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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rejections {
    sources: BTreeMap<String, Source>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Source {
    /// The usual part of lines that are refused, and minutes that it is known of.
    #[serde(with = "exact")]
    usual: f64,
    minutes: u32,
    latest: Option<Minute>,
    jump: Option<Jump>,
}

/// Much is refused, most of it for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Jump {
    since: Minute,
    reason: String,
}

/// What is new of a source.
#[derive(Clone, Debug, PartialEq)]
enum News {
    /// So much is refused since then.
    Jump { since: Minute, text: String },
    /// It ended with this minute, the first calm one.
    Over(Minute),
}

impl Judge {
    /// Takes in what came in past minutes of arrival. A source of which suddenly much is refused is missing
    /// data: a ticket of kind `no_data`.
    pub fn arrivals(&mut self, arrivals: &[SourceArrivals], now: TimeUs) -> Vec<AlarmRecord> {
        let mut records = Vec::new();
        for arrival in arrivals {
            let what = format!("rejected={}", arrival.source);
            let stream = arrival.stream.as_deref().unwrap_or_default();
            records.extend(match self.rejections.minute(arrival) {
                Some(News::Jump { since, text }) => {
                    let severity = Severity::Ticket;
                    let trouble =
                        Trouble { kind: Kind::NoData, stream, what: &what, text: &text, severity, since };
                    self.book.trouble_of(&trouble, now)
                }
                Some(News::Over(minute)) => {
                    self.book.trouble_over_at(&what, (minute, "lines are taken again"), now)
                }
                None => None,
            });
        }
        records
    }
}

impl Rejections {
    /// Takes in what became of a source's lines in a past minute.
    fn minute(&mut self, arrival: &SourceArrivals) -> Option<News> {
        let (minute, counts) = (arrival.minute, &arrival.counts);
        let refused = counts.rejected_total();
        if counts.received == 0 {
            return None;
        }
        let state = self.sources.entry(arrival.source.clone()).or_default();
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
        let lasts = state.jump.as_ref().is_some_and(|jump| minute.0 - jump.since.0 >= LASTS);
        if !is_jump || lasts {
            let gain = if lasts { 1.0 } else { GAIN.max(1.0 / f64::from(state.minutes + 1)) };
            state.usual += gain * (share - state.usual);
            state.minutes += 1;
            return state.jump.take().map(|_| News::Over(minute));
        }
        let most = Reason::ALL.into_iter().max_by_key(|reason| counts.rejected[*reason as usize]);
        let reason = most.unwrap_or(Reason::BadTime).name();
        let since = state.jump.as_ref().map_or(minute, |jump| jump.since);
        let is_news = state.jump.as_ref().is_none_or(|jump| jump.reason != reason);
        state.jump = Some(Jump { since, reason: reason.to_owned() });
        is_news.then(|| News::Jump { since, text: words(arrival, share, since, reason) })
    }
}

/// `shop: 72 % of lines rejected as bad_time since 14:02 UTC: looks like a log change, not fewer orders`.
fn words(arrival: &SourceArrivals, share: f64, since: Minute, reason: &str) -> String {
    let since = Clock::utc(arrival.minute.start()).minute_zoned(since.start());
    let events = escape(arrival.stream.as_deref().unwrap_or("events"));
    let source = escape(&arrival.source);
    format!(
        "{source}: {:.0} % of lines rejected as {reason} since {since}: looks like a log change, not fewer {events}",
        100.0 * share
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::{Because, Notify, State};
    use crate::judge::JudgeState;
    use crate::judge::tests::{context, streams};
    use crate::model::LedgerCounts;

    /// 2026-11-22T14:02Z.
    const AT: Minute = Minute(29_922_602);

    fn arrivals(source: &str, minute: Minute, received: u64, bad_time: u64, too_long: u64) -> SourceArrivals {
        let mut counts = LedgerCounts { received, ..LedgerCounts::default() };
        counts.rejected[Reason::BadTime as usize] = bad_time;
        counts.rejected[Reason::TooLong as usize] = too_long;
        counts.counted = received - counts.rejected_total();
        SourceArrivals { source: source.to_owned(), stream: Some("orders".to_owned()), minute, counts }
    }

    fn tell(judge: &mut Judge, arrivals: &SourceArrivals) -> Vec<AlarmRecord> {
        judge.arrivals(std::slice::from_ref(arrivals), arrivals.minute.end())
    }

    #[test]
    fn a_jump_is_a_ticket_of_missing_data_and_its_end_resolves_it() {
        let mut judge = Judge::new(streams(), context());
        for minute in -200..0 {
            let usual = tell(&mut judge, &arrivals("shop", AT.plus(minute), 1000, 30, 2));
            assert!(usual.is_empty(), "usual rubbish: {usual:?}");
        }
        let opened = tell(&mut judge, &arrivals("shop", AT, 1000, 720, 2)).pop().expect("news");
        let told = "shop: 72 % of lines rejected as bad_time since 14:02 UTC: looks like a log change, not fewer \
                    orders";
        assert_eq!(
            (opened.title.as_str(), opened.kind, opened.stream.as_str()),
            (told, Kind::NoData, "orders")
        );
        assert_eq!((opened.because, opened.notify), (Because::Opened, Notify::Ticket));
        assert_eq!(opened.key, "no_data/orders/rejected=shop");
        assert_eq!(opened.text, format!("TICKET 1  {}", told.replacen(" UTC", "", 1)));
        let onset = AT.to_string();
        assert_eq!(opened.onset, Some([onset.clone(), onset.clone(), onset]));
        assert!(tell(&mut judge, &arrivals("shop", AT.plus(1), 1000, 700, 20)).is_empty());
        let text = serde_json::to_string(&judge.save()).unwrap();
        let state: JudgeState = serde_json::from_str(&text).unwrap();
        let mut judge = Judge::restore(streams(), context(), state).unwrap();
        let other =
            tell(&mut judge, &arrivals("shop", AT.plus(2), 1000, 0, 900)).pop().expect("another reason");
        assert!(other.title.contains("90 % of lines rejected as too_long since 14:02"), "{}", other.title);
        assert_eq!((other.no, other.because, other.notify), (opened.no, Because::Update, Notify::None));
        let over = tell(&mut judge, &arrivals("shop", AT.plus(3), 1000, 30, 2)).pop().expect("it is over");
        assert_eq!((over.state, over.ended), (State::Resolved, Some(AT.plus(3).to_string())));
        assert_eq!(over.text, "RESOLVED 1  lines are taken again, 14:05 (3 min)");
        assert!(judge.open_alarms().is_empty());
    }

    #[test]
    fn few_lines_are_no_jump_and_what_lasts_is_usual() {
        let mut judge = Judge::new(streams(), context());
        let mut told = |source: &str, minute: i32, received: u64, bad_time: u64| {
            tell(&mut judge, &arrivals(source, AT.plus(minute), received, bad_time, 0)).len()
        };
        assert_eq!(told("shop", 0, 12, 9), 0);
        assert_eq!(told("shop", 1, 0, 0), 0);
        assert_eq!(told("other", -1, 100, 9), 0);
        assert_eq!(told("other", 0, 100, 90), 1);
        assert_eq!(told("other", 0, 5, 0), 0, "a few late lines");
        for minute in 1..LASTS {
            assert_eq!(told("other", minute, 100, 90), 0);
        }
        assert_eq!(told("other", LASTS, 100, 90), 1);
        assert_eq!(told("other", LASTS + 1, 100, 90), 0);
    }
}
