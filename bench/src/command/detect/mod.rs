//! `ebbd-bench detect`: the D-table of docs and goals, on simulated shops or on real series.

mod cost;
mod real;
mod table;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ebbd_bench::lab::{
    BUDGET, Figures, REPORTING_SEEDS, Score, Setting, TUNING_SEEDS, Truth, judge, oracle, peers, side_by_side,
};
use ebbd_core::simulate::trial::{Family, Trial, TrialSpec};
use serde::Serialize;

use crate::rig::Failure;

/// What `detect` takes.
#[derive(Args)]
#[command(after_help = "Example: ebbd-bench detect --family both --peers")]
pub struct DetectArgs {
    /// Seeds of the shops; those for tuning if nothing is said
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,
    /// The seeds for reporting: look at them once
    #[arg(long, conflicts_with = "seeds")]
    report: bool,
    /// Noise like the detector's own model, or unlike it
    #[arg(long, value_enum, default_value = "both")]
    family: Families,
    /// Compare with peers and with an oracle
    #[arg(long)]
    peers: bool,
    /// Leave out each member of the bank in turn
    #[arg(long)]
    ablate: bool,
    /// Set several budgets of false alarms and see what is reached
    #[arg(long)]
    budgets: bool,
    /// Measure what a slice costs in time and memory
    #[arg(long)]
    cost: bool,
    /// Real series instead: a directory of CSV files with time, count and, if known, label
    #[arg(long, value_name = "DIR")]
    series: Option<PathBuf>,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Columns of the tables
    #[arg(long, default_value_t = 80)]
    width: usize,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Which shops.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Families {
    /// Like the detector's model
    Like,
    /// Unlike it
    Unlike,
    /// Both, one after the other
    Both,
}

/// What one judge reached.
#[derive(Serialize)]
pub struct Reached {
    /// Who.
    pub name: String,
    /// Its figures.
    pub figures: Figures,
}

/// Everything about the shops of one family.
#[derive(Serialize)]
pub struct FamilyReport {
    /// `like` or `unlike`.
    pub family: &'static str,
    /// The shops' seeds.
    pub seeds: Vec<u64>,
    /// ebbd at its default.
    pub ebbd: Figures,
    /// The oracle and the peers, each at its best threshold.
    pub others: Vec<Reached>,
    /// What is reached without each member.
    pub without: Vec<Reached>,
    /// Budgets of false alarms per slice-week and what is reached.
    pub budgets: Vec<(f64, Figures)>,
}

/// Runs the lab and prints what came of it.
///
/// # Errors
/// A series can't be read.
pub fn detect(args: &DetectArgs) -> Result<(), Failure> {
    if let Some(folder) = &args.series {
        return real::run(folder, args.json);
    }
    let families: &[Family] = match args.family {
        Families::Like => &[Family::Like],
        Families::Unlike => &[Family::Unlike],
        Families::Both => &[Family::Like, Family::Unlike],
    };
    let reports: Vec<FamilyReport> = families.iter().map(|family| family_report(args, *family)).collect();
    let cost = args.cost.then(cost::measure);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&(&reports, &cost))?);
        return Ok(());
    }
    reports.iter().for_each(|report| table::print(report, args.width));
    if let Some(cost) = cost {
        cost.print();
    }
    Ok(())
}

fn seeds(args: &DetectArgs) -> Vec<u64> {
    match (args.report, args.seeds.is_empty()) {
        (true, _) => REPORTING_SEEDS.to_vec(),
        (false, true) => TUNING_SEEDS.to_vec(),
        (false, false) => args.seeds.clone(),
    }
}

/// One way of judging a trial.
type Judge<'a> = (String, Box<dyn Fn(&Trial, &Truth) -> Score + Sync + 'a>);

fn detector(name: &str, setting: Setting) -> Judge<'static> {
    (name.to_owned(), Box::new(move |trial, truth| Score::of(truth, &judge(trial, setting))))
}

/// Members of the bank by name, in the order of their bits.
const MEMBERS: [&str; 6] = ["97 %", "50 %", "35 %", "25 %", "12 %", "silence"];
/// Budgets that are tried, in false alarms per slice-week.
const BUDGETS: [f64; 5] = [0.02, 0.05, 0.1, 0.5, 2.0];

fn judges(args: &DetectArgs) -> Vec<Judge<'static>> {
    let mut judges = vec![detector("ebbd", Setting::default())];
    if args.peers {
        judges.push(("oracle".to_owned(), Box::new(|trial, truth| Score::of(truth, &oracle(trial, truth)))));
    }
    for (bit, name) in MEMBERS.iter().enumerate().filter(|_| args.ablate) {
        let setting = Setting { members: !(1 << bit), ..Setting::default() };
        judges.push(detector(&format!("without {name}"), setting));
    }
    for budget in BUDGETS.iter().filter(|_| args.budgets) {
        judges.push(detector(&format!("budget {budget}"), Setting { budget: *budget, ..Setting::default() }));
    }
    judges
}

fn family_report(args: &DetectArgs, family: Family) -> FamilyReport {
    let (seeds, judges) = (seeds(args), judges(args));
    let of_seed = |seed: &u64| {
        let trial = Trial::new(TrialSpec::new(*seed, family));
        let truth = Truth::of(&trial);
        let own: Vec<Score> = judges.iter().map(|(_, judge)| judge(&trial, &truth)).collect();
        let theirs = if args.peers { peers::scores(&trial, &truth) } else { Vec::new() };
        (own, theirs)
    };
    let (mut own, mut theirs) = (vec![Score::default(); judges.len()], Vec::new());
    for (of_own, of_theirs) in side_by_side(&seeds, args.threads, of_seed) {
        own.iter_mut().zip(of_own).for_each(|(sum, score)| sum.add(score));
        theirs.resize_with(of_theirs.len(), Score::default);
        theirs.iter_mut().zip(of_theirs).for_each(|(sum, score)| sum.add(score));
    }
    let named = judges.iter().map(|(name, _)| name.clone()).zip(own.iter().map(Figures::of));
    let mut report = FamilyReport {
        family: family.name(),
        seeds,
        ebbd: Figures::of(&own[0]),
        others: Vec::new(),
        without: Vec::new(),
        budgets: Vec::new(),
    };
    for (name, figures) in named.skip(1) {
        match name.split_once(' ') {
            Some(("budget", budget)) => report.budgets.push((budget.parse().unwrap_or(BUDGET), figures)),
            Some(_) => report.without.push(Reached { name, figures }),
            None => report.others.push(Reached { name, figures }),
        }
    }
    let best = peers::best(&theirs).into_iter();
    report.others.extend(best.map(|(name, figures)| Reached { name, figures }));
    report
}
