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

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A daemon's start: boot id and host.
    Boot,
    /// An alarm record, written before it is sent.
    Alarm,
    /// A change marker.
    Mark,
    /// The whole state at an orderly stop.
    Checkpoint,
}

impl FrameKind {
    fn code(self) -> u8 {
        match self {
            FrameKind::Boot => 1,
            FrameKind::Alarm => 2,
            FrameKind::Mark => 3,
            FrameKind::Checkpoint => 4,
        }
    }

    fn from_code(code: u8) -> Option<FrameKind> {
        [FrameKind::Boot, FrameKind::Alarm, FrameKind::Mark, FrameKind::Checkpoint]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// A frame as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it carries.
    pub kind: FrameKind,
    /// The daemon's start that wrote it, counted from 1.
    pub epoch: u64,
    /// Dense within a file, from 1.
    pub seq: u64,
    /// The content, JSON.
    pub body: Vec<u8>,
}

/// Why reading stopped before the end of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Every byte belonged to a whole frame.
    Clean,
    /// The last frame is cut short: a write that did not finish.
    Torn,
    /// A whole frame does not fit its checksum, kind, version or sequence.
    Damaged,
}

/// Where the chain stands: what the next frame has to continue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    crc: u32,
    seq: u64,
}

impl Chain {
    /// Appends one frame to `out`.
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
    fn decode(&mut self, bytes: &[u8]) -> Result<(Frame, usize), Tail> {
        let prefix = bytes.get(..PREFIX_BYTES).ok_or(Tail::Torn)?;
        let length = le_u32(&prefix[..4]) as usize;
        if !(HEAD_BYTES..=HEAD_BYTES + MAX_BODY_BYTES).contains(&length) {
            return Err(Tail::Damaged);
        }
        let content = bytes.get(PREFIX_BYTES..PREFIX_BYTES + length).ok_or(Tail::Torn)?;
        let crc = chained(self.crc, content);
        let kind = FrameKind::from_code(content[1]).ok_or(Tail::Damaged)?;
        let (epoch, seq) = (le_u64(&content[2..10]), le_u64(&content[10..18]));
        if crc != le_u32(&prefix[4..]) || content[0] != FRAME_VERSION || seq != self.seq + 1 {
            return Err(Tail::Damaged);
        }
        (self.crc, self.seq) = (crc, seq);
        Ok((Frame { kind, epoch, seq, body: content[HEAD_BYTES..].to_vec() }, PREFIX_BYTES + length))
    }
}

/// What a journal's bytes hold.
#[derive(Debug)]
pub struct Scan {
    /// The whole frames, in order.
    pub frames: Vec<Frame>,
    /// Bytes that they take; what follows is torn or damaged.
    pub good_bytes: usize,
    /// How the bytes end.
    pub tail: Tail,
}

/// Reads frames from the start until the bytes end or stop making sense.
pub fn scan(bytes: &[u8]) -> Scan {
    let (mut chain, mut frames, mut at) = (Chain::default(), Vec::new(), 0);
    let tail = loop {
        if at == bytes.len() {
            break Tail::Clean;
        }
        match chain.decode(&bytes[at..]) {
            Ok((frame, taken)) => {
                frames.push(frame);
                at += taken;
            }
            Err(tail) => break tail,
        }
    };
    Scan { frames, good_bytes: at, tail }
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

    proptest! {
        #[test]
        fn what_is_written_is_read(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let bytes = written(&bodies);
            let scan = scan(&bytes);
            prop_assert_eq!(scan.tail, Tail::Clean);
            prop_assert_eq!(scan.good_bytes, bytes.len());
            prop_assert_eq!(scan.frames.into_iter().map(|f| f.body).collect::<Vec<_>>(), bodies);
        }

        #[test]
        fn a_cut_or_a_flipped_bit_costs_only_what_follows(cut in 0usize..200, bit in 0usize..1600) {
            let bodies: Vec<Vec<u8>> = (0..5u8).map(|n| vec![n; 14]).collect();
            let bytes = written(&bodies);
            let whole = scan(&bytes[..cut.min(bytes.len())]);
            prop_assert!(whole.frames.len() == cut.min(bytes.len()) / 40);
            let mut flipped = bytes.clone();
            flipped[bit / 8 % bytes.len()] ^= 1 << (bit % 8);
            let read = scan(&flipped);
            prop_assert!(read.tail != Tail::Clean);
            prop_assert_eq!(read.frames.len(), bit / 8 % bytes.len() / 40);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let read = scan(&bytes);
            prop_assert!(read.good_bytes <= bytes.len());
        }
    }

    #[test]
    fn a_frame_of_another_chain_does_not_fit() {
        let first = written(&[b"a".to_vec(), b"b".to_vec()]);
        let other = written(&[b"x".to_vec(), b"y".to_vec()]);
        let mixed: Vec<u8> = first[..27].iter().chain(&other[27..]).copied().collect();
        let read = scan(&mixed);
        assert_eq!((read.frames.len(), read.tail), (1, Tail::Damaged));
    }
}
