//! `--save-incident`: the past of an alarm, of an incident that was missed, or of a time that ought to have been
//! quiet, in a directory of its own, to be kept as a regression test.
//!
//! The table has the weeks before the onset, too: without them nobody would expect anything.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use ebbd_core::columns::{Footer, TableFile};
use ebbd_core::model::{MICROS_PER_MINUTE, Slice, StreamId, StreamSpec, TimeUs};
use ebbd_core::replay::{Story, in_order};
use toml::{Table, Value};

use super::directory::DAY_US;
use super::past::{Past, SAVED_CONFIG, SAVED_MARKS, SAVED_TABLE};
use super::round::{Round, Span, Told};
use super::{Failure, saved_marks};
use crate::config::{Config, duration_text};
use crate::stored::Period;

/// What is expected of a replay of it.
const SAVED_EXPECTATIONS: &str = "expect.toml";
/// Days before the onset that are kept: what a judge learns from.
const DAYS_BEFORE: i64 = 35;
/// Minutes that are kept behind its end.
const MINUTES_BEHIND: i64 = 60;
/// Minutes that the alarm of a replay may open earlier or later.
const SLACK_MINUTES: i64 = 5;

/// What is kept of the past.
pub(super) struct Kept<'p> {
    stream: (StreamId, &'p StreamSpec),
    /// Weeks before this are kept, too.
    from: TimeUs,
    /// The end of what is expected.
    to: TimeUs,
    expectations: Table,
}

