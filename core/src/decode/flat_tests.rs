//! The parsers of line protocol and StatsD against their plain twins: on generated lines, on lines with
//! broken bytes, and one after another, because they remember keys.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{Limits, SourceId, StreamId, StreamRoute, StreamSpec, TimeUs};

use super::{Decoded, Decoder, Format, SourceSpec, TimeUnit};

const NOW: TimeUs = TimeUs(1_795_352_700_000_000);

/// A key of 31 bytes, the longest that is remembered, and one that is longer.
const LONG_KEYS: [&str; 2] = ["a_key_that_is_as_long_as_can_be", "a_key_that_is_longer_than_can_be"];

fn decoder(format: Format) -> Decoder {
    let mut orders = StreamSpec::example();
    orders.dimensions[2].field = LONG_KEYS[0].to_owned();
    orders.dimensions[3].field = LONG_KEYS[1].to_owned();
    orders.id = vec!["count".to_owned(), "a b".to_owned(), "k\\".to_owned(), "cart.id".to_owned()];
    let shipments = StreamSpec { name: "shipments".to_owned(), ..StreamSpec::example() };
    let route = StreamRoute::ByName(BTreeMap::from([
        ("orders".to_owned(), StreamId(0)),
        ("shipments, all".to_owned(), StreamId(1)),
    ]));
    let source = SourceSpec {
        id: SourceId(0),
        name: "twin".to_owned(),
        format,
        route,
        expect: Vec::new(),
        forget_after_us: 0,
    };
    Decoder::new(&source, &[orders, shipments], &Limits::default())
}

/// All that a line is.
fn look(decoded: &Decoded<'_>) -> String {
    let Decoded::Event(event) = decoded else { return format!("{decoded:?}") };
    let texts: Vec<&str> = (0..4)
        .flat_map(|i| {
            [event.dimension(i), event.currency(i), event.id_part(i), event.distinct(i).unwrap_or("-")]
        })
        .collect();
    let head = (event.stream(), event.time(), event.weight(), event.amount(0), event.origin());
    format!("{head:?} {texts:?} {:?}", event.bad_fields().collect::<Vec<_>>())
}

/// Reads `lines` with both, in order, and compares.
fn agree(format: Format, unit: TimeUnit, lines: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let mut quick = decoder(format).with_time_unit(unit);
    let mut plain = decoder(format).plain(format).with_time_unit(unit);
    for line in lines {
        let got = look(&quick.decode(line, NOW));
        prop_assert_eq!(got, look(&plain.decode(line, NOW)), "{}", String::from_utf8_lossy(line));
    }
    Ok(())
}

fn key() -> impl Strategy<Value = String> {
    let known =
        ["marketplace", "feature", LONG_KEYS[0], LONG_KEYS[1], "amount", "customer", "currency", "host"];
    let odd = ["count", "a\\ b", "k\\", "cart.id", "zone", "é", "\\count", "time", "x\\=y"];
    prop_oneof![
        12 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        3 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        1 => "[a-z]{0,40}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z0-9-]{1,20}",
        1 => "[a-zé\\\\ =:\"]{0,24}",
        1 => "x{250,300}",
        1 => "(usd|EUR|U\\\\ S)",
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[0-9]{1,5}\\.[0-9]{2}",
        2 => "-?[0-9]{1,19}[iu]?",
        1 => "[+-]?[0-9]{0,17}\\.?[0-9]{0,3}(e-?[0-9]{1,2})?[iu]?",
        1 => "(t|True|FALSE|f|x|\\.|-|i|-i|)",
    ]
}

fn stamp() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "17953526[0-9]{11}",
        2 => "-?[0-9]{1,20}",
        1 => "[0-9]{10}\\.[0-9]{1,9}",
        1 => "[0-9. x]{0,12}",
    ]
}

fn influx_line() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        12 => Just("orders"), 2 => Just("shipments\\,\\ all"), 1 => Just("ebbd_mark"), 1 => Just(" orders"),
        1 => Just("a\\="), 1 => Just("#"), 1 => Just(""),
    ];
    let field = prop_oneof![
        3 => number(),
        3 => value().prop_map(|text| format!("\"{text}\"")),
        1 => "\"[a-z\\\\\" ,=]{0,20}\"",
    ];
    let end =
        prop_oneof![5 => stamp().prop_map(|stamp| format!(" {stamp}")), 1 => "[ ]{0,3}[0-9]{0,10}[ ]{0,2}"];
    (name, vec((key(), value()), 0..6), vec((key(), field), 0..4), end, "[ ]{1,2}").prop_map(
        |(name, tags, fields, end, gap)| {
            let tags: String = tags.iter().map(|(key, value)| format!(",{key}={value}")).collect();
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{name}{tags}{gap}{}{end}", fields.join(","))
        },
    )
}

