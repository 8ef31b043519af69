//! The watcher's life: connects, deals with each record once, notices when the daemon has died, connects
//! again.
//!
//! A record is dealt with when it has been printed and, if it is one for CMD, CMD has succeeded; only
//! then does the cursor move. What a restart or a broken connection leaves undone comes again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ebbd_core::report::{escape, visible};
use serde_json::json;

use super::feed::{Envelope, Feed, Heard};
use super::screen::Screen;
use super::script::Script;
use crate::command::{OK, TROUBLE};
use crate::outlet::Cursor;

/// First pause before connecting again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Snapshot records kept for the case that a gap shows they were missed.
const HELD_MAX: usize = 1_024;

/// A watcher.
pub(super) struct Watch {
    path: PathBuf,
    once: bool,
    dead_after: Duration,
    cursor: Cursor,
    screen: Screen,
    script: Option<Script>,
    /// The last sign of life, and whether its absence has been told.
    alive: Instant,
    dead: bool,
    /// Whether this connection goes on where an earlier one ended.
    resumed: bool,
    /// Open alarms of the snapshot that come again as records, unless a gap has swallowed them.
    held: Vec<(u64, String)>,
}

impl Watch {
    pub(super) fn new(
        path: PathBuf,
        once: bool,
        dead_after: Duration,
        cursor: Cursor,
        screen: Screen,
        script: Option<Script>,
    ) -> Watch {
        let alive = Instant::now();
        let (dead, resumed, held) = (false, false, Vec::new());
        Watch { path, once, dead_after, cursor, screen, script, alive, dead, resumed, held }
    }

    /// Watches until nobody reads it any more, or the connection ends and `once` was asked for.
    pub(super) fn run(mut self) -> i32 {
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            match Feed::connect(&self.path, self.cursor.seq()) {
                Ok(feed) => {
                    (pause, told) = (FIRST_PAUSE, false);
                    if let Some(code) = self.follow(feed) {
                        return code;
                    }
                }
                Err(why) if self.once => {
                    eprintln!("ebbd watch: no daemon answers at {}: {why}", self.path.display());
                    return TROUBLE;
                }
                Err(why) if !told => {
                    let path = self.path.display();
                    eprintln!("ebbd watch: no daemon answers at {path}: {why}; trying again until one does");
                    told = true;
                }
                Err(_) => {}
            }
            self.check_life();
            std::thread::sleep(pause.min(self.dead_after));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One connection to its end; the exit code if that was the last.
    fn follow(&mut self, mut feed: Feed) -> Option<i32> {
        let mut greeted = false;
        loop {
            match feed.look() {
                Heard::Line(line) => {
                    greeted |= self.hear(&line);
                }
                Heard::Nothing => self.check_life(),
                Heard::End(why) => {
                    let why =
                        why.map_or_else(|| "the daemon closed the connection".to_owned(), |e| e.to_string());
                    eprintln!("ebbd watch: {why}");
                    return self.once.then_some(if greeted { OK } else { TROUBLE });
                }
            }
            if self.screen.closed && self.script.is_none() {
                return Some(OK);
            }
        }
    }

    /// Deals with a line; whether it was a greeting.
    fn hear(&mut self, line: &str) -> bool {
        let Ok(seen) = serde_json::from_str::<Envelope>(line) else {
            eprintln!("ebbd watch: not understood: {}", escape(line));
            return false;
        };
        self.lives();
        match seen.kind.as_str() {
            "hello" => self.greet(&seen),
            "alarm" if seen.snapshot => self.snapshot(&seen, line),
            "alarm" => self.record(&seen, line),
            "gap" => self.gap(&seen, line),
            "error" => eprintln!("ebbd watch: the daemon says: {}", visible(&seen.text)),
            _ => {}
        }
        seen.kind == "hello"
    }

    fn greet(&mut self, hello: &Envelope) {
        self.held.clear();
        match self.cursor.seq() {
            Some(seq) if seq <= hello.newest => self.resumed = true,
            Some(_) => {
                eprintln!("ebbd watch: the daemon's numbers began anew; watching from now on");
                self.resumed = false;
                self.move_to(hello.newest);
            }
            None => {
                self.resumed = false;
                self.move_to(hello.newest);
            }
        }
    }

    /// An open alarm at the time of connecting. To a newcomer it is news.
    fn snapshot(&mut self, seen: &Envelope, line: &str) {
        if !self.resumed {
            self.screen.record(line, true);
            self.call(seen, line, false);
        } else if self.cursor.seq().is_some_and(|had| seen.seq > had) && self.held.len() < HELD_MAX {
            self.held.push((seen.seq, line.to_owned()));
        }
    }

    fn record(&mut self, seen: &Envelope, line: &str) {
        if self.cursor.seq().is_some_and(|had| seen.seq <= had) {
            return;
        }
        self.screen.record(line, false);
        self.call(seen, line, false);
        self.move_to(seen.seq);
    }

    /// Records that are gone. Open alarms among them are known from the snapshot: better a call too many.
    fn gap(&mut self, seen: &Envelope, line: &str) {
        let words =
            format!("MISSED records {} to {}: the daemon does not keep them any more", seen.from, seen.to);
        self.screen.say(line, &words);
        let (missed, rest) = std::mem::take(&mut self.held).into_iter().partition(|(seq, _)| *seq <= seen.to);
        self.held = rest;
        let missed: Vec<(u64, String)> = missed;
        for (_, record) in &missed {
            self.screen.record(record, true);
            if let Ok(envelope) = serde_json::from_str(record) {
                self.call(&envelope, record, true);
            }
        }
        self.move_to(seen.to);
    }

    /// Runs CMD, if there is one and the record is one for it.
    fn call(&self, seen: &Envelope, line: &str, missed: bool) {
        let Some(script) = &self.script else { return };
        let open = !matches!(seen.state.as_str(), "resolved" | "withdrawn");
        if script.every_record || seen.notify != "none" || (missed && open) {
            script.deal_with(line);
        }
    }

    fn move_to(&mut self, seq: u64) {
        if let Err(why) = self.cursor.move_to(seq) {
            eprintln!("ebbd watch: the cursor is not kept, record {seq} may come again: {why}");
        }
    }

    fn lives(&mut self) {
        if std::mem::take(&mut self.dead) {
            eprintln!("ebbd watch: the daemon answers again after {} s", self.alive.elapsed().as_secs());
        }
        self.alive = Instant::now();
    }

    /// Tells once per silence that the daemon gives no sign of life.
    fn check_life(&mut self) {
        let silent = self.alive.elapsed();
        if self.dead || silent < self.dead_after {
            return;
        }
        self.dead = true;
        let line =
            json!({"type": "dead", "silent_s": silent.as_secs(), "seq": self.cursor.seq()}).to_string();
        let words = format!("DEAD: no sign of life from ebbd for {} s: alarms can't come", silent.as_secs());
        self.screen.say(&line, &words);
        if let Some(script) = &self.script {
            script.try_briefly(&line);
        }
    }
}
