//! The frame: length, checksum chained to the previous frame, version, kind, epoch, dense sequence, body.
//!
//! ```text
//! len u32 | crc32c u32 | version u8 | kind u8 | epoch u64 | seq u64 | body (len - 18 bytes)
//! ```
//! Little endian. `len` counts from `version`; the checksum covers the previous frame's checksum and
//! the same bytes, so that a stale frame left in a recycled file never fits.

/// Version of the frame form.
pub const FRAME_VERSION: u8 = 1;
/// No body is larger: a length beyond it is damage, not a reason to allocate.
pub const MAX_BODY_BYTES: usize = 1 << 30;

const PREFIX_BYTES: usize = 8;
const HEAD_BYTES: usize = 18;

/// What a frame carries. A new kind is one line here and one in `CODES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A daemon's start: boot id and host.
    Boot,
    /// An alarm record, written before it is sent.
    Alarm,
    /// A change marker.
    Mark,
    /// The whole state.
    Checkpoint,
    /// The first frame of a segment: its number and what it follows. The journal's own.
    Head,
    /// What one commit changes.
    Commit,
    /// A set of Parquet files that is about to be written.
    Rolling,
    /// That set is written.
    Rolled,
    /// How far acknowledged senders have come.
    Senders,
    /// Which files are followed.
    Files,
    /// What the kernel has dropped so far.
    Tally,
    /// How much of the segment was durable when this was written. The journal's own.
    Synced,
}

impl FrameKind {
    const CODES: [(FrameKind, u8); 12] = [
        (FrameKind::Boot, 1),
        (FrameKind::Alarm, 2),
        (FrameKind::Mark, 3),
        (FrameKind::Checkpoint, 4),
        (FrameKind::Head, 5),
        (FrameKind::Commit, 6),
        (FrameKind::Rolling, 7),
        (FrameKind::Rolled, 8),
        (FrameKind::Senders, 9),
        (FrameKind::Files, 10),
        (FrameKind::Tally, 11),
        (FrameKind::Synced, 12),
    ];

    fn code(self) -> u8 {
        let known = FrameKind::CODES.iter().find(|(kind, _)| *kind == self);
        known.expect("every kind has a code, a test says so").1
    }

    fn from_code(code: u8) -> Option<FrameKind> {
        FrameKind::CODES.iter().find(|(_, known)| *known == code).map(|(kind, _)| *kind)
    }

    /// Whether the frame is the journal's own business and not shown to those who read it back.
    pub(super) fn is_internal(self) -> bool {
        matches!(self, FrameKind::Head | FrameKind::Synced)
    }
}

/// A frame as read back. The body lies in the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: FrameKind,
    /// The daemon's start that wrote it, counted from 1.
    pub epoch: u64,
    /// Dense within a segment, from 1.
    pub seq: u64,
    /// The content; the journal doesn't know what it means.
    pub body: &'a [u8],
}

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Every byte belonged to a whole frame.
    Clean,
    /// The last frame is cut short: a write that did not finish.
    Torn,
    /// A whole frame does not fit its checksum or sequence.
    Damaged,
    /// A frame fits its checksum but is of a version or kind that a later ebbd writes.
    Newer,
}

/// Where the chain stands: what the next frame has to continue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The checksum of the last frame; 0 before the first.
    pub crc: u32,
    /// The number of the last frame; 0 before the first.
    pub seq: u64,
}

impl Chain {
    /// Appends one frame to `out`. Bodies over [`MAX_BODY_BYTES`] could not be read back: the caller
    /// refuses them.
    pub fn encode(&mut self, kind: FrameKind, epoch: u64, body: &[u8], out: &mut Vec<u8>) {
        let length = u32::try_from(HEAD_BYTES + body.len()).expect("bodies stay below a GiB");
        self.seq += 1;
        let start = out.len();
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&[FRAME_VERSION, kind.code()]);
        out.extend_from_slice(&epoch.to_le_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(body);
        self.crc = chained(self.crc, &out[start + PREFIX_BYTES..]);
        out[start + 4..start + PREFIX_BYTES].copy_from_slice(&self.crc.to_le_bytes());
    }

