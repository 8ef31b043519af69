//! What is refused, what is taken back, and which exit code says so.

use super::*;

#[test]
fn the_same_content_is_refused_whatever_its_name_unless_again() {
    let (bench, events) = (Bench::new(), events(2));
    bench.file("orders.ndjson", &ndjson(&events));
    bench.file("copy.ndjson", &ndjson(&events));
    assert_eq!(bench.ingest(&[], &["orders.ndjson"]).0, 0);
    let (code, text) = bench.ingest(&[], &["copy.ndjson"]);
    assert_eq!(code, 1);
    assert!(text.starts_with("copy.ndjson: refused, it was ingested before as data/minutes/"), "{text}");
    assert_eq!(fs::read_dir(bench.data().join(".work/ingest")).unwrap().count(), 0, "nothing stays staged");
    assert_eq!(bench.counts(), recount(&events));
    assert_eq!(bench.ingest(&["--again"], &["copy.ndjson"]).0, 0);
    assert_eq!(bench.counts(), doubled(&recount(&events)));
}

#[test]
fn minutes_of_the_daemon_are_left_out_and_all_else_is_taken() {
    let bench = Bench::new();
    bench.daemon_wrote(&[START, START.plus(2)]);
    let daemons = bench.counts();
    bench.file("orders.ndjson", &ndjson(&events(4)));
    let (code, text) = bench.ingest(&[], &["orders.ndjson"]);
    let left_out = shop().events(START).len() + shop().events(START.plus(2)).len();
    let told = format!(
        "  refused: {} lines of orders in 2 minutes (2025-11-22 13:04 to 13:06 UTC) left out, because the daemon",
        ebbd_core::alarm::words::exact(left_out as u64)
    );
    assert_eq!(code, 1);
    assert!(text.contains(" counted in 2 minutes (2025-11-22 13:05 to 13:07 UTC)\n"), "{text}");
    assert!(text.contains(&told), "{text}");
    let mut whole = daemons;
    for ((minute, values, currency), (count, cents)) in recount(&events(4)) {
        if minute == START.plus(1) || minute == START.plus(3) {
            add(&mut whole, (minute, values, currency), count, cents);
        }
    }
    assert_eq!(bench.counts(), whole);
}

#[test]
fn again_adds_to_minutes_of_the_daemon() {
    let bench = Bench::new();
    bench.daemon_wrote(&[START]);
    let daemons: i64 = bench.counts().values().map(|(count, _)| count).sum();
    bench.file("orders.ndjson", &ndjson(&events(1)));
    assert_eq!(bench.ingest(&["--again"], &["orders.ndjson"]).0, 0);
    let total: i64 = bench.counts().values().map(|(count, _)| count).sum();
    assert_eq!(total, daemons + events(1).len() as i64);
}

#[test]
fn a_broken_file_leaves_nothing_and_the_others_are_counted() {
    let (bench, events) = (Bench::new(), events(30));
    let whole = gzipped(&ndjson(&events));
    bench.file("cut-off.gz", &whole[..whole.len() - 40]);
    let (code, text) = bench.ingest(&[], &["cut-off.gz"]);
    assert_eq!((code, text.as_str()), (3, ""));
    // Rows had been staged before the end came, and are gone again.
    assert_eq!(fs::read_dir(bench.data().join(".work/ingest")).unwrap().count(), 0);
    for dataset in [Dataset::Minutes, Dataset::Ledger] {
        assert!(bench.files(dataset).is_empty(), "{dataset:?}");
    }
    bench.file("whole.gz", &whole);
    let (code, text) = bench.ingest(&[], &["cut-off.gz", "missing.gz", "whole.gz"]);
    assert_eq!((code, text.lines().count()), (3, 1));
    assert_eq!(bench.counts(), recount(&events));
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    let bench = Bench::new();
    bench.file("orders.ndjson", b"");
    assert_eq!(bench.ingest(&["--stream", "ordres"], &["orders.ndjson"]).0, 2);
    assert_eq!(bench.ingest(&[], &["orders.ndjson"]).1, "orders.ndjson: nothing counted\n");
    let declared = |name: &str| {
        format!(
            "[stream.{name}]\ntime = \"t\"\ndimensions = []\n[source.{name}]\ntype = \"tcp\"\n\
             listen = \"127.0.0.1:0\"\nformat = \"ndjson\"\nstream = \"{name}\"\n"
        )
    };
    let two = declared("a") + &declared("b");
    bench.file("ebbd.toml", two.as_bytes());
    assert_eq!(bench.ingest(&[], &["orders.ndjson"]).0, 2);
    assert_eq!(bench.ingest(&["--stream", "b"], &["orders.ndjson"]).0, 0);
    assert_eq!(bench.ingest(&["--format", "minutes"], &["orders.ndjson"]).0, 2);
    bench.file("ebbd.toml", b"nonsense");
    assert_eq!(bench.ingest(&[], &["orders.ndjson"]).0, 2);
}
