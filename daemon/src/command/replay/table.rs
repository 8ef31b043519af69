//! Minute tables: counts that a shop has, instead of what a daemon has written.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use ebbd_core::columns::{MinuteTable, is_streamable, read_footer, stream_table, table_columns_csv};
use ebbd_core::model::{Mark, Minute, SealedMinute, StreamId, StreamSpec, TimeUs};
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
    if let [path] = files
        && let Some(minutes) = streamed(path, spec, notes)?
    {
        return Ok(moments(minutes, span));
    }
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
    Ok(moments(table.into_sealed(StreamId(0), spec).map(Ok), span))
}

/// A table that need not be held in memory, minute by minute; none if it is not one.
fn streamed(
    path: &Path,
    spec: &StreamSpec,
    notes: &mut Vec<String>,
) -> Result<Option<impl Iterator<Item = Result<SealedMinute, Failure>> + use<>>, Failure> {
    let trouble = |error: &dyn std::fmt::Display| Failure::trouble(format!("{}: {error}", path.display()));
    let open = || File::open(path).map_err(|error| trouble(&error));
    let mut head = BufReader::new(open()?);
    let is_parquet = head.fill_buf().map_err(|error| trouble(&error))?.starts_with(b"PAR1");
    if !is_parquet || !is_streamable(spec, open()?).map_err(|error| trouble(&error))? {
        return Ok(None);
    }
    let minutes = stream_table(StreamId(0), spec, open()?).map_err(|error| trouble(&error))?;
    notes.extend(minutes.notes().iter().map(|note| format!("{}: {note}", path.display())));
    let path = path.to_owned();
    Ok(Some(
        minutes.map(move |minute| {
            minute.map_err(|error| Failure::trouble(format!("{}: {error}", path.display())))
        }),
    ))
}

/// Minutes and when they would have been judged.
fn moments<'f>(
    minutes: impl Iterator<Item = Result<SealedMinute, Failure>> + 'f,
    span: Span,
) -> Feed<'f, Failure> {
    let judge_from = span.from.map(TimeUs::minute);
    let is_history = move |minute: Minute| judge_from.is_some_and(|from| minute < from);
    let is_within = move |sealed: &SealedMinute| span.to.is_none_or(|to| sealed.minute.start() < to);
    let within = minutes.take_while(move |minute| minute.as_ref().is_ok_and(is_within) || minute.is_err());
    Box::new(within.map(move |minute| {
        minute.map(|sealed| Moment { now: sealed.sealed_at, is_history: is_history(sealed.minute), sealed })
    }))
}

/// Markers of a saved incident, a JSON object a line; none if there is no such file.
pub(super) fn marks(path: &Path) -> Result<Vec<Mark>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|error| Failure::trouble(format!("{}: {error}", path.display())))?,
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mark = |(at, line): (usize, &str)| {
        let read = super::saved_marks::read(line);
        read.map_err(|error| Failure::trouble(format!("{}:{}: no marker: {error}", path.display(), at + 1)))
    };
    lines.map(mark).collect()
}
