//! The answer for people: a table of alarms, what became of expectations, how another configuration differs.

use ebbd_core::alarm::words;
use ebbd_core::model::{Minute, TimeUs};
use ebbd_core::replay::{Difference, Expectations, Fate, Findings, Story, Suspicion};
use ebbd_core::report::visible;

use super::round::Told;
use crate::command::figures::{grouped, span};

/// Columns of a table row beside what the alarm is about, gaps included.
const FIXED: usize = 58;

/// Everything, for a terminal of so many columns.
pub(super) fn all(
    told: &Told,
    expected: Option<(&Expectations, &Findings)>,
    difference: Option<&(Vec<Difference<'_>>, usize)>,
    columns: usize,
) -> String {
    let columns = columns.clamp(80, 200);
    let mut out = String::new();
    if !told.stories.0.is_empty() {
        let longest = told.stories.0.values().map(|story| what(story, told).chars().count()).max();
        let width = longest.unwrap_or(0).clamp(4, columns - FIXED);
        out.push_str(&row(["NO", "", "WHAT", "ONSET (UTC)", "DELAY", "LASTED", "LOST"], width));
        told.stories.0.values().for_each(|story| out.push_str(&story_row(story, told, width)));
        out.push('\n');
    }
    if let Some((expectations, findings)) = expected {
        out.push_str(&found(expectations, findings, columns));
        out.push('\n');
    }
    if let Some((differences, same)) = difference {
        out.push_str(&against(differences, *same, told, columns));
        out.push('\n');
    }
    out.push_str(&sum(told));
    out
}

fn row(cells: [&str; 7], width: usize) -> String {
    let [no, severity, what, onset, delay, lasted, lost] = cells;
    let what = cut(what, width);
    let line =
        format!("{no:>4}  {severity:<6}  {what:<width$}  {onset:<16}  {delay:>7}  {lasted:>8}  {lost:>7}");
    line.trim_end().to_owned() + "\n"
}

fn story_row(story: &Story, told: &Told, width: usize) -> String {
    let lasted = story.minutes().map_or(String::new(), minutes);
    let open = if story.is_open() { "+" } else { "" };
    row(
        [
            &story.no.to_string(),
            &story.severity.name().to_uppercase(),
            &what(story, told),
            &story.onset().map_or(String::new(), shown),
            &story.delay_minutes().map_or(String::new(), minutes),
            &format!("{lasted}{open}"),
            &story.lost().map_or(String::new(), |[_, estimate, _]| words::count(estimate)),
        ],
        width,
    )
}

/// `US / one-click -98 %`, with the stream where there are several.
fn what(story: &Story, told: &Told) -> String {
    let title = visible(&story.title);
    let short = title.split(" since ").next().unwrap_or_default();
    match told.streams.len() {
        1 => short.replace(&format!(": {} ", story.stream), " "),
        _ => short.to_owned(),
    }
}

fn found(expectations: &Expectations, findings: &Findings, columns: usize) -> String {
    let mut out = String::new();
    for (expected, fate) in expectations.expected.iter().zip(&findings.fates) {
        let slice = if expected.slice.is_whole() { "all".to_owned() } else { expected.slice.key() };
        let head = format!("{} {slice} {}", expected.kind.name(), at(expected.from));
        match fate {
            Fate::Found { no, delay_us } => {
                let line =
                    format!("found   {head}: alarm {no} after {}\n", span((delay_us / 1_000_000) as u64));
                out.push_str(&line);
            }
            Fate::Missed(suspicion) => {
                out.push_str(&format!("MISSED  {head}\n"));
                reasons(suspicion).iter().for_each(|reason| out.push_str(&wrapped(reason, columns)));
            }
        }
    }
    for (place, no) in &findings.broken {
        let quiet = &expectations.quiet[*place];
        out.push_str(&format!("BROKEN  quiet from {} to {}: alarm {no}\n", at(quiet.from), at(quiet.to)));
    }
    out.push_str(&false_alarms(expectations, findings));
    out
}

fn false_alarms(expectations: &Expectations, findings: &Findings) -> String {
    let numbers: Vec<String> = findings.false_alarms.iter().map(u64::to_string).collect();
    let allowed = expectations.max_false.map_or(String::new(), |most| format!(", {most} allowed"));
    let word = if findings.is_too_many { "TOO MANY" } else { "others " };
    match numbers.len() {
        0 => String::new(),
        many => format!("{word} {many} that nobody expects{allowed}: {}\n", numbers.join(", ")),
    }
}

/// Why an incident was missed.
fn reasons(suspicion: &Suspicion) -> Vec<String> {
    let mut reasons = Vec::new();
    if suspicion.verdicts.is_empty() {
        reasons.push(
            "the slice was not judged then: is its grouping watched, and did it have events?".to_owned(),
        );
    } else {
        let verdicts: Vec<String> =
            suspicion.verdicts.iter().map(|(verdict, n)| format!("{} {n} min", verdict.name())).collect();
        reasons.push(format!("verdicts: {}", verdicts.join(", ")));
    }
    if let Some(peak) = suspicion.peak.filter(|peak| peak.threshold > 0.0) {
        let counts = match (peak.observed, peak.expected) {
            (Some(observed), Some(expected)) => {
                format!("; {observed} came where {} were expected", words::count(expected))
            }
            _ => String::new(),
        };
        reasons.push(format!(
            "most evidence {:.1} of the {:.1} nats needed ({}) at {}{counts}",
            peak.evidence,
            peak.threshold,
            words::share(peak.reach()),
            shown(peak.minute),
        ));
    }
    reasons
        .extend(suspicion.near.iter().map(|(no, objection)| format!("alarm {no}: {}", visible(objection))));
    reasons
}

fn against(differences: &[Difference<'_>], same: usize, told: &Told, columns: usize) -> String {
    let mut out = String::new();
    let width = columns - 50;
    for difference in differences {
        let (word, story, more) = match difference {
            Difference::Appears(story) => ("appears", *story, String::new()),
            Difference::Vanishes(story) => ("vanishes", *story, String::new()),
            Difference::Moves { before, after, minutes } => {
                ("moves", *before, moved(before, after, *minutes))
            }
        };
        let opened = story.openings.first().map_or(String::new(), |opening| shown(opening.minute));
        let what = cut(&what(story, told), width);
        let line = format!("{word:<8}  {what:<width$}  {opened:<16}  {more}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let are = if same == 1 { "alarm is" } else { "alarms are" };
    out.push_str(&format!("{} {are} the same in both configurations\n", grouped(same as u64)));
    out
}

fn moved(before: &Story, after: &Story, minutes: i32) -> String {
    let mut parts = Vec::new();
    match minutes {
        0 => {}
        later if later > 0 => parts.push(format!("{later} min later")),
        earlier => parts.push(format!("{} min earlier", -earlier)),
    }
    if before.severity != after.severity {
        parts.push(format!("now a {}", after.severity.name()));
    }
    if before.last.slice != after.last.slice {
        parts.push(format!("now {}", visible(&after.last.slice.key())));
    }
    parts.join(", ")
}

fn sum(told: &Told) -> String {
    let (pages, tickets) = told.loudness();
    let open = told.stories.0.values().filter(|story| story.is_open()).count();
    let still = if open > 0 { format!(", {open} still open") } else { String::new() };
    let names: Vec<&str> = told.streams.iter().map(|(name, _)| name.as_str()).collect();
    let span = told.span.map_or(String::new(), |(from, to)| format!("from {} to {}", shown(from), shown(to)));
    let more = |count: u64, what: &str| match count {
        0 => String::new(),
        count => format!(", {} {what}", grouped(count)),
    };
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "{} ({}, {}{still}) in {}: {} slices, {} minutes judged{}{}\n{span}\n",
        counted(told.stories.0.len(), "alarm"),
        counted(pages, "page"),
        counted(tickets, "ticket"),
        names.join(", "),
        grouped(told.slices),
        grouped(told.judged),
        more(told.no_data, "without data"),
        more(told.learnt, "learnt from"),
    )
}

/// A reason below the line that it belongs to, broken between words.
fn wrapped(text: &str, columns: usize) -> String {
    let mut lines = vec![" ".repeat(7)];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.chars().count() + 1 + word.chars().count() > columns {
            lines.push(format!("{}{word}", " ".repeat(10)));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// `4 min`, `3 h 12 min`.
fn minutes(minutes: i32) -> String {
    span(u64::try_from(minutes).unwrap_or(0) * 60)
}

fn shown(minute: Minute) -> String {
    at(minute.start())
}

/// `2026-11-22 13:03`.
fn at(time: TimeUs) -> String {
    time.minute().to_string().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
