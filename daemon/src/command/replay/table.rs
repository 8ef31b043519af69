//! Minute tables: counts that a shop has, instead of what a daemon has written.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use ebbd_core::columns::{MinuteTable, read_footer, table_columns_csv};
use ebbd_core::model::{Mark, Minute, StreamId, StreamSpec, TimeUs};
use ebbd_core::replay::{Feed, Moment};

use super::Failure;
use super::round::Span;
use crate::command::ingest::read_table;

/// The columns of a table.
pub(super) fn columns(path: &Path) -> Result<Vec<String>, Failure> {
    let trouble = |error: &dyn std::fmt::Display| Failure::trouble(format!("{}: {error}", path.display()));
    let mut head = BufReader::new(File::open(path).map_err(|error| trouble(&error))?);
    let start = head.fill_buf().map_err(|error| trouble(&error))?;
    if start.starts_with(b"PAR1") {
        let file = File::open(path).map_err(|error| trouble(&error))?;
        return read_footer(&file).map(|info| info.columns).map_err(|error| trouble(&error));
    }
    table_columns_csv(head).map_err(|error| trouble(&error))
}

/// The minutes of all tables together.
pub(super) fn feed<'f>(
    files: &[PathBuf],
    spec: &'f StreamSpec,
    span: Span,
    notes: &mut Vec<String>,
) -> Result<Feed<'f, Failure>, Failure> {
    let mut tables = Vec::new();
    for path in files {
        let table = read_table(spec, path)
            .map_err(|error| Failure::trouble(format!("{}: {error}", path.display())))?;
        notes.extend(table.notes.iter().map(|note| format!("{}: {note}", path.display())));
        tables.push(table);
    }
    let table = MinuteTable::joined(tables);
    if table.rows.is_empty() {
        return Err(Failure::trouble("there is no minute in the tables"));
    }
    let judge_from = span.from.map(TimeUs::minute);
    let is_history = move |minute: Minute| judge_from.is_some_and(|from| minute < from);
    let sealed = table.into_sealed(StreamId(0), spec);
    let within = sealed.take_while(move |sealed| span.to.is_none_or(|to| sealed.minute.start() < to));
    Ok(Box::new(within.map(move |sealed| {
        Ok(Moment { now: sealed.sealed_at, is_history: is_history(sealed.minute), sealed })
    })))
}

/// Markers of a saved incident, a JSON object a line; none if there is no such file.
pub(super) fn marks(path: &Path) -> Result<Vec<Mark>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|error| Failure::trouble(format!("{}: {error}", path.display())))?,
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mark = |(at, line): (usize, &str)| {
        let read: Result<Mark, _> = serde_json::from_str(line);
        read.map_err(|error| Failure::trouble(format!("{}:{}: no marker: {error}", path.display(), at + 1)))
    };
    lines.map(mark).collect()
}
