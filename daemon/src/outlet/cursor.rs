//! The number of the last record that was dealt with, kept in a file that is replaced as a whole.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where a reader of the records stands that must not deal with one twice after a restart.
#[derive(Debug)]
pub struct Cursor {
    /// Last record dealt with; `None` before the first hello.
    seq: Option<u64>,
    file: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    seq: u64,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// It cannot be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// It is no cursor; starting over could call somebody about old alarms.
    #[error("{} is not a cursor ({why}); remove it to start with what happens now", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        why: serde_json::Error,
    },
}

impl CursorError {
    /// Whether the person has to do something about the file's content.
    pub fn is_format(&self) -> bool {
        matches!(self, CursorError::Broken { .. })
    }
}

impl Cursor {
    /// The cursor that `file` keeps; `since` goes before it.
    ///
    /// # Errors
    /// The file is there but cannot be used.
    pub fn open(file: Option<PathBuf>, since: Option<u64>) -> Result<Cursor, CursorError> {
        let kept = match &file {
            Some(path) => read(path)?,
            None => None,
        };
        Ok(Cursor { seq: since.or(kept), file })
    }

    /// The last record dealt with, if any is known.
    pub fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// Everything up to `seq` has been dealt with.
    ///
    /// # Errors
    /// The file cannot be written; the cursor has moved all the same.
    pub fn move_to(&mut self, seq: u64) -> io::Result<()> {
        self.seq = Some(seq);
        self.file.as_ref().map_or(Ok(()), |path| write(path, seq))
    }
}

fn read(path: &Path) -> Result<Option<u64>, CursorError> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let kept: Result<Kept, _> = serde_json::from_slice(&bytes);
            kept.map(|kept| Some(kept.seq)).map_err(|why| CursorError::Broken { path: path.to_owned(), why })
        }
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(CursorError::Unreadable { path: path.to_owned(), why }),
    }
}

fn write(path: &Path, seq: u64) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut staged = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(staged, "{}", serde_json::json!(Kept { seq }))?;
    staged.as_file().sync_all()?;
    staged.persist(path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_and_refuses_nonsense() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursor");
        let mut cursor = Cursor::open(Some(path.clone()), None).unwrap();
        assert_eq!(cursor.seq(), None);
        cursor.move_to(4_711).unwrap();
        assert_eq!(Cursor::open(Some(path.clone()), None).unwrap().seq(), Some(4_711));
        assert_eq!(Cursor::open(Some(path.clone()), Some(7)).unwrap().seq(), Some(7));
        std::fs::write(&path, "seventeen").unwrap();
        assert!(Cursor::open(Some(path), None).unwrap_err().is_format());
        assert!(!Cursor::open(Some(folder.path().to_owned()), None).unwrap_err().is_format());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
