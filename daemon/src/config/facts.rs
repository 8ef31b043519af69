//! The effective configuration as named facts: for its hash and for what changed between two.

use ebbd_core::model::{StreamRoute, StreamSpec};

use super::checked::{Config, SourceConfig, SourceKind};
use super::duration::duration_text;

/// A key with its effective value as text.
type Fact = (&'static str, String);

/// Keys of a stream whose change makes its slices learn anew.
const RELEARN: [&str; 4] = ["dimensions", "watched", "watch", "timezone"];

/// What happens to one stream when a new configuration is applied.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamChange {
    /// It is new: it learns from nothing.
    Added,
    /// It is gone: its state is dropped, its files stay.
    Removed,
    /// What is judged changed: it learns anew.
    Relearns,
    /// Something else changed: it keeps what it learnt.
    KeepsState,
    /// Nothing changed.
    Unchanged,
}

/// One stream in a [`ConfigDiff`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StreamDiff {
    /// Its name.
    pub stream: String,
    /// What happens to it.
    pub change: StreamChange,
    /// What changed, as `key: old -> new`, with a word on the consequence where there is one.
    pub details: Vec<String>,
}

/// What changed from one configuration to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ConfigDiff {
    /// Every stream of either.
    pub streams: Vec<StreamDiff>,
    /// Sources that are new, gone or different, as `source.NAME: …`.
    pub sources: Vec<String>,
    /// Everything else, as `key: old -> new`.
    pub others: Vec<String>,
}

impl ConfigDiff {
    /// Whether the two mean the same.
    pub fn is_empty(&self) -> bool {
        let unchanged = |diff: &StreamDiff| diff.change == StreamChange::Unchanged;
        self.streams.iter().all(unchanged) && self.sources.is_empty() && self.others.is_empty()
    }
}

impl Config {
    /// 16 hex digits that stand for everything that shapes counts and verdicts: streams, routes, limits,
    /// budget, view, calendar, funnels. Addresses, directories, lanes, host and outlets don't count, so
    /// that a replay elsewhere has the same.
    pub fn hash(&self) -> String {
        let mut text = String::new();
        for stream in self.streams.iter() {
            stream_facts(stream)
                .iter()
                .for_each(|(key, value)| text.push_str(&line(&stream.name, key, value)));
        }
        for source in &self.sources {
            source_facts(source, &self.streams)
                .iter()
                .filter(|(key, _)| matches!(*key, "format" | "stream" | "expect" | "forget_after"))
                .for_each(|(key, value)| text.push_str(&line(&source.spec.name, key, value)));
        }
        judging_facts(self).iter().for_each(|(key, value)| text.push_str(&line("", key, value)));
        format!("{:016x}", fnv1a(text.as_bytes()))
    }

    /// Everything that shapes how a source is read, as one text; `None` if there is no such source.
    pub fn source_facts(&self, name: &str) -> Option<String> {
        let source = self.sources.iter().find(|source| source.spec.name == name)?;
        let facts = source_facts(source, &self.streams);
        let text: String = facts.iter().map(|(key, value)| line(name, key, value)).collect();
        Some(text + &line("", "limits.line", &self.limits.core.line.to_string()))
    }

    /// What changes when this configuration replaces `old`.
    pub fn diff(&self, old: &Config) -> ConfigDiff {
        let mut others = changed(&judging_facts(old), &judging_facts(self));
        others.extend(changed(&running_facts(old), &running_facts(self)));
        ConfigDiff { streams: stream_diffs(old, self), sources: source_diffs(old, self), others }
    }
}

fn line(owner: &str, key: &str, value: &str) -> String {
    format!("{owner}\0{key}\0{value}\n")
}

/// FNV-1a over 64 bits with a final mix: stable for ever, no secret.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

