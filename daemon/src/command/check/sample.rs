//! What would be found in real events: the daemon's own decoder over a sample, beside a look at every
//! raw field, whether the configuration wants it or not.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use ebbd_core::decode::{Decoded, Decoder, Event, Format, SourceSpec, lines};
use ebbd_core::model::{Reason, StreamRoute, StreamSpec, TimeUs};
use serde_json::json;

use super::fields::{Profiles, shortened};
use super::summary::grouping_name;
use super::{raw, suggest};
use crate::config::Config;

/// Bytes of a sample that are looked at.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// Lines of a sample that are looked at.
const MAX_LINES: usize = 200_000;
/// Series that are told apart while counting them.
const MAX_SERIES: usize = 1_000_000;
/// The role of the field that names the sending host.
const ORIGIN: &str = "origin";

/// What was found.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) format: Format,
    /// Lines looked at.
    pub(super) lines: u64,
    /// Whether there was more than is looked at.
    pub(super) cut: bool,
    /// Marks, heartbeats, goodbyes.
    pub(super) control: u64,
    /// Comments and lines routed to `ignore`.
    pub(super) ignored: u64,
    /// Refused lines by reason, with the first one's number and text.
    pub(super) rejected: BTreeMap<Reason, Rejected>,
    /// Streams that got events, by name.
    pub(super) streams: BTreeMap<String, StreamSample>,
    /// Every raw field.
    pub(super) profiles: Profiles,
    /// What each raw field is used as, by path.
    pub(super) roles: BTreeMap<String, Vec<String>>,
    /// Fields that the configuration wants and the sample never has.
    pub(super) absent: Vec<String>,
    /// A stream that would fit better, as TOML.
    pub(super) suggestion: Option<String>,
}

/// Lines refused for one reason.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) lines: u64,
    pub(super) first_line: u64,
    pub(super) example: String,
}

/// What one stream got.
#[derive(Debug, Default)]
pub(super) struct StreamSample {
    pub(super) events: u64,
    /// Events that pass `watched`.
    pub(super) judged: u64,
    pub(super) from: Option<TimeUs>,
    pub(super) to: Option<TimeUs>,
    /// Events whose field could not be used, by name.
    pub(super) bad: BTreeMap<String, u64>,
    series: HashSet<u64>,
    slices: Vec<HashSet<u64>>,
    /// Grouping names with how many slices each has.
    pub(super) groupings: Vec<(String, u64)>,
}

impl StreamSample {
    /// Combinations of dimension values.
    pub(super) fn series(&self) -> u64 {
        self.series.len() as u64
    }
}

impl Sample {
    /// Reads a sample as `source` would; `now` stands for the time of arrival.
    pub(super) fn read(bytes: &[u8], source: &SourceSpec, config: &Config, now: TimeUs) -> Sample {
        let mut sample = Sample::empty(source, config);
        let mut decoder = Decoder::new(source, &config.streams, &config.limits.core);
        for (at, line) in whole_lines(bytes).enumerate() {
            if at >= MAX_LINES {
                sample.cut = true;
                break;
            }
            sample.lines += 1;
            let text = String::from_utf8_lossy(line);
            sample.profiles.add(&raw::fields(source.format, &text));
            sample.count(decoder.decode(line, now), &text, &config.streams);
        }
        sample.finish(config, source);
        sample
    }

    fn empty(source: &SourceSpec, config: &Config) -> Sample {
        Sample {
            format: source.format,
            lines: 0,
            cut: false,
            control: 0,
            ignored: 0,
            rejected: BTreeMap::new(),
            streams: BTreeMap::new(),
            profiles: Profiles::default(),
            roles: roles(source, &config.streams),
            absent: Vec::new(),
            suggestion: None,
        }
    }

    fn count(&mut self, decoded: Decoded<'_>, line: &str, streams: &[StreamSpec]) {
        match decoded {
            Decoded::Event(event) => {
                let spec = &streams[event.stream().index()];
                self.streams.entry(spec.name.clone()).or_default().add(&event, spec);
            }
            Decoded::Mark(_) | Decoded::Heartbeat(_) | Decoded::Goodbye(_) => self.control += 1,
            Decoded::Ignored => self.ignored += 1,
            Decoded::Rejected(reason) => {
                let (first_line, example) = (self.lines, || shortened(line));
                let entry = self.rejected.entry(reason);
                entry.or_insert_with(|| Rejected { lines: 0, first_line, example: example() }).lines += 1;
            }
        }
    }

    fn finish(&mut self, config: &Config, source: &SourceSpec) {
        for (name, stream) in &mut self.streams {
            if let Some(spec) = config.streams.iter().find(|spec| spec.name == *name) {
                let names = spec.watch.iter().map(|grouping| grouping_name(spec, grouping));
                stream.groupings = names.zip(stream.slices.iter().map(|s| s.len() as u64)).collect();
            }
        }
        let fields = &self.profiles.fields;
        let absent = self.roles.iter().filter(|(path, _)| !fields.contains_key(*path));
        let absent = absent.filter(|_| source.format == Format::Ndjson || !fields.is_empty());
        self.absent = absent.map(|(path, roles)| format!("{path} ({})", roles.join(", "))).collect();
        if self.fits_badly() {
            self.suggestion = suggest::stream(self);
        }
    }

    /// Lines that would be counted.
    pub(super) fn counted(&self) -> u64 {
        self.streams.values().map(|stream| stream.events).sum()
    }

    /// Lines that would be refused.
    pub(super) fn refused(&self) -> u64 {
        self.rejected.values().map(|rejected| rejected.lines).sum()
    }

