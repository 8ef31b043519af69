//! `ebbd-bench report`: docs/performance.md from the results that are kept, and from the notes beside them.

mod goals;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::kept::{Figure, Outcome, results};
use crate::rig::Failure;
use goals::{GOALS, Goal, number};

const HEAD: &str = "# Performance

This page is written by `bench/report.sh` from [bench/results](../bench/results); `bench/run.sh` measures
everything anew (`--quick` prints without keeping). CPU time is user and system time of whole processes; a figure
is the median of its rounds, and every ratio was taken within one run, both sides in turn on the same bytes.

The workload is half a minute to ten minutes of a busy shop's orders at 666,667 a minute: 8,640 series (12
marketplaces, 40 features, 6 payments, 3 states, some far busier than others), an amount, one of a million
customers; 204 bytes as NDJSON, 130 as line protocol, 66 as DogStatsD. The daemon counts per minute and series,
sums to the cent, keeps a sketch of the customers and writes Parquet. Each round's rows are read back and have to
be exactly what was sent.
";

/// What `report` takes.
#[derive(Args)]
pub struct ReportArgs {
    /// Where the page goes
    #[arg(long, default_value = "docs/performance.md")]
    out: PathBuf,
}

/// Writes the page.
///
/// # Errors
/// A result can't be read, the page can't be written.
pub fn report(args: &ReportArgs) -> Result<(), Failure> {
    let mut page = HEAD.to_owned();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(results())?.map(|entry| Ok(entry?.path())).collect::<Result<_, Failure>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    for folder in folders {
        machine(&folder, &mut page)?;
    }
    Ok(fs::write(&args.out, page)?)
}

fn machine(folder: &Path, page: &mut String) -> Result<(), Failure> {
    let outcomes = Outcome::all_of(folder)?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    writeln!(page, "\n## {name}")?;
    let notes = notes(folder)?;
    goal_table(&outcomes, &notes, page)?;
    files_table(&outcomes, page)?;
    stage_table(&outcomes, page)?;
    for outcome in outcomes.iter().filter(|outcome| outcome.subject != "instructions") {
        subject(outcome, page)?;
        if let Some(note) = notes.get(&outcome.subject) {
            writeln!(page, "\n{note}")?;
        }
    }
    Ok(())
}

/// Lines `S1: words` or `profile: words` of the folder's notes.
fn notes(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let path = folder.join("notes.txt");
    let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
    let note = |line: &str| line.split_once(": ").map(|(id, words)| (id.to_owned(), words.to_owned()));
    Ok(text.lines().filter_map(note).collect())
}

/// The figure that answers a goal, and the command that gives it again.
fn answer<'a>(goal: &Goal, outcomes: &'a [Outcome]) -> Option<(&'a Figure, &'a Outcome)> {
    let figures = outcomes.iter().flat_map(|outcome| outcome.figures.iter().map(move |f| (f, outcome)));
    figures.into_iter().find(|(figure, _)| figure.goal.as_deref() == Some(goal.id))
}

fn goal_table(
    outcomes: &[Outcome],
    notes: &BTreeMap<String, String>,
    page: &mut String,
) -> Result<(), Failure> {
    writeln!(page, "\n### Goals\n| | what | figure | spread | must | aim | reached | command |")?;
    writeln!(page, "|---|---|---:|---|---:|---:|---|---|")?;
    let mut missed = Vec::new();
    for goal in &GOALS {
        let Goal { id, what, must, aim } = goal;
        let found = answer(goal, outcomes);
        let median = found.map_or(f64::NAN, |(figure, _)| figure.median());
        let reached = match found {
            None => "not measured",
            Some(_) if aim.holds(median) => "aim",
            Some(_) if must.holds(median) => "must",
            Some(_) => "**no**",
        };
        if !must.holds(median) {
            missed.push((id, median, *must));
        }
        let (low, high) = found.map_or((f64::NAN, f64::NAN), |(figure, _)| figure.spread());
        let spread = found.map_or(String::new(), |_| format!("{} … {}", number(low), number(high)));
        let command = found.map_or(String::new(), |(_, outcome)| format!("`{}`", outcome.command));
        let (must, aim, figure) = (must.text(), aim.text(), number(median));
        writeln!(page, "| {id} | {what} | {figure} | {spread} | {must} | {aim} | {reached} | {command} |")?;
    }
    writeln!(page)?;
    for (id, median, must) in missed {
        let note = notes.get(*id).map_or("no explanation yet", String::as_str);
        writeln!(page, "- **{id}** is {}, not {}: {note}", number(median), must.text())?;
    }
    Ok(())
}

