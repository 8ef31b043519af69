//! The columns of all slices, and what may be asked of or done to one slice's.

use crate::baseline::Sides;
use crate::simd::column::*;
use crate::simd::{Block, Step, step};

/// What a level that was taken back weighs, of what one weighs that has stood still all the time: what comes in the
/// first minutes after an outage is often more than usual, and soon over.
const SETTLED: f32 = 0.5;

/// Structure of arrays over slices, in blocks of [`WIDTH`].
#[derive(Clone, Debug, Default)]
pub(super) struct Bank {
    blocks: Vec<Block>,
}

impl Bank {
    /// Makes room for `slices`.
    pub(super) fn grow(&mut self, slices: usize) {
        let blocks = slices.div_ceil(WIDTH).max(self.blocks.len());
        self.blocks.resize_with(blocks, Block::default);
    }

    /// A column of a slice.
    pub(super) fn get(&self, slice: usize, column: usize) -> f32 {
        self.blocks[slice / WIDTH].0[column][slice % WIDTH]
    }

    pub(super) fn set(&mut self, slice: usize, column: usize, value: f32) {
        self.blocks[slice / WIDTH].0[column][slice % WIDTH] = value;
    }

    /// All columns of a slice.
    pub(super) fn lane(&self, slice: usize) -> [f32; COLUMNS] {
        self.blocks[slice / WIDTH].lane(slice % WIDTH)
    }

    pub(super) fn set_lane(&mut self, slice: usize, values: &[f32; COLUMNS]) {
        self.blocks[slice / WIDTH].set_lane(slice % WIDTH, values);
    }

    /// Blocks of [`WIDTH`] slices.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// One minute for the slices of a block.
    pub(super) fn step(&mut self, block: usize, minute: &Step) {
        step(std::slice::from_mut(&mut self.blocks[block]), minute);
    }

    /// The block of one slice, to be tried on, and the slice's place in it.
    pub(super) fn apart(&self, slice: usize) -> (Bank, usize) {
        (Bank { blocks: vec![self.blocks[slice / WIDTH].clone()] }, slice % WIDTH)
    }

    /// Forgets that other members than these passed their bar.
    pub(super) fn let_fire(&mut self, block: usize, members: u32) {
        for fired in &mut self.blocks[block].0[FIRED] {
            *fired = (*fired as u32 & members) as f32;
        }
    }

    /// What the minute brought, and where between the bucket centres it lies.
    pub(super) fn put(&mut self, slice: usize, observed: i64, fraction: f32) {
        let (block, lane) = (&mut self.blocks[slice / WIDTH].0, slice % WIDTH);
        block[OBSERVED][lane] = observed as f32;
        let profile = block[LEFT][lane] + fraction * (block[RIGHT][lane] - block[LEFT][lane]);
        block[PROFILE][lane] = profile;
        block[BUCKET_PROFILE][lane] += profile;
    }

    /// The profile of the minute that was just put in becomes so many times what it is.
    pub(super) fn scale_profile(&mut self, slice: usize, factor: f32) {
        let profile = self.get(slice, PROFILE);
        self.set(slice, PROFILE, profile * factor);
        self.set(slice, BUCKET_PROFILE, self.get(slice, BUCKET_PROFILE) + profile * (factor - 1.0));
    }

    pub(super) fn set_sides(&mut self, slice: usize, sides: Sides) {
        self.set(slice, LEFT, sides.left);
        self.set(slice, RIGHT, sides.right);
        self.set(slice, WEEKS, sides.weeks);
    }

    /// The finished bucket's mean rate at slow level 1, if it has at least `least` minutes; begins the next.
    pub(super) fn take_bucket(&mut self, slice: usize, least: f32) -> Option<f32> {
        let (x, n) = (self.get(slice, BUCKET_X), self.get(slice, BUCKET_N));
        self.set(slice, BUCKET_X, 0.0);
        self.set(slice, BUCKET_N, 0.0);
        (n >= least).then(|| x / n / self.get(slice, SLOW).max(1e-3))
    }

