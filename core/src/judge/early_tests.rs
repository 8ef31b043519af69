//! A shop seen second by second: what open minutes say first, and that sealed minutes say the same without them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::tests::{HISTORY, context, streams};
use super::{Judge, JudgeState};
use crate::alarm::{AlarmRecord, Because, Notify, Severity, State};
use crate::model::{
    Completeness, Glance, MICROS_PER_SECOND, Minute, Money, OpenCounts, Rng, SealedMinute, SealedRow,
    SealedRows, SeriesKey, Slice, SplitMix64, StreamId, TimeUs,
};

/// Orders a minute of DE / cart, DE / one-click, US / cart, US / one-click.
const MEANS: [f64; 4] = [400.0, 200.0, 1200.0, 600.0];
const DE: [bool; 4] = [true, true, false, false];
const US: [bool; 4] = [false, false, true, true];
const ALL: [bool; 4] = [true; 4];
const START: Minute = Minute(29_000_000 + HISTORY);

fn keys() -> [Arc<SeriesKey>; 4] {
    let key = |market: &str, feature: &str| {
        Arc::new(SeriesKey {
            dimensions: [market, feature, "card", "placed"].map(Arc::from).into(),
            currencies: Box::new([Arc::from("USD")]),
            watched: true,
        })
    };
    [key("DE", "cart"), key("DE", "one-click"), key("US", "cart"), key("US", "one-click")]
}

fn noisy(mean: f64, rng: &mut SplitMix64) -> i64 {
    let noise: f64 = (0..12).map(|_| rng.unit()).sum::<f64>() - 6.0;
    (mean + noise * mean.sqrt()).round().max(0.0) as i64
}

fn second(at: i64) -> TimeUs {
    START.start().plus_us(at * MICROS_PER_SECOND)
}

/// What happens: which leaves are silent in a second, who is heard until when, what is refused.
struct Plot {
    silent: Box<dyn Fn(i64) -> [bool; 4]>,
    heard: fn(i64) -> i64,
    refused: fn(i64) -> u64,
}

impl Plot {
    /// These leaves are silent for a while; senders are heard all the time.
    fn silence(leaves: [bool; 4], seconds: std::ops::Range<i64>) -> Plot {
        let silent = move |at| if seconds.contains(&at) { leaves } else { [false; 4] };
        Plot { silent: Box::new(silent), heard: |at| at, refused: |_| 0 }
    }
}

/// A judge that sees open minutes, and one that doesn't.
struct Shop {
    keys: [Arc<SeriesKey>; 4],
    rng: SplitMix64,
    judge: Judge,
    plain: Judge,
    open: BTreeMap<Minute, [i64; 4]>,
    records: Vec<AlarmRecord>,
    expected: Vec<AlarmRecord>,
}

impl Shop {
    fn new(judge: Judge, plain: Judge) -> Shop {
        Shop {
            keys: keys(),
            rng: SplitMix64::new(11),
            judge,
            plain,
            open: BTreeMap::new(),
            records: Vec::new(),
            expected: Vec::new(),
        }
    }

    /// After nine days, which are lived through once for all tests.
    fn learnt() -> Shop {
        static STATE: OnceLock<JudgeState> = OnceLock::new();
        let state = STATE.get_or_init(|| {
            let judge = || Judge::new(streams(), context());
            let mut shop = Shop::new(judge(), judge());
            for at in -HISTORY..0 {
                let counts = MEANS.map(|mean| noisy(mean, &mut shop.rng));
                let sealed = shop.sealed(START.plus(at), counts);
                shop.judge.learn(&sealed);
            }
            shop.judge.save()
        });
        let judge = || Judge::restore(streams(), context(), state.clone()).unwrap();
        Shop::new(judge(), judge())
    }

