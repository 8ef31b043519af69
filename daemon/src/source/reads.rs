//! What was read of senders that do not send again, twice: by source threads in a file that outlives the
//! process, and by commits. After a crash the difference is what was lost.
//!
//! In: lines on their way to a lane; commits. Out: for each source the lines that had been read and are in no
//! commit, exactly, and how many more the kernel may have held, as a bound. Must not know: why there was a
//! crash, the journal.
//!
//! Both sides leave out lines that come again by themselves: those of followed files, of HTTP, and of
//! acknowledged senders that have a name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ebbd_core::aggregate::{Crash, Order, Step};
use ebbd_core::model::{ConnId, SourceId, TimeUs};
use serde::{Deserialize, Serialize};

use crate::config::{SourceConfig, SourceKind};
use crate::sys::{Slot, SlotFile, Slots, WORDS, Words};

/// More sockets than were configured may be inherited: slots that wait for them.
const SPARE_SLOTS: usize = 8;
/// A source that had to wait for lanes within this time before its last line may have left the kernel full.
const HELD_US: u64 = 1_000_000;
const SECOND_US: u64 = 1_000_000;
/// The highest rate fades by this part with each second that has lines.
const FADES_BY: u64 = 64;

/// What each number of a slot is.
mod word {
    /// Lines read, ever.
    pub(super) const LINES: usize = 0;
    /// Their bytes.
    pub(super) const BYTES: usize = 1;
    /// Datagrams that the kernel was seen to drop, ever.
    pub(super) const KERNEL_DATAGRAMS: usize = 2;
    /// Connections or sockets that are open.
    pub(super) const OPEN: usize = 3;
    /// What the kernel holds for each of them at most, in bytes.
    pub(super) const BUFFER: usize = 4;
    /// When the last line was read, in microseconds.
    pub(super) const AT: usize = 5;
    /// The second of the last line, the lines in it, and the most lines in any second lately.
    pub(super) const SECOND: usize = 6;
    pub(super) const IN_SECOND: usize = 7;
    pub(super) const PEAK: usize = 8;
    /// When the source last had to wait for lanes.
    pub(super) const HELD_AT: usize = 9;
    /// The socket, and how many datagrams the kernel had dropped at it when it was looked at last.
    pub(super) const COOKIE: usize = 10;
    pub(super) const DROPS: usize = 11;
}

/// What was read of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Lines, of senders that do not send again.
    pub lines: u64,
    /// Datagrams that the kernel dropped.
    pub kernel_datagrams: u64,
}

/// What commits have of what was read.
#[derive(Clone, Debug)]
pub struct ReadBook {
    /// By source; none for those whose lines all come again.
    names: Vec<Option<String>>,
    reads: Vec<Read>,
}

impl ReadBook {
    /// Nothing was read of these sources.
    pub fn new(sources: &[SourceConfig]) -> ReadBook {
        let name = |source: &SourceConfig| is_tallied(source).then(|| source.spec.name.clone());
        ReadBook { names: sources.iter().map(name).collect(), reads: vec![Read::default(); sources.len()] }
    }

    /// Goes on from what was saved, perhaps of other sources.
    pub fn restore(&mut self, saved: &BTreeMap<String, Read>) {
        for (name, read) in self.names.iter().zip(&mut self.reads) {
            *read = name.as_ref().and_then(|name| saved.get(name)).copied().unwrap_or_default();
        }
    }

    /// What is to be saved with the state that has all steps so far.
    pub fn save(&self) -> BTreeMap<String, Read> {
        let named = self.names.iter().zip(&self.reads);
        named.filter_map(|(name, read)| Some((name.clone()?, *read))).collect()
    }

    /// Takes in a step before it is applied. `comes_again` says which connections send again what is not
    /// counted.
    pub fn step(&mut self, step: &Step, comes_again: impl Fn(ConnId) -> bool) {
        for order in &step.orders {
            if let Order::Crash(crash) = order {
                self.add(crash.source, crash.lines, 0);
            }
        }
        for (source, told) in &step.told {
            let lines = told.dropped_queue_lines + told.too_long_lines + told.partial_lines;
            self.add(*source, lines, told.kernel_datagrams);
        }
        for position in step.deltas.iter().flat_map(|delta| &delta.positions) {
            if self.knows(position.source) && !comes_again(position.conn) {
                self.add(position.source, position.next_line - position.first_line, 0);
            }
        }
    }

    fn knows(&self, source: SourceId) -> bool {
        self.names.get(source.index()).is_some_and(Option::is_some)
    }

    fn add(&mut self, source: SourceId, lines: u64, kernel_datagrams: u64) {
        if let Some(read) = self.reads.get_mut(source.index()) {
            read.lines += lines;
            read.kernel_datagrams += kernel_datagrams;
        }
    }
}

/// Whether lines of a source are lost in a crash, unless their sender has a name.
fn is_tallied(source: &SourceConfig) -> bool {
    !matches!(source.kind, SourceKind::File { .. } | SourceKind::Http { .. })
}

