//! Change markers of a period.

use std::collections::BTreeMap;

use ebbd_core::columns::{Dataset, read_marks};
use ebbd_core::model::{MICROS_PER_MINUTE, Mark};

use super::{Period, Stored, StoredError, read_day};

const DAY_US: i64 = 24 * 60 * MICROS_PER_MINUTE;
/// A marker that began so long before the period may still end in it.
const LONGEST_US: i64 = 7 * DAY_US;

impl Stored {
    /// The markers that begin or end within the period, as they were received last, by their time; none that
    /// was taken back. One that was given anew for a time days away is looked for a day around the period.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn marks(&self, period: Period) -> Result<Vec<Mark>, StoredError> {
        let mut by_id: BTreeMap<String, Mark> = BTreeMap::new();
        for day in self.days(Dataset::Marks.name(), period.wider(LONGEST_US, DAY_US))? {
            for mark in read_day(&day, "marks", read_marks)? {
                let is_newer = by_id.get(&mark.id).is_none_or(|known| known.received <= mark.received);
                if is_newer {
                    by_id.insert(mark.id.clone(), mark);
                }
            }
        }
        let within =
            |mark: &Mark| period.contains(mark.at) || mark.until.is_some_and(|until| period.contains(until));
        let mut marks: Vec<Mark> =
            by_id.into_values().filter(|mark| !mark.retracted && within(mark)).collect();
        marks.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok(marks)
    }
}
