//! Requests on the control socket: any bytes are a request or none; a request is answered or refused in words,
//! and reads the same when it is written again.
#![no_main]

use ebbd::control::{AlarmsKnown, Answer, ControlHandler, Refusal, Request};
use ebbd::outlet::StreamNow;
use ebbd::telemetry::StatusReport;
use ebbd_core::alarm::AlarmRecord;
use ebbd_core::detect::LabelEffect;
use ebbd_core::model::{AlarmOrder, Limits, Mark, TimeUs};
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

    fn now_shown(&self) -> (Vec<StreamNow>, Vec<AlarmRecord>) {
        (Vec::new(), Vec::new())
    }

    fn streams(&self) -> Vec<(String, Vec<String>)> {
        vec![("orders".to_owned(), vec!["marketplace".to_owned(), "feature".to_owned()])]
    }

    fn alarms(&self) -> Result<AlarmsKnown, Refusal> {
        Ok(AlarmsKnown { now: ARRIVAL, open: Vec::new(), over: Vec::new(), silences: Vec::new() })
    }

    fn records_of(&self, _: u64) -> Vec<serde_json::Value> {
        Vec::new()
    }

    fn alarm_order(&self, _: AlarmOrder) -> Result<(), Refusal> {
        Ok(())
    }

    fn label_effect(&self, _: u64) -> Result<LabelEffect, Refusal> {
        Ok(LabelEffect { masked_half_hours: 0, raised_slices: 0, raised_until: None })
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
