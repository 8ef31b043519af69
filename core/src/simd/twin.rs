//! The plain twins of the kernels. The bank's: one slice, branches, the same arithmetic in the same order.

use super::column::*;
use super::log::ln1p;

type Lane = [f32; COLUMNS];

/// Moves one slice on by one minute; says the same as [`super::step`].
pub fn step(lane: &mut Lane, minute: &Step) {
    lane[AGE] += minute.judged;
    expect(lane, minute);
    lane[FIRED] = 0.0;
    rise(lane, minute);
    for j in 0..MEMBERS {
        member(lane, j, minute);
    }
    share(lane, minute);
}

fn on(lane: &Lane, minute: &Step) -> bool {
    minute.judged > 0.0 && lane[AGE] > READY_AGE
}

fn held(lane: &Lane, minute: &Step) -> bool {
    lane[RISE] >= minute.bar && lane[RISE_MINUTES] < RISE_HOLDS
}

fn expect(lane: &mut Lane, minute: &Step) {
    let level = if lane[OPEN] > 0.0 { lane[NORMAL] } else { lane[of(1, LEVEL)] };
    let (e, phi) = (lane[PROFILE] * level, lane[MINUTE_BLOCK + DISPERSION]);
    let lost = minute.missing * e;
    lane[EXPECTED] = e;
    lane[UPPER] = lane[OBSERVED] + lost + 2.326 * (lost + (phi + 0.01) * lost * lost).sqrt();
    let (sd, skew) = ((e + phi * e * e).sqrt(), 0.284_3 * (1.0 + 2.0 * phi * e));
    lane[LOW] = e - 1.645 * sd + skew;
    lane[HIGH] = e + 1.645 * sd + skew;
}

fn member(lane: &mut Lane, j: usize, minute: &Step) {
    let (x, on, before) = (lane[UPPER], on(lane, minute), lane[of(j, EVIDENCE)]);
    let mu = (lane[PROFILE] * lane[of(j, LEVEL)]).max(1e-4);
    let bar = bar(lane, j, minute);
    lane[of(j, BAR)] = bar;
    if before <= 0.0 {
        lane[of(j, ONSET)] = minute.now;
        lane[of(j, LEVEL_BEFORE)] = lane[of(j, LEVEL)];
    }
    let mut evidence = before;
    if on {
        evidence += gain(lane, j, x, mu).min(bar / CAP);
    }
    let ceiling = if lane[AGE] > LEARNT_AGE { 2.0 * bar } else { 0.5 * bar };
    evidence = evidence.clamp(0.0, ceiling);
    lane[of(j, EVIDENCE)] = evidence;
    lane[of(j, PEAK)] *= PEAK_DECAY;
    if evidence > 0.0 {
        if on {
            lane[of(j, SINCE_X)] += x;
            lane[of(j, SINCE_M)] += lane[PROFILE] * lane[of(j, LEVEL_BEFORE)];
        }
        lane[of(j, SUMMIT)] = lane[of(j, SUMMIT)].max(evidence);
    } else {
        if lane[OPEN] == 0.0 {
            lane[of(j, PEAK)] = lane[of(j, PEAK)].max(lane[of(j, SUMMIT)]);
        }
        (lane[of(j, SINCE_X)], lane[of(j, SINCE_M)], lane[of(j, SUMMIT)]) = (0.0, 0.0, 0.0);
    }
    if on && fires(lane, j, minute) && mu >= TINY {
        lane[FIRED] += (1u32 << j) as f32;
    }
    let clip = clip(lane, mu);
    learn(lane, j, minute, x, mu, clip);
}

fn bar(lane: &Lane, j: usize, minute: &Step) -> f32 {
    let immature = if j >= 3 { 1.0 + 2.0 / 3.0 * (4.0 - lane[WEEKS]) } else { 1.0 };
    (minute.bar * immature).max((1.3 * lane[of(j, PEAK)]).min(4.0 * minute.bar))
}

fn gain(lane: &Lane, j: usize, x: f32, mu: f32) -> f32 {
    let own = WINDOW[j] * lane[of(j, BLOCK_X + DISPERSION)];
    let r = 1.0 / lane[MINUTE_BLOCK + DISPERSION].max(own).max(LEAST_DISPERSION);
    x * LN_RATIO[j] - (x + r) * ln1p((RATIO[j] - 1.0) * mu / (r + mu))
}

fn fires(lane: &Lane, j: usize, minute: &Step) -> bool {
    let (x, m) = (lane[of(j, SINCE_X)], lane[of(j, SINCE_M)]);
    let enough = lane[of(j, EVIDENCE)] >= lane[of(j, BAR)] && m - x >= minute.min_loss;
    enough && x <= GATE[j] * m && lane[AGE] > LEARNT_AGE
}

fn clip(lane: &Lane, mu: f32) -> f32 {
    4.0 * (mu + lane[MINUTE_BLOCK + DISPERSION] * mu * mu).sqrt() + 2.0
}

