//! Requests on the control socket: any bytes are a request or none; a request is answered or refused in words,
//! and reads the same when it is written again.
#![no_main]

use ebbd::control::{Answer, ControlHandler, Refusal, Request};
use ebbd::telemetry::StatusReport;
use ebbd_core::model::{Limits, Mark, TimeUs};
use ebbd_fuzz::ARRIVAL;
use libfuzzer_sys::fuzz_target;

/// A daemon that takes what could be taken.
struct Taker;

impl ControlHandler for Taker {
    fn now(&self) -> TimeUs {
        ARRIVAL
    }

    fn status(&self) -> StatusReport {
        StatusReport::default()
    }

    fn mark(&self, mark: Mark) -> Result<(), Refusal> {
        assert!(!mark.id.is_empty() && !mark.kind.is_empty() && mark.kind.len() <= Limits::VALUE_BYTES);
        assert!(mark.until.is_none_or(|until| until >= mark.at) && mark.scope.0.len() <= Limits::DIMENSIONS);
        Ok(())
    }

    fn sources_expect(&self, name: &str) -> Result<(), Refusal> {
        Err(Refusal(format!("there is no {name}")))
    }

    fn sources_forget(&self, _: &str) -> Result<(), Refusal> {
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    // What clients read.
    let _ = serde_json::from_slice::<Answer>(data);
    let Ok(request) = serde_json::from_slice::<Request>(data) else { return };
    let written = serde_json::to_vec(&request).expect("requests have only text keys");
    assert_eq!(serde_json::from_slice::<Request>(&written).expect("what was written is read"), request);
    if let Err(Refusal(why)) = request.answer(&Taker) {
        assert!(!why.is_empty());
    }
});
