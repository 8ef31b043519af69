//! A stage for scripts: verdicts are written down minute by minute, the book answers with records.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alarm::{AlarmBook, AlarmRecord, BookContext, SliceRow};
use crate::detect::{Drift, SinceOnset, SliceVerdict, Verdict};
use crate::model::{
    Completeness, Mark, Minute, Money, SealedMinute, SealedRow, SealedRows, SeriesKey, Slice, SliceId,
    SourceMinute, StreamId, StreamSpec, TimeUs, View,
};

/// 2026-11-22T13:00Z.
pub const START: Minute = Minute(29_922_540);

/// What the detector says of a slice: observed, expected.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    Ok(i64, f64),
    Drop(i64, f64),
    /// A drop that began so many minutes ago.
    DropSince(i32, i64, f64),
    Shallow(i64, f64),
    Worse(i64, f64),
    Back(i64, f64),
    Incomplete(i64, f64),
    NoData(f64),
    /// Accepted as the new normal, where so many were expected before.
    Accepted(i64, f64, f64),
}

pub struct Stage {
    pub book: AlarmBook,
    pub spec: StreamSpec,
    pub minute: Minute,
    pub completeness: Completeness,
    pub sources: Vec<SourceMinute>,
    /// US orders of 20.00 USD in the minute.
    pub orders: i64,
    ids: Vec<Slice>,
    since: BTreeMap<Slice, (Minute, f64, f64)>,
}

pub fn context() -> BookContext {
    BookContext {
        calendar: vec!["Black Friday".to_owned()],
        host: "web-01".to_owned(),
        view: View::Whole,
        config_hash: "9f3c".to_owned(),
        http_url: Some("http://127.0.0.1:7780".to_owned()),
    }
}

pub fn slice(text: &str) -> Slice {
    Slice::of(text.split(',').filter_map(|condition| condition.split_once('=')))
}

impl Stage {
    pub fn new() -> Stage {
        Stage {
            book: AlarmBook::new(context()),
            spec: StreamSpec::example(),
            minute: START,
            completeness: Completeness::whole(),
            sources: Vec::new(),
            orders: 100,
            ids: Vec::new(),
            since: BTreeMap::new(),
        }
    }

    pub fn now(&self) -> TimeUs {
        self.minute.end().plus_us(2_000_000)
    }

    /// The next minute, with these verdicts.
    pub fn minute(&mut self, says: &[(&str, Says)]) -> Vec<AlarmRecord> {
        let rows: Vec<SliceRow> = says.iter().map(|(text, says)| self.row(slice(text), *says)).collect();
        let (sealed, now) = (self.sealed(), self.now());
        let records = self.book.minute(&self.spec, &sealed, &rows, now);
        self.minute = self.minute.next();
        records
    }

    /// The same verdicts for so many minutes.
    pub fn minutes(&mut self, count: usize, says: &[(&str, Says)]) -> Vec<AlarmRecord> {
        (0..count).flat_map(|_| self.minute(says)).collect()
    }

    pub fn mark(&mut self, id: &str, kind: &str, at: TimeUs, scope: &str) {
        self.book.mark(Mark {
            id: id.to_owned(),
            kind: kind.to_owned(),
            what: "checkout v42".to_owned(),
            at,
            until: None,
            scope: slice(scope),
            retracted: false,
            received: at,
            by: "test".to_owned(),
        });
    }

    pub fn sealed(&self) -> SealedMinute {
        let row = SealedRow {
            key: Arc::new(SeriesKey {
                dimensions: ["US", "one-click", "card", "placed"].map(Arc::from).into(),
                currencies: Box::new([Arc::from("USD")]),
                watched: true,
            }),
            count: self.orders,
            sums: Box::new([Money(2_000 * self.orders)]),
            sketches: Box::new([]),
        };
        SealedMinute {
            stream: StreamId(0),
            minute: self.minute,
            revision: 0,
            rows: if self.completeness.no_data { SealedRows::default() } else { vec![row].into() },
            earlier: SealedRows::default(),
            completeness: self.completeness.clone(),
            sources: self.sources.clone(),
            sealed_at: self.now(),
        }
    }

    fn row(&mut self, slice: Slice, says: Says) -> SliceRow {
        let id = self.ids.iter().position(|known| *known == slice).unwrap_or_else(|| {
            self.ids.push(slice.clone());
            self.ids.len() - 1
        });
        let (verdict, observed, expected) = match says {
            Says::Ok(o, e) | Says::Accepted(o, e, _) => (Verdict::Ok, Some(o), e),
            Says::Incomplete(o, e) => (Verdict::Incomplete, Some(o), e),
            Says::NoData(e) => (Verdict::NoData, None, e),
            Says::Drop(o, e) | Says::Shallow(o, e) | Says::Worse(o, e) | Says::Back(o, e) => {
                (Verdict::Drop, Some(o), e)
            }
            Says::DropSince(_, o, e) => (Verdict::Drop, Some(o), e),
        };
        let (onset, since_onset) = self.onset(&slice, says, verdict, observed, expected);
        let verdict = SliceVerdict {
            slice: SliceId(id as u32),
            verdict,
            observed,
            observed_max: observed.map(|o| o as f64),
            expected: Some(expected),
            low: Some(expected - 1.645 * (1.2 * expected).sqrt()),
            high: Some(expected + 1.645 * (1.2 * expected).sqrt()),
            completeness: self.completeness.fraction,
            evidence: if verdict == Verdict::Drop { 41.7 } else { 0.0 },
            threshold: 17.0,
            onset,
            since_onset,
            deep: verdict == Verdict::Drop && !matches!(says, Says::Shallow(..)),
            recovering: matches!(says, Says::Back(..)),
            escalated: matches!(says, Says::Worse(..)),
            drift: Drift::default(),
            declared: None,
            before_drop: match says {
                Says::Accepted(.., before) => Some(before),
                _ => None,
            },
            at_normal: None,
        };
        SliceRow { slice: slice.into(), verdict }
    }

    /// Keeps count of a drop as the detector does.
    fn onset(
        &mut self,
        slice: &Slice,
        says: Says,
        verdict: Verdict,
        observed: Option<i64>,
        expected: f64,
    ) -> (Option<[Minute; 3]>, SinceOnset) {
        if verdict == Verdict::Ok {
            self.since.remove(slice);
        }
        if verdict != Verdict::Drop {
            return (None, SinceOnset::default());
        }
        let ago = if let Says::DropSince(ago, ..) = says { ago } else { 0 };
        let begun = (self.minute.plus(-ago), 0.0, 0.0);
        let observed = observed.unwrap_or(0) as f64;
        let new = !self.since.contains_key(slice);
        let since = self.since.entry(slice.clone()).or_insert(begun);
        let minutes = if new { f64::from(ago + 1) } else { 1.0 };
        *since = (since.0, since.1 + minutes * observed, since.2 + minutes * expected);
        let onset = Some([since.0.plus(-1), since.0, since.0]);
        let minutes = (self.minute.0 - since.0.0 + 1) as u32;
        (onset, SinceOnset { minutes, observed: since.1, expected: since.2 })
    }
}

/// What was told: `3 47.2 drop/orders/… escalated page/firing: title`.
pub fn told(records: &[AlarmRecord]) -> Vec<String> {
    records
        .iter()
        .map(|r| {
            let reason = r.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let (because, notify, state) = (r.because.name(), r.notify.name(), r.state.name());
            format!("{} {}.{} {because} {notify} {state}: {}{reason}", r.seq, r.no, r.rev, r.title)
        })
        .collect()
}
