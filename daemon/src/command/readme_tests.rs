//! The commands in the README and the docs are ones that the program accepts.

use clap::{CommandFactory, Parser};

use super::Cli;

fn documented(file: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(&path).expect("the document is there");
    let mut inside = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && line.starts_with("ebbd ") {
            let command = line.split('#').next().unwrap_or_default();
            commands.push(command.trim().to_owned());
        }
    }
    commands
}

/// Splits as a shell does, as far as the documents need it: blanks and double quotes.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in command.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().expect("never empty").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn documented_commands_are_accepted() {
    let commands = documented("README.md");
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        if let Err(error) = Cli::try_parse_from(words(&command)) {
            panic!("{command}\n{error}");
        }
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    let cli = Cli::command();
    for command in cli.get_subcommands() {
        let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(example.contains("Example"), "{} has no example", command.get_name());
        assert!(command.get_about().is_some(), "{} has no summary", command.get_name());
    }
}

/// The blocks of a document that begin with this line, each without it.
fn blocks(file: &str, first: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(&path).expect("the document is there");
    let inside = text.split("\n```").skip(1).step_by(2);
    let body = inside.filter_map(|block| block.split_once('\n').map(|(_, body)| body));
    body.filter_map(|body| body.strip_prefix(first)).map(|rest| rest.trim_matches('\n').to_owned()).collect()
}

/// A report shown in a document is what the program writes of the same incident: the outage of the demo's shop on
/// a fixed day, judged and stored as the daemon does it.
#[test]
fn the_report_that_is_shown_is_the_one_that_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    example::store(dir.path());
    let data = dir.path().to_str().expect("a path");
    let line = ["ebbd", "report", "1", "--format", "md", "--data-dir", data];
    let Ok(Cli { command: super::Command::Report(args) }) = Cli::try_parse_from(line) else {
        panic!("no report command")
    };
    let mut out = Vec::new();
    super::report::run_to(&args, &mut out).expect("reported");
    let written = String::from_utf8(out).expect("text");
    let shown: Vec<String> = ["README.md", "docs/report.md"]
        .iter()
        .flat_map(|file| blocks(file, "$ ebbd report 1 --format md"))
        .collect();
    assert!(!shown.is_empty(), "no document shows a report");
    let worded = without_figures(&written);
    for shown in shown {
        // A document may leave lines out: `…` stands for them.
        let mut rest = worded.as_str();
        for part in shown.split("…\n") {
            let part = without_figures(part.trim_matches('\n'));
            let found = rest.find(&part).unwrap_or_else(|| panic!("not written:\n{part}\nbut:\n{written}"));
            rest = &rest[found + part.len()..];
        }
    }
}

/// So is an explanation: of 40 minutes in which a shop of the tests sold nothing by one feature in one country.
#[test]
fn the_explanation_that_is_shown_is_the_one_that_is_written() {
    let dir = super::impact::tests::directory(15);
    let data = dir.path().to_str().expect("a path");
    let asked = "explain --from 2026-11-22T14:00:00Z --to 2026-11-22T14:40:00Z";
    let config = format!("{data}/ebbd.toml");
    let line = ["ebbd"].into_iter().chain(asked.split(' ')).chain(["--data-dir", data, "-c", &config]);
    let Ok(Cli { command: super::Command::Explain(args) }) = Cli::try_parse_from(line) else {
        panic!("no explain command")
    };
    let mut out = Vec::new();
    super::explain::run_to(&args, false, &mut out).expect("explained");
    let written = String::from_utf8(out).expect("text");
    let shown = blocks("README.md", &format!("$ ebbd {asked}"));
    assert_eq!(shown.len(), 1, "README.md shows\n$ ebbd {asked}\n{written}");
    assert_eq!(without_figures(&shown[0]), without_figures(written.trim_matches('\n')), "{written}");
}

/// A text with `#` for each figure: the detector may come to others, the words stay.
fn without_figures(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            ',' | '.' if out.ends_with('#') => {}
            c => out.push(c),
        }
    }
    out
}

