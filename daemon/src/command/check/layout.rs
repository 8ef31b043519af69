//! A sample's findings as a table that fits a terminal of 80 columns.

use ebbd_core::report::visible;

use super::fields::Profile;
use super::sample::{Sample, StreamSample};

/// Widest path shown whole.
const PATH_WIDTH: usize = 20;
/// Widest list of roles shown whole.
const ROLE_WIDTH: usize = 14;
/// Columns of the terminal.
const WIDTH: usize = 80;

/// The findings for a person.
pub(super) fn text(sample: &Sample, name: &str) -> String {
    let mut out = head(sample, name);
    out.push_str(&fields(sample));
    if !sample.absent.is_empty() {
        out.push_str("\nwanted, but never there:\n");
        sample.absent.iter().for_each(|field| out.push_str(&format!("  {field}\n")));
    }
    if !sample.rejected.is_empty() {
        out.push_str(&rejections(sample));
    }
    for (name, stream) in &sample.streams {
        out.push_str(&stream_text(name, stream));
    }
    if let Some(suggestion) = &sample.suggestion {
        out.push_str("\nthese fields would fit a stream like this:\n\n");
        out.push_str(suggestion);
    }
    out
}

fn head(sample: &Sample, name: &str) -> String {
    let mut parts = vec![format!("{} counted", grouped(sample.counted()))];
    let others = [
        ("marks and heartbeats", sample.control),
        ("ignored", sample.ignored),
        ("rejected", sample.refused()),
    ];
    parts.extend(others.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{} {what}", grouped(*n))));
    let cut = if sample.cut { " (the first; there is more)" } else { "" };
    format!(
        "{name}: {} lines as {}{cut}: {}\n\n",
        grouped(sample.lines),
        sample.format.name(),
        parts.join(", ")
    )
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn fields(sample: &Sample) -> String {
    let paths = sample.profiles.fields.keys().map(|path| path.chars().count()).max().unwrap_or(5);
    let path_width = paths.clamp(5, PATH_WIDTH);
    let row = |path: &str, kind: &str, fill: &str, distinct: &str, role: &str, examples: &str| {
        let line = format!(
            "{:<path_width$} {:<10} {fill:>5} {distinct:>8} {:<ROLE_WIDTH$} {examples}",
            fit(path, path_width),
            fit(kind, 10),
            fit(role, ROLE_WIDTH)
        );
        format!("{}\n", fit(line.trim_end(), WIDTH))
    };
    let mut out = row("FIELD", "TYPE", "FILL", "DISTINCT", "USED AS", "EXAMPLES");
    for (path, profile) in &sample.profiles.fields {
        let fill = percent(sample.profiles.fill(profile));
        let role = sample.roles.get(path).map_or_else(|| "-".to_owned(), |roles| roles.join(", "));
        out.push_str(&row(path, &profile.types(), &fill, &distinct(profile), &role, &examples(profile)));
    }
    if sample.profiles.beyond > 0 {
        out.push_str("(more fields than are listed here)\n");
    }
    out
}

/// At most `width` characters, the last one `…` if something was cut.
fn fit(text: &str, width: usize) -> String {
    let text = visible(text);
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Never `100%` for less than all, never `0%` for more than none.
fn percent(share: f64) -> String {
    match share {
        share if share > 0.99 && share < 1.0 => ">99%".to_owned(),
        share if share > 0.0 && share < 0.01 => "<1%".to_owned(),
        share => format!("{:.0}%", share * 100.0),
    }
}

fn distinct(profile: &Profile) -> String {
    match profile.distinct() {
        (number, true) => grouped(number),
        (number, false) if number < 10_000 => format!("~{}", grouped(number)),
        (number, false) if number < 1_000_000 => format!("~{}k", number / 1000),
        (number, false) => format!("~{:.1}M", number as f64 / 1e6),
    }
}

/// A few values; with their shares where there are few of them.
fn examples(profile: &Profile) -> String {
    let few = profile.distinct().0 <= 20;
    let shown = |(value, count): (&str, u64)| match few {
        true => format!("{value} {}", percent(count as f64 / profile.filled.max(1) as f64)),
        false => value.to_owned(),
    };
    profile.examples(4).into_iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn rejections(sample: &Sample) -> String {
    let mut out = String::from("\nREJECTED         LINES  FIRST EXAMPLE\n");
    for (reason, rejected) in &sample.rejected {
        let lines = grouped(rejected.lines);
        let line =
            format!("{:<14} {lines:>7}  line {}: {}", reason.name(), rejected.first_line, rejected.example);
        out.push_str(&fit(&line, WIDTH));
        out.push('\n');
    }
    out
}

fn stream_text(name: &str, stream: &StreamSample) -> String {
    let time =
        |time: Option<ebbd_core::model::TimeUs>| time.map(|t| t.minute().to_string()).unwrap_or_default();
    let mut out = format!(
        "\nstream {name}: {} events, {} to {}\n  {} series; {} of the events are judged\n",
        grouped(stream.events),
        time(stream.from),
        time(stream.to),
        grouped(stream.series()),
        percent(stream.judged as f64 / stream.events.max(1) as f64)
    );
    let slices = |(name, number): &(String, u64)| format!("{name} {}", grouped(*number));
    if !stream.groupings.is_empty() {
        let listed: Vec<String> = stream.groupings.iter().map(slices).collect();
        out.push_str(&format!("  watched slices: {}\n", listed.join(", ")));
    }
    for (field, number) in &stream.bad {
        out.push_str(&format!("  bad_{field}: {} events without a usable value\n", grouped(*number)));
    }
    out
}
