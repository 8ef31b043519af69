//! What is in each kind of file is what comes out.

use super::*;

#[test]
fn ndjson_becomes_the_same_sums_and_says_so() {
    let (bench, events) = (Bench::new(), events(30));
    let mut bytes = ndjson(&events);
    bytes.extend_from_slice(b"no json\n{\"ts\":\"yesterday\"}\n{\"ts\":\"2025-11-22T13:04:00Z\"}");
    bench.file("orders.ndjson", &bytes);
    let (code, text) = bench.ingest(&[], &["orders.ndjson"]);
    let total = ebbd_core::alarm::words::exact(events.len() as u64 + 1);
    let expected = format!(
        "orders.ndjson: orders {total} counted in 30 minutes (2025-11-22 13:04 to 13:33 UTC), 2 rejected \
         (bad_syntax 1, bad_time 1)"
    );
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!((code, text.lines().count()), (0, 1));
    let mut recounted = recount(&events);
    let bare = (START, vec![String::new(); 4], String::new());
    add(&mut recounted, bare, 1, 0);
    assert_eq!(bench.counts(), recounted);
    assert!(bench.files(Dataset::Minutes).len() > 1, "rows are written while there is more to read");
    check_footers(&bench, &bytes);
}

fn check_footers(bench: &Bench, bytes: &[u8]) {
    let content = format!("{:032x}", twox_hash::XxHash3_128::oneshot(bytes));
    let all = [bench.files(Dataset::Minutes), bench.files(Dataset::Ledger)].concat();
    for path in &all {
        let keys = read_footer(&File::open(path).unwrap()).unwrap().keys;
        assert_eq!((&*keys[WRITER], &*keys["ebbd.content"]), ("ingest", &*content));
        let part = format!("-ingest-{}-", &content[..12]);
        assert!(path.file_name().unwrap().to_str().unwrap().contains(&part), "{}", path.display());
    }
    assert_eq!(bench.files(Dataset::Ledger).len(), 1);
}

#[test]
fn influx_and_statsd_count_the_same() {
    let events = events(3);
    let influx = Bench::new();
    influx.file("orders.lp", &written(&events, SimulatedEvent::write_influx));
    assert_eq!(influx.ingest(&["--format", "influx"], &["orders.lp"]).0, 0);
    assert_eq!(influx.counts(), recount(&events));

    let statsd = Bench::new();
    statsd.file("orders.statsd", &written(&events, SimulatedEvent::write_statsd));
    assert_eq!(statsd.ingest(&["--format", "statsd"], &["orders.statsd"]).0, 0);
    let mut bare = Counts::new();
    for ((minute, values, _), (count, _)) in recount(&events) {
        add(&mut bare, (minute, values, String::new()), count, 0);
    }
    assert_eq!(statsd.counts(), bare);
}

