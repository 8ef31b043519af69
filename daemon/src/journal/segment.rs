//! One segment: its name, and what its bytes turn out to be.
//!
//! In: a path or bytes. Out: a number, a [`Survey`]. Must not know: other segments, what bodies mean.

use std::path::{Path, PathBuf};

use super::frame::{Chain, FrameKind, Frames, Tail};
use super::head::{Head, Unread};

const SUFFIX: &str = "segment";
/// Behind the name of a segment that is not finished yet.
pub(super) const STAGED: &str = "new";
/// Behind the name of the copy of a damaged segment.
pub(super) const DAMAGED: &str = "damaged";

/// The path of segment `number` in `dir`.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.{SUFFIX}"))
}

/// The same path with `ending` behind it.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// The number in a segment's name; none for other files.
pub(super) fn number(path: &Path) -> Option<u64> {
    let (stem, suffix) = path.file_name()?.to_str()?.split_once('.')?;
    (suffix == SUFFIX && stem.len() == 10).then(|| stem.parse().ok())?
}

/// Whether the file is a segment that never got its name.
pub(super) fn is_staged(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.ends_with(&format!(".{SUFFIX}.{STAGED}")))
}

/// What the bytes of a segment are.
#[derive(Debug)]
pub(super) struct Survey {
    /// Its head; none if that cannot be read.
    pub(super) head: Option<Head>,
    /// Where the chain of whole frames ends.
    pub(super) end: Chain,
    /// The bytes that whole frames take.
    pub(super) good_bytes: u64,
    /// What follows them.
    pub(super) rest: Rest,
    /// The epoch of the last whole frame.
    pub(super) epoch: u64,
    /// The kind of the last frame that is not the journal's own.
    pub(super) last: Option<FrameKind>,
}

/// What follows the whole frames of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing.
    Nothing,
    /// So many bytes of writes that were never told durable.
    Torn(u64),
    /// So many bytes, and some of them had been durable.
    Damaged(u64),
    /// A later ebbd wrote what follows.
    Newer,
}

/// Reads all frames once.
pub(super) fn survey(bytes: &[u8]) -> Survey {
    let (mut frames, mut head, mut epoch, mut last) = (Frames::of(bytes), None, 0, None);
    let mut newer = false;
    for frame in frames.by_ref() {
        if frame.seq == 1 {
            match read_head(frame.kind, frame.body) {
                Ok(read) => head = Some(read),
                Err(unread) => {
                    newer = matches!(unread, Unread::Newer(_));
                    break;
                }
            }
        }
        epoch = frame.epoch;
        last = Some(frame.kind).filter(|kind| !kind.is_internal()).or(last);
    }
    let (good, end) =
        if head.is_some() { (frames.good_bytes(), frames.end()) } else { (0, Chain::default()) };
    let newer = newer || frames.tail() == Tail::Newer;
    let rest = if newer { Rest::Newer } else { rest(head.as_ref(), good, bytes) };
    Survey { head, end, good_bytes: good as u64, rest, epoch, last }
}

fn read_head(kind: FrameKind, body: &[u8]) -> Result<Head, Unread> {
    if kind == FrameKind::Head { Head::read(body) } else { Err(Unread::Damaged) }
}

/// A segment bears its name only with its head durable: one without a head is damaged.
fn rest(head: Option<&Head>, good: usize, bytes: &[u8]) -> Rest {
    let length = (bytes.len() - good) as u64;
    match head {
        Some(_) if length == 0 => Rest::Nothing,
        Some(head) if !head.was_durable_beyond(good as u64, &bytes[good..]) => Rest::Torn(length),
        _ => Rest::Damaged(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> (Vec<u8>, Head) {
        let (mut chain, mut bytes) = (Chain::default(), Vec::new());
        let head = Head::new(3, 1, None, &[]);
        chain.encode(FrameKind::Head, 5, &head.to_json(), &mut bytes);
        chain.encode(FrameKind::Alarm, 5, b"one", &mut bytes);
        chain.encode(FrameKind::Synced, 5, &head.note(bytes.len() as u64), &mut bytes);
        chain.encode(FrameKind::Alarm, 5, b"two", &mut bytes);
        (bytes, head)
    }

    #[test]
    fn a_torn_tail_is_told_from_damage_by_what_had_been_durable() {
        let (bytes, head) = segment();
        let whole = survey(&bytes);
        assert_eq!((whole.head, whole.rest, whole.last), (Some(head), Rest::Nothing, Some(FrameKind::Alarm)));
        assert_eq!((whole.end.seq, whole.epoch), (4, 5));
        let length = bytes.len();
        assert_eq!(survey(&bytes[..length - 1]).rest, Rest::Torn(28));
        let mut flipped = bytes.clone();
        flipped[length - 1] ^= 1;
        assert_eq!(survey(&flipped).rest, Rest::Torn(29));
        flipped[length - 80] ^= 1;
        assert!(
            matches!(survey(&flipped).rest, Rest::Damaged(_)),
            "a note behind it says that it was durable"
        );
        flipped[40] ^= 1;
        assert!(survey(&flipped).head.is_none());
        assert_eq!(survey(&[]).rest, Rest::Damaged(0));
    }

    #[test]
    fn names_are_numbers() {
        let path = path(Path::new("/j"), 42);
        assert_eq!(path, Path::new("/j/0000000042.segment"));
        assert_eq!((number(&path), number(&beside(&path, STAGED))), (Some(42), None));
        assert!(is_staged(&beside(&path, STAGED)) && !is_staged(&path));
        assert_eq!(number(Path::new("/j/state.journal")), None);
    }
}
