//! Markers of a saved incident: a JSON object a line, as they are sent in band, and when they were heard of.

use ebbd_core::model::{Mark, Slice, TimeUs};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Line {
    ebbd: String,
    id: String,
    kind: String,
    what: String,
    at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(default)]
    scope: Slice,
    #[serde(default)]
    retracted: bool,
    /// Left out: when it took effect.
    #[serde(default)]
    received: Option<String>,
    #[serde(default)]
    by: String,
}

/// A marker as a line.
pub(super) fn line(mark: &Mark) -> String {
    let line = Line {
        ebbd: "mark".to_owned(),
        id: mark.id.clone(),
        kind: mark.kind.clone(),
        what: mark.what.clone(),
        at: mark.at.to_rfc3339(),
        until: mark.until.map(TimeUs::to_rfc3339),
        scope: mark.scope.clone(),
        retracted: mark.retracted,
        received: Some(mark.received.to_rfc3339()),
        by: mark.by.clone(),
    };
    serde_json::to_string(&line).expect("markers hold nothing that JSON cannot say") + "\n"
}

/// The marker in a line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(line: &str) -> Result<Mark, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let at = time(&line.at)?;
    let received = line.received.as_deref().map_or(Ok(at), time)?;
    Ok(Mark {
        id: line.id,
        kind: line.kind,
        what: line.what,
        at,
        until: line.until.as_deref().map(time).transpose()?,
        scope: line.scope,
        retracted: line.retracted,
        received,
        by: line.by,
    })
}

fn time(text: &str) -> Result<TimeUs, String> {
    let stamp: Result<jiff::Timestamp, _> = text.parse();
    stamp.map(|stamp| TimeUs(stamp.as_microsecond())).map_err(|error| format!("{text:?} is no time: {error}"))
}