impl<'p> Kept<'p> {
    /// The alarm of this replay with this id or number, to be found again.
    pub(super) fn alarm(past: &'p Past, told: &Told, id: &str) -> Result<Kept<'p>, Failure> {
        let found = told.stories.0.values().find(|story| story.id == id || story.no.to_string() == id);
        let story = found
            .ok_or_else(|| Failure::usage(format!("no alarm of this replay has the id or number {id:?}")))?;
        let missing =
            || Failure::usage(format!("alarm {id} has no onset: only incidents of a stream can be saved"));
        let from = story.onset().ok_or_else(missing)?.start();
        let stream = streams(past).find(|(_, spec)| spec.name == story.stream).ok_or_else(missing)?;
        let to = from.plus_us(story.minutes().map_or(0, i64::from) * MICROS_PER_MINUTE);
        Ok(Kept { stream, from, to, expectations: found_again(story, from) })
    }

    /// A period in which a slice fell and no alarm said so: it ought to be found.
    pub(super) fn missed(past: &'p Past, period: Period, slice: &Slice) -> Result<Kept<'p>, Failure> {
        let stream = the_stream(past)?;
        let unknown = slice.0.keys().find(|name| !stream.1.dimension_names().contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(Failure::usage(format!("stream {} has no dimension {name:?}", stream.1.name)));
        }
        let mut entry = Table::from_iter([("slice".to_owned(), Value::Table(conditions(slice)))]);
        entry.insert("kind".to_owned(), Value::String("drop".to_owned()));
        entry.extend(ends(period));
        Ok(Kept { stream, from: period.from, to: period.to, expectations: listed("expect", entry) })
    }

    /// A period in which no alarm ought to open: a false alarm was told, or might be.
    pub(super) fn quiet(past: &'p Past, period: Period) -> Result<Kept<'p>, Failure> {
        let stream = the_stream(past)?;
        let entry = Table::from_iter(ends(period));
        Ok(Kept { stream, from: period.from, to: period.to, expectations: listed("quiet", entry) })
    }

    /// Writes it.
    pub(super) fn save(&self, past: &Past, dir: &Path) -> Result<(), Failure> {
        let span = Span {
            from: Some(self.from.plus_us(-DAYS_BEFORE * DAY_US)),
            to: Some(self.to.plus_us(MINUTES_BEHIND * MICROS_PER_MINUTE)),
        };
        std::fs::create_dir_all(dir).map_err(|error| cannot(dir, &error))?;
        write_table(past, self.stream, span, &dir.join(SAVED_TABLE))?;
        let near =
            past.marks().into_iter().filter(|mark| Some(mark.at) >= span.from && Some(mark.at) < span.to);
        let marks: String = near.map(|mark| saved_marks::line(&mark)).collect();
        let texts = [
            (SAVED_MARKS, marks),
            (SAVED_CONFIG, configuration(past.config(), self.stream.1)),
            (SAVED_EXPECTATIONS, self.expectations.to_string()),
        ];
        texts.into_iter().try_for_each(|(name, text)| {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(|error| cannot(&path, &error))
        })
    }
}

fn streams(past: &Past) -> impl Iterator<Item = (StreamId, &StreamSpec)> {
    (0u16..).map(StreamId).zip(past.config().streams.iter())
}

/// The stream of a period: there is one, or one was named.
fn the_stream(past: &Past) -> Result<(StreamId, &StreamSpec), Failure> {
    let id = past.only_stream().ok_or_else(|| Failure::usage("name the period's stream with --stream"))?;
    Ok((id, &past.config().streams[id.index()]))
}

/// Whether a replay of what was saved is as expected: found again, or quiet.
pub(super) fn is_as_expected(dir: &Path) -> Result<bool, Failure> {
    let past = Past::open(&[dir.to_owned()], None, None)?;
    let file = dir.join(SAVED_EXPECTATIONS);
    let mut round = Round::new(Span::default(), super::expectations(&file, past.config())?);
    round.run(&past, past.config(), &mut |_| {}, None)?;
    let is_green = round.finish().findings.is_some_and(|findings| findings.is_green());
    let (dir, file) = (dir.display(), file.display());
    match is_green {
        true => eprintln!("saved; a replay of it is as expected: ebbd replay {dir} --expect {file}"),
        false => eprintln!(
            "saved; a replay of it is not as expected yet (exit 1 until it is): ebbd replay {dir} --expect {file}"
        ),
    }
    Ok(is_green)
}

/// Its minutes, staged until they are all there.
fn write_table(
    past: &Past,
    (id, spec): (StreamId, &StreamSpec),
    span: Span,
    path: &Path,
) -> Result<(), Failure> {
    let told = |error: &dyn std::fmt::Display| cannot(path, error);
    let staged: PathBuf = path.with_extension("parquet.part");
    let out = BufWriter::new(File::create(&staged).map_err(|error| told(&error))?);
    let mut table = TableFile::new(spec, &Footer::default(), out).map_err(|error| told(&error))?;
    for moment in in_order(past.feeds(past.config(), span, &mut Vec::new())?) {
        let sealed = moment?.sealed;
        if sealed.stream == id && Some(sealed.minute.start()) >= span.from {
            table.add(&sealed).map_err(|error| told(&error))?;
        }
    }
    table.finish().map_err(|error| told(&error))?;
    std::fs::rename(&staged, path).map_err(|error| told(&error))
}

/// The stream and the detector as they were configured, and nothing else of the configuration.
fn configuration(config: &Config, spec: &StreamSpec) -> String {
    let stream = Table::from_iter([(spec.name.clone(), Value::Table(stream(spec)))]);
    let budget = format!("{} per week", config.detect.false_alarms_per_week);
    let detect = Table::from_iter([("false_alarms".to_owned(), Value::String(budget))]);
    let all = Table::from_iter([
        ("host".to_owned(), Value::String(config.host.clone())),
        ("view".to_owned(), Value::String(config.view.name().to_owned())),
        ("http".to_owned(), Value::String(String::new())),
        ("stream".to_owned(), Value::Table(stream)),
        ("detect".to_owned(), Value::Table(detect)),
    ]);
    all.to_string()
}

fn stream(spec: &StreamSpec) -> Table {
    let names = spec.dimension_names();
    let texts = |texts: &[&str]| Value::Array(texts.iter().map(|t| Value::String((*t).to_owned())).collect());
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| drop(table.insert(key.to_owned(), value));
    put("dimensions", texts(&names));
    let sum = |sum: &ebbd_core::model::SumSpec| {
        let mut entry = Table::new();
        entry.insert("field".to_owned(), Value::String(sum.field.clone()));
        entry.insert("scale".to_owned(), Value::Integer(i64::from(sum.scale)));
        entry.extend(sum.currency.clone().map(|currency| ("currency".to_owned(), Value::String(currency))));
        (sum.name.clone(), Value::Table(entry))
    };
    if !spec.sums.is_empty() {
        put("sums", Value::Table(spec.sums.iter().map(sum).collect()));
    }
    let watched = spec.watched.0.iter().map(|(at, values)| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        (names[*at].to_owned(), texts(&values))
    });
    if !spec.watched.0.is_empty() {
        put("watched", Value::Table(watched.collect()));
    }
    let grouping = |grouping: &Vec<usize>| texts(&grouping.iter().map(|at| names[*at]).collect::<Vec<_>>());
    put("watch", Value::Array(spec.watch.iter().map(grouping).collect()));
    put("min_loss", Value::Float(spec.min_loss));
    put("seal", Value::String(duration_text(spec.seal_us)));
    let zones = &spec.timezones;
    let mut zone = Table::from_iter([("default".to_owned(), Value::String(zones.default.clone()))]);
    if let Some(by) = zones.by {
        zone.insert("by".to_owned(), Value::String(names[by].to_owned()));
        let named = zones.zones.iter().map(|(value, zone)| (value.clone(), Value::String(zone.clone())));
        zone.insert("zones".to_owned(), Value::Table(named.collect()));
    }
    put("timezone", Value::Table(zone));
    table
}

/// An alarm as an expectation that a replay of it meets.
fn found_again(story: &Story, onset: TimeUs) -> Table {
    let slack_us = SLACK_MINUTES * MICROS_PER_MINUTE;
    let from = onset.plus_us(-slack_us);
    let opened = story.openings.first().map_or(onset, |opening| opening.minute.end());
    let within_us = opened.since_us(from) + slack_us;
    let mut entry = Table::from_iter([
        ("slice".to_owned(), Value::Table(conditions(&story.last.slice))),
        ("kind".to_owned(), Value::String(story.kind.name().to_owned())),
        ("within".to_owned(), Value::String(duration_text(within_us))),
    ]);
    entry.extend(ends(Period { from, to: from.plus_us(within_us) }));
    listed("expect", entry)
}

fn conditions(slice: &Slice) -> Table {
    slice.0.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect()
}

fn ends(period: Period) -> [(String, Value); 2] {
    [("from", period.from), ("to", period.to)]
        .map(|(name, at)| (name.to_owned(), Value::String(at.to_rfc3339())))
}

/// A file with one entry of this list.
fn listed(list: &str, entry: Table) -> Table {
    Table::from_iter([(list.to_owned(), Value::Array(vec![Value::Table(entry)]))])
}

fn cannot(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::trouble(format!("cannot write {}: {error}; is there room?", path.display()))
}
