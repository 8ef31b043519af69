//! `ebbd-bench impact`: how often the intervals of what incidents cost hold the truth, and how wide they are.

use clap::Args;
use ebbd_bench::lab::cost::{Case, Told, cases};
use ebbd_bench::lab::{REPORTING_SEEDS, side_by_side};
use ebbd_core::simulate::trial::{Family, TrialSpec};

use crate::rig::Failure;

/// Lengths by which incidents are told apart, in minutes.
const LENGTHS: [(i32, &str); 5] = [
    (15, "under 15 min"),
    (60, "15 to 60 min"),
    (180, "1 to 3 h"),
    (360, "3 to 6 h"),
    (i32::MAX, "over 6 h"),
];

/// What `impact` takes.
#[derive(Args)]
#[command(after_help = "Example: ebbd-bench impact --seeds 9101,9102")]
pub struct ImpactArgs {
    /// Seeds of the shops; those for reporting if nothing is said
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Only shops like the detector's model, or unlike it
    #[arg(long)]
    family: Option<String>,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// A line per alarm
    #[arg(long)]
    each: bool,
}

/// Prints the table.
///
/// # Errors
/// None.
pub fn impact(args: &ImpactArgs) -> Result<(), Failure> {
    let seeds = if args.seeds.is_empty() { REPORTING_SEEDS.to_vec() } else { args.seeds.clone() };
    for family in [Family::Like, Family::Unlike] {
        if args.family.as_ref().is_some_and(|only| only != family.name()) {
            continue;
        }
        let of_seed = |seed: &u64| cases(TrialSpec::new(*seed, family));
        let all: Vec<Case> = side_by_side(&seeds, args.threads, of_seed).into_iter().flatten().collect();
        let named: Vec<String> = seeds.iter().map(u64::to_string).collect();
        println!("Shops {} the model, seeds {}, {} alarms", family.name(), named.join(" "), all.len());
        print(&all);
        all.iter().filter(|_| args.each).for_each(line);
    }
    Ok(())
}

fn print(all: &[Case]) {
    println!(
        "  {:<14} {:>6} {:>8} {:>9} {:>9} {:>8}   {:>8} {:>9}",
        "", "alarms", "orders", "÷ oracle", "too low", "too high", "money", "÷ oracle"
    );
    let mut from = 0;
    for (to, name) in LENGTHS {
        let some: Vec<&Case> = all.iter().filter(|case| (from..to).contains(&case.minutes)).collect();
        row(name, &some);
        from = to;
    }
    row("all", &all.iter().collect::<Vec<_>>());
}

fn row(name: &str, cases: &[&Case]) {
    if cases.is_empty() {
        return;
    }
    let orders: Vec<Told> = cases.iter().map(|case| case.orders).collect();
    let money: Vec<Told> = cases.iter().filter_map(|case| case.money).collect();
    let part = |holds: &dyn Fn(&Told) -> bool| {
        100.0 * orders.iter().filter(|told| holds(told)).count() as f64 / orders.len() as f64
    };
    println!(
        "  {name:<14} {:>6} {:>6.1} % {:>9.2} {:>7.1} % {:>6.1} %   {:>6.1} % {:>9.2}",
        cases.len(),
        covered(&orders),
        ratio(&orders),
        part(&|told| told.truth > told.interval[2]),
        part(&|told| told.truth < told.interval[0]),
        covered(&money),
        ratio(&money)
    );
}

fn covered(told: &[Told]) -> f64 {
    100.0 * told.iter().filter(|told| told.covers()).count() as f64 / told.len().max(1) as f64
}

/// The median of how much wider intervals are than an oracle's.
fn ratio(told: &[Told]) -> f64 {
    let mut ratios: Vec<f64> = told.iter().map(|told| told.half_width() / told.oracle.max(0.5)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

fn line(case: &Case) {
    let [low, estimate, high] = case.orders.interval;
    let mark = if case.orders.covers() { ' ' } else { '!' };
    if let Some(money) = case.money.filter(|money| !money.covers()) {
        let [low, estimate, high] = money.interval;
        println!("$ {:>9.0} in [{low:.0} {estimate:.0} {high:.0}] oracle ±{:.0}", money.truth, money.oracle);
    }
    println!(
        "{mark} {:>9.0} in [{low:.0} {estimate:.0} {high:.0}] oracle ±{:.0}, {} min, {:.1}/min: {}",
        case.orders.truth, case.orders.oracle, case.minutes, case.rate, case.what
    );
}
