//! The write side: frames into the open segment, syncs, new segments, old ones removed.
//!
//! In: frames, and when to sync. Out: segments whose order of durability a crash cannot turn round: a new
//! segment gets its name once it is whole and the one before it is synced; an old one goes once the new
//! name is durable. A descriptor on which anything failed is never used again. Must not know: threads,
//! time, what bodies mean.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::frame::{Chain, FrameKind, MAX_BODY_BYTES};
use super::head::{About, Bridged, Head, Previous, drawn};
use super::legacy::{self, remove_if_there};
use super::recovery::Recovered;
use super::reserve::Reserve;
use super::segment::{self, DAMAGED, STAGED};
use crate::sys::{Disk, DiskFile, Mutant, is_made};

/// A frame to be written.
pub type NewFrame = (FrameKind, Vec<u8>);

/// How a new segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Whatever earlier segments may lack stands in front of its checkpoint: reading may begin in them.
    GoesOn,
    /// With its checkpoint, and nothing before it counts.
    Alone,
}

/// The segments of a run.
pub(super) struct SegmentLog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    about: About,
    journal: u64,
    pub(super) epoch: u64,
    /// The number of the newest segment.
    number: u64,
    /// Older segments that are still there, oldest first; 0 is the file of the release before segments.
    kept: Vec<u64>,
    /// Of those: which do not go on from the one before.
    breaks: Vec<u64>,
    /// What the next segment follows; none when it follows nothing.
    previous: Option<Previous>,
    /// The last segment that is whole as far as it says, if nothing could be begun behind it.
    bridged: Option<Bridged>,
    open: Option<Open>,
    reserve: Reserve,
}

struct Open {
    file: Box<dyn DiskFile>,
    head: Head,
    chain: Chain,
    /// Encoded and not yet written.
    buffer: Vec<u8>,
    written_bytes: u64,
    durable_bytes: u64,
    durable_frames: u64,
    /// How much the last note in it says is durable.
    noted_bytes: u64,
}

impl Open {
    fn encode(&mut self, epoch: u64, kind: FrameKind, body: &[u8]) {
        self.chain.encode(kind, epoch, body, &mut self.buffer);
    }

    fn note(&mut self, epoch: u64) {
        if self.noted_bytes < self.durable_bytes {
            self.noted_bytes = self.durable_bytes;
            let note = self.head.note(self.durable_bytes);
            self.encode(epoch, FrameKind::Synced, &note);
        }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.written_bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if is_made(Mutant::NoSync) {
            return Ok(());
        }
        let mut synced = self.file.sync_data();
        if is_made(Mutant::RetrySync) && synced.is_err() {
            synced = self.file.sync_data();
        }
        synced?;
        (self.durable_bytes, self.durable_frames) = (self.written_bytes, self.chain.seq);
        Ok(())
    }
}

impl SegmentLog {
    /// Behind what `recovered` tells; nothing is open yet. Torn and damaged segments are cut to what can
    /// be read of them; of damaged ones a copy is set aside first.
    ///
    /// # Errors
    /// The newest segment could not be made durable.
    pub(super) fn after(disk: Arc<dyn Disk>, recovered: &Recovered, about: About) -> io::Result<SegmentLog> {
        let dir = recovered.dir.clone();
        let mut log = SegmentLog {
            about,
            journal: recovered.journal.unwrap_or_else(drawn),
            epoch: recovered.epoch + 1,
            number: 0,
            kept: recovered.has_legacy.then_some(0).into_iter().collect(),
            breaks: recovered.breaks.clone(),
            previous: None,
            bridged: None,
            open: None,
            reserve: Reserve::of(Arc::clone(&disk), &dir),
            disk,
            dir,
        };
        log.settle(recovered)?;
        let numbers = recovered.segments.iter().map(|segment| segment.number).filter(|number| *number > 0);
        log.kept.extend(recovered.overtaken.iter().copied().chain(numbers));
        log.number = log.highest()?.max(log.kept.iter().copied().max().unwrap_or(0));
        log.previous = recovered
            .newest()
            .filter(|newest| newest.number > 0)
            .map(|newest| Previous::new(newest.number, newest.end));
        Ok(log)
    }