#[test]
fn a_minute_of_many_series_is_written_in_parts() {
    let (bench, mut bytes, mut expected) = (Bench::new(), Vec::new(), Counts::new());
    for series in (0..2_000).chain(0..2_000) {
        let payment = format!("p-{series}");
        let line = format!(
            r#"{{"ts":"2025-11-22T13:04:00Z","marketplace":"US","feature":"cart","payment":"{payment}","status":"placed","amount":"1.50","currency":"USD","customer":"c-{series}"}}"#
        );
        bytes.extend(line.bytes().chain(*b"\n"));
        let values = ["US", "cart", &payment, "placed"].map(str::to_owned).into();
        add(&mut expected, (START, values, "USD".to_owned()), 1, 150);
    }
    bench.file("wide.ndjson", &bytes);
    let (code, text) = bench.ingest(&[], &["wide.ndjson"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("4,000 counted in 1 minute "), "{text}");
    assert_eq!(bench.counts(), expected);
    let parts = bench.files(Dataset::Minutes);
    assert!(parts.len() > 1, "no part waits for the file's end");
    // The second half's series are in a later part again: rows of one key are added up by whoever reads.
    let rows = |path: &PathBuf| {
        let read = read_minutes(&StreamSpec::example(), File::open(path).unwrap()).unwrap();
        read.map(|minute| minute.unwrap().rows.len()).sum::<usize>()
    };
    assert!(parts.iter().map(rows).sum::<usize>() > 2_000);
}

#[test]
fn compressed_files_are_told_by_their_content() {
    let (plain, whole) = (ndjson(&events(4)), recount(&events(4)));
    let (one, two) = plain.split_at(plain.len() / 2);
    let packed = [
        [gzipped(one), gzipped(two)].concat(),
        [zstd::encode_all(one, 1).unwrap(), zstd::encode_all(two, 1).unwrap()].concat(),
    ];
    for bytes in packed {
        let bench = Bench::new();
        bench.file("orders.log", &bytes);
        assert_eq!(bench.ingest(&[], &["orders.log"]).0, 0);
        assert_eq!(bench.counts(), whole);
    }
}

#[test]
fn a_line_beyond_the_limit_costs_one_rejection() {
    let (bench, events) = (Bench::new(), events(2));
    let (before, after) = events.split_at(700);
    let long = vec![b'x'; 3 << 20];
    bench.file("long.ndjson", &[&ndjson(before), &long[..], b"\n", &ndjson(after)].concat());
    let (code, told) = bench.json(&[], "long.ndjson");
    assert_eq!((code, &told["rejected"]), (0, &serde_json::json!({"too_long": 1})));
    assert_eq!(told["lines"], events.len() + 1);
    assert_eq!(bench.counts(), recount(&events));
}

#[test]
fn marks_are_kept_and_ids_count_once() {
    let bench = Bench::new();
    bench.file(
        "ebbd.toml",
        b"[stream.orders]\ntime = \"ts\"\ndimensions = [\"marketplace\"]\nid = [\"order_id\"]\n\
          sums = { amount = { field = \"amount\", scale = 2, currency = \"currency\" } }\n",
    );
    let mark = r#"{"ebbd":"mark","kind":"deploy","what":"v42","at":"2025-11-22T13:04:00Z"}"#;
    let order = |id: &str| format!("{{\"ts\":\"2025-11-22T13:04:00Z\",\"order_id\":\"{id}\"}}");
    let text = [mark, &order("1"), &order("2"), &order("1")].join("\n");
    bench.file("orders.ndjson", text.as_bytes());
    let (code, told) = bench.json(&[], "orders.ndjson");
    assert_eq!((code, &told["duplicate"], &told["control"]), (0, &1.into(), &1.into()));
    assert_eq!(told["counted"][0]["count"], 2);
    assert_eq!(bench.files(Dataset::Marks).len(), 1);
}

const TABLE: &str = "minute,marketplace,count,shoe_size\n2025-11-22T13:04:00Z,US,30,1\n2025-11-22T13:04:00Z,DE,10,2\n\
                     2025-11-22T13:06:00Z,US,,3\n2025-11-22T13:06:00Z,DE,5,4\n";

#[test]
fn minute_tables_become_minutes() {
    let bench = Bench::new();
    bench.file("counts.csv", TABLE.as_bytes());
    let (code, told) = bench.json(&["--format", "minutes"], "counts.csv");
    assert_eq!((code, &told["counted"][0]["count"], &told["control"]), (0, &45.into(), &1.into()));
    assert!(told["notes"].to_string().contains("shoe_size"), "{told}");
    let key = |minute: i32, place: &str| {
        (START.plus(minute), vec![place.into(), String::new(), String::new(), "placed".into()], String::new())
    };
    let counts = Counts::from([(key(0, "US"), (30, 0)), (key(0, "DE"), (10, 0)), (key(2, "DE"), (5, 0))]);
    assert_eq!(bench.counts(), counts);

    let again = Bench::new();
    fs::copy(&bench.files(Dataset::Minutes)[0], again.dir.path().join("counts.parquet")).unwrap();
    assert_eq!(again.ingest(&["--format", "minutes"], &["counts.parquet"]).0, 0);
    assert_eq!(again.counts(), counts);
}

#[test]
fn a_table_with_a_bad_line_is_told_and_leaves_nothing() {
    let bench = Bench::new();
    bench.file("counts.csv", format!("{TABLE}yesterday,US,1,1\n").as_bytes());
    let (code, told) = bench.json(&["--format", "minutes"], "counts.csv");
    assert_eq!(code, 3);
    assert!(told["error"].as_str().unwrap().contains("line 6: minute \"yesterday\" is no time"), "{told}");
    assert!(bench.counts().is_empty() && bench.files(Dataset::Ledger).is_empty());
}
