//! What a file says of itself in its footer's key-values: schema version, origin, sketch parameters, span.

use std::collections::BTreeMap;

use parquet::file::metadata::KeyValue;

use super::Dataset;
use super::checksum::Checksum;
use crate::model::Minute;

/// The version of the datasets' columns. A newer one only adds columns.
pub const SCHEMA_VERSION: u32 = 1;

const SCHEMA: &str = "ebbd.schema";
const DATASET: &str = "ebbd.dataset";
const STREAM: &str = "ebbd.stream";
const HOST: &str = "ebbd.host";
const CONFIG: &str = "ebbd.config";
const SEQUENCE: &str = "ebbd.sequence";
const VERSION: &str = "ebbd.version";
const FIRST_MINUTE: &str = "ebbd.minute.first";
const LAST_MINUTE: &str = "ebbd.minute.last";
const FIRST_REVISION: &str = "ebbd.revision.first";
const LAST_REVISION: &str = "ebbd.revision.last";
const CHECKSUM: &str = "ebbd.checksum";
/// Apache DataSketches: family, size and type, and how values were hashed. Frozen once history exists.
const SKETCH: [(&str, &str); 4] = [
    ("ebbd.sketch.family", "HLL"),
    ("ebbd.sketch.lgk", "12"),
    ("ebbd.sketch.type", "HLL_4"),
    ("ebbd.sketch.hash", "raw utf-8, seed 9001"),
];

/// What the writer of a file knows beyond its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// The daemon's host; the `host` column, too.
    pub host: String,
    /// Hash of the configuration.
    pub config: String,
    /// The file's sequence number on its host.
    pub sequence: u64,
    /// Further key-values of the caller; their keys begin with `ebbd.`.
    pub more: BTreeMap<String, String>,
}

/// What a file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileInfo {
    /// Version of its columns; `None`: not written by ebbd.
    pub schema: Option<u32>,
    /// The dataset.
    pub dataset: Option<Dataset>,
    /// The stream, where the dataset is partitioned by it.
    pub stream: Option<String>,
    /// The writing daemon's host.
    pub host: String,
    /// Hash of its configuration.
    pub config: String,
    /// The file's sequence number on its host.
    pub sequence: u64,
    /// Version of the ebbd that wrote it.
    pub ebbd: String,
    /// First and last minute; `None` in a file without rows.
    pub span: Option<(Minute, Minute)>,
    /// Lowest and highest revision, where rows have one.
    pub revisions: Option<(u32, u32)>,
    /// Of the bytes before the footer; `None` in files of an older ebbd.
    pub checksum: Option<Checksum>,
    /// Rows.
    pub rows: u64,
    /// Names of its columns, in order.
    pub columns: Vec<String>,
    /// Every key-value, as text.
    pub keys: BTreeMap<String, String>,
}

/// Smallest and largest of what was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span<T>(pub(super) Option<(T, T)>);

impl<T: Copy + Ord> Span<T> {
    pub(super) fn add(&mut self, value: T) {
        self.0 = Some(self.0.map_or((value, value), |(low, high)| (low.min(value), high.max(value))));
    }
}

/// The keys known before the first row.
pub(super) fn opening_keys(dataset: Dataset, stream: Option<&str>, footer: &Footer) -> Vec<KeyValue> {
    let mut keys = vec![
        pair(SCHEMA, SCHEMA_VERSION),
        pair(DATASET, dataset.name()),
        pair(HOST, &footer.host),
        pair(CONFIG, &footer.config),
        pair(SEQUENCE, footer.sequence),
        pair(VERSION, env!("CARGO_PKG_VERSION")),
    ];
    keys.extend(stream.map(|name| pair(STREAM, name)));
    if dataset == Dataset::Minutes {
        keys.extend(SKETCH.map(|(key, value)| pair(key, value)));
    }
    keys.extend(footer.more.iter().map(|(key, value)| pair(key, value)));
    keys
}

/// The keys known after the last row.
pub(super) fn closing_keys(minutes: Span<Minute>, revisions: Span<u32>, sum: Checksum) -> Vec<KeyValue> {
    let mut keys = vec![pair(CHECKSUM, sum)];
    if let Some((first, last)) = minutes.0 {
        keys.extend([pair(FIRST_MINUTE, first), pair(LAST_MINUTE, last)]);
    }
    if let Some((first, last)) = revisions.0 {
        keys.extend([pair(FIRST_REVISION, first), pair(LAST_REVISION, last)]);
    }
    keys
}

fn pair(key: &str, value: impl ToString) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value.to_string()) }
}

impl FileInfo {
    /// Reads the key-values; unknown ones are kept in `keys`, unreadable ones count as absent.
    pub(super) fn of(keys: BTreeMap<String, String>, rows: u64, columns: Vec<String>) -> FileInfo {
        let text = |key: &str| keys.get(key).cloned().unwrap_or_default();
        let minute = |key: &str| keys.get(key)?.parse::<jiff::Timestamp>().ok();
        let at = |key: &str| Some(crate::model::TimeUs(minute(key)?.as_microsecond()).minute());
        let revision = |key: &str| keys.get(key)?.parse::<u32>().ok();
        FileInfo {
            schema: keys.get(SCHEMA).and_then(|v| v.parse().ok()),
            dataset: keys.get(DATASET).and_then(|v| Dataset::named(v)),
            stream: keys.get(STREAM).cloned(),
            host: text(HOST),
            config: text(CONFIG),
            sequence: text(SEQUENCE).parse().unwrap_or(0),
            ebbd: text(VERSION),
            span: at(FIRST_MINUTE).zip(at(LAST_MINUTE)),
            revisions: revision(FIRST_REVISION).zip(revision(LAST_REVISION)),
            checksum: keys.get(CHECKSUM).and_then(|text| text.parse().ok()),
            rows,
            columns,
            keys,
        }
    }
}