/// An incident of known figures, as a daemon stores it.
mod example {
    use std::path::Path;
    use std::sync::Arc;

    use ebbd_core::columns::{
        ColumnsError, Dataset, Footer, SliceRowRef, write_alarms, write_marks, write_slices,
    };
    use ebbd_core::judge::{Judge, JudgeContext, JudgedMinute};
    use ebbd_core::model::{Mark, Minute, Slice, StreamId, StreamSpec};
    use ebbd_core::simulate::{Incident, Shop, ShopSpec};

    use crate::config::{Config, Surroundings};
    use crate::run::judge_context;
    use crate::store::{Place, StagedFile};
    use crate::sys::RealDisk;

    /// Sunday 2026-11-22, 14:03 UTC: one-click breaks in the US for 38 minutes.
    const BREAKS: Minute = Minute(29_922_603);
    const MINUTES: i32 = 38;
    const LEARNT: i32 = 9 * 1440;

    pub(super) fn store(dir: &Path) {
        let spec = StreamSpec::example();
        let slice = Slice::of([("marketplace", "US"), ("feature", "one-click")]);
        let incident = Incident { slice, from: BREAKS, to: BREAKS.plus(MINUTES), remaining: 0.02 };
        let shop = Shop::new(ShopSpec { incidents: vec![incident], ..ShopSpec::demo(1) }, &spec);
        let config = Config::defaults(&Surroundings::here());
        let context = JudgeContext { host: "web-01".to_owned(), ..judge_context(&config) };
        let mut judge = Judge::new(Arc::from([spec.clone()]), context);
        (-LEARNT..-60).for_each(|at| judge.learn(&shop.sealed(BREAKS.plus(at), StreamId(0), &spec)));
        let marks = [mark("deploy", "checkout v42", -50), mark("rollback", "checkout v41", 36 * 60)];
        let judged: Vec<JudgedMinute> = (-60..MINUTES + 20)
            .map(|at| {
                let minute = BREAKS.plus(at);
                let now = minute.end().plus_us(2_000_000);
                let told = |mark: &&Mark| mark.at >= minute.start() && mark.at < minute.end();
                marks.iter().filter(told).for_each(|mark| judge.mark(mark.clone()));
                judge.judge(&shop.sealed(minute, StreamId(0), &spec), now)
            })
            .collect();
        write(dir, &spec, &judged, &marks);
    }

    fn mark(kind: &str, what: &str, seconds: i64) -> Mark {
        let at = BREAKS.start().plus_us(seconds * 1_000_000);
        Mark {
            id: what.to_owned(),
            kind: kind.to_owned(),
            what: what.to_owned(),
            at,
            until: None,
            scope: Slice::of([("feature", "one-click")]),
            retracted: false,
            received: at,
            by: "shop".to_owned(),
        }
    }

    fn write(dir: &Path, spec: &StreamSpec, judged: &[JudgedMinute], marks: &[Mark]) {
        let place = Place::new(Arc::new(RealDisk), dir, "web-01");
        let footer = Footer {
            host: "web-01".to_owned(),
            config: String::new(),
            sequence: 1,
            more: Default::default(),
        };
        let put = |dataset, write: &dyn Fn(&mut StagedFile) -> Result<(), ColumnsError>| {
            let written = place.publish(dataset, "orders", BREAKS.start(), "1", false, |file| write(file));
            written.expect("written");
        };
        let rows = judged.iter().flat_map(|judged| {
            judged.rows.iter().map(|row| SliceRowRef {
                minute: judged.minute,
                slice: &row.slice,
                verdict: &row.verdict,
                revision: 0,
                judged_at: judged.judged_at,
            })
        });
        let rows: Vec<SliceRowRef<'_>> = rows.collect();
        let records: Vec<_> = judged.iter().flat_map(|judged| judged.records.clone()).collect();
        put(Dataset::Slices, &|file| write_slices(spec, &rows, &footer, file).map(drop));
        put(Dataset::Alarms, &|file| write_alarms(&records, &footer, file).map(drop));
        put(Dataset::Marks, &|file| write_marks(marks, &footer, file).map(drop));
    }
}
