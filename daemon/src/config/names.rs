//! Which names are allowed for streams, sources, hosts and columns.

use super::written::{Findings, Span};

/// Longest name in bytes.
const MAX_NAME: usize = 64;

/// Columns that the datasets and minute tables have of their own; a dimension can't be called like one.
const RESERVED: [&str; 24] = [
    "minute",
    "stream",
    "date",
    "host",
    "count",
    "revision",
    "watched",
    "slice",
    "observed",
    "observed_max",
    "expected",
    "low",
    "high",
    "verdict",
    "completeness",
    "evidence",
    "judged_at",
    "source",
    "origin",
    "explains",
    "effect",
    "cause",
    "group",
    "global",
];

/// Stream names that mean something else.
const NO_STREAMS: [&str; 5] = ["ignore", "other", "ebbd_mark", "ebbd_heartbeat", "ebbd_goodbye"];

/// Whether `name` can be a directory, a label and a part of a file name.
pub(super) fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// Tells a name that can't be used; `what` is e.g. "stream name".
pub(super) fn check_name(what: &str, name: &str, span: &Span, findings: &Findings<'_>) {
    if !is_plain(name) {
        let hint = format!(
            "use 1 to {MAX_NAME} of A-Z a-z 0-9 _ - . and begin with a letter, digit or _ \
             (it becomes part of paths and columns)"
        );
        findings.error(span, format!("{name:?} can't be a {what}"), hint);
    }
}

/// Tells a stream name that can't be used.
pub(super) fn check_stream_name(name: &str, span: &Span, findings: &Findings<'_>) {
    check_name("stream name", name, span, findings);
    if NO_STREAMS.contains(&name) {
        findings.error(span, format!("{name:?} can't be a stream name"), "the word has a meaning of its own");
    }
}

/// Tells a dimension name that can't be used.
pub(super) fn check_dimension_name(name: &str, span: &Span, findings: &Findings<'_>) {
    check_name("dimension name", name, span, findings);
    if RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name)) {
        let hint = format!("give it another name: {{ name = \"{name}_\", field = \"{name}\" }}");
        findings.error(span, format!("{name:?} is a column of ebbd's own and can't be a dimension"), hint);
    }
}

/// `name` itself if it can be a dimension, else a name like it that can.
pub fn usable_dimension(name: &str) -> String {
    let reserved = RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name));
    match name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        true if reserved => format!("{name}_"),
        true => name.to_owned(),
        false => format!("field_{name}"),
    }
}