    /// The bytes written to the open segment.
    pub(super) fn bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.written_bytes)
    }

    /// Segments on the disk.
    pub(super) fn segments(&self) -> u64 {
        self.kept.len() as u64 + u64::from(self.open.is_some())
    }

    /// Whether there is a segment to write to.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes frames up; [`SegmentLog::write`] writes them. Frames taken up while nothing is open are lost.
    pub(super) fn take(&mut self, frames: &[NewFrame]) {
        let Some(open) = &mut self.open else { return };
        open.note(self.epoch);
        frames.iter().for_each(|(kind, body)| open.encode(self.epoch, *kind, body));
    }

    /// Writes what was taken up, with one call. An error closes the segment for good.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(super) fn write(&mut self) -> io::Result<()> {
        self.on_open(Open::write)
    }

    /// Makes what is written durable. An error closes the segment for good: a sync that succeeds after one
    /// that failed says nothing.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.on_open(Open::sync)
    }

    fn on_open(&mut self, work: impl FnOnce(&mut Open) -> io::Result<()>) -> io::Result<()> {
        let open = self.open.as_mut().ok_or_else(|| io::Error::other("no segment is open"))?;
        let done = work(open);
        if done.is_err() {
            self.poison();
        }
        done
    }

    fn poison(&mut self) {
        if let Some(open) = self.open.take() {
            self.kept.push(self.number);
            self.bridged = Some(Bridged { number: self.number, frames: open.durable_frames });
        }
        self.previous = None;
    }

    /// Begins a segment that holds `frames` at first: they have to hold everything that matters, because
    /// after a failure nothing before it may count. When this returns it is durable under its name, and what
    /// was taken up before is durable in the one that it follows. Gives its number.
    ///
    /// # Errors
    /// Whatever the disk says. If a segment was open and still is, it can still be written to.
    pub(super) fn begin(&mut self, frames: &[NewFrame], beginning: Beginning) -> io::Result<u64> {
        if self.open.is_some()
            && let Err(error) = self.finish_open()
        {
            // It is closed now, and what begins here doesn't need it.
            tracing::error!("the journal's segment {} cannot be finished: {error}", self.number);
        }
        let staged = match self.stage(frames, beginning) {
            Err(error) if is_full(&error) && self.reserve.spend() => self.stage(frames, beginning)?,
            staged => staged?,
        };
        let old = self.open.take().map(|_| self.number);
        self.kept.extend(old);
        self.number += 1;
        self.bridged = self.previous.take().map(Previous::bridged).or(self.bridged);
        if let Err(error) = self.name() {
            self.kept.push(self.number);
            return Err(error);
        }
        self.bridged = None;
        self.open = Some(staged);
        Ok(self.number)
    }

    /// The end of the open segment is durable before another one refers to it.
    fn finish_open(&mut self) -> io::Result<()> {
        self.write()?;
        if !is_made(Mutant::RotateUnsynced) {
            self.sync()?;
        }
        let open = self.open.as_ref().expect("writing it has just succeeded");
        self.previous = Some(Previous::new(self.number, open.chain));
        Ok(())
    }

    /// Writes the next segment under a name that recovery doesn't look at.
    fn stage(&self, frames: &[NewFrame], beginning: Beginning) -> io::Result<Open> {
        if frames.iter().any(|(_, body)| body.len() > MAX_BODY_BYTES) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the state is too large for a frame"));
        }
        let staged = self.staged(self.number + 1);
        remove_if_there(self.disk.as_ref(), &staged)?;
        let previous = self.previous.filter(|_| beginning == Beginning::GoesOn);
        let bridged = self.bridged.filter(|_| beginning == Beginning::GoesOn && previous.is_none());
        let head = Head::new(self.number + 1, self.journal, previous, &self.breaks);
        let head = head.bridging(bridged).by(&self.about);
        let mut open = Open {
            file: self.disk.create(&staged)?,
            chain: Chain::default(),
            buffer: Vec::new(),
            written_bytes: 0,
            durable_bytes: 0,
            durable_frames: 0,
            noted_bytes: 0,
            head,
        };
        let head = open.head.to_json();
        open.encode(self.epoch, FrameKind::Head, &head);
        frames.iter().for_each(|(kind, body)| open.encode(self.epoch, *kind, body));
        // Behind the beginning stands at once that it was durable: it has no name before it is.
        open.durable_bytes = open.buffer.len() as u64;
        open.note(self.epoch);
        open.write()?;
        open.sync()?;
        Ok(open)
    }

    fn name(&self) -> io::Result<()> {
        let path = segment::path(&self.dir, self.number);
        self.disk.rename_new(&self.staged(self.number), &path)?;
        if is_made(Mutant::UnlinkEarly) {
            return Ok(());
        }
        self.disk.sync_dir(&self.dir).inspect_err(|_| {
            // Whether the name is there after a crash is unknown; a later segment says that it doesn't matter.
            let _ = self.disk.unlink(&path);
        })
    }

    fn staged(&self, number: u64) -> PathBuf {
        segment::beside(&segment::path(&self.dir, number), STAGED)
    }

    /// Removes the segments before `number`, oldest first and one at a time, so that what remains after a
    /// crash has no holes. While nothing is open nothing goes.
    ///
    /// # Errors
    /// Whatever the disk says; what is left is removed the next time.
    pub(super) fn release_before(&mut self, number: u64) -> io::Result<()> {
        let limit = if self.open.is_some() { number.min(self.number) } else { 0 };
        while let Some(oldest) = self.kept.first().copied().filter(|kept| *kept < limit) {
            let path = if oldest == 0 { legacy::path(&self.dir) } else { segment::path(&self.dir, oldest) };
            remove_if_there(self.disk.as_ref(), &path)?;
            if !is_made(Mutant::UnlinkEarly) {
                self.disk.sync_dir(&self.dir)?;
            }
            self.kept.remove(0);
            self.breaks.retain(|broken| *broken > oldest);
        }
        Ok(())
    }

    /// Writes `frames` where the release before segments looks for them.
    pub(super) fn for_the_older_release(&self, frames: &[NewFrame]) -> io::Result<()> {
        legacy::write(self.disk.as_ref(), &self.dir, self.epoch, frames)
    }

    /// Takes space for bad times, if there is enough of it now.
    pub(super) fn refill_reserve(&mut self) {
        self.reserve.refill();
    }

    /// The highest number that any segment's name has ever had here, as far as one can see.
    fn highest(&self) -> io::Result<u64> {
        let base = |path: PathBuf| Some(path.with_file_name(path.file_name()?.to_str()?.get(..18)?));
        let names = self.disk.list(&self.dir)?.into_iter().filter_map(base);
        Ok(names.filter_map(|path| segment::number(&path)).max().unwrap_or(0))
    }

    fn settle(&mut self, recovered: &Recovered) -> io::Result<()> {
        for path in self.disk.list(&self.dir)?.iter().filter(|path| segment::is_staged(path)) {
            remove_if_there(self.disk.as_ref(), path)?;
        }
        for path in &recovered.unreadable {
            self.disk.rename(path, &segment::beside(path, DAMAGED))?;
        }
        let newest = recovered.newest().map(|newest| newest.number);
        for segment in &recovered.segments {
            let is_damaged = recovered.damaged.contains(&segment.path);
            if is_damaged && let Err(error) = self.set_aside(&segment.path) {
                tracing::error!("no copy of {} can be set aside: {error}", segment.path.display());
                continue;
            }
            if segment.number == 0 {
                continue;
            }
            if is_damaged || Some(segment.number) == newest {
                let mut file = self.disk.append(&segment.path)?;
                if segment.has_rest {
                    file.truncate(segment.good_bytes)?;
                }
                // A killed process leaves bytes that are read back and are not durable yet.
                file.sync_all()?;
            }
        }
        self.disk.sync_dir(&self.dir)
    }

    fn set_aside(&self, path: &std::path::Path) -> io::Result<()> {
        let copy = segment::beside(path, DAMAGED);
        remove_if_there(self.disk.as_ref(), &copy)?;
        let bytes = self.disk.read(path)?;
        let mut file = self.disk.create(&copy)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        self.disk.sync_dir(&self.dir)
    }
}

/// Whether the disk has no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
