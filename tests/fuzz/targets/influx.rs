//! The line protocol decoder: never panics, says what its plain twin says, and a timestamp's unit changes
//! nothing else.
#![no_main]

use ebbd_core::decode::{Decoded, Format, TimeUnit, lines};
use ebbd_fuzz::{ARRIVAL, columns, decode, decode_block, decode_rows, decoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut nanos = decoder(Format::Influx);
    let mut seconds = decoder(Format::Influx).with_time_unit(TimeUnit::Seconds);
    let mut plain = decoder(Format::Influx).plain(Format::Influx);
    // Shapes are learned on the way, so the second time lines are read by them that weren't the first.
    let want: Vec<String> = lines(data).map(|line| decode(&mut plain, line)).collect();
    let mut block = decoder(Format::Influx);
    for _ in 0..2 {
        assert_eq!(decode_block(&mut block, data), want, "the plain twin, line by line");
    }
    decode_rows(&mut block, data, &want);
    for line in lines(data) {
        assert_eq!(decode(&mut nanos, line), decode(&mut plain, line), "the plain twin");
        // The unit of the timestamp decides when an event was, not what it is.
        if let (Decoded::Event(a), Decoded::Event(b)) =
            (nanos.decode(line, ARRIVAL), seconds.decode(line, ARRIVAL))
        {
            let (a, b) = (columns(&a), columns(&b));
            assert_eq!((a.1, a.2, a.3, a.4), (b.1, b.2, b.3, b.4));
        }
    }
});
