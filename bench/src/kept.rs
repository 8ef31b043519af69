//! Results that are kept in the repository, one file per machine and subject.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::command::now;
use crate::rig::Failure;

/// Something measured several times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The goal that it answers, such as `S1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Each round's value.
    pub rounds: Vec<f64>,
}

/// What one command measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The subject: the file's name.
    pub subject: String,
    /// The command that gives it again.
    pub command: String,
    /// When.
    pub date: String,
    /// Of which commit.
    pub commit: String,
    /// The figures.
    pub figures: Vec<Figure>,
    /// What a reader has to know besides.
    #[serde(default)]
    pub remarks: Vec<String>,
}

impl Figure {
    /// A figure that answers no goal.
    pub fn new(name: &str, unit: &str, rounds: Vec<f64>) -> Figure {
        Figure { name: name.to_owned(), unit: unit.to_owned(), goal: None, rounds }
    }

    /// The same, answering a goal.
    pub fn goal(self, goal: &str) -> Figure {
        Figure { goal: Some(goal.to_owned()), ..self }
    }

    /// Each round's value by that of another figure.
    pub fn ratio(name: &str, of: &[f64], by: &[f64]) -> Figure {
        Figure::new(name, "×", of.iter().zip(by).map(|(of, by)| of / by).collect())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        rounds
    }

    /// The middle value; the mean of the two in the middle.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let at = |at: usize| sorted.get(at).copied().unwrap_or(f64::NAN);
        (at(sorted.len().saturating_sub(1) / 2) + at(sorted.len() / 2)) / 2.0
    }

    /// The smallest and largest value.
    pub fn spread(&self) -> (f64, f64) {
        let sorted = self.sorted();
        let or_nan = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        (or_nan(sorted.first()), or_nan(sorted.last()))
    }
}

impl Outcome {
    /// Of now and of the commit that is checked out.
    pub fn new(subject: &str, figures: Vec<Figure>, remarks: Vec<String>) -> Outcome {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Outcome {
            subject: subject.to_owned(),
            command: format!("ebbd-bench {}", arguments.join(" ")),
            date: now().utc_date(),
            commit: commit(),
            figures,
            remarks,
        }
    }

    /// Prints the figures, one a line.
    pub fn print(&self) {
        println!("{:<56} {:>10} {:>10} {:>10}  unit", self.subject, "min", "median", "max");
        for figure in &self.figures {
            let (min, max) = figure.spread();
            let goal = figure.goal.as_deref().unwrap_or("");
            let name = format!("{goal:<4} {}", figure.name);
            println!("{name:<56} {min:>10.2} {:>10.2} {max:>10.2}  {}", figure.median(), figure.unit);
        }
        self.remarks.iter().for_each(|remark| println!("  {remark}"));
    }

    /// Keeps it in the folder of this machine.
    ///
    /// # Errors
    /// It can't be written.
    pub fn keep(&self) -> Result<(), Failure> {
        let folder = results().join(machine());
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", self.subject));
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(())
    }

    /// What is kept of a machine, by subject.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn all_of(folder: &Path) -> Result<Vec<Outcome>, Failure> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, Failure>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        let read = |path: &PathBuf| -> Result<Outcome, Failure> {
            serde_json::from_str(&fs::read_to_string(path)?)
                .map_err(|error| format!("{}: {error}", path.display()).into())
        };
        paths.iter().map(read).collect()
    }
}

/// The folder of all results: below the repository's root, where the commands are run.
pub fn results() -> PathBuf {
    PathBuf::from("bench/results")
}

/// This machine's name: its processor and how many cores there are.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = format!("{model} {cores} cores").to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let told = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    told.ok().filter(|hash| !hash.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let figure = Figure::new("f", "ns", vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((figure.median(), figure.spread()), (2.5, (1.0, 4.0)));
        assert_eq!(Figure::new("f", "ns", vec![7.0]).median(), 7.0);
    }
}
