//! Answers as each kind of client knows them.
//!
//! In: what became of a request. Out: status, JSON, headers. Must not know: how it became so.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ebbd_core::aggregate::RefusedLines;
use ebbd_core::model::Reason;
use memchr::memchr_iter;
use serde_json::{Map, Value, json};

use super::super::running;
use super::body::{Body, BodyError, MOST_BYTES};
use super::handover::{Counted, DURABLE_PATIENCE, Unavailable};

/// InfluxDB 1 says there, too, what is wrong.
const INFLUX_ERROR: HeaderName = HeaderName::from_static("x-influxdb-error");
/// Seconds after which it is worth trying again.
const AGAIN_S: u32 = 2;

/// Whose words an answer is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// InfluxDB 2: `{"code":…,"message":…}`.
    Influx2,
    /// InfluxDB 1: `{"error":…}`.
    Influx1,
    /// ebbd's own: as InfluxDB 1's, and counts.
    Own,
}

/// What is answered instead of counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    message: String,
    /// Nothing was counted, and it may be otherwise soon.
    is_passing: bool,
}

impl Failure {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into(), is_passing: false }
    }

    pub(super) fn bad(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn response(self, style: Style) -> Response {
        let Failure { status, message, is_passing } = self;
        let mut response = match style {
            Style::Influx2 => json_response(status, &json!({ "code": code(status), "message": message })),
            Style::Influx1 | Style::Own => json_response(status, &json!({ "error": message })),
        };
        let headers = response.headers_mut();
        if is_passing {
            headers.insert(RETRY_AFTER, AGAIN_S.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"ebbd\""));
        }
        if let (Style::Influx1, Ok(message)) = (style, HeaderValue::from_str(&message)) {
            headers.insert(INFLUX_ERROR, message);
        }
        response
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Failure {
        match error {
            BodyError::TooLarge => Failure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {MOST_BYTES} bytes, unpacked; send smaller batches"),
            ),
            BodyError::NoRoom => Failure {
                is_passing: true,
                ..Failure::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many bodies at once; nothing was counted",
                )
            },
            BodyError::TooSlow => Failure::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not come in time; nothing was counted",
            ),
            BodyError::Broken => Failure::bad("the body broke off; nothing was counted"),
            BodyError::BadGzip => Failure::bad("the body is no gzip, or broke off; nothing was counted"),
            BodyError::Encoding => Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Content-Encoding can be gzip or identity; nothing was counted",
            ),
        }
    }
}

