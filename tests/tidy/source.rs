//! Reads the repository's Rust files and takes them apart far enough for the rules.

use std::path::{Path, PathBuf};

/// A Rust file of the repository.
pub struct SourceFile {
    /// Path from the root, with `/`.
    pub path: String,
    /// As written.
    pub text: String,
    /// Same length per line, but with comments, strings and test modules blanked.
    pub code: String,
}

/// A function found in a file.
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line it begins on, from 1.
    pub line: usize,
    /// Lines from its signature to its closing brace.
    pub lines: usize,
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_owned()
}

/// Every Rust file of the workspace's crates.
pub fn all() -> Vec<SourceFile> {
    let mut files = Vec::new();
    for folder in ["core/src", "daemon/src", "bench", "tests"] {
        collect(&root().join(folder), &mut files);
    }
    files
}

fn collect(folder: &Path, files: &mut Vec<SourceFile>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(SourceFile::read(&path));
        }
    }
}

impl SourceFile {
    fn read(path: &Path) -> SourceFile {
        let text = std::fs::read_to_string(path).expect("a listed file can be read");
        let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
        let code = without_test_modules(&masked(&text));
        SourceFile { path: name, text, code }
    }

    /// Whether the whole file is test code.
    pub fn is_test(&self) -> bool {
        let stem = self.path.rsplit('/').next().unwrap_or_default();
        self.path.starts_with("tests/")
            || self.path.starts_with("bench/benches/")
            || stem == "tests.rs"
            || stem.ends_with("_tests.rs")
            || stem.ends_with("_test.rs")
            || self.path.contains("/tests/")
    }

    /// Lines of production code that contain one of `patterns`.
    pub fn lines_with(&self, patterns: &[&str]) -> Vec<String> {
        if self.is_test() {
            return Vec::new();
        }
        let hits =
            self.code.lines().enumerate().filter(|(_, line)| patterns.iter().any(|p| line.contains(p)));
        hits.map(|(at, line)| format!("{}:{} {}", self.path, at + 1, line.trim())).collect()
    }

    /// Uses of `unsafe` outside `folders`, or without a SAFETY comment close above.
    pub fn unexplained_unsafe(&self, folders: &[&str]) -> Vec<String> {
        let allowed = folders.iter().any(|folder| self.path.starts_with(folder));
        let text: Vec<&str> = self.text.lines().collect();
        let masked = masked(&self.text);
        let sites = masked.lines().enumerate().filter(|(_, line)| has_word(line, "unsafe"));
        let bad = sites.filter(|(at, line)| {
            let explained = text[at.saturating_sub(8)..=*at].iter().any(|l| l.contains("SAFETY"));
            let declares = line.contains("unsafe_code") || line.contains("unsafe extern");
            !(declares || allowed && explained)
        });
        bad.map(|(at, line)| format!("{}:{} {}", self.path, at + 1, line.trim())).collect()
    }

    /// The functions of the production code.
    pub fn functions(&self) -> Vec<Function> {
        let lines: Vec<&str> = self.code.lines().collect();
        let starts = lines.iter().enumerate().filter(|(_, line)| has_word(line, "fn"));
        starts.filter_map(|(at, line)| function_at(&lines, at, line)).collect()
    }
}

fn function_at(lines: &[&str], at: usize, line: &str) -> Option<Function> {
    let name: String =
        line.split("fn ").nth(1)?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let (mut depth, mut opened) = (0i32, false);
    for (count, line) in lines[at..].iter().enumerate() {
        for c in line.chars() {
            match c {
                '{' => (depth, opened) = (depth + 1, true),
                '}' => depth -= 1,
                ';' if !opened && depth == 0 => return None,
                _ => {}
            }
            if opened && depth == 0 {
                return Some(Function { name, line: at + 1, lines: count + 1 });
            }
        }
    }
    None
}

fn has_word(line: &str, word: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    line.match_indices(word)
        .any(|(at, _)| edge(line[..at].chars().next_back()) && edge(line[at + word.len()..].chars().next()))
}

/// Blanks `#[cfg(test)]` modules and items, keeping the line count.
fn without_test_modules(code: &str) -> String {
    let lines: Vec<&str> = code.lines().collect();
    let (mut out, mut at) = (Vec::with_capacity(lines.len()), 0);
    while at < lines.len() {
        let attribute = lines[at].trim_start();
        let is_test = attribute.starts_with("#[cfg(test)]")
            || attribute.starts_with("#[cfg(all(test")
            || attribute.starts_with("#[cfg(any(test");
        let taken = if is_test { item_lines(&lines[at..]) } else { 0 };
        if taken == 0 {
            out.push(lines[at]);
            at += 1;
        } else {
            out.extend(std::iter::repeat_n("", taken));
            at += taken;
        }
    }
    out.join("\n")
}

/// Lines that the item at the front takes: to its closing brace, or to its `;`.
fn item_lines(lines: &[&str]) -> usize {
    let (mut depth, mut opened) = (0i32, false);
    for (count, line) in lines.iter().enumerate() {
        for c in line.chars() {
            match c {
                '{' => (depth, opened) = (depth + 1, true),
                '}' => depth -= 1,
                ';' if depth == 0 => return count + 1,
                _ => {}
            }
            if opened && depth == 0 {
                return count + 1;
            }
        }
    }
    lines.len()
}

/// Replaces the insides of comments, strings and character literals by blanks.
fn masked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => find(chars, at, |c, _| c == '\n'),
        '/' if next == Some('*') => {
            find(chars, at + 2, |c, i| c == '*' && chars.get(i + 1) == Some(&'/')) + 2
        }
        'r' if matches!(next, Some('"' | '#')) && !word_before(chars, at) => raw_string_end(chars, at),
        '"' => quoted_end(chars, at),
        '\'' => char_end(chars, at),
        _ => at,
    }
}

fn find(chars: &[char], from: usize, stop: impl Fn(char, usize) -> bool) -> usize {
    (from..chars.len()).find(|&i| stop(chars[i], i)).unwrap_or(chars.len())
}

fn word_before(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') && chars[at - 1] != 'b'
}

fn quoted_end(chars: &[char], at: usize) -> usize {
    let mut i = at + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

fn raw_string_end(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let closes = |i: usize| chars[i + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
    let end = find(chars, at + 2 + hashes, |c, i| c == '"' && closes(i));
    (end + 1 + hashes).min(chars.len())
}

fn char_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => (find(chars, at + 3, |c, _| c == '\'') + 1).min(chars.len()),
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}