    /// Whether more than a tenth of the lines would be refused, or a wanted field (the optional origin
    /// aside) is never there.
    fn fits_badly(&self) -> bool {
        let there = |path: &String| self.profiles.fields.contains_key(path);
        let optional = |roles: &Vec<String>| roles.iter().all(|role| role == ORIGIN);
        let lacking = self.roles.iter().any(|(path, roles)| !there(path) && !optional(roles));
        self.profiles.lines > 0 && (lacking || self.refused() * 10 > self.lines)
    }

    /// The whole finding as one JSON object.
    pub(super) fn json(&self, name: &str) -> String {
        let field = |(path, profile): (&String, &super::fields::Profile)| {
            let examples: Vec<&str> = profile.examples(3).into_iter().map(|(value, _)| value).collect();
            json!({"path": path, "type": profile.types(), "fill": self.profiles.fill(profile),
                   "distinct": profile.distinct().0, "exact": profile.distinct().1,
                   "used_as": self.roles.get(path), "examples": examples})
        };
        let rejected = |(reason, r): (&Reason, &Rejected)| json!({"reason": reason.name(), "lines": r.lines, "line": r.first_line, "example": r.example});
        let stream = |(name, s): (&String, &StreamSample)| {
            let slices: BTreeMap<&str, u64> =
                s.groupings.iter().map(|(name, n)| (name.as_str(), *n)).collect();
            json!({"stream": name, "events": s.events, "judged": s.judged, "series": s.series(),
                   "slices": slices, "bad": s.bad, "from": s.from.map(TimeUs::to_rfc3339),
                   "to": s.to.map(TimeUs::to_rfc3339)})
        };
        let value = json!({
            "type": "sample", "file": name, "format": self.format.name(), "lines": self.lines, "cut": self.cut,
            "counted": self.counted(), "control": self.control, "ignored": self.ignored,
            "rejected": self.rejected.iter().map(rejected).collect::<Vec<_>>(),
            "streams": self.streams.iter().map(stream).collect::<Vec<_>>(),
            "fields": self.profiles.fields.iter().map(field).collect::<Vec<_>>(),
            "absent": self.absent, "suggestion": self.suggestion,
        });
        ebbd_core::report::visible_json(&value.to_string()) + "\n"
    }
}

impl StreamSample {
    fn add(&mut self, event: &Event<'_>, spec: &StreamSpec) {
        let values: Vec<&str> = (0..spec.dimensions.len()).map(|i| event.dimension(i)).collect();
        self.events += 1;
        self.from = Some(self.from.map_or(event.time(), |from| from.min(event.time())));
        self.to = Some(self.to.map_or(event.time(), |to| to.max(event.time())));
        for name in event.bad_fields() {
            *self.bad.entry(name.to_owned()).or_default() += 1;
        }
        remember(&mut self.series, &values);
        if spec.watched.admits(&values) {
            self.judged += 1;
            self.slices.resize_with(spec.watch.len(), HashSet::new);
            for (slices, grouping) in self.slices.iter_mut().zip(&spec.watch) {
                let slice: Vec<&str> = grouping.iter().map(|at| values[*at]).collect();
                remember(slices, &slice);
            }
        }
    }
}

fn remember(set: &mut HashSet<u64>, values: &[&str]) {
    let mut hasher = DefaultHasher::new();
    values.hash(&mut hasher);
    if set.len() < MAX_SERIES {
        set.insert(hasher.finish());
    }
}

/// The lines of a sample; where it was cut off by size, the torn last line is left out.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let torn = bytes.len() >= MAX_BYTES;
    let end = if torn { bytes.iter().rposition(|b| *b == b'\n').unwrap_or(bytes.len()) } else { bytes.len() };
    lines(&bytes[..end])
}

/// What the streams that this source feeds use each raw field as.
fn roles(source: &SourceSpec, streams: &[StreamSpec]) -> BTreeMap<String, Vec<String>> {
    let mut roles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |path: &str, role: String| {
        let list = roles.entry(path.to_owned()).or_default();
        if !list.contains(&role) {
            list.push(role);
        }
    };
    if let StreamRoute::ByField { field, .. } = &source.route {
        add(field, "the stream".to_owned());
    }
    for stream in fed(&source.route).iter().filter_map(|id| streams.get(*id)) {
        if source.format == Format::Ndjson {
            add(&stream.time, "time".to_owned());
        }
        stream.dimensions.iter().for_each(|d| add(&d.field, named("dimension", &d.name, &d.field)));
        stream.sums.iter().for_each(|s| add(&s.field, named("sum", &s.name, &s.field)));
        stream.sums.iter().filter_map(|s| s.currency.as_ref()).for_each(|c| add(c, "currency".to_owned()));
        stream.distincts.iter().for_each(|d| add(&d.field, named("distinct", &d.name, &d.field)));
        stream.origin.iter().for_each(|path| add(path, ORIGIN.to_owned()));
        stream.id.iter().for_each(|path| add(path, "id".to_owned()));
    }
    roles
}

fn named(role: &str, name: &str, field: &str) -> String {
    if name == field { role.to_owned() } else { format!("{role} {name}") }
}

fn fed(route: &StreamRoute) -> Vec<usize> {
    let mut ids: Vec<usize> = match route {
        StreamRoute::Fixed(id) => vec![id.index()],
        StreamRoute::ByName(names) => names.values().map(|id| id.index()).collect(),
        StreamRoute::ByField { routes, other, .. } => {
            routes.values().chain(other).flatten().map(|id| id.index()).collect()
        }
    };
    ids.sort_unstable();
    ids.dedup();
    ids
}
