//! Commits as bytes: whatever they are, reading ends with a step or an error; what was written is read as it
//! was, and what was read is written so that it is read the same.
#![no_main]

use std::sync::LazyLock;

use ebbd_core::aggregate::{LaneCounter, Step, StepReader};
use ebbd_core::decode::{Block, Format, Reading, SourceSpec};
use ebbd_core::model::{ConnId, Limits, SourceId, StreamId, StreamRoute, StreamSpec};
use ebbd_core::sync::Lease;
use ebbd_fuzz::{ARRIVAL, stream};
use libfuzzer_sys::fuzz_target;

static SPECS: LazyLock<([StreamSpec; 2], [SourceSpec; 2])> = LazyLock::new(|| {
    let source = |id: u16| SourceSpec {
        id: SourceId(id),
        name: format!("fuzz-{id}"),
        format: Format::Ndjson,
        route: StreamRoute::Fixed(StreamId(id)),
        expect: Vec::new(),
        forget_after_us: 0,
    };
    ([StreamSpec::example(), stream()], [source(0), source(1)])
});

fuzz_target!(|data: &[u8]| {
    let (specs, sources) = &*SPECS;
    read(data);
    // The lines of what the fuzzer made, counted; its last bytes damage what is written of that.
    let mut lane = LaneCounter::new(0, specs.to_vec().into(), sources.to_vec().into(), Limits::default(), 7);
    for (source, conn) in [(SourceId(0), ConnId(1)), (SourceId(1), ConnId(2))] {
        let (bytes, end_offset) = (Lease::owned(data.to_vec()), data.len() as u64);
        let reading = Reading::Configured;
        lane.consume(&Block {
            bytes,
            source,
            conn,
            first_line: 1,
            end_offset,
            check: 9,
            arrival: ARRIVAL,
            reading,
        });
    }
    let deltas = vec![lane.cut(1)];
    let step = Step { commit: 1, at: ARRIVAL, now: ARRIVAL, deltas, ..Step::default() };
    let mut bytes = Vec::new();
    step.write(&mut bytes);
    assert!(read(&bytes), "what was written is read");
    let tail = &data[data.len().saturating_sub(8)..];
    for part in tail.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([part[0], part[1]])) % bytes.len();
        bytes[at] ^= part[2];
    }
    read(&bytes);
});

/// Whether these are the bytes of a step; if so, it is written and read as it is.
fn read(bytes: &[u8]) -> bool {
    let (specs, sources) = &*SPECS;
    let mut reader = StepReader::new(specs, sources);
    let Ok(step) = reader.read(bytes) else { return false };
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    step.write(&mut once);
    reader.read(&once).expect("what was written is read").write(&mut twice);
    // A sketch's values may come in another order.
    assert_eq!(once.len(), twice.len());
    true
}