    fn rows(&self, counts: [i64; 4], sums: bool) -> SealedRows {
        let some = self.keys.iter().zip(counts).filter(|(_, count)| *count > 0);
        let row = |(key, count): (&Arc<SeriesKey>, i64)| SealedRow {
            key: Arc::clone(key),
            count,
            sums: if sums { Box::new([Money(2_000 * count)]) } else { Box::new([]) },
            sketches: Box::new([]),
        };
        some.map(row).collect()
    }

    fn sealed(&self, minute: Minute, counts: [i64; 4]) -> SealedMinute {
        SealedMinute {
            stream: StreamId(0),
            minute,
            revision: 0,
            rows: self.rows(counts, true),
            earlier: SealedRows::default(),
            completeness: Completeness::whole(),
            sources: Vec::new(),
            sealed_at: minute.end().plus_us(5 * MICROS_PER_SECOND),
        }
    }

    /// Lives through some seconds: orders come, minutes are sealed 5 s after their end, open ones are looked at.
    fn live(&mut self, seconds: std::ops::Range<i64>, plot: &Plot) {
        for at in seconds {
            let silent = (plot.silent)(at);
            let came = [0, 1, 2, 3].map(|leaf| match silent[leaf] {
                true => 0,
                false => noisy(MEANS[leaf] / 60.0, &mut self.rng),
            });
            let of_minute = self.open.entry(second(at).minute()).or_default();
            of_minute.iter_mut().zip(came).for_each(|(sum, count)| *sum += count);
            if at.rem_euclid(60) == 5
                && let Some(counts) = self.open.remove(&second(at).minute().plus(-1))
            {
                let sealed = self.sealed(second(at).minute().plus(-1), counts);
                self.records.extend(self.judge.judge(&sealed, sealed.sealed_at).records);
                self.expected.extend(self.plain.judge(&sealed, sealed.sealed_at).records);
            }
            let glance = self.glance(at, plot);
            self.records.extend(self.judge.glance(&glance));
        }
    }

    fn glance(&self, at: i64, plot: &Plot) -> Glance {
        let counts = |(minute, counts): (&Minute, &[i64; 4])| OpenCounts {
            minute: *minute,
            rows: self.rows(*counts, false),
        };
        Glance {
            stream: StreamId(0),
            at: second(at),
            next: second(at - 5).minute(),
            minutes: self.open.iter().map(counts).collect(),
            heard: vec![second((plot.heard)(at))],
            up_since: second(-86_400),
            lost_lines: 0,
            refused_lines: (plot.refused)(at),
        }
    }

    /// What sealed minutes said is what they say to a judge that saw no open ones.
    fn is_said_all_the_same(&self) {
        let sealed: Vec<&AlarmRecord> = self.records.iter().filter(|record| !record.early).collect();
        assert_eq!(sealed.len(), self.expected.len(), "{:#?}", self.told());
        for (said, expected) in sealed.into_iter().zip(&self.expected) {
            let numbers = (said.seq, said.rev, said.no, said.notify);
            let mut same =
                AlarmRecord { seq: expected.seq, rev: expected.rev, no: expected.no, ..said.clone() };
            if said.notify == Notify::None {
                same.notify = expected.notify;
            }
            // The text begins with the number.
            same.text = expected.text.clone();
            assert_eq!(&same, expected, "{numbers:?}");
        }
    }

    fn told(&self) -> Vec<String> {
        let told = |r: &AlarmRecord| {
            let (early, because, notify) = (r.early, r.because.name(), r.notify.name());
            let reason = r.reason.as_deref().unwrap_or("");
            format!(
                "{} {}.{} early={early} {because} {notify} {}: {} ({reason})",
                r.at, r.no, r.rev, r.id, r.title
            )
        };
        self.records.iter().map(told).collect()
    }

    fn early(&self) -> Vec<&AlarmRecord> {
        self.records.iter().filter(|record| record.early).collect()
    }
}

fn us() -> Slice {
    Slice::of([("marketplace", "US")])
}

