//! StatsD and DogStatsD 1.0 to 1.2: `name:1|c|@0.1|#tag:value`. Counters are events, `_e{…}` is a mark.

mod event;
mod outline;
#[cfg(any(test, fuzzing))]
pub(super) mod plain;
mod weight;

use crate::model::Reason;

use super::control::{self, Draft};
use super::flat::{Cursor, Keys};
use super::layout::Layout;
use super::outline::Outline;
use super::parser::{Outcome, Parse};
use super::record::{Kind, Record, Span, Value, When};
use super::time;

use event::tags;
use weight::weight;

/// What most counters have behind their name: one event, and that they are counters.
const ONE_EVENT: &[u8] = b":1|c";

/// Reads StatsD lines.
#[derive(Debug)]
pub(super) struct Statsd {
    keys: Keys,
}

impl Default for Statsd {
    fn default() -> Statsd {
        Statsd { keys: Keys::new(b':') }
    }
}

impl Parse for Statsd {
    fn parse(&mut self, line: &str, layout: &Layout, record: &mut Record) -> Result<Outcome, Reason> {
        match line.as_bytes().first() {
            Some(b'_') if line.starts_with("_e{") => {
                return event::mark(line).map(Outcome::Control).ok_or(Reason::BadControl);
            }
            Some(b'_') if line.starts_with("_sc|") => return Err(Reason::BadType),
            Some(b'{') if control::is_json(line) => return control::from_json(line).map(Outcome::Control),
            _ => {}
        }
        let mut cursor = Cursor { line, at: 0 };
        let name = name(&mut cursor)?;
        let mut metric = Metric { values: "1", rate: None, tags: None };
        let rest = line.as_bytes().get(cursor.at..).unwrap_or_default();
        match rest.strip_prefix(ONE_EVENT) {
            Some([] | [b'|', ..]) => cursor.at += ONE_EVENT.len(),
            _ => metric.values = counter(&mut cursor)?,
        }
        record.name = Span::of_line(0, name.len());
        record.when = When::Arrival;
        self.sections(&mut cursor, &mut metric, layout, record)?;
        record.weight = weight(metric.values, metric.rate)?;
        match Draft::named(name) {
            Some(draft) => Ok(Outcome::Control(metric.control(draft, record.when))),
            None => Ok(Outcome::Record),
        }
    }

    fn outline(&mut self, line: &str, layout: &Layout, outline: &mut Outline) -> bool {
        outline::outline(line, layout, outline)
    }
}

/// The parts of a counter's line that are used when it has been read to its end.
struct Metric<'l> {
    /// One value, or several with colons between them.
    values: &'l str,
    rate: Option<&'l str>,
    tags: Option<&'l str>,
}

impl Metric<'_> {
    #[cold]
    fn control(&self, mut draft: Draft, when: When) -> Draft {
        for (key, value) in tags(self.tags.unwrap_or_default()) {
            draft.put(key, value);
        }
        if let When::At(time) = when {
            draft.at = Some(time);
        }
        draft
    }
}

impl Statsd {
    /// Reads what stands behind the type, from `|` to `|`. Sections that nobody knows (`c:` container,
    /// `e:`, `card:`, what comes) are passed over; with two of a kind, the later counts.
    #[inline]
    fn sections<'l>(
        &mut self,
        cursor: &mut Cursor<'l>,
        metric: &mut Metric<'l>,
        layout: &Layout,
        record: &mut Record,
    ) -> Result<(), Reason> {
        while cursor.peek() == Some(b'|') {
            cursor.at += 1;
            let kind = cursor.peek();
            let start = cursor.at + 1;
            if kind == Some(b'#') {
                cursor.at = start;
                if metric.tags.is_some() {
                    record.values.fill(Value::default());
                }
                self.tags(cursor, layout, record);
                metric.tags = Some(cursor.since(start));
                continue;
            }
            cursor.seek([b'|']);
            match kind {
                Some(b'@') => metric.rate = Some(cursor.since(start)),
                Some(b'T') => {
                    record.when = When::At(time::from_number(cursor.since(start)).ok_or(Reason::BadTime)?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads `key:value,other:value,bare` up to the section's end; a bare one has the value `""`.
    #[inline]
    fn tags(&mut self, cursor: &mut Cursor<'_>, layout: &Layout, record: &mut Record) {
        self.keys.restart();
        loop {
            let slot = match self.keys.expected(cursor) {
                Some(slot) => slot,
                None => self.unexpected(cursor, layout),
            };
            let start = cursor.at;
            cursor.seek([b',', b'|']);
            if let Some(slot) = slot {
                record.values[slot] = Value::new(Kind::Text, Span::of_line(start, cursor.at));
            }
            if cursor.peek() != Some(b',') {
                return;
            }
            cursor.at += 1;
        }
    }

    /// Reads a key that the keys so far didn't let expect, and the colon behind it. A tag of no bytes is
    /// no tag.
    #[inline(never)]
    fn unexpected(&mut self, cursor: &mut Cursor<'_>, layout: &Layout) -> Option<usize> {
        let start = cursor.at;
        cursor.seek([b':', b',', b'|']);
        let key = cursor.since(start);
        let valued = cursor.peek() == Some(b':');
        if key.is_empty() && !valued {
            return None;
        }
        cursor.at += usize::from(valued);
        self.keys.find(key, valued, layout)
    }
}

/// The metric's name, which a colon ends. Leaves the cursor at the colon.
#[inline]
fn name<'l>(cursor: &mut Cursor<'l>) -> Result<&'l str, Reason> {
    cursor.seek([b':', b'|']);
    let name = cursor.since(0);
    if name.is_empty() || cursor.peek() != Some(b':') { Err(Reason::BadSyntax) } else { Ok(name) }
}

/// The values of a counter, from the colon before them up to behind its type. Other types are none.
#[inline(never)]
fn counter<'l>(cursor: &mut Cursor<'l>) -> Result<&'l str, Reason> {
    cursor.at += 1;
    let start = cursor.at;
    cursor.seek([b'|']);
    let values = cursor.since(start);
    if cursor.peek().is_none() {
        return Err(Reason::BadSyntax);
    }
    cursor.at += 1;
    let start = cursor.at;
    cursor.seek([b'|']);
    match cursor.since(start) {
        "c" => Ok(values),
        kind if !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphabetic()) => Err(Reason::BadType),
        _ => Err(Reason::BadSyntax),
    }
}
