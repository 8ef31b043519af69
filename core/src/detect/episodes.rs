//! The episodes of all slices, each at its slice's place.

use std::collections::BTreeMap;

use super::episode::Episode;

/// A place per slice; few have an episode.
#[derive(Clone, Debug, Default)]
pub(super) struct Episodes(Vec<Option<Box<Episode>>>);

impl Episodes {
    /// Makes room for `slices`.
    pub(super) fn grow(&mut self, slices: usize) {
        self.0.resize(slices.max(self.0.len()), None);
    }

    pub(super) fn get(&self, slice: usize) -> Option<&Episode> {
        self.0.get(slice)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, slice: usize) -> Option<&mut Episode> {
        self.0.get_mut(slice)?.as_deref_mut()
    }

    pub(super) fn put(&mut self, slice: usize, episode: Episode) {
        self.grow(slice + 1);
        self.0[slice] = Some(Box::new(episode));
    }

    pub(super) fn remove(&mut self, slice: usize) -> Option<Episode> {
        self.0.get_mut(slice)?.take().map(|episode| *episode)
    }

    /// Those that there are.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Episode)> {
        (0u32..).zip(&self.0).filter_map(|(at, episode)| Some((at, &**episode.as_ref()?)))
    }

    /// By the slice's number, as they are saved.
    pub(super) fn save(&self) -> BTreeMap<u32, Episode> {
        self.iter().map(|(at, episode)| (at, episode.clone())).collect()
    }
}