#[test]
fn silence_pages_within_seconds_and_the_sealed_minute_goes_on_with_the_same_alarm() {
    for offset in [0, 4, 11, 23, 38, 47, 56, 59] {
        let mut shop = Shop::learnt();
        let begins = 13 * 60 + offset;
        shop.live(0..begins + 300, &Plot::silence(US, begins..begins + 600));
        let first = &shop.records[0];
        let told = shop.told();
        assert!(first.early && first.because == Because::Opened, "{told:#?}");
        assert_eq!((first.severity, first.notify), (Severity::Page, Notify::Page), "{told:#?}");
        assert_eq!(first.slice, us(), "{told:#?}");
        let seconds = first.at.parse::<jiff::Timestamp>().unwrap().as_microsecond() - second(begins).0;
        assert!(seconds <= 10 * MICROS_PER_SECOND, "{} s, {told:#?}", seconds / MICROS_PER_SECOND);
        assert!(first.text.contains("no orders for") && first.text.contains("LOSING"), "{}", first.text);
        let opened = shop.records.iter().find(|r| !r.early && r.because == Because::Opened).expect("sealed");
        assert_eq!((&opened.id, opened.no), (&first.id, first.no), "{offset}: {told:#?}");
        assert_eq!((opened.rev, opened.notify), (2, Notify::None), "nobody is called twice");
        assert_eq!(shop.early().len(), 1, "{told:#?}");
        assert_eq!(shop.judge.open_alarms().len(), 1);
        shop.is_said_all_the_same();
    }
}

#[test]
fn what_comes_to_nothing_is_withdrawn() {
    let mut shop = Shop::learnt();
    let begins = 13 * 60 + 20;
    shop.live(0..begins + 8, &Plot::silence(DE, begins..begins + 8));
    assert_eq!(shop.early().len(), 1, "{:#?}", shop.told());
    assert_eq!(shop.judge.open_alarms().len(), 1, "who comes later hears of it");
    // They were only held up: all of it comes before the minute is sealed.
    let held_up = shop.open.get_mut(&second(begins).minute()).unwrap();
    (held_up[0], held_up[1]) = (held_up[0] + 54, held_up[1] + 27);
    shop.live(begins + 8..begins + 120, &Plot::silence(DE, 0..0));
    let last = shop.records.last().unwrap();
    assert_eq!((last.because, last.early, last.rev), (Because::Withdrawn, true, 2), "{:#?}", shop.told());
    assert!(last.reason.as_ref().unwrap().starts_with("the minutes are no drop: "), "{last:?}");
    assert!(shop.judge.open_alarms().is_empty() && shop.expected.is_empty());
    let row = shop.judge.incidents_changed().pop().expect("a row for it");
    assert_eq!((row.state, row.orders), (State::Withdrawn, None));
}

#[test]
fn a_short_silence_is_over_when_its_minute_is_sealed_and_says_what_it_cost() {
    let mut shop = Shop::learnt();
    let begins = 13 * 60 + 20;
    shop.live(0..begins + 360, &Plot::silence(US, begins..begins + 20));
    let told = shop.told();
    let last = shop.records.last().unwrap();
    assert_eq!((last.because, last.early, last.rev), (Because::Resolved, true, 2), "{told:#?}");
    assert!(last.reason.as_ref().unwrap().starts_with("too short for a drop: "), "{told:#?}");
    let lost = last.lost.as_ref().unwrap();
    assert!((lost.orders.unwrap()[1] - 600.0).abs() < 150.0, "{lost:?}");
    assert!((lost.amount["USD"][1] / lost.orders.unwrap()[1] - 20.0).abs() < 0.2, "{lost:?}");
    assert!(shop.judge.open_alarms().is_empty() && shop.expected.is_empty(), "{told:#?}");
}