impl From<Unavailable> for Failure {
    fn from(trouble: Unavailable) -> Failure {
        let (is_passing, message) = match trouble {
            Unavailable::JournalFails => {
                (true, "the journal cannot be written; nothing was counted".to_owned())
            }
            Unavailable::Full => (true, "there is no room at the moment; nothing was counted".to_owned()),
            Unavailable::Stopping => (true, "ebbd is stopping".to_owned()),
            Unavailable::NotDurable => {
                let patience = DURABLE_PATIENCE.as_secs();
                (false, format!("counted, but not durable within {patience} s: sent again, it counts again"))
            }
        };
        Failure { is_passing, ..Failure::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::NOT_FOUND => "not found",
        StatusCode::METHOD_NOT_ALLOWED => "method not allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::REQUEST_TIMEOUT => "request timeout",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported media type",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "invalid",
    }
}

/// JSON with its type.
pub(super) fn json_response(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

/// What InfluxDB answers to a write: nothing if all is well, else which lines were not.
pub(super) fn write(style: Style, counted: &Counted, body: &Body) -> Response {
    let Some((message, line)) = partial_write(counted, body) else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let failure = Failure::bad(message);
    match style {
        Style::Influx2 => {
            let answer = json!({ "code": "invalid", "message": failure.message, "line": line });
            json_response(StatusCode::BAD_REQUEST, &answer)
        }
        Style::Influx1 | Style::Own => failure.response(style),
    }
}

/// Counts and reasons. Something was counted: 200, for whoever sent it must not send it again. Nothing was:
/// 400.
pub(super) fn counts(counted: &Counted) -> Response {
    let reasons = by_reason(counted);
    let rejected: u64 = reasons.iter().map(|(_, lines, _)| lines).sum();
    let reasons: Map<String, Value> =
        reasons.iter().map(|(reason, lines, _)| (reason.name().to_owned(), json!(lines))).collect();
    let answer = json!({
        "received": counted.received,
        "counted": counted.received - rejected,
        "rejected": rejected,
        "reasons": reasons,
    });
    let is_useless = rejected > 0 && rejected == counted.received;
    json_response(if is_useless { StatusCode::BAD_REQUEST } else { StatusCode::OK }, &answer)
}

/// For each reason how many lines and the first one's number.
fn by_reason(counted: &Counted) -> Vec<(Reason, u64, u64)> {
    let mut all: Vec<(Reason, u64, u64)> = Vec::new();
    for &RefusedLines { reason, first, lines, .. } in &counted.refused {
        match all.iter_mut().find(|(of, ..)| *of == reason) {
            Some((_, count, earliest)) => {
                *count += lines;
                *earliest = first.min(*earliest);
            }
            None => all.push((reason, lines, first)),
        }
    }
    all.sort_by_key(|(.., first)| *first);
    all
}

/// What is to be said of refused lines, and the first one's place in the body.
fn partial_write(counted: &Counted, body: &Body) -> Option<(String, u64)> {
    let reasons = by_reason(counted);
    let (.., first) = *reasons.first()?;
    let dropped: u64 = reasons.iter().map(|(_, lines, _)| lines).sum();
    let words: Vec<String> = reasons
        .iter()
        .map(|(reason, lines, first)| {
            format!("{} {lines} (first in line {})", reason.name(), place(body.bytes(), *first))
        })
        .collect();
    let message = format!(
        "partial write: {dropped} of {} lines rejected: {} dropped={dropped}",
        counted.received,
        words.join(", ")
    );
    Some((message, place(body.bytes(), first)))
}

/// Where the `number`th line that is not empty stands, empty ones counted.
fn place(bytes: &[u8], number: u64) -> u64 {
    let line = running::lines(bytes).nth(usize::try_from(number - 1).unwrap_or(usize::MAX));
    let before = line.map_or(0, |line| line.as_ptr().addr() - bytes.as_ptr().addr());
    memchr_iter(b'\n', &bytes[..before]).count() as u64 + 1
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ebbd_core::model::ConnId;

    use super::*;

    fn counted(received: u64, refused: &[(Reason, u64, u64)]) -> Counted {
        let lines = |&(reason, first, lines): &_| RefusedLines { conn: ConnId(1), reason, first, lines };
        Counted { received, refused: refused.iter().map(lines).collect() }
    }

    #[test]
    fn refused_lines_are_told_by_their_place_in_the_body() {
        let mut body = Body::new(&Arc::default());
        body.push(b"\n\na\nbad\r\n\r\nc\ncpu x\n").unwrap();
        let refused =
            [(Reason::UnknownStream, 4, 1), (Reason::BadSyntax, 2, 1), (Reason::UnknownStream, 3, 1)];
        let (message, line) = partial_write(&counted(4, &refused), &body).unwrap();
        assert_eq!(
            message,
            "partial write: 3 of 4 lines rejected: bad_syntax 1 (first in line 4), unknown_stream 2 \
             (first in line 6) dropped=3"
        );
        assert_eq!(line, 4);
        assert_eq!(partial_write(&counted(4, &[]), &body), None);
        assert_eq!(write(Style::Influx2, &counted(4, &[]), &body).status(), StatusCode::NO_CONTENT);
        let answer = write(Style::Influx1, &counted(4, &refused), &body);
        assert!(answer.headers().contains_key("x-influxdb-error"));
    }

    #[test]
    fn only_what_counted_nothing_at_all_is_a_bad_request() {
        let refused = [(Reason::BadTime, 1, 2)];
        let statuses =
            [counted(3, &refused), counted(2, &refused), counted(0, &[])].map(|c| counts(&c).status());
        assert_eq!(statuses, [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::OK]);
    }
}
