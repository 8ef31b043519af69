//! The outlets of a daemon: bound early, so that an address in use is told at once; served when all is ready.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam::channel::Sender;
use ebbd_core::alarm::AlarmRecord;

use super::control::Handler;
use super::recover::Recovered;
use super::view::View;
use super::{StartError, trying};
use crate::commit::CommitRequest;
use crate::config::{Config, SocketPath};
use crate::control::{Admission, serve_control};
use crate::judge::AlarmSink;
use crate::outlet::{AlarmHub, AlarmSocketOptions, HttpOutlet, Outlets as Runtime, bind_unix, unix_from_fd};
use crate::sys::{Inherited, ListenerKind};

/// Peers get this long to take what is pending at a stop.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The alarm socket, the control socket and HTTP.
pub(super) struct Outlets {
    runtime: Runtime,
    hub: Arc<AlarmHub>,
    view: Arc<View>,
    listeners: Mutex<Option<Listeners>>,
    http_address: Option<SocketAddr>,
}

struct Listeners {
    alarms: UnixListener,
    control: UnixListener,
    admission: Admission,
    http: Option<TcpListener>,
}

/// The hub as the judge sees it.
struct HubSink(Arc<AlarmHub>);

impl AlarmSink for HubSink {
    fn publish(&self, record: &AlarmRecord) {
        self.0.publish(record);
    }
}

impl Outlets {
    /// Binds every listener.
    ///
    /// # Errors
    /// An address in use, a path not allowed, an unknown group.
    pub(super) fn bind(
        config: &Config,
        view: &Arc<View>,
        inherited: &mut Inherited,
    ) -> Result<Outlets, StartError> {
        let hub = AlarmHub::new(Arc::clone(view.telemetry()));
        let http = config.http.map(|address| bind_http(address, inherited)).transpose()?;
        let http_address = http.as_ref().and_then(|listener| listener.local_addr().ok());
        let listeners = Listeners {
            alarms: bind_path("alarms", &config.alarms, inherited)?,
            control: bind_path("control", &config.control, inherited)?,
            admission: Admission::at(&config.control.path),
            http,
        };
        let runtime =
            trying("starting the outlets", Runtime::start(Arc::clone(&hub), Arc::clone(view.telemetry())))?;
        let listeners = Mutex::new(Some(listeners));
        view.heartbeats(&hub);
        Ok(Outlets { runtime, hub, view: Arc::clone(view), listeners, http_address })
    }

    /// Where the judge publishes.
    pub(super) fn sink(&self) -> Arc<dyn AlarmSink> {
        Arc::new(HubSink(Arc::clone(&self.hub)))
    }

    /// What earlier runs told.
    pub(super) fn preload(&self, state: &Recovered) {
        self.hub.preload(&state.records);
        self.hub.set_newest(state.last_seq());
    }

    /// The address HTTP is bound to.
    pub(super) fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// Begins to serve.
    ///
    /// # Errors
    /// A listener cannot be handed to the runtime.
    pub(super) fn serve(&self, requests: Sender<CommitRequest>) -> Result<(), StartError> {
        let handler = Handler { view: Arc::clone(&self.view), hub: Arc::clone(&self.hub), requests };
        let taken = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listeners) = taken else { return Ok(()) };
        let options = AlarmSocketOptions::default();
        trying("serving alarms", self.runtime.serve_alarms(listeners.alarms, options))?;
        if let Some(http) = listeners.http {
            let (view, hub) = (Arc::clone(&self.view), Arc::clone(&self.hub));
            let status = Arc::new(move || view.status(hub.boot()));
            let outlet = HttpOutlet::new(Arc::clone(&self.hub), Arc::clone(self.view.telemetry()), status);
            trying("serving HTTP", self.runtime.serve_http(http, outlet))?;
        }
        let (telemetry, stop) = (Arc::clone(self.view.telemetry()), self.runtime.stopping());
        let control =
            |listener| serve_control(listener, listeners.admission, Arc::new(handler), telemetry, stop);
        trying("serving control", self.runtime.serve_unix(listeners.control, control))
    }

    /// Says the last words and ends.
    pub(super) fn stop(self) {
        self.runtime.stop(LAST_WORDS);
    }
}

fn bind_path(what: &str, socket: &SocketPath, inherited: &mut Inherited) -> Result<UnixListener, StartError> {
    if let Some(fd) = inherited.take_path(ListenerKind::Stream, &socket.path) {
        return trying(format!("[{what}] listen"), unix_from_fd(fd));
    }
    bind_unix(&socket.path, socket.mode, socket.group.as_deref())
        .map_err(|error| StartError::Refused(format!("[{what}] listen: {error}")))
}

fn bind_http(address: SocketAddr, inherited: &mut Inherited) -> Result<TcpListener, StartError> {
    if let Some(fd) = inherited.take_address(ListenerKind::Stream, &[address]) {
        return Ok(TcpListener::from(fd));
    }
    TcpListener::bind(address).map_err(|error| {
        StartError::Refused(format!(
            "http = \"{address}\" can't be used: {error}; choose another address, or \"\" to turn HTTP off"
        ))
    })
}
