//! An account as one page that needs nothing beside it: no script, no request, light and dark, narrow and on paper.

use super::account::{Account, Loudness, Series};
use super::chart::{Plot, chart};
use super::pieces::{capital, conditions, figure, minute, page, second};
use super::sentences::{interval, money};
use crate::alarm::words::{duration, percent_down, share, visible_json};
use crate::model::MICROS_PER_MINUTE;

/// How the page looks.
const STYLE: &str = include_str!("page.css");
/// Nothing is loaded and nothing runs, whatever a record says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// What stands for missing data in every chart.
const HATCH: &str = "<svg width=\"0\" height=\"0\" aria-hidden=\"true\" style=\"position:absolute\"><defs>\
                     <pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
                     patternTransform=\"rotate(45)\"><path d=\"M0 0V7\"/></pattern></defs></svg>\n";
const LEGEND: &str = "<ul class=\"legend\" aria-label=\"Legend\">\
    <li><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\"><path class=\"observed\" d=\"M0 6H26\"/></svg>observed</li>\
    <li><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\"><rect class=\"band\" width=\"26\" height=\"12\"/><path class=\"expected\" d=\"M0 6H26\"/></svg>expected, 90 % band</li>\
    <li><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\"><path class=\"loss\" d=\"M0 0H26V12H0Z\"/></svg>lost</li>\
    <li><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\"><rect class=\"gap\" width=\"26\" height=\"12\"/></svg>no data (at the foot: a part missing)</li>\
    <li><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\"><path class=\"mark\" d=\"M13 0V12\"/></svg>marker</li></ul>\n";

