//! What can be asked of a running daemon over its control socket.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Sender, bounded};
use ebbd_core::aggregate::Order;
use ebbd_core::model::{Mark, SourceId, TimeUs};

use super::outlets::Present;
use crate::commit::CommitRequest;
use crate::control::{ControlHandler, Refusal};
use crate::outlet::AlarmHub;
use crate::telemetry::StatusReport;

/// A stage that does not answer for so long is in trouble.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers the control socket's requests by asking the stages.
pub(super) struct Handler {
    pub(super) present: Arc<Present>,
    pub(super) hub: Arc<AlarmHub>,
    pub(super) requests: Sender<CommitRequest>,
}

impl Handler {
    /// Gives an order to the committer; whether it was of use, once it is obeyed and durable.
    fn order(&self, order: Order) -> Result<bool, Refusal> {
        let (reply, answer) = bounded(1);
        let request: CommitRequest = Box::new(move |committer| committer.orders.push((order, Some(reply))));
        let busy = || Refusal("the committer does not answer; see the daemon's log".to_owned());
        self.requests.send_timeout(request, PATIENCE).map_err(|_| busy())?;
        answer.recv_timeout(PATIENCE).map_err(|_| busy())
    }

    /// `source`, `origin` or `source/origin` as a person says it.
    fn named(&self, name: &str) -> Result<(SourceId, String), Refusal> {
        let view = self.present.view();
        let source = |name: &str| {
            view.config.sources.iter().find(|source| source.spec.name == name).map(|source| source.spec.id)
        };
        if let Some(id) = source(name) {
            return Ok((id, String::new()));
        }
        if let Some((id, origin)) = name.split_once('/').and_then(|(of, origin)| Some((source(of)?, origin)))
        {
            return Ok((id, origin.to_owned()));
        }
        if let Some(id) = view.source_of_origin(name) {
            return Ok((id, name.to_owned()));
        }
        match &view.config.sources[..] {
            [only] => Ok((only.spec.id, name.to_owned())),
            sources => {
                let names: Vec<&str> = sources.iter().map(|source| source.spec.name.as_str()).collect();
                Err(Refusal(format!(
                    "nobody is called {name}; say SOURCE/ORIGIN, where SOURCE is one of {}",
                    names.join(", ")
                )))
            }
        }
    }
}

impl ControlHandler for Handler {
    fn now(&self) -> TimeUs {
        self.present.view().now()
    }

    fn status(&self) -> StatusReport {
        self.present.view().status(self.hub.boot())
    }

    fn mark(&self, mark: Mark) -> Result<(), Refusal> {
        self.order(Order::Mark(mark)).map(drop)
    }

    fn sources_expect(&self, name: &str) -> Result<(), Refusal> {
        let (source, origin) = self.named(name)?;
        self.order(Order::Expect(source, origin)).map(drop)
    }

    fn sources_forget(&self, name: &str) -> Result<(), Refusal> {
        let (source, origin) = self.named(name)?;
        let known = self.order(Order::Forget(source, origin))?;
        if known { Ok(()) } else { Err(Refusal(format!("nobody called {name} has sent anything"))) }
    }
}
