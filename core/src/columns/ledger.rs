//! The dataset `ledger`: what became of every line, per minute of arrival × source × origin × stream.

use std::collections::BTreeSet;
use std::io::Write;

use super::schema::{Kind, Layout};
use super::writer::Rows;
use super::{ColumnsError, Dataset, Footer, Written};
use crate::model::{Ledger, LedgerCounts, LedgerKey, Reason, StreamSpec};

/// What the ledger's ids and fields are called.
#[derive(Clone, Copy, Debug)]
pub struct LedgerNames<'a> {
    /// Configured name of each source, by its id.
    pub sources: &'a [String],
    /// Fields that have a `bad_<field>` column in every file: see [`bad_field_names`].
    pub bad_fields: &'a [String],
}

/// The fields of all streams that can turn out bad, sorted: dimensions, sums, currencies (by their
/// column's name), distincts.
pub fn bad_field_names(streams: &[StreamSpec]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for stream in streams {
        names.extend(stream.dimensions.iter().map(|d| d.name.clone()));
        names.extend(stream.sums.iter().map(|s| s.name.clone()));
        let priced = stream.sums.iter().filter(|s| s.currency.is_some());
        names.extend(priced.map(|s| format!("{}_currency", s.name)));
        names.extend(stream.distincts.iter().map(|d| d.name.clone()));
    }
    names.into_iter().collect()
}

/// Writes the ledger, sorted by arrival minute, source, origin and stream. A bad field that is not in
/// `names` gets a column of its own behind the others, so that nothing is left out.
///
/// # Errors
/// Trouble of `out`.
pub fn write_ledger<W: Write + Send>(
    ledger: &Ledger,
    names: LedgerNames<'_>,
    footer: &Footer,
    out: W,
) -> Result<Written, ColumnsError> {
    let fields = all_fields(ledger, names.bad_fields);
    let mut file = Rows::new(Dataset::Ledger, None, &layout(&fields), footer, out)?;
    let mut order: Vec<(&LedgerKey, &str, &LedgerCounts)> =
        ledger.0.iter().map(|(key, counts)| (key, source_name(names, key), counts)).collect();
    order.sort_by_key(|(key, source, _)| (key.arrival, *source, key.origin.as_str(), key.stream.as_str()));
    for (key, source, counts) in order {
        file.minute(key.arrival).text(source).text(key.origin.as_str()).text(key.stream.as_str());
        push_counts(&mut file, counts, &fields);
        file.text(footer.host.as_str()).end()?;
    }
    file.finish()
}

fn push_counts<W: Write + Send>(file: &mut Rows<W>, counts: &LedgerCounts, fields: &[String]) {
    file.count(counts.received).count(counts.counted).count(counts.control).count(counts.duplicate);
    for refused in counts.rejected {
        file.count(refused);
    }
    file.count(counts.dropped_queue).count(counts.dropped_crash).count(counts.late);
    for field in fields {
        file.count(counts.bad.get(field).copied().unwrap_or(0));
    }
    file.count(counts.kernel_datagrams).count(counts.sender_dropped);
}

fn source_name<'a>(names: LedgerNames<'a>, key: &LedgerKey) -> &'a str {
    names.sources.get(key.source.index()).map_or("", String::as_str)
}

fn all_fields(ledger: &Ledger, listed: &[String]) -> Vec<String> {
    let seen: BTreeSet<&String> = ledger.0.values().flat_map(|counts| counts.bad.keys()).collect();
    let others = seen.into_iter().filter(|field| !listed.contains(field));
    listed.iter().chain(others).cloned().collect()
}

pub(super) fn layout(bad_fields: &[String]) -> Layout {
    let count = |layout: Layout, name: &str| layout.with(name, Kind::Int64);
    Layout::default()
        .sorted("minute", Kind::Stamp, false)
        .sorted("source", Kind::Word, false)
        .sorted("origin", Kind::Word, false)
        .sorted("stream", Kind::Word, false)
        .each(["received", "counted", "control", "duplicate"], count)
        .each(Reason::ALL, |layout, r| layout.with(format!("rejected_{}", r.name()), Kind::Int64))
        .each(["dropped_queue", "dropped_crash", "late"], count)
        .each(bad_fields, |layout, field| layout.with(format!("bad_{field}"), Kind::Int64))
        .each(["kernel_datagrams", "sender_dropped"], count)
        .with("host", Kind::Word)
}
