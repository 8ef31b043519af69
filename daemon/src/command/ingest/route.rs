//! Which stream the lines belong to: as `--stream` says, as the configured sources of that format do it, or
//! in the only sensible way.

use ebbd_core::decode::{Format, SourceSpec};
use ebbd_core::model::{SourceId, StreamId, StreamRoute};

use super::Work;
use super::output::SOURCE_NAME;
use crate::config::{Config, nearest};

/// What is to be done with files of this format (none: minute tables).
///
/// # Errors
/// No stream of this name, or no way to tell which stream is meant.
pub(super) fn work(format: Option<Format>, stream: Option<&str>, config: &Config) -> Result<Work, String> {
    let named = stream.map(|name| stream_named(name, config)).transpose()?;
    let Some(format) = format else {
        return named.or(only(config)).map(Work::Table).ok_or_else(|| which(config));
    };
    let route = match named {
        Some(stream) => StreamRoute::Fixed(stream),
        None => usual(format, config).ok_or_else(|| which(config))?,
    };
    let (id, name) = (SourceId(0), SOURCE_NAME.to_owned());
    Ok(Work::Lines(SourceSpec { id, name, format, route, expect: Vec::new(), forget_after_us: i64::MAX }))
}

/// The way of all configured sources of this format, if they agree.
fn usual(format: Format, config: &Config) -> Option<StreamRoute> {
    let mut routes: Vec<&StreamRoute> = Vec::new();
    for source in config.sources.iter().filter(|source| source.spec.format == format) {
        if !routes.contains(&&source.spec.route) {
            routes.push(&source.spec.route);
        }
    }
    match (routes.as_slice(), format) {
        ([route], _) => Some((*route).clone()),
        (_, Format::Ndjson) => only(config).map(StreamRoute::Fixed),
        _ => Some(by_name(config)),
    }
}

fn by_name(config: &Config) -> StreamRoute {
    let names = config.streams.iter().map(|stream| stream.name.clone());
    StreamRoute::ByName(names.zip((0..).map(StreamId)).collect())
}

/// The stream, if there is but one.
fn only(config: &Config) -> Option<StreamId> {
    (config.streams.len() == 1).then_some(StreamId(0))
}

fn which(config: &Config) -> String {
    format!("say with --stream NAME to which stream this belongs; declared are: {}", names(config).join(", "))
}

fn names(config: &Config) -> Vec<&str> {
    config.streams.iter().map(|stream| stream.name.as_str()).collect()
}

fn stream_named(name: &str, config: &Config) -> Result<StreamId, String> {
    let names = names(config);
    let found = (0u16..).zip(&names).find(|(_, known)| **known == name).map(|(id, _)| StreamId(id));
    let near =
        || nearest(name, names.iter().copied()).map_or_else(String::new, |n| format!("; did you mean {n}?"));
    found.ok_or_else(|| format!("no stream is called {name:?}; declared are: {}{}", names.join(", "), near()))
}
