//! The plain page at `/`: how the daemon is doing, in tables, and where to read on.

use std::fmt::Write;

use ebbd_core::report::visible;

use crate::telemetry::StatusReport;

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>ebbd</title><style>\
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem}table{border-collapse:collapse;margin:0 0 1.5rem}th,td{text-align:left;\
padding:.2rem 1.2rem .2rem 0;border-bottom:1px solid #8884}td.n{text-align:right;\
font-variant-numeric:tabular-nums}div{overflow-x:auto}</style></head><body>";

const LINKS: &str = "<p>Read on: <a href=\"/api/v1/status\">status</a>, <a href=\"/api/v1/alarms\">alarms</a>, \
<a href=\"/metrics\">metrics</a>, <a href=\"/healthz\">healthz</a>, <a href=\"/readyz\">readyz</a>. \
On the command line: <code>ebbd status</code>, <code>ebbd watch</code>.</p></body></html>\n";

/// The page for `report`.
pub(super) fn front(report: &StatusReport) -> String {
    let mut page = String::from(HEAD);
    let (host, state, now) = (escaped(&report.host), escaped(&report.state), escaped(&report.now));
    let _ =
        write!(page, "<h1>ebbd on {host}: {state}</h1><p>{now}, version {}</p>", escaped(&report.version));
    for word in &report.degraded {
        let _ = write!(page, "<p><strong>Degraded:</strong> {}</p>", escaped(word));
    }
    alarms(&mut page, report);
    streams(&mut page, report);
    sources(&mut page, report);
    page.push_str(LINKS);
    page
}

fn alarms(page: &mut String, report: &StatusReport) {
    page.push_str("<h2>Open alarms</h2>");
    if report.alarms.is_empty() {
        page.push_str("<p>None.</p>");
        return;
    }
    let rows = report.alarms.iter().map(|alarm| {
        let since = escaped(alarm.since.as_deref().unwrap_or("-"));
        let (state, title) = (escaped(&alarm.state), escaped(&alarm.title));
        format!("<td class=n>{}</td><td>{state}</td><td>{title}</td><td>{since}</td>", alarm.no)
    });
    table(page, &["no", "state", "what", "since"], rows);
}

fn streams(page: &mut String, report: &StatusReport) {
    page.push_str("<h2>Streams</h2>");
    let rows = report.streams.iter().map(|stream| {
        let complete = escaped(stream.complete_to.as_deref().unwrap_or("-"));
        let (name, learning) = (escaped(&stream.name), &stream.learning);
        format!(
            "<td>{name}</td><td class=n>{}</td><td class=n>{}</td><td>{complete}</td><td>{} of {}</td>",
            stream.counted, stream.rejected, learning.learning, learning.slices
        )
    });
    table(page, &["stream", "counted", "rejected", "complete to", "slices still learning"], rows);
}

fn sources(page: &mut String, report: &StatusReport) {
    page.push_str("<h2>Sources</h2>");
    let rows = report.sources.iter().map(|source| {
        let (name, kind, state) = (escaped(&source.name), escaped(&source.kind), escaped(&source.state));
        format!(
            "<td>{name}</td><td>{kind}</td><td>{state}</td><td class=n>{}</td><td class=n>{}</td>",
            source.lines, source.connections
        )
    });
    table(page, &["source", "type", "state", "lines", "connections"], rows);
}

fn table(page: &mut String, heads: &[&str], rows: impl Iterator<Item = String>) {
    page.push_str("<div><table><tr>");
    heads.iter().for_each(|head| page.extend(["<th>", head, "</th>"]));
    page.push_str("</tr>");
    rows.for_each(|row| page.extend(["<tr>", &row, "</tr>"]));
    page.push_str("</table></div>");
}

/// Text that cannot be taken for markup and hides nothing: names come from the network.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in visible(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{AlarmSummary, StreamStatus};

    #[test]
    fn names_from_the_network_stay_text() {
        let stream = StreamStatus { name: "<script>".to_owned(), counted: 18_204, ..StreamStatus::default() };
        let alarm = AlarmSummary { no: 47, title: "US & 'DE'\u{202e}".to_owned(), ..AlarmSummary::default() };
        let report = StatusReport { streams: vec![stream], alarms: vec![alarm], ..StatusReport::default() };
        let page = front(&report);
        assert!(page.contains("&lt;script&gt;</td><td class=n>18204<") && !page.contains("<script>"));
        assert!(page.contains("US &amp; &#39;DE&#39;\\u{202e}"));
        assert!(front(&StatusReport::default()).contains("<p>None.</p>"));
    }
}
