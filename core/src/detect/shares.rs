//! One host of many: a slice is judged as its share of what this host sees.
//!
//! A balancer moves traffic away from a host without anything being wrong. So what a slice's profile says of a
//! minute is scaled by what the rest of the host's events did in it, against the rest's own profile. The whole
//! itself keeps to its profile.

use super::SliceTable;
use super::bank::Bank;
use crate::model::Slice;
use crate::simd::column::*;

/// A slice beside which less than this share is left has no rest to be compared with: it goes with the whole.
const LEAST_REST: f32 = 0.1;
/// Events that hold the rest's ratio at 1.
const PRIOR: f32 = 3.0;

/// Scales the profiles of the minute that was just put in.
pub(super) fn share_out(bank: &mut Bank, table: &SliceTable) {
    let Some(whole) = table.find(&Slice::default()).map(|id| id.index()) else { return };
    let (seen, usual) = (bank.get(whole, OBSERVED), bank.get(whole, PROFILE));
    for slice in table.iter().map(|(id, _)| id.index()).filter(|slice| *slice != whole) {
        let (own_seen, own_usual) = (bank.get(slice, OBSERVED), bank.get(slice, PROFILE));
        let rest = usual - own_usual;
        let ratio = match rest >= LEAST_REST * usual {
            true => ((seen - own_seen).max(0.0) + PRIOR) / (rest + PRIOR),
            false => (seen + PRIOR) / (usual + PRIOR),
        };
        bank.set(slice, PROFILE, own_usual * ratio);
    }
}
