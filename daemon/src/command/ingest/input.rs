//! A file to ingest: its content's hash first, then its bytes, decompressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Take, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use crate::store::STAGE;
use crate::sys::{Disk, RealDisk};

const CHUNK: usize = 256 * 1024;

/// A file whose content is known by its hash.
pub(super) struct Input {
    name: String,
    file: File,
    bytes: u64,
    content: String,
}

/// How content is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Input {
    /// Opens a file and reads it once for its hash. Standard input and pipes, which can't be read twice,
    /// are first copied to an unnamed file under `data_dir`.
    ///
    /// # Errors
    /// What can't be read, or copied, in words.
    pub(super) fn open(name: &str, path: &Path, data_dir: &Path) -> Result<Input, String> {
        let unreadable =
            |error: io::Error| format!("cannot read it: {error}; check the path and its permissions");
        if path == Path::new("-") {
            return copied(name, io::stdin().lock(), data_dir);
        }
        let file = File::open(path).map_err(unreadable)?;
        let kind = file.metadata().map_err(unreadable)?;
        if kind.is_dir() {
            return Err("it is a directory: name the files in it".to_owned());
        }
        if !kind.is_file() {
            return copied(name, file, data_dir);
        }
        let bar = bar(name, "hashing", kind.len());
        let (content, bytes) = copy_hashed(bar.wrap_read(&file), &mut io::sink()).map_err(unreadable)?;
        Input::rewound(name, file, content, bytes).map_err(unreadable)
    }

    fn rewound(name: &str, mut file: File, content: String, bytes: u64) -> io::Result<Input> {
        file.rewind()?;
        Ok(Input { name: name.to_owned(), file, bytes, content })
    }

    /// The hash of its bytes as they lie there (blake3, hexadecimal).
    pub(super) fn content(&self) -> &str {
        &self.content
    }

    /// The bytes in it, decompressed, exactly those that were hashed. The bar follows the file's own bytes.
    ///
    /// # Errors
    /// The first bytes can't be read.
    pub(super) fn unpacked(self) -> Result<(Box<dyn BufRead>, ProgressBar), String> {
        let bar = bar(&self.name, "counting", self.bytes);
        let hashed = Hashed {
            input: self.file.take(self.bytes),
            hasher: blake3::Hasher::new(),
            content: self.content,
            bar: bar.clone(),
        };
        let unpacked = unpacked(BufReader::with_capacity(CHUNK, hashed));
        unpacked.map(|reader| (reader, bar.clone())).map_err(|error| trouble(&error, &bar))
    }
}

fn unpacked(mut raw: BufReader<Hashed>) -> io::Result<Box<dyn BufRead>> {
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
pub(super) fn spooled(input: impl Read, data_dir: &Path) -> io::Result<(File, String, u64)> {
    let stage = data_dir.join(STAGE);
    RealDisk.make_dir(&stage)?;
    let mut file = tempfile::tempfile_in(&stage)?;
    let (content, bytes) = copy_hashed(input, &mut file)?;
    file.rewind()?;
    Ok((file, content, bytes))
}

fn copied(name: &str, input: impl Read, data_dir: &Path) -> Result<Input, String> {
    let bar = bar(name, "receiving", 0);
    let spooled = spooled(bar.wrap_read(input), data_dir).map_err(|error| {
        let stage = data_dir.join(STAGE);
        format!("cannot take a copy in {}: {error}; is there room, and may it be written?", stage.display())
    });
    spooled.map(|(file, content, bytes)| Input { name: name.to_owned(), file, bytes, content })
}

fn copy_hashed(mut input: impl Read, to: &mut impl Write) -> io::Result<(String, u64)> {
    let (mut hasher, mut chunk, mut bytes) = (blake3::Hasher::new(), vec![0; CHUNK], 0);
    loop {
        let got = match input.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            got => got?,
        };
        if got == 0 {
            return Ok((hasher.finalize().to_hex().to_string(), bytes));
        }
        hasher.update(&chunk[..got]);
        to.write_all(&chunk[..got])?;
        bytes += got as u64;
    }
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
fn bar(name: &str, doing: &str, bytes: u64) -> ProgressBar {
    let template = match bytes {
        0 => "{prefix} {msg} {bytes}",
        _ => "{prefix} {msg} {wide_bar} {bytes} of {total_bytes}, {eta} left",
    };
    let style = ProgressStyle::with_template(template).expect("the template is one of the two above");
    ProgressBar::new(bytes).with_style(style).with_prefix(name.to_owned()).with_message(doing.to_owned())
}

/// The same bytes a second time: at their end they must have the same hash.
struct Hashed {
    input: Take<File>,
    hasher: blake3::Hasher,
    content: String,
    bar: ProgressBar,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(buffer)?;
        self.hasher.update(&buffer[..got]);
        self.bar.inc(got as u64);
        if got == 0 && !buffer.is_empty() && self.hasher.finalize().to_hex().as_str() != self.content {
            return Err(io::Error::other("it was changed while it was read"));
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
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
    fn what_changes_between_hashing_and_counting_is_noticed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("growing.log");
        std::fs::write(&path, b"one\ntwo\n").expect("written");
        let read = |change: &[u8]| {
            let input = Input::open("growing.log", &path, dir.path()).expect("readable");
            std::fs::write(&path, change).expect("changed");
            let (mut bytes, mut text) = (input.unpacked().expect("readable").0, String::new());
            bytes.read_to_string(&mut text).map(|_| text)
        };
        assert_eq!(read(b"one\ntwo\nthree\n").expect("growing is fine"), "one\ntwo\n");
        assert!(read(b"one\nxxx\nthree\n").is_err());
        assert!(read(b"one\n").is_err());
    }
}
