//! The weekly profile: per half-hour of the local week the last four weeks' mean rates, as log rates
//! in u16, relative to the slice's slow level when they were recorded.

use std::collections::BTreeMap;

use super::{BUCKETS, Packed};

/// Weeks remembered.
const WEEKS: usize = 4;
/// Half-hours in a day: the time-of-day pool.
const POOL: usize = 48;
/// Counts at which a bucket's own history weighs as much as the pool.
const POOL_COUNTS: f32 = 40.0;
/// A day's weight in the pool.
const POOL_GAIN: f32 = 0.15;
/// The smallest rate that is told from zero, events per minute; the largest is its inverse.
const LEAST_RATE: f32 = 1e-6;
/// Steps of the code per nat: a step is 0.04 %.
const STEPS_PER_NAT: f32 = 2370.0;
/// Most half-hours, over all slices, that are masked at a time.
const MOST_MASKED: usize = 65_536;
/// No history.
const ABSENT: u16 = 0;
/// A rate of zero.
const ZERO: u16 = 1;

/// The profile on both sides of a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sides {
    /// Rate at the bucket centre before, events per minute.
    pub left: f32,
    /// Rate at the bucket centre after.
    pub right: f32,
    /// Weeks of history under the poorer of the two.
    pub weeks: f32,
}

/// The weekly profiles of all watched slices, one dense row per slice.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    /// Bucket → slice → codes by week modulo four: a finished bucket touches one dense column.
    history: Vec<Vec<[u16; WEEKS]>>,
    /// Half-hour of the day → slice → mean rate; negative: none yet.
    pool: Vec<Vec<f32>>,
    slices: usize,
    /// Half-hours of the last weeks that count as if they had not been.
    masks: Masks,
}

/// Of slice, bucket and week modulo four: the week, and who masked it.
type Masks = BTreeMap<(u32, u16, u8), (i64, u64)>;

/// A half-hour of a slice that is left out of its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Masked {
    slice: u32,
    bucket: u16,
    week: i64,
    /// Who masked it.
    pub by: u64,
}

impl Profiles {
    /// Memory that each slice takes.
    pub const BYTES_PER_SLICE: usize = BUCKETS * size_of::<[u16; WEEKS]>() + POOL * size_of::<f32>();

    /// Makes room for `slices` slices; new ones have no history.
    pub fn grow(&mut self, slices: usize) {
        self.history.resize_with(BUCKETS, Vec::new);
        self.pool.resize_with(POOL, Vec::new);
        self.slices = self.slices.max(slices);
        self.history.iter_mut().for_each(|column| column.resize(self.slices, [ABSENT; WEEKS]));
        self.pool.iter_mut().for_each(|column| column.resize(self.slices, -1.0));
    }

    /// Forgets one slice's history.
    pub fn clear(&mut self, slice: usize) {
        self.history.iter_mut().for_each(|column| column[slice] = [ABSENT; WEEKS]);
        self.pool.iter_mut().for_each(|column| column[slice] = -1.0);
        self.masks.retain(|(masked, ..), _| *masked as usize != slice);
    }

    /// Leaves the half-hour out of the slice's profile, whether it has been recorded or is to come, until it is
    /// four weeks old. `by` is whom [`Profiles::unmask`] names. It is recorded all the same, so that
    /// this can be taken back. Nothing happens if `MOST_MASKED` are.
    pub fn mask(&mut self, slice: usize, week: i64, bucket: usize, by: u64) {
        let key = mask_key(slice, week, bucket);
        let has_room = self.masks.len() < MOST_MASKED || self.masks.contains_key(&key);
        if has_room {
            self.masks.insert(key, (week, by));
        }
    }

    /// Takes back all masks of one who set them.
    pub fn unmask(&mut self, by: u64) {
        self.masks.retain(|_, (_, of)| *of != by);
    }

    /// What is masked.
    pub fn masked(&self) -> Vec<Masked> {
        let masked = |(&(slice, bucket, _), &(week, by)): (&(u32, u16, u8), &(i64, u64))| Masked {
            slice,
            bucket,
            week,
            by,
        };
        self.masks.iter().map(masked).collect()
    }

    /// Puts back what [`Profiles::masked`] gave, for the slices that are still there.
    pub fn restore_masks(&mut self, masked: &[Masked], is_kept: impl Fn(u32) -> bool) {
        let kept = masked.iter().filter(|masked| is_kept(masked.slice));
        kept.for_each(|m| self.mask(m.slice as usize, m.week, usize::from(m.bucket), m.by));
    }

