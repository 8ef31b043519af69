//! What was found: a line each, and the sums at the end.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use ebbd_core::alarm::words::exact;
use ebbd_core::report::{visible, visible_json};
use serde_json::{Value, json};

/// What was looked at, and where findings go.
pub(super) struct Report<'a> {
    json: bool,
    out: &'a mut dyn Write,
    progress: bool,
    findings: u64,
    pub(super) files: u64,
    pub(super) rows: u64,
    pub(super) segments: u64,
    pub(super) frames: u64,
    pub(super) records: u64,
}

impl<'a> Report<'a> {
    pub(super) fn new(json: bool, out: &'a mut dyn Write) -> Report<'a> {
        let progress = io::stderr().is_terminal();
        Report { json, out, progress, findings: 0, files: 0, rows: 0, segments: 0, frames: 0, records: 0 }
    }

    /// Something is wrong.
    pub(super) fn find(&mut self, file: &Path, what: &str) {
        self.findings += 1;
        self.say("finding", file, what);
    }

    /// Something worth knowing is not wrong.
    pub(super) fn note(&mut self, file: &Path, what: &str) {
        self.say("note", file, what);
    }

    /// How far it is, on a terminal.
    pub(super) fn progress(&self, at: usize, of: usize) {
        if self.progress {
            eprint!("\r{at} of {of} files\x1b[K");
            if at == of {
                eprint!("\r\x1b[K");
            }
        }
    }

    /// The sums; whether all is well.
    pub(super) fn end(&mut self) -> bool {
        let ok = self.findings == 0;
        let (files, rows) = (some(self.files, "file"), some(self.rows, "row"));
        let (segments, frames) = (some(self.segments, "segment"), some(self.frames, "frame"));
        let records = some(self.records, "alarm record");
        let seen = format!("{files}, {rows}; {segments}, {frames}; {records}");
        let words =
            if ok { format!("ok  {seen}") } else { format!("{} in {seen}", some(self.findings, "finding")) };
        let line = json!({"type": "summary", "ok": ok, "findings": self.findings, "files": self.files,
            "rows": self.rows, "segments": self.segments, "frames": self.frames, "records": self.records});
        self.print(&words, &line);
        ok
    }

    fn say(&mut self, kind: &str, file: &Path, what: &str) {
        let file = file.display().to_string();
        let mark = if kind == "note" { "note: " } else { "" };
        self.print(&format!("{mark}{file}: {what}"), &json!({"type": kind, "file": file, "what": what}));
    }

    fn print(&mut self, words: &str, line: &Value) {
        let text = if self.json { visible_json(&line.to_string()) } else { visible(words) };
        // A reader that went away is no finding.
        let _ = writeln!(self.out, "{text}");
    }
}

/// `1 file`, `2 files`.
fn some(count: u64, what: &str) -> String {
    format!("{} {what}{}", exact(count), if count == 1 { "" } else { "s" })
}
