//! Sources of type `file`: growing files, followed through rotation.
//!
//! In: a pattern, positions to resume from. Out: whole lines; the positions of all files in the table of
//! connections. It polls: a look at an idle file costs a system call ten times a second at most, and
//! files at which nothing happens are closed and only looked at with the pattern.
//!
//! - renamed: the file stays open and is read to its end before the new one at its path is begun, and
//!   while somebody writes to it; only then its last line may lack its LF;
//! - cut or rewritten in place (copy-truncate): seen by size, or by the bytes before the position; read
//!   from its beginning as a new file. What was written between the last look and the cut is lost, by
//!   the nature of that way to rotate: that is said, and counted where it was seen. The pattern must not
//!   match the copies;
//! - removed and made again: another inode, or the same inode with other bytes before the position.

mod book;
mod followed;
mod identity;
mod search;
#[cfg(test)]
mod simulated;

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memchr::memrchr;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::Bound;
use super::feed::Feed;
use super::left::Left;
use super::tally::Told;
use crate::config::From;
pub use book::{FileBook, FileNote};
use followed::{Followed, Look, Unread};
use identity::FileId;
pub(crate) use identity::FileTrack;
pub use identity::Position;
use search::{Found, Search};
#[cfg(test)]
pub(crate) use simulated::SimulatedFiles;

/// How a file source goes about its work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Open files are looked at this often.
    pub(super) look: Duration,
    /// The pattern is searched this often (less often where that takes long).
    pub(super) scan: Duration,
    /// A file that hasn't grown for this long is closed until it does.
    pub(super) park: Duration,
    /// A renamed or removed file is let go when it hasn't grown for this long.
    pub(super) linger: Duration,
    /// Most files open at once.
    pub(super) most_open: usize,
    /// Most files followed.
    pub(super) most_files: usize,
}

const PACE: Pace = Pace {
    look: Duration::from_millis(100),
    scan: Duration::from_secs(1),
    park: Duration::from_secs(60),
    linger: Duration::from_secs(300),
    most_open: 256,
    most_files: 16_384,
};

pub(super) fn bind(pattern: &str, from: From, resume: &[Position]) -> Bound {
    bind_at_pace(pattern, from, resume, PACE)
}

pub(super) fn bind_at_pace(pattern: &str, from: From, resume: &[Position], pace: Pace) -> Bound {
    let (pattern, resume) = (pattern.to_owned(), resume.to_vec());
    let run = move |feed: Feed| {
        let search = Search::new(&feed.name, &pattern);
        Files { feed, search, pace, followed: Vec::new(), is_full: false, is_crowded: false }
            .run(from, resume);
        // Positions say where it goes on.
        Left::default()
    };
    Bound { address: None, receive_buffer: None, run: Box::new(run) }
}

/// The files of a source.
struct Files {
    feed: Feed,
    search: Search,
    pace: Pace,
    followed: Vec<Followed>,
    /// Some files are not followed because there are too many.
    is_full: bool,
    /// Some files wait for others to be read to their end and closed.
    is_crowded: bool,
}

impl Files {
    fn run(mut self, from: From, resume: Vec<Position>) {
        self.begin(from, resume);
        let mut next_scan = Instant::now() + self.pace.scan;
        while !self.feed.is_stopping() {
            let now = Instant::now();
            if now >= next_scan {
                self.is_crowded = false;
                self.scan(now);
                next_scan = Instant::now() + self.pace.scan.max(now.elapsed() * 20);
            }
            if self.look_at_all(now) {
                continue;
            }
            if self.is_crowded {
                next_scan = now;
            } else {
                self.wait();
            }
        }
    }

    /// Sleeps until the next look, or the stop.
    fn wait(&self) {
        let stop = self.feed.stop.as_fd();
        let timeout = Timespec::try_from(self.pace.look).ok();
        // Interrupted or not: the caller looks.
        let _ = poll(&mut [PollFd::from_borrowed_fd(stop, PollFlags::IN)], timeout.as_ref());
    }