    /// Reads the next frame from the front of `bytes` and says how many bytes it took.
    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<(Frame<'a>, usize), Tail> {
        let prefix = bytes.get(..PREFIX_BYTES).ok_or(Tail::Torn)?;
        let length = le_u32(&prefix[..4]) as usize;
        if !(HEAD_BYTES..=HEAD_BYTES + MAX_BODY_BYTES).contains(&length) {
            return Err(Tail::Damaged);
        }
        let content = bytes.get(PREFIX_BYTES..PREFIX_BYTES + length).ok_or(Tail::Torn)?;
        let crc = chained(self.crc, content);
        let (epoch, seq) = (le_u64(&content[2..10]), le_u64(&content[10..18]));
        if crc != le_u32(&prefix[4..]) {
            return Err(Tail::Damaged);
        }
        let kind = FrameKind::from_code(content[1]).filter(|_| content[0] == FRAME_VERSION);
        let kind = kind.ok_or(Tail::Newer)?;
        if seq != self.seq + 1 {
            return Err(Tail::Damaged);
        }
        (self.crc, self.seq) = (crc, seq);
        Ok((Frame { kind, epoch, seq, body: &content[HEAD_BYTES..] }, PREFIX_BYTES + length))
    }
}

/// The frames at the front of some bytes, one after the other, until they end or stop making sense.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
    chain: Chain,
    tail: Tail,
}

impl<'a> Frames<'a> {
    /// Reads from the start of a segment.
    pub fn of(bytes: &'a [u8]) -> Frames<'a> {
        Frames { bytes, at: 0, chain: Chain::default(), tail: Tail::Clean }
    }

    /// Bytes that the frames read so far take.
    pub fn good_bytes(&self) -> usize {
        self.at
    }

    /// Why the frames ended; [`Tail::Clean`] while they go on.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Where the chain stands behind the frames read so far.
    pub fn end(&self) -> Chain {
        self.chain
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        if self.at == self.bytes.len() || self.tail != Tail::Clean {
            return None;
        }
        match self.chain.decode(&self.bytes[self.at..]) {
            Ok((frame, taken)) => {
                self.at += taken;
                Some(frame)
            }
            Err(tail) => {
                self.tail = tail;
                None
            }
        }
    }
}

fn chained(previous: u32, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&previous.to_le_bytes()), content)
}

fn le_u32(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, &b| value << 8 | u32::from(b))
}

fn le_u64(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &b| value << 8 | u64::from(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(bodies: &[Vec<u8>]) -> Vec<u8> {
        let (mut chain, mut bytes) = (Chain::default(), Vec::new());
        for body in bodies {
            chain.encode(FrameKind::Alarm, 3, body, &mut bytes);
        }
        bytes
    }

    /// The bodies, the bytes they take and how they end.
    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, usize, Tail) {
        let mut frames = Frames::of(bytes);
        let bodies = frames.by_ref().map(|frame| frame.body.to_vec()).collect();
        (bodies, frames.good_bytes(), frames.tail())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let bytes = written(&bodies);
            prop_assert_eq!(read(&bytes), (bodies, bytes.len(), Tail::Clean));
        }

        #[test]
        fn a_cut_or_a_flipped_bit_costs_only_what_follows(cut in 0usize..200, bit in 0usize..1600) {
            let bodies: Vec<Vec<u8>> = (0..5u8).map(|n| vec![n; 14]).collect();
            let bytes = written(&bodies);
            prop_assert_eq!(read(&bytes[..cut.min(bytes.len())]).0.len(), cut.min(bytes.len()) / 40);
            let mut flipped = bytes.clone();
            flipped[bit / 8 % bytes.len()] ^= 1 << (bit % 8);
            let (kept, _, tail) = read(&flipped);
            prop_assert!(tail != Tail::Clean);
            prop_assert_eq!(kept.len(), bit / 8 % bytes.len() / 40);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&bytes).1 <= bytes.len());
        }
    }

    #[test]
    fn a_frame_of_another_chain_does_not_fit() {
        let first = written(&[b"a".to_vec(), b"b".to_vec()]);
        let other = written(&[b"x".to_vec(), b"y".to_vec()]);
        let mixed: Vec<u8> = first[..27].iter().chain(&other[27..]).copied().collect();
        assert_eq!(read(&mixed), (vec![b"a".to_vec()], 27, Tail::Damaged));
    }

    #[test]
    fn every_kind_has_its_code_and_a_later_one_is_told_from_damage() {
        for (kind, code) in FrameKind::CODES {
            assert_eq!((kind.code(), FrameKind::from_code(code)), (code, Some(kind)));
        }
        let mut bytes = written(&[b"a".to_vec()]);
        bytes[PREFIX_BYTES + 1] = 99;
        assert_eq!(read(&bytes).2, Tail::Damaged);
        let crc = chained(0, &bytes[PREFIX_BYTES..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read(&bytes).2, Tail::Newer);
    }
}
