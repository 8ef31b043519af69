//! A file to ingest: its content's hash first, then its bytes, decompressed.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek, Take, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ebbd_core::model::MICROS_PER_SECOND;
use indicatif::{ProgressBar, ProgressStyle};

use crate::store::STAGE;
use crate::sys::{Clock, Disk, RealDisk, WallClock};

const CHUNK: usize = 256 * 1024;
/// A file's times tell of changes once the last one is so long ago.
const SETTLED_SECONDS: i64 = 5;

/// A file whose content is known by its hash.
pub(super) struct Input {
    name: String,
    file: File,
    bytes: u64,
    content: String,
    /// As it was before it was hashed, if nobody had changed it lately.
    settled: Option<Stamp>,
}

/// Tells whether a file was changed: the kernel sets these times at each write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
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
        let settled = Stamp::of(&kind).settled();
        let bar = bar(name, "hashing", kind.len());
        let (content, bytes) = copy_hashed(bar.wrap_read(&file), &mut io::sink()).map_err(unreadable)?;
        let input = Input { name: name.to_owned(), file, bytes, content, settled };
        input.rewound().map_err(unreadable)
    }

    fn rewound(mut self) -> io::Result<Input> {
        self.file.rewind()?;
        Ok(self)
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
            hasher: self.settled.is_none().then(blake3::Hasher::new),
            settled: self.settled,
            bytes: self.bytes,
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
    spooled.map(|(file, content, bytes)| Input { name: name.to_owned(), file, bytes, content, settled: None })
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

impl Stamp {
    fn of(file: &Metadata) -> Stamp {
        Stamp {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// None if the file was changed just now: one more change might leave the same times.
    fn settled(self) -> Option<Stamp> {
        let now = WallClock::new().now().0.div_euclid(MICROS_PER_SECOND);
        (self.changed.0 + SETTLED_SECONDS < now).then_some(self)
    }
}

/// The same bytes a second time: the file must not have been changed, or at their end they must have the
/// same hash.
struct Hashed {
    input: Take<File>,
    settled: Option<Stamp>,
    /// Only where times tell nothing.
    hasher: Option<blake3::Hasher>,
    bytes: u64,
    content: String,
    bar: ProgressBar,
}

impl Hashed {
    /// Whether what was read is what was hashed.
    fn is_the_same(&mut self) -> io::Result<bool> {
        let content = match &self.hasher {
            Some(hasher) => hasher.finalize().to_hex().to_string(),
            None if Some(Stamp::of(&self.input.get_ref().metadata()?)) == self.settled => return Ok(true),
            None => {
                let mut again = self.input.get_ref().try_clone()?;
                again.rewind()?;
                copy_hashed(again.take(self.bytes), &mut io::sink())?.0
            }
        };
        Ok(content == self.content)
    }
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..got]);
        }
        self.bar.inc(got as u64);
        if got == 0 && !buffer.is_empty() && !self.is_the_same()? {
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
        let read = |settled: bool, change: &[u8]| {
            let mut input = Input::open("growing.log", &path, dir.path()).expect("readable");
            assert_eq!(input.settled, None, "it was written just now");
            if settled {
                input.settled = Some(Stamp::of(&input.file.metadata().expect("readable")));
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            std::fs::write(&path, change).expect("changed");
            let (mut bytes, mut text) = (input.unpacked().expect("readable").0, String::new());
            bytes.read_to_string(&mut text).map(|_| text)
        };
        for settled in [false, true] {
            std::fs::write(&path, b"one\ntwo\n").expect("written");
            assert_eq!(read(settled, b"one\ntwo\nthree\n").expect("growing is fine"), "one\ntwo\n");
            assert!(read(settled, b"one\nxxx\nthree\n").is_err());
            assert!(read(settled, b"one\n").is_err());
        }
    }
}
