//! Orders to lines of each format, without formatting machinery.

use ebbd_core::model::{MICROS_PER_MINUTE, Rng, SplitMix64, TimeUs};

use super::values::{NAMES, Values};
use super::{Order, ShopSpec, span_us};
use crate::load::WireFormat;

/// How NDJSON writes times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TimeText {
    /// `"2026-11-22T13:04:05.123Z"`.
    #[default]
    Rfc3339,
    /// Nanoseconds since 1970 as a number.
    Nanos,
    /// Milliseconds since 1970 as a number.
    Millis,
}

/// Fields of an NDJSON line: time, four dimensions, amount, customer, order, channel.
const FIELDS: usize = 9;
const TIME: u8 = 0;
const AMOUNT: u8 = 5;
const CUSTOMER: u8 = 6;
const ORDER: u8 = 7;
const CHANNEL: u8 = 8;
/// What crooked lines carry besides.
const STRANGERS: [&str; 6] = [
    r#""note":"said \"fine\" \\ then\tleft""#,
    r#""cart":{"lines":[{"sku":"a-1","n":2},{"sku":"b,7","n":1}],"voucher":null}"#,
    r#""score":-1.25e-3"#,
    r#""test":false"#,
    r#""agent":"Mozilla/5.0 (X11; Linux x86_64) caf\u00e9""#,
    r#""empty":"""#,
];

/// Writes lines.
#[derive(Debug)]
pub(super) struct Writer {
    time: TimeText,
    crooked: bool,
    shapes: Vec<[u8; FIELDS]>,
    first_us: i64,
    /// `2026-11-22T13:04:` of each minute from the first one on.
    minutes: Vec<String>,
}

impl Writer {
    /// The writer for lines of `spec`.
    pub(super) fn new(spec: &ShopSpec) -> Writer {
        let (first_us, _) = span_us(spec);
        let start = |minute: u32| TimeUs(first_us + i64::from(minute) * MICROS_PER_MINUTE).to_rfc3339();
        let plain = [TIME, 1, 2, 3, 4, AMOUNT, CUSTOMER, ORDER, CHANNEL];
        let mut rng = SplitMix64::new(0x5_4A9E);
        let shapes = (0..spec.shapes.max(1)).map(|n| if n == 0 { plain } else { shuffled(plain, &mut rng) });
        Writer {
            time: spec.time,
            crooked: spec.crooked,
            shapes: shapes.collect(),
            first_us,
            minutes: (0..=spec.minutes).map(|minute| start(minute)[..17].to_owned()).collect(),
        }
    }

    /// Appends one line, LF included.
    pub(super) fn line(&self, format: WireFormat, order: &Order, values: &Values, out: &mut Vec<u8>) {
        let split = values.split(order.tuple);
        // The shape is drawn from the event's number: lines differ, what is in them does not.
        let mut own = SplitMix64::new(order.number ^ 0x0DD5);
        let keys = match (self.crooked, self.shapes.len()) {
            (true, _) => shuffled(self.shapes[0], &mut own),
            (false, 1) => self.shapes[0],
            (false, shapes) => self.shapes[own.below(shapes as u64) as usize],
        };
        let values = |at: usize| values.value(split, at);
        match format {
            WireFormat::Ndjson => self.ndjson(order, values, &keys, &mut own, out),
            WireFormat::Influx => self.influx(order, values, &keys, out),
            WireFormat::Statsd => statsd(order, values, &keys, out),
            WireFormat::StatsdPlain => plain_statsd(order, values, out),
        }
        out.push(b'\n');
    }

