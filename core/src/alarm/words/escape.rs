//! Texts that came from events, made safe for terminals, titles and mails.

/// Longest text kept, in characters.
const LONGEST: usize = 80;

/// `text` with everything that is not plainly visible written as `\u{…}`: control characters (ESC among
/// them), bidirectional overrides, invisible and line-breaking characters. Longer texts end in `…`.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(4 * LONGEST));
    for (at, c) in text.chars().enumerate() {
        if at == LONGEST {
            out.push('…');
            break;
        }
        if is_hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// A text of any length as [`escape`] writes it: for sentences of our own that hold foreign words.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// A line of JSON that means the same and shows nothing but what can be seen. Beyond its line's end JSON has
/// such characters in strings only, so an escape of JSON's own can stand for each.
pub fn visible_json(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if is_hidden(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character moves a cursor, turns the writing round, breaks a line or cannot be seen at all.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_is_said_only_what_can_be_seen_is_shown(text in any::<String>()) {
            for shown in [escape(&text), visible(&text)] {
                prop_assert!(!shown.contains(is_hidden), "{:?}", shown);
            }
            let widest = '\u{10ffff}'.escape_unicode().count();
            prop_assert!(escape(&text).chars().count() <= LONGEST * widest + 1);
        }

        #[test]
        fn json_means_the_same(text in any::<String>(), key in any::<String>()) {
            let value = serde_json::json!({key: text, "more": [1.5, null, true]});
            let shown = visible_json(&value.to_string());
            prop_assert!(!shown.contains(is_hidden), "{:?}", shown);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }

    #[test]
    fn json_that_hides_something_says_so() {
        let line = serde_json::json!({"host": "\x1b[2J\u{9b}1m\u{202e}\u{e0041}\u{7f}"}).to_string();
        assert_eq!(visible_json(&line), r#"{"host":"\u001b[2J\u009b1m\u202e\udb40\udc41\u007f"}"#);
    }

    #[test]
    fn nothing_reaches_the_terminal_but_what_can_be_seen() {
        assert_eq!(escape("one-click"), "one-click");
        assert_eq!(escape("Zürich 🛒 日本"), "Zürich 🛒 日本");
        assert_eq!(escape("\x1b[2Jgone\n"), "\\u{1b}[2Jgone\\u{a}");
        assert_eq!(escape("a\u{202e}b\u{200b}c\u{9b}1m\0"), "a\\u{202e}b\\u{200b}c\\u{9b}1m\\u{0}");
    }

    #[test]
    fn long_texts_are_cut() {
        let cut = escape(&"x".repeat(1000));
        assert_eq!(cut.chars().count(), 81);
        assert!(cut.ends_with('…'));
    }
}
