//! The exposed text, line by line, and through promtool where that is installed.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

fn exposition() -> Exposition {
    let telemetry = Telemetry::new(&["shop", "logs \"x\""], &["orders"], 2);
    telemetry.daemon.ready.set(1);
    telemetry.sources[0].1.lines.add(18_204);
    telemetry.lanes[1].blocks.add(7);
    telemetry.streams[0].1.completeness.set(0.998);
    telemetry.rejects.of(Reason::BadTime).add(3);
    telemetry.answers[0].1.raise_to("204", 9);
    telemetry.protocol_errors.raise_to("gap", 2);
    let mut pen = telemetry.latencies.alarm.recorder();
    pen.record_us(1_500);
    pen.hand_over();
    let mut pen = telemetry.latencies.queues[1].recorder();
    pen.record_us(200);
    pen.hand_over();
    Exposition::new(Arc::new(telemetry))
}

#[test]
fn classic_text_describes_every_sample_by_its_own_name() {
    let text = exposition().text(TextFormat::Classic);
    let mut described = HashSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(described.insert(name.to_owned()), "described twice: {line}");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s));
            let known = described.contains(name) || family.is_some_and(|f| described.contains(f));
            assert!(known, "{line} comes before its TYPE");
        }
    }
    assert!(text.contains("\nebbd_source_lines_total{source=\"shop\"} 18204\n"), "{text}");
    assert!(text.contains("\nebbd_source_lines_total{source=\"logs \\\"x\\\"\"} 0\n"), "{text}");
    assert!(text.contains("# HELP ebbd_source_lines_total Lines received.\n"), "{text}");
    assert!(text.contains("\nebbd_lane_blocks_total{lane=\"1\"} 7\n"));
    assert!(text.contains("\nebbd_rejected_lines_total{reason=\"bad_time\"} 3\n"));
    assert!(text.contains("\nebbd_source_http_requests_total{source=\"shop\",status=\"204\"} 9\n"), "{text}");
    assert!(text.contains("\nebbd_acked_errors_total{error=\"gap\"} 2\n"));
    assert!(text.contains("\nebbd_stream_completeness_ratio{stream=\"orders\"} 0.998\n"));
    assert!(text.contains("\nebbd_alarm_seconds_bucket{le=\"0.0025\"} 1\n"));
    assert!(text.contains("\nebbd_lane_queue_seconds_bucket{le=\"0.00025\",lane=\"1\"} 1\n"), "{text}");
    assert!(text.contains("\nebbd_ready 1"));
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
}

#[test]
fn open_metrics_text_ends_with_its_mark() {
    let text = exposition().text(TextFormat::OpenMetrics);
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE ebbd_source_lines counter\n"));
    assert_eq!(TextFormat::wanted("application/openmetrics-text;version=1.0.0,*/*"), TextFormat::OpenMetrics);
    assert_eq!(TextFormat::wanted("*/*"), TextFormat::Classic);
}

/// `promtool check metrics` is silent. Skipped where promtool is not installed; CI installs it.
#[test]
fn promtool_finds_nothing_to_say() {
    let piped = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = piped else { return };
    tool.stdin.take().unwrap().write_all(exposition().text(TextFormat::Classic).as_bytes()).unwrap();
    let said = tool.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.status.success() && words.trim().is_empty(), "{words}");
}
