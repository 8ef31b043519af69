//! How many lines a block has, counted the way the decoder splits it.

const LF: u8 = b'\n';
const CR: u8 = b'\r';

/// Non-empty lines of `bytes`: what ends with LF or with the block, a trailing CR stripped, and isn't
/// empty then. These are the lines that have a number.
pub(super) fn count_lines(bytes: &[u8]) -> u64 {
    let ended = count_ends(bytes);
    let tail = memchr::memrchr(LF, bytes).map_or(bytes, |at| &bytes[at + 1..]);
    ended + u64::from(!tail.is_empty() && tail != [CR])
}

/// LFs that end a non-empty line.
fn count_ends(bytes: &[u8]) -> u64 {
    // In front of the block imagine an LF: a CR or LF at its very beginning ends nothing.
    let first = |at: usize, before: u8| u64::from(bytes.get(at) == Some(&LF) && before != LF);
    let head = match bytes {
        [] | [_] => 0,
        [CR, ..] => 0,
        [before, ..] => first(1, *before),
    };
    if bytes.len() < 3 {
        return head;
    }
    let (two_before, one_before, here) = (bytes, &bytes[1..], &bytes[2..]);
    // Sums of at most 255 fit a byte, which lets the compiler use whole vectors of them.
    let chunks = here.chunks(240).zip(one_before.chunks(240)).zip(two_before.chunks(240));
    chunks.fold(head, |sum, ((here, one), two)| sum + u64::from(chunk_ends(here, one, two)))
}

fn chunk_ends(here: &[u8], one_before: &[u8], two_before: &[u8]) -> u8 {
    here.iter().zip(one_before).zip(two_before).fold(0, |sum, ((&here, &one), &two)| {
        sum + u8::from((here == LF) & (one != LF) & !((one == CR) & (two == LF)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plain twin.
    fn slowly(bytes: &[u8]) -> u64 {
        let stripped = bytes.split(|&byte| byte == LF).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        stripped.filter(|line| !line.is_empty()).count() as u64
    }

    #[test]
    fn counts_what_the_decoder_will_see() {
        for (text, lines) in [
            ("", 0),
            ("\n", 0),
            ("\r\n", 0),
            ("\r", 0),
            ("a", 1),
            ("a\n", 1),
            ("a\r\n\r\nb", 2),
            ("\n\n\na\n\n", 1),
            ("\r\r\n", 1),
            (" \n", 1),
        ] {
            assert_eq!(count_lines(text.as_bytes()), lines, "{text:?}");
            assert_eq!(slowly(text.as_bytes()), lines, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_its_plain_twin(bytes in prop::collection::vec(prop::sample::select(b"\n\r\na ".to_vec()), 0..700)) {
            prop_assert_eq!(count_lines(&bytes), slowly(&bytes));
        }
    }
}
