//! The account of one file: for reading, and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use ebbd_core::aggregate::Sample;
use ebbd_core::alarm::words::exact;
use ebbd_core::model::{LedgerCounts, Minute, Reason, SealedMinute};
use ebbd_core::report::visible;
use serde_json::{Value, json};

/// Bytes of a refused line that are shown.
const SHOWN: usize = 160;

/// What came of one file.
#[derive(Debug, Default)]
pub(super) struct Report {
    file: String,
    content: String,
    /// By stream.
    counted: BTreeMap<String, Extent>,
    /// Lines left out because the daemon had counted their minutes, by stream.
    left_out: BTreeMap<String, Extent>,
    lines: LedgerCounts,
    files: Vec<PathBuf>,
    /// A file with this content's minutes, if it was refused as a whole.
    earlier: Option<PathBuf>,
    examples: BTreeMap<Reason, String>,
    notes: Vec<String>,
}

/// How many, and of which minutes.
#[derive(Debug, Default)]
struct Extent {
    count: i64,
    minutes: BTreeSet<Minute>,
}

impl Extent {
    fn add(&mut self, minute: Minute, count: i64) {
        self.count += count;
        self.minutes.insert(minute);
    }

    /// `30 minutes (2026-11-22 13:00 to 13:29 UTC)`
    fn span(&self) -> String {
        let (Some(first), Some(last)) = (self.minutes.first(), self.minutes.last()) else {
            return "no minute".to_owned();
        };
        let ((first_day, first_time), (last_day, last_time)) = (clock(*first), clock(*last));
        let end = match (first == last, first_day == last_day) {
            (true, _) => String::new(),
            (false, true) => format!(" to {last_time}"),
            (false, false) => format!(" to {last_day} {last_time}"),
        };
        let minutes = self.minutes.len() as u64;
        format!("{} ({first_day} {first_time}{end} UTC)", plural(minutes, "minute"))
    }

    fn json(&self, stream: &str, what: &str) -> Value {
        let at = |minute: Option<&Minute>| minute.map(Minute::to_string);
        json!({"stream": stream, what: self.count, "minutes": self.minutes.len(),
               "from": at(self.minutes.first()), "to": at(self.minutes.last())})
    }
}

impl Report {
    /// Of a file of which nothing is known yet.
    pub(super) fn new(file: &str) -> Report {
        Report { file: file.to_owned(), ..Report::default() }
    }

    /// Of a file that was ingested before.
    pub(super) fn of_known_file(file: &str, content: &str, earlier: PathBuf) -> Report {
        Report { earlier: Some(earlier), content: content.to_owned(), ..Report::new(file) }
    }

    /// The hash of the file's content, known at its end.
    pub(super) fn content(&mut self, content: &str) {
        self.content = content.to_owned();
    }

    /// Rows of a minute were written.
    pub(super) fn counted(&mut self, stream: &str, sealed: &SealedMinute) {
        let count = sealed.rows.events();
        self.counted.entry(stream.to_owned()).or_default().add(sealed.minute, count);
    }

    /// Lines of a minute were left out.
    pub(super) fn left_out(&mut self, stream: &str, minute: Minute, lines: u64) {
        self.left_out.entry(stream.to_owned()).or_default().add(minute, lines.cast_signed());
    }

    /// What became of all lines.
    pub(super) fn ledger(&mut self, lines: &LedgerCounts) {
        self.lines.add(lines);
    }

    /// A file was published.
    pub(super) fn file(&mut self, path: PathBuf) {
        self.files.push(path);
    }

    /// A refused line; the first of its reason is shown.
    pub(super) fn example(&mut self, sample: &Sample) {
        let line = || visible(&String::from_utf8_lossy(&sample.line[..sample.line.len().min(SHOWN)]));
        self.examples.entry(sample.reason).or_insert_with(line);
    }

    /// Something that was ignored or assumed.
    pub(super) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    /// Whether the file, or some of its minutes, were refused.
    pub(super) fn is_refused(&self) -> bool {
        self.earlier.is_some() || !self.left_out.is_empty()
    }