fn stream_diffs(old: &Config, new: &Config) -> Vec<StreamDiff> {
    let find = |config: &'_ Config, name: &str| config.streams.iter().position(|s| s.name == name);
    let diff = |stream: &str, change, details| StreamDiff { stream: stream.to_owned(), change, details };
    let mut diffs: Vec<StreamDiff> = new
        .streams
        .iter()
        .map(|stream| match find(old, &stream.name) {
            None => diff(&stream.name, StreamChange::Added, Vec::new()),
            Some(at) => stream_diff(&old.streams[at], stream),
        })
        .collect();
    let gone = old.streams.iter().filter(|stream| find(new, &stream.name).is_none());
    diffs.extend(gone.map(|stream| diff(&stream.name, StreamChange::Removed, Vec::new())));
    diffs
}

fn stream_diff(old: &StreamSpec, new: &StreamSpec) -> StreamDiff {
    let (was, is) = (stream_facts(old), stream_facts(new));
    let relearns = was.iter().zip(&is).any(|(a, b)| a != b && RELEARN.contains(&a.0));
    let mut details = changed(&was, &is);
    details.extend(scale_changes(old, new));
    let change = match (details.is_empty(), relearns) {
        (true, _) => StreamChange::Unchanged,
        (false, true) => StreamChange::Relearns,
        (false, false) => StreamChange::KeepsState,
    };
    StreamDiff { stream: new.name.clone(), change, details }
}

/// A changed scale gives columns of two types in one dataset.
fn scale_changes(old: &StreamSpec, new: &StreamSpec) -> Vec<String> {
    let before = |name: &str| old.sums.iter().find(|sum| sum.name == name).map(|sum| sum.scale);
    let change = |sum: &ebbd_core::model::SumSpec| {
        let was = before(&sum.name).filter(|was| *was != sum.scale)?;
        Some(format!(
            "scale of `{0}`: {was} -> {1}: older files keep decimal(18, {was}), newer have decimal(18, {1}); \
             give the sum a new name unless every reader copes",
            sum.name, sum.scale
        ))
    };
    new.sums.iter().filter_map(change).collect()
}

fn source_diffs(old: &Config, new: &Config) -> Vec<String> {
    let find = |config: &'_ Config, name: &str| config.sources.iter().position(|s| s.spec.name == name);
    let mut told = Vec::new();
    for source in &new.sources {
        let name = &source.spec.name;
        let facts = source_facts(source, &new.streams);
        match find(old, name) {
            None => told.push(format!("source.{name}: new, {} {}", source.kind.name(), source.kind.place())),
            Some(at) => {
                let was = source_facts(&old.sources[at], &old.streams);
                told.extend(
                    changed(&was, &facts).into_iter().map(|change| format!("source.{name}.{change}")),
                );
            }
        }
    }
    let gone = old.sources.iter().filter(|source| find(new, &source.spec.name).is_none());
    told.extend(gone.map(|source| format!("source.{}: gone", source.spec.name)));
    told
}

/// Both lists have the same keys in the same order.
fn changed(old: &[Fact], new: &[Fact]) -> Vec<String> {
    let differ = old.iter().zip(new).filter(|(a, b)| a.1 != b.1);
    differ.map(|((key, was), (_, is))| format!("{key}: {was} -> {is}")).collect()
}

fn stream_facts(stream: &StreamSpec) -> Vec<Fact> {
    let names = stream.dimension_names();
    let grouping = |grouping: &Vec<usize>| grouping.iter().map(|at| names[*at]).collect::<Vec<_>>();
    let watch: Vec<Vec<&str>> = stream.watch.iter().map(grouping).collect();
    let watched: Vec<(&str, &Vec<String>)> = stream.watched.0.iter().map(|(at, v)| (names[*at], v)).collect();
    let dimensions = stream.dimensions.iter().map(|d| aliased(&d.name, &d.field));
    let sum = |s: &ebbd_core::model::SumSpec| {
        format!(
            "{} scale {} currency {}",
            aliased(&s.name, &s.field),
            s.scale,
            s.currency.as_deref().unwrap_or("-")
        )
    };
    let zones = &stream.timezones;
    let by = zones.by.map_or("-", |at| names[at]);
    vec![
        ("time", stream.time.clone()),
        ("dimensions", list(dimensions)),
        ("sums", list(stream.sums.iter().map(sum))),
        ("distinct", list(stream.distincts.iter().map(|d| aliased(&d.name, &d.field)))),
        ("origin", stream.origin.clone().unwrap_or_else(|| "-".to_owned())),
        ("id", format!("{:?}", stream.id)),
        ("dedupe", duration_text(stream.dedupe_us)),
        ("watched", format!("{watched:?}")),
        ("watch", format!("{watch:?}")),
        ("min_loss", stream.min_loss.to_string()),
        ("timezone", format!("{} by {by} {:?}", zones.default, zones.zones)),
        ("seal", duration_text(stream.seal_us)),
        ("lateness", duration_text(stream.lateness_us)),
        ("future", duration_text(stream.future_us)),
        ("revise", duration_text(stream.revise_us)),
    ]
}

