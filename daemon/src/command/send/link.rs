//! One connection to a daemon: the greeting out, lines out, answers in.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ebbd_core::decode::{Answer, Bye, Greeting, Refusal};

use super::place::{Place, Stream};

/// A longer answer than this is none of this protocol.
const LONGEST: u64 = 4096;

/// A greeted connection.
pub(super) struct Link {
    to: Stream,
    heard: Arc<Ear>,
    reader: Option<JoinHandle<()>>,
}

/// What was heard so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// The answer to the greeting.
    pub(super) granted: Option<u64>,
    /// The highest number that is safe.
    pub(super) acked: u64,
    /// Lines that were named as refused, the first of them with its reason.
    pub(super) rejected: u64,
    pub(super) first_rejected: Option<(u64, String)>,
    /// How it ended, once it has.
    pub(super) end: Option<End>,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All is said.
    Bye(Bye),
    /// The daemon will not have it.
    Refused(Refusal),
    /// It broke.
    Broken(String),
}

#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<Heard>,
    news: Condvar,
}

impl Ear {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.lock());
        self.news.notify_all();
    }
}

impl Link {
    /// Connects and greets.
    ///
    /// # Errors
    /// The daemon can't be reached.
    pub(super) fn open(place: &Place, greeting: &Greeting) -> io::Result<Link> {
        let mut to = place.connect()?;
        writeln!(to, "{greeting}")?;
        let (from, heard) = (to.try_clone()?, Arc::new(Ear::default()));
        let ear = Arc::clone(&heard);
        let reader =
            std::thread::Builder::new().name("send-answers".to_owned()).spawn(move || listen(from, &ear))?;
        Ok(Link { to, heard, reader: Some(reader) })
    }

    /// Sends bytes. `false` if the connection is over: [`Link::heard`] says how.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        if self.heard.lock().end.is_some() {
            return false;
        }
        match self.to.write_all(bytes) {
            Ok(()) => true,
            Err(error) => {
                // Why may be on its way: what was said before the end is still heard.
                let heard = self.wait(Duration::from_secs(2), |heard| heard.end.is_some());
                if heard.end.is_none() {
                    self.heard.hear(|heard| heard.end = Some(End::Broken(error.to_string())));
                }
                false
            }
        }
    }

    /// No line follows.
    pub(super) fn half_close(&self) {
        self.to.shutdown(Shutdown::Write);
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard.lock().clone()
    }

    /// Waits until what was heard is enough, or for so long.
    pub(super) fn wait(&self, patience: Duration, enough: impl Fn(&Heard) -> bool) -> Heard {
        let waiting = self.heard.news.wait_timeout_while(self.heard.lock(), patience, |heard| !enough(heard));
        waiting.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.to.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            // It ends with the connection; if it panicked, there is nothing more to hear.
            let _ = reader.join();
        }
    }
}

fn listen(from: Stream, ear: &Ear) {
    let mut from = BufReader::new(from);
    let end = loop {
        let mut line = String::new();
        match (&mut from).take(LONGEST).read_line(&mut line) {
            Err(error) => break End::Broken(error.to_string()),
            Ok(_) if !line.ends_with('\n') => break End::Broken("the daemon hung up".to_owned()),
            Ok(_) => {}
        }
        match Answer::read(&line) {
            Some(Answer::Ok(number)) => ear.hear(|heard| {
                heard.granted = Some(number);
                heard.acked = heard.acked.max(number);
            }),
            Some(Answer::Ack(number)) => ear.hear(|heard| heard.acked = heard.acked.max(number)),
            Some(Answer::Rejected(number, reason)) => ear.hear(|heard| {
                heard.rejected += 1;
                heard.first_rejected.get_or_insert((number, reason));
            }),
            Some(Answer::Bye(bye)) => {
                ear.hear(|heard| heard.acked = heard.acked.max(bye.number));
                break End::Bye(bye);
            }
            Some(Answer::Error(refusal)) => break End::Refused(refusal),
            // A later daemon may say more than this release understands.
            None => {}
        }
    };
    ear.hear(|heard| {
        heard.end.get_or_insert(end);
    });
}
