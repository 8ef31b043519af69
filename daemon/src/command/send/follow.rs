//! `ebbd send --follow`: growing files to a daemon, for ever. Each file has a name of its own with the
//! daemon, made when the file is first seen and kept with the position up to which its lines are safe, so
//! rotation, restarts on either side and copies lose and double nothing.
//!
//! A last line without LF is sent when it has one. Lines are read again from the kept position, which is why
//! heartbeats, which would not be the same again, go another way.
//!
//! In: a pattern, where positions are kept. Out: lines, heartbeats that say up to when all lines were sent,
//! a goodbye. Must not know: what lines mean.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ebbd_core::decode::{Greeting, Refusal, SenderId};
use ebbd_core::model::TimeUs;
use memchr::{memchr, memrchr};
use serde::{Deserialize, Serialize};

use super::input::{InHand, Piece};
use super::link::{End, Link};
use super::place::{Place, Stream};
use super::{FIRST_PAUSE, Failure, LONGEST_PAUSE, NO, TROUBLE, new_name};

/// Files are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Heartbeats are sent, and positions kept, this often.
const BEAT_EVERY: Duration = Duration::from_secs(10);
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// Bytes of one file that are on their way at most.
const MOST_IN_HAND: usize = 4 * 1024 * 1024;
/// Bytes read at a time; a longer line is cut to this.
const READ: usize = 1024 * 1024;
/// A connection at which nothing happens is closed after this long; a file that is gone is forgotten.
const IDLE: Duration = Duration::from_secs(60);
/// How long a goodbye may take.
const LAST_WORD: Duration = Duration::from_secs(10);
/// Files that are followed at a time.
const FILES: usize = 256;
/// Bytes at a file's beginning by which it is known again.
const HEAD: usize = 256;

/// What is followed.
pub(super) struct Following {
    pub(super) place: Place,
    pub(super) pattern: String,
    /// The sending host.
    pub(super) origin: String,
    pub(super) state: PathBuf,
}

/// A file's position, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    id: SenderId,
    path: PathBuf,
    device: u64,
    inode: u64,
    head_bytes: usize,
    head_crc: u32,
    /// Lines that are safe, and where they end.
    lines: u64,
    offset: u64,
}

/// A file on its way.
struct Flow {
    kept: Kept,
    file: File,
    hand: InHand,
    /// Up to here it was read.
    read: u64,
    link: Option<Link>,
    grew: Instant,
    is_found: bool,
}

struct Follower {
    following: Following,
    flows: Vec<Flow>,
    side: Option<Stream>,
    stop: Arc<AtomicBool>,
    retry_at: Instant,
    pause: Duration,
    is_lost: bool,
}

/// Follows until a signal says stop.
///
/// # Errors
/// What can't go on, with its exit code.
pub(super) fn follow(following: Following) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| (TROUBLE, error.to_string()))?;
    }
    let now = Instant::now();
    let flows = recall(&following.state)?;
    let mut follower =
        Follower { following, flows, side: None, stop, retry_at: now, pause: FIRST_PAUSE, is_lost: false };
    follower.run()
}

