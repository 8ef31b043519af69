//! Walking a configuration as it was written: tables and values that know their place in the text.
//!
//! A reader asks a [`Section`] for each key it knows; what is wrong is noted in [`Findings`] and the
//! default is taken, so that one pass tells everything. [`Section::finish`] tells the keys nobody asked for.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::duration::{duration_text, parse_duration_us};
use super::nearest::{home_of, nearest};
use super::problem::Problem;
use super::size::{parse_size, size_text};

/// Bytes of the text.
pub(super) type Span = Range<usize>;

/// Problems kept of one file; what is beyond is counted.
const MAX_FINDINGS: usize = 200;

/// What was found wrong, and what deserves a word, while a text was read.
pub(super) struct Findings<'d> {
    text: &'d str,
    errors: RefCell<Vec<(usize, Problem)>>,
    warnings: RefCell<Vec<(usize, Problem)>>,
}

impl<'d> Findings<'d> {
    /// Nothing found yet in `text`.
    pub(super) fn new(text: &'d str) -> Findings<'d> {
        Findings { text, errors: RefCell::default(), warnings: RefCell::default() }
    }

    /// Notes an error with a hint.
    pub(super) fn error(&self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::at(self.text, span.clone(), message.into(), Some(hint.into()));
        push(&self.errors, span, problem);
    }

    /// Notes something accepted that deserves a word.
    pub(super) fn warning(&self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::at(self.text, span.clone(), message.into(), Some(hint.into()));
        push(&self.warnings, span, problem);
    }

    /// Errors and warnings, each in the order of the file, without repetitions.
    pub(super) fn take(self) -> (Vec<Problem>, Vec<Problem>) {
        (in_order(self.errors.into_inner()), in_order(self.warnings.into_inner()))
    }
}

fn push(list: &RefCell<Vec<(usize, Problem)>>, span: &Span, problem: Problem) {
    let mut list = list.borrow_mut();
    if list.len() < MAX_FINDINGS {
        list.push((span.start, problem));
    }
}

fn in_order(mut found: Vec<(usize, Problem)>) -> Vec<Problem> {
    found.sort_by_key(|(at, _)| *at);
    let mut problems: Vec<Problem> = found.into_iter().map(|(_, problem)| problem).collect();
    problems.dedup();
    problems
}

/// A table of the file (or an absent one, of which every key is absent, too).
pub(super) struct Section<'d> {
    /// How messages name it: `[stream.orders]`.
    pub(super) name: String,
    /// Where its name stands.
    pub(super) span: Span,
    pub(super) findings: &'d Findings<'d>,
    table: Option<&'d DeTable<'d>>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'d> Section<'d> {
    /// The whole document.
    pub(super) fn root(table: &'d DeTable<'d>, findings: &'d Findings<'d>) -> Section<'d> {
        let name = String::new();
        Section { name, span: 0..0, findings, table: Some(table), asked: RefCell::default() }
    }

    /// The value of a key, if it is there. The key counts as known from now on.
    pub(super) fn get(&self, key: &'static str) -> Option<Item<'d>> {
        if !self.asked.borrow().contains(&key) {
            self.asked.borrow_mut().push(key);
        }
        let (name, value) = self.table?.get_key_value(key)?;
        Some(self.item(name, value))
    }

    /// Every entry in the order of the file, for tables whose keys are names. All of them count as known.
    pub(super) fn entries(&self) -> Vec<Item<'d>> {
        let mut items: Vec<Item<'d>> =
            self.table.into_iter().flatten().map(|(name, value)| self.item(name, value)).collect();
        items.sort_by_key(|item| item.key_span.start);
        items
    }