    /// The codes of a bucket, without those that are masked or `left_out` (bits by week modulo four).
    fn codes(&self, slice: usize, bucket: usize, left_out: u8) -> [u16; WEEKS] {
        let mut codes = self.history[bucket][slice];
        (0..WEEKS).filter(|week| left_out & 1 << week != 0).for_each(|week| codes[week] = ABSENT);
        if !self.masks.is_empty() {
            let masked = |week: &usize| self.masks.contains_key(&mask_key(slice, *week as i64, bucket));
            (0..WEEKS).filter(masked).for_each(|week| codes[week] = ABSENT);
        }
        codes
    }

    /// Keeps the mean rate of a finished bucket that is not to be learnt from: nothing but
    /// [`Profiles::rate_of_week`] sees it as long as the caller leaves it out.
    pub fn keep(&mut self, slice: usize, week: i64, bucket: usize, rate: f32) {
        self.history[bucket][slice][week.rem_euclid(WEEKS as i64) as usize] = encode(rate);
    }

    /// The rate that one week had in a bucket, if that is known; the caller knows that it is no later week's.
    pub fn rate_of_week(&self, slice: usize, week: i64, bucket: usize) -> Option<f32> {
        let code = self.history[bucket][slice][week.rem_euclid(WEEKS as i64) as usize];
        (code != ABSENT).then(|| decode(f32::from(code)))
    }

    /// Records the mean rate (events per minute, at slow level 1) of a finished bucket.
    pub fn record(&mut self, slice: usize, week: i64, bucket: usize, rate: f32) {
        self.history[bucket][slice][week.rem_euclid(WEEKS as i64) as usize] = encode(rate);
        match self.masks.get(&mask_key(slice, week, bucket)) {
            Some((masked, _)) if *masked == week => return,
            Some(_) => _ = self.masks.remove(&mask_key(slice, week, bucket)),
            None => {}
        }
        let pool = &mut self.pool[bucket % POOL][slice];
        *pool = if *pool < 0.0 { rate } else { *pool + POOL_GAIN * (rate.min(3.0 * *pool + 0.05) - *pool) };
    }

    /// The profile at the centres of two buckets.
    pub fn sides(&self, slice: usize, left: usize, right: usize) -> Sides {
        self.sides_without(slice, (left, 0), (right, 0))
    }

    /// The same without the weeks that are left out of either: bits by week modulo four.
    pub fn sides_without(&self, slice: usize, left: (usize, u8), right: (usize, u8)) -> Sides {
        let ((left, left_weeks), (right, right_weeks)) = (self.rate(slice, left), self.rate(slice, right));
        Sides { left, right, weeks: left_weeks.min(right_weeks) as f32 }
    }

    /// The median of a bucket's weeks, shrunk to the time of day, and how many weeks there are.
    fn rate(&self, slice: usize, (bucket, left_out): (usize, u8)) -> (f32, usize) {
        let pool = self.pool[bucket % POOL][slice];
        match median(self.codes(slice, bucket, left_out)) {
            (None, _) => (pool.max(0.0), 0),
            (Some(own), weeks) if pool < 0.0 => (own, weeks),
            (Some(own), weeks) => {
                let counts = 30.0 * weeks as f32 * pool;
                ((counts * own + POOL_COUNTS * pool) / (counts + POOL_COUNTS), weeks)
            }
        }
    }

    /// The history of one slice, in bucket order, and its pool.
    pub fn save(&self, slice: usize) -> (Packed, Packed) {
        let history = self.history.iter().flat_map(|column| column[slice]);
        (Packed::from_u16(history), Packed::from_f32(self.pool.iter().map(|column| column[slice])))
    }

    /// Puts back what [`Profiles::save`] gave; `None` (and nothing changed) if it is damaged.
    pub fn restore(&mut self, slice: usize, history: &Packed, pool: &Packed) -> Option<()> {
        let (history, pool) = (history.to_u16()?, pool.to_f32()?);
        let (weeks, rest) = history.as_chunks::<WEEKS>();
        if weeks.len() != BUCKETS || !rest.is_empty() || pool.len() != POOL {
            return None;
        }
        self.history.iter_mut().zip(weeks).for_each(|(column, codes)| column[slice] = *codes);
        self.pool.iter_mut().zip(pool).for_each(|(column, rate)| column[slice] = rate);
        Some(())
    }
}

fn mask_key(slice: usize, week: i64, bucket: usize) -> (u32, u16, u8) {
    (slice as u32, bucket as u16, week.rem_euclid(WEEKS as i64) as u8)
}

fn encode(rate: f32) -> u16 {
    if rate < LEAST_RATE {
        return ZERO;
    }
    let steps = ((rate / LEAST_RATE).ln() * STEPS_PER_NAT).round();
    (f32::from(ZERO) + 1.0 + steps).min(f32::from(u16::MAX)) as u16
}

