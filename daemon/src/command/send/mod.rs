//! `ebbd send`: files or standard input to a daemon over an acknowledged stream, each line once.
//!
//! In: files, where to, under which name. Out: what became of them, an exit code. Must not know: how lines
//! are counted; it only numbers them.

mod follow;
mod input;
mod link;
mod place;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use ebbd_core::decode::{Greeting, Refusal, SenderId};
use indicatif::{ProgressBar, ProgressStyle};

use super::{NO, OK, TROUBLE, USAGE};
use crate::config::{Config, parse_duration_us};
use follow::Following;
use input::{InHand, Input};
use link::{End, Heard, Link};
use place::Place;

/// Bytes in hand that are not acknowledged yet; then it waits.
const MOST_IN_HAND: usize = 16 * 1024 * 1024;
/// After a failure it tries again so soon, then twice as late each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a daemon may take to acknowledge before it is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(60);

/// What `send` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ebbd send --id backfill-0412 orders.ndjson\n  \
    zcat orders-*.gz | ebbd send --id backfill-0413 --to shop.example:5170 -\n  \
    ebbd send --follow '/var/log/shop/orders*.log' --to shop.example:5170\n\n\
    Every line is counted once, however often this is run under the same name with the same lines: what is \
    known is compared and skipped. Lines that differ from those that were counted are an error.")]
pub struct SendArgs {
    /// Files of lines, one after the other, or - for standard input
    #[arg(required_unless_present = "follow", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Follow growing files for ever instead, through rotation; stop it by SIGTERM
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["files", "id", "json"])]
    follow: Option<String>,
    /// Where the positions of followed files are kept
    #[arg(long, value_name = "FILE", default_value = "ebbd-send.state", requires = "follow")]
    state: PathBuf,
    /// The host whose files are followed, as events name it [default: this host's name]
    #[arg(long, value_name = "NAME", requires = "follow")]
    origin: Option<String>,
    /// The lasting name of these lines [default: made of the files' names and beginning]
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// Where the daemon listens [default: the first acknowledging source of the configuration]
    #[arg(long, value_name = "PATH|HOST:PORT")]
    to: Option<String>,
    /// Give up when the daemon could not be reached for so long
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    patience: String,
    /// One JSON object at the end
    #[arg(long)]
    json: bool,
    /// The configuration [default: $EBBD_CONFIG, ./ebbd.toml, /etc/ebbd/ebbd.toml, built-in]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why it ended without success: the exit code and what is said.
type Failure = (i32, String);

/// Sends; gives the exit code.
pub fn run(args: &SendArgs) -> i32 {
    let done = match &args.follow {
        Some(pattern) => follow(args, pattern),
        None => Sending::new(args).and_then(Sending::send).map(|sent| sent.tell(args.json)),
    };
    match done {
        Ok(()) => OK,
        Err((code, why)) => {
            eprintln!("ebbd send: {why}");
            code
        }
    }
}

fn follow(args: &SendArgs, pattern: &str) -> Result<(), Failure> {
    let here = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let origin = args.origin.clone().or_else(here).unwrap_or_default();
    let (pattern, state) = (pattern.to_owned(), args.state.clone());
    follow::follow(Following { place: place(args)?, pattern, origin, state })
}

/// Where to.
fn place(args: &SendArgs) -> Result<Place, Failure> {
    match &args.to {
        Some(place) => Place::read(place).map_err(|why| (USAGE, format!("--to {why}"))),
        None => configured(args.config.as_deref()),
    }
}

/// What is being sent.
struct Sending {
    place: Place,
    id: SenderId,
    files: Vec<PathBuf>,
    patience: Duration,
    bar: ProgressBar,
    input: Input,
    hand: InHand,
    connections: u64,
    /// What the daemon knew at the beginning.
    known: u64,
    rejected: u64,
    /// Since when nothing was acknowledged because the daemon can't be reached.
    lost_since: Option<Instant>,
}

/// What became of it.
#[derive(Debug, serde::Serialize)]
struct Sent {
    id: String,
    lines: u64,
    known_before: u64,
    rejected: u64,
    connections: u64,
    #[serde(skip)]
    place: Place,
}

