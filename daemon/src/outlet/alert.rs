//! An alarm as Alertmanager knows one: labels that stay, words that change.
//!
//! Labels are those of the first record that told a person, so that the alert stays the same one while its
//! suspects change; only a severity that rises makes another one, because it is what people route by.

use std::collections::BTreeMap;

use ebbd_core::alarm::{AlarmRecord, Kind, Severity};
use ebbd_core::report::{escape, visible};
use jiff::Timestamp;
use serde::Serialize;

/// Longest text that is sent.
const TEXT_BYTES: usize = 4096;
/// Labels of ebbd's own.
const OWN: [&str; 7] = ["alertname", "host", "kind", "no", "severity", "stream", "job"];

/// What identifies an alert.
pub(super) type Labels = BTreeMap<String, String>;

/// An alert as it was last told.
#[derive(Clone, Debug)]
pub(super) struct Alert {
    pub(super) labels: Labels,
    annotations: BTreeMap<&'static str, String>,
    starts_at: Timestamp,
    url: String,
}

/// The JSON of one alert (Alertmanager's API v2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Posted<'a> {
    labels: &'a Labels,
    annotations: &'a BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "str::is_empty")]
    generator_url: &'a str,
}

impl Alert {
    /// The alert of an alarm that is told for the first time.
    pub(super) fn of(record: &AlarmRecord) -> Alert {
        let slice = record.slice.0.iter();
        let mut labels: Labels = slice.map(|(name, value)| (label(name), escape(value))).collect();
        let severity = record.severity.name();
        labels.extend(
            [
                ("alertname", alert_name(record.kind)),
                ("host", &record.host),
                ("kind", record.kind.name()),
                ("no", &record.no.to_string()),
                ("severity", severity),
                ("stream", &record.stream),
            ]
            .map(|(name, value)| (name.to_owned(), escape(value))),
        );
        let begun = record.onset.as_ref().map_or(&record.at, |onset| &onset[1]);
        let mut alert = Alert {
            labels,
            annotations: BTreeMap::new(),
            starts_at: begun.parse().unwrap_or(Timestamp::UNIX_EPOCH),
            url: record.url.clone().unwrap_or_default(),
        };
        alert.tell(record);
        alert
    }

    /// The one that fires as long as ebbd is well.
    pub(super) fn watchdog(host: &str, since: Timestamp) -> Alert {
        let labels = [("alertname", "Watchdog"), ("host", host), ("job", "ebbd"), ("severity", "none")];
        let words = [
            ("summary", format!("ebbd on {host} counts and can be heard")),
            ("description", "Always firing. When it ceases, ebbd or the way to it is down.".to_owned()),
        ];
        Alert {
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            annotations: words.into(),
            starts_at: since,
            url: String::new(),
        }
    }

    /// Takes the words of a newer record over.
    pub(super) fn tell(&mut self, record: &AlarmRecord) {
        self.annotations.insert("summary", record.title.clone());
        self.annotations.insert("description", shortened(&record.text));
        self.annotations.insert("state", record.state.name().to_owned());
        self.annotations.extend(record.acked.as_ref().map(|who| ("acked", visible(who))));
    }

    /// Whether `record` is so much worse that it is another alert.
    pub(super) fn is_outgrown(&self, record: &AlarmRecord) -> bool {
        let was = self.labels.get("severity").map(String::as_str);
        record.severity == Severity::Page && was != Some(Severity::Page.name())
    }

    /// The alert as it is sent: over, or taken as over, at `ends_at`.
    pub(super) fn posted(&self, ends_at: Timestamp) -> Posted<'_> {
        Posted {
            labels: &self.labels,
            annotations: &self.annotations,
            starts_at: self.starts_at.min(ends_at).to_string(),
            ends_at: ends_at.to_string(),
            generator_url: &self.url,
        }
    }
}

/// What Alertmanager calls an alarm of this kind.
fn alert_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Drop => "EbbdDrop",
        Kind::NoData => "EbbdNoData",
        Kind::Funnel => "EbbdFunnel",
        Kind::Traffic => "EbbdTraffic",
        Kind::Ebbd => "EbbdTrouble",
    }
}

/// A dimension's name as a label: of letters, digits and `_`, and none of ebbd's own.
fn label(dimension: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = dimension.chars().map(allowed).collect();
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || name.starts_with("__") || OWN.contains(&name.as_str()) {
        format!("slice_{name}")
    } else {
        name
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(TEXT_BYTES)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outlet::tests::record;
    use ebbd_core::alarm::State;
    use ebbd_core::model::Slice;

    #[test]
    fn labels_are_words_that_alertmanager_takes() {
        for (name, expected) in [
            ("marketplace", "marketplace"),
            ("cart.feature", "cart_feature"),
            ("stream", "slice_stream"),
            ("2nd", "slice_2nd"),
            ("__name", "slice___name"),
        ] {
            assert_eq!(label(name), expected);
        }
    }

    #[test]
    fn an_alert_keeps_its_labels_and_takes_the_latest_words() {
        let mut first = record(1, 47, State::Firing);
        first.slice = Slice::of([("marketplace", "US\u{202e}")]);
        let mut alert = Alert::of(&first);
        let labels = alert.labels.clone();
        assert_eq!(labels["marketplace"], escape("US\u{202e}"));
        assert_eq!((&*labels["alertname"], &*labels["no"], &*labels["severity"]), ("EbbdDrop", "47", "page"));
        let mut second = record(2, 47, State::Recovering);
        second.slice = Slice::of([("marketplace", "DE")]);
        second.title = "another".to_owned();
        second.text = "ü".repeat(TEXT_BYTES);
        alert.tell(&second);
        assert_eq!((&alert.labels, &*alert.annotations["summary"]), (&labels, "another"));
        assert!(alert.annotations["description"].len() < TEXT_BYTES + 4);
        assert!(!alert.is_outgrown(&second));
        second.severity = Severity::Ticket;
        assert!(!alert.is_outgrown(&second) && Alert::of(&second).is_outgrown(&first));
        let before = "2026-11-22T13:00:00Z".parse().unwrap();
        assert_eq!(serde_json::to_value(alert.posted(before)).unwrap()["startsAt"], "2026-11-22T13:00:00Z");
    }
}
