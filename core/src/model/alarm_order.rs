//! What people order about alarms: somebody has taken one, some are not to be heard of for a while, what one was.

use super::{Slice, TimeUs};

/// An order about alarms. Those of an alarm that is not known, or is known no more, change nothing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum AlarmOrder {
    /// Somebody has taken an alarm.
    Ack {
        /// The alarm's number.
        no: u64,
        /// Who it was.
        by: String,
        /// In their words; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
    },
    /// Nobody is to hear of some alarms for a while.
    Silence(Silence),
    /// A silence ends before its time.
    Unsilence {
        /// The silence's number.
        id: u64,
        /// Who it was.
        by: String,
    },
    /// What an alarm was in truth; nobody knows any more with `None`.
    Label {
        /// The alarm's number.
        no: u64,
        /// What it was.
        label: Option<Label>,
        /// Who it was.
        by: String,
    },
}

/// Alarms that nobody is to hear of for a while. They go on being recorded.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Silence {
    /// Which alarms.
    pub what: Silenced,
    /// When it was ordered.
    pub since: TimeUs,
    /// When it ends: it always does.
    pub until: TimeUs,
    /// Who it was.
    pub by: String,
    /// In their words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// Which alarms a [`Silence`] is about.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Silenced {
    /// One alarm, and the same trouble again.
    Key {
        /// The alarm's key.
        key: String,
    },
    /// All alarms about a slice or slices inside it.
    Slice {
        /// Of this stream only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<String>,
        /// The slice; the empty one is the whole stream.
        slice: Slice,
    },
}

impl Silenced {
    /// Whether an alarm with this key, about the slice `about` of this stream, is among them. One that has
    /// `touched` a slice apart from the silenced one is more than was meant.
    pub fn covers<'a>(
        &self,
        alarm_key: &str,
        alarm_stream: &str,
        about: &Slice,
        mut touched: impl Iterator<Item = &'a Slice>,
    ) -> bool {
        match self {
            Silenced::Key { key } => key == alarm_key,
            Silenced::Slice { stream, slice } => {
                stream.as_ref().is_none_or(|stream| stream == alarm_stream)
                    && slice.contains(about)
                    && !touched.any(|touched| slice.is_apart(touched))
            }
        }
    }
}

/// What an alarm was in truth, as a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Orders were missing.
    Real,
    /// Fewer came, and that had to be expected: a holiday, a planned stop.
    Expected,
    /// Nothing was wrong.
    False,
}

impl Label {
    /// Its word in records and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Label::Real => "real",
            Label::Expected => "expected",
            Label::False => "false",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_covers_what_lies_inside_its_slice() {
        let us = Slice::of([("marketplace", "US")]);
        let click = Slice::of([("feature", "one-click"), ("marketplace", "US")]);
        let silenced = Silenced::Slice { stream: Some("orders".to_owned()), slice: us.clone() };
        let covers = |what: &Silenced, key: &str, stream: &str, about: &Slice| {
            what.covers(key, stream, about, [&Slice::default(), about].into_iter())
        };
        assert!(covers(&silenced, "k", "orders", &us) && covers(&silenced, "k", "orders", &click));
        assert!(!covers(&silenced, "k", "shipments", &us));
        assert!(!covers(&silenced, "k", "orders", &Slice::default()));
        let elsewhere = Slice::of([("marketplace", "DE")]);
        assert!(!silenced.covers("k", "orders", &us, [&us, &elsewhere].into_iter()));
        let everywhere = Silenced::Slice { stream: None, slice: us.clone() };
        assert!(covers(&everywhere, "k", "shipments", &us));
        let key = Silenced::Key { key: "drop/orders/".to_owned() };
        assert!(
            covers(&key, "drop/orders/", "orders", &us) && !covers(&key, "drop/orders/x=1", "orders", &us)
        );
    }

    #[test]
    fn orders_are_read_as_they_are_written() {
        let silence = Silence {
            what: Silenced::Slice { stream: None, slice: Slice::of([("marketplace", "US")]) },
            since: TimeUs(1),
            until: TimeUs(2),
            by: "ann".to_owned(),
            text: String::new(),
        };
        let key = Silence { what: Silenced::Key { key: "k".to_owned() }, ..silence.clone() };
        let label = AlarmOrder::Label { no: 4, label: Some(Label::False), by: "ann".to_owned() };
        for order in [AlarmOrder::Silence(silence), AlarmOrder::Silence(key), label] {
            let text = serde_json::to_string(&order).unwrap();
            assert_eq!(serde_json::from_str::<AlarmOrder>(&text).unwrap(), order, "{text}");
        }
    }
}