fn decode(code: f32) -> f32 {
    if code <= f32::from(ZERO) {
        return 0.0;
    }
    LEAST_RATE * ((code - f32::from(ZERO) - 1.0) / STEPS_PER_NAT).exp()
}

/// The median rate and the number of weeks; of two weeks the lower one, which a promotion didn't lift.
fn median(mut codes: [u16; WEEKS]) -> (Option<f32>, usize) {
    codes.sort_unstable();
    let weeks = codes.iter().filter(|code| **code != ABSENT).count();
    let known = &codes[WEEKS - weeks..];
    let code = match known {
        [] => return (None, 0),
        [only] | [only, _] | [_, only, _] => f32::from(*only),
        [_, low, high, ..] => (f32::from(*low) + f32::from(*high)) / 2.0,
    };
    (Some(decode(code)), weeks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(rates: &[f32]) -> Profiles {
        let mut profiles = Profiles::default();
        profiles.grow(1);
        rates.iter().enumerate().for_each(|(week, rate)| profiles.record(0, week as i64, 7, *rate));
        profiles
    }

    #[test]
    fn codes_keep_rates_within_half_a_step() {
        for rate in [1e-5f32, 0.05, 1.0, 540.2, 49_999.0, 900_000.0] {
            assert!((decode(f32::from(encode(rate))) / rate - 1.0).abs() < 3e-4, "{rate}");
        }
        assert_eq!(decode(f32::from(encode(0.0))), 0.0);
    }

    #[test]
    fn one_bad_week_does_not_move_the_median() {
        let near = |profiles: Profiles, want: f32| {
            let got = profiles.sides(0, 7, 7).left;
            assert!((got / want - 1.0).abs() < 0.05, "{got} {want}");
        };
        near(one(&[1000.0, 3000.0]), 1000.0);
        near(one(&[1000.0, 3000.0, 1010.0]), 1010.0);
        near(one(&[1000.0, 3000.0, 1000.0, 10.0]), 1000.0);
        assert_eq!(one(&[1.0, 1.0]).sides(0, 7, 8).weeks, 0.0);
        assert_eq!(one(&[1.0, 1.0]).sides(0, 7, 7).weeks, 2.0);
    }

    #[test]
    fn sparse_buckets_lean_on_the_time_of_day() {
        let mut profiles = Profiles::default();
        profiles.grow(1);
        (0..7).for_each(|day| profiles.record(0, 0, day * POOL + 7, 0.1));
        profiles.record(0, 0, 6 * POOL + 7, 0.0);
        let rate = profiles.sides(0, 6 * POOL + 7, 6 * POOL + 7).left;
        assert!(rate > 0.07 && rate < 0.1, "{rate}");
    }

    #[test]
    fn a_masked_half_hour_counts_as_if_it_had_not_been() {
        let mut profiles = one(&[1000.0, 400.0]);
        let rate = |profiles: &Profiles| profiles.sides(0, 7, 7);
        assert_eq!(rate(&profiles).weeks, 2.0);
        profiles.mask(0, 1, 7, 47);
        profiles.mask(0, 2, 7, 47);
        let masked = rate(&profiles);
        assert!(masked.weeks == 1.0 && masked.left > 990.0, "{masked:?}");
        // One that is masked before it is recorded does not count either, nor in the time of day.
        let pool = profiles.pool[7][0];
        profiles.record(0, 2, 7, 1.0);
        assert_eq!((rate(&profiles).weeks, profiles.pool[7][0]), (1.0, pool));
        let (history, pool) = profiles.save(0);
        let mut other = Profiles::default();
        other.grow(1);
        other.restore(0, &history, &pool);
        other.restore_masks(&profiles.masked(), |slice| slice == 0);
        assert_eq!(rate(&other), masked);
        other.unmask(46);
        assert_eq!(rate(&other), masked);
        other.unmask(47);
        assert_eq!(rate(&other).weeks, 3.0);
        // Four weeks later another week stands in its place.
        profiles.record(0, 5, 7, 1000.0);
        profiles.record(0, 6, 7, 1000.0);
        assert_eq!((rate(&profiles).weeks, profiles.masked().len()), (3.0, 0));
    }

    #[test]
    fn saved_history_comes_back() {
        let profiles = one(&[5.0, 6.0, 7.0]);
        let mut other = Profiles::default();
        other.grow(2);
        let (history, pool) = profiles.save(0);
        assert_eq!(other.restore(1, &history, &pool), Some(()));
        assert_eq!(other.sides(1, 7, 7), profiles.sides(0, 7, 7));
        assert_eq!(other.restore(0, &pool, &history), None);
    }
}