fn learn(lane: &mut Lane, j: usize, minute: &Step, x: f32, mu: f32, clip: f32) {
    let free = on(lane, minute) && minute.learns > 0.0 && !held(lane, minute);
    if free && lane[OPEN] == 0.0 {
        measure(lane, of(j, BLOCK_X), x, mu, WINDOW[j], MEMORY[j]);
    }
    let fallback = lane[SLOW] * lane[OFFSET];
    if free && lane[OPEN] != 1.0 {
        let holds = lane[RISE_MINUTES] < RISE_HOLDS;
        let calmness = if holds { (1.0 - lane[RISE] / minute.bar).max(0.0) } else { 1.0 };
        let weight = calmness * (1.0 - SLOWING[j] * (lane[of(j, EVIDENCE)] / lane[of(j, BAR)]).min(1.0));
        let clipped = x.clamp(mu - clip, mu + clip);
        lane[of(j, LEVEL_X)] = lane[of(j, LEVEL_X)] * DECAY[j] + weight * clipped;
        lane[of(j, LEVEL_M)] = lane[of(j, LEVEL_M)] * DECAY[j] + weight * lane[PROFILE] * fallback;
    }
    lane[of(j, LEVEL)] = fallback * (lane[of(j, LEVEL_X)] + PRIOR) / (lane[of(j, LEVEL_M)] + PRIOR);
}

fn measure(lane: &mut Lane, first: usize, x: f32, mu: f32, window: f32, memory: f32) {
    lane[first] += x;
    lane[first + 1] += mu;
    lane[first + 2] += 1.0;
    let (bx, bm) = (lane[first], lane[first + 1]);
    if lane[first + 2] < window || bm < 2.0 {
        return;
    }
    let (blocks, phi) = (lane[first + 5], lane[first + 6]);
    let square = ((bx - bm) * (bx - bm)).min(6.0 * (bm + phi * bm * bm));
    let shrink = 1.0 + phi * bm;
    let scale = 1.0 / (shrink * shrink);
    let (num, den) = ((square - bm) * scale, bm * bm * scale);
    if blocks <= FIRST_BLOCKS {
        (lane[first + 3], lane[first + 4]) = (phi * den, den);
    }
    let gain = 1.0 / (blocks + 1.0).min(memory);
    lane[first + 3] += gain * (num - lane[first + 3]);
    lane[first + 4] += gain * (den - lane[first + 4]);
    lane[first + 5] = blocks + 1.0;
    lane[first + 6] = (lane[first + 3] / lane[first + 4].max(1e-9)).clamp(0.0, 4.0);
    (lane[first], lane[first + 1], lane[first + 2]) = (0.0, 0.0, 0.0);
}

fn share(lane: &mut Lane, minute: &Step) {
    let (x, on) = (lane[UPPER], on(lane, minute));
    let mu = (lane[PROFILE] * lane[of(1, LEVEL)]).max(1e-4);
    let own = WINDOW[1] * lane[of(1, BLOCK_X + DISPERSION)];
    let r = 1.0 / lane[MINUTE_BLOCK + DISPERSION].max(own).max(LEAST_DISPERSION);
    let calm = on && minute.learns > 0.0 && !held(lane, minute) && lane[OPEN] == 0.0;
    silence(lane, minute, on, mu, r);
    slow(lane, minute, calm);
    lane[BUCKET_X] += minute.learns * lane[OBSERVED];
    lane[BUCKET_N] += minute.learns;
    lane[SILENT] = if lane[OBSERVED] > 0.0 { 0.0 } else { lane[SILENT] + minute.judged };
    if calm {
        measure(lane, MINUTE_BLOCK, x, mu, 1.0, 3000.0);
    }
    lead(lane);
}

fn silence(lane: &mut Lane, minute: &Step, on: bool, mu: f32, r: f32) {
    if lane[UPPER] >= 0.5 {
        (lane[ZERO_RUN], lane[ZERO_EVIDENCE]) = (0.0, 0.0);
    } else if on && mu >= 1.0 {
        lane[ZERO_RUN] += 1.0;
        lane[ZERO_EVIDENCE] += r * ln1p(mu / r);
    }
    let worth = lane[of(0, SINCE_M)] >= minute.min_loss && lane[AGE] > LEARNT_AGE;
    if on && lane[ZERO_RUN] >= 3.0 && lane[ZERO_EVIDENCE] >= minute.bar && worth {
        lane[FIRED] += SILENCE;
    }
}

