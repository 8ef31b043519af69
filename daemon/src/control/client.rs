//! A command's end of the control socket: asks one thing, waits for the answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{Answer, Request, value_of};

/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer, in bytes.
const ANSWER_BYTES: u64 = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody answers.
    #[error("no daemon answers at {}: {why}", path.display())]
    Unreachable {
        /// The control socket's path.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// Something answers, but not as ebbd does.
    #[error("what answers at {} is not understood: {why}", path.display())]
    Strange {
        /// The control socket's path.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The daemon says no.
    #[error("{0}")]
    Refused(String),
}

/// Asks the daemon at `path`.
///
/// # Errors
/// See [`CallError`].
pub fn call(path: &Path, request: &Request) -> Result<Value, CallError> {
    let text = ask(path, request).map_err(|why| CallError::Unreachable { path: path.to_owned(), why })?;
    let strange = |why: String| CallError::Strange { path: path.to_owned(), why };
    let answer: Answer = serde_json::from_str(&text).map_err(|why| strange(why.to_string()))?;
    if answer.ok {
        return Ok(answer.result);
    }
    let error = answer.error.unwrap_or_else(|| "no reason given".to_owned());
    Err(if answer.code.as_deref() == Some("bad_request") {
        strange(error)
    } else {
        CallError::Refused(error)
    })
}

fn ask(path: &Path, request: &Request) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // A daemon that turns somebody down says so and closes, maybe before it is asked.
    let asked = stream.write_all((value_of(request).to_string() + "\n").as_bytes());
    let mut text = String::new();
    BufReader::new(stream.take(ANSWER_BYTES)).read_line(&mut text)?;
    if text.is_empty() {
        asked?;
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
    }
    Ok(text)
}
