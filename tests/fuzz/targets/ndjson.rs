//! The ndjson decoder: never panics, takes a line for JSON exactly when serde_json does, and says the same
//! by its quick ways as by its general one, however the lines are cut into blocks.
#![no_main]

use ebbd_core::decode::{Decoded, Format, lines};
use ebbd_core::model::Reason;
use ebbd_fuzz::{ARRIVAL, decode, decode_block, decode_rows, decoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut general = decoder(Format::Ndjson).general_only();
    let want: Vec<String> = lines(data).map(|line| decode(&mut general, line)).collect();
    // Shapes are learned on the way, so the second time lines are read by them that weren't the first.
    let mut block = decoder(Format::Ndjson);
    for _ in 0..2 {
        assert_eq!(decode_block(&mut block, data), want, "the general way, line by line");
    }
    decode_rows(&mut block, data, &want);
    let ends = data.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    for cut in ends.take(16) {
        let mut seen = decode_block(&mut block, &data[..cut]);
        seen.extend(decode_block(&mut block, &data[cut..]));
        assert_eq!(seen, want, "cut at {cut}");
    }
    let mut decoder = decoder(Format::Ndjson);
    for line in lines(data) {
        decode(&mut decoder, line);
        let reason = match decoder.decode(line, ARRIVAL) {
            Decoded::Rejected(reason) => Some(reason),
            _ => None,
        };
        compare(line, reason);
    }
});

fn compare(line: &[u8], reason: Option<Reason>) {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    // What the two judge differently on purpose: depth, length, digits that no number type holds.
    let digits = line.iter().filter(|b| b.is_ascii_digit()).count();
    if matches!(reason, Some(Reason::TooDeep | Reason::TooLong | Reason::BadUtf8 | Reason::BadControl)) || digits > 4000 {
        return;
    }
    match serde_json::from_slice::<serde_json::Value>(line) {
        Ok(value) => assert_eq!(reason == Some(Reason::BadSyntax), !value.is_object(), "{value}"),
        Err(error) if error.to_string().contains("out of range") => {}
        Err(error) => assert_eq!(reason, Some(Reason::BadSyntax), "{error}"),
    }
}
