//! From a text to a checked configuration: every section once, in an order in which names are known
//! before they are used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ebbd_core::model::{StreamSpec, View};
use toml::de::DeTable;

use super::checked::{Config, LimitsConfig, SocketPath, StreamNames, Surroundings};
use super::listen::{self, Listeners};
use super::problem::Problem;
use super::written::{Findings, Item, Section};
use super::{calendar, detect, funnel, names, outlet, parquet, source, stream};
use super::{limits, memory};

/// Where data go when nothing says so.
const DEFAULT_DATA_DIR: &str = "./ebbd-data";
/// Where HTTP is served when nothing says so.
const DEFAULT_HTTP: ([u8; 4], u16) = ([127, 0, 0, 1], 7780);
/// Most lanes.
const MAX_LANES: u64 = 256;

/// What a text turned out to be.
#[derive(Debug)]
pub struct Checked {
    /// The configuration, if nothing is wrong.
    pub config: Option<Config>,
    /// Everything that is wrong, in the order of the file.
    pub errors: Vec<Problem>,
    /// Everything that is accepted but deserves a word, in the order of the file.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Checks a text. It is total: any text gives a configuration or at least one error.
    pub fn check(text: &str, path: Option<&Path>, surroundings: &Surroundings) -> Checked {
        let (document, broken) = DeTable::parse_recoverable(text);
        let syntax = syntax(text, &broken);
        let findings = Findings::new(text);
        let config = read(&Section::root(document.get_ref(), &findings), surroundings);
        let (mut errors, warnings) = findings.take();
        if let Some(first) = syntax.first() {
            // What a broken line meant is a guess; problems below it might be guesses, too.
            errors.retain(|problem| problem.line < first.line);
        }
        errors.extend(syntax);
        let whole = |config: Config| Config {
            path: path.map(Path::to_path_buf),
            text: text.to_owned(),
            warnings: warnings.clone(),
            ..config
        };
        let config = errors.is_empty().then(|| whole(config));
        Checked { config, errors, warnings }
    }

    /// The configuration that runs without any file.
    pub fn defaults(surroundings: &Surroundings) -> Config {
        Config::check("", None, surroundings).config.expect("the empty text is valid, a test says so")
    }
}

/// The places at which the text is no TOML.
pub(super) fn syntax(text: &str, broken: &[toml::de::Error]) -> Vec<Problem> {
    let findings = Findings::new(text);
    for error in broken {
        let span = error.span().unwrap_or(text.len()..text.len());
        let hint = "this is not TOML; what stands below is checked once it is";
        findings.error(&span, error.message().replace('\n', "; "), hint);
    }
    findings.take().0
}

fn read(root: &Section<'_>, surroundings: &Surroundings) -> Config {
    let data_dir = data_dir(root);
    let streams = stream::read_all(root);
    let stream_names: StreamNames<'_> =
        streams.iter().enumerate().map(|(at, s)| (s.name.as_str(), at)).collect();
    let mut listeners = Listeners::default();
    let http = http(root);
    if let Some(addr) = http {
        listeners.claim(format!("tcp {addr}"), "`http`", root);
    }
    let alarms = socket(root, "alarms", &data_dir, listen::DEFAULT_MODE, &mut listeners);
    let control = socket(root, "control", &data_dir, 0o600, &mut listeners);
    let sources = source::read_all(root, &stream_names, &data_dir, &mut listeners, &surroundings.secrets);
    let limits = limits::read(&root.section("limits"));
    let parquet = parquet::read(&root.section("parquet"));
    let rejects = parquet::read_rejects(&root.section("rejects"));
    let detect = detect::read(&root.section("detect"));
    let funnels = funnel::read_all(root, &streams, &stream_names);
    let calendar = calendar::read_all(root, &streams);
    let outlets = outlet::read_all(root, &surroundings.secrets);
    let written = root.whole("lanes", 0, 0..=MAX_LANES) as usize;
    let bounds = |lanes: usize, memory: u64| {
        memory::bounds(&LimitsConfig { memory, ..limits }, (&streams, &sources, outlets.len()), lanes)
    };
    let lanes = memory::fit_lanes(root, written, surroundings.cores, bounds, limits.memory);
    let (host, view) = (host(root, surroundings), view(root));
    let http_names = http_names(root, &host);
    root.finish();
    let (path, text, warnings, streams) =
        (None, String::new(), Vec::new(), Arc::<[StreamSpec]>::from(streams));
    Config {
        path,
        text,
        data_dir,
        lanes,
        host,
        view,
        http,
        http_names,
        streams,
        sources,
        alarms,
        control,
        limits,
        parquet,
        rejects,
        detect,
        funnels,
        calendar,
        outlets,
        warnings,
    }
}

fn data_dir(root: &Section<'_>) -> PathBuf {
    let Some(item) = root.get("data_dir") else { return PathBuf::from(DEFAULT_DATA_DIR) };
    let text = item.text().unwrap_or(DEFAULT_DATA_DIR);
    if text.is_empty() || text.contains('\0') {
        item.error("`data_dir` is no directory", "write data_dir = \"/var/lib/ebbd\"");
    }
    PathBuf::from(text)
}

/// The address of HTTP; `""` turns it off.
fn http(root: &Section<'_>) -> Option<std::net::SocketAddr> {
    match root.get("http") {
        None => Some(DEFAULT_HTTP.into()),
        Some(item) if item.as_text() == Some("") => None,
        Some(item) => listen::addr(&item),
    }
}

/// Names by which the dashboard may be asked for: the host's, and those that are written.
fn http_names(root: &Section<'_>, host: &str) -> Arc<[String]> {
    let mut names = vec![host.to_owned()];
    if let Some(item) = root.get("http_names") {
        for (name, span) in item.texts("http_names = [\"ebbd.example.com\"]") {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            if name.is_empty() || !name.chars().all(fits) {
                let hint = "write a name as browsers send it, without a port: \"ebbd.example.com\"";
                root.findings.error(&span, format!("{name:?} is no host's name"), hint);
            }
            names.push(name.to_owned());
        }
    }
    names.into()
}

/// `[alarms]` or `[control]`; by default a socket of that name in the data directory.
fn socket(
    root: &Section<'_>,
    key: &'static str,
    data_dir: &Path,
    mode: u32,
    listeners: &mut Listeners,
) -> SocketPath {
    let section = root.section(key);
    let usual = data_dir.join(format!("{key}.sock"));
    let socket = listen::socket(&section, Some(usual.clone()), mode);
    section.finish();
    let socket = socket.unwrap_or(SocketPath { path: usual, mode, group: None });
    listeners.claim(format!("path {}", socket.path.display()), &format!("[{key}]"), &section);
    socket
}

fn host(root: &Section<'_>, surroundings: &Surroundings) -> String {
    let Some(item) = root.get("host") else { return surroundings.host.clone() };
    let host = item.text().unwrap_or_default();
    if item.as_text().is_some() {
        names::check_name("host name", host, &item.span, item.findings);
    }
    host.to_owned()
}

fn view(root: &Section<'_>) -> View {
    let Some(item) = root.get("view") else { return View::Whole };
    match item.text() {
        Some("part") => View::Part,
        Some(text) if text != "whole" => unknown_view(&item, text),
        _ => View::Whole,
    }
}

fn unknown_view(item: &Item<'_>, text: &str) -> View {
    let hint = "write \"whole\" (all of the shop's events come here) or \"part\" (one host of many)";
    item.error(format!("`view` can't be {text:?}"), hint);
    View::Whole
}
