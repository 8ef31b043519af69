//! The journal without its thread, for tests that have to come out the same each time: whoever appends
//! does the work at once.
//!
//! In: requests, one at a time. Out: what the thread would have done with each alone. Must not know: why.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::log::SegmentLog;
use super::thread::{JournalHandle, Request, Running, Writer};

thread_local! {
    static WANTED: Cell<bool> = const { Cell::new(false) };
}

/// From now on journals that begin in this thread have none of their own.
pub(crate) fn want_inline() {
    WANTED.set(true);
}

/// Whether that was said.
pub(crate) fn is_inline() -> bool {
    WANTED.get()
}

/// A writer without a thread.
#[derive(Clone)]
pub(super) struct Inline(Arc<Mutex<Parts>>);

struct Parts {
    writer: Option<Writer>,
    /// Nothing ever comes here.
    requests: Receiver<Request>,
    end: Sender<SegmentLog>,
}

impl Inline {
    /// Makes `running`'s work be done by whoever asks for it.
    pub(super) fn running(mut handle: JournalHandle, writer: Writer, requests: Receiver<Request>) -> Running {
        let (end, ended) = bounded(1);
        let parts = Parts { writer: Some(writer), requests, end };
        handle.inline = Some(Inline(Arc::new(Mutex::new(parts))));
        let wait = move || ended.recv().unwrap_or_else(|_| std::panic::resume_unwind(Box::new(())));
        Running { handle, thread: thread::spawn(wait) }
    }

    /// Does what is asked for; without anything, what time has made due.
    pub(super) fn serve(&self, request: Option<Request>) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Parts { writer, requests, end } = &mut *parts;
        let next = request.ok_or(RecvTimeoutError::Timeout);
        if writer.as_mut().is_some_and(|writer| writer.turn(next, requests)) {
            let log = writer.take().map(Writer::into_log).expect("it has just taken its turn");
            end.send(log).expect("somebody waits for the end");
        }
    }
}

impl JournalHandle {
    /// Does what time has made due.
    pub(crate) fn look(&self) {
        self.inline.iter().for_each(|inline| inline.serve(None));
    }
}
