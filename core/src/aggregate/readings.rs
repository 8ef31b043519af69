//! The decoders of a lane: one for each source, and one more for each other way in which blocks of a source
//! ask to be read.
//!
//! In: a block. Out: the decoder for its lines. Must not know: what the lines say.

use std::sync::Arc;

use crate::decode::{Block, Decoder, Reading, SourceSpec};
use crate::model::{Limits, SourceId, StreamSpec};

#[derive(Debug)]
pub(super) struct Readings {
    configured: Vec<Decoder>,
    /// Made when the first block asks for it: at most one for each unit of time and each stream of a source.
    others: Vec<(SourceId, Reading, Decoder)>,
    sources: Arc<[SourceSpec]>,
    streams: Arc<[StreamSpec]>,
    limits: Limits,
}

impl Readings {
    pub(super) fn new(sources: Arc<[SourceSpec]>, streams: Arc<[StreamSpec]>, limits: Limits) -> Readings {
        let configured = sources.iter().map(|source| Decoder::new(source, &streams, &limits)).collect();
        Readings { configured, others: Vec::new(), sources, streams, limits }
    }

    /// Replaces the decoder that a source's configuration asks for.
    pub(super) fn set(&mut self, source: SourceId, decoder: Decoder) {
        self.configured[source.index()] = decoder;
    }

    /// The decoder for a block.
    #[inline]
    pub(super) fn of(&mut self, block: &Block) -> &mut Decoder {
        match block.reading {
            Reading::Configured => &mut self.configured[block.source.index()],
            reading => self.other(block.source, reading),
        }
    }

    #[inline(never)]
    fn other(&mut self, source: SourceId, reading: Reading) -> &mut Decoder {
        let found = self.others.iter().position(|(of, how, _)| *of == source && *how == reading);
        let at = found.unwrap_or_else(|| {
            let spec = &self.sources[source.index()];
            let decoder = Decoder::reading(reading, spec, &self.streams, &self.limits);
            self.others.push((source, reading, decoder));
            self.others.len() - 1
        });
        &mut self.others[at].2
    }
}