/// What came of one connection.
enum Outcome {
    Done,
    /// It has to be tried again; why.
    Again(String),
    Failed(Failure),
}

impl Sending {
    fn new(args: &SendArgs) -> Result<Sending, Failure> {
        let usage = |why: String| (USAGE, why);
        let patience =
            parse_duration_us(&args.patience).map_err(|why| usage(format!("--patience: {why}")))?;
        let is_piped = args.files.iter().any(|file| file == Path::new("-"));
        if is_piped && args.files.len() > 1 {
            return Err(usage("standard input (-) goes alone".to_owned()));
        }
        let (bytes, made_up) = if is_piped {
            (0, new_name())
        } else {
            input::look(&args.files).map_err(|why| (TROUBLE, why))?
        };
        let name = args.id.as_deref().unwrap_or(&made_up);
        let id = SenderId::new(name)
            .ok_or_else(|| usage(format!("--id {name:?}: write 1 to 64 of A-Z a-z 0-9 . _ -")))?;
        let place = place(args)?;
        let bar = bar(bytes);
        Ok(Sending {
            place,
            id,
            patience: Duration::from_micros(patience.unsigned_abs()),
            input: Input::new(&args.files, bar.clone()),
            bar,
            files: args.files.clone(),
            hand: InHand::default(),
            connections: 0,
            known: 0,
            rejected: 0,
            lost_since: None,
        })
    }

