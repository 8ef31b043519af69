//! Mistakes made on purpose: each has to be noticed by some seed.
//!
//! In: mistakes. Out: by what each was noticed. Must not know: how.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::world::{Faults, World};
use crate::sys::{Mutant, make_mutant, result};

/// The most worlds that a mistake may take to be noticed.
const MOST: u64 = 150;

/// Mistakes, and under which faults they are looked for.
const MADE: &[(Mutant, Faults)] = &[
    (Mutant::NoSync, Faults::PowerCut),
    (Mutant::AckEarly, Faults::PowerCut),
    (Mutant::AlarmEarly, Faults::Disk),
    (Mutant::NameUnsynced, Faults::PowerCut),
    (Mutant::RollTwice, Faults::Kill),
    (Mutant::ReleaseEarly, Faults::Kill),
    (Mutant::FilesUnnoted, Faults::Kill),
    (Mutant::SpokenUnnoted, Faults::Kill),
    (Mutant::RolledAgain, Faults::Kill),
    (Mutant::TroubleMisfiled, Faults::Kill),
    (Mutant::BridgeEmpty, Faults::Disk),
];

/// The first world that a mistake shows itself in.
fn noticed(mutant: Mutant, faults: Faults) -> Option<u64> {
    (0..MOST).find(|seed| {
        let lived = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(*seed, faults);
            world.mutant = Some(mutant);
            world.live()
        }));
        make_mutant(None);
        !matches!(lived, Ok(Ok(())))
    })
}

#[test]
fn every_mistake_is_noticed() {
    let look = |(mutant, faults): &(Mutant, Faults)| {
        let seed = noticed(*mutant, *faults);
        let by = seed.map(|seed| format!("simulated {faults:?}, world {seed}"));
        result("mutant", &format!("{mutant:?}"), by.as_deref().unwrap_or("survives"));
        (*mutant, seed)
    };
    let found: Vec<_> = MADE.iter().map(look).collect();
    let survivors: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).collect();
    assert!(survivors.is_empty(), "not noticed: {survivors:?}; noticed by seed: {found:?}");
}
