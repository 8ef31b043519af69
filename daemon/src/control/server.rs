//! The daemon's end of the control socket.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::{Answer, ControlHandler, Request};
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

/// Serves requests until `stop` becomes true.
pub async fn serve_control(
    listener: UnixListener,
    handler: Arc<dyn ControlHandler>,
    telemetry: Arc<Telemetry>,
    mut stop: watch::Receiver<bool>,
) {
    let open = Arc::new(AtomicUsize::new(0));
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
        let session = Session { handler: Arc::clone(&handler), telemetry: Arc::clone(&telemetry) };
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
    handler: Arc<dyn ControlHandler>,
    telemetry: Arc<Telemetry>,
}

impl Session {
    async fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        let peer = stream.peer_cred()?;
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
            let answer = if whole { self.answer(&line, &peer).await } else { too_long() };
            self.telemetry.control.requests.inc();
            self.telemetry.control.refused.add(u64::from(!answer.ok));
            let text = super::value_of(&answer).to_string() + "\n";
            tokio::time::timeout(IDLE, output.write_all(text.as_bytes())).await??;
            if !whole {
                return skip_rest(&mut input, &mut line).await;
            }
        }
    }

    async fn answer(&self, line: &[u8], peer: &UCred) -> Answer {
        let request: Request = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(why) => return Answer::not_done("bad_request", format!("not understood: {why}")),
        };
        let (name, changes) = (request.name(), request.changes());
        let handler = Arc::clone(&self.handler);
        let carried_out = tokio::task::spawn_blocking(move || request.answer(&*handler)).await;
        let outcome = match &carried_out {
            Ok(Ok(_)) => "done",
            Ok(Err(_)) => "refused",
            Err(_) => "failed",
        };
        let (uid, gid, pid) = (peer.uid(), peer.gid(), peer.pid().unwrap_or(0));
        if changes {
            tracing::info!(request = name, uid, gid, pid, outcome, "control");
        } else {
            tracing::debug!(request = name, uid, gid, pid, outcome, "control");
        }
        match carried_out {
            Ok(Ok(result)) => Answer::done(result),
            Ok(Err(refusal)) => Answer::not_done("refused", refusal.0),
            Err(_) => Answer::not_done("failed", "the daemon could not carry it out; see its log".to_owned()),
        }
    }
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
