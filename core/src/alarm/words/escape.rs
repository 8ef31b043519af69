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
        if is_unsafe(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

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
