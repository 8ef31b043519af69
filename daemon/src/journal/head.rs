//! The first frame of a segment: which it is, what it follows, who wrote it; and the notes within a segment
//! that tell a torn tail from damage.
//!
//! In: numbers and texts. Out: frame bodies, and the same read back. Must not know: files.

use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};

use super::frame::Chain;

/// The version of the segment form that is written; older ones are read.
const VERSION: u32 = 1;
const MAGIC: &str = "ebbd journal";
const NOTE_BYTES: usize = 20;

/// Who writes the journal.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The daemon's host.
    pub host: String,
    /// The text of the configuration: what the frames' numbers of streams and sources mean.
    pub config: String,
}

/// The head of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    magic: String,
    version: u32,
    /// The segment's own number.
    pub(super) number: u64,
    /// Drawn once for a data directory: segments of another one are told by it.
    pub(super) journal: u64,
    /// Drawn for this segment: nobody outside can write a note that looks like one of its own.
    nonce: u64,
    /// Where the segment before it ended; none for the first, and after a failure, when this one does
    /// not go on from another.
    pub(super) previous: Option<Previous>,
    /// What it goes on from although writing there had failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bridges: Option<Bridged>,
    /// Numbers of kept segments that are known not to go on from the one before them.
    pub(super) breaks: Vec<u64>,
    /// The host that wrote it.
    pub(super) host: String,
    /// The configuration's text.
    pub(super) config: String,
}

/// The end of the segment before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Previous {
    pub(super) number: u64,
    frames: u64,
    crc: u32,
}

/// A segment in which writing failed, or the one before it: whatever may be missing in it is in this one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bridged {
    pub(super) number: u64,
    /// So many of its frames are durable.
    pub(super) frames: u64,
}

impl Previous {
    /// Segment `number` ended at `chain`.
    pub(super) fn new(number: u64, chain: Chain) -> Previous {
        Previous { number, frames: chain.seq, crc: chain.crc }
    }

    /// The same as a segment that nothing more was written to.
    pub(super) fn bridged(self) -> Bridged {
        Bridged { number: self.number, frames: self.frames }
    }
}

/// Why a head cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is no head at all.
    Damaged,
    /// A later version wrote it.
    Newer(u32),
}

#[derive(Deserialize)]
struct Known {
    magic: String,
    version: u32,
}

impl Head {
    /// The head of segment `number` of `journal`, with a nonce of its own.
    pub(super) fn new(number: u64, journal: u64, previous: Option<Previous>, breaks: &[u64]) -> Head {
        Head {
            magic: MAGIC.to_owned(),
            version: VERSION,
            number,
            journal,
            nonce: drawn(),
            previous,
            bridges: None,
            breaks: breaks.to_vec(),
            host: String::new(),
            config: String::new(),
        }
    }

    /// The same, having again what `bridged` may lack.
    pub(super) fn bridging(self, bridges: Option<Bridged>) -> Head {
        Head { bridges, ..self }
    }

    /// The same, signed by `about`.
    pub(super) fn by(self, about: &About) -> Head {
        Head { host: about.host.clone(), config: about.config.clone(), ..self }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a head holds nothing that JSON cannot say")
    }

    pub(super) fn read(body: &[u8]) -> Result<Head, Unread> {
        let known: Known = serde_json::from_slice(body).map_err(|_| Unread::Damaged)?;
        if known.magic != MAGIC {
            return Err(Unread::Damaged);
        }
        if known.version > VERSION {
            return Err(Unread::Newer(known.version));
        }
        serde_json::from_slice(body).map_err(|_| Unread::Damaged)
    }

    /// The segment that it goes on from, and how much of that it counts on.
    pub(super) fn goes_on_from(&self) -> Option<Bridged> {
        self.bridges.or(self.previous.map(Previous::bridged))
    }

    /// A note that the segment's first `durable_bytes` are durable.
    pub(super) fn note(&self, durable_bytes: u64) -> [u8; NOTE_BYTES] {
        let mut note = [0; NOTE_BYTES];
        note[..8].copy_from_slice(&self.nonce.to_le_bytes());
        note[8..16].copy_from_slice(&durable_bytes.to_le_bytes());
        let crc = crc32c::crc32c(&note[..16]);
        note[16..].copy_from_slice(&crc.to_le_bytes());
        note
    }

    /// Whether a note anywhere in `rest`, which begins at `offset` of the segment, says that something
    /// behind `offset` had been durable. Then what cannot be read there is damage, not a write cut short.
    pub(super) fn was_durable_beyond(&self, offset: u64, rest: &[u8]) -> bool {
        let nonce = self.nonce.to_le_bytes();
        memchr::memmem::find_iter(rest, &nonce).any(|at| {
            let Some(note) = rest.get(at..at + NOTE_BYTES) else { return false };
            let durable = note[8..16].iter().rev().fold(0, |value, &b| value << 8 | u64::from(b));
            durable > offset && self.note(durable) == note
        })
    }
}

/// A number that nobody outside can foresee.
pub(super) fn drawn() -> u64 {
    #[cfg(test)]
    if super::is_inline() {
        return 7;
    }
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back_and_a_later_one_is_told() {
        let about = About { host: "shop-1".to_owned(), config: "lanes = 2\n".to_owned() };
        let previous = Previous::new(6, Chain { crc: 9, seq: 3 });
        let head = Head::new(7, 1, Some(previous), &[4]).by(&about);
        assert_eq!(Head::read(&head.to_json()), Ok(head));
        assert_eq!(Head::read(br#"{"magic":"ebbd journal","version":2}"#), Err(Unread::Newer(2)));
        assert_eq!(Head::read(br#"{"magic":"something","version":1}"#), Err(Unread::Damaged));
    }

    #[test]
    fn only_the_own_notes_count_and_only_beyond_the_offset() {
        let (head, other) = (Head::new(1, 1, None, &[]), Head::new(1, 1, None, &[]));
        let rest = [b"..".as_slice(), &head.note(100), b"..", &other.note(900)].concat();
        assert!(head.was_durable_beyond(99, &rest) && !head.was_durable_beyond(100, &rest));
        assert!(!head.was_durable_beyond(0, &rest[..10]));
    }
}
