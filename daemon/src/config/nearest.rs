//! The known word that a misspelt one was probably meant to be.

/// Sections and the keys that live in them: where a key that stands in the wrong place belongs.
const HOMES: [(&str, &[&str]); 8] = [
    ("at the top of the file", &["data_dir", "lanes", "host", "view", "http", "http_names"]),
    (
        "in a [stream.NAME]",
        &[
            "time",
            "dimensions",
            "sums",
            "distinct",
            "origin",
            "id",
            "dedupe",
            "watched",
            "watch",
            "min_loss",
            "timezone",
            "seal",
            "lateness",
            "future",
            "revise",
        ],
    ),
    (
        "in a [source.NAME]",
        &["format", "ack", "connections", "partial_line", "expect", "forget_after", "token_file"],
    ),
    ("in [detect]", &["false_alarms"]),
    ("in [limits]", &["memory", "series", "line"]),
    ("in [parquet]", &["roll", "compact", "retain"]),
    ("in a [funnel.NAME]", &["within", "by"]),
    ("in a [[calendar]]", &["learn", "like"]),
];

/// The nearest of `known` to `word`, if it is near enough to be a slip: at most a third of its letters differ.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = simplified(word);
    let (distance, found) =
        known.into_iter().map(|k| (distance(&plain, &simplified(k)), k)).min_by_key(|(d, _)| *d)?;
    let longest = plain.len().max(found.chars().count());
    (distance <= (longest / 3).max(1) && distance < longest).then_some(found)
}

/// Where the key `word` belongs, if it is a key of another section.
pub(super) fn home_of(word: &str) -> Option<&'static str> {
    HOMES.iter().find(|(_, keys)| keys.contains(&word)).map(|(section, _)| *section)
}

/// Lower case, without the separators that people mix up; cut so that long words cost little.
fn simplified(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).take(64).collect()
}

/// Letters inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let known = ["watch", "watched", "min_loss", "dimensions", "lateness", "line"];
        for (word, want) in [
            ("minloss", Some("min_loss")),
            ("dimension", Some("dimensions")),
            ("watchd", Some("watch")),
            ("wacth", Some("watch")),
            ("latness", Some("lateness")),
            ("Line", Some("line")),
            ("zebra", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), want, "{word}");
        }
    }

    #[test]
    fn knows_where_a_key_belongs() {
        assert_eq!(home_of("roll"), Some("in [parquet]"));
        assert_eq!(home_of("nothing"), None);
    }
}
