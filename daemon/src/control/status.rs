//! `{"request":"status"}`: the whole report.

use serde_json::Value;

use super::{ControlHandler, Refusal, value_of};

pub(super) fn answer(handler: &dyn ControlHandler) -> Result<Value, Refusal> {
    Ok(value_of(&handler.status()))
}
