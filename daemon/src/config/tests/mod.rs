//! Whole files through the checker.

use std::path::Path;

use ebbd_core::decode::Format;
use ebbd_core::model::{StreamId, StreamRoute, StreamSpec, View};
use proptest::prelude::*;

use super::*;

mod changes;
mod messages;
mod reference;

fn surroundings() -> Surroundings {
    Surroundings { host: "web-01".to_owned(), cores: 2, secrets: Secrets::default() }
}

fn check(text: &str) -> Checked {
    Config::check(text, Some(Path::new("ebbd.toml")), &surroundings())
}

fn config(text: &str) -> Config {
    let checked = check(text);
    let told: String = checked.errors.iter().map(|problem| problem.render("ebbd.toml", "error")).collect();
    checked.config.unwrap_or_else(|| panic!("{told}"))
}

fn errors(text: &str) -> String {
    let checked = check(text);
    assert!(checked.config.is_none() && !checked.errors.is_empty(), "accepted: {text}");
    checked.errors.iter().map(|problem| problem.render("ebbd.toml", "error")).collect()
}

fn warnings(text: &str) -> String {
    config(text).warnings().iter().map(|problem| problem.render("ebbd.toml", "warning")).collect()
}

#[test]
fn the_empty_file_is_the_documented_default() {
    let config = config("");
    assert_eq!(*config.streams, [StreamSpec::example()]);
    assert_eq!((config.lanes, config.host.as_str(), config.view), (2, "web-01", View::Whole));
    assert_eq!(config.http.map(|a| a.to_string()).as_deref(), Some("127.0.0.1:7780"));
    let places: Vec<String> =
        config.sources.iter().map(|s| format!("{} {} {}", s.kind.name(), s.kind.place(), s.ack)).collect();
    let expected = ["unix ./ebbd-data/events.sock true", "unix_datagram ./ebbd-data/events.dgram false"];
    assert_eq!(places, expected);
    for source in &config.sources {
        assert_eq!(
            (source.spec.format, &source.spec.route),
            (Format::Ndjson, &StreamRoute::Fixed(StreamId(0)))
        );
    }
    assert_eq!(config.alarms.path, Path::new("./ebbd-data/alarms.sock"));
    assert_eq!(config.control.path, Path::new("./ebbd-data/control.sock"));
    assert_eq!(config.parquet.roll_us, 300_000_000);
    assert_eq!(config.detect.false_alarms_per_week, 1.0);
    assert!(config.warnings().is_empty());
    let bounds: u64 = config.memory_bounds().iter().map(|bound| bound.bytes).sum();
    assert!(bounds <= config.limits.memory, "{bounds}");
}

/// The example of the interface's section 3, word for word but for what a comment says.
const WHOLE: &str = r#"
data_dir = "/var/lib/ebbd"
lanes    = 0
host     = "web-01"
view     = "whole"
http     = "127.0.0.1:7780"

[stream.orders]
time       = "ts"
dimensions = ["marketplace", { name = "feature", field = "cart.feature" }, "payment", "status"]
sums       = { amount = { field = "amount", scale = 2, currency = "currency" } }
distinct   = ["customer"]
origin     = "host"
id         = ["order_id", "status"]
dedupe     = "10m"
watched    = { status = ["placed"] }
watch      = [[], ["marketplace"], ["feature"], ["marketplace", "feature"]]
min_loss   = 5
timezone   = { default = "UTC", by = "marketplace", zones = { US = "America/New_York", DE = "Europe/Berlin" } }
seal       = "5s"
lateness   = "7d"
future     = "2m"
revise     = "2h"

[stream.shipments]
dimensions = ["marketplace"]

[source.shop]
type   = "unix"
listen = "/run/ebbd/events.sock"
mode   = "0660"
group  = "ebbd-ingest"
format = "ndjson"
stream = { field = "type", order_placed = "orders", shipped = "shipments", other = "ignore" }
ack    = true
connections = 1024
partial_line = "30s"
expect = ["web-02", "web-01"]
forget_after = "2h"

