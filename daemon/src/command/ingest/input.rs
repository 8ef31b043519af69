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
        let raw = Raw { input, missing: bytes, content: Content::new(), is_packed: false, bar: bar.clone() };
        Input { raw: Rc::new(RefCell::new(raw)), bar }
    }

    /// The bytes in it, decompressed. The bar follows the file's own bytes.
    ///
    /// # Errors
    /// The first bytes can't be read.
    pub(super) fn unpacked(&self) -> Result<(Box<dyn BufRead>, ProgressBar), String> {
        let raw = BufReader::with_capacity(CHUNK, Passing(Rc::clone(&self.raw)));
        let unpacked = unpacked(raw, &self.raw);
        unpacked.map(|reader| (reader, self.bar.clone())).map_err(|error| trouble(&error, &self.bar))
    }

    /// The hash of its bytes, decompressed (XXH3 of 128 bits, hexadecimal): of exactly those that were handed out,
    /// and of the rest of what was not compressed. A log is known again after it was rotated and compressed. It is no
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
    /// What is unpacked is hashed, not what lies there.
    is_packed: bool,
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
        if !raw.is_packed {
            raw.content.add(&buffer[..got]);
        }
        raw.missing = raw.missing.saturating_sub(got as u64);
        raw.bar.inc(got as u64);
        Ok(got)
    }
}

/// What comes out of a decoder: hashed on its way.
struct Unpacked<R>(R, Rc<RefCell<Raw>>);

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.0.read(buffer)?;
        self.1.borrow_mut().content.add(&buffer[..got]);
        Ok(got)
    }
}

fn unpacked(mut raw: BufReader<Passing>, hashed: &Rc<RefCell<Raw>>) -> io::Result<Box<dyn BufRead>> {
    let packing = packing(raw.fill_buf()?);
    if packing == Packing::Plain {
        return Ok(Box::new(raw));
    }
    let mut from = hashed.borrow_mut();
    (from.is_packed, from.content) = (true, Content::new());
    let decoder: Box<dyn Read> = match packing {
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(raw)?),
        _ => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
    };
    Ok(Box::new(BufReader::with_capacity(CHUNK, Unpacked(decoder, Rc::clone(hashed)))))
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
    fn what_was_compressed_since_is_the_same_content() {
        let text: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &text).expect("memory is enough");
        let packed =
            [text.clone(), gzip.finish().expect("complete"), zstd::encode_all(&text[..], 1).expect("it can")];
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("rotated.log");
        for bytes in packed {
            std::fs::write(&path, bytes).expect("written");
            let input = Input::open("rotated.log", &path).expect("readable");
            let mut read = Vec::new();
            input.unpacked().expect("readable").0.read_to_end(&mut read).expect("whole");
            assert!(read == text);
            assert_eq!(input.content(), Ok(format!("{:032x}", XxHash3_128::oneshot(&text))));
        }
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
