//! Files that wait for the hash of the content that they come from.
//!
//! In: files in the stage, with a blank in their footers. Out: the same with the hash, durable. Must not
//! know: rows, where files go.

use std::fs::OpenOptions;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::store::STAGE;
use crate::sys::{Disk, RealDisk};

/// Behind a footer: its length and the letters `PAR1`.
const TAIL: u64 = 8;

/// A folder of files that have no name yet; emptied at its end. It lies within the stage, out of the way of
/// a daemon that starts and cleans the stage.
pub(super) struct Stage {
    dir: PathBuf,
}

impl Stage {
    /// The folder, made if it is not there.
    ///
    /// # Errors
    /// It can't be made, in words.
    pub(super) fn open(data_dir: &Path) -> Result<Stage, String> {
        let dir = data_dir.join(STAGE).join("ingest");
        match RealDisk.make_dir(&dir) {
            Ok(()) => Ok(Stage { dir }),
            Err(error) => Err(format!("cannot make {}: {error}", dir.display())),
        }
    }

    /// Where the file of this number is written.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number}.parquet"))
    }

    /// Removes what is in it; gives how many files that were.
    ///
    /// # Errors
    /// What can't be removed, in words.
    pub(super) fn empty(&self) -> Result<usize, String> {
        let left = RealDisk.list(&self.dir).map_err(|error| format!("{}: {error}", self.dir.display()))?;
        for path in &left {
            RealDisk.unlink(path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(left.len())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What can't be removed now is removed by the next `ingest`.
        let _ = self.empty();
    }
}

/// Thirty-two letters that stand in footers where the content's hash is going to stand. Nobody can foresee
/// them, so no value of a column is taken for them.
pub(super) struct Stamp {
    blank: String,
}

impl Stamp {
    /// A new one.
    pub(super) fn new() -> Stamp {
        let seed = RandomState::new();
        Stamp { blank: format!("{:016x}{:016x}", seed.hash_one(1u8), seed.hash_one(2u8)) }
    }

    /// What to write where the hash belongs.
    pub(super) fn blank(&self) -> &str {
        &self.blank
    }

    /// Writes the hash where the blank is, and makes the file durable.
    ///
    /// # Errors
    /// A file without a blank in its footer, or the disk's trouble, in words.
    pub(super) fn put(&self, path: &Path, content: &str) -> Result<(), String> {
        self.try_put(path, content).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    fn try_put(&self, path: &Path, content: &str) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let end = file.metadata()?.len().saturating_sub(TAIL);
        let mut length = [0; 4];
        file.read_exact_at(&mut length, end)?;
        let start = end.saturating_sub(u64::from(u32::from_le_bytes(length)));
        let mut footer = vec![0; (end - start) as usize];
        file.read_exact_at(&mut footer, start)?;
        let found =
            memmem::find(&footer, self.blank.as_bytes()).filter(|_| content.len() == self.blank.len());
        let at = found.ok_or_else(|| io::Error::other("no place for the hash in its footer"))?;
        file.write_all_at(content.as_bytes(), start + at as u64)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_put_into_the_footer_alone() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let stage = Stage::open(dir.path()).expect("made");
        let (stamp, path, content) = (Stamp::new(), stage.path(7), "c".repeat(32));
        let file = |footer: &str| format!("{0}{footer}{1}PAR1", stamp.blank(), footer.len() as u8 as char);
        for (footer, stamped) in [(format!("k{}v", stamp.blank()), true), ("no blank".to_owned(), false)] {
            let mut bytes = file(&footer).into_bytes();
            let end = bytes.len() - 4;
            bytes.splice(end..end, [0, 0, 0]);
            std::fs::write(&path, &bytes).expect("written");
            assert_eq!(stamp.put(&path, &content).is_ok(), stamped);
            let expected = format!("{}{}", stamp.blank(), footer.replace(stamp.blank(), &content));
            let read = std::fs::read(&path).expect("there");
            assert_eq!(read[..end - 1], *expected.as_bytes());
        }
        assert_eq!(stage.empty(), Ok(1));
        drop(stage);
    }
}