impl Follower {
    fn run(&mut self) -> Result<(), Failure> {
        let (mut kept_at, mut beaten_at) = (Instant::now(), None::<Instant>);
        while !self.stop.load(Ordering::Acquire) {
            let through = jiff::Timestamp::now();
            self.scan()?;
            let is_all = self.pass()?;
            if kept_at.elapsed() >= KEEP_EVERY {
                kept_at = Instant::now();
                self.keep()?;
            }
            if is_all && beaten_at.is_none_or(|at| at.elapsed() >= BEAT_EVERY) {
                beaten_at = Some(Instant::now());
                self.beat("heartbeat", through);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let deadline = Instant::now() + LAST_WORD;
        while !self.pass()? && Instant::now() < deadline {
            std::thread::sleep(FIRST_PAUSE);
        }
        self.keep()?;
        self.beat("goodbye", jiff::Timestamp::now());
        Ok(())
    }

    /// Looks for files.
    fn scan(&mut self) -> Result<(), Failure> {
        self.flows.iter_mut().for_each(|flow| flow.is_found = false);
        let pattern = &self.following.pattern;
        let paths =
            glob::glob(pattern).map_err(|error| (super::USAGE, format!("--follow {pattern}: {error}")))?;
        let mut is_new = false;
        for path in paths.flatten() {
            let Ok(kind) = std::fs::symlink_metadata(&path) else { continue };
            if !kind.is_file() {
                continue;
            }
            let own = |flow: &&mut Flow| (flow.kept.device, flow.kept.inode) == (kind.dev(), kind.ino());
            if let Some(flow) = self.flows.iter_mut().find(own) {
                (flow.is_found, flow.kept.path) = (true, path);
            } else if self.flows.len() < FILES
                && let Ok(file) = File::open(&path)
                && let Ok(flow) = Flow::new(path, file)
            {
                self.flows.push(flow);
                is_new = true;
            }
        }
        self.flows.retain(|flow| flow.is_found || !flow.is_done());
        // A name has to outlive whatever is sent under it.
        if is_new { self.keep() } else { Ok(()) }
    }

    /// Sends what is new and takes what is safe. Whether all of all files is.
    fn pass(&mut self) -> Result<bool, Failure> {
        let mut is_all = true;
        for at in 0..self.flows.len() {
            let is_open = Instant::now() >= self.retry_at;
            let flow = &mut self.flows[at];
            if flow.is_replaced() {
                let file = flow.file.try_clone().map_err(|error| (TROUBLE, error.to_string()))?;
                *flow =
                    Flow::new(flow.kept.path.clone(), file).map_err(|error| (TROUBLE, error.to_string()))?;
                return self.keep().map(|()| false);
            }
            flow.read();
            if !is_open || flow.hand.is_empty() && flow.link.is_none() {
                is_all &= flow.hand.is_empty();
                continue;
            }
            match flow.send(&self.following.place) {
                Ok(()) => (self.pause, self.is_lost) = (FIRST_PAUSE, false),
                Err((0, why)) => self.lost(&why),
                Err(failure) => return Err(failure),
            }
            is_all &= self.flows[at].hand.is_empty();
        }
        Ok(is_all)
    }

    /// Tries again a little later each time; says so once.
    fn lost(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_lost, true) {
            eprintln!("ebbd send: {}: {why}; trying again", self.following.place);
        }
        self.retry_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Says something of the host itself, on a connection that needs no acknowledgement: who doesn't hear it
    /// hears the next one.
    fn beat(&mut self, what: &str, through: jiff::Timestamp) {
        let origin = &self.following.origin;
        let through = TimeUs(through.as_microsecond()).to_rfc3339();
        let said = match what {
            "goodbye" => serde_json::json!({"ebbd": what, "origin": origin}),
            _ => serde_json::json!({"ebbd": what, "origin": origin, "through": through, "dropped": 0}),
        };
        let mut side = self.side.take().or_else(|| self.following.place.connect().ok());
        if side.as_mut().is_some_and(|side| writeln!(side, "{said}").is_ok()) {
            self.side = side;
        }
    }

    fn keep(&self) -> Result<(), Failure> {
        let kept: Vec<&Kept> = self.flows.iter().map(|flow| &flow.kept).collect();
        write(&self.following.state, &kept)
            .map_err(|error| (TROUBLE, format!("{}: {error}", self.following.state.display())))
    }
}

impl Flow {
    fn new(path: PathBuf, file: File) -> io::Result<Flow> {
        let (kind, (head_bytes, head_crc)) = (file.metadata()?, head(&file, HEAD)?);
        let id = SenderId::new(&new_name()).expect("letters, digits and a dash");
        let (device, inode) = (kind.dev(), kind.ino());
        let kept = Kept { id, path, device, inode, head_bytes, head_crc, lines: 0, offset: 0 };
        Ok(Flow::of(kept, file))
    }

    fn of(kept: Kept, file: File) -> Flow {
        let (hand, read) = (InHand::behind(kept.lines), kept.offset);
        Flow { kept, file, hand, read, link: None, grew: Instant::now(), is_found: true }
    }

    /// Whether another content has taken its place: it was cut, or written anew.
    fn is_replaced(&mut self) -> bool {
        let size = self.file.metadata().map_or(self.read, |kind| kind.len());
        let now = head(&self.file, self.kept.head_bytes);
        if size < self.read || now.is_ok_and(|now| now != (self.kept.head_bytes, self.kept.head_crc)) {
            return true;
        }
        if self.kept.head_bytes < HEAD
            && let Ok((bytes, crc)) = head(&self.file, HEAD)
        {
            (self.kept.head_bytes, self.kept.head_crc) = (bytes, crc);
        }
        false
    }

    /// Whether nothing of it is left to do: it is gone, and all its lines are safe.
    fn is_done(&self) -> bool {
        self.hand.is_empty() && self.grew.elapsed() >= IDLE
    }

    /// Takes new whole lines in hand.
    fn read(&mut self) {
        while self.hand.bytes() < MOST_IN_HAND
            && self.file.metadata().is_ok_and(|kind| kind.len() > self.read)
        {
            let mut bytes = vec![0; READ];
            let Ok(read) = self.file.read_at(&mut bytes, self.read) else { return };
            bytes.truncate(read);
            let piece = match memrchr(b'\n', &bytes) {
                Some(at) => {
                    bytes.truncate(at + 1);
                    Piece::of(bytes)
                }
                None if read < READ => return,
                None => match self.line_end() {
                    Some(end) => {
                        bytes.push(b'\n');
                        Piece { span: end - self.read, ..Piece::of(bytes) }
                    }
                    None => return,
                },
            };
            self.read += piece.span;
            self.grew = Instant::now();
            self.hand.push(piece);
        }
    }

    /// Where a line ends that is longer than any daemon takes: it is sent cut short, to be refused there.
    fn line_end(&self) -> Option<u64> {
        let (mut at, mut bytes) = (self.read, vec![0; READ]);
        loop {
            let read = self.file.read_at(&mut bytes, at).ok().filter(|read| *read > 0)?;
            if let Some(end) = memchr(b'\n', &bytes[..read]) {
                return Some(at + end as u64 + 1);
            }
            at += read as u64;
        }
    }

    /// Sends what is in hand and takes what is safe. An error with code 0 may be over soon.
    fn send(&mut self, place: &Place) -> Result<(), Failure> {
        if self.link.is_none() {
            let greeting = Greeting { id: Some(self.kept.id.clone()), from: self.hand.first() };
            self.link = Some(Link::open(place, &greeting).map_err(|error| (0, error.to_string()))?);
            self.hand.unsend();
        }
        let Some(link) = &mut self.link else { return Ok(()) };
        while let Some(piece) = self.hand.unsent() {
            if !link.send(piece) {
                break;
            }
            self.hand.sent();
        }
        let heard = link.heard();
        self.kept.offset += self.hand.acked(heard.acked);
        self.kept.lines = self.hand.first() - 1;
        match heard.end {
            None if self.hand.is_empty() && self.grew.elapsed() >= IDLE => self.link = None,
            None => {}
            Some(end) => {
                self.link = None;
                return self.ended(&end);
            }
        }
        Ok(())
    }

    fn ended(&mut self, end: &End) -> Result<(), Failure> {
        let (id, path) = (&self.kept.id, self.kept.path.display());
        match end {
            End::Refused(Refusal::Gap(number)) if self.kept.lines > 0 => {
                let why = format!("{path}: lines behind {number} were forgotten: beginning again");
                (self.kept.lines, self.kept.offset, self.read) = (0, 0, 0);
                self.hand = InHand::default();
                Err((0, why))
            }
            End::Refused(Refusal::TooManyIds) => Err((0, "the daemon remembers too many names".to_owned())),
            End::Refused(refusal) => Err((NO, format!("{path} as {id}: the daemon says {refusal}"))),
            End::Broken(why) => Err((0, why.clone())),
            End::Bye(_) => Ok(()),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(side) = &self.side {
            side.shutdown(Shutdown::Write);
        }
    }
}

/// How many bytes there are at a file's beginning, up to `most`, and their CRC32C.
fn head(file: &File, most: usize) -> io::Result<(usize, u32)> {
    let mut bytes = [0; HEAD];
    let read = file.read_at(&mut bytes[..most.min(HEAD)], 0)?;
    Ok((read, crc32c::crc32c(&bytes[..read])))
}

/// The files whose positions were kept and which are still there, under whatever name.
fn recall(state: &Path) -> Result<Vec<Flow>, Failure> {
    let broken = |why: String| (TROUBLE, format!("{}: {why}", state.display()));
    let text = match std::fs::read(state) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(broken(error.to_string())),
    };
    let all: Vec<Kept> = serde_json::from_slice(&text).map_err(|why| {
        broken(format!("no positions are in it ({why}); remove it to send all files again"))
    })?;
    Ok(all.into_iter().filter_map(find).collect())
}

/// Finds a file again where it was or, renamed, beside it.
fn find(kept: Kept) -> Option<Flow> {
    let beside = kept.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let others = std::fs::read_dir(beside).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut looked_at = HashSet::new();
    let mut paths = std::iter::once(kept.path.clone()).chain(others);
    paths.find_map(|path| {
        let kind = std::fs::symlink_metadata(&path).ok()?;
        let is_it = kind.is_file() && (kind.dev(), kind.ino()) == (kept.device, kept.inode);
        if !is_it || !looked_at.insert(path.clone()) {
            return None;
        }
        let file = File::open(&path).ok()?;
        let same = head(&file, kept.head_bytes).is_ok_and(|now| now == (kept.head_bytes, kept.head_crc));
        (same && kind.len() >= kept.offset).then(|| Flow::of(Kept { path, ..kept.clone() }, file))
    })
}

fn write(path: &Path, kept: &[&Kept]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut staged = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(staged, "{}", serde_json::json!(kept))?;
    staged.as_file().sync_all()?;
    staged.persist(path)?;
    File::open(folder)?.sync_all()
}
