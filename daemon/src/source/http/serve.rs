//! The runtime that reads requests and waits for their answers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use ebbd_core::model::StreamId;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::feed::Feed;
use super::Settings;
use super::handover::Intray;
use super::listener::{Limited, RequestPatience};
use super::routes::{self, Desk};

/// Threads that read and answer.
const THREADS: usize = 2;
/// Threads that unpack.
const BLOCKING_THREADS: usize = 2;

/// The running server.
pub(super) struct Server {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Begins to serve.
    ///
    /// # Errors
    /// The threads can't be started, the listener can't be polled.
    pub(super) fn start(settings: Settings, intray: Intray, feed: &Feed) -> io::Result<Server> {
        let Settings { listener, connections, token, streams: allowed, patience } = settings;
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name(format!("http-{}", feed.name))
            .enable_all()
            .build()?;
        listener.set_nonblocking(true)?;
        let inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        drop(inside);
        let streams = feed.intake.streams.iter().zip(0..).map(|(name, at)| (name.clone(), StreamId(at)));
        let is_allowed = |id: &StreamId| allowed.as_ref().is_none_or(|allowed| allowed.contains(id));
        let streams: BTreeMap<_, _> = streams.filter(|(_, id)| is_allowed(id)).collect();
        let desk = Desk {
            intray,
            room: Arc::default(),
            token: token.map(Arc::new),
            streams: Arc::new(streams),
            counters: Arc::clone(&feed.counters),
            patience,
        };
        let (stop, stopping) = watch::channel(false);
        let listener = Limited::new(listener, connections, patience, feed.clone());
        let task = runtime.spawn(serve(listener, desk, stopping, Arc::clone(&feed.name)));
        Ok(Server { runtime, stop, task })
    }

    /// Nothing new is accepted; requests that are here are answered.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether the last answer is said.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends, whoever is still there.
    pub(super) fn end(self) {
        self.runtime.shutdown_background();
    }
}

async fn serve(listener: Limited, desk: Desk, mut stopping: watch::Receiver<bool>, name: Arc<str>) {
    let service = routes::router(desk).into_make_service_with_connect_info::<RequestPatience>();
    let stopped = async move {
        // Gone or true: it is over.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stopped).await {
        tracing::error!(source = &*name, "http: {error}");
    }
}
