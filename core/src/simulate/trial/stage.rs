//! What changes rates, and the gaps in what arrives, laid over the minutes of a leaf.

use super::shop::Scope;

/// A factor on the rates of a scope for a while, with straight edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) scope: Scope,
    pub(super) from: i32,
    pub(super) to: i32,
    /// Minutes that it takes to come, and (before `to`) to go.
    pub(super) rise: i32,
    pub(super) fall: i32,
    pub(super) factor: f32,
    /// It is not what was meant to be: it changes the actual mean, not the normal one.
    pub(super) amiss: bool,
}

impl Change {
    /// Multiplies the factors of a leaf's minutes.
    fn lay(&self, factors: &mut [f32]) {
        let to = self.to.min(factors.len() as i32);
        for minute in self.from.max(0)..to {
            let come = share(minute - self.from + 1, self.rise);
            let left = share(self.to.saturating_sub(minute), self.fall);
            factors[minute as usize] *= 1.0 + (self.factor - 1.0) * come.min(left);
        }
    }
}

fn share(minutes: i32, of: i32) -> f32 {
    if minutes >= of { 1.0 } else { minutes as f32 / of as f32 }
}

/// All changes of a leaf as one factor a minute: those that are amiss, or the others.
pub(super) fn factors(changes: &[Change], leaf: usize, minutes: usize, amiss: bool) -> Vec<f32> {
    let mut factors = vec![1.0; minutes];
    for change in changes.iter().filter(|change| change.amiss == amiss && change.scope.has(leaf)) {
        change.lay(&mut factors);
    }
    factors
}

/// Something of all slices' data does not arrive in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gap {
    pub(super) from: i32,
    pub(super) to: i32,
    /// Share that is missing; 1: nobody is alive.
    pub(super) share: f32,
    /// It is a source that is missing, and it is named.
    pub(super) named: bool,
}

/// What arrives in each minute, as a share.
pub(super) fn arrived(gaps: &[Gap], minutes: usize) -> Vec<f32> {
    let mut arrived = vec![1.0; minutes];
    for gap in gaps {
        let to = (gap.to as usize).min(minutes);
        arrived[gap.from as usize..to].fill(1.0 - gap.share);
    }
    arrived
}
