//! What something has cost, and how sure that is.

use std::collections::BTreeMap;

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::impact::METHOD;
use ebbd_core::model::Slice;
use ebbd_core::replay::Held;
use ebbd_core::report::visible_json;
use serde_json::json;

use crate::command::alarms::what;
use crate::command::past_period::PastPeriod;

/// What an alarm or a period has cost.
pub(super) struct Figure {
    /// The alarm's number and title, if it is one.
    pub(super) alarm: Option<(u64, String)>,
    pub(super) stream: String,
    pub(super) slice: Slice,
    /// What the slice is called.
    pub(super) title: String,
    /// First instant, and the first behind it; RFC 3339.
    pub(super) from: String,
    pub(super) to: String,
    /// Minutes reckoned with, and minutes without any data.
    pub(super) minutes: u32,
    pub(super) blind_minutes: u32,
    pub(super) observed: f64,
    pub(super) expected: f64,
    /// Orders lost: low, estimate, high; `None` where nothing could be expected.
    pub(super) orders: Option<[f64; 3]>,
    pub(super) amount: BTreeMap<String, [f64; 3]>,
    /// Customers whose orders they are.
    pub(super) customers: Option<[f64; 3]>,
    pub(super) recovered_later: Option<f64>,
    /// The least of its minutes' completeness.
    pub(super) completeness: f64,
    /// Orders and money lost per minute right now.
    pub(super) losing: Option<(f64, BTreeMap<String, f64>)>,
    pub(super) method: String,
}

impl Figure {
    /// Of a period that was put through the detector again.
    pub(super) fn of_period(period: &PastPeriod, slice: &Slice, held: &Held) -> Figure {
        let loss = held.loss().copied().unwrap_or_default();
        let per_order = held.per_order();
        let known = loss.minutes > 0;
        let money = |(currency, each): (&String, &_)| (currency.clone(), loss.money(each));
        let least = held.minutes().iter().map(|minute| minute.completeness).fold(1.0, f64::min);
        Figure {
            alarm: None,
            stream: period.spec.name.clone(),
            slice: slice.clone(),
            title: slice.title(&period.spec.dimension_names()),
            from: period.minutes.start.to_string(),
            to: period.minutes.end.to_string(),
            minutes: loss.minutes,
            blind_minutes: loss.blind_minutes,
            observed: loss.observed,
            expected: loss.expected,
            orders: known.then(|| loss.orders()),
            amount: if known { per_order.iter().map(money).collect() } else { BTreeMap::new() },
            customers: held.customers().filter(|_| known),
            recovered_later: known.then(|| held.recovered_later()),
            completeness: least,
            losing: None,
            method: METHOD.to_owned(),
        }
    }

    /// As an alarm's record says.
    pub(super) fn of_record(record: &AlarmRecord) -> Figure {
        let lost = record.lost.as_ref();
        let since = record.since_onset.as_ref();
        Figure {
            alarm: Some((record.no, what(record))),
            stream: record.stream.clone(),
            slice: record.slice.clone(),
            title: record.title.clone(),
            from: record.onset.as_ref().map(|onset| onset[1].clone()).unwrap_or_default(),
            to: record.ended.clone().unwrap_or_else(|| record.minute.clone()),
            minutes: since.map_or(0, |since| since.minutes),
            blind_minutes: 0,
            observed: since.map_or(0.0, |since| since.observed as f64),
            expected: since.map_or(0.0, |since| since.expected),
            orders: lost.and_then(|lost| lost.orders),
            amount: lost.map(|lost| lost.amount.clone()).unwrap_or_default(),
            customers: lost.and_then(|lost| lost.customers),
            recovered_later: None,
            completeness: record.completeness.fraction,
            losing: record
                .losing
                .as_ref()
                .map(|losing| (losing.orders_per_min, losing.amount_per_min.clone())),
            method: lost.map(|lost| lost.method.clone()).unwrap_or_default(),
        }
    }

    /// A line of JSON.
    pub(super) fn json(&self) -> String {
        let losing = self
            .losing
            .as_ref()
            .map(|(orders, amount)| json!({"orders_per_min": orders, "amount_per_min": amount}));
        let line = json!({
            "type": "impact", "no": self.alarm.as_ref().map(|(no, _)| no), "stream": self.stream,
            "slice": self.slice, "from": self.from, "to": self.to, "minutes": self.minutes,
            "blind_minutes": self.blind_minutes, "observed": self.observed.round(),
            "expected": tenths(self.expected), "orders": self.orders.map(|orders| orders.map(tenths)),
            "amount": self.amount.iter().map(|(c, money)| (c.clone(), money.map(cents))).collect::<BTreeMap<_, _>>(),
            "customers": self.customers.map(|customers| customers.map(f64::round)),
            "recovered_later": self.recovered_later.map(f64::round), "completeness": self.completeness,
            "losing": losing, "method": self.method,
        });
        visible_json(&line.to_string()) + "\n"
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Money to a hundredth: beyond lies nothing that is known.
pub(super) fn cents(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
