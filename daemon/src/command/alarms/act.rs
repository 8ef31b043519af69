//! `alarms ack`, `silence`, `unsilence`, `label`: what is done is said, and until when it holds.

use std::collections::BTreeMap;

use ebbd_core::alarm::{AlarmRecord, Kind};
use ebbd_core::model::Label;
use ebbd_core::report::visible;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::list::what;
use super::{AckArgs, LabelArgs, Said, SilenceArgs, UnsilenceArgs, ask, print_json, usage};
use crate::command::OK;
use crate::command::figures::{clock, grouped};
use crate::control::{AckRequest, LabelRequest, Labelled, Request, SilenceRequest, UnsilenceRequest};

/// Takes an alarm.
pub(super) fn ack(args: &AckArgs) -> Result<i32, i32> {
    let text = args.text.clone().unwrap_or_default();
    let request = AckRequest { no: args.no, by: args.by.name(), text };
    let by = request.by.clone();
    let record: AlarmRecord = ask(&args.reach, &Request::AlarmsAck(request))?;
    if args.json {
        print_json(&record);
    } else {
        println!("{} is taken by {}: {}", args.no, visible(&by), visible(&what(&record)));
    }
    Ok(OK)
}

/// Silences an alarm or a slice.
pub(super) fn silence(args: &SilenceArgs) -> Result<i32, i32> {
    let slice: BTreeMap<String, String> = args.slice.iter().cloned().collect();
    if slice.len() < args.slice.len() {
        return Err(usage("--slice names a dimension twice; a slice has one value of each"));
    }
    let request = SilenceRequest {
        no: args.no,
        slice,
        stream: args.stream.clone(),
        for_s: args.lasting.as_secs(),
        by: args.by.name(),
        text: args.text.clone().unwrap_or_default(),
    };
    let answer: Value = ask(&args.reach, &Request::AlarmsSilence(request))?;
    if args.json {
        print_json(&answer);
    } else {
        println!("{}", silenced(&answer));
    }
    Ok(OK)
}

fn silenced(answer: &Value) -> String {
    let until = answer["until"].as_str().unwrap_or_default();
    let until = clock(until, &Timestamp::now().to_string(), &TimeZone::system());
    let nos: Vec<String> =
        answer["open_alarms"].as_array().into_iter().flatten().map(Value::to_string).collect();
    let open = match nos.len() {
        0 => "no alarm is open for it now".to_owned(),
        1 => format!("alarm {} is silent", nos[0]),
        _ => format!("alarms {} are silent", nos.join(", ")),
    };
    format!(
        "silenced until {until}: {open}\n\
         all is still recorded, and what is still down then is told\n\
         end it sooner with: ebbd alarms unsilence {}",
        answer["id"]
    )
}

/// Ends a silence.
pub(super) fn unsilence(args: &UnsilenceArgs) -> Result<i32, i32> {
    let request = UnsilenceRequest { id: args.id, by: args.by.name() };
    let _: Value = ask(&args.reach, &Request::AlarmsUnsilence(request))?;
    println!("silence {} has ended: what it kept silent and is still down is told now", args.id);
    Ok(OK)
}

/// Says what an alarm was.
pub(super) fn label(args: &LabelArgs) -> Result<i32, i32> {
    let label = match args.label {
        Said::Real => Some(Label::Real),
        Said::Expected => Some(Label::Expected),
        Said::False => Some(Label::False),
        Said::None => None,
    };
    let request = LabelRequest { no: args.no, label, by: args.by.name() };
    let labelled: Labelled = ask(&args.reach, &Request::AlarmsLabel(request))?;
    if args.json {
        print_json(&labelled);
    } else {
        println!("{}", changed(label, &labelled, &Timestamp::now().to_string(), &TimeZone::system()));
    }
    Ok(OK)
}

/// What a label changes, and until when.
pub(super) fn changed(label: Option<Label>, labelled: &Labelled, now: &str, zone: &TimeZone) -> String {
    let no = labelled.record.no;
    let is_drop = labelled.record.kind == Kind::Drop;
    let (masked, raised) = (labelled.masked_half_hours, labelled.raised_slices);
    match label {
        None => format!("{no} has no label: what an earlier one changed is taken back"),
        Some(Label::Real) => {
            format!("{no} is labelled real: it does not count as a false alarm, and changes nothing else")
        }
        Some(label) if !is_drop => {
            format!("{no} is labelled {}: it is no drop, so nothing is learnt from it", label.name())
        }
        Some(Label::Expected) if masked == 0 => {
            format!("{no} is labelled expected: it is so long ago that no baseline knows of it any more")
        }
        Some(Label::Expected) => format!(
            "{no} is labelled expected: {} half-hours of its slices are kept out of the baseline,\n\
             each until it would be forgotten after four weeks",
            grouped(masked)
        ),
        Some(Label::False) => {
            let until = labelled.raised_until.as_deref().unwrap_or_default();
            let slices =
                if raised == 1 { "1 slice".to_owned() } else { format!("{} slices", grouped(raised)) };
            format!(
                "{no} is labelled false: the bar of {slices} is half as high again until {}",
                clock(until, now, zone)
            )
        }
    }
}