/// The page.
pub fn html(account: &Account) -> String {
    let title = page(&account.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"{POLICY}\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{HATCH}<main>\n"
    );
    out.push_str(&head(account));
    out.push_str(&charts(account));
    out.push_str(&timeline(account));
    out.push_str(&suspects(account));
    out.push_str(&causes(account));
    out.push_str(&trust(account));
    out.push_str(&behind(account));
    out.push_str(&foot(account));
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn head(account: &Account) -> String {
    let mut kind = vec!["Incident report".to_owned(), page(&account.stream)];
    kind.extend(account.no.map(|no| format!("alarm {no}")));
    kind.extend(account.severity.clone());
    kind.push(account.state.clone());
    kind.extend(account.label.as_deref().map(|label| format!("labelled {}", page(label))));
    let sentences: String = account.summary.iter().map(|said| format!("<p>{}</p>\n", page(said))).collect();
    let cards: String = cards(account)
        .into_iter()
        .map(|(name, figure, more)| {
            let more =
                if more.is_empty() { String::new() } else { format!("<dd class=\"soft\">{more}</dd>") };
            format!("<div><dt>{name}</dt><dd class=\"figure\">{figure}</dd>{more}</div>\n")
        })
        .collect();
    format!(
        "<header>\n<p class=\"kind\">{}</p>\n<h1>{}</h1>\n{sentences}<dl class=\"cards\">\n{cards}</dl>\n</header>\n",
        kind.join(" &middot; "),
        page(&account.title)
    )
}

/// What is known at a glance: a name, a figure, what stands below it.
fn cards(account: &Account) -> Vec<(String, String, String)> {
    let split = |text: String| match text.split_once(" [") {
        Some((figure, rest)) => (page(figure), format!("90 %: {}", page(rest.trim_end_matches(']')))),
        None => (page(&text), String::new()),
    };
    let mut cards = Vec::new();
    let mut add = |name: &str, (figure, more)| cards.push((name.to_owned(), figure, more));
    let span = &account.span;
    let day = &span.from;
    let ends = match span.is_over {
        true => format!("{} to {} UTC", minute(&span.from, day), minute(&span.to, day)),
        false => format!("since {} UTC", minute(&span.from, day)),
    };
    let lasted = if span.is_over { "lasted" } else { "so far" };
    add(lasted, (duration(i64::from(span.minutes) * MICROS_PER_MINUTE), page(&ends)));
    if let Some(lost) = &account.lost {
        if let Some(orders) = lost.orders {
            add(&page(&format!("{} lost", account.stream)), split(interval(orders)));
        }
        for amount in money(&lost.amount).into_iter().take(3) {
            add("money lost", split(amount));
        }
        if let Some(customers) = lost.customers {
            add("customers", split(interval(customers)));
        }
    }
    if let (Some(after), Some(at)) = (span.detected_after_min, &span.detected) {
        let told = format!("after the onset, at {} UTC", second(at, day));
        add("alarm", (duration(after * MICROS_PER_MINUTE), page(&told)));
    }
    if let Some(mended) = &account.mended {
        let what = format!("{} {}", mended.kind, mended.what);
        let after = match mended.after_min {
            0 => "1 min".to_owned(),
            minutes => duration(minutes * MICROS_PER_MINUTE),
        };
        let words = if mended.recovered { "back within" } else { "not back after" };
        add(words, (after, page(&what)));
    }
    cards
}

fn charts(account: &Account) -> String {
    let Some((own, others)) = account.series.split_first() else { return String::new() };
    let per = match account.minutes_per_point {
        1 => String::new(),
        n => format!(" Each point is the mean of {n} minutes."),
    };
    let (wide, narrow) = (chart(account, own, Plot::WIDE), chart(account, own, Plot::NARROW));
    let mut out = format!(
        "<section>\n<h2>Minute by minute: {} of {}</h2>\n<figure>\n{LEGEND}<div class=\"wide\">{wide}</div><div class=\"narrow\">{narrow}</div>\
         <figcaption>Times are UTC. The dotted lines are the first and the last minute of the incident.{per}</figcaption>\n</figure>\n{}</section>\n",
        page(&account.stream),
        page(&own.name),
        markers(account)
    );
    if !others.is_empty() {
        let figures: String = others.iter().map(|series| small(account, series)).collect();
        let left_out = match account.series_left_out {
            0 => String::new(),
            n => format!("<p class=\"soft\">{n} more slices are not shown: they lost less.</p>\n"),
        };
        out.push_str(&format!(
            "<section class=\"long\">\n<h2>Beside it</h2>\n<div class=\"many\">\n{figures}</div>\n{left_out}</section>\n"
        ));
    }
    out
}

fn small(account: &Account, series: &Series) -> String {
    let told = match series.remaining {
        Some(remaining) => format!("{} against expectation", percent_down(remaining, 1.0)),
        None => "no expectation".to_owned(),
    };
    format!(
        "<figure><h3>{}</h3>{}<figcaption>{told}</figcaption></figure>\n",
        page(&series.name),
        chart(account, series, Plot::SMALL)
    )
}

/// What the letters in the chart mean.
fn markers(account: &Account) -> String {
    let day = &account.span.from;
    let item = |marker: &super::Marker| {
        let key =
            marker.letter.map_or(String::new(), |letter| format!("<span class=\"key\">{letter}</span> "));
        let until = marker.until.as_deref().map(|until| format!(" to {}", minute(until, day)));
        let text = format!(
            "{}{} {} \"{}\" ({})",
            second(&marker.at, day),
            until.unwrap_or_default(),
            marker.kind,
            marker.what,
            conditions(&marker.scope)
        );
        format!("<li>{key}{}</li>\n", page(&text))
    };
    match account.markers.is_empty() {
        true => "<p class=\"soft\">No markers in this time.</p>\n".to_owned(),
        false => {
            let items: String = account.markers.iter().map(item).collect();
            format!("<h3>Markers</h3>\n<ul class=\"plain soft\">\n{items}</ul>\n")
        }
    }
}

fn timeline(account: &Account) -> String {
    let day = &account.span.from;
    let item = |line: &super::Happening| {
        let tone = match line.tone {
            Loudness::Bad => "bad",
            Loudness::Good => "good",
            Loudness::Done => "done",
            Loudness::Blind => "blind",
        };
        format!(
            "<li class=\"{tone}\"><time datetime=\"{}\">{}</time><span class=\"word\">{}</span><span>{}</span></li>\n",
            page(&line.at),
            page(&second(&line.at, day)),
            page(&line.word),
            page(&line.text)
        )
    };
    let items: String = account.timeline.iter().map(item).collect();
    format!(
        "<section class=\"long\">\n<h2>What happened</h2>\n<ol class=\"plain time\">\n{items}</ol>\n</section>\n"
    )
}

/// A table whose rows become blocks where there is no room: names of columns, then cells that are markup already.
fn table(caption: &str, names: &[&str], rows: &[Vec<String>]) -> String {
    let heads: String = names.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    let cell = |(name, cell): (&&str, &String)| format!("<td data-name=\"{name}\">{cell}</td>");
    let row =
        |row: &Vec<String>| format!("<tr>{}</tr>\n", names.iter().zip(row).map(cell).collect::<String>());
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<table class=\"stack\"><caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody></table>\n"
    )
}

fn suspects(account: &Account) -> String {
    let note = page(&capital(&account.suspects_note));
    if account.suspects.is_empty() {
        return format!("<section>\n<h2>Suspects</h2>\n<p>{note}.</p>\n</section>\n");
    }
    let row = |suspect: &super::Suspect| {
        let letter =
            suspect.letter.map_or(String::new(), |letter| format!(" <span class=\"key\">{letter}</span>"));
        let fit = share(suspect.score);
        vec![
            format!("{}{letter}", suspect.rank),
            page(&format!("{} \"{}\"", suspect.kind, suspect.what)),
            page(&second(&suspect.at, &account.span.from)),
            format!("<meter value=\"{:.2}\" aria-label=\"fit {fit}\"></meter> {fit}", suspect.score),
            page(&suspect.why),
        ]
    };
    let rows: Vec<Vec<String>> = account.suspects.iter().map(row).collect();
    let table = table(
        "Markers near the onset, by time, scope and how often such markers came before nothing",
        &["rank", "marker", "at", "fit", "why"],
        &rows,
    );
    format!("<section>\n<h2>Suspects</h2>\n{table}<p class=\"soft\">{note}.</p>\n</section>\n")
}

