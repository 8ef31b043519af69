//! The columns of the bank: what is kept per slice, and where it stands in a block.
//!
//! A block holds [`WIDTH`] slices; each column is an array over them. Times are minutes since the
//! detector's first one (exact in f32 for 31 years), counts are events.

/// Slices per block.
pub const WIDTH: usize = 32;
/// One-sided tests per slice.
pub const MEMBERS: usize = 5;
/// Rate ratio that each member is tuned to.
pub const RATIO: [f32; MEMBERS] = [0.03, 0.5, 0.65, 0.75, 0.88];
/// ln of [`RATIO`].
pub const LN_RATIO: [f32; MEMBERS] =
    [-3.506_558, -std::f32::consts::LN_2, -0.430_782_9, -0.287_682_1, -0.127_833_4];
/// Minutes over which each member's dispersion is measured.
pub const WINDOW: [f32; MEMBERS] = [2.0, 4.0, 4.0, 16.0, 64.0];
/// Per-minute decay of each member's level: half-lives 60, 60, 15, 35, 35 minutes.
pub const DECAY: [f32; MEMBERS] = [0.988_514, 0.988_514, 0.954_842, 0.980_391_2, 0.980_391_2];
/// How far evidence slows a member's level.
pub const SLOWING: [f32; MEMBERS] = [0.7, 0.7, 0.3, 0.7, 0.7];
/// A member fires only when the excursion's ratio is below this: 1 − max(6 %, (1 − ratio) / 2).
pub const GATE: [f32; MEMBERS] = [0.515, 0.75, 0.825, 0.875, 0.94];
/// Blocks that a dispersion estimate remembers, per member.
pub const MEMORY: [f32; MEMBERS] = [2000.0, 1500.0, 1500.0, 600.0, 200.0];

/// Watched events of the minute.
pub const OBSERVED: usize = 0;
/// Weekly profile at the minute, events per minute at level 1.
pub const PROFILE: usize = 1;
/// Weeks of history under the profile at this time, 0 to 4.
pub const WEEKS: usize = 2;
/// Minutes judged since the slice was first seen.
pub const AGE: usize = 3;
/// Episode: 0 none, 1 open with frozen levels, 2 open and relevelled.
pub const OPEN: usize = 4;
/// The level that counts as normal while an episode is open.
pub const NORMAL: usize = 5;
/// Slow level.
pub const SLOW: usize = 6;
/// Decayed events and decayed profile under the slow level.
pub const SLOW_X: usize = 7;
/// See [`SLOW_X`].
pub const SLOW_M: usize = 8;
/// What the fast levels fall back to, relative to the slow level.
pub const OFFSET: usize = 9;
/// Evidence for a rise (promotion), and for how many minutes it has held the levels.
pub const RISE: usize = 10;
/// See [`RISE`].
pub const RISE_MINUTES: usize = 11;
/// Minutes in a row with exactly nothing, and their evidence without a cap.
pub const ZERO_RUN: usize = 12;
/// See [`ZERO_RUN`].
pub const ZERO_EVIDENCE: usize = 13;
/// Events and minutes of the current bucket of the profile.
pub const BUCKET_X: usize = 14;
/// See [`BUCKET_X`].
pub const BUCKET_N: usize = 15;
/// Minutes in a row without an event.
pub const SILENT: usize = 16;
/// Out: events with the upper bound of what is missing.
pub const UPPER: usize = 17;
/// Out: expected events.
pub const EXPECTED: usize = 18;
/// Out: lower and upper end of the 90 % band, before rounding.
pub const LOW: usize = 19;
/// See [`LOW`].
pub const HIGH: usize = 20;
/// Out: sum of 2^member over members past their bar; 32 for total silence.
pub const FIRED: usize = 21;
/// Out: the member with the most evidence relative to its bar.
pub const LEAD: usize = 22;
/// The weekly profile at the bucket centres before and after the minute.
pub const LEFT: usize = 23;
/// See [`LEFT`].
pub const RIGHT: usize = 24;
/// The minute's own dispersion: columns as in [`BLOCK_X`] and on.
pub const MINUTE_BLOCK: usize = 25;
/// Columns before those of the first member.
pub const SHARED: usize = MINUTE_BLOCK + BLOCK_COLUMNS;

/// Per member: evidence in nats.
pub const EVIDENCE: usize = 0;
/// Its bar in nats.
pub const BAR: usize = 1;
/// Its level, relative to the profile.
pub const LEVEL: usize = 2;
/// Decayed events and decayed expectation under the level.
pub const LEVEL_X: usize = 3;
/// See [`LEVEL_X`].
pub const LEVEL_M: usize = 4;
/// The level when evidence was last zero.
pub const LEVEL_BEFORE: usize = 5;
/// Events and expectation since evidence was last zero.
pub const SINCE_X: usize = 6;
/// See [`SINCE_X`].
pub const SINCE_M: usize = 7;
/// First minute of the excursion.
pub const ONSET: usize = 8;
/// Highest evidence of this excursion, and the decayed highest of those that did not fire.
pub const SUMMIT: usize = 9;
/// See [`SUMMIT`].
pub const PEAK: usize = 10;
/// First of the columns of a dispersion estimate.
pub const BLOCK_X: usize = 11;
/// Columns per member.
pub const PER_MEMBER: usize = BLOCK_X + BLOCK_COLUMNS;

