//! Values of the flat formats as pieces of a shape: where each kind ends, without looking at more than
//! its own bytes.
//!
//! In: text from a value's beginning on, to wherever its block ends. Out: the value and what ends it, or
//! that it is none that is read here. Whatever an end isn't surely right for, the bytes expected behind it
//! won't fit. Must not know: columns, shapes.

use crate::model::TimeUs;
use crate::simd::Chunk;

use super::time::{self, TimeUnit};

/// Bytes below this are control characters; a line's end is among them.
const CONTROLS: u8 = 0x1f;

/// What the names of control records begin with.
const CONTROL_NAMES: &[u8] = b"ebbd_";

/// What kind of value of a flat format stands somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flat {
    /// A tag's value in line protocol, without escapes.
    Tag,
    /// The inside of a string field in line protocol, without escapes.
    Quoted,
    /// A number field in line protocol.
    Figure,
    /// A timestamp in line protocol.
    Units(TimeUnit),
    /// A metric's name in StatsD, where every name goes to one stream.
    Metric,
    /// A tag's value in StatsD.
    Label,
    /// A section in StatsD that nobody knows.
    Section,
    /// A timestamp in StatsD.
    Stamp,
}

impl Flat {
    /// Reads the value that begins at `at`: where its text ends, and where what follows it begins.
    #[inline(always)]
    pub(super) fn end(self, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        let end = match self {
            Flat::Tag => {
                let end = seek(bytes, at, |chunk| self.stops(chunk));
                (end > at).then_some(end)?
            }
            Flat::Metric => {
                let rest = bytes.get(at..).unwrap_or_default();
                // What may be a record of another kind is for the parser.
                let other = match rest.first()? {
                    b'_' | b'{' => true,
                    b'e' => rest.starts_with(CONTROL_NAMES),
                    _ => false,
                };
                let end = seek(bytes, at, |chunk| self.stops(chunk));
                (end > at && !other).then_some(end)?
            }
            Flat::Quoted | Flat::Label | Flat::Section | Flat::Stamp | Flat::Units(_) => {
                seek(bytes, at, |chunk| self.stops(chunk))
            }
            Flat::Figure => {
                let chunk = Chunk::at(bytes, at);
                let (digits_len, len) = figure(chunk, chunk.at_most(CONTROLS))?;
                return Some((at + digits_len, at + len));
            }
        };
        Some((end, end))
    }

    /// A bit for each byte that ends such a value.
    #[inline(always)]
    pub(super) fn stops(self, chunk: Chunk) -> u32 {
        match self {
            Flat::Tag => chunk.any([b',', b'=', b'\\']) | chunk.at_most(b' '),
            Flat::Quoted => chunk.any([b'"', b'\\']) | chunk.at_most(CONTROLS),
            Flat::Label => chunk.any([b',', b'|']) | chunk.at_most(CONTROLS),
            Flat::Section | Flat::Stamp => chunk.any([b'|']) | chunk.at_most(CONTROLS),
            Flat::Metric => chunk.any([b':', b'|']) | chunk.at_most(CONTROLS),
            Flat::Units(_) => chunk.at_most(b' '),
            Flat::Figure => chunk.any([b',', b' ']) | chunk.at_most(CONTROLS),
        }
    }

    /// Whether it is a time of its own.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Flat::Units(_) | Flat::Stamp)
    }

    /// Whether it is text, and no number.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Flat::Tag | Flat::Quoted | Flat::Label)
    }

    /// The time that `text` is.
    #[inline]
    pub(super) fn time(self, text: &str) -> Option<TimeUs> {
        match self {
            Flat::Units(unit) => time::from_units(text, unit),
            _ => time::from_number(text),
        }
    }
}

/// The first byte from `at` on that `stops` marks, or the end of `bytes`. What has ended is zeros, which
/// `stops` has to mark, too.
#[inline(always)]
fn seek(bytes: &[u8], at: usize, stops: impl Fn(Chunk) -> u32) -> usize {
    let mut at = at;
    loop {
        let hits = stops(Chunk::at(bytes, at));
        if hits != 0 {
            return at + hits.trailing_zeros() as usize;
        }
        at += Chunk::LEN;
    }
}

/// The number with which `chunk` begins, if a comma, a space or one of `ends` ends it in time: digits,
/// perhaps with a minus, a point, or `i` behind them. Its length without the `i`, and with it.
#[inline(always)]
pub(super) fn figure(chunk: Chunk, ends: u32) -> Option<(usize, usize)> {
    let len = (chunk.any([b',', b' ']) | ends).trailing_zeros().min(31);
    let all = (1u32 << len) - 1;
    let (digits, points) = (chunk.digits() & all, chunk.any([b'.']) & all);
    let minus = chunk.any([b'-']) & 1 & all;
    let whole = chunk.any([b'i']) & (all ^ all >> 1);
    let too_many = if whole == 0 { points & points.wrapping_sub(1) } else { points };
    let known = digits | points | minus | whole == all;
    let short = (len as usize) < Chunk::LEN;
    let behind = len as usize;
    (digits != 0 && too_many == 0 && known && short).then_some((behind - usize::from(whole != 0), behind))
}