/// What an earlier run left, compared with what commits have of it.
#[derive(Debug, Default)]
pub struct Lost {
    /// By source.
    pub crashes: Vec<Crash>,
    /// Why what was lost cannot be told; none if it can.
    pub unknown: Option<&'static str>,
}

/// When an earlier run was, and how it ended.
#[derive(Clone, Copy, Debug)]
pub struct EarlierRun {
    /// Its last commit.
    pub until: TimeUs,
    /// Whether it ended in order: then nothing was lost.
    pub ended_in_order: bool,
}

/// The tallies of all source threads.
#[derive(Debug, Default)]
pub struct ReadTallies {
    /// By slot; the source, and the numbers to begin with.
    slots: Vec<(SourceId, Slot, Words)>,
    /// Slots that were given away, by source.
    given: Vec<AtomicUsize>,
    /// By source: datagrams that the kernel dropped and no commit has.
    kernel_datagrams: Vec<u64>,
    /// How many datagrams were dropped at sockets of the earlier run, by their cookies.
    sockets: BTreeMap<u64, u32>,
    is_failing: Arc<AtomicBool>,
}

impl ReadTallies {
    /// Compares the tallies that an earlier run left at `path` with what its commits have, and begins new
    /// ones there that go on from them. What is said to be lost is to be in the next commit.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn begin(
        path: &Path,
        sources: &[SourceConfig],
        saved: &BTreeMap<String, Read>,
        earlier: Option<EarlierRun>,
        now: TimeUs,
    ) -> std::io::Result<(ReadTallies, Lost)> {
        let (left, mut unknown) = match Slots::read(path)? {
            Some(slots) if slots.is_of_this_boot => (slots, None),
            Some(_) => (Slots::default(), Some("the machine was started anew since")),
            None => (Slots::default(), Some("no tally of it is left")),
        };
        let mut tallies = ReadTallies { sockets: sockets(&left), ..ReadTallies::default() };
        let (mut crashes, mut named) = (Vec::new(), Vec::new());
        for source in sources {
            let committed = saved.get(&source.spec.name).copied().unwrap_or_default();
            let own = left.named.iter().filter(|(name, _)| *name == source.spec.name);
            let before = together(own.map(|(_, words)| words)).unwrap_or_default();
            if before[word::LINES] < committed.lines {
                unknown.get_or_insert("the tally of it is not whole");
            }
            let begins = going_on(&before, committed);
            let crash = Crash {
                source: source.spec.id,
                at: TimeUs(before[word::AT] as i64).max(earlier.map_or(now, |run| run.until)).min(now),
                lines: begins[word::LINES] - committed.lines,
                unread_lines_at_most: before[word::OPEN],
            };
            crashes.extend((crash.lines + crash.unread_lines_at_most > 0).then_some(crash));
            tallies.kernel_datagrams.push(begins[word::KERNEL_DATAGRAMS] - committed.kernel_datagrams);
            if is_tallied(source) {
                named.push((source, begins));
                named.extend(std::iter::repeat_n((source, [0; WORDS]), slots_of(source) - 1));
            }
        }
        tallies.given = sources.iter().map(|_| AtomicUsize::new(0)).collect();
        tallies.make(path, &named)?;
        let was_crash = earlier.is_some_and(|run| !run.ended_in_order);
        Ok((tallies, Lost { crashes, unknown: unknown.filter(|_| was_crash) }))
    }

    fn make(&mut self, path: &Path, named: &[(&SourceConfig, Words)]) -> std::io::Result<()> {
        let slots: Vec<_> = named.iter().map(|(source, words)| (source.spec.name.clone(), *words)).collect();
        let file = SlotFile::create(path, &slots)?;
        let slot =
            |(at, (source, words)): (usize, &(&SourceConfig, Words))| (source.spec.id, file.slot(at), *words);
        self.slots = named.iter().enumerate().map(slot).collect();
        Ok(())
    }

    /// A tally for one thread of a source; none if its lines come again by themselves.
    pub(super) fn of(&self, source: SourceId) -> Option<Arc<ReadTally>> {
        let taken = self.given.get(source.index())?.fetch_add(1, Ordering::Relaxed);
        let (_, slot, words) = self.slots.iter().filter(|(id, ..)| *id == source).nth(taken)?;
        Some(Arc::new(ReadTally {
            slot: slot.clone(),
            words: words.map(AtomicU64::new),
            is_failing: Arc::clone(&self.is_failing),
        }))
    }

    /// Datagrams of a source that the kernel dropped before, and that no commit has.
    pub(super) fn kernel_datagrams(&self, source: SourceId) -> u64 {
        self.kernel_datagrams.get(source.index()).copied().unwrap_or(0)
    }

    /// How many datagrams had been dropped at a socket when an earlier run looked at it last.
    pub(super) fn drops(&self, cookie: u64) -> Option<u32> {
        self.sockets.get(&cookie).copied()
    }
}

/// Threads of a source that may want a tally.
fn slots_of(source: &SourceConfig) -> usize {
    match source.kind {
        SourceKind::Udp { options, .. } => options.receivers.max(1) + SPARE_SLOTS,
        _ => 1,
    }
}

