//! The slow, plain twin of the ndjson decoder, written with `serde_json::Value`, and the properties
//! that hold the two equal: on generated lines and on lines with broken bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::model::{
    DimensionSpec, Limits, Reason, SourceId, StreamId, StreamRoute, StreamSpec, SumSpec, TimeUs,
    parse_decimal,
};

use super::{Decoded, Decoder, Event, Format, SourceSpec};

const NOW: TimeUs = TimeUs(1_795_352_700_000_000);

fn spec() -> StreamSpec {
    let mut spec = StreamSpec::example();
    spec.dimensions[1] = DimensionSpec { name: "feature".to_owned(), field: "cart.feature".to_owned() };
    spec.sums.push(SumSpec {
        name: "tax".to_owned(),
        field: "cart.tax".to_owned(),
        scale: 3,
        currency: None,
    });
    spec.id = vec!["order".to_owned()];
    spec
}

fn decoder(format: Format) -> Decoder {
    let source = SourceSpec {
        id: SourceId(0),
        name: "twin".to_owned(),
        format,
        route: StreamRoute::Fixed(StreamId(0)),
        expect: Vec::new(),
        forget_after_us: 0,
    };
    Decoder::new(&source, &[spec()], &Limits::default())
}

/// The value at a dotted path of at most one dot: as one key, else nested; null is missing.
fn lookup<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    let nested = || path.split_once('.').and_then(|(outer, inner)| object.get(outer)?.get(inner));
    object.get(path).filter(|value| !value.is_null()).or_else(nested).filter(|value| !value.is_null())
}

