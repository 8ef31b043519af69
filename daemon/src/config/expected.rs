//! A file of expectations for `replay --expect`: labelled incidents, quiet times, how many false alarms.

use ebbd_core::alarm::Kind;
use ebbd_core::model::{Slice, TimeUs};
use ebbd_core::replay::{Expectation, Expectations, ExpectedCause, Quiet};
use toml::de::DeTable;

use super::nearest::nearest;
use super::problem::Problem;
use super::read::syntax;
use super::written::{Findings, Item, Section, listed, suggestion};

/// The kinds of alarm that can be expected.
const KINDS: [Kind; 4] = [Kind::Drop, Kind::NoData, Kind::Funnel, Kind::Traffic];
/// The longest delay that makes sense.
const LONGEST_US: i64 = 7 * 86_400_000_000;

/// Reads expectations on slices of streams with these dimensions.
///
/// # Errors
/// Everything that is wrong with the text, in its order.
pub fn read_expectations(text: &str, dimensions: &[&str]) -> Result<Expectations, Vec<Problem>> {
    let (document, broken) = DeTable::parse_recoverable(text);
    let syntax = syntax(text, &broken);
    if !syntax.is_empty() {
        return Err(syntax);
    }
    let findings = Findings::new(text);
    let root = Section::root(document.get_ref(), &findings);
    let max_false = root.get("max_false").and_then(|item| item.whole(0..=1_000_000, 0));
    let list =
        |key: &'static str, line: &str| root.get(key).and_then(|item| item.list(line)).unwrap_or_default();
    let expected = list("expect", "each incident below a line [[expect]]");
    let quiet = list("quiet", "each quiet time below a line [[quiet]]");
    let expectations = Expectations {
        expected: expected.iter().filter_map(|item| expectation(item, dimensions)).collect(),
        quiet: quiet.iter().filter_map(quiet_time).collect(),
        max_false,
    };
    root.finish();
    if expectations == Expectations::default() && text.trim().is_empty() {
        findings.error(&(0..0), "nothing is expected in this file", "write [[expect]] or [[quiet]] entries");
    }
    let (errors, _) = findings.take();
    if errors.is_empty() { Ok(expectations) } else { Err(errors) }
}

fn expectation(item: &Item<'_>, dimensions: &[&str]) -> Option<Expectation> {
    let section = item.section("[[expect]]");
    let slice = section.get("slice").map(|item| slice(&item, dimensions)).unwrap_or_default();
    let kind = section.get("kind").map_or(Some(Kind::Drop), |item| kind(&item));
    let within_us = section.get("within").and_then(|item| item.duration_us(1_000_000..=LONGEST_US));
    let cause = section.get("cause").map(|item| cause(&item, dimensions));
    let (from, to) = times(&section);
    section.finish();
    Some(Expectation { slice, from: from?, to: to?, kind: kind?, within_us, cause })
}

fn quiet_time(item: &Item<'_>) -> Option<Quiet> {
    let section = item.section("[[quiet]]");
    let (from, to) = times(&section);
    section.finish();
    Some(Quiet { from: from?, to: to? })
}

/// `from` and `to`, both of which must be there.
fn times(section: &Section<'_>) -> (Option<TimeUs>, Option<TimeUs>) {
    let [from, to] = ["from", "to"].map(|key| {
        let item = section.get(key);
        if item.is_none() {
            let message = format!("this {} entry has no `{key}`", section.name);
            section.findings.error(&section.span, message, format!("add {key} = \"2026-11-22T13:00:00Z\""));
        }
        item
    });
    let (start, end) = (from.as_ref().and_then(time), to.as_ref().and_then(time));
    if let (Some(start), Some(end), Some(item)) = (start, end, &to)
        && end < start
    {
        item.error("`to` is before `from`", "swap them; both ends are included");
    }
    (start, end)
}

