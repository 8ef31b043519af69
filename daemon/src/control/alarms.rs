//! `{"request":"alarms_list"}`, `alarms_records`, `alarms_ack`, `alarms_silence`, `alarms_unsilence`,
//! `alarms_label`: what people do about alarms. Each that changes something is answered once it is durable.

use std::collections::BTreeMap;

use ebbd_core::alarm::{AlarmRecord, HeldSilence, MOST_SILENCES};
use ebbd_core::detect::LabelEffect;
use ebbd_core::model::{AlarmOrder, Label, MICROS_PER_SECOND, Silence, Silenced, Slice, TimeUs};
use ebbd_core::report::escape;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ControlHandler, Refusal, value_of};

/// Longest name of a person, and longest text, in bytes.
const BY_BYTES: usize = 64;
/// See [`BY_BYTES`].
const TEXT_BYTES: usize = 512;
/// A silence is at least a minute and at most 30 days long.
const SILENCE_S: std::ops::RangeInclusive<u64> = 60..=30 * 86_400;

/// All alarms that the daemon knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlarmsKnown {
    /// What time the daemon takes it to be.
    pub now: TimeUs,
    /// The latest record of each open alarm, by number.
    pub open: Vec<AlarmRecord>,
    /// The latest record of each that is over, the latest first.
    pub over: Vec<AlarmRecord>,
    /// Silences that have not ended.
    pub silences: Vec<HeldSilence>,
}

impl AlarmsKnown {
    /// The latest record of an alarm.
    pub fn find(&self, no: u64) -> Option<&AlarmRecord> {
        self.open.iter().chain(&self.over).find(|record| record.no == no)
    }
}

/// An alarm by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberedAlarm {
    /// Its number.
    pub no: u64,
}

/// Somebody takes an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckRequest {
    /// The alarm's number.
    pub no: u64,
    /// Who it is.
    pub by: String,
    /// In their words; may be empty.
    #[serde(default)]
    pub text: String,
}

/// Nobody is to hear of some alarms: of one by its number, or of all about a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceRequest {
    /// One alarm, and the same trouble again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no: Option<u64>,
    /// Alarms about this slice, or slices inside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slice: BTreeMap<String, String>,
    /// Of this stream only; without a slice: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// For so many seconds.
    pub for_s: u64,
    /// Who it is.
    pub by: String,
    /// In their words; may be empty.
    #[serde(default)]
    pub text: String,
}

/// A silence ends before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsilenceRequest {
    /// Its number.
    pub id: u64,
    /// Who it is.
    pub by: String,
}

/// What an alarm was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRequest {
    /// The alarm's number.
    pub no: u64,
    /// `real`, `expected`, `false`; nothing takes an earlier one back.
    pub label: Option<Label>,
    /// Who it is.
    pub by: String,
}

/// What a label changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labelled {
    /// The alarm's latest record.
    pub record: AlarmRecord,
    /// Half-hours of slices that are kept out of the baseline, each until it is four weeks old.
    pub masked_half_hours: u64,
    /// Slices whose bar is half as high again …
    pub raised_slices: u64,
    /// … and until when.
    pub raised_until: Option<String>,
}

impl SilenceRequest {
    /// What it is about, for the log.
    pub(super) fn about(&self) -> String {
        let what = self.no.map_or_else(|| Slice(self.slice.clone()).key(), |no| no.to_string());
        let stream = self.stream.as_deref().unwrap_or("every stream");
        escape(&format!("{what} of {stream} for {} s by {}", self.for_s, self.by))
    }
}

impl LabelRequest {
    /// What it is about, for the log.
    pub(super) fn about(&self) -> String {
        format!("{} {} by {}", self.no, self.label.map_or("none", Label::name), escape(&self.by))
    }
}

pub(super) fn list(handler: &dyn ControlHandler) -> Result<Value, Refusal> {
    Ok(value_of(&handler.alarms()?))
}

/// The records of an alarm that the daemon still holds, oldest first.
pub(super) fn records(handler: &dyn ControlHandler, alarm: &NumberedAlarm) -> Result<Value, Refusal> {
    Ok(Value::Array(handler.records_of(alarm.no)))
}

pub(super) fn ack(handler: &dyn ControlHandler, request: &AckRequest) -> Result<Value, Refusal> {
    let AckRequest { no, .. } = *request;
    known(handler, no)?;
    let (by, text) = (person(&request.by)?, said(&request.text)?);
    handler.alarm_order(AlarmOrder::Ack { no, by, text })?;
    known(handler, no).map(|record| value_of(&record))
}