    /// The first search: files with a position go on from it, those renamed meanwhile included.
    fn begin(&mut self, from: From, resume: Vec<Position>) {
        let now = Instant::now();
        let is_first_start = resume.is_empty();
        let found = self.search.scan();
        let mut known: HashMap<FileId, Position> = resume.into_iter().map(|p| (p.id(), p)).collect();
        let mut begun = Vec::new();
        for found in found {
            begun.push((known.remove(&found.id), found));
        }
        for position in known.into_values() {
            self.resume_renamed(&position, now);
        }
        for (position, found) in begun {
            let path = found.path.clone();
            let was_here = position.as_ref().is_some_and(|position| Path::new(&position.path) == path);
            let mut is_cut = false;
            self.follow(found, now, |file, line| match &position {
                Some(position) if position.fits(file) => position.offset,
                None if is_first_start && from == From::End => last_line_end(file, line),
                position => {
                    is_cut = position.is_some();
                    0
                }
            });
            if is_cut && was_here {
                self.was_cut(&path, Unread::default());
            }
        }
    }

    /// A file that no longer matches the pattern may have been renamed while nobody looked.
    fn resume_renamed(&mut self, position: &Position, now: Instant) {
        let path = PathBuf::from(&position.path);
        let Some(file) = self.search.open_renamed(&path, position.id()) else { return };
        if !position.fits(&file) {
            return;
        }
        if let Ok(mut followed) = Followed::new(&self.feed, path, file, position.offset, now) {
            followed.lost_since = Some(now);
            self.followed.push(followed);
        }
    }

    /// Begins to follow a file, from the offset that `start` says.
    fn follow(&mut self, found: Found, now: Instant, start: impl FnOnce(&File, usize) -> u64) {
        if self.followed.len() >= self.pace.most_files {
            if !self.is_full {
                self.is_full = true;
                self.search.tell(format!("more than {} files: the rest is not read", self.pace.most_files));
            }
            return;
        }
        if self.is_open_limit_reached() {
            // What isn't read to its end is opened again later.
            self.is_crowded |= self.park_one(|_| true);
        }
        let Some(file) = self.search.open(&found.path, found.id) else { return };
        let offset = start(&file, self.feed.line());
        let before = self.followed.iter_mut().find(|f| f.path == found.path);
        let predecessor = before.map(|old| {
            // Somebody may still have written to it: it has to be looked at once more.
            old.at_end = false;
            old.conn
        });
        match Followed::new(&self.feed, found.path, file, offset, now) {
            Ok(mut followed) => {
                followed.predecessor = predecessor;
                self.followed.push(followed);
            }
            Err(error) => self.search.tell(format!("a file can't be read: {error}")),
        }
    }

    /// Searches the pattern again: new files, renamed ones, lost ones, closed ones that changed.
    fn scan(&mut self, now: Instant) {
        let mut lost: HashMap<FileId, usize> =
            self.followed.iter().enumerate().map(|(at, followed)| (followed.id, at)).collect();
        // New files first: they have to find those that were at their paths before.
        let (known, new): (Vec<_>, Vec<_>) =
            self.search.scan().into_iter().partition(|found| lost.contains_key(&found.id));
        for found in new {
            self.follow(found, now, |_, _| 0);
        }
        for found in known {
            if let Some(at) = lost.remove(&found.id) {
                self.seen_again(at, found);
            }
        }
        for at in lost.into_values() {
            self.not_found(at, now);
        }
        self.let_go(now);
        self.is_full &= self.followed.len() >= self.pace.most_files;
    }

    fn seen_again(&mut self, at: usize, found: Found) {
        let followed = &mut self.followed[at];
        followed.lost_since = None;
        if followed.path != found.path {
            followed.rename(&self.feed, found.path);
        }
        if followed.file.is_none() && (found.seen != followed.seen || !followed.at_end) {
            self.reopen(at);
        }
    }

    /// It was renamed or removed: a closed one is opened once more, to see whether something was added.
    fn not_found(&mut self, at: usize, now: Instant) {
        let followed = &mut self.followed[at];
        if followed.lost_since.is_none() {
            (followed.lost_since, followed.at_end) = (Some(now), false);
            if followed.file.is_none() {
                self.reopen(at);
            }
        }
    }

    fn reopen(&mut self, at: usize) {
        if self.is_open_limit_reached() && !self.park_one(|followed| followed.at_end) {
            self.is_crowded = true;
            return;
        }
        let followed = &mut self.followed[at];
        let by_name = self.search.open(&followed.path, followed.id);
        match by_name.or_else(|| self.search.open_renamed(&followed.path, followed.id)) {
            Some(file) => followed.unpark(&self.feed, file),
            None => followed.at_end = true,
        }
    }

