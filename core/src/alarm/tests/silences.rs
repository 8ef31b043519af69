//! Missing data and ebbd's own trouble.

use super::stage::Says::*;
use super::stage::{START, Stage, told};
use crate::alarm::{Because, Notify, Severity, State};
use crate::model::{MissingOrigin, SourceId, SourceMinute, SourceState};

fn missing(stage: &Stage, origin: &str, minutes_ago: i32, share: f64) -> MissingOrigin {
    MissingOrigin { origin: origin.to_owned(), since: stage.minute.plus(-minutes_ago).start(), share }
}

fn source(origin: &str, state: SourceState) -> SourceMinute {
    SourceMinute {
        source: SourceId(0),
        source_name: "shop".to_owned(),
        origin: origin.to_owned(),
        state,
        share: 0.04,
        completeness: 1.0,
        lost_upper: 0.0,
        missing_since: None,
    }
}

#[test]
fn a_silent_origin_is_a_ticket_until_it_is_back() {
    let mut stage = Stage::new();
    stage.minute(&[("", Ok(100, 100.0))]);
    let gone = missing(&stage, "web-03", 0, 0.04);
    stage.completeness.missing.push(gone.clone());
    let records = stage.minutes(3, &[("", Ok(96, 100.0))]);
    let title = "NO DATA from web-03 since 13:01 UTC (4 % of orders): orders may be fine, check the shipper";
    assert_eq!(told(&records), [format!("1 1.1 opened ticket firing: {title}")]);
    assert_eq!(records[0].key, "no_data/orders/origin=web-03");
    let more = missing(&stage, "web-04", 1, 0.06);
    stage.completeness.missing.push(more);
    let records = stage.minutes(2, &[("", Ok(90, 100.0))]);
    assert_eq!(records.len(), 1);
    assert_eq!(
        (records[0].because, records[0].reason.as_deref()),
        (Because::Spread, Some("now web-04 as well"))
    );
    stage.completeness.missing.clear();
    stage.sources = vec![source("web-03", SourceState::Alive), source("web-04", SourceState::Left)];
    let records = stage.minute(&[("", Ok(100, 100.0))]);
    assert_eq!((records[0].state, records[0].reason.as_deref()), (State::Resolved, Some("data is back")));
}

#[test]
fn what_is_forgotten_is_not_called_back() {
    let mut stage = Stage::new();
    stage.minute(&[("", Ok(100, 100.0))]);
    stage.completeness.missing = vec![missing(&stage, "web-03", 2, 0.04)];
    stage.minute(&[("", Ok(96, 100.0))]);
    stage.completeness.missing.clear();
    let records = stage.minute(&[("", Ok(100, 100.0))]);
    assert_eq!(records[0].reason.as_deref(), Some("forgotten: no longer expected"));
}

#[test]
fn a_short_absence_is_not_told() {
    let mut stage = Stage::new();
    stage.minute(&[("", Ok(100, 100.0))]);
    let since = stage.minute.start().plus_us(30_000_000);
    stage.completeness.missing = vec![MissingOrigin { origin: "web-03".to_owned(), since, share: 0.04 }];
    assert_eq!(stage.minute(&[("", Ok(98, 100.0))]).len(), 0);
}

#[test]
fn a_whole_stream_without_data_is_a_page_once_orders_are_overdue() {
    let mut stage = Stage::new();
    stage.minute(&[("", Ok(1, 1.0))]);
    stage.completeness.no_data = true;
    let records = stage.minutes(5, &[("", NoData(1.0))]);
    assert_eq!(
        told(&records),
        [
            "1 1.1 opened page firing: NO DATA for orders since 13:01 UTC: orders may be fine, check the shippers; no drop can be seen"
        ]
    );
    assert_eq!(records[0].minute, START.plus(3).to_string(), "three orders are overdue");
    assert_eq!(records[0].observed, None);
    stage.completeness.no_data = false;
    let records = stage.minute(&[("", Ok(1, 1.0))]);
    assert_eq!((records[0].state, records[0].notify), (State::Resolved, Notify::Ticket));
}

#[test]
fn a_stream_that_never_sent_is_not_missed() {
    let mut stage = Stage::new();
    stage.completeness.no_data = true;
    stage.completeness.missing = vec![missing(&stage, "web-03", 10, 0.0)];
    assert_eq!(stage.minutes(10, &[("", NoData(1.0))]).len(), 0);
}

#[test]
fn one_origin_then_all_of_them_is_one_alarm_that_grows() {
    let mut stage = Stage::new();
    stage.minute(&[("", Ok(100, 100.0))]);
    stage.completeness.missing = vec![missing(&stage, "web-03", 1, 0.6)];
    stage.minute(&[("", Ok(40, 100.0))]);
    stage.completeness.no_data = true;
    let records = stage.minute(&[("", NoData(100.0))]);
    assert_eq!((records[0].no, records[0].because, records[0].notify), (1, Because::Escalated, Notify::Page));
    assert_eq!(records[0].reason.as_deref(), Some("now no data at all for orders"));
}

#[test]
fn own_trouble_is_told_once_and_ends() {
    let mut stage = Stage::new();
    let now = stage.now();
    let opened = stage.book.trouble("disk", "No space left on device", Severity::Page, now).unwrap();
    assert_eq!((opened.seq, opened.no, opened.key.as_str()), (1, 1, "ebbd//disk"));
    assert_eq!(opened.title, "EBBD disk: No space left on device");
    assert!(stage.book.trouble("disk", "No space left on device", Severity::Page, now).is_none());
    let again = stage.book.trouble("disk", "Read-only file system", Severity::Page, now).unwrap();
    assert_eq!((again.rev, again.because), (2, Because::Update));
    assert_eq!(stage.book.open_alarms(), [again]);
    let over = stage.book.trouble_over("disk", now).unwrap();
    assert_eq!((over.seq, over.state, over.notify), (3, State::Resolved, Notify::Ticket));
    assert!(stage.book.trouble_over("disk", now).is_none());
    assert!(stage.book.open_alarms().is_empty());
}

#[test]
fn time_in_which_ebbd_did_not_run_is_no_silence_of_the_senders() {
    let mut stage = Stage::new();
    stage.minute(&[("", Ok(100, 100.0))]);
    stage.completeness.no_data = true;
    stage.sources = vec![source("", SourceState::Alive)];
    assert_eq!(stage.minutes(30, &[("", NoData(100.0))]).len(), 0);
    stage.sources = vec![source("", SourceState::Silent)];
    let records = stage.minutes(3, &[("", NoData(100.0))]);
    assert_eq!(records.len(), 1, "who does not come back is missed");
    assert!(records[0].title.contains("since 13:31 UTC"), "{}", records[0].title);
}