/// Deepest nesting of brackets outside strings.
fn depth(line: &str) -> usize {
    let (mut open, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in line.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => open += 1,
            b'}' | b']' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// What the decoder must say of a line; `Err(None)` where the two may differ.
fn twin(line: &[u8]) -> Result<Value, Option<Reason>> {
    let Ok(text) = std::str::from_utf8(line) else { return Err(Some(Reason::BadUtf8)) };
    if text.contains('\0') {
        return Err(Some(Reason::BadUtf8));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str::<Value>(text) {
        // serde_json refuses numbers that no f64 holds, and counts depth its own way.
        Err(error) if error.to_string().contains("out of range") => Err(None),
        Err(_) if depth(text) > usize::from(Limits::DEPTH) => Err(None),
        Err(_) => Err(Some(Reason::BadSyntax)),
        Ok(value) if !value.is_object() => Err(Some(Reason::BadSyntax)),
        Ok(_) if depth(text) > usize::from(Limits::DEPTH) => Err(Some(Reason::TooDeep)),
        Ok(value) if value.get("ebbd").is_some_and(|v| !v.is_null()) => Err(None),
        Ok(value) => Ok(value),
    }
}

/// Whether `text` is how the decoder must show `value`.
fn shows(value: Option<&Value>, text: &str) -> bool {
    match value {
        None | Some(Value::Object(_) | Value::Array(_) | Value::Null) => text.is_empty(),
        Some(Value::Bool(flag)) => text == flag.to_string(),
        Some(Value::Number(number)) => text.parse::<f64>().is_ok_and(|read| Some(read) == number.as_f64()),
        Some(Value::String(whole)) if whole.len() <= Limits::VALUE_BYTES => text == whole,
        Some(Value::String(whole)) => text.strip_suffix('…').is_some_and(|kept| whole.starts_with(kept)),
    }
}

/// The amount of `value` as text would give it; numbers only roughly, because serde_json lost their digits.
fn amount_agrees(value: Option<&Value>, scale: u8, got: Option<i64>) -> bool {
    match value {
        Some(Value::String(text)) => got == parse_decimal(text.as_bytes(), scale).ok(),
        Some(Value::Number(number)) => {
            let want = number.as_f64().unwrap() * 10f64.powi(i32::from(scale));
            got.map_or(want.abs() > 9.9e17, |got| (got as f64 - want).abs() <= 0.51 + want.abs() * 1e-12)
        }
        _ => got.is_none(),
    }
}

fn compare(value: &Value, event: &Event<'_>) {
    let spec = spec();
    assert!(plain_time(value).is_none_or(|time| time == event.time()), "{value}: {}", event.time());
    for (i, dimension) in spec.dimensions.iter().enumerate() {
        let want = lookup(value, &dimension.field);
        assert!(shows(want, event.dimension(i)), "{}: {:?}", dimension.name, event.dimension(i));
        let composite = matches!(want, Some(Value::Object(_) | Value::Array(_)));
        assert_eq!(event.bad_fields().any(|bad| bad == dimension.name), composite);
    }
    for (i, sum) in spec.sums.iter().enumerate() {
        let currency = sum.currency.as_ref().and_then(|path| lookup(value, path));
        let text = currency.map_or(Some(""), Value::as_str);
        let usable = text
            .is_some_and(|t| t.is_empty() || (t.len() == 3 && t.bytes().all(|b| b.is_ascii_alphabetic())));
        let want = lookup(value, &sum.field).filter(|_| usable);
        assert!(amount_agrees(want, sum.scale, event.amount(i).map(|a| a.0)), "{}", sum.name);
        assert_eq!(event.currency(i), text.filter(|_| usable).unwrap_or_default().to_uppercase());
    }
    let customer = lookup(value, "customer");
    assert!(
        shows(customer, event.distinct(0).unwrap_or_default())
            || event.distinct(0).is_some_and(|d| d.len() > 256)
    );
    assert!(shows(lookup(value, "host"), event.origin()));
}

/// Decodes `line` with both and compares.
fn agree(line: &[u8]) {
    let mut decoder = decoder(Format::Ndjson);
    let decoded = decoder.decode(line, NOW);
    match (twin(line), decoded) {
        (Err(None), _) => {}
        (Err(Some(reason)), Decoded::Rejected(got)) => {
            // Where a line is broken and deep, the one that is met first is told.
            assert!(
                got == reason || matches!((reason, got), (Reason::BadSyntax, Reason::TooDeep)),
                "{got:?}"
            );
        }
        (Ok(value), Decoded::Rejected(Reason::BadTime)) => assert_eq!(plain_time(&value), None, "{value}"),
        (Ok(value), Decoded::Event(event)) => compare(&value, &event),
        (want, got) => panic!("{:?}: {want:?} {got:?}", String::from_utf8_lossy(line)),
    }
}

/// The time of `value` where anybody would agree on it: whole numbers from 1970 on, and what jiff reads
/// as well.
fn plain_time(value: &Value) -> Option<TimeUs> {
    match value.get("ts")? {
        Value::Number(number) => {
            let count = number.as_i64().filter(|&count| count >= 0)?;
            let digits = count.to_string().len();
            Some(match digits {
                0..=11 => TimeUs(count * 1_000_000),
                12..=14 => TimeUs(count * 1_000),
                15..=17 => TimeUs(count),
                _ => TimeUs(count / 1_000),
            })
        }
        Value::String(text) => {
            let shape = text.bytes().take(19).map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
            let usual =
                shape.eq(*b"0000-00-00T00:00:00") && !text.contains([',', '[']) && &text[17..19] != "60";
            // jiff knows offsets beyond a day; RFC 3339 does not.
            let far = ["+24:", "-24:", "+25:", "-25:"].iter().any(|offset| text.contains(offset));
            let ended = text.ends_with('Z') || text.get(text.len().saturating_sub(6)..)?.contains(':');
            let stamp = text.parse::<jiff::Timestamp>().ok().filter(|_| usual && ended && !far)?;
            Some(TimeUs(stamp.as_nanosecond().div_euclid(1000) as i64))
        }
        _ => None,
    }
}

/// JSON text of a value; strings are partly escaped, and there may be white space.
pub(super) fn json_text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (any::<i32>(), 0u32..1000).prop_map(|(whole, part)| format!("{whole}.{part}")),
        (-99i32..99, -20i32..20).prop_map(|(digits, exponent)| format!("{digits}E{exponent}")),
    ];
    let plain = prop_oneof![
        "null",
        "true",
        "false",
        "\\[\\]",
        "\\{\\}",
        r#""[A-Z]{3}""#,
        r#""[0-9]{1,4}\.[0-9]{2}""#
    ];
    let leaf = prop_oneof![number, plain, string_text(), Just(format!("\"{}\"", "é".repeat(200)))];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            object_text(inner),
        ]
    })
}

