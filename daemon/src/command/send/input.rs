//! What is sent: files one after the other, or standard input, in pieces of whole lines that stay in hand
//! until they are acknowledged.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ebbd_core::simd::count_lines;
use indicatif::ProgressBar;
use memchr::memrchr;
use twox_hash::XxHash3_128;

/// Bytes read at a time.
const READ: usize = 256 * 1024;
/// Bytes of a file that give it a name.
const HEAD: u64 = 4096;

/// Files that are read once, in order.
pub(super) struct Input {
    waiting: VecDeque<PathBuf>,
    open: Option<(PathBuf, Box<dyn Read>)>,
    unfinished: Vec<u8>,
    bar: ProgressBar,
}

/// Whole lines.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
    /// Bytes of the file that they stand for.
    pub(super) span: u64,
}

/// Pieces that were not acknowledged yet, with the numbers of their lines.
#[derive(Debug, Default)]
pub(super) struct InHand {
    pieces: VecDeque<Piece>,
    /// Lines before the first piece.
    before: u64,
    bytes: usize,
    /// Pieces that are on their way.
    sent: usize,
}

impl Input {
    /// The lines of `files`; `-` is standard input.
    pub(super) fn new(files: &[PathBuf], bar: ProgressBar) -> Input {
        Input { waiting: files.iter().cloned().collect(), open: None, unfinished: Vec::new(), bar }
    }

    /// The next lines; none at the end. A last line without LF gets one.
    ///
    /// # Errors
    /// What can't be read, in words.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, String> {
        loop {
            let Some((path, file)) = &mut self.open else {
                let Some(path) = self.waiting.pop_front() else { return Ok(None) };
                self.open = Some((path.clone(), open(&path)?));
                continue;
            };
            let mut bytes = std::mem::take(&mut self.unfinished);
            let before = bytes.len();
            bytes.resize(before + READ, 0);
            let read = match file.read(&mut bytes[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(unreadable(path, &error)),
                Ok(0) => {
                    self.open = None;
                    bytes.truncate(before);
                    if before == 0 {
                        continue;
                    }
                    bytes.push(b'\n');
                    return Ok(Some(Piece::of(bytes)));
                }
                Ok(read) => read,
            };
            self.bar.inc(read as u64);
            bytes.truncate(before + read);
            let end = memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
            self.unfinished = bytes.split_off(end);
            if !bytes.is_empty() {
                return Ok(Some(Piece::of(bytes)));
            }
        }
    }
}

impl Piece {
    /// Whole lines, counted.
    pub(super) fn of(bytes: Vec<u8>) -> Piece {
        Piece { lines: count_lines(&bytes), span: bytes.len() as u64, bytes }
    }
}

impl InHand {
    /// Takes a piece in hand.
    pub(super) fn push(&mut self, piece: Piece) {
        self.bytes += piece.bytes.len();
        self.pieces.push_back(piece);
    }

    /// Nothing in hand, behind so many lines.
    pub(super) fn behind(lines: u64) -> InHand {
        InHand { before: lines, ..InHand::default() }
    }

    /// Lets go of what is safe. Gives how many bytes of the file that is.
    pub(super) fn acked(&mut self, number: u64) -> u64 {
        let mut span = 0;
        while let Some(piece) = self.pieces.pop_front_if(|piece| self.before + piece.lines <= number) {
            self.before += piece.lines;
            self.bytes -= piece.bytes.len();
            self.sent = self.sent.saturating_sub(1);
            span += piece.span;
        }
        span
    }

    /// The first piece that is not on its way yet.
    pub(super) fn unsent(&self) -> Option<&[u8]> {
        self.pieces.get(self.sent).map(|piece| piece.bytes.as_slice())
    }

    /// That piece is on its way.
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    /// All has to be sent again.
    pub(super) fn unsend(&mut self) {
        self.sent = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The number of the first line in hand.
    pub(super) fn first(&self) -> u64 {
        self.before + 1
    }

    /// The number of the last line in hand.
    pub(super) fn last(&self) -> u64 {
        self.before + self.pieces.iter().map(|piece| piece.lines).sum::<u64>()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| piece.bytes.as_slice())
    }

    pub(super) fn newest(&self) -> &[u8] {
        self.pieces.back().map_or(&[], |piece| piece.bytes.as_slice())
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{}: cannot read it: {error}; check the path and its permissions", path.display())
}

fn open(path: &Path) -> Result<Box<dyn Read>, String> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    if file.metadata().is_ok_and(|kind| kind.is_dir()) {
        return Err(format!("{}: it is a directory: name the files in it", path.display()));
    }
    Ok(Box::new(file))
}

/// Looks at all files before anything is sent: they can be read, and are not compressed. Gives the bytes of
/// all, and a name made of theirs and of the first one's beginning: the same files get the same name again.
///
/// # Errors
/// What is wrong with one of them, in words.
pub(super) fn look(files: &[PathBuf]) -> Result<(u64, String), String> {
    let (mut bytes, mut hasher) = (0, XxHash3_128::new());
    for path in files {
        let mut head = Vec::new();
        open(path)?.take(HEAD).read_to_end(&mut head).map_err(|error| unreadable(path, &error))?;
        if head.starts_with(&[0x1f, 0x8b]) || head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            let unpack = if head[0] == 0x1f { "zcat" } else { "zstdcat" };
            let name = path.display();
            return Err(format!("{name}: it is compressed; {unpack} {name} | ebbd send --id NAME -"));
        }
        bytes += std::fs::metadata(path).map_or(0, |kind| kind.len());
        hasher.write(path.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.write(&head);
    }
    Ok((bytes, format!("send-{:032x}", hasher.finish_128())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_become_numbered_pieces_that_are_let_go_when_they_are_safe() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("1"), dir.path().join("2"));
        let long = format!("{}\n", "x".repeat(2 * READ));
        std::fs::write(&one, format!("a\n\n{long}b")).unwrap();
        std::fs::write(&two, "c\nd\n").unwrap();
        let mut input = Input::new(&[one.clone(), two.clone()], ProgressBar::hidden());
        let (mut hand, mut all) = (InHand::default(), Vec::new());
        while let Some(piece) = input.next().unwrap() {
            assert!(piece.bytes.ends_with(b"\n"));
            all.extend_from_slice(&piece.bytes);
            hand.push(piece);
        }
        assert_eq!(all, format!("a\n\n{long}b\nc\nd\n").as_bytes());
        assert_eq!((hand.first(), hand.last(), hand.bytes()), (1, 5, all.len()));
        hand.acked(3);
        assert!(hand.first() <= 4 && hand.last() == 5);
        hand.acked(5);
        assert_eq!((hand.first(), hand.last(), hand.bytes()), (6, 5, 0));
        let name = look(&[one.clone(), two.clone()]).unwrap().1;
        assert_eq!(look(&[one.clone(), two.clone()]).unwrap().1, name);
        assert_ne!(look(&[two, one]).unwrap().1, name);
        assert!(ebbd_core::decode::SenderId::new(&name).is_some());
    }
}
