//! `[source.NAME]`.

use std::path::{Path, PathBuf};

use ebbd_core::decode::{Format, SourceSpec};
use ebbd_core::model::{MICROS_PER_MINUTE, MICROS_PER_SECOND, SourceId, StreamRoute};

use super::checked::{From, SocketPath, SourceConfig, SourceKind, StreamNames, UdpOptions};
use super::listen::{self, Listeners};
use super::token::Secrets;
use super::written::{Item, Section, listed, suggestion};
use super::{names, route};

/// Most sources of a daemon.
const MAX_SOURCES: usize = 256;

/// Most sockets that share a UDP port.
const MAX_RECEIVERS: u64 = 64;

const MINUTE: i64 = MICROS_PER_MINUTE;
const DAY: i64 = 24 * 60 * MINUTE;

/// The types, each with the keys that only some types have.
const TYPES: [(&str, &[&str]); 7] = [
    ("unix", &["listen", "format", "mode", "group", "ack", "connections", "partial_line"]),
    ("unix_datagram", &["listen", "format", "mode", "group"]),
    ("tcp", &["listen", "format", "ack", "connections", "partial_line"]),
    ("udp", &["listen", "format", "gro", "receivers"]),
    ("file", &["path", "format", "from"]),
    ("stdin", &["format"]),
    ("http", &["listen", "token_file", "connections", "partial_line"]),
];

/// Keys of which each type has some.
const TYPE_KEYS: [&str; 12] = [
    "listen",
    "format",
    "mode",
    "group",
    "ack",
    "connections",
    "partial_line",
    "path",
    "from",
    "token_file",
    "gro",
    "receivers",
];

/// All declared sources in the order of the file; the two sockets under `data_dir` if none is declared.
pub(super) fn read_all(
    root: &Section<'_>,
    streams: &StreamNames<'_>,
    data_dir: &Path,
    listeners: &mut Listeners,
    secrets: &Secrets,
) -> Vec<SourceConfig> {
    let section = root.section("source");
    let entries = section.entries();
    if entries.is_empty() {
        return defaults(&section, streams, data_dir);
    }
    if let Some(beyond) = entries.get(MAX_SOURCES) {
        let hint = "one listener serves many senders";
        section.findings.error(&beyond.key_span, format!("more than {MAX_SOURCES} sources"), hint);
    }
    entries
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| read(at, entry, streams, listeners, secrets))
        .collect()
}

/// `events.sock` and `events.dgram`, NDJSON, for the one stream.
fn defaults(section: &Section<'_>, streams: &StreamNames<'_>, data_dir: &Path) -> Vec<SourceConfig> {
    let names: Vec<&str> = streams.keys().copied().collect();
    if names.len() > 1 {
        let hint = format!("add e.g. [source.{0}] with type, listen and stream = \"{0}\"", names[0]);
        let message =
            format!("{} streams, but no [source.NAME] says where their events come from", names.len());
        section.findings.error(&section.span, message, hint);
    }
    let socket =
        |file: &str| SocketPath { path: data_dir.join(file), mode: listen::DEFAULT_MODE, group: None };
    let source = |at: u16, name: &str, kind: SourceKind| {
        let route = StreamRoute::Fixed(Default::default());
        let spec = spec(SourceId(at), name, Format::Ndjson, route);
        SourceConfig { spec, ack: kind.is_stream(), kind, connections: 1024, partial_line_ms: 30_000 }
    };
    vec![
        source(0, "events", SourceKind::Unix(socket("events.sock"))),
        source(1, "datagrams", SourceKind::UnixDatagram(socket("events.dgram"))),
    ]
}

fn spec(id: SourceId, name: &str, format: Format, route: StreamRoute) -> SourceSpec {
    let (name, expect) = (name.to_owned(), Vec::new());
    SourceSpec { id, name, format, route, expect, forget_after_us: 120 * MINUTE }
}

fn read(
    at: usize,
    entry: &Item<'_>,
    streams: &StreamNames<'_>,
    listeners: &mut Listeners,
    secrets: &Secrets,
) -> Option<SourceConfig> {
    let name = entry.key.as_str();
    names::check_name("source name", name, &entry.key_span, entry.findings);
    let source = entry.section(&format!("[source.{name}]"));
    let kind_name = type_name(&source);
    refuse_keys_of_others(&source, kind_name);
    let format = format(&source, kind_name);
    let route = route::read(&source, format, streams);
    let mut spec = spec(SourceId(at as u16), name, format, route);
    spec.expect = expect(&source);
    spec.forget_after_us = source.duration_us("forget_after", spec.forget_after_us, MINUTE..=400 * DAY);
    let connections = source.whole("connections", 1024, 1..=65_536) as usize;
    let partial_line_us =
        source.duration_us("partial_line", 30 * MICROS_PER_SECOND, MICROS_PER_SECOND..=60 * MINUTE);
    let ack = source.flag("ack");
    let kind = kind_name.and_then(|kind| self::kind(&source, kind, secrets));
    source.finish();
    let kind = kind?;
    claim(&source, &kind, listeners);
    let ack = ack.unwrap_or(true) && kind.is_stream();
    Some(SourceConfig {
        spec,
        kind,
        ack,
        connections,
        partial_line_ms: partial_line_us.unsigned_abs() / 1000,
    })
}

