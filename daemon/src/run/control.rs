//! What can be asked of a running daemon over its control socket.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Sender, bounded};
use ebbd_core::aggregate::Order;
use ebbd_core::alarm::AlarmRecord;
use ebbd_core::detect::LabelEffect;
use ebbd_core::judge::Judge;
use ebbd_core::model::{AlarmOrder, Mark, SourceId, StreamSpec, TimeUs};
use serde_json::Value;

use super::outlets::Present;
use crate::commit::CommitRequest;
use crate::control::{AlarmsKnown, ControlHandler, Refusal};
use crate::judge::{JudgeMessage, JudgeRequest};
use crate::outlet::{AlarmHub, StreamNow};
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

    /// Asks the judge, behind everything that was committed before.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Judge) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, answer) = bounded(1);
        // Whoever asked may have given up.
        let ask: JudgeRequest = Box::new(move |thread| _ = reply.send(question(&thread.judge)));
        // Without a judge nobody answers.
        let request: CommitRequest =
            Box::new(move |committer| _ = committer.judge.send(JudgeMessage::Request(ask)));
        let busy = || Refusal("the judge does not answer; see the daemon's log".to_owned());
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

    fn now_shown(&self) -> (Vec<StreamNow>, Vec<AlarmRecord>) {
        let view = self.present.view();
        let open = view.seen().open.clone();
        (view.board().now(), open)
    }

    fn mark(&self, mark: Mark) -> Result<(), Refusal> {
        self.order(Order::Mark(mark)).map(drop)
    }

    fn sources_expect(&self, name: &str) -> Result<(), Refusal> {
        let (source, origin) = self.named(name)?;
        self.order(Order::Expect(source, origin)).map(drop)
    }

    fn streams(&self) -> Vec<(String, Vec<String>)> {
        let names = |spec: &StreamSpec| spec.dimension_names().into_iter().map(str::to_owned).collect();
        self.present.view().config.streams.iter().map(|spec| (spec.name.clone(), names(spec))).collect()
    }

    fn alarms(&self) -> Result<AlarmsKnown, Refusal> {
        let now = self.now();
        self.ask(move |judge| AlarmsKnown {
            now,
            open: judge.open_alarms(),
            over: judge.book().over(),
            silences: judge.book().silences_held(now),
        })
    }

    fn records_of(&self, no: u64) -> Vec<Value> {
        self.hub.of_alarm(no).iter().filter_map(|json| serde_json::from_str(json).ok()).collect()
    }

    fn alarm_order(&self, order: AlarmOrder) -> Result<(), Refusal> {
        self.order(Order::Alarm(order)).map(drop)
    }

    fn label_effect(&self, no: u64) -> Result<LabelEffect, Refusal> {
        self.ask(move |judge| judge.label_effect(no))
    }

    fn sources_forget(&self, name: &str) -> Result<(), Refusal> {
        let (source, origin) = self.named(name)?;
        let known = self.order(Order::Forget(source, origin))?;
        if known { Ok(()) } else { Err(Refusal(format!("nobody called {name} has sent anything"))) }
    }
}
