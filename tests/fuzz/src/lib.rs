//! What the targets share: a decoder of the documentation's stream, and what holds for every event.

use ebbd_core::decode::{Decoded, Decoder, Event, Format, Lines, SourceSpec};
use ebbd_core::model::{
    DimensionSpec, Limits, MAX_CELL, Reason, SourceId, StreamId, StreamRoute, StreamSpec, TimeUs, Weight,
};

/// When every line arrives: 2026-11-22T13:05:00Z.
pub const ARRIVAL: TimeUs = TimeUs(1_795_352_700_000_000);

/// The longest line that is read.
pub const LINE_BYTES: usize = 8 * 1024;

/// The stream of the documentation with nested fields and an id.
pub fn stream() -> StreamSpec {
    let mut spec = StreamSpec::example();
    spec.dimensions[1] = DimensionSpec { name: "feature".to_owned(), field: "cart.feature".to_owned() };
    spec.id = vec!["order_id".to_owned(), "a.b.c".to_owned()];
    spec
}

/// A decoder for it.
pub fn decoder(format: Format) -> Decoder {
    let source = SourceSpec {
        id: SourceId(0),
        name: "fuzz".to_owned(),
        format,
        route: StreamRoute::Fixed(StreamId(0)),
        expect: Vec::new(),
        forget_after_us: 0,
    };
    Decoder::new(&source, &[stream()], &Limits { line: LINE_BYTES, ..Limits::default() })
}

/// Decodes `line` twice with one decoder: the second time must not depend on the first. Returns what it
/// looks like, and asserts what holds for everything that is decoded.
pub fn decode(decoder: &mut Decoder, line: &[u8]) -> String {
    let first = look(&decoder.decode(line, ARRIVAL), line);
    let again = look(&decoder.decode(line, ARRIVAL), line);
    assert_eq!(first, again, "the same line twice");
    first
}

/// What the lines of a block look like, read one behind the other.
pub fn decode_block(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    let (mut lines, mut seen) = (Lines::new(block), Vec::new());
    while let Some((line, decoded)) = decoder.next(&mut lines, ARRIVAL) {
        seen.push(look(&decoded, line));
    }
    seen
}

/// Times that each line stands in what [`decode_rows`] reads: enough to be read side by side.
const TIMES: usize = 9;

/// Asserts that lines look as they should, `want`, when each stands there several times, one behind the other.
pub fn decode_rows(decoder: &mut Decoder, data: &[u8], want: &[String]) {
    let mut rows = Vec::new();
    for line in ebbd_core::decode::lines(data) {
        rows.extend([line, b"\r\n"].concat().repeat(TIMES));
    }
    let seen = decode_block(decoder, &rows);
    let want = want.iter().flat_map(|look| std::iter::repeat_n(look, TIMES));
    assert!(seen.iter().eq(want), "in rows");
}

fn look(decoded: &Decoded<'_>, line: &[u8]) -> String {
    match decoded {
        Decoded::Event(event) => check_event(event, line),
        Decoded::Mark(mark) => {
            assert!(!mark.id.is_empty() && !mark.kind.is_empty());
            assert!(mark.until.is_none_or(|until| until >= mark.at));
            assert!(mark.kind.len() <= Limits::VALUE_BYTES && mark.scope.0.len() <= Limits::DIMENSIONS);
        }
        Decoded::Rejected(reason) => check_reason(*reason, line),
        Decoded::Heartbeat(_) | Decoded::Goodbye(_) | Decoded::Ignored => {}
    }
    match decoded {
        Decoded::Event(event) => format!("{:?}", columns(event)),
        other => format!("{other:?}"),
    }
}

fn check_event(event: &Event<'_>, line: &[u8]) {
    let spec = stream();
    let weight = event.weight();
    assert!((0..=Weight::MAX_LINE.0).contains(&weight.0));
    assert!(!event.time().to_rfc3339().ends_with("us"), "a time that can be written");
    let total: usize = (0..spec.dimensions.len()).map(|i| event.dimension(i).len()).sum();
    assert!(total <= line.len() + 3 * spec.dimensions.len() && event.origin().len() <= Limits::VALUE_BYTES);
    assert!((0..spec.dimensions.len()).all(|i| event.dimension(i).len() <= Limits::VALUE_BYTES));
    for i in 0..spec.sums.len() {
        let currency = event.currency(i);
        assert!(event.amount(i).is_none_or(|amount| amount.0.abs() <= MAX_CELL));
        assert!(
            currency.is_empty() || (currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()))
        );
    }
    for bad in event.bad_fields() {
        if let Some(i) = spec.dimensions.iter().position(|d| d.name == bad) {
            assert_eq!(event.dimension(i), "");
        }
        if let Some(i) = spec.sums.iter().position(|s| s.name == bad) {
            assert_eq!(event.amount(i), None);
        }
    }
    assert!(event.distinct(0).is_none_or(|value| !value.is_empty()));
}

/// Reasons that can be told from the bytes alone are told exactly for those bytes.
fn check_reason(reason: Reason, line: &[u8]) {
    assert_eq!(reason == Reason::TooLong, line.len() > LINE_BYTES);
    if reason != Reason::TooLong {
        let text = std::str::from_utf8(line).is_ok() && !line.contains(&0);
        assert_eq!(reason == Reason::BadUtf8, !text);
    }
    assert!(!matches!(reason, Reason::TooLate | Reason::InFuture | Reason::PartialLine), "told by others");
}

/// Everything that an event holds.
pub fn columns(event: &Event<'_>) -> (TimeUs, Weight, Vec<String>, Vec<Option<i64>>, Vec<String>) {
    let spec = stream();
    let mut texts: Vec<String> = (0..spec.dimensions.len()).map(|i| event.dimension(i).to_owned()).collect();
    texts.extend((0..spec.id.len()).map(|i| event.id_part(i).to_owned()));
    texts.push(event.currency(0).to_owned());
    texts.push(event.origin().to_owned());
    texts.push(event.distinct(0).unwrap_or_default().to_owned());
    let amounts = vec![event.amount(0).map(|amount| amount.0)];
    (event.time(), event.weight(), texts, amounts, event.bad_fields().map(str::to_owned).collect())
}
