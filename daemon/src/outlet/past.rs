//! What is asked of times before the board's memory: somebody else reads it, one question after the other.

use std::ops::Range;
use std::sync::Arc;

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::model::{Minute, Slice};
use tokio::sync::Semaphore;

use super::board::Point;

/// Who knows the past. Called on one of tokio's blocking threads.
pub trait Past: Send + Sync {
    /// The minutes of a slice as far as they are known, ascending.
    fn minutes(&self, stream: &str, slice: &Slice, minutes: Range<Minute>) -> Arc<[Point]>;

    /// The records of alarm `no`, oldest first; none if there is no such alarm.
    fn alarm(&self, no: u64) -> Vec<AlarmRecord>;
}

/// Asks it. Reading may take a while: whoever asks waits in line, and other answers have their threads.
#[derive(Clone)]
pub(super) struct Asked {
    past: Arc<dyn Past>,
    turn: Arc<Semaphore>,
}

impl Asked {
    pub(super) fn new(past: Arc<dyn Past>) -> Asked {
        Asked { past, turn: Arc::new(Semaphore::new(1)) }
    }

    pub(super) async fn minutes(&self, stream: &str, slice: &Slice, minutes: Range<Minute>) -> Arc<[Point]> {
        if minutes.is_empty() {
            return Arc::default();
        }
        let (stream, slice) = (stream.to_owned(), slice.clone());
        self.ask(move |past| past.minutes(&stream, &slice, minutes)).await
    }

    pub(super) async fn alarm(&self, no: u64) -> Vec<AlarmRecord> {
        self.ask(move |past| past.alarm(no)).await
    }

    async fn ask<T: Default + Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Past) -> T + Send + 'static,
    ) -> T {
        let _turn = self.turn.acquire().await;
        let past = Arc::clone(&self.past);
        tokio::task::spawn_blocking(move || question(&*past)).await.unwrap_or_default()
    }
}