    fn item(&self, name: &'d Spanned<toml::de::DeString<'d>>, value: &'d Spanned<DeValue<'d>>) -> Item<'d> {
        let key = name.get_ref().to_string();
        Item {
            key,
            key_span: name.span(),
            span: value.span(),
            value: value.get_ref(),
            findings: self.findings,
        }
    }

    /// A subordinate section `[key]`; absent if it is not written.
    pub(super) fn section(&self, key: &'static str) -> Section<'d> {
        match self.get(key) {
            Some(item) => item.section(&format!("[{key}]")),
            None => self.absent(&format!("[{key}]")),
        }
    }

    /// An absent section, of which every key takes its default.
    pub(super) fn absent(&self, name: &str) -> Section<'d> {
        let (name, span) = (name.to_owned(), self.span.clone());
        Section { name, span, findings: self.findings, table: None, asked: RefCell::default() }
    }

    /// A duration in microseconds within `bounds`, or its default.
    pub(super) fn duration_us(&self, key: &'static str, default: i64, bounds: RangeInclusive<i64>) -> i64 {
        self.get(key).and_then(|item| item.duration_us(bounds)).unwrap_or(default)
    }

    /// A size in bytes within `bounds`, or its default.
    pub(super) fn size(&self, key: &'static str, default: u64, bounds: RangeInclusive<u64>) -> u64 {
        self.get(key).and_then(|item| item.size(bounds)).unwrap_or(default)
    }

    /// A whole number within `bounds`, or its default.
    pub(super) fn whole(&self, key: &'static str, default: u64, bounds: RangeInclusive<u64>) -> u64 {
        self.get(key).and_then(|item| item.whole(bounds, default)).unwrap_or(default)
    }

    /// True or false, if it is there and is one.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.get(key)?.flag()
    }

    /// Tells the keys nobody asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for item in self.entries().iter().filter(|item| !asked.contains(&item.key.as_str())) {
            let hint = match (nearest(&item.key, asked.iter().copied()), home_of(&item.key)) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some(home)) => format!("`{}` belongs {home}", item.key),
                (None, None) => format!("known here: {}", listed(&asked)),
            };
            item.findings.error(&item.key_span, self.unknown(item), hint);
        }
    }

    fn unknown(&self, item: &Item<'_>) -> String {
        match (self.name.as_str(), item.is_table()) {
            ("", true) => format!("unknown section [{}]", item.key),
            ("", false) => format!("unknown key `{}` at the top of the file", item.key),
            (name, _) => format!("unknown key `{}` in {name}", item.key),
        }
    }
}

/// A value with its key and place.
pub(super) struct Item<'d> {
    /// Its key; of a list's element, the list's key.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) key_span: Span,
    /// Where the value stands.
    pub(super) span: Span,
    pub(super) findings: &'d Findings<'d>,
    value: &'d DeValue<'d>,
}

impl<'d> Item<'d> {
    /// Notes an error at the value.
    pub(super) fn error(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.error(&self.span, message, hint);
    }

    /// Notes that the value has the wrong type; always `None`.
    pub(super) fn wrong_type<T>(&self, wanted: &str, example: &str) -> Option<T> {
        let is = match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(format!("`{}` must be {wanted}, but this is {is}", self.key), format!("write {example}"));
        None
    }

