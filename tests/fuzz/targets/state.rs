//! Small state of ebbd's own that lies on the disk: the tally that outlives the process, checkpoints, frames of
//! the journal. Any bytes are read without a panic.
#![no_main]

use ebbd::commit::Checkpoint;
use ebbd::judge::Published;
use ebbd::sys::{Slots, WORDS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(slots) = Slots::parse(data) {
        assert!(slots.named.len() * WORDS * size_of::<u64>() < data.len(), "no more than there is");
    }
    if let Some(published) = Published::read(data, 3) {
        assert_eq!(published.epoch, 3);
    }
    if let Ok(checkpoint) = Checkpoint::read(data) {
        Checkpoint::read(&checkpoint.to_json()).expect("what was written is read");
    }
});
