//! Profiles of raw fields: types, how often they are there, how many values, which ones. Bounded,
//! whatever the sample holds.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use ebbd_core::report::is_hidden;

use super::raw::{RawField, RawKind};

/// Most fields that are profiled; what is beyond is counted.
const MAX_PROFILES: usize = 200;
/// Values whose occurrences are counted, per field.
const MAX_VALUES: usize = 64;
/// Hashes kept for the estimate of distinct values: within 3 % or so, exact below.
const MAX_HASHES: usize = 1024;
/// Longest example in characters.
const MAX_EXAMPLE: usize = 60;

/// All fields of a sample.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    /// By path.
    pub(super) fields: BTreeMap<String, Profile>,
    /// Lines in which at least one field was found.
    pub(super) lines: u64,
    /// Values of fields beyond the bound.
    pub(super) beyond: u64,
}

/// One field of a sample.
#[derive(Debug, Default)]
pub(super) struct Profile {
    /// Lines that have it, not empty.
    pub(super) filled: u64,
    /// How often it was of which kind.
    pub(super) kinds: BTreeMap<RawKind, u64>,
    /// How often it was a time.
    pub(super) times: u64,
    /// How often it was a number, as a text or not.
    pub(super) numbers: u64,
    /// How often it looked like a currency: three capital letters.
    pub(super) currencies: u64,
    /// Most digits behind a point.
    pub(super) digits: usize,
    values: BTreeMap<String, u64>,
    hashes: BTreeSet<u64>,
}

impl RawKind {
    /// The word for the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            RawKind::Text => "text",
            RawKind::Number => "number",
            RawKind::Flag => "true/false",
            RawKind::List => "list",
            RawKind::Name => "name",
        }
    }
}

impl Profiles {
    /// Adds the fields of one line.
    pub(super) fn add(&mut self, fields: &[RawField]) {
        self.lines += u64::from(!fields.is_empty());
        for field in fields {
            if !self.fields.contains_key(&field.path) && self.fields.len() >= MAX_PROFILES {
                self.beyond += 1;
                continue;
            }
            self.fields.entry(field.path.clone()).or_default().add(field);
        }
    }

    /// The share of lines that have this field, 0 to 1.
    pub(super) fn fill(&self, profile: &Profile) -> f64 {
        profile.filled as f64 / self.lines.max(1) as f64
    }
}

impl Profile {
    fn add(&mut self, field: &RawField) {
        if field.text.is_empty() {
            return;
        }
        let text = field.text.as_str();
        self.filled += 1;
        *self.kinds.entry(field.kind).or_default() += 1;
        let is_number = matches!(field.kind, RawKind::Text | RawKind::Number) && is_decimal(text);
        self.numbers += u64::from(is_number);
        if is_number {
            self.digits = self.digits.max(text.split_once('.').map_or(0, |(_, digits)| digits.len()));
        }
        self.times += u64::from(is_time(field));
        self.currencies += u64::from(text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()));
        self.remember(text);
    }

    fn remember(&mut self, text: &str) {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        self.hashes.insert(hasher.finish());
        if self.hashes.len() > MAX_HASHES {
            self.hashes.pop_last();
        }
        let example = shortened(text);
        if self.values.contains_key(&example) || self.values.len() < MAX_VALUES {
            *self.values.entry(example).or_default() += 1;
        }
    }

    /// How many different values there are: exact below 1,024, else estimated from the smallest hashes.
    pub(super) fn distinct(&self) -> (u64, bool) {
        if self.hashes.len() < MAX_HASHES {
            return (self.hashes.len() as u64, true);
        }
        let largest = *self.hashes.last().unwrap_or(&u64::MAX) as f64 / u64::MAX as f64;
        ((((MAX_HASHES - 1) as f64) / largest).round() as u64, false)
    }

    /// The most frequent values seen, at most `most`, with their counts.
    pub(super) fn examples(&self, most: usize) -> Vec<(&str, u64)> {
        let mut values: Vec<(&str, u64)> = self.values.iter().map(|(v, n)| (v.as_str(), *n)).collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        values.truncate(most);
        values
    }

    /// All values in order, if they are few enough to know them all.
    pub(super) fn all_values(&self) -> Option<Vec<&str>> {
        let all = self.distinct().0 as usize == self.values.len();
        all.then(|| self.values.keys().map(String::as_str).collect())
    }

    /// Whether (nearly) all of its values have this property, told by a count.
    pub(super) fn mostly(&self, count: u64) -> bool {
        self.filled > 0 && count * 100 >= self.filled * 95
    }

    /// The types, the most frequent first: `text`, `number`, `time`, `text/number`.
    pub(super) fn types(&self) -> String {
        // A number of ten digits may be a time or an order's; only a text can't be anything else.
        if self.mostly(self.times) && !self.kinds.contains_key(&RawKind::Number) {
            return "time".to_owned();
        }
        let mut kinds: Vec<(u64, RawKind)> = self.kinds.iter().map(|(kind, n)| (*n, *kind)).collect();
        kinds.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let names: Vec<&str> = kinds.iter().map(|(_, kind)| kind.name()).collect();
        names.join("/")
    }
}

/// The beginning of a value, without what would move a cursor.
pub(super) fn shortened(text: &str) -> String {
    let clean: String = text
        .chars()
        .take(MAX_EXAMPLE)
        .map(|c| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if text.chars().nth(MAX_EXAMPLE).is_some() { format!("{clean}…") } else { clean }
}

fn is_decimal(text: &str) -> bool {
    ebbd_core::model::parse_decimal(text.as_bytes(), 0).is_ok()
}

/// An RFC 3339 text, or a number that is a time between 2001 and 2096 in some unit.
fn is_time(field: &RawField) -> bool {
    let text = field.text.as_str();
    match field.kind {
        RawKind::Text if text.contains(['T', ' ']) => text.parse::<jiff::Timestamp>().is_ok(),
        RawKind::Text | RawKind::Number => {
            let number: f64 = text.parse().unwrap_or(0.0);
            [1.0, 1e3, 1e6, 1e9].iter().any(|unit| (1e9..4e9).contains(&(number / unit)))
        }
        _ => false,
    }
}
