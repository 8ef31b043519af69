//! Foreign text made safe for a page and for Markdown, times and figures as both write them.

use crate::alarm::block::instant;
use crate::alarm::words::{Clock, count, visible};
use crate::model::Slice;

/// Text for a page: nothing hidden, nothing that a browser takes for markup.
pub(super) fn page(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Text for Markdown: nothing hidden, nothing that means something there. A bracket means something only where
/// a link could end.
pub(super) fn mark_down(text: &str) -> String {
    let shown = visible(text);
    let mut out = String::with_capacity(shown.len());
    let mut rest = shown.chars().peekable();
    while let Some(c) = rest.next() {
        let ends_link = c == ']' && matches!(rest.peek(), Some('(' | '[' | ':'));
        if ends_link || matches!(c, '\\' | '`' | '*' | '_' | '<' | '>' | '#' | '|' | '~' | '&') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// `13:04`, with the date where it is not that of `day`.
pub(super) fn minute(text: &str, day: &str) -> String {
    written(text, day, Clock::minute)
}

/// `13:04:10`, with the date where it is not that of `day`.
pub(super) fn second(text: &str, day: &str) -> String {
    written(text, day, Clock::second)
}

fn written(text: &str, day: &str, write: fn(&Clock, crate::model::TimeUs) -> String) -> String {
    let clock = Clock::utc(instant(day).unwrap_or_default());
    instant(text).map_or_else(|| text.to_owned(), |at| write(&clock, at))
}

/// A figure, or a dash.
pub(super) fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), count)
}

/// `feature=one-click, marketplace=US`; the whole stream in words.
pub(super) fn conditions(slice: &Slice) -> String {
    let parts: Vec<String> = slice.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if parts.is_empty() { "not told".to_owned() } else { parts.join(", ") }
}

/// With a capital letter, as a sentence begins.
pub(super) fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
