//! Refused lines without what they say of people: their shape and the names of their fields.
//!
//! In: a line, the declared streams. Out: the line with every letter as `x` or `X` and every digit as `0`, but
//! for words of the configuration and of the formats. So a wrong time or a missing quote can still be seen,
//! a customer's number cannot. Must not know: files, why the line was refused.

use std::collections::HashSet;

use ebbd_core::model::StreamSpec;

/// Words of the formats themselves.
const OF_FORMATS: [&str; 16] = [
    "ebbd",
    "mark",
    "heartbeat",
    "goodbye",
    "origin",
    "through",
    "dropped",
    "kind",
    "what",
    "at",
    "until",
    "scope",
    "retract",
    "true",
    "false",
    "null",
];

/// Knows which words may be written down.
pub(super) struct Mask {
    words: HashSet<String>,
}

impl Mask {
    /// For lines of these streams: their own names and those of their fields stay.
    pub(super) fn of(streams: &[StreamSpec]) -> Mask {
        let mut words: HashSet<String> = OF_FORMATS.into_iter().map(str::to_owned).collect();
        for stream in streams {
            let dimensions = stream.dimensions.iter().flat_map(|d| [&d.name, &d.field]);
            let sums = stream.sums.iter().flat_map(|s| [&s.name, &s.field].into_iter().chain(&s.currency));
            let distincts = stream.distincts.iter().flat_map(|d| [&d.name, &d.field]);
            let own = [&stream.name, &stream.time].into_iter().chain(&stream.origin).chain(&stream.id);
            let names = own.chain(dimensions).chain(sums).chain(distincts);
            words.extend(names.flat_map(|name| name.split(|c| !is_of_word(c)).map(str::to_owned)));
        }
        Mask { words }
    }

    /// The line as it may be written down.
    pub(super) fn masked(&self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| is_of_word(c) != is_of_word(first)).unwrap_or(rest.len());
            let (run, behind) = rest.split_at(end);
            if !is_of_word(first) || self.words.contains(run) {
                out.push_str(run);
            } else {
                out.extend(run.chars().map(hidden));
            }
            rest = behind;
        }
        out
    }
}

/// Whether the character belongs to a word. Beyond ASCII all do, but for the one that stands for bytes that are
/// no text: it often is why the line was refused.
fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !(c.is_ascii() || c == char::REPLACEMENT_CHARACTER)
}

fn hidden(c: char) -> char {
    match c {
        '_' => '_',
        c if c.is_numeric() => '0',
        c if c.is_uppercase() => 'X',
        _ => 'x',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask() -> Mask {
        Mask::of(&[StreamSpec::example()])
    }

    #[test]
    fn the_shape_stays_and_values_go() {
        let line =
            r#"{"ts":"2026-11-22T13:0","marketplace":"US","customer":"C-4711_ä","amount":12.50,"ok":true}"#;
        let masked =
            r#"{"ts":"0000-00-00X00:0","marketplace":"XX","customer":"X-0000_x","amount":00.00,"xx":true}"#;
        assert_eq!(mask().masked(line), masked);
        assert_eq!(mask().masked("orders:1|c|#marketplace:US"), "orders:0|x|#marketplace:XX");
        assert_eq!(
            mask().masked("orders,customer=ann@shop.example n=1i"),
            "orders,customer=xxx@xxxx.xxxxxxx x=0x"
        );
        assert_eq!(mask().masked("\u{fffd}\0\u{1b}[2J\u{fffd}a"), "\u{fffd}\0\u{1b}[0X\u{fffd}x");
    }

    proptest! {
        #[test]
        fn a_word_of_nobodys_configuration_never_gets_through(before in any::<String>(), behind in any::<String>()) {
            let masked = mask().masked(&format!("{before}c4711{behind}"));
            prop_assert!(!masked.contains("4711"), "{}", masked);
            prop_assert!(masked.chars().all(|c| !c.is_ascii_digit() || c == '0'), "{}", masked);
        }
    }
}
