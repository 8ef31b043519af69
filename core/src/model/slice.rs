//! A slice: a set of `dimension=value` conditions; the empty one is the whole stream.

use std::collections::BTreeMap;
use std::fmt;

/// A set of conditions, sorted by dimension name. Its canonical text is JSON with sorted keys.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Slice(pub BTreeMap<String, String>);

impl Slice {
    /// The slice of these conditions.
    pub fn of<D: Into<String>, V: Into<String>>(conditions: impl IntoIterator<Item = (D, V)>) -> Slice {
        Slice(conditions.into_iter().map(|(d, v)| (d.into(), v.into())).collect())
    }

    /// Whether this is the whole stream.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every event of `other` lies in this slice: this one is `other` or stands above it.
    pub fn contains(&self, other: &Slice) -> bool {
        self.0.iter().all(|(dimension, value)| other.0.get(dimension) == Some(value))
    }

    /// Whether one of the two contains the other.
    pub fn related(&self, other: &Slice) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Whether no event lies in both: some dimension has different values.
    pub fn is_apart(&self, other: &Slice) -> bool {
        self.0.iter().any(|(dimension, value)| other.0.get(dimension).is_some_and(|own| own != value))
    }

    /// Canonical JSON: `{"feature":"one-click","marketplace":"US"}`.
    pub fn canonical(&self) -> String {
        serde_json::to_string(&self.0).expect("a map of strings is always JSON")
    }

    /// `feature=one-click,marketplace=US`, the form used in keys; empty for the whole stream.
    pub fn key(&self) -> String {
        self.join(",", |dimension, value| format!("{dimension}={value}"))
    }

    /// `US / one-click`: the values alone, for titles, in the order of `dimensions`; "all" for the whole.
    pub fn title(&self, dimensions: &[&str]) -> String {
        if self.is_whole() {
            return "all".to_owned();
        }
        let rank = |name: &str| dimensions.iter().position(|d| *d == name).unwrap_or(usize::MAX);
        let mut parts: Vec<(&String, &String)> = self.0.iter().collect();
        parts.sort_by_key(|(name, _)| rank(name));
        let shown = |value: &String| if value.is_empty() { "(none)".to_owned() } else { value.clone() };
        parts.iter().map(|(_, value)| shown(value)).collect::<Vec<_>>().join(" / ")
    }

    fn join(&self, separator: &str, part: impl Fn(&str, &str) -> String) -> String {
        self.0.iter().map(|(d, v)| part(d, v)).collect::<Vec<_>>().join(separator)
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containment_titles_and_keys() {
        let whole = Slice::default();
        let us = Slice::of([("marketplace", "US")]);
        let us_click = Slice::of([("marketplace", "US"), ("feature", "one-click")]);
        assert!(whole.contains(&us) && us.contains(&us_click) && !us_click.contains(&us));
        assert!(
            us.is_apart(&Slice::of([("marketplace", "DE")]))
                && !us.is_apart(&whole)
                && !us.is_apart(&us_click)
        );
        assert!(us.related(&us_click) && !us.related(&Slice::of([("marketplace", "DE")])));
        assert_eq!(us_click.canonical(), r#"{"feature":"one-click","marketplace":"US"}"#);
        assert_eq!(us_click.key(), "feature=one-click,marketplace=US");
        assert_eq!(us_click.title(&["marketplace", "feature"]), "US / one-click");
        assert_eq!(whole.title(&[]), "all");
    }
}