/// A string of any characters, some raw and some as escapes.
fn string_text() -> impl Strategy<Value = String> {
    vec((any::<char>(), any::<bool>()), 0..12).prop_map(|chars| {
        let mut text = String::from("\"");
        for (c, escape) in chars {
            if escape || c < ' ' || c == '"' || c == '\\' {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
            } else {
                text.push(c);
            }
        }
        text + "\""
    })
}

fn object_text(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    const KEYS: [&str; 14] = [
        "marketplace",
        "cart",
        "feature",
        "tax",
        "cart.feature",
        "cart.tax",
        "payment",
        "status",
        "amount",
        "currency",
        "customer",
        "host",
        "order",
        "c\\u0061rt",
    ];
    let key = prop_oneof![8 => proptest::sample::select(&KEYS[..]).prop_map(|k| format!("\"{k}\"")), 1 => string_text()];
    vec((key, value), 0..8).prop_map(|pairs| {
        let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key} :{value}")).collect();
        format!("{{{} }}", pairs.join(",\t"))
    })
}

fn line() -> impl Strategy<Value = String> {
    let time = prop_oneof![
        Just("1795352645".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        r#""20[0-2][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,8})?(Z|[+-][0-2][0-9]:[0-5][0-9])""#,
        json_text()
    ];
    (time, object_text(json_text())).prop_map(|(time, object)| {
        let rest = object.strip_prefix('{').unwrap_or_default();
        let comma = if rest.trim() == "}" { "" } else { "," };
        format!("{{\"ts\":{time}{comma}{rest}")
    })
}

/// A change to a line: where, and what.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    Set(u8),
    Insert(u8),
    Remove,
    Cut,
}

pub(super) fn edit() -> impl Strategy<Value = (prop::sample::Index, Edit)> {
    let byte = || prop_oneof![any::<u8>(), proptest::sample::select(&b"{}[]\",:\\u0d8e-.+tfn \0"[..])];
    let edit = prop_oneof![
        4 => byte().prop_map(Edit::Set), 4 => byte().prop_map(Edit::Insert), 2 => Just(Edit::Remove), 1 => Just(Edit::Cut)
    ];
    (any::<prop::sample::Index>(), edit)
}

pub(super) fn broken(line: &str, edits: &[(prop::sample::Index, Edit)]) -> Vec<u8> {
    let mut bytes = line.as_bytes().to_vec();
    for (index, edit) in edits.iter().filter(|_| !line.is_empty()) {
        let at = index.index(bytes.len() + 1);
        match edit {
            Edit::Insert(byte) => bytes.insert(at, *byte),
            Edit::Set(byte) if at < bytes.len() => bytes[at] = *byte,
            Edit::Remove if at < bytes.len() => drop(bytes.remove(at)),
            Edit::Cut => bytes.truncate(at),
            Edit::Set(_) | Edit::Remove => {}
        }
    }
    bytes
}

proptest! {
    #[test]
    fn generated_lines_are_read_alike(line in line()) {
        agree(line.as_bytes());
    }

    #[test]
    fn broken_lines_are_judged_alike(line in line(), edits in vec(edit(), 1..4)) {
        agree(&broken(&line, &edits));
    }

    #[test]
    fn no_line_makes_a_decoder_panic(
        text in r#"(orders|_e\{5,4\}:|\{"ebbd")?[a-z,= \\":|@#0-9ieEtTu._{}é+-]{0,60}"#,
        bytes in vec(any::<u8>(), 0..60),
    ) {
        for format in Format::ALL {
            let mut decoder = decoder(format);
            for line in [text.as_bytes(), &bytes] {
                if let Decoded::Event(event) = decoder.decode(line, NOW) {
                    prop_assert!((0..8).all(|i| event.dimension(i).len() <= Limits::VALUE_BYTES));
                    prop_assert!(event.bad_fields().count() <= spec().dimensions.len() + 5);
                }
            }
        }
    }
}
