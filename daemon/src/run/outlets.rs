//! The outlets of a daemon: bound early, so that an address in use is told at once; served when all is ready.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use ebbd_core::alarm::AlarmRecord;

use super::control::Handler;
use super::past::StoredPast;
use super::recover::Recovered;
use super::view::View;
use super::{StartError, trying};
use crate::commit::CommitRequest;
use crate::config::{Config, SocketPath};
use crate::control::{Admission, serve_control};
use crate::judge::AlarmSink;
use crate::outlet::{
    AlarmHub, AlarmSocketOptions, HttpOutlet, Outlets as Runtime, Senders, Sending, bind_unix, unix_from_fd,
};
use crate::store::STAGE;
use crate::sys::{Inherited, ListenerKind};

/// Peers get this long to take what is pending at a stop.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Requests that wait for the committer at most.
const COMMIT_REQUESTS: usize = 64;

/// The daemon as those see it who outlive a change of its configuration.
pub(super) struct Present(Mutex<Arc<View>>);

impl Present {
    /// Its figures, as they are now.
    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<View>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The alarm socket, the control socket and HTTP.
pub(super) struct Outlets {
    runtime: Runtime,
    hub: Arc<AlarmHub>,
    present: Arc<Present>,
    /// What the committer is asked; it waits while there is none.
    requests: (Sender<CommitRequest>, Receiver<CommitRequest>),
    listeners: Mutex<Option<Listeners>>,
    /// Outlets that send, and what they were started from.
    sending: Mutex<Option<(Arc<Config>, Sending)>>,
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
    /// Goes on with what was kept, or binds every listener and tells what earlier runs told.
    ///
    /// # Errors
    /// An address in use, a path not allowed, an unknown group.
    pub(super) fn kept_or_bound(
        kept: Option<Outlets>,
        config: &Config,
        view: &Arc<View>,
        inherited: &mut Inherited,
        state: &Recovered,
    ) -> Result<Outlets, StartError> {
        if let Some(outlets) = kept {
            // Its listeners are served: the service manager's copies are not left over.
            take_all(config, inherited);
            view.heartbeats(&outlets.hub);
            *outlets.present.lock() = Arc::clone(view);
            return Ok(outlets);
        }
        let outlets = Outlets::bind(config, view, inherited)?;
        outlets.hub.preload(&state.records);
        outlets.hub.set_newest(state.last_seq());
        Ok(outlets)
    }

    fn bind(config: &Config, view: &Arc<View>, inherited: &mut Inherited) -> Result<Outlets, StartError> {
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
        let (listeners, sending) = (Mutex::new(Some(listeners)), Mutex::default());
        view.heartbeats(&hub);
        let present = Arc::new(Present(Mutex::new(Arc::clone(view))));
        Ok(Outlets {
            runtime,
            hub,
            present,
            requests: bounded(COMMIT_REQUESTS),
            listeners,
            sending,
            http_address,
        })
    }

    /// Where the judge publishes.
    pub(super) fn sink(&self) -> Arc<dyn AlarmSink> {
        Arc::new(HubSink(Arc::clone(&self.hub)))
    }

    /// What the committer is asked.
    pub(super) fn requests(&self) -> Receiver<CommitRequest> {
        self.requests.1.clone()
    }

    /// Asks the committer.
    pub(super) fn ask(&self, request: CommitRequest) {
        // The other end is kept here, too.
        let _ = self.requests.0.send(request);
    }

    /// The address HTTP is bound to.
    pub(super) fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// Starts the outlets that send, unless the same are running.
    fn send(&self, config: &Arc<Config>) {
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = |config: &Config| (config.outlets.clone(), config.host.clone(), config.data_dir.clone());
        if sending.as_ref().is_some_and(|(old, _)| facts(old) == facts(config)) {
            return;
        }
        // Those of before end first, so that nothing is sent by both.
        *sending = None;
        let (view, notes) = (self.present.view(), config.data_dir.join(STAGE));
        let senders = Senders {
            outlets: &config.outlets,
            host: &config.host,
            notes: &notes,
            telemetry: view.telemetry(),
        };
        *sending = Some((Arc::clone(config), self.runtime.send(&senders)));
    }

    /// Begins to serve, unless that has begun.
    ///
    /// # Errors
    /// A listener cannot be handed to the runtime.
    pub(super) fn serve(&self, config: &Arc<Config>) -> Result<(), StartError> {
        self.send(config);
        let (present, requests) = (Arc::clone(&self.present), self.requests.0.clone());
        let handler = Handler { present, hub: Arc::clone(&self.hub), requests };
        let telemetry = Arc::clone(self.present.view().telemetry());
        let taken = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listeners) = taken else { return Ok(()) };
        let options = AlarmSocketOptions::default();
        trying("serving alarms", self.runtime.serve_alarms(listeners.alarms, options))?;
        if let Some(http) = listeners.http {
            let (present, hub) = (Arc::clone(&self.present), Arc::clone(&self.hub));
            let status = Arc::new(move || present.view().status(hub.boot()));
            let present = Arc::clone(&self.present);
            let figures = Arc::new(move || Arc::clone(present.view().telemetry()));
            let board = Arc::clone(self.present.view().board());
            let past = Arc::new(StoredPast::new(Arc::clone(&self.present)));
            let present = Arc::clone(&self.present);
            let names = Arc::new(move || Arc::clone(&present.view().config.http_names));
            let outlet = HttpOutlet::new(Arc::clone(&self.hub), board, figures, status, past, names);
            trying("serving HTTP", self.runtime.serve_http(http, outlet))?;
        }
        let stop = self.runtime.stopping();
        let control =
            |listener| serve_control(listener, listeners.admission, Arc::new(handler), telemetry, stop);
        trying("serving control", self.runtime.serve_unix(listeners.control, control))
    }

    /// Says the last words and ends.
    pub(super) fn stop(self) {
        self.runtime.stop(LAST_WORDS);
    }
}

/// Whether all that subscribers and people connect to is where it was.
pub(super) fn are_same(old: &Config, new: &Config) -> bool {
    (&old.alarms, &old.control, old.http) == (&new.alarms, &new.control, new.http)
}

/// Tries whether the listeners that `old` has not could be bound.
///
/// # Errors
/// What could not be had.
pub(super) fn probe(old: &Config, new: &Config, inherited: &mut Inherited) -> Result<(), StartError> {
    let own = [&old.alarms.path, &old.control.path];
    for (what, socket) in [("alarms", &new.alarms), ("control", &new.control)] {
        if !own.contains(&&socket.path) {
            bind_path(what, socket, inherited)?;
        }
    }
    let http = new.http.filter(|_| new.http != old.http);
    http.map(|address| bind_http(address, inherited)).transpose().map(drop)
}

/// Takes the inherited listeners of all outlets and closes them.
fn take_all(config: &Config, inherited: &mut Inherited) {
    for socket in [&config.alarms, &config.control] {
        inherited.take_path(ListenerKind::Stream, &socket.path);
    }
    config.http.and_then(|address| inherited.take_address(ListenerKind::Stream, &[address]));
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
