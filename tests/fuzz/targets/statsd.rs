//! The StatsD decoder: never panics, says what its plain twin says, and sections that nobody knows change
//! nothing.
#![no_main]

use ebbd_core::decode::{Decoded, Format, lines};
use ebbd_fuzz::{ARRIVAL, columns, decode, decode_block, decode_rows, decoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (mut one, mut more) = (decoder(Format::Statsd), decoder(Format::Statsd));
    let mut plain = decoder(Format::Statsd).plain(Format::Statsd);
    // Shapes are learned on the way, so the second time lines are read by them that weren't the first.
    let want: Vec<String> = lines(data).map(|line| decode(&mut plain, line)).collect();
    let mut block = decoder(Format::Statsd);
    for _ in 0..2 {
        assert_eq!(decode_block(&mut block, data), want, "the plain twin, line by line");
    }
    decode_rows(&mut block, data, &want);
    for line in lines(data) {
        assert_eq!(decode(&mut one, line), decode(&mut plain, line), "the plain twin");
        let longer = [line, b"|c:in-1"].concat();
        if let Decoded::Event(event) = one.decode(line, ARRIVAL) {
            match more.decode(&longer, ARRIVAL) {
                Decoded::Event(other) => assert_eq!(columns(&event), columns(&other)),
                other => assert!(longer.len() > ebbd_fuzz::LINE_BYTES, "{other:?}"),
            }
        }
    }
});
