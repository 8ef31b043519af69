//! A file to ingest: its bytes, decompressed, once; the content's hash falls out of the same pass.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::rc::Rc;

use indicatif::{ProgressBar, ProgressStyle};

use super::content::Content;
use crate::store::STAGE;
use crate::sys::{Disk, RealDisk};

/// Smaller than what is asked for at once, so that plain bytes are read to where they are wanted.
const CHUNK: usize = 64 * 1024;

/// A file that is read once.
pub(super) struct Input {
    raw: Rc<RefCell<Raw>>,
    bar: ProgressBar,
}

/// How content is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Input {
    /// Opens a file, a pipe or standard input. Of a file that grows, what is in it now counts.
    ///
    /// # Errors
    /// What can't be read, in words.
    pub(super) fn open(name: &str, path: &Path) -> Result<Input, String> {
        let unreadable =
            |error: io::Error| format!("cannot read it: {error}; check the path and its permissions");
        if path == Path::new("-") {
            return Ok(Input::of(name, Box::new(io::stdin().lock()), 0));
        }
        let file = File::open(path).map_err(unreadable)?;
        let kind = file.metadata().map_err(unreadable)?;
        if kind.is_dir() {
            return Err("it is a directory: name the files in it".to_owned());
        }
        if !kind.is_file() {
            return Ok(Input::of(name, Box::new(file), 0));
        }
        let bytes = kind.len();
        Ok(Input::of(name, Box::new(file.take(bytes)), bytes))
    }

    fn of(name: &str, input: Box<dyn Read>, bytes: u64) -> Input {
        let bar = bar(name, bytes);
        let raw = Raw { input, missing: bytes, content: Content::new(), bar: bar.clone() };
        Input { raw: Rc::new(RefCell::new(raw)), bar }
    }

    /// The bytes in it, decompressed. The bar follows the file's own bytes.
    ///
    /// # Errors
    /// The first bytes can't be read.
    pub(super) fn unpacked(&self) -> Result<(Box<dyn BufRead>, ProgressBar), String> {
        let raw = BufReader::with_capacity(CHUNK, Passing(Rc::clone(&self.raw)));
        let unpacked = unpacked(raw);
        unpacked.map(|reader| (reader, self.bar.clone())).map_err(|error| trouble(&error, &self.bar))
    }

    /// The hash of its bytes as they lay there (XXH3 of 128 bits, hexadecimal): of exactly those that were
    /// handed out, and of what may follow the end of what was compressed. It knows a file again; it is no
    /// defence against whoever makes files on purpose that are taken for others.
    ///
    /// # Errors
    /// The rest can't be read, in words.
    pub(super) fn content(&self) -> Result<String, String> {
        let rest = io::copy(&mut Passing(Rc::clone(&self.raw)), &mut io::sink());
        rest.map_err(|error| trouble(&error, &self.bar))?;
        Ok(format!("{:032x}", self.raw.borrow().content.hash()))
    }
}

/// Bytes on their way in: hashed while they are in the processor's cache.
struct Raw {
    input: Box<dyn Read>,
    /// How much of a file is still to come.
    missing: u64,
    content: Content,
    bar: ProgressBar,
}

/// Whoever reads next.
struct Passing(Rc<RefCell<Raw>>);

impl Read for Passing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut raw = self.0.borrow_mut();
        let got = raw.input.read(buffer)?;
        if got == 0 && !buffer.is_empty() && raw.missing > 0 {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        raw.content.add(&buffer[..got]);
        raw.missing = raw.missing.saturating_sub(got as u64);
        raw.bar.inc(got as u64);
        Ok(got)
    }
}

fn unpacked(mut raw: BufReader<Passing>) -> io::Result<Box<dyn BufRead>> {
    Ok(match packing(raw.fill_buf()?) {
        Packing::Plain => Box::new(raw),
        Packing::Gzip => Box::new(BufReader::with_capacity(CHUNK, flate2::bufread::MultiGzDecoder::new(raw))),
        Packing::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
            Box::new(BufReader::with_capacity(CHUNK, decoder))
        }
    })
}

/// What to say of bytes that could not be read.
pub(super) fn trouble(error: &io::Error, bar: &ProgressBar) -> String {
    let (at, of) = (bar.position(), bar.length().unwrap_or(0));
    format!("cannot read it near byte {at} of {of}: {error}; if it is damaged or cut off, get a fresh copy")
}

/// An unnamed file under `data_dir` with everything that `input` still has.
pub(super) fn spooled(mut input: impl Read, data_dir: &Path) -> io::Result<File> {
    let stage = data_dir.join(STAGE);
    RealDisk.make_dir(&stage)?;
    let mut file = tempfile::tempfile_in(&stage)?;
    io::copy(&mut input, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// By magic numbers, whatever the name says.
fn packing(head: &[u8]) -> Packing {
    match head {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        // A frame, or a skippable frame (which parallel compressors put first).
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
        _ => Packing::Plain,
    }
}

/// A bar on standard error while that is a terminal.
fn bar(name: &str, bytes: u64) -> ProgressBar {
    let template = match bytes {
        0 => "{prefix} {msg} {bytes}",
        _ => "{prefix} {msg} {wide_bar} {bytes} of {total_bytes}, {eta} left",
    };
    let style = ProgressStyle::with_template(template).expect("the template is one of the two above");
    ProgressBar::new(bytes).with_style(style).with_prefix(name.to_owned()).with_message("counting")
}

#[cfg(test)]
mod tests {
    use twox_hash::XxHash3_128;

    use super::*;

    #[test]
    fn packing_is_told_by_content() {
        assert_eq!(packing(b"\x1f\x8b\x08\0"), Packing::Gzip);
        assert_eq!(packing(b"\x28\xb5\x2f\xfd\0"), Packing::Zstd);
        assert_eq!(packing(b"\x50\x2a\x4d\x18\0"), Packing::Zstd);
        assert_eq!(packing(b"{\"ts\":1}"), Packing::Plain);
        assert_eq!(packing(b""), Packing::Plain);
    }

    #[test]
    fn what_is_hashed_is_what_was_counted_whatever_happens_meanwhile() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("growing.log");
        let read = |change: &[u8]| {
            std::fs::write(&path, b"one\ntwo\n").expect("written");
            let input = Input::open("growing.log", &path).expect("readable");
            std::fs::write(&path, change).expect("changed");
            let mut text = String::new();
            let bytes = input.unpacked().map(|(mut bytes, _)| bytes.read_to_string(&mut text));
            bytes?.map_err(|error| error.to_string())?;
            input.content().map(|content| (text, content))
        };
        let hash = |text: &str| format!("{:032x}", XxHash3_128::oneshot(text.as_bytes()));
        for (change, text) in [("one\ntwo\nthree\n", "one\ntwo\n"), ("one\nxxx\nthree\n", "one\nxxx\n")] {
            assert_eq!(read(change.as_bytes()), Ok((text.to_owned(), hash(text))));
        }
        assert!(read(b"one\n").is_err());
    }

    #[test]
    fn all_bytes_are_hashed_however_few_were_asked_for() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("long.log");
        let long = vec![b'x'; 3 * CHUNK];
        std::fs::write(&path, &long).expect("written");
        let input = Input::open("long.log", &path).expect("readable");
        let (mut bytes, _) = input.unpacked().expect("readable");
        bytes.read_exact(&mut [0; 10]).expect("there");
        assert_eq!(input.content(), Ok(format!("{:032x}", XxHash3_128::oneshot(&long))));
    }
}
