//! Weeks of a shop's past, as Parquet, before the daemon starts: what a backfill would have brought.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ebbd_core::columns::{Dataset, Footer, write_minutes};
use ebbd_core::model::{Minute, StreamId, StreamSpec};
use ebbd_core::simulate::Shop;
use indicatif::ProgressBar;

use crate::store::{Place, WRITER};
use crate::sys::RealDisk;

const MINUTES_PER_DAY: i32 = 1440;

/// Writes the minutes `from..to` of `shop`, a file a day.
pub(super) fn write(
    shop: &Shop,
    spec: &StreamSpec,
    data_dir: &Path,
    from: Minute,
    to: Minute,
) -> Result<(), String> {
    let place = Place::new(Arc::new(RealDisk), data_dir, "history");
    let days: Vec<Minute> = (from.0..to.0).step_by(MINUTES_PER_DAY as usize).map(Minute).collect();
    let bar = ProgressBar::new(days.len() as u64);
    for (number, day) in (1u64..).zip(days) {
        // A day of the UTC calendar is a file: the first and last are partial.
        write_day(shop, spec, &place, number, day..day.plus(MINUTES_PER_DAY).min(to))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn write_day(
    shop: &Shop,
    spec: &StreamSpec,
    place: &Place,
    number: u64,
    minutes: std::ops::Range<Minute>,
) -> Result<(), String> {
    let mut by_date: BTreeMap<String, Vec<Arc<_>>> = BTreeMap::new();
    for minute in (minutes.start.0..minutes.end.0).map(Minute) {
        let sealed = Arc::new(shop.sealed(minute, StreamId(0), spec));
        by_date.entry(minute.start().utc_date()).or_default().push(sealed);
    }
    for (part, sealed) in by_date.values().enumerate() {
        let more = BTreeMap::from([(WRITER.to_owned(), "demo".to_owned())]);
        let footer = Footer { host: "history".to_owned(), config: String::new(), sequence: number, more };
        let name = format!("{number:06}{part}");
        let time = sealed[0].minute.start();
        place
            .publish(Dataset::Minutes, &spec.name, time, &name, false, |file| {
                write_minutes(spec, sealed, &footer, file).map(drop)
            })
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}
