//! Looking for the byte that ends something, and comparing with what is expected: a window at a time.
//!
//! These run for every value of every line, so they are inlined whole and use only what every x86-64
//! machine has; a dispatch per call would cost more than it brings. Each has a plain twin here, which
//! other architectures run.

/// Bytes that one window looks at.
pub const WINDOW: usize = 32;
/// Bytes that one vector register of every machine holds.
pub(super) const HALF: usize = WINDOW / 2;

/// Bytes that were expected somewhere, at most [`WINDOW`] of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    bytes: [u8; WINDOW],
    /// All bits of each byte that counts.
    counts: [u8; WINDOW],
    /// A bit for each byte that counts.
    mask: u32,
    len: u8,
}

impl Literal {
    /// The bytes of `text`; `None` if there are too many.
    pub fn new(text: &[u8]) -> Option<Literal> {
        let (mut bytes, mut counts) = ([0; WINDOW], [0; WINDOW]);
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        counts[..text.len()].fill(u8::MAX);
        Some(Literal { bytes, counts, mask: ((1u64 << text.len()) - 1) as u32, len: text.len() as u8 })
    }

    /// How many bytes they are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    /// Both halves of them, and which of the bits count.
    #[inline(always)]
    pub(super) fn patterns(&self) -> ([&[u8; HALF]; 2], [&[u8; HALF]; 2]) {
        (split(&self.bytes), split(&self.counts))
    }

    /// Whether they stand in `bytes` at `at`.
    #[inline(always)]
    pub fn stands_at(&self, bytes: &[u8], at: usize) -> bool {
        match window(bytes, at) {
            Some(window) => equal_mask(window, &self.bytes) & self.mask == self.mask,
            None => self.stands_at_end(bytes, at),
        }
    }

    /// [`Literal::stands_at`] where no whole window is left.
    #[cold]
    fn stands_at_end(&self, bytes: &[u8], at: usize) -> bool {
        bytes.get(at..).is_some_and(|rest| rest.starts_with(self.as_bytes()))
    }
}

#[inline(always)]
fn split(window: &[u8; WINDOW]) -> [&[u8; HALF]; 2] {
    let (halves, _) = window.as_chunks::<HALF>();
    [&halves[0], &halves[1]]
}

/// The window of `bytes` that begins at `at`, if there is a whole one.
#[inline(always)]
pub fn window(bytes: &[u8], at: usize) -> Option<&[u8; WINDOW]> {
    chunk::<WINDOW>(bytes, at)
}

/// The `N` bytes that begin at `at`, if there are so many.
#[inline(always)]
fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    if at >= (bytes.len() + 1).saturating_sub(N) {
        return None;
    }
    // SAFETY: at + N <= bytes.len(), as was just seen. Measured: a slice and its first chunk compare
    // three times, this once, and half of that is worked out ahead of a loop.
    Some(unsafe { &*bytes.as_ptr().add(at).cast::<[u8; N]>() })
}

/// The eight bytes that begin at `at`, the first one lowest, if there are so many.
#[inline(always)]
pub fn word(bytes: &[u8], at: usize) -> Option<u64> {
    chunk(bytes, at).map(|chunk| u64::from_le_bytes(*chunk))
}

/// The first `"`, backslash or control character of `bytes` from `at` on, where a JSON string ends or
/// is more than plain text; the length of `bytes` if there is none.
#[inline(always)]
pub fn string_end(bytes: &[u8], at: usize) -> usize {
    // Most values and keys end here.
    for from in [at, at + HALF] {
        match chunk(bytes, from).map(string_mask) {
            Some(0) => {}
            Some(mask) => return from + mask.trailing_zeros() as usize,
            None => return twin::string_end(bytes, from),
        }
    }
    far_string_end(bytes, at + 2 * HALF)
}

/// How long the JSON string is whose inside begins at `at`, and the 16 bytes that begin there, the first
/// one lowest; `None` if it is longer than 15 bytes or too little stands behind it.
#[inline(always)]
pub fn short_string(bytes: &[u8], at: usize) -> Option<(usize, u128)> {
    let half = chunk::<HALF>(bytes, at)?;
    let mask = string_mask(half);
    (mask != 0).then(|| (mask.trailing_zeros() as usize, u128::from_le_bytes(*half)))
}

