//! Logging: to the journal when the service manager connected standard error to it, else to standard
//! error as text. `EBBD_LOG` sets the level, else `RUST_LOG`, else what the caller says.

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level in the environment cannot be understood.
    #[error("{variable} is \"{text}\": {why}; write info, debug or ebbd::source=debug,info")]
    Level {
        /// `EBBD_LOG` or `RUST_LOG`.
        variable: &'static str,
        /// What it says.
        text: String,
        /// What is wrong with it.
        why: ParseError,
    },
    /// Logging was started before.
    #[error("logging is already running: {0}")]
    Twice(#[from] TryInitError),
}

/// Starts logging for the whole process. `default` is the level when the environment says nothing.
///
/// # Errors
/// When the environment's level is no level, or logging was started before.
pub fn start_logging(default: &str) -> Result<(), LoggingError> {
    let filter = filter(|name| std::env::var(name).ok(), default)?;
    let registry = tracing_subscriber::registry().with(filter);
    if let Some(journal) = journal() {
        return Ok(registry.with(journal).try_init()?);
    }
    let text = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    Ok(registry.with(text).try_init()?)
}

fn filter(variable: impl Fn(&str) -> Option<String>, default: &str) -> Result<EnvFilter, LoggingError> {
    for name in ["EBBD_LOG", "RUST_LOG"] {
        let Some(text) = variable(name).filter(|text| !text.trim().is_empty()) else { continue };
        return EnvFilter::try_new(&text).map_err(|why| LoggingError::Level { variable: name, text, why });
    }
    Ok(EnvFilter::new(default))
}

/// The journal's layer, if standard error really is the journal's stream.
fn journal() -> Option<tracing_journald::Layer> {
    let told = std::env::var("JOURNAL_STREAM").ok()?;
    let stat = rustix::fs::fstat(std::io::stderr()).ok()?;
    (told == format!("{}:{}", stat.st_dev, stat.st_ino)).then(|| tracing_journald::layer().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_variable_goes_before_the_common_one() {
        let both = |name: &str| Some(if name == "EBBD_LOG" { "debug" } else { "error" }.to_owned());
        assert_eq!(filter(both, "info").unwrap().to_string(), "debug");
        let common = |name: &str| (name == "RUST_LOG").then(|| "error".to_owned());
        assert_eq!(filter(common, "info").unwrap().to_string(), "error");
        assert_eq!(filter(|_| None, "info").unwrap().to_string(), "info");
        let broken = filter(|_| Some("=;=".to_owned()), "info").unwrap_err();
        assert!(broken.to_string().starts_with("EBBD_LOG is \"=;=\""), "{broken}");
    }
}
