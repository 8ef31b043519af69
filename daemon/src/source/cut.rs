//! Cuts a stream of bytes into blocks of whole lines, carrying the unfinished line along.

use std::time::Instant;

use memchr::{memchr, memrchr};
use serde::{Deserialize, Serialize};

/// What an unfinished line may keep allocated once it has been finished.
const SMALL_CARRY: usize = 4096;

/// The cutting state of one connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cutter {
    /// Longest line, without its end.
    limit: usize,
    /// The line that has no end yet.
    carry: Vec<u8>,
    /// When its first byte came.
    #[serde(skip)]
    since: Option<Instant>,
    /// The rest of a line that was given up is skipped up to its LF.
    skipping: bool,
    /// A line that is too long is kept, cut short, so that it gets a number like any other.
    keeping: bool,
    /// What was left out of the line that is being cut short.
    left_out: LeftOut,
    /// The same of the first line of the last block, if it was cut short.
    cut_short: Option<LeftOut>,
    /// Bytes received.
    received: u64,
    /// Number of the next non-empty line that is handed over, from 1.
    next_line: u64,
}

/// What was left out of a line that was cut short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftOut {
    /// Where in its block.
    pub(super) at: usize,
    /// How many bytes.
    pub(super) bytes: u64,
    /// Their CRC32C.
    pub(super) check: u32,
}

impl LeftOut {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.check = crc32c::crc32c_append(self.check, bytes);
    }
}

impl Cutter {
    /// For lines of up to `limit` bytes. Lines that are longer are skipped.
    pub(super) fn new(limit: usize) -> Cutter {
        Cutter {
            limit,
            carry: Vec::new(),
            since: None,
            skipping: false,
            keeping: false,
            left_out: LeftOut::default(),
            cut_short: None,
            received: 0,
            next_line: 1,
        }
    }

    /// For lines of up to `limit` bytes. Lines that are longer are cut short, to a length that is still too
    /// long, so that they can be refused where lines are counted.
    pub(super) fn keeping(limit: usize) -> Cutter {
        Cutter { keeping: true, ..Cutter::new(limit) }
    }

    /// From now on lines that are too long are skipped. Returns whether one just was.
    pub(super) fn skip_long_lines(&mut self) -> bool {
        self.keeping = false;
        if self.skipping {
            self.give_up();
        }
        self.skipping
    }

    /// What was left out of the first line of the block that was just cut.
    pub(super) fn take_cut_short(&mut self) -> Option<LeftOut> {
        self.cut_short.take()
    }