    /// The text, if it is one.
    pub(super) fn as_text(&self) -> Option<&'d str> {
        self.value.as_str()
    }

    /// The text, or an error.
    pub(super) fn text(&self) -> Option<&'d str> {
        let shown = self.scalar_text().unwrap_or_else(|| "…".to_owned());
        self.as_text().or_else(|| self.wrong_type("a text in quotes", &format!("{} = \"{shown}\"", self.key)))
    }

    /// Numbers, booleans and dates by the text they were written with, texts as they are.
    pub(super) fn scalar_text(&self) -> Option<String> {
        match self.value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Float(number) => Some(number.to_string()),
            DeValue::Boolean(flag) => Some(flag.to_string()),
            DeValue::Datetime(time) => Some(time.to_string()),
            DeValue::Array(_) | DeValue::Table(_) => None,
        }
    }

    /// True or false, or an error.
    pub(super) fn flag(&self) -> Option<bool> {
        let plain = || self.wrong_type("true or false", &format!("{} = true, without quotes", self.key));
        self.value.as_bool().or_else(plain)
    }

    /// An integer with the radix it was written in.
    pub(super) fn integer(&self) -> Option<(i128, u32)> {
        let DeValue::Integer(number) = self.value else { return None };
        Some((i128::from_str_radix(number.as_str(), number.radix()).ok()?, number.radix()))
    }

    /// A whole number within `bounds`, or an error that shows the `usual` one.
    pub(super) fn whole(&self, bounds: RangeInclusive<u64>, usual: u64) -> Option<u64> {
        let example = format!("{} = {usual}", self.key);
        let Some((number, _)) = self.integer() else {
            return self.wrong_type("a whole number without quotes", &example);
        };
        match u64::try_from(number).ok().filter(|n| bounds.contains(n)) {
            Some(number) => Some(number),
            None => self.out_of_bounds(
                &number.to_string(),
                &bounds.start().to_string(),
                &bounds.end().to_string(),
            ),
        }
    }

    /// A number of any kind, or an error.
    pub(super) fn number(&self) -> Option<f64> {
        match self.value {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(_) => self.integer().map(|(number, _)| number as f64),
            _ => self.wrong_type("a number without quotes", &format!("{} = 5", self.key)),
        }
    }

    /// A duration in microseconds within `bounds`, or an error.
    pub(super) fn duration_us(&self, bounds: RangeInclusive<i64>) -> Option<i64> {
        let Some(text) = self.as_text() else {
            let number = self.integer().map_or(30, |(number, _)| number.abs());
            let example = format!("{} = \"{number}s\" (units: ms, s, m, h, d, w)", self.key);
            return self.wrong_type("a duration in quotes", &example);
        };
        let us = match parse_duration_us(text) {
            Ok(us) => us,
            Err(reason) => {
                let hint = "write a number and a unit without a space: \"250ms\", \"30s\", \"5m\", \"1h30m\", \"7d\"";
                self.error(format!("`{}`: {reason}", self.key), hint);
                return None;
            }
        };
        match bounds.contains(&us) {
            true => Some(us),
            false => self.out_of_bounds(text, &duration_text(*bounds.start()), &duration_text(*bounds.end())),
        }
    }

    /// A size in bytes within `bounds`, or an error.
    pub(super) fn size(&self, bounds: RangeInclusive<u64>) -> Option<u64> {
        let Some(text) = self.as_text() else {
            let bytes = self.integer().and_then(|(number, _)| u64::try_from(number).ok());
            let exact = bytes.filter(|bytes| bytes.is_multiple_of(1 << 10)).map(size_text);
            let example = exact.or(bytes.map(|bytes| format!("{bytes}B"))).unwrap_or("64MiB".to_owned());
            return self.wrong_type("a size in quotes", &format!("{} = \"{example}\"", self.key));
        };
        match parse_size(text) {
            Ok(bytes) if bounds.contains(&bytes) => Some(bytes),
            Ok(_) => self.out_of_bounds(text, &size_text(*bounds.start()), &size_text(*bounds.end())),
            Err(reason) => {
                let hint = "write a number and a unit: \"64KiB\", \"64MiB\", \"1GiB\", \"10MB\"";
                self.error(format!("`{}`: {reason}", self.key), hint);
                None
            }
        }
    }

    fn out_of_bounds<T>(&self, is: &str, low: &str, high: &str) -> Option<T> {
        self.error(format!("`{}` = {is} is out of bounds", self.key), format!("allowed: {low} to {high}"));
        None
    }

    /// The elements of a list, or an error and none.
    pub(super) fn list(&self, example: &str) -> Option<Vec<Item<'d>>> {
        let Some(array) = self.value.as_array() else {
            return self.wrong_type("a list in brackets", example);
        };
        Some(array.iter().map(|element| self.element(element)).collect())
    }

    fn element(&self, element: &'d Spanned<DeValue<'d>>) -> Item<'d> {
        let (key, span) = (self.key.clone(), element.span());
        Item { key, key_span: span.clone(), span, value: element.get_ref(), findings: self.findings }
    }

    /// Whether the value is a list.
    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Whether the value is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// A list of texts, or an error; elements that are no text are told and left out.
    pub(super) fn texts(&self, example: &str) -> Vec<(&'d str, Span)> {
        let items = self.list(example).unwrap_or_default();
        let text = |item: &Item<'d>| match item.as_text() {
            Some(text) => Some((text, item.span.clone())),
            None => item.wrong_type("a list of texts in quotes", example),
        };
        items.iter().filter_map(text).collect()
    }

    /// The value as a section called `name`; an absent one and an error if it is no table.
    pub(super) fn section(&self, name: &str) -> Section<'d> {
        let table = self.value.as_table();
        if table.is_none() {
            let _: Option<()> = self.wrong_type("a table", &format!("a line {name} and its keys below it"));
        }
        let (name, span) = (name.to_owned(), self.key_span.clone());
        Section { name, span, findings: self.findings, table, asked: RefCell::default() }
    }
}

/// A hint that names the nearest known word, if there is one, and lists all.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    let near = nearest(word, known.iter().copied());
    let near = near.map_or_else(String::new, |near| format!("did you mean \"{near}\"? "));
    format!("{near}known: {}", listed(known))
}

/// Names for a hint: `a, b, c`, shortened when there are many.
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().map(AsRef::as_ref).take(20).collect();
    let more = if names.len() > shown.len() { ", …" } else { "" };
    if shown.is_empty() { "none".to_owned() } else { format!("{}{more}", shown.join(", ")) }
}