    fn send(mut self) -> Result<Sent, Failure> {
        let mut pause = FIRST_PAUSE;
        loop {
            let acked = self.hand.first();
            let why = match self.connection() {
                Outcome::Done => break,
                Outcome::Failed(failure) => {
                    self.bar.finish_and_clear();
                    return Err(failure);
                }
                Outcome::Again(why) => why,
            };
            if self.hand.first() > acked {
                (self.lost_since, pause) = (None, FIRST_PAUSE);
            }
            let since = *self.lost_since.get_or_insert_with(|| {
                self.bar.suspend(|| eprintln!("ebbd send: {}: {why}; trying again", self.place));
                Instant::now()
            });
            if since.elapsed() >= self.patience {
                self.bar.finish_and_clear();
                let hint = "is the daemon running? what was acknowledged is safe: the same command goes on";
                return Err((TROUBLE, format!("{}: {why}; {hint}", self.place)));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.bar.finish_and_clear();
        let (lines, known, name) = (self.hand.last(), self.known, &self.id);
        if known > lines {
            let hint = "they were not compared to the end; give them a name of their own with --id";
            return Err((NO, format!("{name}: the daemon knows {known} lines, these are {lines}: {hint}")));
        }
        Ok(Sent {
            id: self.id.to_string(),
            lines,
            known_before: known,
            rejected: self.rejected,
            connections: self.connections,
            place: self.place,
        })
    }

    /// Sends over one connection: what is in hand again, then the rest.
    fn connection(&mut self) -> Outcome {
        let greeting = Greeting { id: Some(self.id.clone()), from: self.hand.first() };
        let mut link = match Link::open(&self.place, &greeting) {
            Ok(link) => link,
            Err(error) => return Outcome::Again(error.to_string()),
        };
        let heard = link.wait(SILENCE, |heard| heard.granted.is_some() || heard.end.is_some());
        match heard.granted {
            Some(number) if self.connections == 0 => self.known = number,
            Some(_) => {}
            None => return self.ended(&heard),
        }
        self.connections += 1;
        let sent = self.hand.pieces().all(|piece| link.send(piece));
        match sent.then(|| self.rest(&mut link)) {
            Some(Err(why)) => return Outcome::Failed((TROUBLE, why)),
            Some(Ok(true)) => link.half_close(),
            Some(Ok(false)) | None => {}
        }
        let mut acked = 0;
        loop {
            let heard = link.wait(SILENCE, |heard| heard.end.is_some() || heard.acked > acked);
            self.hand.acked(heard.acked);
            if heard.end.is_some() || heard.acked <= acked {
                self.rejected += heard.rejected;
                return self.ended(&heard);
            }
            acked = heard.acked;
        }
    }

    /// Sends what was not sent yet. Whether all of it is sent.
    fn rest(&mut self, link: &mut Link) -> Result<bool, String> {
        while let Some(piece) = self.input.next()? {
            self.hand.push(piece);
            if !link.send(self.hand.newest()) {
                return Ok(false);
            }
            self.hand.acked(link.heard().acked);
            while self.hand.bytes() > MOST_IN_HAND {
                let before = link.heard().acked;
                let heard = link.wait(SILENCE, |heard| heard.acked > before || heard.end.is_some());
                self.hand.acked(heard.acked);
                if heard.end.is_some() || heard.acked == before {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn ended(&mut self, heard: &Heard) -> Outcome {
        let (name, no) = (&self.id, |why: String| Outcome::Failed((NO, why)));
        match &heard.end {
            Some(End::Bye(bye)) if bye.number >= self.hand.last() => {
                self.rejected = self.rejected.max(bye.rejected);
                Outcome::Done
            }
            Some(End::Bye(bye)) => Outcome::Again(format!("it ended after line {}", bye.number)),
            Some(End::Broken(why)) => Outcome::Again(why.clone()),
            None => Outcome::Again("the daemon does not answer".to_owned()),
            Some(End::Refused(refusal)) => match refusal {
                Refusal::Gap(number) if self.hand.first() > 1 => self.begin_again(*number),
                Refusal::Gap(number) => no(format!("{name}: the daemon knows it up to line {number} only")),
                Refusal::Fenced => {
                    no(format!("{name}: somebody else sends under this name; give another --id"))
                }
                Refusal::Diverged(number) => no(format!(
                    "{name}: lines up to {number} are not those that were counted under this name; nothing of \
                     this was counted; give these lines a name of their own with --id"
                )),
                Refusal::TooManyIds => no("the daemon remembers too many names; use fewer --id".to_owned()),
                Refusal::NotAcked => {
                    Outcome::Failed((USAGE, format!("{}: this source has ack = false", self.place)))
                }
                Refusal::BadGreeting => no("the daemon does not understand the greeting".to_owned()),
            },
        }
    }

    /// The daemon has forgotten lines that it had acknowledged. Files can be read again.
    fn begin_again(&mut self, number: u64) -> Outcome {
        let forgot = format!("it has forgotten lines behind {number}");
        if self.files == [PathBuf::from("-")] {
            return Outcome::Failed((TROUBLE, format!("{forgot}, and standard input can't be read again")));
        }
        self.hand = InHand::default();
        self.bar.reset();
        self.input = Input::new(&self.files, self.bar.clone());
        Outcome::Again(format!("{forgot}: beginning again"))
    }
}

impl Sent {
    fn tell(&self, json: bool) {
        if json {
            println!("{}", serde_json::json!(self));
            return;
        }
        let Sent { id, lines, known_before, rejected, place, .. } = self;
        let new = lines - known_before;
        println!("{lines} lines are safe at {place} as {id}: {new} new, {known_before} known before");
        if *rejected > 0 {
            println!(
                "{rejected} or more were refused; their reasons: ebbd status, and rejects/ in the data directory"
            );
        }
    }
}

fn configured(named: Option<&Path>) -> Result<Place, Failure> {
    let config = Config::load(named).map_err(|error| (USAGE, error.to_string()))?;
    let none = "no source of the configuration acknowledges; say --to PATH or --to HOST:PORT";
    Place::of(&config).ok_or_else(|| (USAGE, none.to_owned()))
}

/// A name that nobody else has.
fn new_name() -> String {
    use std::hash::{BuildHasher, RandomState};
    let word = || RandomState::new().hash_one(std::time::SystemTime::now());
    format!("send-{:016x}{:016x}", word(), word())
}

/// Progress for a person who watches.
fn bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, look) = match bytes {
        0 => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}"),
        _ => (ProgressBar::new(bytes), "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
    };
    bar.with_style(ProgressStyle::with_template(look).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