    fn is_open_limit_reached(&self) -> bool {
        self.followed.iter().filter(|followed| followed.file.is_some()).count() >= self.pace.most_open
    }

    /// Closes the open file that has been idle for longest, of those that `may` be closed.
    fn park_one(&mut self, may: impl Fn(&Followed) -> bool) -> bool {
        let open = self.followed.iter_mut().filter(|followed| followed.file.is_some() && may(followed));
        let idlest = open.min_by_key(|followed| (!followed.at_end, followed.grew));
        idlest.map(|followed| followed.park(&self.feed)).is_some()
    }

    /// Lets go of files that are gone and silent, and closes idle ones.
    fn let_go(&mut self, now: Instant) {
        let Pace { linger, park, .. } = self.pace;
        let silent = |followed: &Followed, time| followed.at_end && now.duration_since(followed.grew) >= time;
        let mut at = 0;
        while at < self.followed.len() {
            let followed = &mut self.followed[at];
            let gone = followed.lost_since.is_some_and(|since| now.duration_since(since) >= linger);
            if gone && silent(followed, linger) {
                let followed = self.followed.swap_remove(at);
                followed.finish(&self.feed);
                continue;
            }
            if followed.file.is_some() && followed.lost_since.is_none() && silent(followed, park) {
                followed.park(&self.feed);
            }
            at += 1;
        }
    }

    /// Reads what is new everywhere; whether there is more.
    fn look_at_all(&mut self, now: Instant) -> bool {
        let mut more = false;
        for at in 0..self.followed.len() {
            if self.feed.is_stopping() {
                return false;
            }
            if !self.has_to_wait(at) {
                more |= self.look_at(at, now);
            }
        }
        more
    }

    /// Whether its predecessor isn't read to its end yet.
    fn has_to_wait(&mut self, at: usize) -> bool {
        let Some(before) = self.followed[at].predecessor else { return false };
        let waits = self.followed.iter().any(|f| f.conn == before && !f.at_end && f.file.is_some());
        if !waits {
            self.followed[at].predecessor = None;
        }
        waits
    }

    fn look_at(&mut self, at: usize, now: Instant) -> bool {
        let followed = &mut self.followed[at];
        match followed.look(&self.feed, now) {
            Ok(Look::More) => true,
            Ok(Look::AtEnd) => false,
            Ok(Look::Replaced) => {
                self.begin_again(at, now);
                true
            }
            Err(error) => {
                self.search.tell(format!("{} can't be read: {error}", followed.path.display()));
                followed.at_end = true;
                followed.park(&self.feed);
                false
            }
        }
    }

    /// Follows what is now in a file from its beginning, as a new one.
    fn begin_again(&mut self, at: usize, now: Instant) {
        let followed = &mut self.followed[at];
        let Some(file) = followed.file.as_ref().and_then(|file| file.try_clone().ok()) else {
            followed.at_end = true;
            return;
        };
        match Followed::new(&self.feed, followed.path.clone(), file, 0, now) {
            Ok(mut new) => {
                new.lost_since = followed.lost_since;
                let (path, unread) = (followed.path.clone(), followed.unread());
                std::mem::replace(followed, new).abandon(&self.feed);
                self.was_cut(&path, unread);
            }
            Err(error) => self.search.tell(format!("a file can't be read: {error}")),
        }
    }

    /// The content of a file was replaced in place.
    fn was_cut(&mut self, path: &Path, unread: Unread) {
        self.feed.count(Told::CutFiles, 1);
        self.feed.count(Told::CutBytes, unread.bytes);
        self.feed.count(Told::CutLines, unread.lines_at_most);
        self.search.tell(format!(
            "{} was cut or rewritten in place: it is read from its beginning, and what had not been read is lost",
            path.display()
        ));
    }
}

/// The end of the last whole line: a line that is being written now counts when it is finished.
fn last_line_end(file: &File, line: usize) -> u64 {
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let length = size.min(line as u64 + 2);
    let mut bytes = vec![0; length as usize];
    match file.read_exact_at(&mut bytes, size - length) {
        Ok(()) => match memrchr(b'\n', &bytes) {
            Some(at) => size - length + at as u64 + 1,
            None if length == size => 0,
            None => size,
        },
        Err(_) => size,
    }
}