/// The numbers that a source begins with.
fn going_on(before: &Words, committed: Read) -> Words {
    let mut begins = [0; WORDS];
    begins[word::LINES] = before[word::LINES].max(committed.lines);
    begins[word::KERNEL_DATAGRAMS] = before[word::KERNEL_DATAGRAMS].max(committed.kernel_datagrams);
    (begins[word::BYTES], begins[word::PEAK]) = (before[word::BYTES], before[word::PEAK]);
    begins
}

fn sockets(left: &Slots) -> BTreeMap<u64, u32> {
    let all = left.named.iter().map(|(_, words)| (words[word::COOKIE], words[word::DROPS] as u32));
    all.filter(|(cookie, _)| *cookie != 0).collect()
}

/// The slots of one source as one: `OPEN` becomes the lines that may have been unread.
fn together<'a>(slots: impl Iterator<Item = &'a Words>) -> Option<Words> {
    let seen = slots.map(|slot| {
        let mut words = *slot;
        words[word::OPEN] = unread_lines_at_most(slot);
        words[word::PEAK] = slot[word::PEAK].max(slot[word::IN_SECOND]);
        words
    });
    seen.reduce(|mut all, one| {
        for sum in [word::LINES, word::BYTES, word::KERNEL_DATAGRAMS, word::OPEN, word::PEAK] {
            all[sum] = all[sum].saturating_add(one[sum]);
        }
        all[word::AT] = all[word::AT].max(one[word::AT]);
        all
    })
}

/// How many lines the kernel may have held that nobody read: what fits, and unless the source was held up not
/// more than came in a second at the highest rate, for it is read within milliseconds.
fn unread_lines_at_most(slot: &Words) -> u64 {
    if slot[word::OPEN] == 0 || slot[word::LINES] == 0 {
        return 0;
    }
    let line_bytes = (slot[word::BYTES] / slot[word::LINES]).max(1);
    let fits = slot[word::OPEN].saturating_mul(slot[word::BUFFER] / line_bytes + 1);
    let was_held = slot[word::HELD_AT] > 0 && slot[word::HELD_AT] + HELD_US >= slot[word::AT];
    let in_a_second = slot[word::PEAK].max(slot[word::IN_SECOND]);
    if was_held { fits } else { fits.min(in_a_second) }
}

/// What one thread of a source has read. Only that thread changes it: that it is made of atomics is for the
/// compiler.
#[derive(Debug)]
pub(super) struct ReadTally {
    slot: Slot,
    words: [AtomicU64; WORDS],
    is_failing: Arc<AtomicBool>,
}

impl ReadTally {
    /// Notes lines before they are on their way to a lane.
    pub(super) fn read(&self, lines: u64, bytes: u64, at: TimeUs) {
        self.add(word::LINES, lines);
        self.add(word::BYTES, bytes);
        let at = u64::try_from(at.0).unwrap_or(0);
        self.set(word::AT, at);
        let second = at / SECOND_US;
        if second != self.get(word::SECOND) {
            let peak = self.get(word::PEAK);
            self.set(word::PEAK, (peak - peak / FADES_BY).max(self.get(word::IN_SECOND)));
            self.set(word::SECOND, second);
            self.set(word::IN_SECOND, 0);
        }
        self.add(word::IN_SECOND, lines);
        self.write();
    }

    /// Notes a connection or socket for which the kernel holds up to `buffer_bytes`.
    pub(super) fn opened(&self, buffer_bytes: usize) {
        self.add(word::OPEN, 1);
        self.set(word::BUFFER, self.get(word::BUFFER).max(buffer_bytes as u64));
        self.write();
    }

    /// Notes the end of one.
    pub(super) fn closed(&self) {
        self.set(word::OPEN, self.get(word::OPEN).saturating_sub(1));
        self.write();
    }

    /// Notes that the source has to wait, so that what comes stays in the kernel.
    pub(super) fn held(&self, at: TimeUs) {
        self.set(word::HELD_AT, u64::try_from(at.0).unwrap_or(0));
        self.write();
    }

    /// Notes that the kernel has dropped `more` datagrams at a socket, `drops` in all.
    pub(super) fn dropped(&self, cookie: u64, drops: u32, more: u64) {
        self.add(word::KERNEL_DATAGRAMS, more);
        self.set(word::COOKIE, cookie);
        self.set(word::DROPS, u64::from(drops));
        self.write();
    }

    fn get(&self, at: usize) -> u64 {
        self.words[at].load(Ordering::Relaxed)
    }

    fn set(&self, at: usize, to: u64) {
        self.words[at].store(to, Ordering::Relaxed);
    }

    fn add(&self, at: usize, more: u64) {
        self.set(at, self.get(at).wrapping_add(more));
    }

    fn write(&self) {
        let words = std::array::from_fn(|at| self.get(at));
        if let Err(error) = self.slot.write(&words)
            && !self.is_failing.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("what a crash would lose could not be told any more: {error}");
        }
    }
}
