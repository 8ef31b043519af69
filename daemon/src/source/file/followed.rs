//! One followed file: what is new in it, line by line, and whether it still is what it was.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crc32c::crc32c;
use ebbd_core::decode::Reading;
use ebbd_core::model::ConnId;
use ebbd_core::sync::Lease;
use memchr::{memchr, memrchr};
use rustix::buffer::spare_capacity;
use rustix::io::pread;

use super::identity::{FileId, FileTrack, Head, TAIL, read_tail};
use crate::source::feed::{Feed, Origin};
use crate::source::tally::Told;

/// What is known of a file's growth fades by this part whenever it grows.
const GROWTH_FADES_BY: u64 = 64;
/// Blocks of one file before the others have their turn.
const BLOCKS: usize = 16;

/// A file that is followed, open or (while nothing happens to it) closed.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) conn: ConnId,
    /// Where it was found last.
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) file: Option<Arc<File>>,
    /// Size and time of change when it was looked at last.
    pub(super) seen: Seen,
    /// Nothing was left to read then, but for an unfinished line.
    pub(super) at_end: bool,
    /// When it grew last.
    pub(super) grew: Instant,
    /// Since when it isn't found by the pattern any more (renamed, removed).
    pub(super) lost_since: Option<Instant>,
    /// The file that was at this path before and has to be read to its end first.
    pub(super) predecessor: Option<ConnId>,
    head: Head,
    /// Behind the last line that was handed over.
    offset: u64,
    /// The bytes before `offset`.
    tail: Vec<u8>,
    /// Where reading it began.
    start: u64,
    /// The most bytes that came between two looks, lately.
    grows: u64,
    /// Up to here there is no LF behind `offset`: a line that is too long.
    searched: u64,
    next_line: u64,
}

/// What tells that something happened to a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) size: u64,
    pub(super) changed_ns: i128,
}

impl Seen {
    pub(super) fn of(metadata: &std::fs::Metadata) -> Seen {
        use std::os::unix::fs::MetadataExt;
        let changed_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Seen { size: metadata.len(), changed_ns }
    }
}

/// What came of looking at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing is left to read.
    AtEnd,
    /// There is more.
    More,
    /// It was cut, or is another file by now: it has to be read from its beginning, as a new one.
    Replaced,
}

/// What of a file was lost unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unread {
    /// Bytes that were seen.
    pub(super) bytes: u64,
    /// Lines that it may have been, by the length of those that were read and by how it grew; without the
    /// unfinished one at the end.
    pub(super) lines_at_most: u64,
}

impl Followed {
    /// Follows `file` from `offset` on.
    pub(super) fn new(
        feed: &Feed,
        path: PathBuf,
        file: File,
        offset: u64,
        now: Instant,
    ) -> io::Result<Followed> {
        let id = FileId::of(&file.metadata()?);
        let (head, tail) = (Head::read(&file)?, read_tail(&file, offset)?);
        let file = Arc::new(file);
        let name = path.display().to_string();
        let conn = feed.opened(name.clone());
        let track = FileTrack {
            source: feed.name.clone(),
            path: name,
            id,
            head,
            start: offset,
            start_crc: crc32c(&tail),
            file: Some(Arc::clone(&file)),
            settled: None,
        };
        feed.intake.conns.tracked(conn, track);
        Ok(Followed {
            conn,
            path,
            id,
            file: Some(file),
            seen: Seen::default(),
            at_end: false,
            grew: now,
            lost_since: None,
            predecessor: None,
            head,
            offset,
            start: offset,
            grows: 0,
            tail,
            searched: offset,
            next_line: 1,
        })
    }

    /// Reads what is new, a few blocks of it.
    ///
    /// # Errors
    /// It can't be read (any more).
    pub(super) fn look(&mut self, feed: &Feed, now: Instant) -> io::Result<Look> {
        let Some(file) = self.file.clone() else { return Ok(Look::AtEnd) };
        let seen = Seen::of(&file.metadata()?);
        if self.at_end && seen == self.seen {
            return Ok(Look::AtEnd);
        }
        if seen.size < self.offset || !self.is_unchanged(&file)? {
            return Ok(Look::Replaced);
        }
        if seen.size > self.seen.size {
            // At the first look it was not seen to grow.
            let grew = if self.seen.size > 0 { seen.size - self.seen.size } else { 0 };
            self.grows = grew.max(self.grows - self.grows / GROWTH_FADES_BY);
            self.grew = now;
        }
        if seen.size < self.searched {
            self.searched = self.offset;
        }
        self.seen = seen;
        self.lengthen_head(feed, &file)?;
        for _ in 0..BLOCKS {
            if !self.read_block(feed, &file)? {
                self.at_end = true;
                return Ok(Look::AtEnd);
            }
        }
        self.at_end = false;
        Ok(Look::More)
    }

    /// Whether what lies before the offset is what was read.
    fn is_unchanged(&self, file: &File) -> io::Result<bool> {
        Ok(read_tail(file, self.offset)? == self.tail)
    }

