//! What a second lane is worth where there are cores for it: with one lane and with two, the thread that
//! has most to do is the bottleneck; the ratio of both is the speed-up that is left when no core is shared.

use ebbd_bench::stages::Stage;
use ebbd_bench::{Pace, ShopSpec, WireFormat};

use super::either;
use crate::command::instructions;
use crate::command::path::{Plan, Rounds, run};
use crate::command::this_minute;
use crate::kept::{Figure, Outcome};
use crate::rig::{Failure, Setup, Transport};

pub(super) fn measure(quick: bool) -> Result<Outcome, Failure> {
    let (one, two) = (rounds(1, quick)?, rounds(2, quick)?);
    let mut figures =
        vec![Figure::ratio("busiest thread: one lane ÷ two", &busiest(&one), &busiest(&two)).goal("S13")];
    for (lanes, rounds) in [("one lane", &one), ("two lanes", &two)] {
        for (name, ns) in &rounds.threads {
            figures.push(Figure::new(&format!("{lanes}: thread {name}"), "CPU ns/event", ns.clone()));
        }
    }
    figures.extend(shared_work(either(quick, 200_000, 50_000))?);
    let remarks = vec![
        "CPU per event of each thread of the daemon, four connections; a machine with a core for each thread \
         would run at the speed of the busiest."
            .to_owned(),
    ];
    Ok(Outcome::new("lanes", figures, remarks))
}

fn rounds(lanes: usize, quick: bool) -> Result<Rounds, Failure> {
    run(&Plan {
        setup: Setup { lanes, ..Setup::new(Transport::Unix, WireFormat::Ndjson) },
        load: ShopSpec::reference(either(quick, 3_000_000, 1_000_000), this_minute()),
        pace: Pace { connections: 4, ..Pace::default() },
        sink: None,
        rounds: either(quick, 5, 2),
    })
}

/// Instructions per event in one lane, and in two lanes together: what sharing the work costs.
fn shared_work(events: u64) -> Result<Vec<Figure>, Failure> {
    let of = |name: &str| {
        let stage = Stage::named(name).ok_or("no such stage")?;
        instructions::per_unit(&stage, events)
    };
    let (one, two) = (vec![of("lane/ndjson")?], vec![of("lane/ndjson-two-lanes")?]);
    let halved: Vec<f64> = two.iter().map(|both| both / 2.0).collect();
    let ratio = Figure::ratio("instructions: one lane ÷ each of two", &one, &halved);
    let each = "instructions/event";
    Ok(vec![Figure::new("one lane", each, one), Figure::new("two lanes together", each, two), ratio])
}

/// Of each round: what the busiest thread spends per event.
fn busiest(rounds: &Rounds) -> Vec<f64> {
    let round = |at: usize| {
        let threads = rounds.threads.values().filter_map(|ns| ns.get(at).copied());
        threads.fold(0.0, f64::max)
    };
    (0..rounds.daemon.len()).map(round).collect()
}
