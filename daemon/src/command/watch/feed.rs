//! The alarm socket as a watcher sees it: lines, silence, the end.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

/// How long one look at the socket waits.
const LOOK: Duration = Duration::from_millis(250);
/// A longer line is none that ebbd sends.
const LINE_BYTES: usize = 16 << 20;

/// What a look at the socket brought.
pub(super) enum Heard {
    /// A line, without its end.
    Line(String),
    /// Nothing for now.
    Nothing,
    /// The connection has ended, and why if that is known.
    End(Option<io::Error>),
}

/// What a watcher needs of a line. Everything may be missing: later versions of ebbd may send types
/// that this one does not know.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) seq: u64,
    pub(super) newest: u64,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) snapshot: bool,
    pub(super) notify: String,
    pub(super) state: String,
    pub(super) text: String,
}

/// A connection to the alarm socket.
#[derive(Debug)]
pub(super) struct Feed {
    stream: UnixStream,
    buffer: Vec<u8>,
    searched: usize,
}

impl Feed {
    /// Connects and asks for the records after `since`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(super) fn connect(path: &Path, since: Option<u64>) -> io::Result<Feed> {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(LOOK))?;
        // Without a cursor the line says so at once, so that the snapshot need not wait for it.
        let request = serde_json::json!({"since": since});
        stream.write_all(format!("{request}\n").as_bytes())?;
        Ok(Feed { stream, buffer: Vec::new(), searched: 0 })
    }

    /// The next line, or that there is none for now.
    pub(super) fn look(&mut self) -> Heard {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(self.searched + at + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                return Heard::Line(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_BYTES {
                return Heard::End(Some(io::Error::other("a line without an end; is this ebbd?")));
            }
            let mut bytes = [0; 16 << 10];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Heard::End(None),
                Ok(read) => self.buffer.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Heard::Nothing;
                }
                Err(error) => return Heard::End(Some(error)),
            }
        }
    }
}
