//! The values of one dimension: text to code and back.

use std::sync::Arc;

use super::index::TagIndex;
use super::rows::Rows;
use super::{Tagger, Word};
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
    texts: Rows<Arc<str>>,
    index: TagIndex,
}

impl Values {
    /// A dictionary that knows the empty value and `__other__`.
    pub(super) fn new(tagger: &Tagger) -> Values {
        let mut values = Values { texts: Rows::new(1), index: TagIndex::new() };
        values.insert("", tagger);
        values.insert(OTHER, tagger);
        values
    }

    /// The code of the text that `word` stands for, or [`UNKNOWN`].
    pub(super) fn code(&self, word: Word, tagger: &Tagger) -> u32 {
        if word == Word::default() {
            return EMPTY;
        }
        self.index.find(tagger.tag(std::iter::once(word))).unwrap_or(UNKNOWN)
    }

    /// The code of `text`, which is added if it is new.
    pub(super) fn insert(&mut self, text: &str, tagger: &Tagger) -> u32 {
        self.insert_word(tagger.word(text), &|| text, tagger)
    }

    /// The code of the text that `word` stands for, which is added if it is new; `long` says it if the word
    /// doesn't.
    pub(super) fn insert_word<'a>(&mut self, word: Word, long: &dyn Fn() -> &'a str, tagger: &Tagger) -> u32 {
        let tag = tagger.tag(std::iter::once(word));
        if let Some(code) = self.index.find(tag) {
            return code;
        }
        let code = u32::try_from(self.texts.len()).expect("dictionaries are bounded far below 2^32");
        let text = Word::text(&word.bytes()).map_or_else(|| Arc::from(long()), Arc::from);
        self.texts.push(&[text]);
        self.index.insert(tag, code);
        code
    }

    /// The text of a code that this dictionary gave.
    pub(super) fn text(&self, code: u32) -> &Arc<str> {
        &self.texts.row(code as usize)[0]
    }

    /// Every text, by code.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Arc<str>> {
        self.texts.values()
    }

    /// How many values it knows, the two standing ones included.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}
