//! `ebbd check`: is this configuration right, what does it mean, what would it make of real events.

mod fields;
mod layout;
mod raw;
mod sample;
mod suggest;
mod summary;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use ebbd_core::decode::{Format, SourceSpec};
use ebbd_core::model::{SourceId, StreamId, StreamRoute, TimeUs};

use super::{NO, OK, TROUBLE, USAGE};
use crate::config::{Config, ConfigError, nearest};

use sample::Sample;

/// What `check` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ebbd check -c /etc/ebbd/ebbd.toml\n  \
                        ebbd check --sample today.ndjson        (what would be found in real events)\n  \
                        ebbd check -c new.toml --diff ebbd.toml (what would learn anew)")]
pub(super) struct CheckArgs {
    /// The configuration [default: $EBBD_CONFIG, ./ebbd.toml, /etc/ebbd/ebbd.toml, built-in]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show what would be found in these events (plain, .gz or .zst; `-` is standard input)
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// Format of the sample: ndjson, influx or statsd [default: guessed from its first line]
    #[arg(long, requires = "sample", value_parser = parse_format)]
    format: Option<Format>,
    /// The stream that the sample's lines belong to [default: as the first source of that format]
    #[arg(long, requires = "sample", value_name = "NAME")]
    stream: Option<String>,
    /// Show what would change, and what would learn anew, against this older configuration
    #[arg(long, value_name = "OLD", conflicts_with = "sample")]
    diff: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

fn parse_format(name: &str) -> Result<Format, String> {
    let found = Format::ALL.into_iter().find(|format| format.name() == name);
    found.ok_or_else(|| format!("known: {}", Format::ALL.map(Format::name).join(", ")))
}

/// Runs the check; 0 if all is well, 1 if no line of the sample would be counted, 2 if the configuration
/// is wrong, 3 if the sample can't be read.
pub(super) fn run(args: CheckArgs) -> i32 {
    let config = match load(args.config.as_deref(), &args) {
        Ok(config) => config,
        Err(code) => return code,
    };
    warn(&config, args.json);
    match (&args.diff, &args.sample) {
        (Some(old), _) => diff(&config, old, &args),
        (None, Some(path)) => show_sample(&config, path, &args),
        (None, None) => {
            print(if args.json { summary::json(&config) } else { summary::text(&config) });
            OK
        }
    }
}

fn load(path: Option<&Path>, args: &CheckArgs) -> Result<Config, i32> {
    Config::load(path).map_err(|error| {
        match (&error, args.json) {
            (ConfigError::Wrong { path, errors, warnings }, true) => {
                let file = path.display().to_string();
                print(summary::problems_json(&file, "warning", warnings));
                print(summary::problems_json(&file, "error", errors));
            }
            (ConfigError::Unreadable { path, reason }, true) => {
                print(summary::unreadable_json(&path.display().to_string(), reason));
            }
            (_, false) => eprintln!("{error}"),
        }
        USAGE
    })
}

fn warn(config: &Config, json: bool) {
    let file = config.file_name();
    if json {
        print(summary::problems_json(&file, "warning", config.warnings()));
    } else {
        config.warnings().iter().for_each(|problem| eprint!("{}", problem.render(&file, "warning")));
    }
}

fn diff(config: &Config, old: &Path, args: &CheckArgs) -> i32 {
    let old = match load(Some(old), args) {
        Ok(old) => old,
        Err(code) => return code,
    };
    let diff = config.diff(&old);
    print(if args.json { summary::diff_json(&diff) } else { summary::diff_text(&diff) });
    OK
}

fn show_sample(config: &Config, path: &Path, args: &CheckArgs) -> i32 {
    let bytes = match read_sample(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("ebbd check: can't read the sample {}: {error}", path.display());
            return TROUBLE;
        }
    };
    let format = args.format.unwrap_or_else(|| raw::guess_format(&bytes));
    let source = match source_for(config, format, args.stream.as_deref()) {
        Ok(source) => source,
        Err(message) => {
            eprintln!("ebbd check: {message}");
            return USAGE;
        }
    };
    let now = TimeUs(jiff::Timestamp::now().as_microsecond());
    let sample = Sample::read(&bytes, &source, config, now);
    let name = path.display().to_string();
    print(if args.json { sample.json(&name) } else { layout::text(&sample, &name) });
    if sample.counted() > 0 { OK } else { NO }
}

/// Prints; a reader that went away (`| head`) is no error.
fn print(text: String) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// At most [`sample::MAX_BYTES`] of a file, decompressed by its name.
fn read_sample(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let plain: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(std::fs::File::open(path)?),
    };
    let reader: Box<dyn Read> = match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(plain)),
        Some("zst") => Box::new(zstd::stream::read::Decoder::new(plain)?),
        _ => plain,
    };
    reader.take(sample::MAX_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How the sample would be read: as `--stream` says, as the first source of that format, or in the only
/// sensible way.
fn source_for(config: &Config, format: Format, stream: Option<&str>) -> Result<SourceSpec, String> {
    let like = config.sources.iter().map(|source| &source.spec).find(|spec| spec.format == format);
    let route = match (stream, like) {
        (Some(name), _) => StreamRoute::Fixed(stream_named(config, name)?),
        (None, Some(spec)) => spec.route.clone(),
        (None, None) if format == Format::Ndjson => match config.streams.len() {
            1 => StreamRoute::Fixed(StreamId(0)),
            _ => return Err("no source reads ndjson: say which stream with --stream NAME".to_owned()),
        },
        (None, None) => {
            let named = config.streams.iter().enumerate();
            StreamRoute::ByName(named.map(|(at, s)| (s.name.clone(), StreamId(at as u16))).collect())
        }
    };
    let (name, expect) = (like.map_or("sample", |spec| &spec.name).to_owned(), Vec::new());
    Ok(SourceSpec { id: SourceId(0), name, format, route, expect, forget_after_us: 0 })
}

fn stream_named(config: &Config, name: &str) -> Result<StreamId, String> {
    let names: Vec<&str> = config.streams.iter().map(|stream| stream.name.as_str()).collect();
    let found = names.iter().position(|known| *known == name).map(|at| StreamId(at as u16));
    let near =
        nearest(name, names.iter().copied()).map_or_else(String::new, |n| format!("; did you mean {n}?"));
    found.ok_or_else(|| format!("no stream is called {name:?} (declared: {}){near}", names.join(", ")))
}
