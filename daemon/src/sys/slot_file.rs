//! A small file of numbers that outlives the process: what is written is safe once the call has returned,
//! whatever becomes of the process, though not of the machine.
//!
//! In: a name and a few numbers for each slot. Out: the same, read by whoever comes next, and whether the
//! machine was started anew in between. Must not know: what the numbers mean.
//!
//! Never synced: the kernel has what was written. A slot is written in place by one call that stays within a
//! page, so it is read as it was before or after.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Numbers of a slot.
pub const WORDS: usize = 16;
const SLOT_BYTES: usize = WORDS * size_of::<u64>();
const VERSION: u32 = 1;
const MODE: u32 = 0o600;
/// Changes with each start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The numbers of one slot.
pub type Words = [u64; WORDS];

/// What a file has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// Names with their numbers. A name may come several times.
    pub named: Vec<(String, Words)>,
    /// The machine has been running ever since: nothing of it is missing.
    pub is_of_this_boot: bool,
}

/// A file being written.
#[derive(Debug)]
pub struct SlotFile {
    file: Arc<File>,
    first: u64,
}

/// One slot of it.
#[derive(Clone, Debug)]
pub struct Slot {
    file: Arc<File>,
    offset: u64,
}

/// The first line, filled up with blanks so that slots are aligned.
#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    boot: String,
    names: Vec<String>,
}

impl Slots {
    /// What lies at `path`: `None` if nothing does, or nothing that is understood.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn read(path: &Path) -> io::Result<Option<Slots>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Slots::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the bytes of such a file: `None` if they are not understood.
    pub fn parse(bytes: &[u8]) -> Option<Slots> {
        let end = memchr::memchr(b'\n', bytes)? + 1;
        let head: Head =
            serde_json::from_slice(&bytes[..end]).ok().filter(|h: &Head| h.version == VERSION)?;
        let slots = bytes[end..].chunks_exact(SLOT_BYTES);
        if slots.len() != head.names.len() {
            return None;
        }
        let named = head.names.into_iter().zip(slots.map(words)).collect();
        let is_of_this_boot = !head.boot.is_empty() && head.boot == boot_id();
        Some(Slots { named, is_of_this_boot })
    }
}

impl SlotFile {
    /// Writes a new file at `path`, in place of what lies there.
    ///
    /// # Errors
    /// Whatever the system says: then what lay there still does.
    pub fn create(path: &Path, named: &[(String, Words)]) -> io::Result<SlotFile> {
        let names = named.iter().map(|(name, _)| name.clone()).collect();
        let head = Head { version: VERSION, boot: boot_id(), names };
        let mut bytes = serde_json::to_vec(&head)?;
        bytes.resize((bytes.len() + 1).next_multiple_of(SLOT_BYTES) - 1, b' ');
        bytes.push(b'\n');
        let first = bytes.len() as u64;
        bytes.extend(named.iter().flat_map(|(_, words)| raw(words)));
        let staged = path.with_extension("new");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&staged)?;
        file.write_all_at(&bytes, 0)?;
        std::fs::rename(&staged, path)?;
        Ok(SlotFile { file: Arc::new(file), first })
    }

    /// The slot at a place.
    pub fn slot(&self, at: usize) -> Slot {
        Slot { file: Arc::clone(&self.file), offset: self.first + (at * SLOT_BYTES) as u64 }
    }
}

impl Slot {
    /// Writes its numbers.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn write(&self, words: &Words) -> io::Result<()> {
        self.file.write_all_at(&raw(words), self.offset)
    }
}

fn raw(words: &Words) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    for (place, word) in bytes.chunks_exact_mut(size_of::<u64>()).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn words(bytes: &[u8]) -> Words {
    let mut words = [0; WORDS];
    for (word, place) in words.iter_mut().zip(bytes.chunks_exact(size_of::<u64>())) {
        let mut raw = [0; size_of::<u64>()];
        raw.copy_from_slice(place);
        *word = u64::from_le_bytes(raw);
    }
    words
}

/// Empty where it cannot be told.
fn boot_id() -> String {
    std::fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_under_their_names() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("tally");
        assert_eq!(Slots::read(&path).expect("read"), None);
        let named: Vec<(String, Words)> =
            ["shop", "\u{fc}ber \"all\"\n", "shop"].map(|name| (name.to_owned(), [7; WORDS])).into();
        let file = SlotFile::create(&path, &named).expect("written");
        let mut words = [u64::MAX; WORDS];
        words[3] = 4711;
        file.slot(1).write(&words).expect("written");
        let read = Slots::read(&path).expect("read").expect("something");
        let names: Vec<&str> = read.named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["shop", "\u{fc}ber \"all\"\n", "shop"]);
        let numbers: Vec<Words> = read.named.iter().map(|(_, words)| *words).collect();
        assert_eq!(numbers, [[7; WORDS], words, [7; WORDS]]);
        assert!(read.is_of_this_boot);
        SlotFile::create(&path, &[]).expect("written anew");
        assert_eq!(Slots::read(&path).expect("read").expect("something").named, []);
    }

    #[test]
    fn what_is_foreign_or_cut_is_not_understood() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("tally");
        for foreign in ["", "\n", "{}\n", "{\"version\":9,\"boot\":\"\",\"names\":[]}\n", "no end"] {
            std::fs::write(&path, foreign).expect("written");
            assert_eq!(Slots::read(&path).expect("read"), None, "{foreign:?}");
        }
        SlotFile::create(&path, &[("shop".to_owned(), [1; WORDS])]).expect("written");
        let whole = std::fs::read(&path).expect("read");
        std::fs::write(&path, &whole[..whole.len() - 1]).expect("cut");
        assert_eq!(Slots::read(&path).expect("read"), None);
        std::fs::write(&path, String::from_utf8_lossy(&whole).replace(&boot_id(), "another"))
            .expect("written");
        assert!(!Slots::read(&path).expect("read").expect("something").is_of_this_boot);
    }
}