    /// Puts the unfinished line in front of what will be read into `bytes` (empty so far).
    pub(super) fn begin(&mut self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.carry);
    }

    /// Takes what was read behind what [`Cutter::begin`] put there, leaves the whole lines in `bytes`
    /// and keeps the rest. Returns whether a line just proved to be too long (it is skipped).
    pub(super) fn cut(&mut self, bytes: &mut Vec<u8>, now: Instant) -> bool {
        let carried = self.carry.len();
        self.received += (bytes.len() - carried) as u64;
        if self.skipping && !(if self.keeping { self.cut_short(bytes, carried) } else { self.skip(bytes) }) {
            return false;
        }
        let carried = carried.min(bytes.len());
        let end = memrchr(b'\n', &bytes[carried..]).map_or(0, |at| carried + at + 1);
        if end > 0 {
            self.forget();
        }
        let unfinished = bytes.len() - end;
        // The end may yet turn out to be CR LF.
        let is_too_long = unfinished > self.limit + 1;
        if is_too_long && !self.keeping {
            self.give_up();
        } else if unfinished > 0 {
            let kept = unfinished.min(self.limit + 2);
            self.carry.clear();
            self.carry.extend_from_slice(&bytes[end..end + kept]);
            self.since.get_or_insert(now);
            self.left_out.add(&bytes[end + kept..]);
            self.skipping = is_too_long;
        }
        bytes.truncate(end);
        is_too_long && !self.keeping
    }

    /// Leaves out what comes up to the next LF, which ends the line that is carried; whether there was one.
    fn cut_short(&mut self, bytes: &mut Vec<u8>, carried: usize) -> bool {
        let Some(at) = memchr(b'\n', &bytes[carried..]) else {
            self.left_out.add(&bytes[carried..]);
            bytes.clear();
            return false;
        };
        self.left_out.add(&bytes[carried..carried + at]);
        bytes.drain(carried..carried + at);
        self.cut_short = Some(LeftOut { at: carried, ..std::mem::take(&mut self.left_out) });
        self.skipping = false;
        true
    }

    /// Skips to behind the next LF; whether there was one.
    fn skip(&mut self, bytes: &mut Vec<u8>) -> bool {
        match memchr(b'\n', bytes) {
            Some(at) => {
                bytes.drain(..=at);
                self.skipping = false;
            }
            None => bytes.clear(),
        }
        !self.skipping
    }

    /// Gives the unfinished line up, whose rest will be skipped. It gets no number: positions are told by
    /// the lines that reach a lane, without a hole.
    pub(super) fn give_up(&mut self) {
        self.forget();
        self.skipping = true;
    }

    fn forget(&mut self) {
        self.since = None;
        self.left_out = LeftOut::default();
        self.carry.clear();
        self.carry.shrink_to(SMALL_CARRY);
    }

    /// When the unfinished line began, if there is one.
    pub(super) fn unfinished_since(&self) -> Option<Instant> {
        self.since
    }

    /// Reading goes on after a pause that was not the sender's: an unfinished line is as good as new.
    pub(super) fn resume(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
    }

    /// The same bytes go on as another connection, whose lines are numbered from 1.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.received = self.unfinished_bytes();
        self.next_line = 1;
        self.since = (self.unfinished_bytes() > 0).then_some(now);
    }

    /// The longest line that is not cut.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The number of a block's first line.
    pub(super) fn next_line(&self) -> u64 {
        self.next_line
    }

    /// Numbers the lines of a block that was handed over.
    pub(super) fn number(&mut self, lines: u64) {
        self.next_line += lines;
    }

    /// Offset behind the last byte that is not carried.
    pub(super) fn end_offset(&self) -> u64 {
        self.received - self.unfinished_bytes()
    }

    /// Bytes behind the last LF, but for those of a line that was given up.
    pub(super) fn unfinished_bytes(&self) -> u64 {
        self.carry.len() as u64 + self.left_out.bytes
    }

    /// At the end of a stream: what has no LF is the last line. Moves it to `bytes`; whether there is any.
    pub(super) fn finish(&mut self, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        bytes.extend_from_slice(&self.carry);
        self.forget();
        self.skipping = false;
        !bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `chunks` and returns the lines that came out and how many were too long.
    fn run(limit: usize, chunks: &[&[u8]]) -> (Vec<Vec<u8>>, usize) {
        let (mut cutter, mut out, mut too_long) = (Cutter::new(limit), Vec::new(), 0);
        let mut bytes = Vec::new();
        for chunk in chunks {
            bytes.clear();
            cutter.begin(&mut bytes);
            bytes.extend_from_slice(chunk);
            too_long += usize::from(cutter.cut(&mut bytes, Instant::now()));
            assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "whole lines only");
            out.extend_from_slice(&bytes);
        }
        let total: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        assert_eq!(cutter.end_offset() + cutter.carry.len() as u64, total as u64);
        if cutter.finish(&mut bytes) {
            out.extend_from_slice(&bytes);
        }
        let lines = out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        (lines.map(<[u8]>::to_vec).collect(), too_long)
    }

    #[test]
    fn a_long_line_is_skipped_alone_and_counted_once() {
        let chunks: [&[u8]; 6] = [b"a\nbb", b"bbbb", b"bbbbbbbbbbbb", b"bbbb\nc", b"c", b"c\ndd"];
        let (lines, too_long) = run(6, &chunks);
        assert_eq!(lines, [b"a".to_vec(), b"ccc".to_vec(), b"dd".to_vec()]);
        assert_eq!(too_long, 1);
    }

    #[test]
    fn a_line_at_the_limit_passes_with_cr_and_lf() {
        let (lines, too_long) = run(4, &[b"aaa", b"a", b"\r", b"\nbbbb", b"\n"]);
        assert_eq!((lines, too_long), (vec![b"aaaa\r".to_vec(), b"bbbb".to_vec()], 0));
    }

    #[test]
    fn what_was_given_up_does_not_come_back_as_a_line() {
        let mut cutter = Cutter::new(64);
        let mut bytes = b"whole\nhalf".to_vec();
        cutter.cut(&mut bytes, Instant::now());
        cutter.number(1);
        assert!(bytes == b"whole\n" && cutter.unfinished_since().is_some());
        cutter.give_up();
        assert!(cutter.unfinished_since().is_none());
        let mut rest = b" of it\nnext\n".to_vec();
        cutter.cut(&mut rest, Instant::now());
        assert_eq!((rest.as_slice(), cutter.next_line()), (b"next\n".as_slice(), 2));
        assert_eq!(cutter.end_offset(), 22);
    }

    proptest! {
        #[test]
        fn borders_of_chunks_change_nothing(
            lines in prop::collection::vec("[a-z]{0,12}", 0..30),
            sizes in prop::collection::vec(1_usize..9, 0..200),
            end in any::<bool>(),
        ) {
            let mut text = lines.join("\n").into_bytes();
            if end {
                text.push(b'\n');
            }
            let mut rest = text.as_slice();
            let mut chunks = Vec::new();
            for size in sizes {
                let (chunk, others) = rest.split_at(size.min(rest.len()));
                chunks.push(chunk);
                rest = others;
            }
            chunks.push(rest);
            let expected: Vec<_> =
                lines.iter().filter(|l| !l.is_empty()).map(|l| l.as_bytes().to_vec()).collect();
            prop_assert_eq!(run(12, &chunks), (expected, 0));
        }
    }
}
