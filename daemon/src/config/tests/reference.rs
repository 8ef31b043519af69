//! The reference in docs/configuration.md: written from this table, every word of which is tried out on the checker.
//!
//! `EBBD_WRITE_DOCS=1` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::*;

/// A key: its value unless written, from where to where it goes (as the checker says it), what it means.
struct Key(&'static str, &'static str, Default, &'static str);

/// What is taken where a key is not written.
enum Default {
    /// This very text.
    Is(&'static str),
    /// Something that no text says: in words, with a text that is accepted.
    Words(&'static str, &'static str),
}
use Default::{Is, Words};

/// Sections: heading, what has to stand around a key (`@`) for it to be tried, keys.
const SECTIONS: [(&str, &str, &[Key]); 12] = [
    ("Top level", "@", &TOP),
    ("`[stream.NAME]`", "[stream.orders]\n@\n", &STREAM),
    ("`[source.NAME]`, all types", "[source.s]\ntype = \"stdin\"\n@", &SOURCE),
    ("`[source.NAME]`, some types", "[source.s]\n@\n", &SOURCE_TYPES),
    (
        "`[funnel.NAME]`",
        "[stream.orders]\ndimensions = [\"status\"]\n[stream.sent]\ndimensions = [\"status\"]\n\
      [source.s]\ntype = \"stdin\"\nstream = \"orders\"\n[funnel.f]\nfrom = \"orders\"\nto = \"sent\"\n@",
        &FUNNEL,
    ),
    ("`[detect]`", "[detect]\n@", &DETECT),
    ("`[[calendar]]`", "[[calendar]]\nfrom = \"2026-11-27\"\n@", &CALENDAR),
    ("`[outlet.NAME]`", "[outlet.o]\ntype = \"webhook\"\nurl = \"https://127.0.0.1:1\"\n@", &OUTLET),
    ("`[alarms]`, `[control]`", "[alarms]\n@", &SOCKET),
    ("`[limits]`", "[limits]\n@", &LIMITS),
    ("`[parquet]`; `retain` in it", "[parquet]\n@", &PARQUET),
    ("`[rejects]`", "[rejects]\n@", &REJECTS),
];

const TOP: [Key; 6] = [
    Key("data_dir", "directory", Is("\"./ebbd-data\""), "where everything is kept"),
    Key(
        "lanes",
        "number",
        Is("0"),
        "threads that parse and count; 0 is one per core, or as many as `limits.memory` has room for",
    ),
    Key(
        "host",
        "name",
        Words("the host's name", "\"web-01\""),
        "what this host is called in records and file names",
    ),
    Key(
        "view",
        "word",
        Is("\"whole\""),
        "`whole`: all of the shop's events come here; `part`: one host of many",
    ),
    Key(
        "http",
        "address",
        Is("\"127.0.0.1:7780\""),
        "where dashboard, metrics and API are; `\"\"` turns them off",
    ),
    Key(
        "http_names",
        "list of names",
        Is("[]"),
        "names by which browsers may ask for it, beside addresses, `localhost` and `host`",
    ),
];

const STREAM: [Key; 15] = [
    Key(
        "time",
        "field",
        Is("\"ts\""),
        "when it happened: RFC 3339, or unix seconds, ms, us or ns, told apart by size",
    ),
    Key(
        "dimensions",
        "list",
        Words("none", "[\"feature\", { name = \"f\", field = \"cart.feature\" }]"),
        "attributes that events are counted by: names, or `{ name, field }`; at most 24",
    ),
    Key(
        "sums",
        "table",
        Words("none", "{ amount = { field = \"amount\", scale = 2, currency = \"currency\" } }"),
        "numbers that are added: `{ NAME = { field, scale, currency } }`, `scale` is 0 to 9 digits (2)",
    ),
    Key(
        "distinct",
        "list",
        Words("none", "[\"customer\"]"),
        "what is counted distinctly: names, or `{ name, field }`",
    ),
    Key(
        "origin",
        "field",
        Words("none", "\"host\""),
        "which host sent it: for completeness and ledger, no dimension",
    ),
    Key(
        "id",
        "list of fields",
        Is("[]"),
        "the identity of an event; the same twice within `dedupe` counts once",
    ),
    Key("dedupe", "duration", Is("\"10m\""), "how long ids are remembered"),
    Key("watched", "table", Is("{}"), "which events are judged: values by dimension; all are in the Parquet"),
    Key(
        "watch",
        "list of lists",
        Words("all together and each dimension", "[[]]"),
        "which groupings are judged; at most 64",
    ),
    Key("min_loss", "number", Is("5"), "orders: smaller shortfalls never alarm"),
    Key(
        "timezone",
        "zone or table",
        Is("\"UTC\""),
        "in whose local time the week is learnt: a zone, or `{ default, by, zones }` by a dimension",
    ),
    Key("seal", "duration", Is("\"5s\""), "a minute is judged at the latest this long after its end"),
    Key("lateness", "duration", Is("\"7d\""), "older events are rejected (`ebbd ingest` takes them)"),
    Key("future", "duration", Is("\"2m\""), "events further ahead are rejected"),
    Key(
        "revise",
        "duration",
        Is("\"2h\""),
        "later data still revises the Parquet, no longer verdicts and alarms; at most `lateness`",
    ),
];

const SOURCE: [Key; 5] = [
    Key(
        "type",
        "word",
        Words("has to be there", ""),
        "`unix`, `unix_datagram`, `tcp`, `udp`, `file`, `stdin`, `http`",
    ),
    Key("format", "word", Is("\"ndjson\""), "`ndjson`, `influx`, `statsd`; over HTTP the path says it"),
    Key(
        "stream",
        "name or table",
        Words("the only one; by name for `influx`, `statsd`", "\"orders\""),
        "where lines go: a stream, or `{ field, VALUE = STREAM, other }`, where `\"ignore\"` drops",
    ),
    Key("expect", "list of names", Is("[]"), "hosts that ought to send; others are learnt"),
    Key("forget_after", "duration", Is("\"2h\""), "a host that is silent for this long is missed no more"),
];

const SOURCE_TYPES: [Key; 11] = [
    Key(
        "listen",
        "address or path",
        Words("has to be there", "type = \"tcp\"\nlisten = \"127.0.0.1:1\""),
        "`HOST:PORT`, for `unix` and `unix_datagram` a path",
    ),
    Key(
        "mode",
        "octal",
        Words("`\"0660\"`", "type = \"unix\"\nlisten = \"x\"\nmode = \"0600\""),
        "`unix`, `unix_datagram`: permissions of the socket",
    ),
    Key(
        "group",
        "name",
        Words("the process's own", "type = \"unix\"\nlisten = \"x\"\ngroup = \"ebbd-ingest\""),
        "`unix`, `unix_datagram`: who else may use it",
    ),
    Key(
        "ack",
        "true or false",
        Words("`true`", "type = \"unix\"\nlisten = \"x\"\nack = false"),
        "`unix`, `tcp`: EBBD/1 greetings are accepted",
    ),
    Key(
        "connections",
        "number",
        Words("`1024`", "type = \"unix\"\nlisten = \"x\"\nconnections = @"),
        "`unix`, `tcp`, `http`: at once; further ones are closed and counted",
    ),
    Key(
        "partial_line",
        "duration",
        Words("`\"30s\"`", "type = \"unix\"\nlisten = \"x\"\npartial_line = @"),
        "`unix`, `tcp`, `http`: an unfinished line is given up after this long; over HTTP a body",
    ),
    Key(
        "path",
        "pattern",
        Words("has to be there", "type = \"file\"\npath = \"/var/log/shop/*.log\""),
        "`file`: files that grow, with `*`, `?`, `[…]`",
    ),
    Key(
        "from",
        "word",
        Words("`\"start\"`", "type = \"file\"\npath = \"x\"\nfrom = \"end\""),
        "`file`: where a file that was never seen begins",
    ),
    Key(
        "token_file",
        "file",
        Words("none", "type = \"http\"\nlisten = \"127.0.0.1:1\"\ntoken_file = \"t\""),
        "`http`: what writers have to present",
    ),
    Key(
        "gro",
        "true or false",
        Words("`false`", "type = \"udp\"\nlisten = \"127.0.0.1:1\"\ngro = true"),
        "`udp`: the kernel joins datagrams into trains",
    ),
    Key(
        "receivers",
        "number",
        Words("`1`", "type = \"udp\"\nlisten = \"127.0.0.1:1\"\nreceivers = @"),
        "`udp`: sockets that share the port, each with a thread",
    ),
];

const FUNNEL: [Key; 4] = [
    Key("from", "stream", Words("has to be there", ""), "the stream that comes first"),
    Key("to", "stream", Words("has to be there", ""), "the stream that should follow"),
    Key("by", "list of names", Is("[]"), "dimensions that both streams have"),
    Key("within", "duration", Is("\"4h\""), "how long after"),
];

const DETECT: [Key; 1] = [Key(
    "false_alarms",
    "rate",
    Is("\"1 per week\""),
    "drop alarms that page although nothing is wrong, over all watched slices: `N per hour`, `day`, `week`, `month`, `year`",
)];

const CALENDAR: [Key; 6] = [
    Key("name", "text", Words("none", "name = \"Black Friday\""), "what people call it"),
    Key("from", "day or time", Words("has to be there", ""), "its first day, or a time with a zone"),
    Key("to", "day or time", Words("`from`", "to = \"2026-11-28\""), "its last day; included"),
    Key("slice", "table", Words("everything", "slice = { marketplace = \"US\" }"), "which slice it concerns"),
    Key("learn", "true or false", Words("`false`", "learn = true"), "whether it is learnt from"),
    Key("like", "day", Words("none", "like = \"2025-11-28\""), "a day that it should look like"),
];

const OUTLET: [Key; 3] = [
    Key("type", "word", Words("has to be there", ""), "`alertmanager` or `webhook`"),
    Key("url", "address", Words("has to be there", ""), "`http://HOST[:PORT][/PATH]`, or `https`"),
    Key(
        "ca_file",
        "file",
        Words("the system's authorities", "ca_file = \"ca.pem\""),
        "authorities (PEM) that may vouch for an `https` server, and no others",
    ),
];

const SOCKET: [Key; 3] = [
    Key(
        "listen",
        "path",
        Words("`alarms.sock`, `control.sock` in `data_dir`", "listen = \"/run/a.sock\""),
        "where it is",
    ),
    Key(
        "mode",
        "octal",
        Words("`\"0660\"`; of `[control]` without a group `\"0600\"`", "mode = \"0600\""),
        "permissions of the socket",
    ),
    Key("group", "name", Words("the process's own", "group = \"adm\""), "who else may use it"),
];

const LIMITS: [Key; 6] = [
    Key("memory", "size", Is("\"1GiB\""), "what all components together may declare to need"),
    Key(
        "series",
        "number",
        Is("200000"),
        "live ones; beyond, a value becomes `__other__` and totals stay exact",
    ),
    Key("slices", "number", Is("10000"), "watched slices that are judged, over all streams"),
    Key("line", "size", Is("\"64KiB\""), "the longest line"),
    Key("origins", "number", Is("1024"), "sending hosts that are told apart"),
    Key("dedupe_ids", "number", Is("4000000"), "event ids that are remembered"),
];

const PARQUET: [Key; 10] = [
    Key("roll", "duration", Is("\"5m\""), "how long until a sealed minute can be read"),
    Key("compact", "duration", Is("\"1h\""), "`ebbd compact` merges a day this long after its end"),
    Key("retain", "table", Is("{}"), "how long each table is kept, at least `\"2d\"`, or `\"forever\"`:"),
    Key("retain.minutes", "duration", Is("\"400d\""), "counts"),
    Key("retain.slices", "duration", Is("\"30d\""), "verdicts"),
    Key("retain.ledger", "duration", Is("\"90d\""), "what became of every line"),
    Key("retain.incidents", "duration", Is("\"forever\""), "incidents and their money"),
    Key("retain.alarms", "duration", Is("\"forever\""), "alarm records"),
    Key("retain.marks", "duration", Is("\"forever\""), "change markers"),
    Key("retain.sources", "duration", Is("\"400d\""), "who was heard"),
];

const REJECTS: [Key; 2] = [
    Key(
        "keep",
        "duration",
        Is("\"7d\""),
        "how long samples of rejected lines are kept; `\"off\"` keeps none",
    ),
    Key("size", "size", Is("\"16MiB\""), "of all samples together"),
];

/// A key with a value, in what has to stand around it.
fn around(section: &str, key: &Key, value: &str) -> String {
    let usual = if key.1 == "number" { "1" } else { "\"30s\"" };
    let line = match &key.2 {
        Words(_, example) if example.contains(" = @") => {
            example.replace('@', if value.is_empty() { usual } else { value })
        }
        Words(_, example) if value.is_empty() => {
            let is_line = example.is_empty() || example.contains(&format!("{} = ", key.0));
            if is_line { (*example).to_owned() } else { format!("{} = {example}", key.0) }
        }
        _ => format!("{} = {value}", key.0),
    };
    section.replace('@', &line)
}

/// The range as the checker tells it when it is given too much, and whether it is one of durations or sizes.
fn range(section: &str, key: &Key) -> Option<String> {
    let wild = match key.1 {
        "number" if key.0 == "min_loss" => "1e12",
        "number" => "99999999999999",
        "duration" => "\"99999d\"",
        "size" => "\"9999999GiB\"",
        _ => return None,
    };
    let told = check(&around(section, key, wild)).errors;
    let told: String = told.iter().map(|problem| problem.render("x", "error")).collect();
    let (_, allowed) = told.split_once("allowed: ").unwrap_or_else(|| panic!("{}: {told}", key.0));
    Some(allowed.lines().next().unwrap().trim_end_matches(" orders").replace(" orders", "").to_owned())
}

fn reference() -> String {
    let mut out = String::new();
    for (heading, section, keys) in SECTIONS {
        out += &format!(
            "\n### {heading}\n| key | type | unless written | allowed | meaning |\n|---|---|---|---|---|\n"
        );
        for key in keys {
            let default = match &key.2 {
                Is(text) => format!("`{text}`"),
                Words(words, _) => (*words).to_owned(),
            };
            let range = range(section, key).unwrap_or_default();
            out += &format!("| `{}` | {} | {default} | {range} | {} |\n", key.0, key.1, key.3);
        }
    }
    out
}

/// What the checker knows, by trying a key that nobody has.
fn known(text: &str) -> BTreeSet<String> {
    let told = errors(text);
    let (_, known) = told.split_once("known here: ").unwrap_or_else(|| panic!("{told}"));
    let words = known.lines().next().unwrap().split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.filter(|word| !word.is_empty() && *word != "and" && *word != "or").map(str::to_owned).collect()
}

#[test]
fn every_key_is_in_the_reference_and_no_other() {
    let mut told: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (heading, _, keys) in SECTIONS {
        let place = heading.split([',', ';']).next().unwrap();
        let keys = keys.iter().map(|key| key.0.split('.').next().unwrap().to_owned());
        told.entry(place).or_default().extend(keys);
    }
    for (heading, section, _) in SECTIONS {
        let section = section.replace("[source.s]\n@", "[source.s]\ntype = \"stdin\"\n@");
        let mut known = known(&section.replace('@', "qqqqqqqqqqqq = 1"));
        if heading == "Top level" {
            let sections =
                "stream source funnel detect calendar outlet alarms control limits parquet rejects";
            sections.split(' ').for_each(|section| assert!(known.remove(section), "{section}"));
        }
        assert_eq!(known, told[heading.split([',', ';']).next().unwrap()], "{heading}");
    }
}

#[test]
fn what_is_told_of_a_key_is_so() {
    for (heading, section, keys) in SECTIONS {
        for key in keys {
            if let Is(text) = key.2 {
                let (with, without) =
                    (config(&around(section, key, text)), config(&section.replace('@', "")));
                let changed = with.diff(&without);
                assert!(changed.is_empty(), "{heading} {} = {text}: {changed:?}", key.0);
            } else {
                config(&around(section, key, ""));
            }
        }
    }
}

#[test]
fn the_reference_is_what_docs_have() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let begin = "<!-- Written by the test config::tests::reference: EBBD_WRITE_DOCS=1 -->\n";
    let (before, _) = text.split_once(begin).unwrap_or((&text, ""));
    let due = format!("{before}{begin}{}", reference());
    if std::env::var_os("EBBD_WRITE_DOCS").is_some() {
        return std::fs::write(&path, &due).unwrap();
    }
    assert!(
        text == due,
        "docs/configuration.md is not what the program does: run this test with EBBD_WRITE_DOCS=1"
    );
}
