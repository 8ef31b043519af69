//! What `check` prints.

use ebbd_core::decode::Format;

use super::*;
use crate::config::{Secrets, Surroundings};

fn config(text: &str) -> Config {
    let surroundings = Surroundings { host: "web-01".to_owned(), cores: 2, secrets: Secrets::default() };
    Config::check(text, None, &surroundings).config.expect("a valid configuration")
}

fn sample(config: &Config, format: Format, text: &str) -> Sample {
    let source = source_for(config, format, None).expect("a source of that format");
    Sample::read(text.as_bytes(), &source, config, TimeUs(1_795_352_645_000_000))
}

#[test]
fn the_summary_of_the_defaults() {
    insta::assert_snapshot!(summary::text(&config("")), @r"
    ok  (defaults)  (config db112b1e617598f8)
      stream orders   counted by marketplace, feature, payment, status at `ts`
                      sum amount per `currency`, 2 digits; distinct customer; origin
                        `host`
                      judged: status = placed; by whole, marketplace, feature,
                        marketplace+feature
                      sealed 5s after a minute; late until 7d, revised until 2h,
                        ahead 2m
                      local time UTC; shortfalls below 5 never alarm
      source events   unix ./ebbd-data/events.sock (0660), ndjson
                      to orders
      source datagrams
                      unix_datagram ./ebbd-data/events.dgram (0660), ndjson
                      to orders
      alarms          ./ebbd-data/alarms.sock (0660)
      control         ./ebbd-data/control.sock (0600)
      http            127.0.0.1:7780
      data            ./ebbd-data, as host web-01
                      readable 5m after a minute was sealed
      judge           view whole; false alarms: 1 per week over all slices together
      memory          at most 710MiB of 1GiB, 2 lanes
                      program 64MiB, receive buffers 24.7MiB, datagram batches
                        4.0MiB, connections: partial lines 64.0MiB, lanes: series
                        85.4MiB, lanes: distinct values 64MiB, committer: series
                        62.5MiB, committer: distinct values 32MiB, judge: slices
                        39.0MiB, judge: last minutes 7MiB, alarm socket: records and
                        subscribers 56MiB, dashboard: last hours 8MiB, rows that
                        wait for their roll 128MiB, Parquet under construction 72MiB
    ");
}

#[test]
fn the_summary_of_more() {
    let text = "[stream.orders]\ndimensions = [\"shop\", { name = \"feature\", field = \"cart.feature\" }]\n\
                watched = { shop = [\"US\", \"DE\"] }\nid = [\"order_id\", \"shop\"]\n\
                timezone = { by = \"shop\", zones = { US = \"America/New_York\" } }\n[stream.carts]\n\
                [source.a]\ntype = \"tcp\"\nlisten = \"0.0.0.0:7781\"\nexpect = [\"web-01\"]\n\
                stream = { field = \"type\", placed = \"orders\", other = \"ignore\" }\n\
                [source.b]\ntype = \"udp\"\nlisten = \"127.0.0.1:8125\"\nformat = \"statsd\"\n";
    insta::assert_snapshot!(summary::text(&config(text)), @r"
    ok  (defaults)  (config 8ecdec371fe6c85e)
      stream orders   counted by shop, feature (`cart.feature`) at `ts`
                      counted once per order_id+shop within 10m
                      judged: shop = DE or US; by whole, feature
                      sealed 5s after a minute; late until 7d, revised until 2h,
                        ahead 2m
                      local time UTC (by shop: US America/New_York); shortfalls
                        below 5 never alarm
      stream carts    counted by nothing at `ts`
                      judged: all events; by whole
                      sealed 5s after a minute; late until 7d, revised until 2h,
                        ahead 2m
                      local time UTC; shortfalls below 5 never alarm
      source a        tcp 0.0.0.0:7781 (other hosts can reach it: there is no
                        password), ndjson
                      by type: placed=orders, other=ignore
                      expects web-01
      source b        udp 127.0.0.1:8125, statsd
                      by name: carts, orders
      alarms          ./ebbd-data/alarms.sock (0660)
      control         ./ebbd-data/control.sock (0600)
      http            127.0.0.1:7780
      data            ./ebbd-data, as host web-01
                      readable 5m after a minute was sealed
      judge           view whole; false alarms: 1 per week over all slices together
      memory          at most 720MiB of 1GiB, 2 lanes
                      program 64MiB, receive buffers 24.7MiB, datagram batches
                        4.0MiB, connections: partial lines 64.0MiB, lanes: series
                        79.3MiB, committer: series 51.8MiB, event ids 122MiB, judge:
                        slices 39.0MiB, judge: last minutes 7MiB, alarm socket:
                        records and subscribers 56MiB, dashboard: last hours 8MiB,
                        rows that wait for their roll 128MiB, Parquet under
                        construction 72MiB
    ");
}

#[test]
fn the_summary_as_json_is_one_line() {
    let json = summary::json(&config(""));
    let value: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!((json.matches('\n').count(), value["ok"].as_bool()), (1, Some(true)));
    assert_eq!(value["streams"][0]["watch"][3], "marketplace+feature");
}

#[test]
fn a_difference_in_words() {
    let old = config(
        "[stream.orders]\ndimensions = [\"shop\"]\n[stream.a]\n[source.s]\ntype = \"stdin\"\nstream = \"a\"",
    );
    let new = config(
        "[stream.orders]\ndimensions = [\"shop\"]\nwatch = [[]]\n[stream.b]\nmin_loss = 7\n\
         [source.s]\ntype = \"stdin\"\nstream = \"b\"",
    );
    insta::assert_snapshot!(summary::diff_text(&new.diff(&old)), @r#"
    stream orders: RELEARNS (what is judged changed: its slices learn anew)
      watch: [[], ["shop"]] -> [[]]
    stream b: new (learns for up to 8 days, or load its past with `ebbd ingest`)
    stream a: gone (its state is dropped, its files stay)
    source.s.stream: a -> b
    "#);
    assert_eq!(summary::diff_text(&old.diff(&old)), "nothing changes\n");
}

/// Forty good orders, a mark, and three bad lines.
fn orders() -> String {
    let mut text = String::from("{\"ebbd\":\"mark\",\"kind\":\"deploy\",\"what\":\"v42\"}\n");
    for n in 0..40 {
        let (shop, feature) = (["US", "DE", "JP"][n % 3], ["cart", "one-click"][n % 2]);
        text.push_str(&format!(
            "{{\"ts\":\"2026-11-22T13:{n:02}:00Z\",\"marketplace\":\"{shop}\",\"feature\":\"{feature}\",\
             \"payment\":\"card\",\"status\":\"{}\",\"amount\":\"{n}.99\",\"currency\":\"USD\",\
             \"customer\":\"c-{n}\",\"extra\":{{\"ab\":true}}}}\n",
            if n % 10 == 0 { "failed" } else { "placed" }
        ));
    }
    text + "{\"ts\":\"yesterday\"}\nno json\n{\"ts\":\"2026-11-22T13:00:00Z\",\"amount\":\"much\"}\n"
}

#[test]
fn a_sample_that_fits() {
    let sample = sample(&config(""), Format::Ndjson, &orders());
    assert_eq!((sample.lines, sample.counted(), sample.control, sample.refused()), (44, 41, 1, 2));
    insta::assert_snapshot!(layout::text(&sample, "orders.ndjson"), @r#"
    orders.ndjson: 44 lines as ndjson: 41 counted, 1 marks and heartbeats, 2 rejected

    FIELD       TYPE        FILL DISTINCT USED AS        EXAMPLES
    amount      text         98%       41 sum            0.99, 1.99, 10.99, 11.99
    currency    text         95%        1 currency       USD 100%
    customer    text         95%       40 distinct       c-0, c-1, c-10, c-11
    extra.ab    true/false   95%        1 -              true 100%
    feature     text         95%        2 dimension      cart 50%, one-click 50%
    marketplace text         95%        3 dimension      US 35%, DE 32%, JP 32%
    payment     text         95%        1 dimension      card 100%
    status      text         95%        2 dimension      placed 90%, failed 10%
    ts          time        100%       41 time           2026-11-22T13:00:00Z, 2026…

    wanted, but never there:
      host (origin)

    REJECTED         LINES  FIRST EXAMPLE
    bad_syntax           1  line 43: no json
    bad_time             1  line 42: {"ts":"yesterday"}

    stream orders: 41 events, 2026-11-22T13:00:00Z to 2026-11-22T13:39:00Z
      10 series; 88% of the events are judged
      watched slices: whole 1, marketplace 3, feature 2, marketplace+feature 6
      bad_amount: 1 events without a usable value
    "#);
}

#[test]
fn a_sample_that_does_not_fit_brings_a_suggestion_that_does() {
    let mut text = String::new();
    for n in 0..60 {
        let (shop, state) = (["us", "de"][n % 2], ["paid", "open", "void"][n % 3]);
        text.push_str(&format!(
            "{{\"created_at\":\"2026-11-22T13:{n:02}:00+01:00\",\"shop\":{{\"country\":\"{shop}\"}},\
             \"order_state\":\"{state}\",\"grand_total\":12.345,\"iso\":\"EUR\",\"user_id\":{n},\
             \"order\":\"o-{n}\",\"hostname\":\"web-{}\",\"count\":\"{shop}\"}}\n",
            n % 4
        ));
    }
    let sample = sample(&config(""), Format::Ndjson, &text);
    assert_eq!((sample.counted(), sample.refused()), (0, 60));
    let suggestion = sample.suggestion.expect("a time was found");
    insta::assert_snapshot!(suggestion, @r#"
    [stream.orders]
    time       = "created_at"
    dimensions = [{ name = "count_", field = "count" }, { name = "country", field = "shop.country" }, "order_state"]
    sums       = { grand_total = { field = "grand_total", scale = 3, currency = "iso" } }
    distinct   = ["user_id"]
    origin     = "hostname"
    # which events are orders that ought to come? values of order_state: "open", "paid", "void"
    # watched  = { order_state = ["open"] }
    "#);
    let fitting = config(&suggestion);
    assert_eq!(self::sample(&fitting, Format::Ndjson, &text).counted(), 60);
}

#[test]
fn other_formats_are_looked_at_too() {
    let influx = "# comment\norders,marketplace=US,feature=one\\ click,status=placed amount=19.99,customer=\"c 1\" \
                  1795352645123000000\ncarts,marketplace=US amount=1 1795352645123000000\n";
    let found = sample(&config(""), Format::Influx, influx);
    assert_eq!((found.counted(), found.ignored, found.refused()), (1, 1, 1));
    assert_eq!(found.profiles.fields["feature"].examples(1), [("one click", 1)]);
    assert_eq!(found.profiles.fields["customer"].examples(1), [("c 1", 1)]);
    let statsd = "orders:1|c|@0.1|#marketplace:US,status:placed\norders:3|g\n";
    let found = sample(&config(""), Format::Statsd, statsd);
    assert_eq!((found.counted(), found.refused()), (1, 1));
    assert_eq!(found.profiles.fields["marketplace"].distinct(), (1, true));
}

#[test]
fn formats_are_guessed() {
    for (text, format) in [
        ("\n{\"a\":1}", Format::Ndjson),
        ("orders:1|c", Format::Statsd),
        ("# x\norders,a=b c=1 5", Format::Influx),
        ("", Format::Ndjson),
        ("what is this", Format::Ndjson),
    ] {
        assert_eq!(raw::guess_format(text.as_bytes()), format, "{text}");
    }
}

#[test]
fn estimates_are_near() {
    let mut profiles = fields::Profiles::default();
    for n in 0..20_000 {
        let field = |path: &str, text: String| raw::RawField {
            path: path.to_owned(),
            kind: raw::RawKind::Text,
            text,
        };
        profiles.add(&[field("many", format!("v{n}")), field("few", format!("v{}", n % 7))]);
    }
    let (many, exact) = profiles.fields["many"].distinct();
    assert!(!exact && (18_000..22_000).contains(&many), "{many}");
    assert_eq!(profiles.fields["few"].distinct(), (7, true));
}

proptest::proptest! {
    #[test]
    fn any_sample_is_answered(text in "(\\PC{0,40}\n){0,6}|[{}\":,a-z0-9|#=\\\\ \n]{0,120}", at in 0usize..Format::ALL.len()) {
        let found = sample(&config(""), Format::ALL[at], &text);
        let shown = layout::text(&found, "x");
        proptest::prop_assert!(shown.lines().all(|line| line.chars().count() <= 90));
        let total = found.counted() + found.control + found.ignored + found.refused();
        proptest::prop_assert_eq!(total, found.lines);
    }
}
