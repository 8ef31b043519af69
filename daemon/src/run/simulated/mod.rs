//! Lives of a whole daemon on a disk that forgets and fails: real sources, lanes, committer, judge, store and
//! journal, driven step by step on a clock that is turned by hand, so that a seed comes out the same each time.
//!
//! In: a seed. Out: what was wrong, if anything was. The oracle knows only what was sent, what senders and
//! subscribers were told, and how to add up: what was acknowledged is there after every crash; at the end the
//! Parquet has each line of acknowledged senders and of the followed file once, and the ledger balances.

mod life;
mod mutants;
mod recount;
mod senders;
mod world;

use world::{Faults, World};

use crate::sys::result;

/// Worlds of a kind unless `SIMULATED_WORLDS` says otherwise.
const WORLDS: u64 = 120;

fn worlds() -> u64 {
    std::env::var("SIMULATED_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(WORLDS)
}

/// What worlds with these seeds came to: lives that ended in a power cut, in a kill, checkpoints compared.
fn lived(faults: Faults, seeds: impl Iterator<Item = u64>) -> (u64, u64, u64) {
    let (mut cuts, mut kills, mut compared) = (0, 0, 0);
    for seed in seeds {
        let mut world = World::new(seed, faults);
        let lived = world.live();
        assert_eq!(lived, Ok(()), "{faults:?}, SIMULATED_SEED={seed}");
        (cuts, kills) = (cuts + world.cuts, kills + world.kills);
        compared += world.told_again.get();
    }
    (cuts, kills, compared)
}

/// One world alone, if `SIMULATED_SEED` names one.
fn seeds(of: u64) -> Box<dyn Iterator<Item = u64>> {
    match std::env::var("SIMULATED_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => Box::new(std::iter::once(seed)),
        None => Box::new((0..worlds()).map(move |at| at * 3 + of)),
    }
}

#[test]
fn nothing_is_lost_or_doubled_by_kills() {
    let (_, kills, compared) = lived(Faults::Kill, seeds(0));
    assert!(compared > 0 || kills < 100, "no recovery passed a checkpoint");
    result("simulated kills", "all", &kills.to_string());
    result("checkpoints told again", "kills", &compared.to_string());
}

#[test]
fn nothing_is_lost_or_doubled_by_power_cuts() {
    let (cuts, kills, compared) = lived(Faults::PowerCut, seeds(1));
    result("checkpoints told again", "power cuts", &compared.to_string());
    result("simulated power cuts", "all", &cuts.to_string());
    result("simulated kills", "between power cuts", &kills.to_string());
}

#[test]
fn a_disk_that_fails_loses_nothing_that_was_acknowledged() {
    let (cuts, kills, _) = lived(Faults::Disk, Box::new(seeds(2).step_by(4)));
    result("simulated lives on failing disks", "all", &(cuts + kills).to_string());
}

#[test]
fn a_seed_comes_out_the_same_each_time() {
    let calls = |seed| {
        let mut world = World::new(seed, Faults::PowerCut);
        world.live().expect("nothing is wrong with it");
        world.disk.calls()
    };
    assert_eq!([calls(1), calls(2)], [calls(1), calls(2)]);
}
