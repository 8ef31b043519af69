//! The answer as JSON: alarm records as the alarm socket has them, then what became of expectations, then how
//! another configuration differs, and a summary as the last line.

use std::io::Write;

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::detect::Verdict;
use ebbd_core::replay::{Difference, Expectations, Fate, Findings, Story, Suspicion};
use serde_json::{Map, Value, json};

use super::round::Told;

/// One record, a line.
pub(super) fn record(record: &AlarmRecord, out: &mut dyn Write) {
    let line = serde_json::to_string(record).expect("records hold nothing that JSON cannot say");
    // A reader that went away (`| head`) is no error.
    let _ = writeln!(out, "{line}");
}

/// Everything behind the records.
pub(super) fn end(
    told: &Told,
    expected: Option<(&Expectations, &Findings)>,
    difference: Option<&(Vec<Difference<'_>>, usize)>,
    is_green: bool,
) -> String {
    let mut lines = Vec::new();
    if let Some((expectations, findings)) = expected {
        lines.extend(fates(expectations, findings));
        lines.extend(broken(expectations, findings));
    }
    lines.extend(difference.iter().flat_map(|(found, _)| found.iter().map(against)));
    lines.push(summary(told, expected.map(|(_, findings)| findings), difference, is_green));
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

fn fates<'a>(
    expectations: &'a Expectations,
    findings: &'a Findings,
) -> impl Iterator<Item = Value> + use<'a> {
    expectations.expected.iter().zip(&findings.fates).map(|(expected, fate)| {
        let mut line = json!({
            "type": "expect", "slice": expected.slice, "kind": expected.kind,
            "from": expected.from.to_rfc3339(), "to": expected.to.to_rfc3339(),
        });
        let more = match fate {
            Fate::Found { no, delay_us } => json!({"found": true, "no": no, "delay_s": delay_us / 1_000_000}),
            Fate::Missed(suspicion) => json!({"found": false, "why": why(suspicion)}),
        };
        extend(&mut line, more);
        line
    })
}

fn why(suspicion: &Suspicion) -> Value {
    let verdict = |(verdict, minutes): (&Verdict, &u64)| (verdict.name().to_owned(), json!(minutes));
    let verdicts: Map<String, Value> = suspicion.verdicts.iter().map(verdict).collect();
    let peak = suspicion.peak.map(|peak| {
        json!({
            "minute": peak.minute.to_string(), "evidence": round(peak.evidence),
            "threshold": round(peak.threshold), "observed": peak.observed, "expected": peak.expected.map(round),
        })
    });
    let near: Vec<Value> =
        suspicion.near.iter().map(|(no, objection)| json!({"no": no, "but": objection})).collect();
    json!({"verdicts": verdicts, "most_evidence": peak, "alarms": near})
}

fn broken<'a>(
    expectations: &'a Expectations,
    findings: &'a Findings,
) -> impl Iterator<Item = Value> + use<'a> {
    findings.broken.iter().map(|(at, no)| {
        let quiet = &expectations.quiet[*at];
        json!({"type": "quiet", "broken_by": no, "from": quiet.from.to_rfc3339(), "to": quiet.to.to_rfc3339()})
    })
}

fn against(difference: &Difference<'_>) -> Value {
    match difference {
        Difference::Appears(story) => json!({"type": "against", "change": "appears", "alarm": brief(story)}),
        Difference::Vanishes(story) => {
            json!({"type": "against", "change": "vanishes", "alarm": brief(story)})
        }
        Difference::Moves { before, after, minutes } => json!({
            "type": "against", "change": "moves", "alarm": brief(before), "becomes": brief(after),
            "later_min": minutes,
        }),
    }
}

fn brief(story: &Story) -> Value {
    json!({
        "no": story.no, "id": story.id, "stream": story.stream, "kind": story.kind, "severity": story.severity,
        "slice": story.last.slice, "onset": story.onset().map(|minute| minute.to_string()),
        "opened": story.openings.first().map(|opening| opening.minute.to_string()),
    })
}

fn summary(
    told: &Told,
    findings: Option<&Findings>,
    difference: Option<&(Vec<Difference<'_>>, usize)>,
    is_green: bool,
) -> Value {
    let (pages, tickets) = told.loudness();
    let mut line = json!({
        "type": "summary", "ok": is_green,
        "streams": told.streams.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "from": told.span.map(|(first, _)| first.to_string()),
        "to": told.span.map(|(_, last)| last.to_string()),
        "minutes": told.judged, "no_data": told.no_data, "learnt": told.learnt, "slices": told.slices,
        "records": told.records, "alarms": told.stories.0.len(), "pages": pages, "tickets": tickets,
        "open": told.stories.0.values().filter(|story| story.is_open()).count(),
    });
    if let Some(findings) = findings {
        let found = findings.fates.iter().filter(|fate| matches!(fate, Fate::Found { .. })).count();
        extend(
            &mut line,
            json!({
                "expected": findings.fates.len(), "found": found, "missed": findings.fates.len() - found,
                "quiet_broken": findings.broken.len(), "false_alarms": findings.false_alarms,
            }),
        );
    }
    if let Some((found, same)) = difference {
        let count = |wanted: fn(&Difference<'_>) -> bool| found.iter().filter(|d| wanted(d)).count();
        extend(
            &mut line,
            json!({
                "same": same,
                "appear": count(|d| matches!(d, Difference::Appears(_))),
                "vanish": count(|d| matches!(d, Difference::Vanishes(_))),
                "move": count(|d| matches!(d, Difference::Moves { .. })),
            }),
        );
    }
    line
}

fn extend(line: &mut Value, more: Value) {
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
