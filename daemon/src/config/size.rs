//! Sizes as people write them: `"64MiB"`, `"1GiB"`, `"10MB"`, `"512"` bytes.

/// Units with their bytes, largest first.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// Bytes of a size: a whole number and a unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB; case is ignored).
///
/// # Errors
/// What is wrong with the text, as half a sentence.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit = text[digits..].trim_start();
    if digits == 0 {
        return Err(format!("{text:?} is no size"));
    }
    let bytes = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, bytes)| *bytes);
    let bytes = match bytes {
        Some(bytes) => bytes,
        None if unit.is_empty() => return Err(format!("{text:?} lacks a unit")),
        None => return Err(format!("{text:?} has the unknown unit {unit:?}")),
    };
    let size = text[..digits].parse::<u64>().ok().and_then(|n| n.checked_mul(bytes));
    size.ok_or_else(|| format!("{text:?} is far too large"))
}

/// A short text of a size, rounded down to three digits or so: `64MiB`, `1.4GiB`.
pub fn size_text(bytes: u64) -> String {
    for (name, unit) in UNITS.iter().filter(|(name, _)| name.ends_with("iB")) {
        if bytes >= *unit {
            let tenths = bytes / (unit / 10).max(1);
            let exact = bytes.is_multiple_of(*unit) || tenths >= 1000;
            return match exact {
                true => format!("{}{name}", bytes / unit),
                false => format!("{}.{}{name}", bytes / unit, (bytes % unit) * 10 / unit),
            };
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_writes_sizes() {
        for (text, bytes) in
            [("64MiB", 64 << 20), ("1GiB", 1 << 30), ("10MB", 10_000_000), ("0B", 0), ("64 kib", 64 << 10)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "10", "1.5GiB", "-1MB", "10 megs", "99999999999TiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert_eq!(size_text(64 << 20), "64MiB");
        assert_eq!(size_text((1 << 30) + (1 << 29)), "1.5GiB");
        assert_eq!(size_text(12), "12B");
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_answered(text in "\\PC{0,12}|[0-9]{0,25}[KMGiB]{0,3}", bytes: u64) {
            let _ = parse_size(&text);
            prop_assert!(!size_text(bytes).is_empty());
        }
    }
}
