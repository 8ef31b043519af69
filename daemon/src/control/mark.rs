//! `{"request":"mark","kind":"deploy","what":"checkout v42",…}`: a change marker with the keys that it
//! has in band, read by the very code that reads it there.

use std::collections::BTreeMap;

use ebbd_core::decode::{Decoded, Decoder, Format, SourceSpec};
use ebbd_core::model::{Limits, Mark, SourceId, StreamRoute, TimeUs};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ControlHandler, Refusal, value_of};

/// A change marker as it is asked for. Times as in events: RFC 3339 or unix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MarkRequest {
    /// `deploy`, `flag`, `config`, `rollback`, `promo`, `maintenance`, `note` or any word.
    pub kind: String,
    /// What was changed.
    #[serde(default)]
    pub what: String,
    /// When it took effect; now if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What it touches.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scope: BTreeMap<String, String>,
    /// The giver's own name for it: the same again replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Takes the one with this id back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retract: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkTaken {
    /// Its id, for `--retract`.
    pub id: String,
    /// When it takes effect.
    pub at: String,
}

pub(super) fn answer(handler: &dyn ControlHandler, request: &MarkRequest) -> Result<Value, Refusal> {
    if request.retract && request.id.is_none() {
        return Err(Refusal("retract needs the id of the mark to take back".to_owned()));
    }
    let mark = read(request, handler.now()).ok_or_else(|| {
        Refusal(
            "this is no mark: it needs words for what changed, times as RFC 3339, until after at".to_owned(),
        )
    })?;
    let taken = MarkTaken { id: mark.id.clone(), at: mark.at.to_rfc3339() };
    handler.mark(mark)?;
    Ok(value_of(&taken))
}

fn read(request: &MarkRequest, now: TimeUs) -> Option<Mark> {
    let source = SourceSpec {
        id: SourceId(u16::MAX),
        name: "ebbd mark".to_owned(),
        format: Format::Ndjson,
        route: StreamRoute::ByName(BTreeMap::new()),
        expect: Vec::new(),
        forget_after_us: 0,
    };
    let mut line = value_of(request);
    line.as_object_mut()?.insert("ebbd".to_owned(), "mark".into());
    let line = line.to_string();
    match Decoder::new(&source, &[], &Limits::default()).decode(line.as_bytes(), now) {
        Decoded::Mark(mark) => Some(*mark),
        _ => None,
    }
}
