//! The daemon's end of the control socket.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::{Admission, Answer, ControlHandler, Request};
use crate::sys::{Peer, peer_credentials, peer_groups};
use crate::telemetry::{Seldom, Telemetry};

/// Connections at a time; further ones are closed.
const CONNECTIONS_MAX: usize = 64;
/// Longest request, in bytes.
const LINE_BYTES: u64 = 64 << 10;
/// Of a longer request up to so many times that is taken and thrown away.
const SKIPPED_MAX: usize = 16;
/// Each of these has to come within this time.
const SKIP_FOR: Duration = Duration::from_secs(1);
/// A connection that asks nothing or takes no answer for this long is closed.
const IDLE: Duration = Duration::from_secs(60);

/// Serves requests of whom `admission` allows until `stop` becomes true.
pub async fn serve_control(
    listener: UnixListener,
    admission: Admission,
    handler: Arc<dyn ControlHandler>,
    telemetry: Arc<Telemetry>,
    mut stop: watch::Receiver<bool>,
) {
    let open = Arc::new(AtomicUsize::new(0));
    let admission = Arc::new(admission);
    let mut complaint = Seldom::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if complaint.is_due(Instant::now()) {
                    tracing::warn!("control socket: cannot accept: {error}");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if open.fetch_add(1, AcqRel) >= CONNECTIONS_MAX {
            open.fetch_sub(1, AcqRel);
            telemetry.control.refused.inc();
            continue;
        }
        let (handler, telemetry) = (Arc::clone(&handler), Arc::clone(&telemetry));
        let session = Session { admission: Arc::clone(&admission), handler, telemetry };
        let (open, mut stop) = (Arc::clone(&open), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                ended = session.serve(stream) => {
                    if let Err(error) = ended {
                        tracing::debug!("control socket: a connection ended: {error}");
                    }
                }
                _ = stop.wait_for(|stop| *stop) => {}
            }
            open.fetch_sub(1, AcqRel);
        });
    }
}

struct Session {
    admission: Arc<Admission>,
    handler: Arc<dyn ControlHandler>,
    telemetry: Arc<Telemetry>,
}

impl Session {
    async fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        let peer = peer_credentials(&stream)?;
        // A peer whose groups cannot be told has none.
        if !self.admission.allows(peer, &peer_groups(&stream).unwrap_or_default()) {
            return self.turn_down(&mut stream, peer).await;
        }
        let (input, mut output) = stream.split();
        let mut input = BufReader::new(input);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = (&mut input).take(LINE_BYTES);
            let read = tokio::time::timeout(IDLE, bounded.read_until(b'\n', &mut line)).await??;
            if read == 0 {
                return Ok(());
            }
            let whole = line.ends_with(b"\n") || (line.len() as u64) < LINE_BYTES;
            if line.trim_ascii().is_empty() && whole {
                continue;
            }
            let answer = if whole { self.answer(&line, peer).await } else { too_long() };
            self.telemetry.control.requests.inc();
            self.telemetry.control.refused.add(u64::from(!answer.ok));
            say(&mut output, &answer).await?;
            if !whole {
                return skip_rest(&mut input, &mut line).await;
            }
        }
    }

    /// Lets a peer that may not ask say what it wants, or its writing might fail and it never see the answer.
    async fn turn_down(&self, stream: &mut UnixStream, peer: Peer) -> io::Result<()> {
        let answer = Answer::not_done("not_allowed", self.admission.turn_down(peer));
        self.telemetry.control.refused.inc();
        let mut asked = BufReader::new(&mut *stream).take(LINE_BYTES);
        let _ = tokio::time::timeout(SKIP_FOR, asked.read_until(b'\n', &mut Vec::new())).await;
        say(stream, &answer).await
    }

    async fn answer(&self, line: &[u8], peer: Peer) -> Answer {
        let request: Request = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(why) => {
                audit("not understood", "", true, peer, "refused");
                return Answer::not_done("bad_request", format!("not understood: {why}"));
            }
        };
        let (name, about, changes) = (request.name(), request.about(), request.changes());
        let handler = Arc::clone(&self.handler);
        let carried_out = tokio::task::spawn_blocking(move || request.answer(&*handler)).await;
        let outcome = match &carried_out {
            Ok(Ok(_)) => "done",
            Ok(Err(_)) => "refused",
            Err(_) => "failed",
        };
        audit(name, &about, changes, peer, outcome);
        match carried_out {
            Ok(Ok(result)) => Answer::done(result),
            Ok(Err(refusal)) => Answer::not_done("refused", refusal.0),
            Err(_) => Answer::not_done("failed", "the daemon could not carry it out; see its log".to_owned()),
        }
    }
}

/// Logs who asked what and what came of it; looking on is logged where more is asked for.
fn audit(request: &str, about: &str, changes: bool, peer: Peer, outcome: &str) {
    let Peer { uid, gid, pid } = peer;
    if changes {
        tracing::info!(request, about, uid, gid, pid, outcome, "control");
    } else {
        tracing::debug!(request, uid, gid, pid, outcome, "control");
    }
}

async fn say(output: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> io::Result<()> {
    let text = super::value_of(answer).to_string() + "\n";
    tokio::time::timeout(IDLE, output.write_all(text.as_bytes())).await?
}

/// Takes the rest of a line that was too long: if the connection were closed before, its sender might
/// fail to write and never see the answer. Not for ever, and no more than there is to skip.
async fn skip_rest(input: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<()> {
    for _ in 0..SKIPPED_MAX {
        line.clear();
        let mut bounded = (&mut *input).take(LINE_BYTES);
        let read = tokio::time::timeout(SKIP_FOR, bounded.read_until(b'\n', line)).await??;
        if read == 0 || line.ends_with(b"\n") {
            break;
        }
    }
    Ok(())
}

fn too_long() -> Answer {
    Answer::not_done("bad_request", format!("a request is at most {LINE_BYTES} bytes long"))
}