fn causes(account: &Account) -> String {
    if account.causes.is_empty() {
        return String::new();
    }
    let row = |cause: &crate::alarm::Cause| {
        let [low, effect, high] = cause.effect;
        vec![
            page(&if cause.slice.is_whole() { "all".to_owned() } else { conditions(&cause.slice) }),
            share(cause.explains),
            figure(Some(cause.observed)),
            figure(Some(cause.expected)),
            format!("{} [{} to {}]", share(effect), share(low), share(high)),
        ]
    };
    let rows: Vec<Vec<String>> = account.causes.iter().map(row).collect();
    let names = ["slice", "explains", "observed", "expected", "of it gone"];
    let table = table(
        "Slices that explain the shortfall, best first; figures of the last minutes of it",
        &names,
        &rows,
    );
    let rest =
        account.unexplained.map(|rest| format!("<p class=\"soft\">Not explained: {}.</p>\n", share(rest)));
    format!("<section>\n<h2>Where</h2>\n{table}{}</section>\n", rest.unwrap_or_default())
}

fn trust(account: &Account) -> String {
    let day = &account.span.from;
    let caveats = account.trust.caveats.iter().map(|said| format!("<li>{}</li>\n", page(said)));
    let absences = account.trust.absences.iter().map(|absence| {
        let (from, to) = (minute(&absence.from, day), minute(&absence.to, day));
        let text = format!("{} was missing from {from} to {to} UTC.", absence.name(&account.stream));
        format!("<li>{}</li>\n", page(&text))
    });
    let items: String = absences.chain(caveats).collect();
    let method =
        account.lost.as_ref().map(|lost| format!("<p class=\"soft\">Loss: {}.</p>\n", page(&lost.method)));
    format!(
        "<section>\n<h2>How far to trust it</h2>\n<ul>\n{items}</ul>\n{}</section>\n",
        method.unwrap_or_default()
    )
}

/// The minutes as a table, for who can't see a chart, and the records.
fn behind(account: &Account) -> String {
    let mut out = String::from("<section>\n<h2>Behind it</h2>\n");
    if let Some(own) = account.series.first() {
        out.push_str(&minutes(account, own));
    }
    let record = |record: &serde_json::Value| {
        let text = serde_json::to_string_pretty(record).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(|line| page(&visible_json(line))).collect();
        format!("<pre>{}</pre>\n", lines.join("\n"))
    };
    let records: String = account.records.iter().map(record).collect();
    if !account.records.is_empty() {
        out.push_str(&format!(
            "<details><summary>The alarm's records ({})</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
             aria-label=\"Alarm records\">\n{records}</div></details>\n",
            account.records.len()
        ));
    }
    out + "</section>\n"
}

fn minutes(account: &Account, own: &Series) -> String {
    let day = &account.span.from;
    let row = |point: &super::Point| {
        let band = point.low.zip(point.high).map(|(low, high)| crate::alarm::words::band(low, high));
        let cells = [
            minute(&point.minute, day),
            point.observed.map_or_else(|| "no data".to_owned(), |observed| figure(Some(observed))),
            figure(point.expected),
            band.unwrap_or_else(|| "-".to_owned()),
            point.verdict.replace('_', " "),
            point.completeness.map_or_else(|| "-".to_owned(), share),
        ];
        let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", page(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = own.points.iter().map(row).collect();
    format!(
        "<details><summary>The minutes as a table ({})</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Minutes\">\n<table><thead><tr><th scope=\"col\">UTC</th><th scope=\"col\">observed</th>\
         <th scope=\"col\">expected</th><th scope=\"col\">90 %</th><th scope=\"col\">verdict</th><th scope=\"col\">complete</th>\
         </tr></thead>\n<tbody>\n{rows}</tbody></table></div></details>\n",
        own.points.len()
    )
}

fn foot(account: &Account) -> String {
    let id = account.id.as_deref().map(|id| format!(" Alarm {}.", page(id))).unwrap_or_default();
    format!(
        "<footer><p>Made by ebbd from what {} has stored: {} alarm records, {} markers, minutes {} to {}. Figures in \
         brackets are 90 % intervals. The same data give the same page.{id}</p></footer>\n",
        page(&account.host),
        account.records.len(),
        account.markers.len(),
        page(&account.span.shown_from),
        page(&account.span.shown_to)
    )
}
