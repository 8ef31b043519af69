//! What a file is, whatever it is called: device, inode and the hash of its head; and how far it was read.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use crc32c::crc32c;
use serde::{Deserialize, Serialize};

/// Bytes at a file's beginning that identify it.
const HEAD: usize = 1024;
/// Bytes before a position that prove that it still is the same content.
pub(super) const TAIL: usize = 64;

/// A file on its filesystem. Inodes are used again, so this is not enough by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &std::fs::Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The first bytes of a file, as many as there were (at most 1 KiB).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    bytes: u32,
    crc: u32,
}

impl Head {
    /// Reads the head that the file has now.
    pub(super) fn read(file: &File) -> io::Result<Head> {
        Head::read_up_to(file, HEAD)
    }

    fn read_up_to(file: &File, most: usize) -> io::Result<Head> {
        let mut bytes = [0; HEAD];
        let filled = read_fully(file, &mut bytes[..most.min(HEAD)], 0)?;
        Ok(Head { bytes: filled as u32, crc: crc32c(&bytes[..filled]) })
    }

    /// Whether it may still grow with the file.
    pub(super) fn is_short(self) -> bool {
        (self.bytes as usize) < HEAD
    }
}

/// How far a file was read, so that reading can be resumed after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The configured name of the source that follows it.
    pub source: String,
    /// Where it was seen last (for people, and to look for it when it was renamed).
    pub path: String,
    /// Its device.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// How many bytes at its beginning the head's hash covers.
    pub head_bytes: u32,
    /// CRC32C of these bytes.
    pub head_crc: u32,
    /// Offset behind the last line that was counted.
    pub offset: u64,
    /// CRC32C of up to 64 bytes before the offset; none if they couldn't be read.
    pub tail_crc: Option<u32>,
}

impl Position {
    pub(super) fn id(&self) -> FileId {
        FileId { device: self.device, inode: self.inode }
    }

    /// Whether `file` is the one that this position was taken of, and nobody cut or rewrote what was read.
    pub(super) fn fits(&self, file: &File) -> bool {
        let same_file =
            file.metadata().is_ok_and(|now| FileId::of(&now) == self.id() && now.len() >= self.offset);
        let head = Head { bytes: self.head_bytes, crc: self.head_crc };
        let same_head = || Head::read_up_to(file, self.head_bytes as usize).is_ok_and(|now| now == head);
        let same_tail =
            || self.tail_crc.is_none_or(|crc| tail_crc(file, self.offset).is_ok_and(|now| now == crc));
        same_file && same_head() && same_tail()
    }
}

/// What the table of connections knows of a followed file.
#[derive(Clone, Debug)]
pub(crate) struct FileTrack {
    pub(super) source: Arc<str>,
    pub(super) path: String,
    pub(super) id: FileId,
    pub(super) head: Head,
    /// Where reading began.
    pub(super) start: u64,
    /// CRC32C of up to 64 bytes before that.
    pub(super) start_crc: u32,
    /// While it is open.
    pub(super) file: Option<Arc<File>>,
    /// While it is closed: how far it was read and the hash of what lies before.
    pub(super) settled: Option<(u64, u32)>,
}

impl FileTrack {
    /// Its position where reading began.
    pub(crate) fn beginning(&self) -> Position {
        Position {
            source: self.source.to_string(),
            path: self.path.clone(),
            device: self.id.device,
            inode: self.id.inode,
            head_bytes: self.head.bytes,
            head_crc: self.head.crc,
            offset: self.start,
            tail_crc: Some(self.start_crc),
        }
    }

    /// Its position, if its lines are counted up to `reached`.
    pub(crate) fn position(&self, reached: Option<u64>) -> Position {
        let offset = reached.unwrap_or(self.start);
        let settled = self.settled.filter(|(at, _)| *at == offset).map(|(_, crc)| crc);
        let read_now = || self.file.as_deref().and_then(|file| tail_crc(file, offset).ok());
        Position { offset, tail_crc: settled.or_else(read_now), ..self.beginning() }
    }
}

/// The bytes before `offset`, at most 64.
pub(super) fn read_tail(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let length = offset.min(TAIL as u64);
    let mut bytes = vec![0; length as usize];
    let filled = read_fully(file, &mut bytes, offset - length)?;
    bytes.truncate(filled);
    Ok(bytes)
}

fn tail_crc(file: &File, offset: u64) -> io::Result<u32> {
    Ok(crc32c(&read_tail(file, offset)?))
}

/// Reads until `bytes` are full or the file ends.
fn read_fully(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
