//! What is to be lived through: where it lies, and the configuration that it is judged by.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ebbd_core::columns::table_spec;
use ebbd_core::model::{Mark, StreamId, StreamSpec};
use ebbd_core::replay::Feed;

use super::round::Span;
use super::{Failure, directory, table};
use crate::config::{Config, Surroundings};

/// The stream's name where nothing says it.
const USUAL_STREAM: &str = "orders";
/// A directory with this file is a saved incident.
pub(in crate::command) const SAVED_TABLE: &str = "minutes.parquet";
/// Its markers …
pub(in crate::command) const SAVED_MARKS: &str = "marks.ndjson";
/// … and its configuration.
pub(in crate::command) const SAVED_CONFIG: &str = "ebbd.toml";

/// The past, wherever it lies.
pub(in crate::command) struct Past {
    config: Config,
    place: Place,
    marks: Vec<Mark>,
    /// The only stream that is wanted.
    stream: Option<String>,
    notes: Vec<String>,
}

enum Place {
    /// What daemons and `ingest` have written.
    Directories(Vec<PathBuf>),
    /// Counts that a shop has.
    Tables(Vec<PathBuf>),
}

impl Past {
    /// Looks at the paths and finds the configuration.
    pub(in crate::command) fn open(
        paths: &[PathBuf],
        config: Option<&Path>,
        stream: Option<&str>,
    ) -> Result<Past, Failure> {
        let saved = paths.first().filter(|path| paths.len() == 1 && path.join(SAVED_TABLE).is_file());
        if let Some(dir) = saved {
            return Past::saved(dir, config, stream);
        }
        let (dirs, files): (Vec<_>, Vec<_>) = paths.iter().cloned().partition(|path| path.is_dir());
        match (dirs.is_empty(), files.is_empty()) {
            (false, false) => Err(Failure::usage("give data directories or minute tables, not both")),
            (false, true) => Past::directories(dirs, config, stream),
            _ => Past::tables(files, config, stream, Vec::new()),
        }
    }

    fn directories(dirs: Vec<PathBuf>, config: Option<&Path>, stream: Option<&str>) -> Result<Past, Failure> {
        let config = Config::load(config).map_err(|error| Failure::usage(error.to_string()))?;
        if let Some(bare) = dirs.iter().find(|dir| !dir.join("minutes").is_dir()) {
            let hint = "a data directory has a folder `minutes`";
            return Err(Failure::trouble(format!("{}: no data of ebbd: {hint}", bare.display())));
        }
        let declared: Vec<&str> = config.streams.iter().map(|spec| spec.name.as_str()).collect();
        if let Some(name) = stream.filter(|name| !declared.contains(name)) {
            let declared = declared.join(", ");
            return Err(Failure::usage(format!("no stream is called {name:?} (declared: {declared})")));
        }
        let there = directory::streams(&dirs)?;
        if !there.iter().any(|name| declared.contains(&name.as_str())) {
            let message = format!(
                "there are the streams {}, and the configuration declares {}: name the right one with -c",
                there.join(", "),
                declared.join(", ")
            );
            return Err(Failure::usage(message));
        }
        let unknown = there.iter().filter(|name| !declared.contains(&name.as_str()));
        let notes = unknown.map(|name| format!("stream {name} is not declared: left out")).collect();
        let marks = directory::marks(&dirs)?;
        let stream = stream.map(str::to_owned);
        Ok(Past { config, place: Place::Directories(dirs), marks, stream, notes })
    }

    fn saved(dir: &Path, config: Option<&Path>, stream: Option<&str>) -> Result<Past, Failure> {
        let own = dir.join(SAVED_CONFIG);
        let config = config.map(Path::to_owned).or_else(|| own.is_file().then_some(own));
        let marks = table::marks(&dir.join(SAVED_MARKS))?;
        Past::tables(vec![dir.join(SAVED_TABLE)], config.as_deref(), stream, marks)
    }

    fn tables(
        files: Vec<PathBuf>,
        config: Option<&Path>,
        stream: Option<&str>,
        marks: Vec<Mark>,
    ) -> Result<Past, Failure> {
        let config = match config {
            Some(path) => Config::load_file(path).map_err(|error| Failure::usage(error.to_string()))?,
            None => {
                let columns = table::columns(&files[0])?;
                let spec = table_spec(stream.unwrap_or(USUAL_STREAM), &columns);
                with_stream(Config::defaults(&Surroundings::here()), spec)
            }
        };
        let stream = stream.map(str::to_owned);
        let mut past = Past {
            config: Config::defaults(&Surroundings::here()),
            place: Place::Tables(files),
            marks,
            stream,
            notes: Vec::new(),
        };
        past.config = past.config_of(config)?;
        Ok(past)
    }

    /// The configuration that it is judged by.
    pub(in crate::command) fn config(&self) -> &Config {
        &self.config
    }

    /// The stream that is wanted, if it is only one.
    pub(in crate::command) fn only_stream(&self) -> Option<StreamId> {
        let named = |spec: &&StreamSpec| self.stream.as_ref().is_none_or(|name| spec.name == *name);
        let mut wanted =
            (0u16..).map(StreamId).zip(self.config.streams.iter()).filter(|(_, spec)| named(spec));
        wanted.next().map(|(id, _)| id).filter(|_| wanted.next().is_none())
    }

    /// What was left out or assumed.
    pub(in crate::command) fn notes(&self) -> impl Iterator<Item = &String> {
        self.notes.iter()
    }

    /// Change markers.
    pub(in crate::command) fn marks(&self) -> Vec<Mark> {
        self.marks.clone()
    }

    /// `config` as far as it concerns what lies here: of tables, the one stream that they are of.
    pub(in crate::command) fn config_of(&self, config: Config) -> Result<Config, Failure> {
        if let Place::Directories(_) = self.place {
            return Ok(config);
        }
        let names: Vec<&str> = config.streams.iter().map(|spec| spec.name.as_str()).collect();
        let chosen = match &self.stream {
            Some(name) => config.streams.iter().find(|spec| spec.name == *name),
            None => config.streams.first().filter(|_| names.len() == 1),
        };
        let Some(spec) = chosen.cloned() else {
            let declared = names.join(", ");
            return Err(Failure::usage(format!(
                "say with --stream which stream the tables are of: {declared}"
            )));
        };
        Ok(with_stream(config, spec))
    }

    /// The minutes of each stream as `config` has it.
    pub(in crate::command) fn feeds<'f>(
        &'f self,
        config: &'f Config,
        span: Span,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Feed<'f, Failure>>, Failure> {
        match &self.place {
            Place::Tables(files) => Ok(vec![table::feed(files, &config.streams[0], span, notes)?]),
            Place::Directories(dirs) => {
                let wanted = |spec: &&(StreamId, &StreamSpec)| {
                    self.stream.as_ref().is_none_or(|name| spec.1.name == *name)
                };
                let streams: Vec<(StreamId, &StreamSpec)> =
                    (0u16..).map(StreamId).zip(config.streams.iter()).collect();
                let mut feeds = Vec::new();
                for (id, spec) in streams.iter().filter(wanted) {
                    feeds.extend(directory::feed(dirs, config, *id, spec, span, notes)?);
                }
                Ok(feeds)
            }
        }
    }
}

fn with_stream(mut config: Config, spec: StreamSpec) -> Config {
    config.streams = Arc::from([spec]);
    config
}
