//! What a tired person reads.

use super::*;

#[test]
fn a_misspelt_key() {
    insta::assert_snapshot!(errors("[stream.orders]\ndimensions = [\"marketplace\"]\nminloss = 5\n"), @r"
    ebbd.toml:3:1: error: unknown key `minloss` in [stream.orders]
        3 | minloss = 5
          | ^^^^^^^
          = did you mean `min_loss`?
    ");
}

#[test]
fn a_wrong_type() {
    insta::assert_snapshot!(errors("lanes = \"two\"\n\n[limits]\nseries = 1.5\nmemory = 1073741824\n"), @r#"
    ebbd.toml:1:9: error: `lanes` must be a whole number without quotes, but this is a text
        1 | lanes = "two"
          |         ^^^^^
          = write lanes = 0
    ebbd.toml:4:10: error: `series` must be a whole number without quotes, but this is a number with a point
        4 | series = 1.5
          |          ^^^
          = write series = 200000
    ebbd.toml:5:10: error: `memory` must be a size in quotes, but this is a whole number
        5 | memory = 1073741824
          |          ^^^^^^^^^^
          = write memory = "1GiB"
    "#);
}

#[test]
fn a_bad_duration() {
    insta::assert_snapshot!(errors("[stream.orders]\nseal = \"5 sec\"\nlateness = 7\nfuture = \"9d\"\n"), @r#"
    ebbd.toml:2:8: error: `seal`: "5 sec" lacks a unit
        2 | seal = "5 sec"
          |        ^^^^^^^
          = write a number and a unit without a space: "250ms", "30s", "5m", "1h30m", "7d"
    ebbd.toml:3:12: error: `lateness` must be a duration in quotes, but this is a whole number
        3 | lateness = 7
          |            ^
          = write lateness = "7s" (units: ms, s, m, h, d, w)
    ebbd.toml:4:10: error: `future` = 9d is out of bounds
        4 | future = "9d"
          |          ^^^^
          = allowed: 0s to 1d
    "#);
}

#[test]
fn an_unknown_stream() {
    let text = "[stream.orders]\n[stream.shipments]\n\n[source.shop]\ntype = \"unix\"\n\
                listen = \"/run/ebbd/events.sock\"\nstream = \"order\"\n";
    insta::assert_snapshot!(errors(text), @r#"
    ebbd.toml:7:10: error: [source.shop] names the unknown stream "order"
        7 | stream = "order"
          |          ^^^^^^^
          = did you mean "orders"? Declared: orders, shipments; another needs a [stream.order]
    "#);
}

#[test]
fn an_unknown_source_type_and_format() {
    let text = "[source.bus]\ntype = \"kafka\"\n[source.b]\ntype = \"tpc\"\nlisten = \"0.0.0.0:1\"\nformat = \"json\"\n";
    insta::assert_snapshot!(errors(text), @r#"
    ebbd.toml:2:8: error: unknown source type "kafka"
        2 | type = "kafka"
          |        ^^^^^^^
          = known: unix, unix_datagram, tcp, udp, file, stdin, http
    ebbd.toml:4:8: error: unknown source type "tpc"
        4 | type = "tpc"
          |        ^^^^^
          = did you mean "tcp"? known: unix, unix_datagram, tcp, udp, file, stdin, http
    ebbd.toml:6:10: error: unknown format "json"
        6 | format = "json"
          |          ^^^^^^
          = did you mean "ndjson"? known: ndjson, influx, statsd
    "#);
}

#[test]
fn broken_toml_is_told_like_everything_else() {
    insta::assert_snapshot!(errors("lanse = 2\nlanes = \n[stream.orders\ntime = \"ts\n"), @r"
    ebbd.toml:1:1: error: unknown key `lanse` at the top of the file
        1 | lanse = 2
          | ^^^^^
          = did you mean `lanes`?
    ebbd.toml:2:9: error: string values must be quoted, expected literal string
        2 | lanes = 
          |         ^
          = this is not TOML; what stands below is checked once it is
    ebbd.toml:3:15: error: unclosed table, expected `]`
        3 | [stream.orders
          |               ^
          = this is not TOML; what stands below is checked once it is
    ");
}

/// As many mistakes as a file can hold.
const MANY: &str = r#"
data_dri = "/var/lib/ebbd"
view = "half"
[streams.orders]
time = "ts"
[stream.orders]
dimensions = ["marketplace", "minute", "Marketplace", { field = "x" }]
sums = { amount = { scale = 12, curency = "currency" } }
watched = { statis = ["placed"] }
watch = ["marketplace", ["markeplace"]]
timezone = { default = "Europe/Berlim", by = "country" }
roll = "5m"
[source.a]
listen = "127.0.0.1:7780"
type = "tcp"
path = "/x"
mode = "0660"
[source.b]
type = "unix"
listen = "relative.sock"
mode = 660
[detect]
false_alarms = 1
[alarms]
listen = "relative.sock"
"#;

#[test]
fn all_errors_are_told_at_once() {
    let told: String =
        check(MANY).errors.iter().map(|p| format!("{}:{} {}\n", p.line, p.column, p.message)).collect();
    insta::assert_snapshot!(told, @r#"
    2:1 unknown key `data_dri` at the top of the file
    3:8 `view` can't be "half"
    4:2 unknown section [streams]
    7:30 "minute" is a column of ebbd's own and can't be a dimension
    7:40 the columns `marketplace` and `Marketplace` differ only in case
    7:55 this entry of `dimensions` has no name
    8:29 `scale` = 12 is out of bounds
    8:33 unknown key `curency` in the sum `amount`
    9:13 [stream.orders] has no dimension "statis"
    10:10 `watch` must be a list of lists of dimensions, but this is a text
    10:26 [stream.orders] has no dimension "markeplace"
    11:24 "Europe/Berlim" is no time zone
    11:46 [stream.orders] has no dimension "country"
    11:46 `by` needs `zones`
    12:1 unknown key `roll` in [stream.orders]
    13:9 [source.a] would listen where `http` does (tcp 127.0.0.1:7780)
    16:1 a source of type "tcp" has no `path`
    17:1 a source of type "tcp" has no `mode`
    18:9 [source.b] would listen where [alarms] does (path relative.sock)
    21:8 `mode` must be octal text, but this is a whole number
    23:16 `false_alarms` must be a rate in quotes, but this is a whole number
    "#);
}

#[test]
fn every_error_says_what_to_write() {
    let told: String = check(MANY)
        .errors
        .iter()
        .map(|p| format!("{} {}\n", p.line, p.hint.as_deref().unwrap_or("-")))
        .collect();
    insta::assert_snapshot!(told, @r#"
    2 did you mean `data_dir`?
    3 write "whole" (all of the shop's events come here) or "part" (one host of many)
    4 did you mean `stream`?
    7 give it another name: { name = "minute_", field = "minute" }
    7 give one of them another name: { name = "…", field = "…" }
    7 add name = "…"
    8 allowed: 0 to 9
    8 did you mean `currency`?
    9 its dimensions: marketplace, minute, Marketplace
    10 write watch = [[], ["marketplace"], ["marketplace", "feature"]]
    10 did you mean "marketplace"?
    11 did you mean "Europe/Berlin"?
    11 its dimensions: marketplace, minute, Marketplace
    11 add zones = { US = "America/New_York" }
    12 `roll` belongs in [parquet]
    13 give one of them another `listen`
    16 its own keys: listen, format, ack, connections, partial_line
    17 its own keys: listen, format, ack, connections, partial_line
    18 give one of them another `listen`
    21 write mode = "0660"
    23 write false_alarms = "1 per week"
    "#);
}

#[test]
fn a_day_that_is_not_remembered_is_said() {
    insta::assert_snapshot!(warnings(WHOLE), @r#"
    ebbd.toml:73:9: warning: `like`: only the last 27 days before `from` are remembered
       73 | like  = "2025-11-28"
          |         ^^^^^^^^^^^^
          = its level is followed as it comes; name a day of the weeks before, such as the last Sunday
    "#);
    let sunday = WHOLE.replace("2025-11-28", "2026-11-22");
    assert_eq!(warnings(&sunday), "");
}

#[test]
fn what_deserves_a_word_is_said() {
    let text = "view = \"part\"\n[stream.orders]\ndimensions = [\"status\", \"shop\"]\n\
                watched = { status = \"placed\" }\nid = [\"order_id\"]\nwatch = [[\"shop\", \"shop\"]]\n\
                [stream.b]\ndedupe = \"1m\"\n[source.s]\ntype = \"stdin\"\nstream = \"b\"\n";
    insta::assert_snapshot!(warnings(text), @r#"
    ebbd.toml:5:6: warning: `id` ignores `status`, which `watched` filters by
        5 | id = ["order_id"]
          |      ^^^^^^^^^^^^
          = add "status" to `id`, unless the id is new for every event: else only the first of an order's status values counts
    ebbd.toml:6:9: warning: [stream.orders] is not watched as a whole
        6 | watch = [["shop", "shop"]]
          |         ^^^^^^^^^^^^^^^^^^
          = add []: it is what says that everything is down
    ebbd.toml:8:1: warning: `dedupe` does nothing without `id`
        8 | dedupe = "1m"
          | ^^^^^^
          = add id = ["order_id", "status"], or remove `dedupe`
    "#);
}

#[test]
fn what_is_wrong_with_a_token_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("empty"), " \n").unwrap();
    std::fs::write(at("word"), "s3cret\n").unwrap();
    let told = |file: &str, secrets: Secrets| {
        let text =
            format!("[source.web]\ntype = \"http\"\nlisten = \"0.0.0.0:8086\"\ntoken_file = \"{file}\"\n");
        let surroundings = Surroundings { secrets, ..surroundings() };
        let checked = Config::check(&text, None, &surroundings);
        let all = checked.errors.iter().map(|p| p.render("f", "error"));
        let all: String = all.chain(checked.warnings.iter().map(|p| p.render("f", "warning"))).collect();
        let kind = checked.config.map(|config| config.sources[0].kind.clone());
        let token = match kind {
            Some(SourceKind::Http { token, .. }) => token,
            _ => None,
        };
        (all.replace(dir.path().to_str().unwrap(), "DIR"), token)
    };
    let credentials = || Secrets::Read(Some(dir.path().to_owned()));
    let (all, token) = told("empty", credentials());
    assert!(token.is_none());
    insta::assert_snapshot!(all, @r#"
    f:4:14: error: DIR/empty is empty
        4 | token_file = "empty"
          |              ^^^^^^^
          = put a long random word into it
    "#);
    std::fs::set_permissions(at("word"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let (all, token) = told("word", credentials());
    assert!(
        token.unwrap().is(b"s3cret") && all.contains("warning: everybody on this host may read DIR/word"),
        "{all}"
    );
    std::fs::set_permissions(at("word"), std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let (all, token) = told(at("word").to_str().unwrap(), Secrets::Read(None));
    assert!(token.is_some() && all.is_empty(), "{all}");
    let (all, token) = told("no-such-credential", Secrets::Read(None));
    assert!(token.is_none() && all.contains("warning: no-such-credential: No such file"), "{all}");
    assert!(
        told("no-such-credential", credentials()).0.contains("error: DIR/no-such-credential: No such file")
    );
    assert_eq!(told(at("empty").to_str().unwrap(), Secrets::Unread), (String::new(), None));
    let open =
        Config::check("[source.web]\ntype = \"http\"\nlisten = \"0.0.0.0:1\"\n", None, &surroundings());
    assert!(open.warnings[0].message.contains("whoever reaches 0.0.0.0:1 may write"));
    let odd = "[source.web]\ntype = \"http\"\nlisten = \"127.0.0.1:1\"\nformat = \"influx\"\n";
    assert!(errors(odd).contains("a source of type \"http\" has no `format`"));
}