    /// Notes, and an example of each kind of refused line, for standard error.
    pub(super) fn examples(&self) -> Vec<String> {
        let notes = self.notes.iter().map(|note| format!("note: {note}"));
        let shown = self.examples.iter();
        notes
            .chain(shown.map(|(reason, line)| format!("rejected as {}, such as: {line}", reason.name())))
            .collect()
    }

    /// For reading.
    pub(super) fn text(&self) -> String {
        if let Some(earlier) = &self.earlier {
            let earlier = earlier.display();
            let file = &self.file;
            return format!(
                "{file}: refused, it was ingested before as {earlier}; --again counts it once more\n"
            );
        }
        let counted = |(stream, extent): (&String, &Extent)| {
            format!("{stream} {} counted in {}", exact(extent.count.unsigned_abs()), extent.span())
        };
        let counted: Vec<String> = self.counted.iter().map(counted).collect();
        let counted = if counted.is_empty() { "nothing counted".to_owned() } else { counted.join("; ") };
        let mut text = format!("{}: {counted}{}\n", self.file, self.besides());
        for (stream, extent) in &self.left_out {
            let _ = writeln!(
                text,
                "  refused: {} of {stream} in {} left out, because the daemon itself had counted these minutes; \
                 --again adds them, and all else in the file once more",
                plural(extent.count.unsigned_abs(), "line"),
                extent.span(),
            );
        }
        text
    }

    /// `, 12 rejected (bad_time 12), 3 duplicates`
    fn besides(&self) -> String {
        let (lines, mut text) = (&self.lines, String::new());
        if lines.rejected_total() > 0 {
            let by_reason: Vec<String> =
                self.rejected().map(|(r, n)| format!("{} {}", r.name(), exact(n))).collect();
            let _ = write!(text, ", {} rejected ({})", exact(lines.rejected_total()), by_reason.join(", "));
        }
        let duplicates = self.duplicates();
        if duplicates > 0 {
            let _ = write!(text, ", {}", plural(duplicates, "duplicate"));
        }
        if lines.control > 0 {
            let _ = write!(text, ", {} without an event", plural(lines.control, "line"));
        }
        if !lines.bad.is_empty() {
            let fields: Vec<String> =
                lines.bad.iter().map(|(name, n)| format!("{name} {}", exact(*n))).collect();
            let _ = write!(text, ", unusable fields ({})", fields.join(", "));
        }
        text
    }

    fn rejected(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.lines.rejected).filter(|(_, count)| *count > 0)
    }

    /// Lines whose id was counted before; not those of the daemon's minutes.
    fn duplicates(&self) -> u64 {
        let left_out: i64 = self.left_out.values().map(|extent| extent.count).sum();
        self.lines.duplicate.saturating_sub(left_out.unsigned_abs())
    }

    /// One JSON object.
    pub(super) fn json(&self) -> String {
        let extents = |all: &BTreeMap<String, Extent>, what| {
            all.iter().map(|(stream, extent)| extent.json(stream, what)).collect::<Vec<_>>()
        };
        let rejected: BTreeMap<&str, u64> = self.rejected().map(|(reason, n)| (reason.name(), n)).collect();
        let value = json!({
            "type": "ingest", "file": self.file, "content": self.content, "ok": !self.is_refused(),
            "counted": extents(&self.counted, "count"), "lines": self.lines.received, "rejected": rejected,
            "duplicate": self.duplicates(), "control": self.lines.control, "bad": self.lines.bad,
            "refused": extents(&self.left_out, "lines"), "earlier": self.earlier, "files": self.files,
            "notes": self.notes, "error": null,
        });
        format!("{value}\n")
    }
}

/// One JSON object for a file of which nothing was counted.
pub(super) fn failure_json(file: &str, error: &str) -> String {
    format!("{}\n", json!({"type": "ingest", "file": file, "ok": false, "error": error}))
}

fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", exact(count), if count == 1 { "" } else { "s" })
}

/// `2026-11-22` and `13:04`.
fn clock(minute: Minute) -> (String, String) {
    let text = minute.to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    (date.to_owned(), time.chars().take(5).collect())
}