#[test]
fn nobody_is_called_when_the_senders_are_silent_too_or_their_lines_are_refused() {
    let begins = 13 * 60 + 20;
    let silence = || Plot::silence(ALL, begins..begins + 600);
    let mut gone = Shop::learnt();
    gone.live(0..begins + 40, &Plot { heard: |at| at.min(13 * 60 + 20), ..silence() });
    assert!(gone.records.is_empty(), "{:#?}", gone.told());
    let mut refused = Shop::learnt();
    refused.live(0..begins + 40, &Plot { refused: |at| if at > 800 { 700 } else { 0 }, ..silence() });
    assert!(refused.records.is_empty(), "{:#?}", refused.told());
    let mut alive = Shop::learnt();
    alive.live(0..begins + 40, &silence());
    assert_eq!(alive.records.len(), 1, "{:#?}", alive.told());
    assert!(alive.records[0].early && alive.records[0].slice.is_whole(), "{:#?}", alive.told());
}

#[test]
fn a_recovery_is_told_before_its_minutes_are_over() {
    let mut shop = Shop::learnt();
    let (begins, ends) = (13 * 60 + 2, 33 * 60);
    shop.live(0..ends + 600, &Plot::silence(US, begins..ends));
    let told = shop.told();
    let at = |early: bool, because: Because| {
        let found = shop.records.iter().find(|r| r.early == early && r.because == because);
        found.unwrap_or_else(|| panic!("{early} {because:?}: {told:#?}")).at.clone()
    };
    assert!(at(true, Because::Recovering) < second(ends + 20).to_rfc3339(), "{told:#?}");
    assert!(at(true, Because::Resolved) < at(false, Because::Resolved), "{told:#?}");
    let resolved: Vec<Notify> =
        shop.records.iter().filter(|r| r.because == Because::Resolved).map(|r| r.notify).collect();
    assert_eq!(resolved, [Notify::Ticket, Notify::None], "told once");
    let [early, sealed] = [true, false].map(|early| {
        shop.records.iter().find(|r| r.early == early && r.because == Because::Resolved).unwrap()
    });
    assert!(early.title.contains(" until "), "{}", early.title);
    assert_eq!((&early.title, &early.ended), (&sealed.title, &sealed.ended));
    assert_eq!(early.since_onset, sealed.since_onset, "minutes after the end are no part of it");
    let through = |record: &AlarmRecord| record.lost.as_ref().unwrap().through.clone();
    assert_eq!(through(early), through(sealed));
    shop.is_said_all_the_same();
}

#[test]
fn a_recovery_that_does_not_hold_is_taken_back() {
    let mut shop = Shop::learnt();
    let begins = 13 * 60 + 2;
    let back = 33 * 60 + 1..33 * 60 + 22;
    let plot = Plot {
        silent: Box::new(move |at| if at >= begins && !back.contains(&at) { US } else { [false; 4] }),
        heard: |at| at,
        refused: |_| 0,
    };
    shop.live(0..33 * 60 + 130, &plot);
    let told = shop.told();
    let early = shop.early();
    let reasons: Vec<&str> = early.iter().filter_map(|r| r.reason.as_deref()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("expected so far in")), "{told:#?}");
    assert_eq!(shop.judge.open_alarms()[0].state, State::Firing);
    shop.is_said_all_the_same();
}

#[test]
fn a_restored_judge_says_the_same_of_open_minutes() {
    let begins = 13 * 60 + 41;
    let plot = Plot::silence(US, begins..begins + 900);
    let mut shop = Shop::learnt();
    let cuts = [begins - 30, begins + 4, begins + 12, begins + 60];
    for (from, cut) in [0].into_iter().chain(cuts).zip(cuts) {
        shop.live(from..cut, &plot);
        let text = serde_json::to_string(&shop.judge.save()).unwrap();
        let state: JudgeState = serde_json::from_str(&text).unwrap();
        let restored = Judge::restore(streams(), context(), state).unwrap();
        assert_eq!(restored.open_alarms(), shop.judge.open_alarms());
        shop.judge = restored;
    }
    let mut straight = Shop::learnt();
    straight.live(0..begins + 60, &plot);
    assert_eq!(shop.records, straight.records);
    assert!(!shop.early().is_empty());
}