fn time(item: &Item<'_>) -> Option<TimeUs> {
    let text = item.scalar_text().unwrap_or_default();
    let stamp = text.parse::<jiff::Timestamp>().ok();
    if stamp.is_none() {
        item.error(
            format!("`{}`: {text:?} is no time with a zone", item.key),
            "write \"2026-11-22T13:00:00Z\"",
        );
    }
    stamp.map(|stamp| TimeUs(stamp.as_microsecond()))
}

fn kind(item: &Item<'_>) -> Option<Kind> {
    let text = item.text()?;
    let known = KINDS.into_iter().find(|kind| kind.name() == text);
    if known.is_none() {
        item.error(format!("no alarm is of the kind {text:?}"), suggestion(text, &KINDS.map(Kind::name)));
    }
    known
}

fn cause(item: &Item<'_>, dimensions: &[&str]) -> ExpectedCause {
    match item.is_table() {
        true => ExpectedCause::Slice(slice(item, dimensions)),
        false => ExpectedCause::Change(item.text().unwrap_or_default().to_owned()),
    }
}

/// Conditions on dimensions that a stream has.
fn slice(item: &Item<'_>, dimensions: &[&str]) -> Slice {
    let condition = |entry: &Item<'_>| {
        if !dimensions.contains(&entry.key.as_str()) {
            let near = nearest(&entry.key, dimensions.iter().copied());
            let known = || format!("known: {}", listed(dimensions));
            let hint = near.map_or_else(known, |near| format!("did you mean `{near}`?"));
            item.findings.error(&entry.key_span, format!("no dimension is called {:?}", entry.key), hint);
        }
        let example = "slice = { marketplace = \"US\" }";
        Some((entry.key.clone(), entry.scalar_text().or_else(|| entry.wrong_type("a text", example))?))
    };
    Slice(item.section("`slice`").entries().iter().filter_map(condition).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> String {
        let problems = read_expectations(text, &["marketplace", "feature"]).unwrap_err();
        problems.iter().map(|problem| problem.render("expect.toml", "error")).collect()
    }

    #[test]
    fn expectations_as_they_are_written() {
        let text = r#"
            max_false = 1
            [[expect]]
            slice = { marketplace = "US" }
            from = "2026-11-22T13:00:00Z"
            to = 2026-11-22T14:00:00+00:00
            within = "5m"
            cause = "checkout v42"
            [[quiet]]
            from = "2026-11-20T00:00:00Z"
            to = "2026-11-22T12:00:00Z"
        "#;
        let read = read_expectations(text, &["marketplace"]).unwrap();
        assert_eq!((read.expected.len(), read.quiet.len(), read.max_false), (1, 1, Some(1)));
        let first = &read.expected[0];
        assert_eq!((first.kind, first.within_us), (Kind::Drop, Some(300_000_000)));
        assert_eq!(first.to.since_us(first.from), 3_600_000_000);
        assert_eq!(first.cause, Some(ExpectedCause::Change("checkout v42".to_owned())));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        insta::assert_snapshot!(errors(
            "[[expect]]\nslice = { markeplace = \"US\" }\nfrom = \"2026-11-22\"\nwithn = \"5m\"\n"
        ), @r#"
        expect.toml:1:1: error: this [[expect]] entry has no `to`
            1 | [[expect]]
              | ^^^^^^^^^^
              = add to = "2026-11-22T13:00:00Z"
        expect.toml:2:11: error: no dimension is called "markeplace"
            2 | slice = { markeplace = "US" }
              |           ^^^^^^^^^^
              = did you mean `marketplace`?
        expect.toml:3:8: error: `from`: "2026-11-22" is no time with a zone
            3 | from = "2026-11-22"
              |        ^^^^^^^^^^^^
              = write "2026-11-22T13:00:00Z"
        expect.toml:4:1: error: unknown key `withn` in [[expect]]
            4 | withn = "5m"
              | ^^^^^
              = did you mean `within`?
        "#);
    }
}
