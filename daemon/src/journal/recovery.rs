//! What earlier runs left: which segments there are, how they hang together, and their frames.
//!
//! In: the journal's directory. Out: [`Recovered`]. Nothing is changed by looking; what is torn, damaged,
//! foreign or missing is told as data. Must not know: what bodies mean, how segments are written.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{Chain, Frame, FrameKind, Frames, Tail};
use super::head::{Head, Previous};
use super::legacy;
use super::segment::{self, Rest, Survey};
use crate::sys::Disk;

/// Why the journal cannot be taken up. Nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// A later version wrote it.
    #[error("{} was written by a later ebbd: start that one", .0.display())]
    Newer(PathBuf),
    /// Segments of two data directories lie in one.
    #[error("{} and {} belong to different data directories: move away what does not belong here",
        .0.display(), .1.display())]
    Foreign(PathBuf, PathBuf),
    /// The disk refused.
    #[error("{0}")]
    Disk(#[from] io::Error),
}

/// How a segment hangs together with the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It goes on exactly where the one before it ended.
    Follows,
    /// It begins with everything: there is nothing before it, or what is before it ended with a failure.
    Fresh,
    /// The one before it is missing, damaged or another one. It can only be read from its own checkpoint;
    /// what was in between is lost.
    Broken,
}

/// A kept segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its number; 0 for the file of the release before segments.
    pub number: u64,
    /// Where it lies.
    pub path: PathBuf,
    /// How it hangs together with the one before it.
    pub link: Link,
    /// The epoch of its last frame.
    pub epoch: u64,
    /// Frames that can be read, the journal's own included.
    pub frames: u64,
    /// The bytes that they take.
    pub good_bytes: u64,
    /// The text of the configuration that wrote it; empty if it is not known.
    pub config: String,
    /// The kind of its last frame.
    pub(super) last: Option<FrameKind>,
    /// Where its chain ends.
    pub(super) end: Chain,
    /// Whether bytes follow that are to be cut off.
    pub(super) has_rest: bool,
}

/// What earlier runs left.
pub struct Recovered {
    disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    /// The kept segments, oldest first.
    pub segments: Vec<Segment>,
    /// The epoch of the last run; 0 if there was none.
    pub epoch: u64,
    /// Bytes of unfinished writes at the end of the newest segment.
    pub torn_bytes: u64,
    /// Segments that are damaged and were not known to be: a copy is set aside once the journal begins anew.
    pub damaged: Vec<PathBuf>,
    /// Numbers of segments that should be there and are not.
    pub missing: Vec<u64>,
    /// Numbers of segments that were not known not to go on from the one before them.
    pub broken: Vec<u64>,
    /// Drawn once for a data directory; none if this is its first run.
    pub(super) journal: Option<u64>,
    /// Segments that an older release has overtaken, by number.
    pub(super) overtaken: Vec<u64>,
    /// Numbers of segments with a broken link.
    pub(super) breaks: Vec<u64>,
    /// Damaged segments of which nothing can be read.
    pub(super) unreadable: Vec<PathBuf>,
    /// Whether the file of the release before segments is there.
    pub(super) has_legacy: bool,
}

/// The bytes of a segment, for its frames to lie in.
pub struct SegmentBytes(Vec<u8>);

impl SegmentBytes {
    /// The frames, in order, without those that are the journal's own.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        Frames::of(&self.0).filter(|frame| !frame.kind.is_internal())
    }
}

impl Recovered {
    /// Reads one segment: what can be read of it.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn read(&self, segment: &Segment) -> io::Result<SegmentBytes> {
        let mut bytes = self.disk.read(&segment.path)?;
        bytes.truncate(usize::try_from(segment.good_bytes).unwrap_or(usize::MAX));
        Ok(SegmentBytes(bytes))
    }

    /// The newest segment.
    pub fn newest(&self) -> Option<&Segment> {
        self.segments.last()
    }

    /// The segments that go on from one another up to the newest: replaying begins with the checkpoint of
    /// the first of them. What stands before has no whole way to the present.
    pub fn unbroken(&self) -> &[Segment] {
        let first = self.segments.iter().rposition(|segment| segment.link != Link::Follows);
        &self.segments[first.unwrap_or(0)..]
    }

    /// Whether the last run ended in order: nothing follows its checkpoint.
    pub fn ended_in_order(&self) -> bool {
        self.newest().is_none_or(|newest| newest.last == Some(FrameKind::Checkpoint))
            && self.damaged.is_empty()
    }
}

/// Looks at what lies in `dir` (made if absent).
///
/// # Errors
/// [`RecoverError`]; damage is none.
pub fn recover(disk: Arc<dyn Disk>, dir: &Path) -> Result<Recovered, RecoverError> {
    disk.make_dir(dir)?;
    let mut recovered = Recovered {
        disk: Arc::clone(&disk),
        dir: dir.to_owned(),
        segments: Vec::new(),
        epoch: 0,
        torn_bytes: 0,
        damaged: Vec::new(),
        missing: Vec::new(),
        broken: Vec::new(),
        journal: None,
        overtaken: Vec::new(),
        breaks: Vec::new(),
        unreadable: Vec::new(),
        has_legacy: false,
    };
    let mut numbered: Vec<(u64, PathBuf)> =
        disk.list(dir)?.into_iter().filter_map(|path| Some((segment::number(&path)?, path))).collect();
    numbered.sort();
    let mut found = Vec::with_capacity(numbered.len());
    for (number, path) in numbered {
        let mut survey = segment::survey(&disk.read(&path)?);
        if survey.rest == Rest::Newer {
            return Err(RecoverError::Newer(path));
        }
        match survey.head.take() {
            Some(head) => found.push(Found { number, path, head, survey }),
            None => recovered.unreadable.push(path),
        }
    }
    recovered.damaged.clone_from(&recovered.unreadable);
    recovered.journal = same_origin(&found)?;
    recovered.hang_together(&found);
    recovered.older_release(disk.as_ref())?;
    Ok(recovered)
}

