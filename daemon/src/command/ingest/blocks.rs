//! Bytes cut into blocks of whole lines, within bounds however long a line is.

use std::io::{self, Read};

use memchr::{memchr, memrchr};

/// Bytes that are read at once: while they are counted they stay in the processor's second cache.
const BLOCK: usize = 256 << 10;

/// Cuts what it reads into blocks of whole lines.
pub(super) struct Blocks<R> {
    input: R,
    /// Longest line, without its end.
    limit: usize,
    /// The line that has no end yet.
    carry: Vec<u8>,
    /// The rest of a line that was given up is skipped up to its LF.
    skipping: bool,
    too_long: u64,
    over: bool,
}

impl<R: Read> Blocks<R> {
    /// For lines of up to `limit` bytes.
    pub(super) fn new(input: R, limit: usize) -> Blocks<R> {
        Blocks { input, limit, carry: Vec::new(), skipping: false, too_long: 0, over: false }
    }

    /// The next block, in the memory of `spent`, one that is not needed any more. The last line of the last
    /// one may lack its LF: it counts, too. Memory: a block and the longest line allowed.
    ///
    /// # Errors
    /// Whatever the input says; then nothing more comes.
    pub(super) fn next(&mut self, spent: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = spent;
        while !self.over {
            self.fill(&mut bytes)?;
            if self.skipping {
                self.skip(&mut bytes);
            }
            if !self.over {
                self.keep_unfinished(&mut bytes);
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// The line without an end, and a block behind it. What was read before is written over: there is next
    /// to nothing to clear.
    fn fill(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut end = self.carry.len();
        bytes.resize(end + BLOCK, 0);
        bytes[..end].copy_from_slice(&self.carry);
        self.carry.clear();
        while !self.over && end < bytes.len() {
            match self.input.read(&mut bytes[end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                got => {
                    let got = got?;
                    self.over = got == 0;
                    end += got;
                }
            }
        }
        bytes.truncate(end);
        Ok(())
    }

    /// Lines given up for their length since this was last asked. Those that lie within a block are not
    /// among them: the decoder refuses them.
    pub(super) fn take_too_long(&mut self) -> u64 {
        std::mem::take(&mut self.too_long)
    }

    fn skip(&mut self, bytes: &mut Vec<u8>) {
        match memchr(b'\n', bytes) {
            Some(at) => {
                bytes.drain(..=at);
                self.skipping = false;
            }
            None => bytes.clear(),
        }
    }

    fn keep_unfinished(&mut self, bytes: &mut Vec<u8>) {
        let end = memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        // The end may yet turn out to be CR LF.
        if bytes.len() - end > self.limit + 1 {
            self.too_long += 1;
            self.skipping = true;
        } else {
            self.carry.extend_from_slice(&bytes[end..]);
        }
        bytes.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(input: impl Read, limit: usize) -> (Vec<usize>, u64, usize) {
        let mut blocks = Blocks::new(input, limit);
        let (mut lines, mut largest, mut spent) = (Vec::new(), 0, Vec::new());
        while let Some(bytes) = blocks.next(spent).expect("readable") {
            largest = largest.max(bytes.capacity());
            lines.extend(ebbd_core::decode::lines(&bytes).map(<[u8]>::len));
            spent = bytes;
        }
        (lines, blocks.take_too_long(), largest)
    }

    #[test]
    fn lines_stay_whole_wherever_blocks_end() {
        let text: Vec<u8> =
            (0..40_000).flat_map(|n| format!("{:>1$}\n", n, 1 + n % 97).into_bytes()).collect();
        let whole: Vec<usize> = ebbd_core::decode::lines(&text).map(<[u8]>::len).collect();
        assert!(text.len() > 3 * BLOCK / 2);
        assert_eq!(cut(&text[..], 200).0, whole);
        assert_eq!(cut(&text[..text.len() - 1], 200).0, whole, "the last line needs no LF");
        assert_eq!(cut(&b""[..], 200).0, Vec::<usize>::new());
    }

    #[test]
    fn an_endless_line_is_skipped_without_being_kept() {
        let endless = io::repeat(b'x').take(64 << 20);
        let (lines, too_long, largest) = cut((&b"first\n"[..]).chain(endless).chain(&b"\nlast\n"[..]), 1000);
        assert_eq!((lines, too_long), (vec![5, 4], 1));
        assert!(largest < 4 * BLOCK, "{largest} bytes");
        let unended = io::repeat(b'x').take(3 << 20);
        assert_eq!(cut((&b"first\n"[..]).chain(unended), 1000).1, 1);
    }
}