/// The query engines side by side.
fn files_table(outcomes: &[Outcome], page: &mut String) -> Result<(), Failure> {
    let Some(files) = outcomes.iter().find(|outcome| outcome.subject == "files") else { return Ok(()) };
    writeln!(page, "\n### Files to Parquet, one thread each, the same bytes and the same question")?;
    writeln!(page, "| | CPU ns/event | spread | ÷ ebbd |\n|---|---:|---|---:|")?;
    for format in ["ndjson", "influx"] {
        let prefix = format!("{format} file: ");
        let of = |figure: &&Figure| figure.unit == "CPU ns/event" && figure.name.starts_with(&prefix);
        let ours = files.figures.iter().find(of).map_or(f64::NAN, Figure::median);
        for figure in files.figures.iter().filter(of) {
            let (low, high) = figure.spread();
            let (median, spread) = (figure.median(), format!("{} … {}", number(low), number(high)));
            writeln!(
                page,
                "| {} | {} | {spread} | {} |",
                figure.name,
                number(median),
                number(median / ours)
            )?;
        }
    }
    Ok(())
}

/// Instructions beside times.
fn stage_table(outcomes: &[Outcome], page: &mut String) -> Result<(), Failure> {
    let Some(stages) = outcomes.iter().find(|outcome| outcome.subject == "instructions") else {
        return Ok(());
    };
    writeln!(
        page,
        "\n### Stages in memory\n`{}`, commit {}, {}.\n",
        stages.command, stages.commit, stages.date
    )?;
    for remark in &stages.remarks {
        writeln!(page, "{remark}\n")?;
    }
    writeln!(page, "| stage | per | instructions | CPU ns | spread |\n|---|---|---:|---:|---|")?;
    let is_count = |figure: &&Figure| figure.unit.starts_with("instructions/");
    for count in stages.figures.iter().filter(is_count) {
        let unit = count.unit.trim_start_matches("instructions/");
        let time = stages.figures.iter().find(|f| f.name == count.name && f.unit.starts_with("CPU ns"));
        let (low, high) = time.map_or((f64::NAN, f64::NAN), Figure::spread);
        let ns = number(time.map_or(f64::NAN, Figure::median));
        let (name, instructions) = (&count.name, number(count.median()));
        writeln!(page, "| {name} | {unit} | {instructions} | {ns} | {} … {} |", number(low), number(high))?;
    }
    Ok(())
}

fn subject(outcome: &Outcome, page: &mut String) -> Result<(), Failure> {
    let Outcome { subject, command, date, commit, .. } = outcome;
    writeln!(page, "\n### {subject}\n`{command}`, commit {commit}, {date}.\n")?;
    for remark in &outcome.remarks {
        writeln!(page, "{remark}\n")?;
    }
    writeln!(page, "| figure | median | spread | rounds | unit |\n|---|---:|---|---:|---|")?;
    for figure in &outcome.figures {
        let (low, high) = figure.spread();
        let shown = |value| goals::figure(value, &figure.unit);
        let (median, rounds) = (shown(figure.median()), figure.rounds.len());
        let spread = format!("{} … {}", shown(low), shown(high));
        writeln!(page, "| {} | {median} | {spread} | {rounds} | {} |", figure.name, figure.unit)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_is_missed_says_why() {
        let figure = Figure::new("f", "×", vec![4.0, 5.0, 6.0]).goal("S1");
        let reached = Figure::new("g", "×", vec![1.2]).goal("S6");
        let outcome = Outcome::new("streams", vec![figure, reached], Vec::new());
        let notes = BTreeMap::from([("S1".to_owned(), "it is new".to_owned())]);
        let mut page = String::new();
        goal_table(&[outcome], &notes, &mut page).expect("text");
        assert!(page.contains("| 5 | 4 … 6 | ≤ 3.5 | ≤ 2.2 | **no** |"), "{page}");
        assert!(page.contains("- **S1** is 5, not ≤ 3.5: it is new"), "{page}");
        assert!(page.contains("| 1.2 | 1.2 … 1.2 | ≤ 1.5 | ≤ 1.15 | must |"), "{page}");
        assert!(page.contains("- **S2** is –, not ≤ 1/3: no explanation yet"), "{page}");
    }
}