pub(super) fn silence(handler: &dyn ControlHandler, request: &SilenceRequest) -> Result<Value, Refusal> {
    if !SILENCE_S.contains(&request.for_s) {
        return Err(Refusal("a silence lasts at least a minute and at most 30 days".to_owned()));
    }
    let before = handler.alarms()?;
    if before.silences.len() >= MOST_SILENCES {
        return Err(Refusal(format!("there are {MOST_SILENCES} silences already: end some of them")));
    }
    let since = handler.now();
    let silence = Silence {
        what: meant(handler, &before, request)?,
        since,
        until: since.plus_us(request.for_s as i64 * MICROS_PER_SECOND),
        by: person(&request.by)?,
        text: said(&request.text)?,
    };
    handler.alarm_order(AlarmOrder::Silence(silence.clone()))?;
    let after = handler.alarms()?;
    let held = after.silences.iter().rev().find(|held| held.silence == silence);
    let until = silence.until.to_rfc3339();
    let covers = after.open.iter().filter(|record| record.silenced_until.as_ref() == Some(&until));
    Ok(json!({
        "id": held.map(|held| held.id),
        "until": until,
        "open_alarms": covers.map(|record| record.no).collect::<Vec<_>>(),
    }))
}

/// Which alarms are meant, if that can be told.
fn meant(
    handler: &dyn ControlHandler,
    alarms: &AlarmsKnown,
    request: &SilenceRequest,
) -> Result<Silenced, Refusal> {
    let slice = Slice(request.slice.clone());
    match (request.no, &request.stream) {
        (Some(_), stream) if stream.is_some() || !slice.is_whole() => {
            Err(Refusal("silence either one alarm or a slice".to_owned()))
        }
        (Some(no), _) => {
            let record = alarms.find(no).ok_or_else(|| unknown(no))?;
            Ok(Silenced::Key { key: record.key.clone() })
        }
        (None, None) if slice.is_whole() => {
            Err(Refusal("say what to silence: an alarm's number, a slice, or a whole stream".to_owned()))
        }
        (None, stream) => {
            let streams = handler.streams();
            let named = |name: &&String| streams.iter().any(|(known, _)| known == *name);
            if let Some(name) = stream.as_ref().filter(|name| !named(name)) {
                let names: Vec<&str> = streams.iter().map(|(name, _)| name.as_str()).collect();
                return Err(Refusal(format!("no stream is called {name} (there is {})", names.join(", "))));
            }
            let meant =
                |(name, _): &&(String, Vec<String>)| stream.as_ref().is_none_or(|stream| stream == name);
            let dimensions: Vec<&String> = streams.iter().filter(meant).flat_map(|(_, all)| all).collect();
            if let Some(dimension) = slice.0.keys().find(|dimension| !dimensions.contains(dimension)) {
                let there = dimensions.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(Refusal(format!("there is no dimension {dimension} (there is {there})")));
            }
            Ok(Silenced::Slice { stream: stream.clone(), slice })
        }
    }
}

pub(super) fn unsilence(handler: &dyn ControlHandler, request: &UnsilenceRequest) -> Result<Value, Refusal> {
    let silences = handler.alarms()?.silences;
    if !silences.iter().any(|held| held.id == request.id) {
        return Err(Refusal(format!("there is no silence {}: ebbd alarms silences", request.id)));
    }
    handler.alarm_order(AlarmOrder::Unsilence { id: request.id, by: person(&request.by)? })?;
    Ok(json!({"ended": request.id}))
}

pub(super) fn label(handler: &dyn ControlHandler, request: &LabelRequest) -> Result<Value, Refusal> {
    let LabelRequest { no, label, .. } = *request;
    known(handler, no)?;
    handler.alarm_order(AlarmOrder::Label { no, label, by: person(&request.by)? })?;
    let LabelEffect { masked_half_hours, raised_slices, raised_until } = handler.label_effect(no)?;
    let labelled = Labelled {
        record: known(handler, no)?,
        masked_half_hours: masked_half_hours as u64,
        raised_slices: raised_slices as u64,
        raised_until: raised_until.map(|minute| minute.to_string()),
    };
    Ok(value_of(&labelled))
}

fn known(handler: &dyn ControlHandler, no: u64) -> Result<AlarmRecord, Refusal> {
    handler.alarms()?.find(no).cloned().ok_or_else(|| unknown(no))
}

fn unknown(no: u64) -> Refusal {
    Refusal(format!("alarm {no} is not known, or ended more than five weeks ago: ebbd alarms list"))
}

fn person(by: &str) -> Result<String, Refusal> {
    let by = by.trim();
    let fits = !by.is_empty() && by.len() <= BY_BYTES && !by.chars().any(char::is_control);
    fits.then(|| by.to_owned()).ok_or_else(|| Refusal("say who does it, in at most 64 bytes".to_owned()))
}

fn said(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let fits = text.len() <= TEXT_BYTES && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| Refusal(format!("a text is one line of at most {TEXT_BYTES} bytes")))
}
