//! A service manager as far as the daemon notices: it holds listeners and hands them to every start, hears what it
//! is told, and keeps the connections that it is given.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::support::{EBBD, PATIENCE, Place, Running, eventually};

/// It.
pub struct Supervisor {
    listeners: Vec<(String, OwnedFd)>,
    heard: Arc<Heard>,
    socket: PathBuf,
}

/// What it heard.
#[derive(Default)]
struct Heard {
    kept: Mutex<Vec<(String, OwnedFd)>>,
    ever_kept: AtomicU64,
    ready: AtomicU64,
    asked: AtomicU64,
}

impl Supervisor {
    /// One that holds these listeners, and is told at a socket in `place`.
    pub fn new(place: &Place, listeners: Vec<(String, OwnedFd)>) -> Supervisor {
        let path = place.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let heard = Arc::new(Heard::default());
        let hearing = Arc::clone(&heard);
        // It ends with the process.
        thread::spawn(move || loop_of(&socket, &hearing));
        Supervisor { listeners, heard, socket: path }
    }

    /// Starts the daemon with what it holds and keeps; waits until it is ready.
    pub fn start(&self, place: &Place) -> Running {
        self.hear_all();
        let kept = self.heard.kept.lock().unwrap();
        let sockets: Vec<(&str, BorrowedFd<'_>)> =
            self.listeners.iter().chain(kept.iter()).map(|(name, fd)| (name.as_str(), fd.as_fd())).collect();
        let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut command = Command::new(root.join(".venv/bin/python"));
        command.arg(root.join("tests/python/inherit.py")).arg(names.join(":"));
        command.args([EBBD, "run", "-c"]).arg(place.config());
        command.env("NOTIFY_SOCKET", place.path("notify")).env("FDSTORE", "1024");
        let (ours, theirs) = UnixStream::pair().unwrap();
        let running = place.spawn_by(command, Stdio::from(OwnedFd::from(theirs)));
        for (_, fd) in &sockets {
            hand_over(&ours, *fd);
        }
        drop(kept);
        place.when_ready(running)
    }

    /// Waits until everything is heard that was said so far.
    pub fn hear_all(&self) {
        let before = self.heard.asked.load(Ordering::Relaxed);
        UnixDatagram::unbound().unwrap().send_to(b"ASKED=1", &self.socket).unwrap();
        eventually("all is heard", PATIENCE, || self.heard.asked.load(Ordering::Relaxed) > before);
    }

    /// How many connections it keeps now.
    pub fn kept(&self) -> usize {
        self.heard.kept.lock().unwrap().len()
    }

    /// How many connections it was ever given.
    pub fn ever_kept(&self) -> u64 {
        self.heard.ever_kept.load(Ordering::Relaxed)
    }

    /// How often it heard that the daemon is ready.
    pub fn ready(&self) -> u64 {
        self.heard.ready.load(Ordering::Relaxed)
    }
}

fn hand_over(to: &UnixStream, fd: BorrowedFd<'_>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(to, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
}

fn loop_of(socket: &UnixDatagram, heard: &Heard) {
    loop {
        let mut text = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let Ok(message) = recvmsg(socket, &mut [IoSliceMut::new(&mut text)], &mut control, flags) else {
            return;
        };
        let fds: Vec<OwnedFd> = control
            .drain()
            .flat_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
                _ => Vec::new(),
            })
            .collect();
        heard.take(&String::from_utf8_lossy(&text[..message.bytes]), fds);
    }
}

impl Heard {
    fn take(&self, text: &str, fds: Vec<OwnedFd>) {
        let is_said = |line: &str| text.lines().any(|said| said == line);
        let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored").to_owned();
        self.ready.fetch_add(u64::from(is_said("READY=1")), Ordering::Relaxed);
        let mut kept = self.kept.lock().unwrap();
        if is_said("FDSTORE=1") {
            assert!(is_said("FDPOLL=0"), "else it would look whether the other end is there");
            assert!(name.len() < 256 && name.bytes().all(|b| b.is_ascii_graphic() && b != b':'), "{name}");
            self.ever_kept.fetch_add(fds.len() as u64, Ordering::Relaxed);
            kept.extend(fds.into_iter().map(|fd| (name.clone(), fd)));
        }
        if is_said("FDSTOREREMOVE=1") {
            kept.retain(|(of, _)| *of != name);
        }
        self.asked.fetch_add(u64::from(is_said("ASKED=1")), Ordering::Relaxed);
    }
}