/// Columns of a dispersion estimate: events, expectation, minutes of the block; numerator, denominator, blocks.
pub const BLOCK_COLUMNS: usize = 7;
/// Where the dispersion itself stands among the columns of its estimate.
pub const DISPERSION: usize = 6;

/// 1 once the profile is the sum of its parts' (of a slice that spans zones), or is counted in its whole's.
pub const COMPOSED: usize = SHARED + MEMBERS * PER_MEMBER;

/// Profile of the current bucket, summed over its minutes.
pub const BUCKET_PROFILE: usize = COMPOSED + 1;
/// Spans over which it is measured how far totals stray from what is expected at a level that stands still.
pub const SPANS: usize = 3;
/// Half-hours of each.
pub const SPAN_BUCKETS: [f32; SPANS] = [1.0, 4.0, 16.0];
/// Per span: the level that stands still, events, expected and half-hours so far; numerator, denominator and
/// blocks of the estimate; the variance, relative to the square of what is expected.
pub const SPAN_COLUMNS: usize = 8;
/// First of the columns of a span.
pub const FIRST_SPAN: usize = BUCKET_PROFILE + 1;

/// All columns. Later ones are appended, so that an older state can be read.
pub const COLUMNS: usize = FIRST_SPAN + SPANS * SPAN_COLUMNS;

/// The column of member `member`.
pub const fn of(member: usize, column: usize) -> usize {
    SHARED + member * PER_MEMBER + column
}

/// Judged minutes until the profile is used.
pub const READY_AGE: f32 = 7.0 * 1440.0;
/// Judged minutes until verdicts are given.
pub const LEARNT_AGE: f32 = 8.0 * 1440.0;
/// Counts that a fast level's fall-back weighs.
pub const PRIOR: f32 = 300.0;
/// Counts that the slow level's start weighs.
pub const SLOW_PRIOR: f32 = 20.0;
/// Per-minute decay of the slow level and of the offset: half-life one day.
pub const SLOW_DECAY: f32 = 0.999_518_76;
/// Per-minute decay of remembered peaks: half-life four weeks.
pub const PEAK_DECAY: f32 = 0.999_982_8;
/// Evidence of one minute is at most the bar divided by this: three full minutes pass it, two never do,
/// even when a third of the bar stood there before.
pub const CAP: f32 = 2.95;
/// The smallest dispersion believed.
pub const LEAST_DISPERSION: f32 = 1e-5;
/// Dispersion and weight (in blocks) that an estimate starts from.
pub const FIRST_DISPERSION: f32 = 0.0025;
/// See [`FIRST_DISPERSION`].
pub const FIRST_BLOCKS: f32 = 6.0;
/// Below this expectation per minute nothing fires.
pub const TINY: f32 = 0.01;
/// A rise holds the levels for at most so many minutes.
pub const RISE_HOLDS: f32 = 1500.0;
/// FIRED of the test for total silence.
pub const SILENCE: f32 = 32.0;

/// What is the same for all slices in a minute. Flags are 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The minute, counted from the detector's first.
    pub now: f32,
    /// There is data: evidence counts.
    pub judged: f32,
    /// It is complete enough to learn from.
    pub learns: f32,
    /// What is missing, relative to the expectation.
    pub missing: f32,
    /// The bar in nats.
    pub bar: f32,
    /// Smaller shortfalls never fire, in events.
    pub min_loss: f32,
}

/// The columns of [`WIDTH`] slices.
#[derive(Clone, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Block(pub [[f32; WIDTH]; COLUMNS]);

impl Default for Block {
    fn default() -> Self {
        let mut block = Block([[0.0; WIDTH]; COLUMNS]);
        for lane in 0..WIDTH {
            block.set_lane(lane, &fresh());
        }
        block
    }
}

impl Block {
    /// One slice's columns.
    pub fn lane(&self, lane: usize) -> [f32; COLUMNS] {
        std::array::from_fn(|column| self.0[column][lane])
    }

    /// Replaces one slice's columns.
    pub fn set_lane(&mut self, lane: usize, values: &[f32; COLUMNS]) {
        for (column, value) in self.0.iter_mut().zip(values) {
            column[lane] = *value;
        }
    }
}

/// The column of a span.
pub const fn of_span(span: usize, column: usize) -> usize {
    FIRST_SPAN + span * SPAN_COLUMNS + column
}

/// The columns of a slice that was never seen.
pub fn fresh() -> [f32; COLUMNS] {
    let mut lane = [0.0; COLUMNS];
    (lane[SLOW], lane[OFFSET], lane[NORMAL]) = (1.0, 1.0, 1.0);
    fresh_dispersion(&mut lane, MINUTE_BLOCK);
    (0..SPANS).for_each(|span| fresh_dispersion(&mut lane, of_span(span, 1)));
    for member in 0..MEMBERS {
        lane[of(member, LEVEL)] = 1.0;
        lane[of(member, LEVEL_BEFORE)] = 1.0;
        fresh_dispersion(&mut lane, of(member, BLOCK_X));
    }
    lane
}

fn fresh_dispersion(lane: &mut [f32; COLUMNS], first: usize) {
    lane[first + DISPERSION - 1] = FIRST_BLOCKS;
    lane[first + DISPERSION] = FIRST_DISPERSION;
}
