//! How commands reach the running daemon: its configuration says where its sockets are.

use std::path::PathBuf;

use clap::Args;
use ebbd_core::report::visible;

use super::{NO, TROUBLE, USAGE};
use crate::config::{Config, SocketPath};
use crate::control::CallError;

/// Where the daemon is.
#[derive(Debug, Args)]
pub struct Reach {
    /// The configuration [default: $EBBD_CONFIG, ./ebbd.toml, /etc/ebbd/ebbd.toml, built-in]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's socket, if no configuration at hand says where it is
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl Reach {
    /// The alarm socket.
    ///
    /// # Errors
    /// The exit code for a wrong configuration, which has been told.
    pub(super) fn alarms(&self) -> Result<PathBuf, i32> {
        self.path(|config| &config.alarms)
    }

    /// The control socket.
    ///
    /// # Errors
    /// The exit code for a wrong configuration, which has been told.
    pub(super) fn control(&self) -> Result<PathBuf, i32> {
        self.path(|config| &config.control)
    }

    /// The configuration itself.
    ///
    /// # Errors
    /// The exit code for a wrong one, which has been told.
    pub(super) fn config(&self) -> Result<Config, i32> {
        Config::load(self.config.as_deref()).map_err(|error| {
            eprintln!("{error}");
            USAGE
        })
    }

    fn path(&self, of: impl Fn(&Config) -> &SocketPath) -> Result<PathBuf, i32> {
        if let Some(path) = &self.socket {
            return Ok(path.clone());
        }
        self.config().map(|config| of(&config).path.clone())
    }
}

/// Tells why there is no answer; the exit code that belongs to it.
pub(super) fn tell(command: &str, error: &CallError) -> i32 {
    eprintln!("ebbd {command}: {}", visible(&error.to_string()));
    match error {
        CallError::Unreachable { .. } => {
            eprintln!("is it running? start it with: ebbd run    (or name its socket with --socket)");
            TROUBLE
        }
        CallError::Strange { .. } => TROUBLE,
        CallError::Refused(_) => NO,
    }
}
