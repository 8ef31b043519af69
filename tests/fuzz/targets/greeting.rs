//! What is said on an acknowledged stream: any bytes are read without a panic, and what was understood
//! reads the same when it is written again.
#![no_main]

use ebbd_core::decode::{Answer, FirstLine};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let FirstLine::Greeting(greeting) = FirstLine::read(data) {
        let again = FirstLine::read(greeting.to_string().as_bytes());
        assert_eq!(again, FirstLine::Greeting(greeting), "written and read again");
    }
    let mut greets = b"EBBD/1".to_vec();
    greets.extend_from_slice(data);
    let first = FirstLine::read(&greets);
    let is_word = data.is_empty() || b" \r\n".contains(&data[0]);
    assert!(is_word || first == FirstLine::Data, "no word of its own");
    let text = String::from_utf8_lossy(data);
    if let Some(answer) = Answer::read(&text) {
        assert_eq!(Answer::read(&answer.to_string()), Some(answer), "written and read again");
    }
});