fn statsd_line() -> impl Strategy<Value = String> {
    let name = prop_oneof![12 => Just("orders"), 1 => Just("ebbd_mark"), 1 => Just("a|b"), 1 => Just(""), 1 => Just("_e{1,1}")];
    let values = prop_oneof![6 => Just("1".to_owned()), 2 => number(), 1 => "[0-9.]{0,4}:[0-9]{1,3}"];
    let kind = prop_oneof![12 => Just("c"), 1 => Just("ms"), 1 => Just("g"), 1 => Just(""), 1 => Just("c1")];
    let tag = prop_oneof![
        8 => (key(), value()).prop_map(|(key, value)| format!("{key}:{value}")),
        1 => key(),
        1 => Just(String::new()),
    ];
    let section = prop_oneof![
        6 => vec(tag, 0..6).prop_map(|tags| format!("#{}", tags.join(","))),
        2 => "@(0?\\.[0-9]{1,4}|1|0|2|1e-3|x)",
        2 => stamp().prop_map(|stamp| format!("T{stamp}")),
        1 => "(c:in-1|card:low|e:x|)",
    ];
    (name, values, kind, vec(section, 0..4)).prop_map(|(name, values, kind, sections)| {
        let sections: String = sections.iter().map(|section| format!("|{section}")).collect();
        format!("{name}:{values}|{kind}{sections}")
    })
}

/// A line with a few of its bytes changed, or as it is.
fn perhaps_broken(line: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(&b",= \"\\:|@#cTi.-0\xc3\xa9"[..]);
    let edits =
        prop_oneof![3 => Just(Vec::new()), 1 => vec((any::<prop::sample::Index>(), byte, 0u8..3), 1..3)];
    (line, edits).prop_map(|(line, edits)| {
        let mut bytes = line.into_bytes();
        for (place, byte, edit) in edits {
            let at = place.index(bytes.len() + 1);
            match edit {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

fn unit() -> impl Strategy<Value = TimeUnit> {
    use TimeUnit::{Micros, Millis, Nanos, Seconds};
    prop_oneof![4 => Just(Nanos), 1 => Just(Micros), 1 => Just(Millis), 1 => Just(Seconds)]
}

proptest! {
    #[test]
    fn line_protocol_is_read_as_its_plain_twin_reads_it(
        lines in vec(perhaps_broken(influx_line()), 1..12),
        unit in unit(),
    ) {
        agree(Format::Influx, unit, &lines)?;
    }

    #[test]
    fn statsd_is_read_as_its_plain_twin_reads_it(lines in vec(perhaps_broken(statsd_line()), 1..12)) {
        agree(Format::Statsd, TimeUnit::Nanos, &lines)?;
    }

    #[test]
    fn whatever_bytes_come_are_judged_alike(
        text in vec(r#"(orders|ebbd_mark|_e\{5,4\}:|\{"ebbd")?[a-z,= \\":|@#0-9ieEtTu._{}é+-]{0,60}"#, 1..6),
    ) {
        let lines: Vec<Vec<u8>> = text.into_iter().map(String::into_bytes).collect();
        agree(Format::Influx, TimeUnit::Nanos, &lines)?;
        agree(Format::Statsd, TimeUnit::Nanos, &lines)?;
    }
}

#[test]
fn more_keys_than_are_remembered_are_all_read() {
    for format in [Format::Influx, Format::Statsd] {
        let lines = (0..200u32).map(|n| {
            let keys = (0..30).map(|k| n * 7 + k * (n % 5)).chain([n % 3]);
            let pair = |key: u32| match format {
                Format::Influx => format!(",key{key}=v,host=h{key}"),
                _ => format!(",key{key}:v,host:h{key}"),
            };
            let tags: String = keys.map(pair).collect();
            let line = if format == Format::Influx {
                format!("orders{tags} amount=1")
            } else {
                format!("orders:1|c|#{tags}")
            };
            line.into_bytes()
        });
        agree(format, TimeUnit::Nanos, &lines.collect::<Vec<_>>()).unwrap();
    }
}
