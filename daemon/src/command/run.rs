//! `ebbd run`: the daemon, its signals, its reloads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{OK, TROUBLE, USAGE};
use crate::config::{Config, ConfigError};
use crate::run::{Daemon, Kept, StartError, Surroundings};
use crate::service::ServiceManager;
use crate::sys::{Clock, Inherited, WallClock, raise_descriptors};
use crate::telemetry::start_logging;

/// What `run` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ebbd run -c /etc/ebbd/ebbd.toml\n\nSIGTERM and SIGINT stop it in order, SIGHUP \
                        reads the configuration again."
)]
pub struct RunArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl RunArgs {
    /// The configuration, with no more connections than there are descriptors for.
    fn load(&self) -> Result<Config, ConfigError> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(lowered) = config.fit_descriptors(raise_descriptors()) {
            tracing::warn!("{lowered}");
        }
        Ok(config)
    }
}

/// Runs the daemon until it is told to stop; gives the exit code.
pub fn run(args: &RunArgs) -> i32 {
    if let Err(error) = start_logging("info") {
        eprintln!("ebbd run: {error}");
        return TROUBLE;
    }
    let config = match args.load() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return USAGE;
        }
    };
    match Running::start(args, config).and_then(Running::until_stopped) {
        Ok(()) => OK,
        Err(error) => {
            eprintln!("ebbd run: {error}");
            error.exit_code()
        }
    }
}

/// A daemon with its signals.
struct Running<'a> {
    args: &'a RunArgs,
    signals: Signals,
    service: Arc<ServiceManager>,
    clock: Arc<dyn Clock>,
    sockets: Inherited,
    daemon: Daemon,
}

impl Running<'_> {
    fn start(args: &RunArgs, config: Config) -> Result<Running<'_>, StartError> {
        let system = |what: &str, error| StartError::System { what: what.to_owned(), error };
        let signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(|e| system("signals", e))?;
        let mut sockets = Inherited::from_environment().map_err(|e| system("inherited sockets", e))?;
        let kept = Kept::by_manager(&mut sockets);
        let (service, clock) = (Arc::new(ServiceManager::from_environment()), Arc::new(WallClock::new()));
        let clock: Arc<dyn Clock> = clock;
        let daemon = begin(config, &clock, &service, &sockets, kept)?;
        Ok(Running { args, signals, service, clock, sockets, daemon })
    }

    fn until_stopped(mut self) -> Result<(), StartError> {
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let told: Vec<i32> = self.signals.pending().collect();
            if told.iter().any(|signal| matches!(*signal, SIGTERM | SIGINT)) {
                break;
            }
            if told.contains(&SIGHUP) {
                self = self.reload()?;
            }
            if self.daemon.is_finished() {
                tracing::info!("every source has come to its end");
                break;
            }
        }
        self.service.stopping();
        tracing::info!("stopping");
        self.daemon.stop()
    }

    /// Takes up a changed configuration at a minute's edge; an invalid one changes nothing.
    fn reload(mut self) -> Result<Self, StartError> {
        let config = match self.args.load() {
            Ok(config) => config,
            Err(error) => {
                tracing::error!("the new configuration is not taken up, the old one stays:\n{error}");
                self.service.status("the configuration on disk is invalid; running with the old one");
                return Ok(self);
            }
        };
        // Sources differ, too, by what is read from files: tokens.
        let running = self.daemon.config();
        if config.text == running.text && config.sources == running.sources {
            tracing::info!("the configuration has not changed");
            return Ok(self);
        }
        self.service.reloading();
        let taught = self.daemon.taught_ahead(&config);
        self.wait_for_edge();
        if let Err(error) =
            copied(&self.sockets).and_then(|mut copies| self.daemon.probe(&config, &mut copies))
        {
            tracing::error!("the new configuration is not taken up, the old one stays: {error}");
            self.service.ready("the configuration on disk cannot be run with; running with the old one");
            return Ok(self);
        }
        let before = self.daemon.config().clone();
        let kept = self.daemon.make_way(&config)?.with_taught(taught);
        let begun = begin(config, &self.clock, &self.service, &self.sockets, kept);
        self.daemon = match begun {
            Ok(daemon) => {
                tracing::info!("the new configuration is taken up");
                daemon
            }
            Err(error) => {
                tracing::error!("the new configuration cannot be run with, the old one is taken up: {error}");
                begin(before, &self.clock, &self.service, &self.sockets, Kept::default())?
            }
        };
        Ok(self)
    }

    /// Waits until the minute's end by the daemon's clock.
    fn wait_for_edge(&self) {
        let edge = self.clock.now().minute().end();
        while self.clock.now() < edge {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn copied(sockets: &Inherited) -> Result<Inherited, StartError> {
    let what = || "inherited sockets".to_owned();
    sockets.try_clone().map_err(|error| StartError::System { what: what(), error })
}

fn begin(
    config: Config,
    clock: &Arc<dyn Clock>,
    service: &Arc<ServiceManager>,
    sockets: &Inherited,
    kept: Kept,
) -> Result<Daemon, StartError> {
    for warning in config.warnings() {
        tracing::warn!("{}: {}", config.file_name(), warning.message);
    }
    let mut inherited = copied(sockets)?;
    let surroundings = Surroundings { clock: Arc::clone(clock), service: Arc::clone(service) };
    let daemon = Daemon::go_on(config, surroundings, &mut inherited, kept)?;
    for name in inherited.left() {
        tracing::warn!("the service manager handed over socket {name}, which the configuration does not use");
    }
    for source in daemon.sources() {
        tracing::info!("source {} is counting", source.name);
    }
    Ok(daemon)
}