/// [`string_end`] where the lengths of strings can't be foreseen: no branch tells one of 20 bytes from one
/// of 5.
#[inline(always)]
pub fn varied_string_end(bytes: &[u8], at: usize) -> usize {
    if let Some(whole) = window(bytes, at) {
        let (halves, _) = whole.as_chunks::<HALF>();
        let mask = string_mask(&halves[0]) | string_mask(&halves[1]) << HALF;
        if mask != 0 {
            return at + mask.trailing_zeros() as usize;
        }
    }
    far_string_end(bytes, at)
}

/// [`string_end`] of a long string.
#[inline(never)]
fn far_string_end(bytes: &[u8], at: usize) -> usize {
    let mut from = at;
    while let Some(mask) = chunk(bytes, from).map(string_mask) {
        if mask != 0 {
            return from + mask.trailing_zeros() as usize;
        }
        from += HALF;
    }
    twin::string_end(bytes, from)
}

/// The first byte of `bytes` from `at` on that is no digit; the length of `bytes` if there is none.
#[inline(always)]
pub fn digits_end(bytes: &[u8], at: usize) -> usize {
    let mut from = at;
    while let Some(window) = window(bytes, from) {
        let mask = !digit_mask(window);
        if mask != 0 {
            return from + mask.trailing_zeros() as usize;
        }
        from += WINDOW;
    }
    twin::digits_end(bytes, from)
}

/// Which bytes are equal in both.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn equal_mask(a: &[u8; WINDOW], b: &[u8; WINDOW]) -> u32 {
    twin::mask::<WINDOW>(|at| a[at] == b[at])
}

/// Which bytes end a JSON string or are no plain text.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn string_mask(half: &[u8; HALF]) -> u32 {
    twin::mask::<HALF>(|at| twin::ends_string(half[at]))
}

/// The first LF of `bytes` from `at` on.
#[inline(always)]
pub fn line_feed(bytes: &[u8], at: usize) -> Option<usize> {
    let mut from = at;
    while let Some(window) = window(bytes, from) {
        let mask = equal_mask(window, &[b'\n'; WINDOW]);
        if mask != 0 {
            return Some(from + mask.trailing_zeros() as usize);
        }
        from += WINDOW;
    }
    bytes.get(from..)?.iter().position(|&byte| byte == b'\n').map(|found| from + found)
}

/// Which bytes are digits, a bit for each.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn digit_mask(window: &[u8; WINDOW]) -> u32 {
    twin::mask::<WINDOW>(|at| window[at].is_ascii_digit())
}

/// Which bytes are equal in both.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn equal_mask(a: &[u8; WINDOW], b: &[u8; WINDOW]) -> u32 {
    use std::arch::x86_64::_mm_cmpeq_epi8;
    let ([a0, a1], [b0, b1]) = (halves(a), halves(b));
    // SAFETY: SSE2 is part of every x86-64 machine, and these work on registers only. Measured: a
    // literal of 20 bytes costs 9 instructions, a call of memcmp 40.
    unsafe { bits(_mm_cmpeq_epi8(a0, b0), _mm_cmpeq_epi8(a1, b1)) }
}

/// Which bytes end a JSON string or are no plain text.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn string_mask(half: &[u8; HALF]) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };
    // SAFETY: SSE2 is part of every x86-64 machine; the load doesn't need alignment, and 16 bytes can be
    // read at `half`. Measured: 10 instructions for 16 bytes, against 5 for each byte.
    unsafe {
        let half = _mm_loadu_si128(half.as_ptr().cast::<__m128i>());
        let quote = _mm_cmpeq_epi8(half, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(half, _mm_set1_epi8(b'\\' as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(half, _mm_set1_epi8(0x1f)), half);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control)) as u32
    }
}

/// Which bytes are digits, a bit for each.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn digit_mask(window: &[u8; WINDOW]) -> u32 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_set1_epi8, _mm_sub_epi8};
    let [low, high] = halves(window);
    // SAFETY: SSE2 is part of every x86-64 machine, and these work on registers only. Measured: 13
    // instructions for 32 bytes, against 4 for each byte.
    unsafe {
        let digits = |half: __m128i| {
            let value = _mm_sub_epi8(half, _mm_set1_epi8(b'0' as i8));
            _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value)
        };
        bits(digits(low), digits(high))
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn halves(window: &[u8; WINDOW]) -> [std::arch::x86_64::__m128i; 2] {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128};
    let pointer = window.as_ptr().cast::<__m128i>();
    // SAFETY: SSE2 is always there; the loads don't need alignment, and 32 bytes can be read at `window`.
    unsafe { [_mm_loadu_si128(pointer), _mm_loadu_si128(pointer.add(1))] }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn bits(low: std::arch::x86_64::__m128i, high: std::arch::x86_64::__m128i) -> u32 {
    use std::arch::x86_64::_mm_movemask_epi8;
    // SAFETY: SSE2 is always there, and this works on registers only.
    unsafe { _mm_movemask_epi8(low) as u32 | (_mm_movemask_epi8(high) as u32) << 16 }
}

