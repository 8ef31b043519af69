//! What a crash lost, from the lines to the verdict: it explains what is missing, or there is a drop all the
//! same.

use std::sync::Arc;

use super::tests::{HISTORY, learnt, streams};
use super::{Judge, JudgedMinute};
use crate::aggregate::{Aggregator, Crash, LaneCounter, Order, Step};
use crate::alarm::State;
use crate::decode::{Block, Format, Reading, SourceSpec};
use crate::detect::Verdict;
use crate::model::{ConnId, Limits, Minute, SourceId, SplitMix64, StreamId, StreamRoute, TimeUs};
use crate::sync::Lease;

/// Orders of a usual minute, by marketplace and feature.
const USUAL: [(&str, &str, u32); 4] =
    [("DE", "cart", 40), ("DE", "one-click", 20), ("US", "cart", 120), ("US", "one-click", 60)];
const ALL: u32 = 240;

/// A learnt judge behind an aggregator that is told of one plain source.
struct Shop {
    lane: LaneCounter,
    aggregator: Aggregator,
    judge: Judge,
    minute: Minute,
    lines: u64,
}

impl Shop {
    fn new() -> Shop {
        let sources: Arc<[SourceSpec]> = Arc::from([SourceSpec {
            id: SourceId(0),
            name: "shop".to_owned(),
            format: Format::Ndjson,
            route: StreamRoute::Fixed(StreamId(0)),
            expect: Vec::new(),
            forget_after_us: i64::MAX,
        }]);
        let (limits, minute) = (Limits::default(), Minute(29_000_000 + HISTORY));
        let mut aggregator = Aggregator::new(streams(), Arc::clone(&sources), limits, 7);
        aggregator.opened(SourceId(0), ConnId(1), minute.start());
        Shop {
            lane: LaneCounter::new(0, streams(), sources, limits, 7),
            aggregator,
            judge: learnt(&mut SplitMix64::new(7)),
            minute,
            lines: 0,
        }
    }

    fn step(&mut self, now: TimeUs, orders: Vec<Order>) -> Vec<JudgedMinute> {
        let commit = self.aggregator.commit() + 1;
        let deltas = vec![self.lane.cut(commit)];
        let step = Step { commit, at: now, now, orders, deltas, ..Step::default() };
        let sealed = self.aggregator.apply(step).sealed;
        sealed.iter().map(|sealed| self.judge.judge(sealed, now)).collect()
    }

    /// A minute in which this part of the usual orders is counted, and `lost` says what is known to be lost.
    fn minute(&mut self, counted: f64, lost: Option<Crash>) -> JudgedMinute {
        for second in 0..60 {
            let arrival = self.minute.start().plus_us(second * 1_000_000);
            let text: String = USUAL
                .iter()
                .flat_map(|(market, feature, usual)| {
                    let so_far = |second: i64| (f64::from(*usual) * counted * second as f64 / 60.0) as usize;
                    let line = format!(
                        "{{\"ts\":\"{arrival}\",\"marketplace\":\"{market}\",\"feature\":\"{feature}\",\
                         \"payment\":\"card\",\"status\":\"placed\"}}\n"
                    );
                    std::iter::repeat_n(line, so_far(second + 1) - so_far(second))
                })
                .collect();
            let lines = text.lines().count() as u64;
            let block = Block {
                bytes: Lease::owned(text.into_bytes()),
                source: SourceId(0),
                conn: ConnId(1),
                first_line: self.lines + 1,
                end_offset: 0,
                check: 0,
                reading: Reading::Configured,
                arrival,
            };
            self.lines += lines;
            self.lane.consume(&block);
        }
        let at = self.minute.start().plus_us(59_500_000);
        self.step(at, Vec::new());
        let orders = lost.map(|lost| Order::Crash(Crash { at, ..lost })).into_iter().collect();
        let judged = self.step(self.minute.end().plus_us(5_000_000), orders);
        self.minute = self.minute.next();
        judged.into_iter().next_back().expect("the minute is sealed")
    }
}

fn lost(lines: u64, unread_lines_at_most: u64) -> Option<Crash> {
    Some(Crash { source: SourceId(0), at: TimeUs(0), lines, unread_lines_at_most })
}

fn whole(judged: &JudgedMinute) -> (Verdict, f64) {
    let row = judged.rows.iter().find(|row| row.slice.is_whole()).expect("the whole has a row");
    (row.verdict.verdict, row.verdict.observed_max.expect("there is data"))
}

fn evidence(judged: &JudgedMinute) -> f64 {
    judged.rows.iter().find(|row| row.slice.is_whole()).map_or(0.0, |row| row.verdict.evidence)
}

#[test]
fn a_loss_that_explains_what_is_missing_is_no_drop() {
    let mut shop = Shop::new();
    assert_eq!(whole(&shop.minute(1.0, None)).0, Verdict::Ok);
    // Read and lost, or perhaps lost unread: the one as good as the other.
    for known in [lost(110, 0), lost(60, 50), lost(0, 110)] {
        let judged = shop.minute(0.6, known);
        let (verdict, most) = whole(&judged);
        assert_eq!(verdict, Verdict::Incomplete);
        assert!(most >= f64::from(ALL) * 0.6 + 100.0, "{most}");
        assert!(judged.records.is_empty(), "{:#?}", judged.records);
        assert_eq!(whole(&shop.minute(1.0, None)).0, Verdict::Ok);
    }
    assert!(shop.judge.open_alarms().is_empty());
}

#[test]
fn a_drop_that_exceeds_what_is_missing_is_still_a_drop() {
    let mut shop = Shop::new();
    assert_eq!(whole(&shop.minute(1.0, None)).0, Verdict::Ok);
    let begun = shop.minute;
    let judged = shop.minute(0.1, lost(40, 30));
    let (verdict, most) = whole(&judged);
    assert!((94.0..150.0).contains(&most), "what is lost is allowed for: {most}");
    assert_ne!(verdict, Verdict::Incomplete);
    let before = evidence(&judged);
    assert!(before > 3.0, "what is missing beyond that is evidence at once: {before}");
    let outage: Vec<JudgedMinute> = (0..5).map(|_| shop.minute(0.1, None)).collect();
    let drop = outage.iter().position(|judged| whole(judged).0 == Verdict::Drop);
    assert!(drop.is_some_and(|at| at < 4), "a drop within minutes: {drop:?}");
    let record = outage.iter().flat_map(|judged| &judged.records).next().expect("it is told");
    assert_eq!(record.state, State::Firing);
    let onset = record.onset.as_ref().expect("it is known");
    let minute = begun.to_string();
    assert!(
        onset[0] <= minute && minute <= onset[2],
        "it may have begun with the crash: {onset:?}, {minute}"
    );
}