fn aliased(name: &str, field: &str) -> String {
    if name == field { name.to_owned() } else { format!("{name} from {field}") }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn source_facts(source: &SourceConfig, streams: &[StreamSpec]) -> Vec<Fact> {
    let spec = &source.spec;
    vec![
        ("type", source.kind.name().to_owned()),
        ("address", address_text(&source.kind)),
        ("udp", udp_text(&source.kind)),
        ("format", spec.format.name().to_owned()),
        ("stream", route_text(&spec.route, streams)),
        ("ack", source.ack.to_string()),
        ("connections", source.connections.to_string()),
        ("partial_line", format!("{}ms", source.partial_line_ms)),
        ("expect", format!("{:?}", spec.expect)),
        ("forget_after", duration_text(spec.forget_after_us)),
    ]
}

fn address_text(kind: &SourceKind) -> String {
    match kind {
        SourceKind::Udp { addr, .. } => addr.to_string(),
        kind => format!("{kind:?}"),
    }
}

fn udp_text(kind: &SourceKind) -> String {
    match kind {
        SourceKind::Udp { options, .. } => format!("gro {} receivers {}", options.gro, options.receivers),
        _ => "-".to_owned(),
    }
}

/// A route as people read it: `orders`, `by type: placed=orders`, `by name: orders`.
pub fn route_text(route: &StreamRoute, streams: &[StreamSpec]) -> String {
    let name = |id: &ebbd_core::model::StreamId| streams[id.index()].name.as_str();
    let target = |id: &Option<ebbd_core::model::StreamId>| id.as_ref().map_or("ignore", name).to_owned();
    match route {
        StreamRoute::Fixed(id) => name(id).to_owned(),
        StreamRoute::ByName(names) => {
            let each = |(key, id): (&String, &ebbd_core::model::StreamId)| aliased(name(id), key);
            format!("by name: {}", names.iter().map(each).collect::<Vec<_>>().join(", "))
        }
        StreamRoute::ByField { field, routes, other } => {
            let mut each: Vec<String> = routes.iter().map(|(v, id)| format!("{v}={}", target(id))).collect();
            each.extend(other.as_ref().map(|id| format!("other={}", target(id))));
            format!("by {field}: {}", each.join(", "))
        }
    }
}

/// What shapes counts and verdicts beside streams and sources.
fn judging_facts(config: &Config) -> Vec<Fact> {
    vec![
        ("view", config.view.name().to_owned()),
        ("detect.false_alarms", format!("{} per week", config.detect.false_alarms_per_week)),
        ("limits", format!("{:?} slices {}", config.limits.core, config.limits.slices)),
        ("funnel", format!("{:?}", config.funnels)),
        ("calendar", format!("{:?}", config.calendar)),
    ]
}

/// What shapes only how this daemon runs.
fn running_facts(config: &Config) -> Vec<Fact> {
    vec![
        ("data_dir", config.data_dir.display().to_string()),
        ("lanes", config.lanes.to_string()),
        ("host", config.host.clone()),
        ("http", config.http.map_or_else(|| "off".to_owned(), |addr| addr.to_string())),
        ("http_names", config.http_names.join(" ")),
        ("alarms", format!("{:?}", config.alarms)),
        ("control", format!("{:?}", config.control)),
        ("limits.memory", config.limits.memory.to_string()),
        ("parquet", format!("{:?}", config.parquet)),
        ("rejects", format!("{:?}", config.rejects)),
        ("outlet", format!("{:?}", config.outlets)),
    ]
}