/// The same, byte by byte.
pub mod twin {
    /// [`super::string_end`], byte by byte.
    pub fn string_end(bytes: &[u8], at: usize) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        rest.iter().position(|&byte| ends_string(byte)).map_or(bytes.len(), |found| at + found)
    }

    /// [`super::digits_end`], byte by byte.
    pub fn digits_end(bytes: &[u8], at: usize) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        rest.iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |found| at + found)
    }

    /// Whether a JSON string ends at `byte` or is more than plain text there.
    pub(super) fn ends_string(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }

    /// A bit for each of `N` places that is `true`.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    pub(super) fn mask<const N: usize>(is: impl Fn(usize) -> bool) -> u32 {
        (0..N).fold(0, |mask, at| mask | u32::from(is(at)) << at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![8 => Just(b'a'), 1 => any::<u8>(), 1 => prop::sample::select(b"\"\\\n\x1f\x20\x7f\x80\xff".to_vec())];
        prop::collection::vec(byte, 0..100)
    }

    proptest! {
        #[test]
        fn a_string_ends_where_its_plain_twin_says(bytes in text(), at in 0usize..110) {
            prop_assert_eq!(string_end(&bytes, at), twin::string_end(&bytes, at));
            prop_assert_eq!(varied_string_end(&bytes, at), twin::string_end(&bytes, at));
        }

        #[test]
        fn a_line_feed_is_found(bytes in text(), at in 0usize..110) {
            let rest = bytes.get(at..).unwrap_or_default();
            let plain = rest.iter().position(|&byte| byte == b'\n').map(|found| at + found);
            prop_assert_eq!(line_feed(&bytes, at), plain);
        }

        #[test]
        fn a_short_string_is_what_its_plain_twin_says(bytes in text(), at in 0usize..110) {
            let len = twin::string_end(&bytes, at).saturating_sub(at);
            match short_string(&bytes, at) {
                Some((short, whole)) => prop_assert_eq!((short, &whole.to_le_bytes()[..]), (len, &bytes[at..at + HALF])),
                None => prop_assert!(len >= HALF || at + HALF > bytes.len()),
            }
        }

        #[test]
        fn digits_end_where_their_plain_twin_says(text in "[0-9]{0,80}[0-9./:é\u{0}-\u{ff}]{0,40}", at in 0usize..130) {
            prop_assert_eq!(digits_end(text.as_bytes(), at), twin::digits_end(text.as_bytes(), at));
        }

        #[test]
        fn masks_are_those_of_their_twins(a in prop::array::uniform32(any::<u8>()), b in prop::array::uniform32(0u8..3)) {
            prop_assert_eq!(digit_mask(&a), twin::mask::<WINDOW>(|at| a[at].is_ascii_digit()));
            let (halves, _) = a.as_chunks::<HALF>();
            prop_assert_eq!(string_mask(&halves[1]), twin::mask::<HALF>(|at| twin::ends_string(halves[1][at])));
            let mut mixed = a;
            for (at, &change) in b.iter().enumerate() {
                mixed[at] ^= change;
            }
            prop_assert_eq!(equal_mask(&a, &mixed), twin::mask::<WINDOW>(|at| a[at] == mixed[at]));
        }

        #[test]
        fn a_literal_stands_where_its_bytes_are(bytes in text(), at in 0usize..90, len in 0usize..33, off in 0usize..2) {
            let from = bytes.get(at + off..).unwrap_or_default();
            let literal = Literal::new(&from[..len.min(from.len())]).unwrap();
            let plain = bytes.get(at..).is_some_and(|rest| rest.starts_with(literal.as_bytes()));
            prop_assert_eq!(literal.stands_at(&bytes, at), plain);
        }
    }

    #[test]
    fn what_is_longer_than_a_window_is_no_literal() {
        assert!(Literal::new(&[b'x'; 32]).is_some_and(|literal| literal.mask == u32::MAX));
        assert!(Literal::new(&[b'x'; 33]).is_none());
        assert!(Literal::new(b"").is_some_and(|empty| empty.is_empty() && empty.stands_at(b"", 0)));
    }
}