/// A segment with a head that can be read.
struct Found {
    number: u64,
    path: PathBuf,
    head: Head,
    survey: Survey,
}

impl Found {
    /// What the next one has to name to go on from this one.
    fn end(&self) -> Previous {
        Previous::new(self.number, self.survey.end)
    }
}

/// What marks the directory that all segments are of.
fn same_origin(found: &[Found]) -> Result<Option<u64>, RecoverError> {
    let Some(first) = found.first() else { return Ok(None) };
    match found.iter().find(|other| other.head.journal != first.head.journal) {
        Some(other) => Err(RecoverError::Foreign(first.path.clone(), other.path.clone())),
        None => Ok(Some(first.head.journal)),
    }
}

impl Recovered {
    /// Links the segments and finds what is wrong with them that the newest head doesn't already know.
    fn hang_together(&mut self, found: &[Found]) {
        let known_breaks = found.last().map(|newest| newest.head.breaks.as_slice()).unwrap_or_default();
        for (at, segment) in found.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| &found[before]);
            let link = link(segment, before.zip(self.segments.last().map(|before| before.link)));
            if link == Link::Broken {
                self.breaks.push(segment.number);
                if !known_breaks.contains(&segment.number) {
                    self.broken.push(segment.number);
                    self.missing.extend(before.map_or(0, |before| before.number) + 1..segment.number);
                }
            }
            self.look_at_the_rest(segment, found.get(at + 1));
            self.epoch = self.epoch.max(segment.survey.epoch);
            self.segments.push(kept(segment, link));
        }
    }

    fn look_at_the_rest(&mut self, segment: &Found, next: Option<&Found>) {
        let previous = next.map(|next| next.head.previous);
        match segment.survey.rest {
            // The next one was begun knowing where this one ends.
            _ if previous == Some(Some(segment.end())) => {}
            Rest::Torn(bytes) if next.is_none() => self.torn_bytes = bytes,
            // Its writing had failed; the next one has everything.
            Rest::Torn(_) if previous == Some(None) => {}
            Rest::Torn(_) | Rest::Damaged(_) => self.damaged.push(segment.path.clone()),
            Rest::Nothing | Rest::Newer => {}
        }
    }

    /// Takes the file of the release before segments, if that was the last to run.
    fn older_release(&mut self, disk: &dyn Disk) -> Result<(), RecoverError> {
        let Some(legacy) = legacy::survey(disk, &self.dir)? else { return Ok(()) };
        let path = legacy::path(&self.dir);
        self.has_legacy = true;
        if legacy.tail == Tail::Newer {
            return Err(RecoverError::Newer(path));
        }
        // An orderly stop leaves both, with the same epoch; while segments are written the file is gone.
        let ran_later =
            if self.ended_in_order() { legacy.epoch > self.epoch } else { legacy.epoch >= self.epoch };
        if !self.segments.is_empty() && !ran_later {
            return Ok(());
        }
        self.overtaken = self.segments.drain(..).map(|segment| segment.number).collect();
        (self.epoch, self.torn_bytes) = (legacy.epoch, 0);
        (self.damaged, self.missing) = (self.unreadable.clone(), Vec::new());
        (self.broken, self.breaks) = (Vec::new(), Vec::new());
        match legacy.tail {
            Tail::Torn => self.torn_bytes = legacy.lost_bytes,
            Tail::Damaged => self.damaged.push(path.clone()),
            Tail::Clean | Tail::Newer => {}
        }
        self.segments.push(Segment {
            number: 0,
            path,
            link: Link::Fresh,
            epoch: legacy.epoch,
            frames: legacy.end.seq,
            good_bytes: legacy.good_bytes,
            config: String::new(),
            last: legacy.last,
            end: legacy.end,
            has_rest: legacy.tail != Tail::Clean,
        });
        Ok(())
    }
}

fn link(segment: &Found, before: Option<(&Found, Link)>) -> Link {
    let Some((before, link_before)) = before else { return Link::Fresh };
    match (segment.head.previous, segment.head.bridges) {
        (None, None) => Link::Fresh,
        (Some(previous), _) if previous == before.end() => Link::Follows,
        (None, Some(bridged))
            if before.number == bridged.number && bridged.frames <= before.survey.end.seq =>
        {
            Link::Follows
        }
        // An attempt in vain, as far as one could see then: it bridges the same, and this one all that it does.
        (None, bridged) if before.head.goes_on_from() == bridged => link_before,
        _ => Link::Broken,
    }
}

fn kept(found: &Found, link: Link) -> Segment {
    Segment {
        number: found.number,
        path: found.path.clone(),
        link,
        epoch: found.survey.epoch,
        frames: found.survey.end.seq,
        good_bytes: found.survey.good_bytes,
        config: found.head.config.clone(),
        last: found.survey.last,
        end: found.survey.end,
        has_rest: found.survey.rest != Rest::Nothing,
    }
}
