//! Where the configuration is found, and what it is checked against on this machine.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::checked::{Config, Surroundings};
use super::names::is_plain;
use super::problem::Problem;
use super::token::Secrets;

/// Names the configuration if `-c` does not.
const VARIABLE: &str = "EBBD_CONFIG";
/// Looked for in this order when nothing names a file.
const USUAL: [&str; 2] = ["./ebbd.toml", "/etc/ebbd/ebbd.toml"];
/// A larger file is a mistake.
const MAX_BYTES: u64 = 4 << 20;

/// Why there is no configuration. All of it is exit 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read, or is no text.
    #[error("{}: can't read the configuration: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is wrong.
    #[error("{}", render(path, errors))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// All that is wrong, in the order of the file.
        errors: Vec<Problem>,
        /// All that deserves a word besides.
        warnings: Vec<Problem>,
    },
}

fn render(path: &Path, errors: &[Problem]) -> String {
    let file = path.display().to_string();
    let told: String = errors.iter().map(|problem| problem.render(&file, "error")).collect();
    let count = if errors.len() == 1 { "1 error".to_owned() } else { format!("{} errors", errors.len()) };
    format!("{told}{file}: {count}")
}

impl Config {
    /// The file to read: `named` (from `-c`), `$EBBD_CONFIG`, `./ebbd.toml`, `/etc/ebbd/ebbd.toml`; none if
    /// nothing is named and neither usual file exists.
    pub fn find(named: Option<&Path>) -> Option<PathBuf> {
        let variable = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        // A usual file that exists but can't be read must be an error, never silently the defaults.
        let absent =
            |path: &str| matches!(std::fs::metadata(path), Err(e) if e.kind() == ErrorKind::NotFound);
        let usual = || USUAL.iter().find(|path| !absent(path)).map(PathBuf::from);
        named.map(Path::to_path_buf).or_else(variable).or_else(usual)
    }

    /// Finds, reads and checks the configuration of this machine.
    ///
    /// # Errors
    /// A file that was named or found but can't be read, or that has errors: all of them are told.
    pub fn load(named: Option<&Path>) -> Result<Config, ConfigError> {
        match Config::find(named) {
            None => Ok(Config::defaults(&Surroundings::here())),
            Some(path) => Config::load_file(&path),
        }
    }

    /// Reads and checks one file against this machine.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_file(path: &Path) -> Result<Config, ConfigError> {
        let text = read(path)?;
        let checked = Config::check(&text, Some(path), &Surroundings::here());
        let (errors, warnings) = (checked.errors, checked.warnings);
        checked.config.ok_or(ConfigError::Wrong { path: path.to_path_buf(), errors, warnings })
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |reason: String| ConfigError::Unreadable { path: path.to_path_buf(), reason };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(unreadable(format!("it is larger than {} MiB", MAX_BYTES >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(format!("line {line} is not UTF-8"))
    })
}

impl Surroundings {
    /// This machine: its name (made fit for file names), its cores, files with secrets.
    pub fn here() -> Surroundings {
        let name =
            nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
        let name: String = name.chars().map(plain).take(64).collect();
        let host = if is_plain(&name) { name } else { "localhost".to_owned() };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Surroundings { host, cores, secrets: Secrets::here() }
    }
}