fn rise(lane: &mut Lane, minute: &Step) {
    let mu = (lane[PROFILE] * lane[of(1, LEVEL)]).max(1e-4);
    let own = WINDOW[1] * lane[of(1, BLOCK_X + DISPERSION)];
    let r = 1.0 / lane[MINUTE_BLOCK + DISPERSION].max(own).max(LEAST_DISPERSION);
    if !on(lane, minute) {
        lane[RISE_MINUTES] *= if lane[RISE] >= 0.5 * minute.bar { 1.0 } else { 0.0 };
        return;
    }
    let gain = lane[UPPER] * 0.262_364_3 - (lane[UPPER] + r) * ln1p(0.3 * mu / (r + mu));
    let cap = minute.bar / CAP;
    lane[RISE] = (lane[RISE] + gain.clamp(-cap, cap)).clamp(0.0, 2.0 * minute.bar);
    lane[RISE_MINUTES] = if lane[RISE] >= 0.5 * minute.bar { lane[RISE_MINUTES] + 1.0 } else { 0.0 };
}

fn slow(lane: &mut Lane, minute: &Step, calm: bool) {
    if calm {
        let mu = lane[PROFILE] * lane[SLOW];
        let clip = clip(lane, mu);
        lane[SLOW_X] = lane[SLOW_X] * SLOW_DECAY + lane[UPPER].clamp(mu - clip, mu + clip);
        lane[SLOW_M] = lane[SLOW_M] * SLOW_DECAY + lane[PROFILE];
        lane[OFFSET] = 1.0 + (lane[OFFSET] - 1.0) * SLOW_DECAY;
    } else if minute.judged > 0.0 && minute.learns > 0.0 && lane[AGE] <= READY_AGE {
        lane[SLOW_X] = lane[SLOW_X] * SLOW_DECAY + lane[UPPER];
        lane[SLOW_M] = lane[SLOW_M] * SLOW_DECAY + lane[UPPER];
        lane[OFFSET] = 1.0 + (lane[OFFSET] - 1.0) * SLOW_DECAY;
    }
    lane[SLOW] = (lane[SLOW_X] + SLOW_PRIOR) / (lane[SLOW_M] + SLOW_PRIOR);
}

fn lead(lane: &mut Lane) {
    let strength = |lane: &Lane, j: usize| lane[of(j, EVIDENCE)] / lane[of(j, BAR)];
    let mut best = 0;
    for j in 1..MEMBERS {
        if strength(lane, j) > strength(lane, best) {
            best = j;
        }
    }
    lane[LEAD] = best as f32;
}

/// Non-empty lines of `bytes`, split at LF, each without one trailing CR.
pub fn count_lines(bytes: &[u8]) -> u64 {
    let lines = bytes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty()).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Block;
    use proptest::prelude::*;

    /// A lane in the middle of its life, from a few random figures.
    fn lane(values: &[f32], age: f32, open: f32) -> Lane {
        let mut lane = fresh();
        for (at, value) in lane.iter_mut().enumerate() {
            *value += values[at % values.len()] * if at % 3 == 0 { 5.0 } else { 0.2 };
        }
        (lane[AGE], lane[OPEN], lane[WEEKS]) = (age, open, values[0].floor());
        for first in (0..MEMBERS).map(|j| of(j, BLOCK_X)).chain([MINUTE_BLOCK]) {
            lane[first + DISPERSION] *= 0.01;
        }
        lane
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn the_kernel_says_the_same_bit_for_bit(
            values in proptest::collection::vec(0.0f32..4.0, 7..23),
            minutes in proptest::collection::vec((0u32..60, any::<bool>(), any::<bool>(), 0.0f32..0.3), 1..60),
            age in prop_oneof![Just(0.0f32), Just(READY_AGE - 3.0), Just(LEARNT_AGE - 3.0), Just(30_000.0)],
            open in prop_oneof![Just(0.0f32), Just(1.0), Just(2.0)],
            rate in 0.01f32..50.0,
        ) {
            let mut block = Block::default();
            for at in 0..super::super::column::WIDTH {
                block.set_lane(at, &lane(&values[at % 5..], age, if at % 2 == 0 { open } else { 0.0 }));
            }
            let mut lanes: Vec<Lane> = (0..WIDTH).map(|at| block.lane(at)).collect();
            for (now, (count, judged, learns, missing)) in minutes.into_iter().enumerate() {
                let missing = if learns { 0.0 } else { missing };
                let minute = Step {
                    now: now as f32,
                    judged: if judged { 1.0 } else { 0.0 },
                    learns: if judged && learns { 1.0 } else { 0.0 },
                    missing,
                    bar: 9.0,
                    min_loss: 5.0,
                };
                for (at, lane) in lanes.iter_mut().enumerate() {
                    let observed = (count as usize * at / 8) as f32;
                    (lane[OBSERVED], block.0[OBSERVED][at]) = (observed, observed);
                    (lane[PROFILE], block.0[PROFILE][at]) = (rate, rate);
                    step(lane, &minute);
                }
                crate::simd::step(std::slice::from_mut(&mut block), &minute);
                for (at, lane) in lanes.iter().enumerate() {
                    for (column, value) in lane.iter().enumerate() {
                        prop_assert_eq!(value.to_bits(), block.0[column][at].to_bits(), "column {} {} {}", column, value, block.0[column][at]);
                    }
                }
            }
        }
    }
}
