//! The plain twin of the StatsD parser: pieces of pieces, without memory of earlier lines. It says what
//! a line means; tests and fuzzing hold the parser to it.

use crate::model::{DecimalError, Reason, Weight, parse_decimal};

use super::super::control::{self, Draft};
use super::super::layout::Layout;
use super::super::parser::{Outcome, Parse};
use super::super::record::{Kind, Record, Span, Value, When};
use super::super::time;

/// Reads StatsD lines, piece by piece.
#[derive(Debug, Default)]
pub(in crate::decode) struct Statsd;

impl Parse for Statsd {
    fn parse(&mut self, line: &str, layout: &Layout, record: &mut Record) -> Result<Outcome, Reason> {
        if line.starts_with("_e{") {
            return event(line).map(Outcome::Control).ok_or(Reason::BadControl);
        }
        if line.starts_with("_sc|") {
            return Err(Reason::BadType);
        }
        if control::is_json(line) {
            return control::from_json(line).map(Outcome::Control);
        }
        let metric = metric(line)?;
        let weight = weight(metric.values, metric.rate)?;
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

/// Digits behind the point that values are added up with: exact for what clients print.
const VALUE_DIGITS: u8 = 15;
/// Digits for values that have no room for so many (from 1,000).
const LARGE_VALUE_DIGITS: u8 = 8;
/// Digits behind the point of a rate.
const RATE_DIGITS: u8 = 17;

/// Σ values ÷ rate in millionths, rounded to the nearest, halves up. All of it in integers.
fn weight(values: &str, rate: Option<&str>) -> Result<Weight, Reason> {
    if values == "1" && rate.is_none() {
        return Ok(Weight::ONE);
    }
    let mut sum = 0i128;
    for value in values.split(':') {
        sum += counter_value(value)?;
    }
    let rate = rate.map_or(Ok(10i128.pow(RATE_DIGITS.into())), sample_rate)?;
    let most = i128::from(Weight::MAX_LINE.0) * 10i128.pow(u32::from(VALUE_DIGITS) - 6);
    if sum > most {
        return Err(Reason::BadValue);
    }
    let scaled = sum * 10i128.pow(u32::from(RATE_DIGITS + 6 - VALUE_DIGITS));
    let weight = (scaled + rate / 2) / rate;
    i64::try_from(weight).ok().filter(|&w| w <= Weight::MAX_LINE.0).map(Weight).ok_or(Reason::BadValue)
}

/// A value that is not negative, as an integer at [`VALUE_DIGITS`].
fn counter_value(text: &str) -> Result<i128, Reason> {
    let precise = parse_decimal(text.as_bytes(), VALUE_DIGITS).map(i128::from);
    let value = match precise {
        Err(DecimalError::Overflow) => {
            let factor = 10i128.pow(u32::from(VALUE_DIGITS - LARGE_VALUE_DIGITS));
            parse_decimal(text.as_bytes(), LARGE_VALUE_DIGITS).map(|value| i128::from(value) * factor)
        }
        other => other,
    };
    match value {
        Ok(value) if value >= 0 => Ok(value),
        Ok(_) | Err(DecimalError::Overflow) => Err(Reason::BadValue),
        Err(DecimalError::Malformed) => Err(Reason::BadSyntax),
    }
}

/// A rate in (0, 1] as an integer at [`RATE_DIGITS`].
fn sample_rate(text: &str) -> Result<i128, Reason> {
    match parse_decimal(text.as_bytes(), RATE_DIGITS).map(i128::from) {
        Ok(rate) if rate > 0 && rate <= 10i128.pow(RATE_DIGITS.into()) => Ok(rate),
        Ok(_) | Err(DecimalError::Overflow) => Err(Reason::BadValue),
        Err(DecimalError::Malformed) => Err(Reason::BadSyntax),
    }
}

/// `_e{5,4}:title|text|d:1656581400|#tag:value`: lengths in bytes. The title is what was changed; the
/// tags `kind` and `id` name the mark, the others with a value are its scope.
fn event(line: &str) -> Option<Draft> {
    let (lengths, rest) = line.strip_prefix("_e{")?.split_once("}:")?;
    let (title_len, text_len) = lengths.split_once(',')?;
    let (title_len, text_len): (usize, usize) = (title_len.parse().ok()?, text_len.parse().ok()?);
    let (title, rest) = rest.split_at_checked(title_len)?;
    let (_text, sections) = rest.strip_prefix('|')?.split_at_checked(text_len)?;
    let mut draft = Draft { control: "mark".to_owned(), ..Draft::default() };
    draft.keys.insert("what".to_owned(), title.replace("\\n", "\n"));
    if sections.is_empty() {
        return Some(draft);
    }
    for section in sections.strip_prefix('|')?.split('|') {
        if let Some(stamp) = section.strip_prefix("d:") {
            draft.at = Some(time::from_number(stamp)?);
        } else if let Some(text) = section.strip_prefix('#') {
            tags(text).for_each(|(key, value)| event_tag(&mut draft, key, value));
        }
    }
    Some(draft)
}

fn event_tag(draft: &mut Draft, key: &str, value: &str) {
    let map = if matches!(key, "kind" | "id") { &mut draft.keys } else { &mut draft.scope };
    if !value.is_empty() {
        map.insert(key.to_owned(), value.to_owned());
    }
}

/// The place of `part`, which is a piece of `line`.
fn place(line: &str, part: &str) -> Span {
    let start = part.as_ptr() as usize - line.as_ptr() as usize;
    Span::of_line(start, start + part.len())
}
