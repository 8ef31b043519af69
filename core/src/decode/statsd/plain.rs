//! The plain twin of the StatsD parser: pieces of pieces, without memory of earlier lines. It says what
//! a line means; tests and fuzzing hold the parser to it.

use crate::model::Reason;

use super::super::control::{self, Draft};
use super::super::layout::Layout;
use super::super::parser::{Outcome, Parse};
use super::super::record::{Kind, Record, Span, Value, When};
use super::super::time;
use super::event::mark;
use super::weight::exact;

/// Reads StatsD lines, piece by piece.
#[derive(Debug, Default)]
pub(in crate::decode) struct Statsd;

impl Parse for Statsd {
    fn parse(&mut self, line: &str, layout: &Layout, record: &mut Record) -> Result<Outcome, Reason> {
        if line.starts_with("_e{") {
            return mark(line).map(Outcome::Control).ok_or(Reason::BadControl);
        }
        if line.starts_with("_sc|") {
            return Err(Reason::BadType);
        }
        if control::is_json(line) {
            return control::from_json(line).map(Outcome::Control);
        }
        let metric = metric(line)?;
        let weight = exact(metric.values, metric.rate)?;
        if let Some(draft) = Draft::named(metric.name) {
            return Ok(Outcome::Control(metric.control(draft)));
        }
        record.name = place(line, metric.name);
        record.weight = weight;
        record.when = metric.when;
        for (key, value) in tags(metric.tags) {
            if let Some(slot) = layout.flat_slot(key) {
                record.values[slot] = Value::new(Kind::Text, place(line, value));
            }
        }
        Ok(Outcome::Record)
    }
}

/// A counter's line in its parts.
struct Metric<'l> {
    name: &'l str,
    /// One value, or several with colons between them.
    values: &'l str,
    rate: Option<&'l str>,
    tags: &'l str,
    when: When,
}

impl Metric<'_> {
    fn control(&self, mut draft: Draft) -> Draft {
        for (key, value) in tags(self.tags) {
            draft.put(key, value);
        }
        if let When::At(time) = self.when {
            draft.at = Some(time);
        }
        draft
    }
}

/// Takes a line apart. Sections that nobody knows (`c:` container, `e:`, `card:`, what comes) are passed over.
fn metric(line: &str) -> Result<Metric<'_>, Reason> {
    let (name, rest) = cut(line, b':').ok_or(Reason::BadSyntax)?;
    let (values, rest) = cut(rest, b'|').ok_or(Reason::BadSyntax)?;
    let mut sections = pieces(rest, b'|');
    let kind = sections.next().unwrap_or_default();
    if name.is_empty()
        || name.contains('|')
        || kind.is_empty()
        || !kind.bytes().all(|b| b.is_ascii_alphabetic())
    {
        return Err(Reason::BadSyntax);
    }
    if kind != "c" {
        return Err(Reason::BadType);
    }
    let mut metric = Metric { name, values, rate: None, tags: "", when: When::Arrival };
    for section in sections {
        if let Some(rate) = section.strip_prefix('@') {
            metric.rate = Some(rate);
        } else if let Some(tags) = section.strip_prefix('#') {
            metric.tags = tags;
        } else if let Some(stamp) = section.strip_prefix('T') {
            metric.when = When::At(time::from_number(stamp).ok_or(Reason::BadTime)?);
        }
    }
    Ok(metric)
}

/// The tags of `key:value,other:value,bare`; a bare one has the value `""`.
fn tags(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let present = pieces(text, b',').filter(|tag| !tag.is_empty());
    present.map(|tag| cut(tag, b':').unwrap_or((tag, &tag[tag.len()..])))
}

/// `text` before and behind its first `byte`, which is ASCII. The pieces are too short for a search
/// that has to warm up.
fn cut(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|b| b == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The pieces of `text` between `byte`s, at least one.
fn pieces(text: &str, byte: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, more) = cut(text, byte).map_or((text, None), |(piece, more)| (piece, Some(more)));
        rest = more;
        Some(piece)
    })
}

/// The place of `part`, which is a piece of `line`.
fn place(line: &str, part: &str) -> Span {
    let start = part.as_ptr() as usize - line.as_ptr() as usize;
    Span::of_line(start, start + part.len())
}
