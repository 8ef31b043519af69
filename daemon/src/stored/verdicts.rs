//! Verdicts of slices, and what the sources were doing, by minute.

use ebbd_core::columns::{Dataset, SourceRow, StoredVerdict, read_sources, read_verdicts};
use ebbd_core::model::Slice;

use super::{MOST_ROWS, Period, Stored, StoredError, folders, read_day};

impl Stored {
    /// The streams of which there are verdicts.
    ///
    /// # Errors
    /// [`StoredError::Disk`].
    pub fn judged_streams(&self) -> Result<Vec<String>, StoredError> {
        let mut streams = std::collections::BTreeSet::new();
        for dir in self.each() {
            streams.extend(folders(&dir.join(Dataset::Slices.name()), "stream=")?);
        }
        Ok(streams.into_iter().collect())
    }

    /// The valid verdicts of a stream's slices that are `wanted`, by minute, slice and host. Of several
    /// directories each has its own rows.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn verdicts(
        &self,
        stream: &str,
        period: Period,
        wanted: impl Fn(&Slice) -> bool,
    ) -> Result<Vec<StoredVerdict>, StoredError> {
        let mut all = Vec::new();
        for day in self.days(&format!("{}/stream={stream}", Dataset::Slices.name()), period)? {
            let rows = read_day(&day, "slices", |file| read_verdicts(file, period.minutes(), &wanted))?;
            all.extend(valid(rows));
            if all.len() > MOST_ROWS {
                return Err(StoredError::TooMany { what: "slices", most: MOST_ROWS });
            }
        }
        all.sort_by(|a, b| (a.minute, &a.slice, &a.host).cmp(&(b.minute, &b.slice, &b.host)));
        Ok(all)
    }

    /// What the sources of a stream were doing, by minute, source and origin.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn sources(&self, stream: &str, period: Period) -> Result<Vec<SourceRow>, StoredError> {
        let minutes = period.minutes();
        let mut all = Vec::new();
        for day in self.days(Dataset::Sources.name(), period)? {
            let rows = read_day(&day, "sources", |file| {
                let mut rows = read_sources(&[], file)?;
                rows.retain(|row| row.stream == stream && minutes.contains(&row.minute));
                Ok(rows)
            })?;
            all.extend(rows);
            if all.len() > MOST_ROWS {
                return Err(StoredError::TooMany { what: "sources", most: MOST_ROWS });
            }
        }
        let key = |row: &SourceRow| (row.minute, row.source.source_name.clone(), row.source.origin.clone());
        all.sort_by_key(key);
        Ok(all)
    }
}

/// Of each minute, slice and host the row of the highest revision.
fn valid(mut rows: Vec<StoredVerdict>) -> Vec<StoredVerdict> {
    rows.sort_by(|a, b| {
        (a.minute, &a.slice, &a.host, b.revision).cmp(&(b.minute, &b.slice, &b.host, a.revision))
    });
    rows.dedup_by(|row, kept| (row.minute, &row.slice, &row.host) == (kept.minute, &kept.slice, &kept.host));
    rows
}
