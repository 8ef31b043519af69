//! What is said to a sender that may not be listening.
//!
//! In: answers. Out: bytes into its socket as far as it takes them; a sender that doesn't read costs a
//! bounded buffer, and of its acknowledgements only the last is kept. Must not know: what answers mean.

use std::fmt::Write;
use std::os::fd::AsFd;

use ebbd_core::decode::Answer;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use serde::{Deserialize, Serialize};

/// Beyond so many waiting bytes acknowledgements replace each other and information is dropped.
const BYTES: usize = 4096;

/// What was not sent yet.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Outbox {
    waiting: String,
    ack: Option<u64>,
}

impl Outbox {
    /// Says something that must not be left out.
    pub(super) fn say(&mut self, answer: &Answer) {
        self.put_ack();
        // Writing to a String does not fail.
        let _ = writeln!(self.waiting, "{answer}");
    }

    /// Says something that is of use only if it is read.
    pub(super) fn mention(&mut self, answer: &Answer) {
        if self.waiting.len() < BYTES {
            self.say(answer);
        }
    }

    /// Acknowledges; a later number stands for an earlier one.
    pub(super) fn ack(&mut self, number: u64) {
        self.ack = Some(number);
        if self.waiting.len() < BYTES {
            self.put_ack();
        }
    }

    fn put_ack(&mut self) {
        if let Some(number) = self.ack.take() {
            let _ = writeln!(self.waiting, "{}", Answer::Ack(number));
        }
    }

    /// Sends what the socket takes. Whether everything is sent; a socket that is gone takes all.
    pub(super) fn flush(&mut self, socket: impl AsFd) -> bool {
        if self.waiting.len() < BYTES {
            self.put_ack();
        }
        while !self.waiting.is_empty() {
            match send(&socket, self.waiting.as_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => drop(self.waiting.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return false,
                Err(_) => self.waiting.clear(),
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_sender_that_does_not_read_costs_little_and_misses_nothing_that_counts() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let mut outbox = Outbox::default();
        outbox.say(&Answer::Ok(0));
        let mut number = 0;
        while outbox.flush(&ours) || outbox.waiting.len() < BYTES {
            number += 1;
            outbox.ack(number);
        }
        for more in 1..10_000 {
            outbox.ack(number + more);
            outbox.mention(&Answer::Rejected(number, "bad_time".to_owned()));
            assert!(!outbox.flush(&ours) && outbox.waiting.len() < BYTES + 100);
        }
        outbox.say(&Answer::Ok(7));
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            theirs.read_to_string(&mut text).map(|_| text)
        });
        while !outbox.flush(&ours) {
            std::thread::yield_now();
        }
        drop(ours);
        let text = reader.join().expect("read").expect("read");
        assert!(text.starts_with("OK 0\nACK 1\n"));
        assert!(text.ends_with(&format!("ACK {}\nOK 7\n", number + 9_999)), "the last one is said");
    }
}
