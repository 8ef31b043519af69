//! One thing wrong with a configuration file, told so that a tired person can mend it.

use std::fmt::Write as _;
use std::ops::Range;

/// How many characters of a line are quoted at most.
const EXCERPT_WIDTH: usize = 100;

/// A problem and where it is: line, column, the quoted line with a caret, and what to type instead.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Line of the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line itself (a window of it if it is very long), control characters replaced.
    pub excerpt: String,
    /// Spaces and carets that stand below the excerpt.
    pub caret: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead, or where to look.
    pub hint: Option<String>,
}

impl Problem {
    /// The problem at these bytes of `text`; a span outside the text points at its end.
    pub(super) fn at(text: &str, span: Range<usize>, message: String, hint: Option<String>) -> Problem {
        let start = floor_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor_boundary(text, span.end).clamp(start, line_end);
        let column = text[line_start..start].chars().count() + 1;
        let width = text[start..end].chars().count().max(1);
        let (excerpt, caret) = quote(&text[line_start..line_end], column, width);
        let line = text[..line_start].matches('\n').count() + 1;
        Problem { line, column, excerpt, caret, message, hint }
    }

    /// The problem as it is printed, `file:line:column: kind: message` first; ends in a newline.
    pub fn render(&self, file: &str, kind: &str) -> String {
        let mut out = format!("{file}:{}:{}: {kind}: {}\n", self.line, self.column, self.message);
        if !self.excerpt.trim().is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{:>5} | {}", self.line, self.excerpt);
            let _ = writeln!(out, "{:>5} | {}", "", self.caret);
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "{:>5} = {hint}", "");
        }
        out
    }
}

/// The largest character boundary that is not above `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The quoted line and its carets; a long line is cut to a window around the place.
fn quote(line: &str, column: usize, width: usize) -> (String, String) {
    let chars: Vec<char> = line.trim_end_matches('\r').chars().map(printable).collect();
    let first = if chars.len() <= EXCERPT_WIDTH { 0 } else { (column - 1).saturating_sub(EXCERPT_WIDTH / 2) };
    let last = chars.len().min(first + EXCERPT_WIDTH);
    let window: String = chars[first.min(last)..last].iter().collect();
    let before = if first > 0 { "…" } else { "" };
    let after = if last < chars.len() { "…" } else { "" };
    let indent = column - 1 - first + before.chars().count();
    let carets = width.min((last + 1).saturating_sub(column)).max(1);
    (format!("{before}{window}{after}"), format!("{}{}", " ".repeat(indent), "^".repeat(carets)))
}

/// The character itself, a space for a tab, a replacement for what would move the cursor.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if ebbd_core::report::is_hidden(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_the_place() {
        let text = "a = 1\n  bé = wrong\n";
        let at = text.find("wrong").expect("it is there");
        let problem = Problem::at(text, at..at + 5, "no".to_owned(), Some("write 7".to_owned()));
        assert_eq!((problem.line, problem.column), (2, 8));
        insta::assert_snapshot!(problem.render("x.toml", "error"), @r"
        x.toml:2:8: error: no
            2 |   bé = wrong
              |        ^^^^^
              = write 7
        ");
    }

    #[test]
    fn long_lines_are_cut_and_control_characters_do_not_reach_the_terminal() {
        let text = format!("k = \"{}\u{1b}[2J{}\"", "x".repeat(300), "y".repeat(300));
        let problem = Problem::at(&text, 305..306, String::new(), None);
        assert!(problem.excerpt.chars().count() <= EXCERPT_WIDTH + 2);
        assert!(!problem.excerpt.contains('\u{1b}'));
        let under = problem.excerpt.chars().nth(problem.caret.chars().count() - 1);
        assert_eq!(under, Some(char::REPLACEMENT_CHARACTER));
    }

    #[test]
    fn a_span_outside_the_text_is_its_end() {
        let problem = Problem::at("a\n", 90..99, String::new(), None);
        assert_eq!((problem.line, problem.column), (2, 1));
    }
}
