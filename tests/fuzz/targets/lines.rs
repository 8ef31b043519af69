//! Cutting lines: like a plain split, and the same lines however the bytes were cut into blocks.
#![no_main]

use ebbd_core::decode::lines;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole: Vec<&[u8]> = lines(data).collect();
    let plain = data.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    assert!(plain.filter(|line| !line.is_empty()).eq(whole.iter().copied()));
    // A source hands over blocks of whole lines: what it has up to the last LF; the rest waits for more.
    for cut in 0..data.len().min(256) {
        let mut carried = Vec::new();
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for part in [&data[..cut], &data[cut..]] {
            carried.extend_from_slice(part);
            let end = carried.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
            seen.extend(lines(&carried[..end]).map(<[u8]>::to_vec));
            carried.drain(..end);
        }
        seen.extend(lines(&carried).map(<[u8]>::to_vec));
        assert!(seen.iter().map(Vec::as_slice).eq(whole.iter().copied()), "cut at {cut}");
    }
});
