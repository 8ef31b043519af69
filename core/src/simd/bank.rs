//! One minute of the bank over a column block: masks instead of branches, so that the loops vectorise.
#![allow(clippy::needless_range_loop)] // one index runs through dozens of columns

use multiversion::multiversion;

use super::column::*;
use super::log::ln1p;

/// Moves every block on by one minute, with the widest vectors this machine has.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
pub fn step(blocks: &mut [Block], minute: &Step) {
    for block in blocks {
        open_minute(block, minute);
        rise(block, minute);
        member::<0>(block, minute);
        member::<1>(block, minute);
        member::<2>(block, minute);
        member::<3>(block, minute);
        member::<4>(block, minute);
        close_minute(block, minute);
    }
}

#[inline(always)]
fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn min(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// A choice without a branch: the compiler would move loads into one, and then not vectorise.
#[inline(always)]
fn pick(condition: bool, yes: f32, no: f32) -> f32 {
    let chosen = 0u32.wrapping_sub(u32::from(condition));
    f32::from_bits(yes.to_bits() & chosen | no.to_bits() & !chosen)
}

/// 1 where the condition holds.
#[inline(always)]
fn mask(condition: bool) -> f32 {
    if condition { 1.0 } else { 0.0 }
}

/// 1 while a rise holds the levels.
#[inline(always)]
fn rising(rise: f32, minutes: f32, bar: f32) -> f32 {
    mask(rise >= bar) * mask(minutes < RISE_HOLDS)
}

/// Age, expectation, band, and the upper bound that evidence counts from.
#[inline(always)]
fn open_minute(block: &mut Block, minute: &Step) {
    let c = &mut block.0;
    for i in 0..WIDTH {
        let age = c[AGE][i] + minute.judged;
        let level = pick(c[OPEN][i] > 0.0, c[NORMAL][i], c[of(1, LEVEL)][i]);
        let expected = c[PROFILE][i] * level;
        let phi = c[MINUTE_BLOCK + DISPERSION][i];
        let lost = minute.missing * expected;
        let spread = (lost + (phi + 0.01) * lost * lost).sqrt();
        let skew = 0.284_3 * (1.0 + 2.0 * phi * expected);
        let sd = (expected + phi * expected * expected).sqrt();
        c[AGE][i] = age;
        c[UPPER][i] = c[OBSERVED][i] + lost + 2.326 * spread;
        c[EXPECTED][i] = expected;
        c[LOW][i] = expected - 1.645 * sd + skew;
        c[HIGH][i] = expected + 1.645 * sd + skew;
        c[FIRED][i] = 0.0;
    }
}

/// Evidence for a rise: it slows and then holds the levels, so that the end of a promotion is no drop.
#[inline(always)]
fn rise(block: &mut Block, minute: &Step) {
    let c = &mut block.0;
    for i in 0..WIDTH {
        let x = c[UPPER][i];
        let on = minute.judged * mask(c[AGE][i] > READY_AGE);
        let mu = max(c[PROFILE][i] * c[of(1, LEVEL)][i], 1e-4);
        let own = WINDOW[1] * c[of(1, BLOCK_X + DISPERSION)][i];
        let r = 1.0 / max(max(c[MINUTE_BLOCK + DISPERSION][i], own), LEAST_DISPERSION);
        let gain = x * 0.262_364_3 - (x + r) * ln1p(0.3 * mu / (r + mu));
        let cap = minute.bar / CAP;
        let risen = min(max(c[RISE][i] + on * min(max(gain, -cap), cap), 0.0), 2.0 * minute.bar);
        c[RISE][i] = risen;
        c[RISE_MINUTES][i] = pick(risen >= 0.5 * minute.bar, c[RISE_MINUTES][i] + on, 0.0);
    }
}

/// One member: evidence, excursion, bar, dispersion and level.
#[inline(always)]
fn member<const J: usize>(block: &mut Block, minute: &Step) {
    let c = &mut block.0;
    for i in 0..WIDTH {
        let (x, profile, age) = (c[UPPER][i], c[PROFILE][i], c[AGE][i]);
        let on = minute.judged * mask(age > READY_AGE);
        let level = c[of(J, LEVEL)][i];
        let mu = max(profile * level, 1e-4);
        let phi_minute = c[MINUTE_BLOCK + DISPERSION][i];
        let phi = max(max(phi_minute, WINDOW[J] * c[of(J, BLOCK_X + DISPERSION)][i]), LEAST_DISPERSION);
        // Evidence.
        let r = 1.0 / phi;
        let gain = x * LN_RATIO[J] - (x + r) * ln1p((RATIO[J] - 1.0) * mu / (r + mu));
        let immature = pick(J >= 3, 1.0 + 2.0 / 3.0 * (4.0 - c[WEEKS][i]), 1.0);
        let bar = max(minute.bar * immature, min(1.3 * c[of(J, PEAK)][i], 4.0 * minute.bar));
        let before = c[of(J, EVIDENCE)][i];
        let ceiling = pick(age > LEARNT_AGE, 2.0 * bar, 0.5 * bar);
        let evidence = min(max(before + on * min(gain, bar / CAP), 0.0), ceiling);
        let live = evidence > 0.0;
        // Excursion.
        let was = before > 0.0;
        let normal = pick(was, c[of(J, LEVEL_BEFORE)][i], level);
        let since_x = pick(live, c[of(J, SINCE_X)][i] + on * x, 0.0);
        let since_m = pick(live, c[of(J, SINCE_M)][i] + on * profile * normal, 0.0);
        let deep_enough = mask(since_x <= GATE[J] * since_m) * mask(since_m - since_x >= minute.min_loss);
        let fires = on * mask(evidence >= bar) * deep_enough * mask(mu >= TINY) * mask(age > LEARNT_AGE);
        let summit = c[of(J, SUMMIT)][i];
        let ended = mask(!live) * mask(c[OPEN][i] == 0.0);
        let peak = max(c[of(J, PEAK)][i] * PEAK_DECAY, ended * summit);
        // Learning.
        let held = rising(c[RISE][i], c[RISE_MINUTES][i], minute.bar);
        let free = on * minute.learns * (1.0 - held);
        let calmness = max(1.0 - c[RISE][i] / minute.bar, 1.0 - mask(c[RISE_MINUTES][i] < RISE_HOLDS));
        dispersion(c, i, of(J, BLOCK_X), x, mu, free * mask(c[OPEN][i] == 0.0), WINDOW[J], MEMORY[J]);
        let weight =
            free * mask(c[OPEN][i] != 1.0) * calmness * (1.0 - SLOWING[J] * min(evidence / bar, 1.0));
        let decay = pick(weight > 0.0, DECAY[J], 1.0);
        let clip = 4.0 * (mu + phi_minute * mu * mu).sqrt() + 2.0;
        let clipped = min(max(x, mu - clip), mu + clip);
        let fallback = c[SLOW][i] * c[OFFSET][i];
        let level_x = c[of(J, LEVEL_X)][i] * decay + weight * clipped;
        let level_m = c[of(J, LEVEL_M)][i] * decay + weight * profile * fallback;
        // Store.
        c[of(J, EVIDENCE)][i] = evidence;
        c[of(J, BAR)][i] = bar;
        c[of(J, LEVEL)][i] = fallback * (level_x + PRIOR) / (level_m + PRIOR);
        c[of(J, LEVEL_X)][i] = level_x;
        c[of(J, LEVEL_M)][i] = level_m;
        c[of(J, LEVEL_BEFORE)][i] = normal;
        c[of(J, SINCE_X)][i] = since_x;
        c[of(J, SINCE_M)][i] = since_m;
        c[of(J, ONSET)][i] = pick(was, c[of(J, ONSET)][i], minute.now);
        c[of(J, SUMMIT)][i] = pick(live, max(summit, evidence), 0.0);
        c[of(J, PEAK)][i] = peak;
        c[FIRED][i] += fires * (1u32 << J) as f32;
    }
}

/// A dispersion estimate: blocks of at least `window` minutes and two expected events; what their
/// squared residual exceeds the Poisson part by, relative to the square of the expectation.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a piece of a kernel, inlined everywhere")]
fn dispersion(
    c: &mut [[f32; WIDTH]; COLUMNS],
    i: usize,
    first: usize,
    x: f32,
    mu: f32,
    take: f32,
    window: f32,
    memory: f32,
) {
    let (bx, bm, bn) = (c[first][i] + take * x, c[first + 1][i] + take * mu, c[first + 2][i] + take);
    let (top, bottom, blocks, phi) = (c[first + 3][i], c[first + 4][i], c[first + 5][i], c[first + 6][i]);
    let done = (bn >= window) & (bm >= 2.0);
    let residual = bx - bm;
    let square = min(residual * residual, 6.0 * (bm + phi * bm * bm));
    let shrink = 1.0 + phi * bm;
    let scale = 1.0 / (shrink * shrink);
    let (num, den) = ((square - bm) * scale, bm * bm * scale);
    let first_one = blocks <= FIRST_BLOCKS;
    let (old_top, old_bottom) = (pick(first_one, phi * den, top), pick(first_one, den, bottom));
    let gain = 1.0 / min(blocks + 1.0, memory);
    let (new_top, new_bottom) = (old_top + gain * (num - old_top), old_bottom + gain * (den - old_bottom));
    let new_phi = min(max(new_top / max(new_bottom, 1e-9), 0.0), 4.0);
    c[first][i] = pick(done, 0.0, bx);
    c[first + 1][i] = pick(done, 0.0, bm);
    c[first + 2][i] = pick(done, 0.0, bn);
    c[first + 3][i] = pick(done, new_top, top);
    c[first + 4][i] = pick(done, new_bottom, bottom);
    c[first + 5][i] = pick(done, blocks + 1.0, blocks);
    c[first + 6][i] = pick(done, new_phi, phi);
}

/// What members share: the minute's dispersion, slow level, rise, silence, the bucket's sum, the lead.
#[inline(always)]
fn close_minute(block: &mut Block, minute: &Step) {
    let c = &mut block.0;
    for i in 0..WIDTH {
        let (x, profile) = (c[UPPER][i], c[PROFILE][i]);
        let on = minute.judged * mask(c[AGE][i] > READY_AGE);
        let mu = max(profile * c[of(1, LEVEL)][i], 1e-4);
        let phi_minute = c[MINUTE_BLOCK + DISPERSION][i];
        let phi = max(max(phi_minute, WINDOW[1] * c[of(1, BLOCK_X + DISPERSION)][i]), LEAST_DISPERSION);
        let r = 1.0 / phi;
        let held = rising(c[RISE][i], c[RISE_MINUTES][i], minute.bar);
        let calm = on * minute.learns * (1.0 - held) * mask(c[OPEN][i] == 0.0);
        // Silence.
        let silent = x < 0.5;
        let certain = mask(mu >= 1.0) * on;
        c[ZERO_RUN][i] = pick(silent, c[ZERO_RUN][i] + certain, 0.0);
        c[ZERO_EVIDENCE][i] = pick(silent, c[ZERO_EVIDENCE][i] + certain * r * ln1p(mu / r), 0.0);
        let proof = mask(c[ZERO_RUN][i] >= 3.0) * mask(c[ZERO_EVIDENCE][i] >= minute.bar);
        let worth = mask(c[of(0, SINCE_M)][i] >= minute.min_loss) * mask(c[AGE][i] > LEARNT_AGE);
        c[FIRED][i] += on * proof * worth * SILENCE;
        // Slow level, and the way back of the fast levels' fall-back. Before there is a profile the level
        // is 1, with the weight that its first days will have against it.
        let slow_mu = profile * c[SLOW][i];
        let clip = 4.0 * (slow_mu + phi_minute * slow_mu * slow_mu).sqrt() + 2.0;
        let clipped = min(max(x, slow_mu - clip), slow_mu + clip);
        let young = minute.judged * minute.learns * mask(c[AGE][i] <= READY_AGE);
        let decay = pick(calm + young > 0.0, SLOW_DECAY, 1.0);
        c[SLOW_X][i] = c[SLOW_X][i] * decay + (calm * clipped + young * x);
        c[SLOW_M][i] = c[SLOW_M][i] * decay + (calm * profile + young * x);
        c[SLOW][i] = (c[SLOW_X][i] + SLOW_PRIOR) / (c[SLOW_M][i] + SLOW_PRIOR);
        c[OFFSET][i] = 1.0 + (c[OFFSET][i] - 1.0) * decay;
        // What the profile will learn from, and for how long nothing came.
        c[BUCKET_X][i] += minute.learns * c[OBSERVED][i];
        c[BUCKET_N][i] += minute.learns;
        c[SILENT][i] = pick(c[OBSERVED][i] > 0.0, 0.0, c[SILENT][i] + minute.judged);
        dispersion(c, i, MINUTE_BLOCK, x, mu, calm, 1.0, 3000.0);
        lead(c, i);
    }
}

/// The member with the most evidence relative to its bar; the deepest of equals.
#[inline(always)]
fn lead(c: &mut [[f32; WIDTH]; COLUMNS], i: usize) {
    let (mut best, mut which) = (-1.0, 0.0);
    for j in 0..MEMBERS {
        let share = c[of(j, EVIDENCE)][i] / c[of(j, BAR)][i];
        which = pick(share > best, j as f32, which);
        best = max(share, best);
    }
    c[LEAD][i] = which;
}
