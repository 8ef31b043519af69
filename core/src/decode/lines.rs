//! Cutting bytes into lines: at LF, without one trailing CR, without empty lines.

/// The lines of `bytes`. An empty line (nothing, or a lone CR, before its LF) is skipped: it has no
/// number. Bytes behind the last LF are a line of their own.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    ends.scan(0usize, |start, end| {
        // The end of the bytes comes last and is never before `start`.
        let line = bytes.get(*start..end).unwrap_or_default();
        *start = end + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
    .filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::lines;

    fn cut(text: &str) -> Vec<&str> {
        lines(text.as_bytes()).map(|line| std::str::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn cuts_at_lf_and_drops_one_cr() {
        assert_eq!(cut("a\nb\r\nc"), ["a", "b", "c"]);
        assert_eq!(cut("a\r\r\n"), ["a\r"]);
        assert_eq!(cut("\n\r\n\na\n\n"), ["a"]);
        assert_eq!(cut("a\rb"), ["a\rb"]);
        assert!(cut("").is_empty() && cut("\n").is_empty() && cut("\r").is_empty());
    }
}
