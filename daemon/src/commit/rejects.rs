//! A few refused lines per reason, masked, for people who look for the cause: one file per UTC date, capped.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ebbd_core::model::{StreamSpec, TimeUs};

use super::mask::Mask;

/// The folder of rejected lines. Only the daemon's own user may read it: even masked lines can hold anything.
pub struct RejectLog {
    mask: Mask,
    dir: PathBuf,
    max_bytes: u64,
    keep_us: i64,
    written: u64,
    date: String,
    troubled: bool,
}

/// A refused line as it is written down.
#[derive(serde::Serialize)]
pub struct Rejected<'a> {
    /// When it arrived.
    pub at: String,
    /// The source's name.
    pub source: &'a str,
    /// Why it was refused.
    pub reason: &'a str,
    /// Its first bytes, as text; masked when it is written down.
    pub line: String,
}

impl RejectLog {
    /// Samples below `data_dir`, at most `max_bytes` a day, kept for `keep_us`. Of a line's words only those
    /// that `streams` use as names stay.
    pub fn new(data_dir: &Path, max_bytes: u64, keep_us: i64, streams: &[StreamSpec]) -> RejectLog {
        let (dir, mask) = (data_dir.join("rejects"), Mask::of(streams));
        RejectLog { mask, dir, max_bytes, keep_us, written: 0, date: String::new(), troubled: false }
    }

    /// Writes samples down as far as the cap allows. Trouble with the disk is logged once: samples are
    /// a courtesy, the ledger has the counts.
    pub fn add(&mut self, now: TimeUs, samples: &[Rejected<'_>]) {
        if samples.is_empty() {
            return;
        }
        if let Err(error) = self.try_add(now, samples) {
            if !self.troubled {
                tracing::warn!("cannot keep samples of rejected lines in {}: {error}", self.dir.display());
            }
            self.troubled = true;
        }
    }

    fn try_add(&mut self, now: TimeUs, samples: &[Rejected<'_>]) -> io::Result<()> {
        if self.date != now.utc_date() {
            self.turn(now)?;
        }
        let mut lines = Vec::new();
        for sample in samples {
            let line = self.mask.masked(&sample.line);
            serde_json::to_writer(&mut lines, &Rejected { at: sample.at.clone(), line, ..*sample })?;
            lines.push(b'\n');
        }
        if self.written + lines.len() as u64 > self.max_bytes {
            return Ok(());
        }
        self.written += lines.len() as u64;
        let path = self.dir.join(format!("{}.ndjson", self.date));
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(&lines)
    }

    /// Begins the file of a new date and removes those that are too old.
    fn turn(&mut self, now: TimeUs) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        self.date = now.utc_date();
        let oldest = now.plus_us(-self.keep_us).utc_date();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let date = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            if date < oldest {
                fs::remove_file(path)?;
            }
        }
        let today = self.dir.join(format!("{}.ndjson", self.date));
        self.written = fs::metadata(today).map_or(0, |m| m.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn sample(line: &str) -> Rejected<'static> {
        Rejected { at: "now".into(), source: "shop", reason: "bad_time", line: line.into() }
    }

    #[test]
    fn samples_are_private_capped_and_forgotten() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let day_us = 86_400_000_000;
        let mut log = RejectLog::new(dir.path(), 150, 2 * day_us, &[]);
        log.add(TimeUs(0), &[sample(r#"{"no":7}"#)]);
        log.add(TimeUs(0), &[sample("{}"), sample(&"x".repeat(100))]);
        let first = dir.path().join("rejects/1970-01-01.ndjson");
        assert_eq!(fs::read_to_string(&first).expect("there").lines().count(), 1);
        assert!(fs::read_to_string(&first).expect("there").contains(r#"{\"xx\":0}"#));
        assert_eq!(fs::metadata(&first).expect("there").permissions().mode() & 0o777, 0o600);
        log.add(TimeUs(4 * day_us), &[sample("{}")]);
        assert!(!first.exists());
    }
}
