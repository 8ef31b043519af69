//! What a watcher prints: blocks for a person, or lines of JSON.

use std::io::{self, IsTerminal, Write};

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::report::watch::{Style, block, first_sight};
use ebbd_core::report::{visible, visible_json};
use jiff::tz::TimeZone;

use crate::command::figures;

/// Where a watcher prints.
pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    json: bool,
    style: Style,
    /// Whether nobody reads it any more.
    pub(super) closed: bool,
}

impl Screen {
    /// A screen that prints plain text to `out`.
    pub(super) fn plain(out: Box<dyn Write + Send>, json: bool) -> Screen {
        Screen { out, json, style: Style::plain(), closed: false }
    }

    /// Standard output.
    pub(super) fn here(json: bool) -> Screen {
        let terminal = io::stdout().is_terminal();
        let zone = if terminal { TimeZone::system() } else { TimeZone::UTC };
        let style = Style { zone, width: figures::terminal_columns(), colour: figures::colours() };
        Screen { style, ..Screen::plain(Box::new(io::stdout()), json) }
    }

    /// Prints a record: `line` as it came, or as a block; the whole block at the alarm's first sight.
    pub(super) fn record(&mut self, line: &str, first: bool) {
        if self.json {
            return self.print(&visible_json(line));
        }
        match serde_json::from_str::<AlarmRecord>(line) {
            Ok(record) if first => self.print(&first_sight(&record, &self.style)),
            Ok(record) => self.print(&block(&record, &self.style)),
            Err(_) => self.print(&visible_json(line)),
        }
    }

    /// Prints something else that is said: as JSON, or in words.
    pub(super) fn say(&mut self, line: &str, words: &str) {
        self.print(&if self.json { visible_json(line) } else { visible(words) });
    }

    fn print(&mut self, text: &str) {
        if text.is_empty() || self.closed {
            return;
        }
        self.closed = writeln!(self.out, "{text}").and_then(|()| self.out.flush()).is_err();
    }
}