    pub(super) fn is_ready(&self, slice: usize) -> bool {
        self.get(slice, AGE) > READY_AGE
    }

    pub(super) fn is_learnt(&self, slice: usize) -> bool {
        self.get(slice, AGE) > LEARNT_AGE
    }

    /// Expected events of the minute that is being put in; `None` before there is a profile.
    pub(super) fn expected_now(&self, slice: usize) -> Option<f64> {
        let open = self.get(slice, OPEN) > 0.0;
        let level = self.get(slice, if open { NORMAL } else { of(1, LEVEL) });
        self.is_ready(slice).then(|| f64::from(self.get(slice, PROFILE) * level))
    }

    /// The member that leads: the one with the most evidence among those that fired, else among all.
    pub(super) fn lead(&self, slice: usize) -> usize {
        let fired = self.get(slice, FIRED) as u32;
        let lead = self.get(slice, LEAD) as usize;
        if fired == 0 || fired & (1 << lead) != 0 {
            return lead;
        }
        (fired.trailing_zeros() as usize).min(MEMBERS) % MEMBERS
    }

    /// Forgets the evidence of all members.
    pub(super) fn clear_evidence(&mut self, slice: usize) {
        for member in 0..MEMBERS {
            for column in [EVIDENCE, SINCE_X, SINCE_M, SUMMIT] {
                self.set(slice, of(member, column), 0.0);
            }
        }
        self.set(slice, ZERO_RUN, 0.0);
        self.set(slice, ZERO_EVIDENCE, 0.0);
    }

    /// Puts every fast level, and what they fall back to, at `level`; forgets the evidence.
    pub(super) fn set_levels(&mut self, slice: usize, level: f32) {
        self.set(slice, OFFSET, level / self.get(slice, SLOW).max(1e-6));
        for member in 0..MEMBERS {
            for column in [LEVEL, LEVEL_BEFORE] {
                self.set(slice, of(member, column), level);
            }
            for column in [LEVEL_X, LEVEL_M] {
                self.set(slice, of(member, column), 0.0);
            }
        }
        self.clear_evidence(slice);
    }

    /// Puts every fast level at `level`, as sure as if it had stood there for a while.
    pub(super) fn settle_levels(&mut self, slice: usize, level: f32) {
        self.set_levels(slice, level);
        let usual = self.get(slice, PROFILE) * level;
        for (member, decay) in DECAY.iter().enumerate() {
            let weight = SETTLED * usual / (1.0 - decay);
            self.set(slice, of(member, LEVEL_X), weight);
            self.set(slice, of(member, LEVEL_M), weight);
        }
    }

    /// The profile is from now on `1 / by` times what it was: levels follow, expectations stay.
    pub(super) fn rescale(&mut self, slice: usize, by: f32) {
        for column in
            [SLOW, NORMAL].into_iter().chain((0..MEMBERS).flat_map(|j| [of(j, LEVEL), of(j, LEVEL_BEFORE)]))
        {
            self.set(slice, column, self.get(slice, column) * by);
        }
        (0..SPANS).for_each(|span| self.set(slice, of_span(span, 0), self.get(slice, of_span(span, 0)) * by));
        self.set(slice, BUCKET_PROFILE, self.get(slice, BUCKET_PROFILE) / by);
        // The level is (x + prior) / (m + prior): what stands under it has the new profile's unit.
        self.set(slice, SLOW_M, (self.get(slice, SLOW_X) + SLOW_PRIOR) / self.get(slice, SLOW) - SLOW_PRIOR);
    }

    /// Dispersion that evidence about the whole of a drop is counted with.
    pub(super) fn dispersion(&self, slice: usize) -> f32 {
        let own = WINDOW[1] * self.get(slice, of(1, BLOCK_X + DISPERSION));
        own.max(self.get(slice, MINUTE_BLOCK + DISPERSION)).max(LEAST_DISPERSION)
    }
}
