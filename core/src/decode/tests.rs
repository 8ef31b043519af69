//! What the corpus can't say: what an event borrows, long values, several streams in one source.

use std::collections::BTreeMap;

use crate::model::{Limits, Money, Reason, SourceId, StreamId, StreamRoute, StreamSpec, TimeUs, Weight};

use super::{Decoded, Decoder, Format, SourceSpec};

const NOW: TimeUs = TimeUs(1_795_352_700_000_000);

fn decoder(format: Format, route: StreamRoute, streams: &[StreamSpec]) -> Decoder {
    let source = SourceSpec {
        id: SourceId(0),
        name: "shop".to_owned(),
        format,
        route,
        expect: Vec::new(),
        forget_after_us: 0,
    };
    Decoder::new(&source, streams, &Limits { line: 4096, ..Limits::default() })
}

fn orders(format: Format) -> Decoder {
    decoder(format, StreamRoute::Fixed(StreamId(0)), &[StreamSpec::example()])
}

fn reason(decoded: Decoded<'_>) -> Option<Reason> {
    match decoded {
        Decoded::Rejected(reason) => Some(reason),
        _ => None,
    }
}

#[test]
fn the_same_order_in_three_formats() {
    let json = r#"{"ts":"2026-11-22T13:04:05.123Z","marketplace":"US","feature":"one\u002dclick","payment":"card",
        "status":"placed","amount":"19.99","currency":"usd","customer":"c-81723","host":"web-1"}"#;
    let influx = r#"orders,marketplace=US,feature=one-click,payment=card,status=placed,host=web-1 amount=19.99,currency="usd",customer="c-81723" 1795352645123000000"#;
    let statsd = "orders:1|c|#marketplace:US,feature:one-click,payment:card,status:placed,amount:19.99,currency:usd,customer:c-81723,host:web-1|T1795352645.123";
    for (format, line) in [(Format::Ndjson, json), (Format::Influx, influx), (Format::Statsd, statsd)] {
        let mut decoder = orders(format);
        let Decoded::Event(event) = decoder.decode(line.as_bytes(), NOW) else { panic!("{format:?}") };
        assert_eq!((event.stream(), event.time()), (StreamId(0), TimeUs(1_795_352_645_123_000)));
        assert_eq!(event.weight(), Weight::ONE);
        assert_eq!([0, 1, 2, 3].map(|i| event.dimension(i)), ["US", "one-click", "card", "placed"]);
        assert_eq!((event.amount(0), event.currency(0)), (Some(Money(1999)), "USD"));
        assert_eq!((event.distinct(0), event.origin()), (Some("c-81723"), "web-1"));
        assert_eq!(event.bad_fields().count(), 0);
        assert_eq!(
            (event.dimension(4), event.amount(1), event.distinct(1), event.id_part(0)),
            ("", None, None, "")
        );
    }
}

#[test]
fn long_values_are_cut_at_a_character_and_ids_are_not() {
    let mut spec = StreamSpec::example();
    spec.id = vec!["feature".to_owned()];
    let mut decoder = decoder(Format::Ndjson, StreamRoute::Fixed(StreamId(0)), &[spec]);
    for (value, escaped) in [("ä".repeat(200), false), ("ä".repeat(200), true), ("x".repeat(257), false)] {
        let written = if escaped { value.replace('ä', "\\u00e4") } else { value.clone() };
        let line = format!(r#"{{"ts":1,"feature":"{written}"}}"#);
        let Decoded::Event(event) = decoder.decode(line.as_bytes(), NOW) else { panic!("an event") };
        let cut = event.dimension(1);
        assert!(cut.len() <= Limits::VALUE_BYTES && cut.len() > Limits::VALUE_BYTES - 4);
        assert!(cut.strip_suffix('…').is_some_and(|kept| value.starts_with(kept)));
        assert_eq!(event.id_part(0), value);
    }
    let exact = format!(r#"{{"ts":1,"feature":"{}"}}"#, "x".repeat(Limits::VALUE_BYTES));
    let Decoded::Event(event) = decoder.decode(exact.as_bytes(), NOW) else { panic!("an event") };
    assert_eq!(event.dimension(1), "x".repeat(Limits::VALUE_BYTES));
}

#[test]
fn a_field_decides_the_stream_and_its_own_time_is_read() {
    let mut shipments = StreamSpec::example();
    shipments.name = "shipments".to_owned();
    shipments.time = "shipped.at".to_owned();
    let streams = [StreamSpec::example(), shipments];
    let routes = BTreeMap::from([
        ("placed".to_owned(), Some(StreamId(0))),
        ("shipped".to_owned(), Some(StreamId(1))),
        ("noise".to_owned(), None),
    ]);
    let by_field = |other| StreamRoute::ByField { field: "type".to_owned(), routes: routes.clone(), other };
    let mut strict = decoder(Format::Ndjson, by_field(None), &streams);
    for (line, stream) in
        [(r#"{"type":"placed","ts":5}"#, 0), (r#"{"type":"shipped","ts":"no","shipped":{"at":5}}"#, 1)]
    {
        let Decoded::Event(event) = strict.decode(line.as_bytes(), NOW) else { panic!("{line}") };
        assert_eq!((event.stream(), event.time()), (StreamId(stream), TimeUs(5_000_000)));
    }
    assert!(matches!(strict.decode(br#"{"type":"noise"}"#, NOW), Decoded::Ignored));
    assert_eq!(reason(strict.decode(br#"{"type":"what","ts":5}"#, NOW)), Some(Reason::UnknownStream));
    assert_eq!(reason(strict.decode(br#"{"ts":5}"#, NOW)), Some(Reason::UnknownStream));
    let mut lax = decoder(Format::Ndjson, by_field(Some(None)), &streams);
    assert!(matches!(lax.decode(br#"{"type":"what"}"#, NOW), Decoded::Ignored));
    let mut rest = decoder(Format::Ndjson, by_field(Some(Some(StreamId(1)))), &streams);
    assert!(
        matches!(rest.decode(br#"{"shipped.at":5}"#, NOW), Decoded::Event(event) if event.stream() == StreamId(1))
    );
}

#[test]
fn lines_beyond_the_limit_are_refused_before_they_are_read() {
    let mut decoder = orders(Format::Ndjson);
    let fits = format!("{:4096}", r#"{"ts":1}"#);
    assert!(matches!(decoder.decode(fits.as_bytes(), NOW), Decoded::Event(_)));
    assert_eq!(reason(decoder.decode(&[0xff; 4097], NOW)), Some(Reason::TooLong));
}

#[test]
fn a_stream_whose_id_is_not_declared_is_unknown() {
    let mut decoder = decoder(Format::Ndjson, StreamRoute::Fixed(StreamId(7)), &[StreamSpec::example()]);
    assert_eq!(reason(decoder.decode(br#"{"ts":1}"#, NOW)), Some(Reason::UnknownStream));
}
