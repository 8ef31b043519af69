//! Columns of words from a small set, as codes into a dictionary.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::DictionaryArray;
use arrow_array::builder::{Int32Builder, StringBuilder};
use arrow_array::types::Int32Type;

/// Words whose codes are found by their address alone.
const RECENT: usize = 512;

/// A dictionary column while a batch is filled.
#[derive(Default)]
pub(super) struct WordCells {
    codes: Int32Builder,
    values: StringBuilder,
    known: HashMap<Arc<str>, i32, foldhash::quality::RandomState>,
    /// Keys share their words. An entry keeps its word alive, so that an address means one word.
    recent: Vec<Option<(Arc<str>, i32)>>,
}

impl WordCells {
    /// Appends a word that many rows share.
    pub(super) fn append_shared(&mut self, word: &Arc<str>) {
        let slot = slot_of(word);
        let code = match self.recent.get(slot) {
            Some(Some((known, code))) if Arc::ptr_eq(known, word) => *code,
            _ => {
                let code = self.code(word);
                self.recent.resize(RECENT, None);
                self.recent[slot] = Some((Arc::clone(word), code));
                code
            }
        };
        self.codes.append_value(code);
    }

    /// Appends a word or NULL.
    pub(super) fn append_option(&mut self, word: Option<&str>) {
        let code = word.map(|word| self.code(word));
        self.codes.append_option(code);
    }

    /// The column so far; begins anew.
    pub(super) fn finish(&mut self) -> DictionaryArray<Int32Type> {
        self.known.clear();
        self.recent.clear();
        DictionaryArray::new(self.codes.finish(), Arc::new(self.values.finish()))
    }

    fn code(&mut self, word: &str) -> i32 {
        if let Some(&code) = self.known.get(word) {
            return code;
        }
        let code = self.known.len() as i32;
        self.values.append_value(word);
        self.known.insert(Arc::from(word), code);
        code
    }
}

fn slot_of(word: &Arc<str>) -> usize {
    let address = word.as_ptr() as usize as u64;
    ((address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % RECENT
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;

    use super::*;

    #[test]
    fn words_come_back_whoever_shares_them() {
        let words: Vec<Arc<str>> = (0..2_000).map(|n| Arc::from(format!("word {}", n % 700))).collect();
        let mut cells = WordCells::default();
        for _ in 0..2 {
            for word in words.iter().chain(words.iter().rev()) {
                cells.append_shared(word);
                cells.append_option(Some(word));
            }
            cells.append_option(None);
            let column = cells.finish();
            assert_eq!((column.len(), column.values().len(), column.null_count()), (8_001, 700, 1));
            let read = column.downcast_dict::<arrow_array::StringArray>().expect("texts");
            let mut read = read.into_iter();
            for word in words.iter().chain(words.iter().rev()) {
                assert_eq!(read.next(), Some(Some(&**word)));
                assert_eq!(read.next(), Some(Some(&**word)));
            }
        }
    }
}