fn type_name(source: &Section<'_>) -> Option<&'static str> {
    let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    let Some(item) = source.get("type") else {
        let hint = format!("add type = \"unix\" (or {})", listed(&names[1..]));
        source.findings.error(&source.span, format!("{} has no `type`", source.name), hint);
        return None;
    };
    let text = item.text()?;
    let found = TYPES.iter().map(|(name, _)| *name).find(|name| *name == text);
    if found.is_none() {
        item.error(format!("unknown source type {text:?}"), suggestion(text, &names));
    }
    found
}

/// `path` on a socket, `listen` on a file: known keys that this type doesn't have.
fn refuse_keys_of_others(source: &Section<'_>, kind: Option<&str>) {
    // Of an unknown type every key may be right.
    let Some(kind) = kind else { return TYPE_KEYS.into_iter().for_each(|key| drop(source.get(key))) };
    let own = TYPES.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, keys)| keys);
    for key in TYPE_KEYS.into_iter().filter(|key| !own.contains(key)) {
        let Some(item) = source.get(key) else { continue };
        let hint = match own {
            [] => "remove it".to_owned(),
            own => format!("its own keys: {}", listed(own)),
        };
        let message = format!("a source of type \"{kind}\" has no `{key}`");
        source.findings.error(&item.key_span, message, hint);
    }
}

fn format(source: &Section<'_>, kind: Option<&str>) -> Format {
    // Over HTTP the path says it, too.
    let usual = if kind == Some("http") { Format::Influx } else { Format::Ndjson };
    let Some(item) = source.get("format") else { return usual };
    let Some(text) = item.text() else { return Format::Ndjson };
    let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
    let found = Format::ALL.into_iter().find(|format| format.name() == text);
    found.unwrap_or_else(|| {
        item.error(format!("unknown format {text:?}"), suggestion(text, &names));
        Format::Ndjson
    })
}

fn expect(source: &Section<'_>) -> Vec<String> {
    let Some(item) = source.get("expect") else { return Vec::new() };
    let mut origins: Vec<String> =
        item.texts("expect = [\"web-01\", \"web-02\"]").iter().map(|(name, _)| (*name).to_owned()).collect();
    origins.sort();
    origins.dedup();
    origins
}

fn kind(source: &Section<'_>, kind: &str, secrets: &Secrets) -> Option<SourceKind> {
    match kind {
        "unix" => Some(SourceKind::Unix(socket(source)?)),
        "unix_datagram" => Some(SourceKind::UnixDatagram(socket(source)?)),
        "tcp" => {
            Some(SourceKind::Tcp { addr: listen::addr(&required(source, "listen", "127.0.0.1:7781")?)? })
        }
        "udp" => {
            let options = udp_options(source);
            let addr = listen::addr(&required(source, "listen", "127.0.0.1:8125")?)?;
            Some(SourceKind::Udp { addr, options })
        }
        "file" => file(source),
        "http" => http(source, secrets),
        _ => Some(SourceKind::Stdin),
    }
}

fn http(source: &Section<'_>, secrets: &Secrets) -> Option<SourceKind> {
    let listen = required(source, "listen", "127.0.0.1:8086")?;
    let addr = listen::addr(&listen)?;
    let file = source.get("token_file");
    if file.is_none() && !addr.ip().is_loopback() {
        let message = format!("whoever reaches {addr} may write: there is no `token_file`");
        let hint = "add token_file = \"/etc/ebbd/write.token\", or listen on 127.0.0.1";
        source.findings.warning(&listen.span, message, hint);
    }
    let token_file = file.as_ref().and_then(|file| file.text()).map(PathBuf::from);
    let token = file.zip(token_file.as_ref()).and_then(|(file, path)| secrets.token(&file, path));
    Some(SourceKind::Http { addr, token_file, token })
}

fn required<'d>(source: &Section<'d>, key: &'static str, example: &str) -> Option<Item<'d>> {
    let found = source.get(key);
    if found.is_none() {
        let message = format!("{} has no `{key}`", source.name);
        source.findings.error(&source.span, message, format!("add {key} = \"{example}\""));
    }
    found
}

fn socket(source: &Section<'_>) -> Option<SocketPath> {
    let listen = required(source, "listen", "/run/ebbd/events.sock");
    let socket = listen::socket(source, None, listen::DEFAULT_MODE);
    listen.and(socket)
}

fn udp_options(source: &Section<'_>) -> UdpOptions {
    UdpOptions {
        gro: source.flag("gro").unwrap_or(false),
        receivers: source.whole("receivers", 1, 1..=MAX_RECEIVERS) as usize,
    }
}

fn file(source: &Section<'_>) -> Option<SourceKind> {
    let from = source.get("from").and_then(|item| match item.text()? {
        "start" => Some(From::Start),
        "end" => Some(From::End),
        other => {
            item.error(format!("`from` can't be {other:?}"), "write from = \"start\" or \"end\"");
            None
        }
    });
    let path = required(source, "path", "/var/log/shop/orders-*.log")?;
    let glob = path.text()?.to_owned();
    if let Err(error) = glob::Pattern::new(&glob) {
        path.error(format!("`path` is no pattern: {}", error.msg), "use * and ? as in a shell");
        return None;
    }
    if glob.is_empty() || glob.ends_with('/') {
        path.error("`path` names no file", "write a file or a pattern: \"/var/log/shop/orders-*.log\"");
        return None;
    }
    Some(SourceKind::File { glob, from: from.unwrap_or(From::Start) })
}

/// No two sources may read the same place.
fn claim(source: &Section<'_>, kind: &SourceKind, listeners: &mut Listeners) {
    let transport = match kind {
        SourceKind::Unix(_) | SourceKind::UnixDatagram(_) => "path",
        SourceKind::Tcp { .. } | SourceKind::Http { .. } => "tcp",
        SourceKind::Udp { .. } => "udp",
        SourceKind::File { .. } => "file",
        SourceKind::Stdin => "stdin",
    };
    listeners.claim(format!("{transport} {}", kind.place()), &source.name, source);
}
