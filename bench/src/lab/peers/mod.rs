//! What people run today, written anew: each gives a score per minute that an alarm is a threshold on.
//!
//! They are told nothing of completeness, calendars or zones, as in practice. An alarm that goes out for
//! at most `MERGED` minutes stays open, which favours them.

mod bands;
mod series;
mod smoothing;

pub use series::five_minute_means;

use ebbd_core::simulate::trial::Trial;

use super::{DROP, Figures, Minutes, Score, Truth};

/// Minutes of a week.
pub const WEEK: usize = 10_080;
/// Minutes without an alarm that don't end it.
const MERGED: usize = 5;

/// False alarms per slice-week that a peer may have to be shown at what finds most.
const TOLERATED: f64 = 0.5;

/// One rule.
pub struct Peer {
    /// What it is called in the table.
    pub name: &'static str,
    /// A score for every minute from `from` on, of all counts of a slice; more is worse.
    pub scores: fn(counts: &[u32], from: usize) -> Vec<f32>,
    /// Thresholds that are tried, the usual one among them.
    pub thresholds: &'static [f32],
}

/// All of them.
pub const ALL: [Peer; 7] = [
    Peer { name: "static threshold", scores: series::floor, thresholds: &[1.0, 1.25, 2.0, 4.0] },
    Peer { name: "week over week", scores: series::week_over_week, thresholds: &[0.2, 0.35, 0.5, 0.65, 0.8] },
    Peer { name: "bands, zeros kept", scores: bands::zeros_kept, thresholds: &[0.25, 0.35, 0.5, 0.65] },
    Peer { name: "bands, zeros dropped", scores: bands::zeros_dropped, thresholds: &[0.25, 0.35, 0.5, 0.65] },
    Peer {
        name: "double exponential",
        scores: smoothing::double_exponential,
        thresholds: &[0.2, 0.3, 0.5, 0.6, 0.7, 0.8],
    },
    Peer { name: "Holt-Winters", scores: smoothing::holt_winters, thresholds: &[2.0, 3.0, 4.0, 6.0, 10.0] },
    Peer { name: "seasonal median/MAD", scores: bands::seasonal, thresholds: &[3.5, 5.0, 7.0, 10.0, 15.0] },
];

/// Flags of a slice's minutes at a threshold.
pub fn alarms(scores: &[f32], threshold: f32) -> Minutes {
    let mut since = MERGED + 1;
    let flag = |score: &f32| {
        since = if *score >= threshold { 0 } else { since.saturating_add(1) };
        if since <= MERGED { DROP } else { 0 }
    };
    scores.iter().map(flag).collect()
}

/// Scores of every peer at every threshold, in the order of [`ALL`].
pub fn scores(trial: &Trial, truth: &Truth) -> Vec<Score> {
    let from = trial.spec.evaluated_from() as usize;
    let of_peer = |peer: &Peer| {
        let scores: Vec<Vec<f32>> = trial.counts.iter().map(|counts| (peer.scores)(counts, from)).collect();
        let at = |threshold: &f32| {
            let judged: Vec<Minutes> = scores.iter().map(|scores| alarms(scores, *threshold)).collect();
            Score::of(truth, &judged)
        };
        peer.thresholds.iter().map(at).collect::<Vec<Score>>()
    };
    ALL.iter().flat_map(of_peer).collect()
}

/// Each peer at its best threshold, by name: what finds most with at most half a false alarm per
/// slice-week, else what has fewest. Chosen on the very trials that are shown, and anew for busy slices
/// (the second threshold in the name), which favours them.
pub fn best(scores: &[Score]) -> Vec<(String, Figures)> {
    let mut rest = scores;
    let mut all = Vec::new();
    for peer in ALL.iter().filter(|_| !scores.is_empty()) {
        let (own, others) = rest.split_at(peer.thresholds.len());
        rest = others;
        let figures: Vec<Figures> = own.iter().map(Figures::of).collect();
        let [any, busy] = [
            best_of(&figures, |of| (of.false_alarms[0], of.all.recall)),
            best_of(&figures, |of| (of.false_alarms[1], of.deep.recall)),
        ];
        let name = format!("{} {}/{}", peer.name, peer.thresholds[any], peer.thresholds[busy]);
        all.push((name, figures[any].clone().with_busy_of(&figures[busy])));
    }
    all
}

/// The best of one peer's thresholds by (false alarms, recall).
fn best_of(figures: &[Figures], of: impl Fn(&Figures) -> (f64, f64)) -> usize {
    let worth = |figures: &Figures| match of(figures) {
        (alarms, found) if alarms <= TOLERATED => found,
        (alarms, _) => -alarms,
    };
    let better = |a: &usize, b: &usize| worth(&figures[*a]).total_cmp(&worth(&figures[*b]));
    (0..figures.len()).max_by(better).expect("every peer has thresholds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pauses_do_not_end_an_alarm() {
        let mut scores = vec![0.0; 40];
        (scores[10], scores[14], scores[30]) = (1.0, 1.0, 1.0);
        let flags = alarms(&scores, 0.5);
        let on: Vec<usize> = (0..40).filter(|at| flags[*at] != 0).collect();
        assert_eq!(on, (10..20).chain(30..36).collect::<Vec<_>>());
    }

    #[test]
    fn everybody_sees_a_busy_slice_fall_silent_except_who_drops_zeros() {
        let day = |minute: usize| 400.0 + 200.0 * (minute as f64 / 1440.0 * std::f64::consts::TAU).sin();
        let noise = |minute: usize| (minute * 7919 % 41) as f64 - 20.0;
        let mut counts: Vec<u32> = (0..5 * WEEK).map(|at| (day(at) + noise(at)) as u32).collect();
        let onset = 4 * WEEK + 5_000;
        counts[onset..onset + 60].fill(0);
        for peer in ALL {
            let flags = alarms(&(peer.scores)(&counts, 4 * WEEK), peer.thresholds[1]);
            let found = flags[5_000..5_060].contains(&DROP);
            assert_eq!(found, peer.name != "bands, zeros dropped", "{}", peer.name);
            assert!(!flags[3_000..4_900].contains(&DROP), "{}", peer.name);
        }
    }
}
