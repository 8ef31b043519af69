//! `{"request":"now"}`: what somebody who watches a terminal wants to see again and again.

use ebbd_core::alarm::AlarmRecord;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ControlHandler, Refusal, value_of};
use crate::outlet::StreamNow;
use crate::telemetry::StatusReport;

/// How everything is at this moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NowReport {
    /// Version of the report: 1.
    pub v: u32,
    /// How the daemon is.
    pub status: StatusReport,
    /// The streams with their last minutes and their worst slices.
    pub streams: Vec<StreamNow>,
    /// The latest record of each open alarm.
    pub open: Vec<AlarmRecord>,
}

pub(super) fn answer(handler: &dyn ControlHandler) -> Result<Value, Refusal> {
    let (streams, open) = handler.now_shown();
    Ok(value_of(&NowReport { v: 1, status: handler.status(), streams, open }))
}
