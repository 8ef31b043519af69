//! Alarms by number, by id or by period: all records of each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::columns::{Dataset, read_alarms};

use super::{Period, Stored, StoredError, folders, read_day};

/// Most records that are held: each has some kilobytes.
const MOST_RECORDS: usize = 50_000;

/// How a person names an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmName {
    /// By its number.
    No(u64),
    /// By its id.
    Id(String),
}

impl FromStr for AlarmName {
    type Err = String;

    /// `47`, `#47`, or an id.
    fn from_str(text: &str) -> Result<AlarmName, String> {
        let bare = text.strip_prefix('#').unwrap_or(text);
        if let Ok(no) = bare.parse() {
            return Ok(AlarmName::No(no));
        }
        let is_id = text.len() == 26 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match is_id {
            true => Ok(AlarmName::Id(text.to_ascii_uppercase())),
            false => Err("write an alarm's number (47) or its id (26 letters and digits)".to_owned()),
        }
    }
}

impl AlarmName {
    fn is(&self, no: u64, id: &str) -> bool {
        match self {
            AlarmName::No(wanted) => no == *wanted,
            AlarmName::Id(wanted) => id == wanted,
        }
    }
}

/// An alarm's records, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmHistory {
    /// The data directory that it lies in.
    pub dir: PathBuf,
    /// Its records by revision, each once; at least one.
    pub records: Vec<AlarmRecord>,
}

impl AlarmHistory {
    fn new(dir: &Path, mut records: Vec<AlarmRecord>) -> Option<AlarmHistory> {
        records.sort_by_key(|record| (record.rev, std::cmp::Reverse(record.seq)));
        records.dedup_by_key(|record| record.rev);
        (!records.is_empty()).then(|| AlarmHistory { dir: dir.to_owned(), records })
    }

    /// Its first record that is kept.
    pub fn first(&self) -> &AlarmRecord {
        self.records.first().expect("a history has a record")
    }

    /// Its newest record.
    pub fn newest(&self) -> &AlarmRecord {
        self.records.last().expect("a history has a record")
    }

    /// Whether its first revision is still kept.
    pub fn is_whole(&self) -> bool {
        self.first().rev <= 1
    }
}

impl Stored {
    /// The alarm of this name with all its records, the newest of them if a number was given twice; `None` if
    /// there is none.
    ///
    /// # Errors
    /// [`StoredError::Ambiguous`] for a number that alarms of several directories bear; else of reading.
    pub fn alarm(&self, name: &AlarmName) -> Result<Option<AlarmHistory>, StoredError> {
        let mut found: BTreeMap<String, AlarmHistory> = BTreeMap::new();
        for dir in self.each() {
            found.extend(alarm_in(dir, name)?.map(|history| (history.newest().id.clone(), history)));
        }
        if let (AlarmName::No(no), 2..) = (name, found.len()) {
            return Err(StoredError::Ambiguous { no: *no, ids: found.into_keys().collect() });
        }
        Ok(found.into_values().next())
    }

    /// Every alarm with a record made within the period, each with all its records, oldest alarm first.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn alarms(&self, period: Period) -> Result<Vec<AlarmHistory>, StoredError> {
        let mut found = Vec::new();
        for dir in self.each() {
            let root = dir.join(Dataset::Alarms.name());
            let mut records = Records::default();
            let dates = folders(&root, "date=")?;
            for date in dates.iter().filter(|date| period.has_date(date)) {
                records.add(day(&root, date, |_, _| true)?)?;
            }
            records.complete(&root, dates.iter().rev().filter(|date| **date < period.from.utc_date()))?;
            let histories = records.by_id.into_values().filter_map(|records| AlarmHistory::new(dir, records));
            found.extend(histories);
        }
        let made_within = |history: &AlarmHistory| {
            let times =
                history.records.iter().filter_map(|record| ebbd_core::alarm::block::instant(&record.at));
            times.into_iter().any(|at| period.contains(at))
        };
        found.retain(made_within);
        found.sort_by(|a, b| (&a.first().at, &a.first().id).cmp(&(&b.first().at, &b.first().id)));
        Ok(found)
    }
}

/// The newest alarm of this name in one directory: days are looked at from the last one back to that of its
/// first revision.
fn alarm_in(dir: &Path, name: &AlarmName) -> Result<Option<AlarmHistory>, StoredError> {
    let root = dir.join(Dataset::Alarms.name());
    let mut name = name.clone();
    let mut records: Vec<AlarmRecord> = Vec::new();
    for date in folders(&root, "date=")?.iter().rev() {
        let mut found = day(&root, date, |no, id| name.is(no, id))?;
        if let Some(newest) = found.iter().max_by_key(|record| record.seq) {
            name = AlarmName::Id(newest.id.clone());
        }
        found.retain(|record| name.is(record.no, &record.id));
        records.append(&mut found);
        if records.iter().any(|record| record.rev <= 1) {
            break;
        }
    }
    Ok(AlarmHistory::new(dir, records))
}

fn day(root: &Path, date: &str, wanted: impl Fn(u64, &str) -> bool) -> Result<Vec<AlarmRecord>, StoredError> {
    read_day(&root.join(format!("date={date}")), "alarms", |file| read_alarms(file, &wanted))
}

/// Records by the alarm that they are of.
#[derive(Default)]
struct Records {
    by_id: BTreeMap<String, Vec<AlarmRecord>>,
    held: usize,
}

impl Records {
    fn add(&mut self, records: Vec<AlarmRecord>) -> Result<(), StoredError> {
        self.held += records.len();
        if self.held > MOST_RECORDS {
            return Err(StoredError::TooMany { what: "alarms", most: MOST_RECORDS });
        }
        records.into_iter().for_each(|record| self.by_id.entry(record.id.clone()).or_default().push(record));
        Ok(())
    }

    /// Fetches what days before have of the alarms that are here, from the last of these days on.
    fn complete<'a>(
        &mut self,
        root: &Path,
        dates: impl Iterator<Item = &'a String>,
    ) -> Result<(), StoredError> {
        for date in dates {
            let is_partial = |records: &Vec<AlarmRecord>| records.iter().all(|record| record.rev > 1);
            let partial = self.by_id.iter().filter(|(_, records)| is_partial(records));
            let partial: BTreeSet<String> = partial.map(|(id, _)| id.clone()).collect();
            if partial.is_empty() {
                break;
            }
            self.add(day(root, date, |_, id| partial.contains(id))?)?;
        }
        Ok(())
    }
}
