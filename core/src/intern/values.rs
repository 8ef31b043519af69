//! The values of one dimension: text to code and back.

use std::sync::Arc;

use hashbrown::HashTable;

use super::Seeded;
use crate::model::OTHER;

/// The code of the empty value, known to every dictionary.
pub(super) const EMPTY: u32 = 0;
/// The code of `__other__`, known to every dictionary.
pub(super) const OTHER_CODE: u32 = 1;
/// No code: the value is not in the dictionary.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// A dictionary of texts. It grows only by [`Values::insert`]; who calls that keeps the bound.
#[derive(Debug)]
pub(super) struct Values {
    texts: Vec<Arc<str>>,
    index: HashTable<u32>,
}

impl Values {
    /// A dictionary that knows the empty value and `__other__`.
    pub(super) fn new(hasher: &Seeded) -> Values {
        let mut values = Values { texts: Vec::new(), index: HashTable::new() };
        values.insert("", hasher);
        values.insert(OTHER, hasher);
        values
    }

    /// The code of `text`, or [`UNKNOWN`].
    pub(super) fn code(&self, text: &str, hasher: &Seeded) -> u32 {
        if text.is_empty() {
            return EMPTY;
        }
        let same = |&code: &u32| &*self.texts[code as usize] == text;
        self.index.find(hasher.text(text), same).copied().unwrap_or(UNKNOWN)
    }

    /// The code of `text`, which is added if it is new.
    pub(super) fn insert(&mut self, text: &str, hasher: &Seeded) -> u32 {
        let known = if self.texts.is_empty() { UNKNOWN } else { self.code(text, hasher) };
        if known != UNKNOWN {
            return known;
        }
        let code = u32::try_from(self.texts.len()).expect("dictionaries are bounded far below 2^32");
        self.texts.push(Arc::from(text));
        let texts = &self.texts;
        self.index.insert_unique(hasher.text(text), code, |&code| hasher.text(&texts[code as usize]));
        code
    }

    /// The text of a code that this dictionary gave.
    pub(super) fn text(&self, code: u32) -> &Arc<str> {
        &self.texts[code as usize]
    }

    /// How many values it knows, the two standing ones included.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}
