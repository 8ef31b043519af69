//! Who sends: an acknowledged sender, a plain one, a program that writes a log. Each keeps what it sent.
//!
//! In: time, chance, a source to connect to. Out: lines, and what was wrong with what was heard. Must not know:
//! what becomes of lines.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use ebbd_core::model::{Minute, Rng, SplitMix64, TimeUs};

use crate::source::SimulatedSource;

/// By stream, minute and shop: how many lines, and their cents.
pub(super) type Written = BTreeMap<(&'static str, Minute, String), (i64, i64)>;

/// A new line of up to some minutes ago; `written` has it when it is to be counted for sure.
fn line(rng: &mut SplitMix64, now: TimeUs, stream: &'static str, written: Option<&mut Written>) -> String {
    let ago_us = if rng.below(4) == 0 { rng.below(300_000_000) } else { rng.below(3_000_000) };
    let (ts, shop, cents) = (now.0 / 1000 - (ago_us / 1000) as i64, rng.below(5), rng.below(10_000) as i64);
    if let Some(written) = written {
        let cell = written.entry((stream, TimeUs(ts * 1000).minute(), format!("s{shop}"))).or_default();
        *cell = (cell.0 + 1, cell.1 + cents);
    }
    format!(
        "{{\"ts\":{ts},\"shop\":\"s{shop}\",\"amount\":\"{}.{:02}\",\"currency\":\"EUR\"}}\n",
        cents / 100,
        cents % 100
    )
}

/// A sender that goes on where the daemon says.
#[derive(Default)]
pub(super) struct Acked {
    lines: Vec<String>,
    /// The highest number that was ever acknowledged.
    acked: usize,
    talk: Option<Talk>,
    /// Earlier connections that were not closed.
    old: Vec<UnixStream>,
}

struct Talk {
    stream: UnixStream,
    heard: Vec<u8>,
    /// Lines that were given to the socket, once the greeting is answered.
    sent: Option<usize>,
    from: usize,
    /// Bytes that the socket has not taken yet.
    out: VecDeque<u8>,
}

impl Acked {
    pub(super) fn produce(&mut self, rng: &mut SplitMix64, now: TimeUs, written: &mut Written) {
        for _ in 0..rng.below(30) {
            self.lines.push(line(rng, now, "acked", Some(written)));
        }
    }

    /// Whether all is acknowledged.
    pub(super) fn is_done(&self) -> bool {
        self.acked == self.lines.len()
    }

    /// How far it is, in words.
    pub(super) fn told(&self) -> String {
        let talk = self.talk.as_ref().map(|talk| (talk.from, talk.sent, talk.out.len()));
        format!("{} of {} lines acknowledged, now {talk:?}", self.acked, self.lines.len())
    }

    pub(super) fn let_go(&mut self) {
        self.talk = None;
        self.old.clear();
    }

    /// Connects if need be, and sends some of what is to be sent.
    pub(super) fn send(&mut self, rng: &mut SplitMix64, source: &mut SimulatedSource) -> Result<(), String> {
        match rng.below(40) {
            0 => self.talk = None,
            // Somebody else comes with its name, or it believes its connection lost.
            1 => self.old.extend(self.talk.take().map(|talk| talk.stream)),
            _ => {}
        }
        let acked = self.acked;
        let talk = self.talk.get_or_insert_with(|| Talk::greeted(source, rng, acked));
        if let Some(sent) = talk.sent.as_mut().filter(|_| talk.out.is_empty()) {
            let next = (*sent + rng.below(40) as usize).min(self.lines.len());
            talk.out.extend(self.lines[*sent..next].concat().bytes());
            *sent = next;
            if rng.below(6) == 0 && talk.from <= acked {
                talk.out.push_back(b'\n');
            }
        }
        talk.write(rng);
        Ok(())
    }

    /// Reads what the daemon says.
    pub(super) fn hear(&mut self) -> Result<(), String> {
        let Some(talk) = &mut self.talk else { return Ok(()) };
        let mut bytes = [0; 4096];
        let is_over = loop {
            match talk.stream.read(&mut bytes) {
                Ok(0) => break true,
                Ok(read) => talk.heard.extend(&bytes[..read]),
                Err(error) => break error.kind() != std::io::ErrorKind::WouldBlock,
            }
        };
        while let Some(end) = talk.heard.iter().position(|b| *b == b'\n') {
            let said =
                String::from_utf8_lossy(&talk.heard.drain(..=end).collect::<Vec<u8>>()).trim().to_owned();
            let (word, rest) = said.split_once(' ').unwrap_or((&said, ""));
            let number = rest.split(' ').next().and_then(|text| text.parse::<usize>().ok());
            match (word, number) {
                ("OK", Some(number)) if self.acked <= number && number <= self.lines.len() => {
                    (talk.sent, self.acked) = (Some(talk.from - 1), number);
                }
                ("ACK", Some(number)) if number <= self.lines.len() => self.acked = self.acked.max(number),
                ("ERR", _) if rest == "fenced" => {}
                _ => return Err(format!("told {said:?} with {} of {} acked", self.acked, self.lines.len())),
            }
        }
        if is_over {
            self.talk = None;
        }
        Ok(())
    }
}

impl Talk {
    /// Greets with the number behind the last one that is safe, or an earlier one.
    fn greeted(source: &mut SimulatedSource, rng: &mut SplitMix64, acked: usize) -> Talk {
        let from = acked + 1 - rng.below(20).min(acked as u64) as usize;
        let out = format!("EBBD/1 id=till from={from}\n").into_bytes().into();
        Talk { stream: source.connect(), heard: Vec::new(), sent: None, from, out }
    }

    /// Writes some bytes, not always whole lines.
    fn write(&mut self, rng: &mut SplitMix64) {
        let most = if rng.below(3) == 0 { rng.below(300) as usize } else { usize::MAX };
        let first = &self.out.make_contiguous()[..];
        let first = &first[..first.len().min(most)];
        // What is not taken is tried again; a connection that is gone is heard of.
        if let Ok(taken) = self.stream.write(first) {
            self.out.drain(..taken);
        }
    }
}

/// A sender that nobody answers.
#[derive(Default)]
pub(super) struct Plain {
    stream: Option<UnixStream>,
    /// Lines that the kernel took.
    pub(super) sent: u64,
}

impl Plain {
    pub(super) fn send(
        &mut self,
        rng: &mut SplitMix64,
        now: TimeUs,
        source: &mut SimulatedSource,
        is_busy: bool,
    ) {
        let stream = self.stream.get_or_insert_with(|| source.connect());
        let lines: u64 = if is_busy { rng.below(20) } else { 0 };
        let text: String = (0..lines).map(|_| line(rng, now, "plain", None)).collect();
        if stream.write_all(text.as_bytes()).is_err() {
            self.stream = None;
        }
        self.sent += lines;
    }

    pub(super) fn let_go(&mut self) {
        self.stream = None;
    }
}

/// A program that writes a log.
pub(super) struct Log {
    file: File,
    /// The rest of a line that it was in the middle of.
    rest: String,
}

impl Log {
    pub(super) fn new(path: PathBuf) -> Log {
        Log { file: File::create(path).expect("a new file"), rest: String::new() }
    }

    pub(super) fn produce(&mut self, rng: &mut SplitMix64, now: TimeUs, written: &mut Written) {
        let mut text = std::mem::take(&mut self.rest);
        (0..rng.below(20)).for_each(|_| text += &line(rng, now, "orders", Some(written)));
        if rng.below(4) == 0 && !text.is_empty() {
            // All is ASCII.
            self.rest = text.split_off(text.len() - text.len().min(9));
        }
        self.file.write_all(text.as_bytes()).expect("written");
    }

    /// Ends the line that it was in the middle of.
    pub(super) fn finish(&mut self) {
        self.file.write_all(std::mem::take(&mut self.rest).as_bytes()).expect("written");
    }
}
