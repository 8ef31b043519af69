//! Rows of one width in pieces: they grow without ever being copied to a larger place.

/// Rows in a piece.
const PIECE: usize = 4096;

/// A growing table of rows that are `width` values wide, at least one.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    width: usize,
    len: usize,
    pieces: Vec<Vec<T>>,
}

impl<T: Clone> Rows<T> {
    /// No rows yet.
    pub(crate) fn new(width: usize) -> Rows<T> {
        Rows { width: width.max(1), len: 0, pieces: Vec::new() }
    }

    /// How many rows there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The row at `at`.
    #[inline(always)]
    pub(crate) fn row(&self, at: usize) -> &[T] {
        &self.pieces[at / PIECE][at % PIECE * self.width..][..self.width]
    }

    /// The values of the first 4,096 rows, or of as many as there are.
    #[inline(always)]
    pub(crate) fn first_piece(&self) -> &[T] {
        self.pieces.first().map_or(&[], Vec::as_slice)
    }

    /// The first value of the row at `at`.
    #[inline(always)]
    pub(crate) fn first(&self, at: usize) -> &T {
        &self.pieces[at / PIECE][at % PIECE * self.width]
    }

    /// The row at `at`.
    #[inline(always)]
    pub(crate) fn row_mut(&mut self, at: usize) -> &mut [T] {
        &mut self.pieces[at / PIECE][at % PIECE * self.width..][..self.width]
    }

    /// Asks for the memory of the row at `at`, if there is one.
    #[inline(always)]
    pub(crate) fn prefetch(&self, at: usize) {
        if let Some(piece) = self.pieces.get(at / PIECE) {
            crate::simd::prefetch(piece, at % PIECE * self.width);
        }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: &[T]) {
        if self.len.is_multiple_of(PIECE) {
            // The first piece grows with its rows: most tables are small.
            let rows = if self.len == 0 { 0 } else { PIECE };
            self.pieces.push(Vec::with_capacity(rows * self.width));
        }
        let last = self.pieces.last_mut().expect("a piece with room was just made, or is there");
        last.extend_from_slice(&row[..self.width]);
        self.len += 1;
    }

    /// Forgets all rows.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.len = 0;
    }

    /// All values, row by row.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// All values, row by row.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pieces.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_they_were_put() {
        let mut rows = Rows::new(3);
        for at in 0..PIECE as u32 * 2 + 5 {
            rows.push(&[at, at + 1, at + 2]);
        }
        assert_eq!(rows.len(), PIECE * 2 + 5);
        for at in [0, 1, PIECE - 1, PIECE, 2 * PIECE + 4] {
            rows.prefetch(at);
            assert_eq!(rows.row(at), [at as u32, at as u32 + 1, at as u32 + 2]);
            assert_eq!(*rows.first(at), at as u32);
            assert_eq!(rows.first_piece().get(3 * at).copied(), (at < PIECE).then_some(at as u32));
        }
        rows.row_mut(PIECE)[1] = 7;
        assert_eq!(rows.row(PIECE)[1], 7);
        rows.prefetch(10 * PIECE);
        assert_eq!((rows.values().count(), rows.values_mut().count()), (3 * rows.len, 3 * rows.len));
        rows.clear();
        assert_eq!(rows.len(), 0);
    }
}
