//! `--exec`: runs a command with a record on its standard input, kills it when it takes too long, tries
//! again when it fails.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// First pause before it is tried again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The command and how it is run.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) command: String,
    pub(super) every_record: bool,
    pub(super) timeout: Duration,
    /// Times it is tried again; `None` is without end.
    pub(super) retries: Option<u32>,
}

impl Script {
    /// Runs it with `line` until it succeeds; false if it was given up.
    pub(super) fn deal_with(&self, line: &str) -> bool {
        self.try_with(line, self.retries)
    }

    /// Runs it with `line`, at most a few times: what is not worth waiting for.
    pub(super) fn try_briefly(&self, line: &str) -> bool {
        self.try_with(line, Some(self.retries.unwrap_or(2).min(2)))
    }

    fn try_with(&self, line: &str, retries: Option<u32>) -> bool {
        let mut pause = FIRST_PAUSE;
        for attempt in 0u32.. {
            let why = match self.once(line) {
                Ok(()) => return true,
                Err(why) => why,
            };
            if retries.is_some_and(|retries| attempt >= retries) {
                eprintln!("ebbd watch: {:?} {why}; given up", self.command);
                return false;
            }
            eprintln!("ebbd watch: {:?} {why}; trying again in {} s", self.command, pause.as_secs());
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        false
    }

    /// Runs it once.
    fn once(&self, line: &str) -> Result<(), String> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", &self.command])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|why| format!("cannot be started: {why}"))?;
        let input = child.stdin.take();
        let text = format!("{line}\n");
        // A command that reads nothing must not hold anybody up, nor is that its failure.
        let writer = std::thread::spawn(move || input.map(|mut input| input.write_all(text.as_bytes())));
        let ended = self.wait(&mut child);
        drop(writer);
        match ended? {
            status if status.success() => Ok(()),
            status => Err(format!("failed ({status})")),
        }
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus, String> {
        let until = Instant::now() + self.timeout;
        let mut pause = Duration::from_millis(1);
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < until => std::thread::sleep(pause),
                Ok(None) => {
                    end(child);
                    return Err(format!("took longer than {} s and was killed", self.timeout.as_secs_f64()));
                }
                Err(why) => return Err(format!("cannot be waited for: {why}")),
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// Kills the command and what it started.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(command: &str, retries: u32) -> Script {
        let timeout = Duration::from_millis(300);
        Script { command: command.to_owned(), every_record: false, timeout, retries: Some(retries) }
    }

    #[test]
    fn gets_the_record_and_its_failures_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("got");
        assert!(script(&format!("cat >> {}", file.display()), 0).deal_with(r#"{"seq":1}"#));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"seq\":1}\n");
        assert!(!script("exit 3", 0).deal_with("x"));
        assert!(script("true", 0).deal_with(&"x".repeat(1 << 20)));
        let twice = format!("test -e {0}/once || {{ touch {0}/once; exit 1; }}", folder.path().display());
        assert!(script(&twice, 1).deal_with("x"));
    }

    #[test]
    fn one_that_hangs_is_killed_with_all_it_started() {
        let start = Instant::now();
        assert!(!script("sleep 600 & sleep 600", 0).deal_with("x"));
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
