//! What a tired person sees, word for word.

pub(super) mod sample;

use jiff::tz::TimeZone;
use sample::{later, no_data, page, resolved};

use super::watch::{Style, block, first_sight};
use crate::alarm::{AlarmRecord, Because, DataQuality, Severity, State};
use crate::model::Slice;

fn cet() -> Style {
    let zone = TimeZone::get("Europe/Berlin").expect("the zone is bundled");
    Style { zone, width: 120, colour: false }
}

fn shown(record: &AlarmRecord) -> String {
    block(record, &cet())
}

#[test]
fn a_page_says_what_how_bad_since_when_why_and_what_to_type() {
    insta::assert_snapshot!(shown(&page()), @r#"
    PAGE 47  US / one-click: orders -98 %  since 14:03 CET (4 min)   LOSING 528/min, 10.3k USD/min
      now 12/min, expected 540 (498-585); so far 2.1k orders, 41k USD; the rest of the shop is normal
      suspect  deploy "checkout v42" 14:02:10, 50 s before, same scope; no other marker within 30 min
      data     96 %: web-03 silent since 14:02; figures already allow for its share
      next     ebbd alarms show 47 | ack 47 | silence 47 --for 2h        waiting 15 min more: ~154k USD
    "#);
}

#[test]
fn a_narrow_terminal_breaks_between_parts() {
    insta::assert_snapshot!(block(&page(), &Style { width: 40, ..cet() }), @r#"
    PAGE 47  US / one-click: orders -98 %  since 14:03 CET (4 min)
        LOSING 528/min, 10.3k USD/min
      now 12/min, expected 540 (498-585); so far 2.1k orders, 41k USD;
        the rest of the shop is normal
      suspect  deploy "checkout v42" 14:02:10, 50 s before, same scope; no other
               marker within 30 min
      data     96 %: web-03 silent since 14:02; figures already allow for its share
      next     ebbd alarms show 47 | ack 47 | silence 47 --for 2h
               waiting 15 min more: ~154k USD
    "#);
}

#[test]
fn a_ticket_of_several_causes_names_them() {
    let mut record = page();
    record.severity = Severity::Ticket;
    record.title = "all: orders -29 % since 13:03 UTC".to_owned();
    record.causes[0].explains = 0.6;
    record.slice = Slice::default();
    record.unexplained = Some(0.4);
    record.changes.clear();
    record.changes_note = Some("2 markers within 30 min, of other scopes".to_owned());
    record.completeness =
        DataQuality { fraction: 0.998, dropped: 1_204, missing: Vec::new(), ..record.completeness };
    if let Some(losing) = &mut record.losing {
        losing.amount_per_min.clear();
    }
    insta::assert_snapshot!(shown(&record), @"
    TICKET 47  all: orders -29 %  since 14:03 CET (4 min)   LOSING 528/min
      now 12/min, expected 540 (498-585); so far 2.1k orders, 41k USD; of it one-click / US (60 %)
      suspect  2 markers within 30 min, of other scopes
      data     99.8 %: up to 1,204 lost on the way, allowed for
      next     ebbd alarms show 47 | ack 47 | silence 47 --for 2h        waiting 15 min more: ~7.9k orders
    ");
}

#[test]
fn what_happens_later_is_one_line() {
    let records = [
        later(Because::Blind, "13:20:00", None),
        later(Because::NoLongerBlind, "13:25:00", None),
        later(Because::Spread, "13:31:00", Some("now DE as well")),
        later(Because::Update, "13:08:00", None),
        later(Because::Recovering, "13:40:00", None),
        later(Because::Withdrawn, "13:40:00", Some("late data showed that nothing was missing")),
        resolved(),
    ];
    let lines: Vec<String> = records.iter().map(shown).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    47 STILL FIRING, BLIND since 14:20: no data, recovery can't be seen
    47 NO LONGER BLIND 14:25: now 12/min, expected 540 (498-585)
    47 WORSE 14:31: now DE as well
    47 STILL FIRING 14:08: US / one-click: orders -98 %; now 12/min, expected 540 (498-585); so far 2.1k orders, 41k USD
    47 RECOVERING 14:40: now 12/min, expected 540 (498-585)
    WITHDRAWN 47  late data showed that nothing was missing
    RESOLVED 47  back since 14:41 (38 min); rollback 14:38; lost 20.1k orders [19.4-20.8k], 391k USD
    ");
}

#[test]
fn an_escalation_is_the_whole_block_and_says_what_changed() {
    let record = later(Because::Escalated, "13:31:00", Some("missing 528/min, was 120/min"));
    insta::assert_snapshot!(shown(&record), @r#"
    PAGE 47  US / one-click: orders -98 %  since 14:03 CET (29 min)   LOSING 528/min, 10.3k USD/min
      WORSE 14:31: missing 528/min, was 120/min
      now 12/min, expected 540 (498-585); so far 2.1k orders, 41k USD; the rest of the shop is normal
      suspect  deploy "checkout v42" 14:02:10, 50 s before, same scope; no other marker within 30 min
      data     96 %: web-03 silent since 14:02; figures already allow for its share
      next     ebbd alarms show 47 | ack 47 | silence 47 --for 2h        waiting 15 min more: ~154k USD
    "#);
}

#[test]
fn missing_data_is_not_called_a_drop() {
    let title = "NO DATA from web-03 since 13:02 UTC (4 % of orders): orders may be fine, check the shipper";
    let opened = no_data(title);
    let back = AlarmRecord {
        because: Because::Resolved,
        state: State::Resolved,
        ended: Some(sample::utc("13:10:00")),
        reason: Some("data is back".to_owned()),
        ..no_data(title)
    };
    insta::assert_snapshot!([shown(&opened), shown(&back)].join("\n"), @"
    TICKET 48  NO DATA from web-03 since 14:02 (4 % of orders): orders may be fine, check the shipper
    RESOLVED 48  data is back, 14:10 (8 min)
    ");
}

#[test]
fn who_comes_late_sees_the_whole_alarm() {
    let mut record = later(Because::Blind, "13:20:00", None);
    (record.observed, record.losing) = (None, None);
    insta::assert_snapshot!(first_sight(&record, &cet()), @r#"
    PAGE 47  US / one-click: orders -98 %  since 14:03 CET (18 min)
      BLIND: no data, recovery can't be seen; so far 2.1k orders, 41k USD
      suspect  deploy "checkout v42" 14:02:10, 50 s before, same scope; no other marker within 30 min
      data     96 %: web-03 silent since 14:02; figures already allow for its share
      next     ebbd alarms show 47 | ack 47 | silence 47 --for 2h
    "#);
    assert_eq!(first_sight(&resolved(), &cet()), shown(&resolved()));
}

#[test]
fn colours_are_asked_for_and_zones_are_named() {
    let colour = block(&page(), &Style { colour: true, ..cet() });
    assert!(colour.starts_with("\x1b[1;31mPAGE 47\x1b[0m  US / one-click"));
    assert!(!shown(&page()).contains('\x1b'));
    assert!(block(&page(), &Style::plain()).contains("since 13:03 UTC (4 min)"));
    let east = TimeZone::fixed(jiff::tz::offset(9));
    assert!(block(&page(), &Style { zone: east, ..cet() }).contains("since 22:03 +09 (4 min)"));
    let next_day = AlarmRecord { at: "2026-11-23T08:00:00Z".to_owned(), ..page() };
    assert!(shown(&next_day).contains("since Nov 22 14:03 CET"), "{}", shown(&next_day));
}

#[test]
fn nothing_from_an_event_or_a_marker_moves_the_cursor() {
    let mut record = page();
    record.changes[0].what = "v42\x1b[2J\r\n\u{202e}".to_owned();
    record.changes[0].kind = "\x07deploy".to_owned();
    record.completeness.missing[0].origin = "web\u{9b}03".to_owned();
    record.stream = "or\x1bders".to_owned();
    let unsafe_char = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
    for record in [record.clone(), AlarmRecord { because: Because::Update, ..record }] {
        assert_eq!(shown(&record).chars().find(unsafe_char), None);
    }
}
