//! Quick ways and the general one say the same: over blocks of lines of a few shapes, with what breaks
//! shapes mixed in, however the lines are cut into blocks.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{
    DimensionSpec, Limits, SourceId, StreamId, StreamRoute, StreamSpec, SumSpec, TimeUs, Weight,
};

use super::twin_tests::{broken, edit, json_text};
use super::{Decoded, Decoder, Event, Format, Lines, SourceSpec, lines};

const NOW: TimeUs = TimeUs(1_795_352_700_000_000);
const LINE_BYTES: usize = 3000;

/// A stream whose fields serve several columns at once, nested and flat.
fn spec() -> StreamSpec {
    let mut spec = StreamSpec::example();
    spec.dimensions[1] = DimensionSpec { name: "feature".to_owned(), field: "cart.feature".to_owned() };
    spec.sums.push(SumSpec {
        name: "tax".to_owned(),
        field: "cart.tax".to_owned(),
        scale: 3,
        currency: None,
    });
    spec.id = vec!["order".to_owned(), "customer".to_owned()];
    spec
}

fn decoder(route: StreamRoute) -> Decoder {
    let source = SourceSpec {
        id: SourceId(0),
        name: "quick".to_owned(),
        format: Format::Ndjson,
        route,
        expect: Vec::new(),
        forget_after_us: 0,
    };
    let late = StreamSpec { name: "late".to_owned(), time: "at".to_owned(), ..spec() };
    Decoder::new(&source, &[spec(), late], &Limits { line: LINE_BYTES, ..Limits::default() })
}

fn by_field() -> StreamRoute {
    let routes =
        [("".to_owned(), Some(StreamId(0))), ("late".to_owned(), Some(StreamId(1))), ("no".to_owned(), None)];
    StreamRoute::ByField { field: "type".to_owned(), routes: routes.into(), other: None }
}

/// Everything that can be seen of an outcome.
fn look(decoded: &Decoded<'_>) -> String {
    let Decoded::Event(event) = decoded else { return format!("{decoded:?}") };
    let texts = (0..5).map(|i| event.dimension(i)).chain((0..3).map(|i| event.currency(i)));
    let texts = texts.chain((0..2).map(|i| event.distinct(i).unwrap_or_default())).chain([event.origin()]);
    let texts: Vec<&str> = texts.chain((0..3).map(|i| event.id_part(i))).collect();
    assert!(wide_agree(event, &texts[..11]));
    let amounts = [0, 1, 2].map(|i| event.amount(i));
    assert_eq!(event.weight(), Weight::ONE);
    let bad: Vec<&str> = event.bad_fields().collect();
    format!("{:?} {} {texts:?} {amounts:?} {bad:?}", event.stream(), event.time())
}

/// Whether the bytes where values stand begin as the values themselves do.
fn wide_agree(event: &Event<'_>, texts: &[&str]) -> bool {
    let wide = (0..5).map(|i| event.wide_dimension(i)).chain((0..3).map(|i| event.wide_currency(i)));
    let wide = wide.chain((0..2).map(|i| event.wide_distinct(i))).chain([event.wide_origin()]);
    let mut wide = wide.zip(texts);
    wide.all(|(wide, text)| {
        let Some((bytes, len)) = wide else { return true };
        len == text.len() && bytes.iter().zip(text.as_bytes()).all(|(a, b)| a == b)
    })
}

/// What the general way says of every line of `bytes`.
fn general(bytes: &[u8], route: &StreamRoute) -> Vec<String> {
    let mut decoder = decoder(route.clone()).general_only();
    lines(bytes).map(|line| look(&decoder.decode(line, NOW))).collect()
}

/// What the quick ways say of every line of these blocks, one behind the other.
fn quick<'b>(decoder: &mut Decoder, blocks: impl Iterator<Item = &'b [u8]>) -> Vec<String> {
    let mut seen = Vec::new();
    for block in blocks {
        let mut here = Lines::new(block);
        while let Some((line, decoded)) = decoder.next(&mut here, NOW) {
            let looks = look(&decoded);
            assert!(line.as_ptr() >= block.as_ptr() && !line.contains(&b'\n'));
            seen.push(looks);
        }
    }
    seen
}

/// Compares both over `bytes`: as one block, cut at every line end, and line by line.
fn agree(bytes: &[u8], route: &StreamRoute) {
    let want = general(bytes, route);
    let mut warm = decoder(route.clone());
    for round in 0..2 {
        assert_eq!(
            quick(&mut warm, [bytes].into_iter()),
            want,
            "round {round}: {}",
            String::from_utf8_lossy(bytes)
        );
    }
    assert_eq!(quick(&mut decoder(route.clone()), bytes.split_inclusive(|&byte| byte == b'\n')), want);
    let single: Vec<String> = lines(bytes).map(|line| look(&warm.decode(line, NOW))).collect();
    assert_eq!(single, want);
}