[source.logs]
type = "file"
path = "/var/log/shop/orders-*.log"
from = "end"
stream = "orders"

[source.telegraf]
type = "http"
listen = "127.0.0.1:8086"
token_file = "/etc/ebbd/token"
stream = "orders"

[source.metrics]
type = "udp"
listen = "127.0.0.1:8125"
format = "statsd"

[funnel.shipped]
from = "orders"
to   = "shipments"
by   = ["marketplace"]
within = "4h"

[detect]
false_alarms = "1 per week"

[[calendar]]
name = "Black Friday"
from = "2026-11-27"
to   = "2026-11-27"
slice = { marketplace = "US" }
learn = false
like  = "2025-11-28"

[outlet.pager]
type = "alertmanager"
url  = "http://127.0.0.1:9093"

[alarms]
listen = "/run/ebbd/alarms.sock"
mode = "0660"
group = "ebbd-alarm"
[control]
listen = "/run/ebbd/control.sock"
[limits]
memory = "1GiB"
series = 200000
line   = "64KiB"
[parquet]
roll   = "5m"
compact = "1h"
retain = { minutes = "400d", slices = "30d", ledger = "90d", incidents = "forever" }
"#;

#[test]
fn every_key_of_the_interface_is_accepted() {
    let config = config(WHOLE);
    let orders = &config.streams[0];
    assert_eq!(orders.dimensions[1].field, "cart.feature");
    assert_eq!(orders.watch, StreamSpec::example().watch);
    assert_eq!(orders.id, ["order_id", "status"]);
    assert_eq!(orders.timezones.by, Some(0));
    assert_eq!(config.streams[1].name, "shipments", "streams keep the order of the file");
    let StreamRoute::ByField { field, routes, other } = &config.sources[0].spec.route else { panic!() };
    assert_eq!((field.as_str(), other), ("type", &Some(None)));
    assert_eq!(routes["order_placed"], Some(StreamId(0)));
    assert_eq!(config.sources[0].spec.expect, ["web-01", "web-02"]);
    assert!(matches!(&config.sources[3].spec.route, StreamRoute::ByName(names) if names.len() == 2));
    assert_eq!(config.parquet.retain.incidents_us, None);
    assert_eq!((config.funnels.len(), config.calendar.len(), config.outlets.len()), (1, 1, 1));
    assert_eq!(config.limits.memory, 1 << 30);
}

