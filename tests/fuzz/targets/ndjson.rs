//! The ndjson decoder: never panics, and takes a line for JSON exactly when serde_json does.
#![no_main]

use ebbd_core::decode::{Decoded, Format, lines};
use ebbd_core::model::Reason;
use ebbd_fuzz::{ARRIVAL, decode, decoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
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
