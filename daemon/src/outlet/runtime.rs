//! tokio's threads, for everything that talks to subscribers and people. Data never comes here.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::alarm_socket::{AlarmSocketOptions, serve_alarms};
use super::http::{HttpOutlet, serve_http};
use super::hub::AlarmHub;
use crate::telemetry::Telemetry;

/// Threads that serve subscribers, HTTP and control.
const THREADS: usize = 2;
/// Threads for answers that wait for something, such as a status report.
const BLOCKING_THREADS: usize = 4;

/// The running outlets.
#[derive(Debug)]
pub struct Outlets {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    hub: Arc<AlarmHub>,
    telemetry: Arc<Telemetry>,
}

impl Outlets {
    /// Starts the threads and the hub's task; nothing is served yet.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn start(hub: Arc<AlarmHub>, telemetry: Arc<Telemetry>) -> io::Result<Outlets> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("ebbd-outlet")
            .enable_all()
            .build()?;
        let pumped = Arc::clone(&hub);
        runtime.spawn(async move { pumped.pump().await });
        Ok(Outlets { runtime, stop: watch::Sender::new(false), hub, telemetry })
    }

    /// Serves the alarm socket.
    ///
    /// # Errors
    /// The listener cannot be handed to tokio.
    pub fn serve_alarms(&self, listener: UnixListener, options: AlarmSocketOptions) -> io::Result<()> {
        let (hub, telemetry) = (Arc::clone(&self.hub), Arc::clone(&self.telemetry));
        self.serve_unix(listener, |listener| serve_alarms(listener, hub, telemetry, options, self.stopping()))
    }

    /// Serves a UNIX listener by the task that `serve` makes.
    ///
    /// # Errors
    /// The listener cannot be handed to tokio.
    pub fn serve_unix<Task: Future<Output = ()> + Send + 'static>(
        &self,
        listener: UnixListener,
        serve: impl FnOnce(tokio::net::UnixListener) -> Task,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let _inside = self.runtime.enter();
        let listener = tokio::net::UnixListener::from_std(listener)?;
        self.runtime.spawn(serve(listener));
        Ok(())
    }

    /// Serves HTTP.
    ///
    /// # Errors
    /// The listener cannot be handed to tokio.
    pub fn serve_http(&self, listener: TcpListener, outlet: HttpOutlet) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let _inside = self.runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        self.runtime.spawn(serve_http(listener, outlet, self.stopping()));
        Ok(())
    }

    /// Runs a task until it ends or is ended.
    pub(super) fn spawn<Task: Future<Output = ()> + Send + 'static>(&self, task: Task) -> AbortHandle {
        self.runtime.spawn(task).abort_handle()
    }

    /// Where the records are.
    pub(super) fn hub(&self) -> &Arc<AlarmHub> {
        &self.hub
    }

    /// Becomes true when the outlets stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Sends what is pending as far as peers take it and ends, within `within`.
    pub fn stop(self, within: Duration) {
        self.hub.drain();
        self.stop.send_replace(true);
        // Everybody who serves holds a receiver: when the last one is gone, all has been said.
        self.runtime.block_on(async {
            let _ = tokio::time::timeout(within, self.stop.closed()).await;
        });
        self.runtime.shutdown_background();
    }
}
