//! A block on a terminal: parts stay on a line while they fit, labels stand in a column, colours are
//! put around what is coloured.

use super::watch::Style;
use crate::alarm::block::{Block, Line, Tone};

/// Where the text of a labelled line begins.
const LABEL_COLUMNS: usize = 11;
/// Between the parts of a head line, and of a labelled line.
const HEAD_GAP: &str = "   ";
const LINE_GAP: &str = "        ";

/// The block as text, without a newline at its end.
pub(super) fn lay_out(block: &Block, style: &Style) -> String {
    let width = style.width.clamp(80, 200);
    let mut lines = wrap(&head_parts(block), HEAD_GAP, 4, width);
    if let Some(first) = lines.first_mut() {
        *first = format!("{}{}", painted(&block.mark, block.tone, style), &first[block.mark.len()..]);
    }
    lines.extend(block.lines.iter().flat_map(|line| body(line, style, width)));
    lines.join("\n")
}

fn head_parts(block: &Block) -> Vec<String> {
    let mut parts = block.head.clone();
    match parts.first_mut() {
        Some(first) => first.insert_str(0, &block.mark),
        None => parts.push(block.mark.clone()),
    }
    parts
}

fn body(line: &Line, style: &Style, width: usize) -> Vec<String> {
    if line.label.is_empty() {
        let parts: Vec<String> = line.parts.iter().map(|part| format!("{part};")).collect();
        let mut lines = wrap(&indented(&parts, "  "), " ", 4, width);
        if let Some(last) = lines.last_mut() {
            last.pop();
        }
        return lines;
    }
    let label = format!("  {:<1$}", line.label, LABEL_COLUMNS - 2);
    let mut lines = wrap(&indented(&line.parts, &label), LINE_GAP, LABEL_COLUMNS, width);
    if let Some(first) = lines.first_mut().filter(|_| style.colour) {
        *first = format!("\x1b[2m{label}\x1b[0m{}", &first[label.len()..]);
    }
    lines
}

fn indented(parts: &[String], by: &str) -> Vec<String> {
    let mut parts = parts.to_vec();
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, by);
    }
    parts
}

/// Parts on one line while they fit, broken between parts first, between words where a part alone is too
/// long. Lines after the first are indented.
fn wrap(parts: &[String], gap: &str, indent: usize, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let fits = lines.last().is_some_and(|line| columns(line) + columns(gap) + columns(part) <= width);
        match lines.last_mut() {
            Some(line) if fits => {
                line.push_str(gap);
                line.push_str(part);
            }
            Some(_) => lines.extend(words(part, indent, indent, width)),
            None => lines.extend(words(part, 0, indent, width)),
        }
    }
    lines
}

/// One part, broken between words where it is longer than the line.
fn words(part: &str, first: usize, indent: usize, width: usize) -> Vec<String> {
    let mut lines = vec![" ".repeat(first)];
    for (at, word) in part.split(' ').enumerate() {
        let line = lines.last_mut().expect("there is always a line");
        if at > 0 && columns(line) + 1 + columns(word) > width && !word.is_empty() {
            lines.push(format!("{}{word}", " ".repeat(indent)));
        } else {
            if at > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// Columns that a text takes; every character counts as one.
fn columns(text: &str) -> usize {
    text.chars().count()
}

fn painted(text: &str, tone: Tone, style: &Style) -> String {
    let code = match tone {
        _ if !style.colour => return text.to_owned(),
        Tone::Loud => "1;31",
        Tone::Mild => "1;33",
        Tone::Good => "32",
        Tone::Plain => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
