//! The control socket: one JSON object a line asks, one answers. `{"request":"status"}` gets
//! `{"ok":true,"result":{…}}` or `{"ok":false,"code":"refused","error":"…"}`.
//!
//! In: requests of people and programs on this machine, of those whom [`Admission`] allows; none names a file.
//! Out: calls of a [`ControlHandler`]; every one that changes something is logged with the peer's process, user
//! and group.
//! Must not know: how the handler does it.

mod admission;
mod alarms;
mod client;
mod mark;
mod now;
mod server;
mod sources;
mod status;

#[cfg(test)]
mod tests;

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::detect::LabelEffect;
use ebbd_core::model::{AlarmOrder, Mark, TimeUs};
use ebbd_core::report::escape;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use admission::Admission;
pub use alarms::{
    AckRequest, AlarmsKnown, LabelRequest, Labelled, NumberedAlarm, SilenceRequest, UnsilenceRequest,
};
pub use client::{CallError, call};
pub use mark::{MarkRequest, MarkTaken};
pub use now::NowReport;
pub use server::serve_control;
pub use sources::NamedSource;

use crate::outlet::StreamNow;
use crate::telemetry::StatusReport;

/// What the daemon does for those who ask. Calls may take a moment; they come from threads that may wait.
pub trait ControlHandler: Send + Sync + 'static {
    /// The daemon's clock.
    fn now(&self) -> TimeUs;

    /// How everything is.
    fn status(&self) -> StatusReport;

    /// The streams as they are now, and the latest record of each open alarm.
    fn now_shown(&self) -> (Vec<StreamNow>, Vec<AlarmRecord>);

    /// Takes a change marker in, as if a source had sent it.
    ///
    /// # Errors
    /// Why it is not taken.
    fn mark(&self, mark: Mark) -> Result<(), Refusal>;

    /// From now on this source or origin ought to send: its silence is missing data.
    ///
    /// # Errors
    /// There is no such source or origin, and it can't be expected either.
    fn sources_expect(&self, name: &str) -> Result<(), Refusal>;

    /// From now on this source's or origin's silence says nothing.
    ///
    /// # Errors
    /// Nobody knows it.
    fn sources_forget(&self, name: &str) -> Result<(), Refusal>;

    /// The streams and their dimensions.
    fn streams(&self) -> Vec<(String, Vec<String>)>;

    /// All alarms that are known, as of everything that was ordered before.
    ///
    /// # Errors
    /// The judge does not answer.
    fn alarms(&self) -> Result<AlarmsKnown, Refusal>;

    /// The records of an alarm that are still held, oldest first.
    fn records_of(&self, no: u64) -> Vec<Value>;

    /// Does something about alarms; it is durable when this returns.
    ///
    /// # Errors
    /// The committer does not answer.
    fn alarm_order(&self, order: AlarmOrder) -> Result<(), Refusal>;

    /// What the label of an alarm changes.
    ///
    /// # Errors
    /// The judge does not answer.
    fn label_effect(&self, no: u64) -> Result<LabelEffect, Refusal>;
}

/// Why a request is not carried out, in a sentence for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// A request. A new one is a variant here, a file beside this one, and a line in [`Request::answer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// How everything is: a [`StatusReport`].
    Status,
    /// What somebody watches again and again: a [`NowReport`].
    Now,
    /// The sources: a list of [`crate::telemetry::SourceStatus`].
    SourcesList,
    /// This source or origin ought to send.
    SourcesExpect(NamedSource),
    /// This source's or origin's silence says nothing.
    SourcesForget(NamedSource),
    /// A change marker: a [`MarkTaken`].
    Mark(MarkRequest),
    /// All alarms: an [`AlarmsKnown`].
    AlarmsList,
    /// The records of an alarm: a list of them.
    AlarmsRecords(NumberedAlarm),
    /// Somebody takes an alarm: its record.
    AlarmsAck(AckRequest),
    /// Nobody is to hear of some alarms for a while: the silence's number.
    AlarmsSilence(SilenceRequest),
    /// They are to be heard of again.
    AlarmsUnsilence(UnsilenceRequest),
    /// What an alarm was: a [`Labelled`].
    AlarmsLabel(LabelRequest),
}

impl Request {
    /// Its name in `"request"`.
    pub fn name(&self) -> &'static str {
        match self {
            Request::Status => "status",
            Request::Now => "now",
            Request::SourcesList => "sources_list",
            Request::SourcesExpect(_) => "sources_expect",
            Request::SourcesForget(_) => "sources_forget",
            Request::Mark(_) => "mark",
            Request::AlarmsList => "alarms_list",
            Request::AlarmsRecords(_) => "alarms_records",
            Request::AlarmsAck(_) => "alarms_ack",
            Request::AlarmsSilence(_) => "alarms_silence",
            Request::AlarmsUnsilence(_) => "alarms_unsilence",
            Request::AlarmsLabel(_) => "alarms_label",
        }
    }

    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        !matches!(
            self,
            Request::Status
                | Request::Now
                | Request::SourcesList
                | Request::AlarmsList
                | Request::AlarmsRecords(_)
        )
    }

    /// What it is about, for the log: safe to be looked at, and short.
    fn about(&self) -> String {
        match self {
            Request::Status | Request::Now | Request::SourcesList | Request::AlarmsList => String::new(),
            Request::AlarmsRecords(alarm) => alarm.no.to_string(),
            Request::SourcesExpect(named) | Request::SourcesForget(named) => escape(&named.name),
            Request::AlarmsAck(ack) => format!("{} by {}", ack.no, escape(&ack.by)),
            Request::AlarmsSilence(silence) => silence.about(),
            Request::AlarmsUnsilence(ended) => format!("{} by {}", ended.id, escape(&ended.by)),
            Request::AlarmsLabel(label) => label.about(),
            Request::Mark(mark) => format!("{}: {}", escape(&mark.kind), escape(&mark.what)),
        }
    }

    /// Carries it out.
    ///
    /// # Errors
    /// What the handler said.
    pub fn answer(&self, handler: &dyn ControlHandler) -> Result<Value, Refusal> {
        match self {
            Request::Status => status::answer(handler),
            Request::Now => now::answer(handler),
            Request::SourcesList => sources::list(handler),
            Request::SourcesExpect(named) => sources::expect(handler, named),
            Request::SourcesForget(named) => sources::forget(handler, named),
            Request::Mark(mark) => mark::answer(handler, mark),
            Request::AlarmsList => alarms::list(handler),
            Request::AlarmsRecords(alarm) => alarms::records(handler, alarm),
            Request::AlarmsAck(ack) => alarms::ack(handler, ack),
            Request::AlarmsSilence(silence) => alarms::silence(handler, silence),
            Request::AlarmsUnsilence(ended) => alarms::unsilence(handler, ended),
            Request::AlarmsLabel(label) => alarms::label(handler, label),
        }
    }
}

/// An answer as it crosses the socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub result: Value,
    /// `bad_request`, `refused`, `failed` or `not_allowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What is wrong, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Answer {
    fn done(result: Value) -> Answer {
        Answer { ok: true, result, code: None, error: None }
    }

    fn not_done(code: &str, error: String) -> Answer {
        Answer { ok: false, result: Value::Null, code: Some(code.to_owned()), error: Some(error) }
    }
}

/// A value as JSON; what crosses the control socket always has text keys.
fn value_of(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).expect("answers have only text keys")
}
