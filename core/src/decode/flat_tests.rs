//! The parsers of line protocol and StatsD against their plain twins: on generated lines, on lines with
//! broken bytes, and one after another, because they remember keys.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{Limits, SourceId, StreamId, StreamRoute, StreamSpec, TimeUs};

use super::{Decoded, Decoder, Format, Lines, SourceSpec, TimeUnit};

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

/// Reads `lines` with both and compares: one by one, and twice as a block, whose lines end with `end`.
fn agree(format: Format, unit: TimeUnit, lines: &[Vec<u8>], end: &str) -> Result<(), TestCaseError> {
    let mut quick = decoder(format).with_time_unit(unit);
    let mut plain = decoder(format).plain(format).with_time_unit(unit);
    for line in lines {
        let got = look(&quick.decode(line, NOW));
        prop_assert_eq!(got, look(&plain.decode(line, NOW)), "{}", String::from_utf8_lossy(line));
    }
    let block = lines.join(end.as_bytes());
    let want: Vec<String> = super::lines(&block).map(|line| look(&plain.decode(line, NOW))).collect();
    let mut fresh = decoder(format).with_time_unit(unit);
    for round in 0..3 {
        let reader = if round == 0 { &mut quick } else { &mut fresh };
        let (mut here, mut got) = (Lines::new(&block), Vec::new());
        while let Some((_, decoded)) = reader.next(&mut here, NOW) {
            got.push(look(&decoded));
        }
        prop_assert_eq!(&got, &want, "round {}: {}", round, String::from_utf8_lossy(&block));
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

/// Lines of one shape, more or less: the same keys with other values.
fn influx_lines() -> impl Strategy<Value = Vec<String>> {
    let name = prop_oneof![
        16 => Just("orders"), 2 => Just("shipments\\,\\ all"), 1 => Just("ebbd_mark"), 1 => Just(" orders"),
        1 => Just("a\\="), 1 => Just("#"), 1 => Just(""),
    ];
    let field = prop_oneof![
        3 => number(),
        3 => value().prop_map(|text| format!("\"{text}\"")),
        1 => "\"[a-z\\\\\" ,=]{0,20}\"",
    ];
    let end = prop_oneof![
        6 => stamp().prop_map(|stamp| format!(" {stamp}")),
        1 => "[ ]{0,3}[0-9]{0,10}[ ]{0,2}",
        1 => Just(String::new()),
    ];
    let row = (vec(value(), 6), vec(field, 4), end, prop_oneof![6 => Just(" "), 1 => Just("  ")]);
    (name, vec(key(), 0..6), vec(key(), 0..4), vec(row, 1..16)).prop_map(|(name, tags, fields, rows)| {
        let row = |(values, figures, end, gap): (Vec<String>, Vec<String>, String, &str)| {
            let tags = tags.iter().zip(&values).map(|(key, value)| format!(",{key}={value}"));
            let fields = fields.iter().zip(&figures).map(|(key, value)| format!("{key}={value}"));
            format!("{name}{}{gap}{}{end}", tags.collect::<String>(), fields.collect::<Vec<_>>().join(","))
        };
        rows.into_iter().map(row).collect()
    })
}

/// Lines of one shape, more or less: the same keys and sections with other values.
fn statsd_lines() -> impl Strategy<Value = Vec<String>> {
    let name = prop_oneof![
        12 => Just("orders".to_owned()), 3 => "[a-z_{}.]{1,30}", 1 => Just("ebbd_mark".to_owned()),
        1 => Just("a|b".to_owned()), 1 => Just(String::new()), 1 => Just("_e{1,1}".to_owned()),
        1 => "(_sc|\\{\"ebbd\"|ebbd_heartbeat|ebbd_x)",
    ];
    let values = prop_oneof![9 => Just("1".to_owned()), 2 => number(), 1 => "[0-9.]{0,4}:[0-9]{1,3}"];
    let kind = prop_oneof![16 => Just("c"), 1 => Just("ms"), 1 => Just("g"), 1 => Just(""), 1 => Just("c1")];
    let tag = (key(), prop_oneof![12 => Just(':'), 1 => Just('.'), 1 => Just(',')]);
    let more = prop_oneof![
        3 => Just("@0.1".to_owned()),
        2 => "@(0?\\.[0-9]{1,4}|1|0|2|1e-3|x)",
        3 => stamp().prop_map(|stamp| format!("T{stamp}")),
        2 => "(c:in-[0-9]|card:low|e:x|é|)",
        1 => Just("#feature:late".to_owned()),
    ];
    let row = (name, values, vec(value(), 6), vec(more, 0..2));
    (kind, vec(tag, 0..6), any::<bool>(), vec(row, 1..16)).prop_map(|(kind, tags, behind, rows)| {
        let row = |(name, number, values, more): (String, String, Vec<String>, Vec<String>)| {
            let tags = tags.iter().zip(&values).map(|((key, colon), value)| format!("{key}{colon}{value}"));
            let tags = format!("|#{}", tags.collect::<Vec<_>>().join(","));
            let more: String = more.iter().map(|section| format!("|{section}")).collect();
            let (first, last) = if behind { (more, tags) } else { (tags, more) };
            format!("{name}:{number}|{kind}{first}{last}")
        };
        rows.into_iter().map(row).collect()
    })
}

/// A few groups of lines, mixed, some of them with a few bytes changed.
fn mixed(group: impl Strategy<Value = Vec<String>>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop::sample::select(b",= \"\\:|@#cTi.-0\xc3\xa9\r\0\xff\xef\xbb\xbf".to_vec());
    let edits = vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), byte, 0u8..3), 0..4);
    (vec(group, 1..4), edits).prop_map(|(groups, edits)| {
        let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
        let lines = (0..longest).flat_map(|row| groups.iter().filter_map(move |group| group.get(row)));
        let mut lines: Vec<Vec<u8>> = lines.map(|line| line.clone().into_bytes()).collect();
        for (line, place, byte, edit) in edits {
            let nth = line.index(lines.len());
            let bytes = &mut lines[nth];
            let at = place.index(bytes.len() + 1);
            match edit {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.truncate(at),
            }
        }
        lines
    })
}

fn unit() -> impl Strategy<Value = TimeUnit> {
    use TimeUnit::{Micros, Millis, Nanos, Seconds};
    prop_oneof![4 => Just(Nanos), 1 => Just(Micros), 1 => Just(Millis), 1 => Just(Seconds)]
}

proptest! {
    #[test]
    fn line_protocol_is_read_as_its_plain_twin_reads_it(
        lines in mixed(influx_lines()),
        unit in unit(),
        end in "\r?\n",
    ) {
        agree(Format::Influx, unit, &lines, &end)?;
    }

    #[test]
    fn statsd_is_read_as_its_plain_twin_reads_it(lines in mixed(statsd_lines()), end in "\r?\n") {
        agree(Format::Statsd, TimeUnit::Nanos, &lines, &end)?;
    }

    #[test]
    fn whatever_bytes_come_are_judged_alike(
        text in vec(r#"(orders|ebbd_mark|_e\{5,4\}:|\{"ebbd")?[a-z,= \\":|@#0-9ieEtTu._{}é+-]{0,60}"#, 1..6),
    ) {
        let lines: Vec<Vec<u8>> = text.into_iter().map(String::into_bytes).collect();
        agree(Format::Influx, TimeUnit::Nanos, &lines, "\n")?;
        agree(Format::Statsd, TimeUnit::Nanos, &lines, "\n")?;
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
        agree(format, TimeUnit::Nanos, &lines.collect::<Vec<_>>(), "\n").unwrap();
    }
}