#[test]
fn what_does_not_fit_is_told_part_by_part() {
    let told = errors("[limits]\nmemory = \"300MiB\"\nseries = 500000\n");
    for part in
        ["with 1 lane(s)", "lanes: series", "committer: series", "receive buffers", "judge: slices 39"]
    {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    let long = "[source.s]\ntype = \"tcp\"\nlisten = \"127.0.0.1:1\"\nconnections = 8\n";
    for (source, limit) in [("", "series = 500000\n"), (long, "line = \"16MiB\"\nseries = 500000\n")] {
        let text = |memory: &str| format!("lanes = 1\n{source}[limits]\nmemory = \"{memory}\"\n{limit}");
        let told = errors(&text("300MiB"));
        let (_, rest) = told.split_once("raise `memory` to \"").expect("it says how much would do");
        let (enough, _) = rest.split_once("MiB\"").expect("a number of MiB");
        config(&text(&format!("{enough}MiB")));
        let enough: u64 = enough.parse().expect("a number");
        let told = errors(&text(&format!("{}MiB", enough - 1)));
        assert!(told.contains(&format!("raise `memory` to \"{enough}MiB\"")), "no less would do: {told}");
    }
}

#[test]
fn receive_buffers_are_few_where_lines_are_long_and_none_belongs_to_a_connection() {
    let usual = config("").receive_buffers();
    assert_eq!((usual.count, usual.bytes), (2 * 2 + 2 * LANE_BLOCKS, 192 * 1024));
    let listen = "[source.s]\ntype = \"tcp\"\nlisten = \"127.0.0.1:1\"\n";
    let more = config(&format!("{listen}connections = 8000\n[limits]\nline = \"16KiB\"\n"));
    assert_eq!(more.receive_buffers().count, 2 + 2 * LANE_BLOCKS);
    let long = config(&format!("{listen}connections = 8\n[limits]\nline = \"16MiB\"\n")).receive_buffers();
    assert!(long.count >= 4 && long.count * long.bytes <= 128 << 20, "{long:?}");
}

#[test]
fn udp_may_be_joined_and_shared() {
    let udp = |more: &str| {
        let text = format!("[source.s]\ntype = \"udp\"\nlisten = \"127.0.0.1:1\"\n{more}");
        match config(&text).sources[0].kind {
            SourceKind::Udp { options, .. } => options,
            _ => panic!("it is UDP"),
        }
    };
    assert_eq!(udp(""), UdpOptions { gro: false, receivers: 1 });
    assert_eq!(udp("gro = true\nreceivers = 4"), UdpOptions { gro: true, receivers: 4 });
    let misspelt = errors("[source.s]\ntype = \"udp\"\nlisten = \"127.0.0.1:1\"\nreciever = 2");
    assert!(misspelt.contains("did you mean `receivers`"), "{misspelt}");
}

#[test]
fn names_and_bounds() {
    for (text, said) in [
        ("[stream.\"a b\"]", "can't be a stream name"),
        ("[stream.ignore]", "can't be a stream name"),
        ("[stream.o]\nsums = { amount = {} }\ndimensions = [\"Amount_currency\"]", "differ only in case"),
        ("[stream.o]\ndistinct = [\"c\"]\ndimensions = [\"c_hll\"]", "there twice"),
        ("[stream.o]\nrevise = \"8d\"", "longer than `lateness`"),
        ("[stream.o]\nwatched = {}\nwatch = []\nmin_loss = -1", "out of bounds"),
        ("[stream.o]\ndimensions = [\"a\"]\nwatched = { a = [] }", "nothing would be judged"),
        ("[stream.a]\n[stream.b]", "no [source.NAME]"),
        ("[stream.a]\n[stream.b]\n[source.s]\ntype = \"stdin\"", "does not say which stream"),
        ("[source.s]\ntype = \"unix\"", "has no `listen`"),
        ("[source.s]\ntype = \"udp\"\nlisten = \"shop:1\"", "no address and port"),
        ("[source.s]\ntype = \"stdin\"\nlisten = \"x\"", "has no `listen`"),
        ("[source.s]\ntype = \"tcp\"\nlisten = \"127.0.0.1:1\"\ngro = true", "has no `gro`"),
        ("[source.s]\ntype = \"udp\"\nlisten = \"127.0.0.1:1\"\nreceivers = 0", "out of bounds"),
        ("[source.s]\ntype = \"unix\"\nlisten = \"@x\"", "abstract"),
        ("[source.s]\ntype = \"unix\"\nlisten = \"./ebbd-data/alarms.sock\"", "would listen where"),
        ("[source.s]\ntype = \"file\"\npath = \"[\"", "no pattern"),
        ("[source.s]\ntype = \"stdin\"\nstream = { orders = \"orders\" }", "needs `field`"),
        ("[limits]\nmemory = \"64MiB\"", "too small"),
        ("lanes = 64\n[limits]\nseries = 5000000", "too small"),
        ("[detect]\nfalse_alarms = \"often\"", "no rate"),
        ("[[calendar]]\nfrom = \"2026-11-28\"\nto = \"2026-11-27\"", "before"),
        ("[[calendar]]\nfrom = \"soon\"", "neither a day"),
        ("[outlet.x]\ntype = \"webhook\"\nurl = \"ftp://x\"", "no http address"),
        ("[outlet.x]\ntype = \"webhook\"\nurl = \"http://me:secret@x/\"", "no http address"),
        ("[outlet.x]\ntype = \"webhook\"\nurl = \"http://x\"\nca_file = \"x.pem\"", "plain http"),
        ("http_names = [\"a.example:80\"]", "no host's name"),
        ("[funnel.x]\nfrom = \"orders\"\nto = \"parcels\"", "unknown stream"),
        ("[alarms]\nmode = \"0999\"", "octal"),
        ("http = 7780", "text in quotes"),
        ("stream = 5", "must be a table"),
    ] {
        let told = errors(text);
        assert!(told.contains(said), "{text}\n{told}");
    }
    let dimensions: Vec<String> = (0..25).map(|n| format!("\"d{n}\"")).collect();
    assert!(errors(&format!("[stream.o]\ndimensions = [{}]", dimensions.join(","))).contains("at most 24"));
}

#[test]
fn port_zero_asks_for_any_and_two_of_them_do_not_collide() {
    let config = config("http = \"127.0.0.1:0\"\n[source.s]\ntype = \"tcp\"\nlisten = \"localhost:0\"\n");
    assert_eq!(config.http, config.sources[0].kind.addr());
}

#[test]
fn senders_leave_descriptors_to_others() {
    let mut config = config(
        "[stream.orders]\n[source.a]\ntype = \"unix\"\nlisten = \"a\"\nconnections = 3000\n\
         [source.b]\ntype = \"unix\"\nlisten = \"b\"\nconnections = 1000\n\
         [source.c]\ntype = \"file\"\npath = \"c\"\n",
    );
    let connections = |config: &Config| (config.sources[0].connections, config.sources[1].connections);
    assert_eq!(config.fit_descriptors(5000), None);
    assert_eq!(connections(&config), (3000, 1000));
    let told = config.fit_descriptors(2512).expect("lowered");
    assert!(told.contains("a to 1500, b to 500"), "{told}");
    assert_eq!(connections(&config), (1500, 500));
    config.fit_descriptors(100).expect("lowered again");
    assert_eq!(connections(&config), (37, 12));
}

#[test]
fn routes_by_measurement() {
    let text = "[stream.orders]\n[stream.carts]\n[source.s]\ntype = \"udp\"\nlisten = \"127.0.0.1:8125\"\n\
                format = \"statsd\"\n";
    let by_name = |text: &str| match &config(text).sources[0].spec.route {
        StreamRoute::ByName(names) => names.iter().map(|(n, s)| format!("{n}={}", s.0)).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(by_name(text), ["carts=1", "orders=0"]);
    assert_eq!(by_name(&format!("{text}stream = \"carts\"")), ["carts=1"]);
    assert_eq!(by_name(&format!("{text}stream = {{ \"shop.orders\" = \"orders\" }}")), ["shop.orders=0"]);
}

/// Lines that are often nearly right.
fn nearly() -> impl Strategy<Value = String> {
    let lines: Vec<&'static str> = WHOLE.lines().collect();
    let line = prop::sample::select(lines);
    let garbage = "[\\[\\]{}=\",.#0-9a-z\n é-]{0,12}";
    prop::collection::vec((line, garbage, any::<bool>()), 0..12).prop_map(|parts| {
        let joined = parts.iter().map(|(line, noise, keep)| match keep {
            true => format!("{line}\n"),
            false => format!("{}{noise}\n", line.get(..line.len() / 2).unwrap_or(line)),
        });
        joined.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_text_is_answered(text in prop_oneof![nearly(), any::<String>()]) {
        let checked = check(&text);
        prop_assert_eq!(checked.config.is_some(), checked.errors.is_empty());
        for problem in checked.errors.iter().chain(&checked.warnings) {
            prop_assert!(problem.line >= 1 && problem.column >= 1 && !problem.message.is_empty());
            problem.render("x", "error");
        }
    }
}