/// What stands behind a key, mostly as its stream wants it.
fn value(key: &str) -> BoxedStrategy<String> {
    let usual = match key {
        "ts" | "at" => prop_oneof![
            "17[0-9]{8}", "17[0-9]{8}\\.[0-9]{1,7}", "17[0-9]{11}", "17[0-9]{14}", "17[0-9]{17}",
            r#""202[0-9]-(0[1-9]|1[0-2])-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|z|\+01:00)""#,
        ].boxed(),
        "amount" | "tax" => prop_oneof!["-?[1-9][0-9]{0,5}\\.[0-9]{1,4}", r#""[0-9]{1,6}\.[0-9]{2}""#, "0|1e3|-0\\.5|0\\.005", "\"\"|\"much\""].boxed(),
        "currency" => prop_oneof![8 => r#""[A-Z]{3}""#, 1 => r#""[a-z]{2,4}""#, 1 => Just("\"\"".to_owned())].boxed(),
        "type" => prop::sample::select(vec!["\"late\"", "\"no\"", "\"\"", "\"what\""]).prop_map(str::to_owned).boxed(),
        _ => prop_oneof![8 => r#""[a-zé0-9-]{0,20}""#, 1 => r#""[a-z]{100,140}""#, 1 => "\"[a-z]{250,260}\"", 1 => r#""[a-z]{0,5}\\u00e9\\n[a-z]{0,9}""#].boxed(),
    };
    prop_oneof![12 => usual, 1 => json_text(), 1 => Just("null".to_owned()), 1 => "true|false"].boxed()
}

/// A line with these keys, spaced like the others of its shape.
fn line(keys: Vec<&'static str>, space: &'static str) -> BoxedStrategy<String> {
    let values: Vec<BoxedStrategy<String>> = keys.iter().map(|key| value(key)).collect();
    values
        .prop_map(move |values| {
            let pair = |(key, value): (&&str, String)| match key.split_once('/') {
                Some((outer, inner)) => format!("\"{outer}\":{space}{{\"{inner}\":{value}}}"),
                None => format!("\"{key}\":{space}{value}"),
            };
            let pairs: Vec<String> = keys.iter().zip(values).map(pair).collect();
            format!("{{{}}}{space}", pairs.join(&format!(",{space}")))
        })
        .boxed()
}

const KEYS: [&str; 15] = [
    "ts",
    "at",
    "type",
    "marketplace",
    "cart.feature",
    "cart/feature",
    "cart/tax",
    "payment",
    "status",
    "amount",
    "currency",
    "customer",
    "order",
    "host",
    "more",
];

/// The keys of a shape, in some order; doubles are possible.
fn shape() -> impl Strategy<Value = Vec<&'static str>> {
    let all = Just(KEYS.to_vec()).prop_shuffle();
    (all, 4..15usize, vec(prop::sample::select(KEYS.to_vec()), 0..2)).prop_map(|(mut keys, most, again)| {
        keys.truncate(most);
        keys.insert(0, "ts");
        keys.extend(again);
        keys
    })
}

/// A block of lines of a few shapes, of which some were broken.
fn block() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![2 => block_of(1..4, 1..16, 10), 1 => block_of(1..2, 8..32, 40)]
}

/// A block of so many lines of so many shapes, of which one in `odd` was broken.
fn block_of(shapes: Range<usize>, lines: Range<usize>, odd: u32) -> impl Strategy<Value = Vec<u8>> {
    let shapes = vec((shape(), prop::sample::select(vec!["", "", " "])), shapes);
    let drawn = shapes.prop_flat_map(move |shapes| {
        let one = (0..shapes.len()).prop_flat_map(move |nth| line(shapes[nth].0.clone(), shapes[nth].1));
        let edits = prop_oneof![odd - 1 => Just(Vec::new()), 1 => vec(edit(), 1..3)];
        let end = prop_oneof![
            odd => Just("\n"),
            1 => prop::sample::select(vec!["\r\n", "\n\n", "\r\r\n", "\n\r\n"])
        ];
        vec((one, edits, end), lines.clone())
    });
    drawn.prop_map(|lines| {
        let mut bytes = Vec::new();
        for (line, edits, end) in lines {
            bytes.extend(broken(&line, &edits));
            bytes.extend(end.as_bytes());
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn blocks_are_read_alike(bytes in block()) {
        agree(&bytes, &StreamRoute::Fixed(StreamId(0)));
    }

    #[test]
    fn routed_blocks_are_read_alike(bytes in block()) {
        agree(&bytes, &by_field());
    }

    #[test]
    fn blocks_whose_last_line_is_cut_are_read_alike(bytes in block(), at in any::<prop::sample::Index>()) {
        agree(&bytes[..at.index(bytes.len())], &StreamRoute::Fixed(StreamId(0)));
    }
}

#[test]
fn what_shapes_must_not_swallow() {
    let usual = r#"{"ts":1795352645123,"marketplace":"US","payment":"card","amount":"19.99","currency":"EUR","more":{"a":[1]}}"#;
    let change = |from: &str, to: &str| usual.replace(from, to);
    let odd = [
        change("US", "U\u{1}S"),
        change("US", "U\\u0000S"),
        change("US", "U\0S"),
        change("US", "\\ud800"),
        change("US", &"x".repeat(257)),
        change("19.99", "much"),
        change("\"19.99\"", "019.99"),
        change("\"19.99\"", "1e2"),
        change("19.99", ""),
        change("EUR", "eur"),
        change("EUR", "EURO"),
        change("EUR", "\\u0045UR"),
        change("1795352645123", "\"yesterday\""),
        change("1795352645123", "-5"),
        change("1795352645123", "01795352645123"),
        change("[1]", "[1,]"),
        change("[1]", &("[".repeat(40) + &"]".repeat(40))),
        change("\"more\"", "\"ebbd\""),
        change("\"more\":{\"a\":[1]}", "\"ebbd\":null"),
        change("}}", "}}\r"),
        change("}}", "}} "),
        change("}}", "}}}"),
        change("}}", "}"),
        format!("\u{feff}{usual}"),
        format!(" {usual}"),
        change("\"US\"", "\"US\",\"marketplace\":\"DE\""),
        change("marketplace", "m\\u0061rketplace"),
        change("US", &"\u{e9}".repeat(200)),
        change("{\"a\":[1]}", "1"),
        change("{\"a\":[1]}", "\"\\q\""),
        change("{\"a\":[1]}", "tru"),
        format!("{usual:3001}"),
        String::new(),
    ];
    for odd in &odd {
        for end in ["\n", "\r\n"] {
            let text = [usual, usual, odd, usual, odd, odd, usual].join(end);
            agree(text.as_bytes(), &StreamRoute::Fixed(StreamId(0)));
            agree(&[text.as_bytes(), b"\n\xff\n", text.as_bytes()].concat(), &by_field());
        }
    }
}

#[test]
fn known_shapes_are_read_by_template() {
    let mut decoder = decoder(StreamRoute::Fixed(StreamId(0)));
    let text =
        "{\"ts\":1795352645123,\"marketplace\":\"US\",\"cart\":{\"feature\":\"x\"},\"customer\":\"c\"}\n"
            .repeat(3);
    quick(&mut decoder, [text.as_bytes()].into_iter());
    let hit = decoder.templates.read(&text, &mut decoder.columns, &mut decoder.record);
    assert!(hit.is_some_and(|hit| hit.fit.next == text.len() / 3));
}

/// A usual line, its number in it.
fn usual(nth: usize, more: &str) -> String {
    format!(
        "{{\"ts\":179535264512{},\"marketplace\":\"US{nth}\",\"amount\":{}.50,\"currency\":\"EUR\",\
         \"host\":\"{}\"{more}}}\n",
        nth % 10,
        nth + 1,
        "x".repeat(nth % 37)
    )
}

#[test]
fn lines_of_one_shape_are_read_in_rows() {
    let mut decoder = decoder(StreamRoute::Fixed(StreamId(0)));
    let text: String = (0..100).map(|nth| usual(nth, "")).collect();
    agree(text.as_bytes(), &StreamRoute::Fixed(StreamId(0)));
    let (mut lines, mut in_rows) = (Lines::new(text.as_bytes()), 0);
    while decoder.next(&mut lines, NOW).is_some() {
        in_rows += usize::from(lines.is_in_row());
    }
    assert!(in_rows > 60, "{in_rows}");
}

/// What every line has and no row can read costs few lines twice.
#[test]
fn rows_that_never_fit_are_hardly_tried() {
    let mut decoder = decoder(StreamRoute::Fixed(StreamId(0)));
    let text: String = (0..20_000).map(|nth| usual(nth, ",\"customer\":\"c\\u00e9\"")).collect();
    let (mut lines, mut tried) = (Lines::new(text.as_bytes()), 0);
    while decoder.next(&mut lines, NOW).is_some() {
        tried += usize::from(lines.is_in_row());
    }
    assert!(tried < 20_000 / 10, "{tried}");
}

/// Lines of which each has a shape of its own cost no more than a bounded part of the budget.
#[test]
fn a_hostile_mix_of_shapes_is_hardly_tried() {
    let mut decoder = decoder(StreamRoute::Fixed(StreamId(0)));
    let lines: String = (0..20_000)
        .map(|at| format!("{{\"ts\":1795352645123,\"marketplace\":\"US\",\"k{at}\":1}}\n"))
        .collect();
    quick(&mut decoder, [lines.as_bytes()].into_iter());
    assert!(decoder.templates.spent() < 20_000 * 3, "{}", decoder.templates.spent());
}