    /// A short head covers more as the file grows.
    fn lengthen_head(&mut self, feed: &Feed, file: &File) -> io::Result<()> {
        if self.head.is_short() {
            let head = Head::read(file)?;
            if head != self.head {
                self.head = head;
                feed.intake.conns.retrack(self.conn, |track| track.head = head);
            }
        }
        Ok(())
    }

    /// Hands over the next whole lines; `false` at the end of the file.
    fn read_block(&mut self, feed: &Feed, file: &File) -> io::Result<bool> {
        if self.searched > self.offset {
            return self.read_long_line(feed, file);
        }
        let mut bytes = feed.buffer();
        let read = pread(file, spare_capacity(&mut bytes), self.offset)?;
        match memrchr(b'\n', &bytes) {
            Some(at) => {
                bytes.truncate(at + 1);
                self.hand_over(feed, bytes, self.offset + at as u64 + 1);
            }
            None if read > feed.line() + 1 => self.searched = self.offset + read as u64,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// A line that is too long goes to the lane cut short, so that it is counted (as rejected) with the
    /// same position as its neighbours; but only when its end was found.
    fn read_long_line(&mut self, feed: &Feed, file: &File) -> io::Result<bool> {
        let mut bytes = feed.buffer();
        let read = pread(file, spare_capacity(&mut bytes), self.searched)?;
        let Some(at) = memchr(b'\n', &bytes) else {
            self.searched += read as u64;
            return Ok(read > 0);
        };
        let end = self.searched + at as u64 + 1;
        bytes.clear();
        pread(file, spare_capacity(&mut bytes), self.offset)?;
        bytes.truncate(feed.line() + 2);
        bytes.push(b'\n');
        self.tail = read_tail(file, end)?;
        self.deliver(feed, bytes, end);
        Ok(true)
    }

    fn hand_over(&mut self, feed: &Feed, bytes: Lease, end: u64) {
        let keep = self.tail.len().min(TAIL.saturating_sub(bytes.len()));
        self.tail.drain(..self.tail.len() - keep);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        self.deliver(feed, bytes, end);
    }

    /// Delivers lines before `end`; the tail is what lies before it already.
    fn deliver(&mut self, feed: &Feed, bytes: Lease, end: u64) {
        let origin = Origin {
            conn: self.conn,
            first_line: self.next_line,
            end_offset: end,
            check: crc32c(&self.tail),
            arrival: feed.now(),
            reading: Reading::Configured,
        };
        self.next_line += feed.deliver(bytes, origin);
        (self.offset, self.searched) = (end, end);
    }

    /// Whether a line has begun that has no end yet.
    fn has_unfinished_line(&self) -> bool {
        self.seen.size > self.offset
    }

    /// What is lost if its content is gone now: what was there at the last look and not read, and of what came
    /// since then, which nobody has seen, as much as came between two looks.
    pub(super) fn unread(&self) -> Unread {
        let bytes = self.seen.size.saturating_sub(self.offset);
        let read = self.next_line - 1;
        let line_bytes = (self.offset - self.start).checked_div(read).unwrap_or(0).max(1);
        let lines = if read > 0 { (bytes + self.grows).div_ceil(line_bytes) } else { 0 };
        // The unfinished line is counted as one that was refused.
        let lines_at_most = lines.saturating_sub(u64::from(self.has_unfinished_line()));
        Unread { bytes, lines_at_most }
    }

    /// Closes it until something happens to it.
    pub(super) fn park(&mut self, feed: &Feed) {
        let settled = (self.offset, crc32c(&self.tail));
        feed.intake.conns.retrack(self.conn, |track| (track.file, track.settled) = (None, Some(settled)));
        self.file = None;
    }

    /// It is open again; whoever wrote to it meanwhile is found out by the next look.
    pub(super) fn unpark(&mut self, feed: &Feed, file: File) {
        let file = Arc::new(file);
        feed.intake.conns.retrack(self.conn, |track| track.file = Some(Arc::clone(&file)));
        (self.file, self.at_end) = (Some(file), false);
    }

    /// It was found under another name.
    pub(super) fn rename(&mut self, feed: &Feed, path: PathBuf) {
        let name = path.display().to_string();
        feed.intake.conns.retrack(self.conn, |track| track.path = name);
        self.path = path;
    }

    /// The file has been renamed or removed and nobody writes to it any more: its last line counts as
    /// one, LF or not.
    pub(super) fn finish(mut self, feed: &Feed) {
        if let Some(file) = self.file.take().filter(|_| self.has_unfinished_line()) {
            let mut bytes = feed.buffer();
            if pread(&file, spare_capacity(&mut bytes), self.offset).is_ok() {
                let end = self.seen.size;
                bytes.truncate((end - self.offset).min(feed.line() as u64 + 2) as usize);
                self.hand_over(feed, bytes, end);
            }
        }
        self.abandon(feed);
    }

    /// Its content is gone: so is the end of an unfinished line.
    pub(super) fn abandon(self, feed: &Feed) {
        feed.count(Told::PartialLines, u64::from(self.has_unfinished_line()));
        feed.closed(self.conn);
    }
}
