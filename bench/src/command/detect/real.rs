//! Real series through the detector and its peers.

use std::path::Path;

use ebbd_bench::lab::peers;
use ebbd_bench::lab::series::{Labelled, Series};

use crate::rig::Failure;

/// Minutes of a series that nobody is scored on: eight days of learning and a little.
const WARM_UP: usize = 8 * 1440 + 60;

/// Judges every CSV file of a folder and prints a line per rule.
///
/// # Errors
/// The folder or a file can't be read.
pub fn run(folder: &Path, json: bool) -> Result<(), Failure> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    paths.sort_by_key(std::fs::DirEntry::path);
    let mut sums: Vec<(String, Labelled)> = vec![("ebbd".to_owned(), Labelled::default())];
    for peer in &peers::ALL {
        let name = |threshold: &f32| (format!("{} {threshold}", peer.name), Labelled::default());
        sums.extend(peer.thresholds.iter().map(name));
    }
    for entry in paths.iter().filter(|entry| entry.path().extension().is_some_and(|e| e == "csv")) {
        let Some(series) = Series::read(&entry.path())? else { continue };
        if series.counts.len() > WARM_UP + 1440 {
            add(&series, &mut sums, json);
        }
    }
    print(&sums, json);
    Ok(())
}

fn add(series: &Series, sums: &mut [(String, Labelled)], quiet: bool) {
    let own = Labelled::of(series, &series.judge(), WARM_UP);
    if !quiet {
        let Labelled { weeks, false_alarms, falls, found } = own;
        println!("{:<32} {weeks:>5.1} weeks, {false_alarms:>3} false, {found} of {falls} found", series.name);
    }
    sums[0].1.add(own);
    let (counts, mut at) = (series.filled(), 1);
    for peer in &peers::ALL {
        let scores = (peer.scores)(&counts, WARM_UP);
        for threshold in peer.thresholds {
            let mut flags = vec![0; WARM_UP];
            flags.extend(peers::alarms(&scores, *threshold));
            sums[at].1.add(Labelled::of(series, &flags, WARM_UP));
            at += 1;
        }
    }
}

fn print(sums: &[(String, Labelled)], json: bool) {
    for (name, sum) in sums {
        let (rate, recall) =
            (f64::from(sum.false_alarms) / sum.weeks, f64::from(sum.found) / f64::from(sum.falls));
        if json {
            let line = serde_json::json!({ "name": name, "weeks": sum.weeks, "false_per_week": rate,
                "falls": sum.falls, "found": sum.found });
            println!("{line}");
        } else {
            println!("{name:<32} {rate:>7.2} false a week, {recall:.2} of {} falls found", sum.falls);
        }
    }
}
