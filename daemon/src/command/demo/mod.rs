//! `ebbd demo`: a simulated shop, the real daemon, an outage, its alarm, its recovery. Nothing else needed.
//!
//! In: a seed and a pace. Out: a story in plain lines; the data under `./ebbd-demo`.
//! Must not know: how anything is counted or judged: it sends lines to a socket and reads the alarm socket.

mod feeder;
mod history;
mod listener;
mod settings;
mod story;

use std::path::{Path, PathBuf};

use clap::Args;

use super::{OK, TROUBLE};
use story::Story;

/// What `demo` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ebbd demo --once\n\nEverything it writes lies under ./ebbd-demo, which it may \
                        replace when it runs again."
)]
pub struct DemoArgs {
    /// End by itself after the recovery
    #[arg(long)]
    once: bool,
    /// Simulated minutes per second
    #[arg(long, default_value_t = 1.0, value_name = "MINUTES")]
    pace: f64,
    /// Weeks of history before the outage
    #[arg(long, default_value_t = 4, value_name = "WEEKS", value_parser = clap::value_parser!(u32).range(2..=12))]
    weeks: u32,
    /// The same seed gives the same shop
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where its data lie
    #[arg(long, default_value = "ebbd-demo", value_name = "DIR")]
    dir: PathBuf,
}

/// A file that says: this directory belongs to the demo and may be replaced.
const MARKER: &str = ".ebbd-demo";

/// Runs the demo; gives the exit code.
pub fn run(args: &DemoArgs) -> i32 {
    let told = prepare(&args.dir).and_then(|()| {
        let story = Story::new(args.dir.clone(), args.weeks, args.seed, args.pace.clamp(0.1, 10.0));
        story.tell(args.once)
    });
    match told {
        Ok(()) => OK,
        Err(message) => {
            eprintln!("ebbd demo: {message}");
            TROUBLE
        }
    }
}

/// An empty directory: made, or emptied if an earlier demo made it. Anybody else's is left alone.
fn prepare(dir: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", dir.display());
    if dir.exists() {
        let empty = std::fs::read_dir(dir).map_err(told)?.next().is_none();
        if !empty && !dir.join(MARKER).exists() {
            let shown = dir.display();
            return Err(format!("{shown} exists and is not a demo's directory; choose another with --dir"));
        }
        std::fs::remove_dir_all(dir).map_err(told)?;
    }
    std::fs::create_dir_all(dir).map_err(told)?;
    std::fs::write(dir.join(MARKER), b"made by `ebbd demo`, which may replace it\n").map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_directory_is_replaced() {
        let parent = tempfile::tempdir().expect("a temporary directory");
        let dir = parent.path().join("demo");
        prepare(&dir).expect("made");
        std::fs::write(dir.join("x"), b"old").expect("written");
        prepare(&dir).expect("replaced");
        assert!(!dir.join("x").exists());
        std::fs::remove_file(dir.join(MARKER)).expect("removed");
        std::fs::write(dir.join("precious"), b"data").expect("written");
        assert!(prepare(&dir).is_err() && dir.join("precious").exists());
    }
}
