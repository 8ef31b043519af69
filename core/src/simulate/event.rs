//! One simulated order event, and how a sender would write it in each format.

use std::fmt::Write;

use crate::model::{Money, TimeUs};

/// An order event as a shop's program would send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedEvent {
    /// When it happened.
    pub time: TimeUs,
    /// Values of marketplace, feature, payment and status.
    pub dimensions: [String; 4],
    /// The order's amount in cents.
    pub amount: Money,
    /// ISO code of the amount's currency.
    pub currency: String,
    /// Who ordered.
    pub customer: String,
    /// The order.
    pub order: String,
    /// The sending host.
    pub host: String,
}

const NAMES: [&str; 4] = ["marketplace", "feature", "payment", "status"];

impl SimulatedEvent {
    /// Appends the event as a line of NDJSON, LF included.
    pub fn write_ndjson(&self, out: &mut String) {
        let _ = write!(out, "{{\"ts\":\"{}\"", self.time);
        for (name, value) in NAMES.iter().zip(&self.dimensions) {
            let _ = write!(out, ",\"{name}\":\"{value}\"");
        }
        let _ = write!(out, ",\"amount\":\"{}\",\"currency\":\"{}\"", cents(self.amount), self.currency);
        let _ = write!(out, ",\"customer\":\"{}\",\"order_id\":\"{}\"", self.customer, self.order);
        let _ = writeln!(out, ",\"host\":\"{}\"}}", self.host);
    }

    /// Appends the event as a line of InfluxDB line protocol (nanoseconds), LF included.
    pub fn write_influx(&self, out: &mut String) {
        out.push_str("orders");
        for (name, value) in NAMES.iter().zip(&self.dimensions) {
            let _ = write!(out, ",{name}={value}");
        }
        let _ = write!(out, ",currency={},host={}", self.currency, self.host);
        let _ = write!(out, " amount={},customer=\"{}\"", cents(self.amount), self.customer);
        let _ = writeln!(out, ",order_id=\"{}\" {}000", self.order, self.time.0);
    }

    /// Appends the event as a DogStatsD counter with its time in seconds, LF included. StatsD carries
    /// neither amounts nor customers.
    pub fn write_statsd(&self, out: &mut String) {
        out.push_str("orders:1|c|#");
        for (name, value) in NAMES.iter().zip(&self.dimensions) {
            let _ = write!(out, "{name}:{value},");
        }
        let _ = writeln!(out, "host:{}|T{}", self.host, self.time.0.div_euclid(1_000_000));
    }
}

fn cents(amount: Money) -> String {
    let sign = if amount.0 < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", amount.0.abs() / 100, amount.0.abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_event_in_each_format() {
        let event = SimulatedEvent {
            time: TimeUs(1_795_352_645_123_000),
            dimensions: ["US", "one-click", "card", "placed"].map(str::to_owned),
            amount: Money(1999),
            currency: "USD".into(),
            customer: "c-81723".into(),
            order: "o-5512".into(),
            host: "web-01".into(),
        };
        let mut text = String::new();
        event.write_ndjson(&mut text);
        event.write_influx(&mut text);
        event.write_statsd(&mut text);
        let want = concat!(
            r#"{"ts":"2026-11-22T13:04:05.123Z","marketplace":"US","feature":"one-click","payment":"card","#,
            r#""status":"placed","amount":"19.99","currency":"USD","customer":"c-81723","order_id":"o-5512","#,
            "\"host\":\"web-01\"}\n",
            "orders,marketplace=US,feature=one-click,payment=card,status=placed,currency=USD,host=web-01 ",
            "amount=19.99,customer=\"c-81723\",order_id=\"o-5512\" 1795352645123000000\n",
            "orders:1|c|#marketplace:US,feature:one-click,payment:card,status:placed,host:web-01|T1795352645\n",
        );
        assert_eq!(text, want);
    }
}
