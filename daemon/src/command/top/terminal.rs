//! The terminal while it is drawn on: another screen, keys without Enter, and everything as it was before however
//! this ends, short of SIGKILL.
//!
//! In: lines. Out: what is drawn, keys. Must not know: what the lines say.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};

/// The other screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
/// Back to what was there before.
const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[?1049l";
/// Without an answer to how large it is.
const USUAL: (usize, usize) = (80, 24);

/// What happened while it was waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The time is over.
    Nothing,
    /// It has another size.
    Resized,
    /// Somebody has seen enough.
    Quit,
}

/// The terminal. It is as it was before once this is dropped.
pub(super) struct Terminal {
    before: Termios,
    ended: Arc<AtomicBool>,
    resized: Arc<AtomicBool>,
    signals: Vec<signal_hook::SigId>,
}

impl Terminal {
    /// Takes it over.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn open() -> io::Result<Terminal> {
        let before = tcgetattr(io::stdin())?;
        let (ended, resized) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut signals = Vec::new();
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signals.push(signal_hook::flag::register(signal, Arc::clone(&ended))?);
        }
        signals.push(signal_hook::flag::register(SIGWINCH, Arc::clone(&resized))?);
        let terminal = Terminal { before, ended, resized, signals };
        let mut modes = terminal.before.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        // Stopped half-way it would leave its screen behind: Ctrl-Z does nothing.
        modes.special_codes[SpecialCodeIndex::VSUSP] = 0;
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        say(ENTER)?;
        Ok(terminal)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => USUAL,
        }
    }

    /// Draws these lines and nothing else.
    ///
    /// # Errors
    /// Nobody looks any more.
    pub(super) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        // Line by line over what was there: a screen that is cleared first flickers.
        let body: Vec<String> = lines.iter().map(|line| format!("{line}\x1b[0m\x1b[K")).collect();
        say(&format!("\x1b[H{}\x1b[J", body.join("\r\n")))
    }

    /// Waits for a key, a signal, or for so long.
    pub(super) fn wait(&mut self, time: Duration) -> Heard {
        let time = Timespec::try_from(time).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let stdin = io::stdin();
        let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
        // A signal ends it, too.
        let ready = !self.ended.load(Ordering::Acquire) && poll(&mut asked, Some(&time)).is_ok_and(|n| n > 0);
        if self.ended.load(Ordering::Acquire) || (ready && is_end(&asked[0].revents())) {
            return Heard::Quit;
        }
        if self.resized.swap(false, Ordering::AcqRel) {
            return Heard::Resized;
        }
        // Another key: it is drawn anew at once.
        Heard::Nothing
    }
}

/// Whether the keys that wait ask for the end, or nobody is there to press one.
fn is_end(events: &PollFlags) -> bool {
    let mut keys = [0; 64];
    match rustix::io::read(io::stdin(), &mut keys) {
        Ok(0) => events.intersects(PollFlags::HUP | PollFlags::ERR),
        // An arrow is an escape with more behind it.
        Ok(1) => matches!(keys[0], b'q' | b'Q' | 0x1b | 0x03 | 0x04),
        Ok(n) => keys[..n].iter().any(|key| matches!(key, b'q' | b'Q' | 0x03)) && keys[0] != 0x1b,
        Err(error) => error != rustix::io::Errno::INTR,
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // If it is gone there is nobody to give it back to.
        let _ = say(LEAVE);
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        self.signals.drain(..).for_each(|id| _ = signal_hook::low_level::unregister(id));
    }
}
