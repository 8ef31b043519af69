//! Sealed minutes from a table: absent rows are zero, absent minutes and empty counts are missing data.

use std::sync::Arc;

use super::{MinuteTable, TableRow};
use crate::model::{
    Completeness, Minute, MissingOrigin, SealedMinute, SealedRow, SealedRows, SeriesKey, StreamId, StreamSpec,
};

/// Most series that one minute's completeness names; the others are summed up in one entry.
const NAMED: usize = 16;
/// Shares that sum up to this are all there is.
const NOTHING_LEFT: f64 = 0.999_999;

impl MinuteTable {
    /// Every minute of the table's span, ascending, without gaps. A minute without rows is no data; a
    /// series that is missing in a minute is missing by its usual share of the table's watched events.
    pub fn sealed<'t>(
        &'t self,
        stream: StreamId,
        spec: &'t StreamSpec,
    ) -> impl Iterator<Item = SealedMinute> + use<'t> {
        Seal::new(self, stream, spec).over(self.rows.as_slice())
    }

    /// The same of a table that nobody needs any more.
    pub fn into_sealed(
        self,
        stream: StreamId,
        spec: &StreamSpec,
    ) -> impl Iterator<Item = SealedMinute> + use<> {
        Seal::new(&self, stream, spec).over(self.rows)
    }
}

struct Seal {
    series: Vec<Arc<SeriesKey>>,
    spec: StreamSpec,
    stream: StreamId,
    shares: Vec<f64>,
    /// Per series: since when it is missing.
    since: Vec<Option<Minute>>,
}

impl Seal {
    fn new(table: &MinuteTable, stream: StreamId, spec: &StreamSpec) -> Seal {
        let since = vec![None; table.series.len()];
        Seal { series: table.series.clone(), spec: spec.clone(), stream, shares: shares(table), since }
    }

    /// Every minute from the first row to the last.
    fn over<R: AsRef<[TableRow]>>(mut self, rows: R) -> impl Iterator<Item = SealedMinute> {
        let span = rows.as_ref().first().zip(rows.as_ref().last());
        let (first, last) = span.map_or((0, -1), |(first, last)| (first.minute.0, last.minute.0));
        let mut next = 0;
        (first..=last).map(move |minute| {
            let rest = &rows.as_ref()[next..];
            let here = rest.iter().take_while(|row| row.minute == Minute(minute)).count();
            next += here;
            self.minute(Minute(minute), &rest[..here])
        })
    }

    fn minute(&mut self, minute: Minute, rows: &[TableRow]) -> SealedMinute {
        let counted: SealedRows = rows.iter().filter_map(|row| self.row(row)).collect();
        let (completeness, sealed_at) =
            (self.completeness(minute, rows), minute.end().plus_us(self.spec.seal_us));
        SealedMinute::first(self.stream, minute, counted, completeness, sealed_at)
    }

    fn row(&self, row: &TableRow) -> Option<SealedRow> {
        let sketches = self.spec.distincts.iter().map(|_| Box::default()).collect();
        let key = self.series[row.series as usize].clone();
        Some(SealedRow { key, count: row.count?, sums: row.sums.clone(), sketches })
    }

    fn completeness(&mut self, minute: Minute, rows: &[TableRow]) -> Completeness {
        for row in rows {
            let since = &mut self.since[row.series as usize];
            *since = if row.completeness < 1.0 { since.or(Some(minute)) } else { None };
        }
        if rows.is_empty() {
            return Completeness::absent();
        }
        let alike = rows.iter().all(|row| row.completeness == rows[0].completeness);
        let missing = match rows[0].completeness {
            fraction if alike && fraction > 0.0 && fraction < 1.0 => vec![self.part_of_all(minute, rows)],
            _ => self.missing(minute, rows),
        };
        let lack: f64 = missing.iter().map(|m| m.share).sum();
        if lack > NOTHING_LEFT && rows.iter().all(|row| row.count.is_none()) {
            return Completeness::absent();
        }
        Completeness { fraction: (1.0 - lack).max(0.0), missing, ..Completeness::whole() }
    }

    /// The whole minute arrived only in part.
    fn part_of_all(&self, minute: Minute, rows: &[TableRow]) -> MissingOrigin {
        let share = 1.0 - rows[0].completeness;
        let since = rows.iter().filter_map(|row| self.since[row.series as usize]).min().unwrap_or(minute);
        MissingOrigin { origin: "part of every series".to_owned(), since: since.start(), share }
    }

    /// What is missing of single series, the largest first.
    fn missing(&self, minute: Minute, rows: &[TableRow]) -> Vec<MissingOrigin> {
        let lacking = rows.iter().filter(|row| row.completeness < 1.0);
        let mut missing: Vec<MissingOrigin> = lacking.map(|row| self.lacking(minute, row)).collect();
        missing.sort_by(|a, b| b.share.total_cmp(&a.share));
        if missing.len() > NAMED {
            let others = missing.split_off(NAMED - 1);
            missing.push(MissingOrigin {
                origin: format!("{} more series", others.len()),
                since: others.iter().map(|m| m.since).min().unwrap_or(minute.start()),
                share: others.iter().map(|m| m.share).sum(),
            });
        }
        missing
    }

    fn lacking(&self, minute: Minute, row: &TableRow) -> MissingOrigin {
        let series = row.series as usize;
        MissingOrigin {
            origin: named(&self.spec, &self.series[series]),
            since: self.since[series].unwrap_or(minute).start(),
            share: self.shares[series] * (1.0 - row.completeness),
        }
    }
}

/// `marketplace=US,feature=one-click`
fn named(spec: &StreamSpec, key: &SeriesKey) -> String {
    let pairs = spec.dimensions.iter().zip(&key.dimensions).filter(|(_, value)| !value.is_empty());
    let named: Vec<String> = pairs.map(|(d, value)| format!("{}={value}", d.name)).collect();
    if named.is_empty() { "the only series".to_owned() } else { named.join(",") }
}

/// Each series' usual share of the watched events: its mean over the minutes in which it is known,
/// of the sum of all means. Alike for all if nothing was counted.
fn shares(table: &MinuteTable) -> Vec<f64> {
    let minutes = table.minutes().count() as f64;
    let mut counted = vec![0.0; table.series.len()];
    let mut known = vec![minutes; table.series.len()];
    for row in &table.rows {
        match row.count {
            Some(count) => counted[row.series as usize] += count as f64,
            None => known[row.series as usize] -= 1.0,
        }
    }
    let rate = |(at, key): (usize, &std::sync::Arc<SeriesKey>)| match key.watched && known[at] > 0.0 {
        true => counted[at] / known[at],
        false => 0.0,
    };
    let rates: Vec<f64> = table.series.iter().enumerate().map(rate).collect();
    let total: f64 = rates.iter().sum();
    let alike = 1.0 / rates.len().max(1) as f64;
    rates.iter().map(|rate| if total > 0.0 { rate / total } else { alike }).collect()
}