    fn ndjson<'v>(
        &self,
        order: &Order,
        value: impl Fn(usize) -> &'v str,
        keys: &[u8; FIELDS],
        own: &mut SplitMix64,
        out: &mut Vec<u8>,
    ) {
        let mut open = b'{';
        for &key in keys {
            // Shapes beyond the first leave the channel out when it would come first.
            if key == CHANNEL && open == b'{' {
                continue;
            }
            if self.crooked && own.below(8) == 0 {
                out.push(open);
                out.extend_from_slice(STRANGERS[own.below(STRANGERS.len() as u64) as usize].as_bytes());
                open = b',';
            }
            out.push(open);
            open = b',';
            match key {
                TIME => self.time(order.time, out),
                AMOUNT => {
                    out.extend_from_slice(b"\"amount\":");
                    cents(order.cents, out);
                }
                CUSTOMER => {
                    out.extend_from_slice(b"\"customer\":\"c-");
                    digits(order.customer, 12, out);
                    out.push(b'"');
                }
                ORDER => {
                    out.extend_from_slice(b"\"order_id\":\"o-");
                    digits(order.number, 17, out);
                    out.push(b'"');
                }
                CHANNEL => out.extend_from_slice(b"\"channel\":\"web\""),
                dimension => {
                    let at = usize::from(dimension) - 1;
                    let escape = self.crooked && own.below(8) == 0;
                    member(NAMES[at], value(at), escape, out);
                }
            }
        }
        out.push(b'}');
    }

    /// The member `ts`.
    fn time(&self, time: TimeUs, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"ts\":");
        match self.time {
            TimeText::Nanos => digits(time.0 as u64 * 1000, 19, out),
            TimeText::Millis => digits(time.0 as u64 / 1000, 13, out),
            TimeText::Rfc3339 => {
                let since_us = time.0 - self.first_us;
                let in_minute_us = since_us % MICROS_PER_MINUTE;
                out.push(b'"');
                out.extend_from_slice(self.minutes[(since_us / MICROS_PER_MINUTE) as usize].as_bytes());
                digits(in_minute_us as u64 / 1_000_000, 2, out);
                out.push(b'.');
                digits(in_minute_us as u64 / 1000 % 1000, 3, out);
                out.extend_from_slice(b"Z\"");
            }
        }
    }

    fn influx<'v>(
        &self,
        order: &Order,
        value: impl Fn(usize) -> &'v str,
        keys: &[u8; FIELDS],
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(b"orders");
        for at in keys.iter().filter(|key| (1..=4).contains(*key)).map(|key| usize::from(*key) - 1) {
            out.push(b',');
            out.extend_from_slice(NAMES[at].as_bytes());
            out.push(b'=');
            out.extend_from_slice(value(at).as_bytes());
        }
        if self.crooked {
            out.extend_from_slice(b",user\\ agent=Mozilla/5.0\\ (X11)");
        }
        out.extend_from_slice(b" amount=");
        cents(order.cents, out);
        if order.weight > 1 {
            out.extend_from_slice(b",count=");
            digits(u64::from(order.weight), 1, out);
            out.push(b'i');
        }
        if self.crooked {
            out.extend_from_slice(b",note=\"a \\\"b\\\", c\",score=1.5");
        }
        out.extend_from_slice(b",customer=\"c-");
        digits(order.customer, 12, out);
        out.extend_from_slice(b"\" ");
        digits(order.time.0 as u64 * 1000, 19, out);
    }
}

fn statsd<'v>(order: &Order, value: impl Fn(usize) -> &'v str, keys: &[u8; FIELDS], out: &mut Vec<u8>) {
    out.extend_from_slice(b"orders:");
    digits(u64::from(order.weight), 1, out);
    out.extend_from_slice(b"|c|#");
    let mut comma = false;
    for at in keys.iter().filter(|key| (1..=4).contains(*key)).map(|key| usize::from(*key) - 1) {
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        out.extend_from_slice(NAMES[at].as_bytes());
        out.push(b':');
        out.extend_from_slice(value(at).as_bytes());
    }
}

fn plain_statsd<'v>(order: &Order, value: impl Fn(usize) -> &'v str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"orders");
    for at in 0..4 {
        out.push(b'.');
        out.extend_from_slice(value(at).as_bytes());
    }
    out.push(b':');
    digits(u64::from(order.weight), 1, out);
    out.extend_from_slice(b"|c");
}

/// `"name":"value"`, the value's first letter written as an escape when asked.
fn member(name: &str, value: &str, escape: bool, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    let (first, rest) = value.as_bytes().split_at(usize::from(escape));
    for byte in first {
        let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// `value` with at least `width` digits.
fn digits(mut value: u64, width: usize, out: &mut Vec<u8>) {
    let mut text = [b'0'; 20];
    let mut at = text.len();
    while value > 0 {
        at -= 1;
        text[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&text[at.min(text.len() - width)..]);
}

/// Cents as an amount with two decimals.
fn cents(cents: u64, out: &mut Vec<u8>) {
    digits(cents / 100, 1, out);
    out.push(b'.');
    digits(cents % 100, 2, out);
}

fn shuffled(mut keys: [u8; FIELDS], rng: &mut SplitMix64) -> [u8; FIELDS] {
    for at in (1..FIELDS).rev() {
        keys.swap(at, rng.below(at as u64 + 1) as usize);
    }
    keys
}
