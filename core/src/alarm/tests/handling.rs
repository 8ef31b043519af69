//! What people do: taking, silencing, labelling, and looking back.

use super::stage::Says::*;
use super::stage::{Stage, slice, told};
use crate::alarm::{AlarmBook, AlarmRecord, Because, Notify};
use crate::model::{AlarmOrder, Label, MICROS_PER_MINUTE, Silence, Silenced, TimeUs};

const US: &str = "marketplace=US";
const DE: &str = "marketplace=DE";

fn order(stage: &mut Stage, order: &AlarmOrder) -> Vec<AlarmRecord> {
    let now = stage.now().plus_us(-30_000_000);
    stage.book.ordered(order, now, &|_| 0)
}

fn silence(stage: &Stage, what: Silenced, minutes: i64) -> AlarmOrder {
    let since = stage.now();
    let until = since.plus_us(minutes * MICROS_PER_MINUTE);
    AlarmOrder::Silence(Silence { what, since, until, by: "ann".to_owned(), text: String::new() })
}

fn of_slice(text: &str) -> Silenced {
    Silenced::Slice { stream: Some("orders".to_owned()), slice: slice(text) }
}

fn well(stage: &mut Stage, minutes: usize) -> Vec<AlarmRecord> {
    stage.minutes(minutes, &[("", Ok(1000, 1000.0)), (US, Ok(700, 700.0)), (DE, Ok(300, 300.0))])
}

fn down(stage: &mut Stage, minutes: usize) -> Vec<AlarmRecord> {
    stage.minutes(minutes, &[("", Ok(310, 1000.0)), (US, Drop(10, 700.0)), (DE, Ok(300, 300.0))])
}

fn back(stage: &mut Stage) -> Vec<AlarmRecord> {
    let mut records = stage.minutes(4, &[("", Ok(1000, 1000.0)), (US, Back(700, 700.0))]);
    records.extend(well(stage, 1));
    records
}

#[test]
fn an_ack_is_a_record_and_stays_in_those_after_it() {
    let mut stage = Stage::new();
    well(&mut stage, 5);
    let first = down(&mut stage, 1).remove(0);
    let ack = AlarmOrder::Ack { no: 1, by: "ann".to_owned(), text: "on it".to_owned() };
    let acked = order(&mut stage, &ack).remove(0);
    assert_eq!(
        told(std::slice::from_ref(&acked)),
        ["2 1.2 acked none firing: US: orders -99 % since 13:05 UTC"]
    );
    assert_eq!(acked.acked.as_deref(), Some("2026-11-22T13:06:32Z ann: on it"));
    assert!(acked.text.starts_with("1 ACKED 13:06: ann: on it"), "{}", acked.text);
    assert_eq!((&acked.observed, &acked.lost, &acked.minute), (&first.observed, &first.lost, &first.minute));
    let later = down(&mut stage, 6).remove(0);
    assert_eq!((later.seq, later.acked), (3, acked.acked));
    let row = stage.book.incidents_changed().pop().expect("it is in the dataset");
    assert_eq!(row.acked.map(TimeUs::to_rfc3339).as_deref(), Some("2026-11-22T13:06:32Z"));
    assert!(
        order(&mut stage, &AlarmOrder::Ack { no: 2, by: "ann".to_owned(), text: String::new() }).is_empty()
    );
}

#[test]
fn nobody_hears_of_a_silenced_alarm_until_the_silence_ends() {
    let mut stage = Stage::new();
    well(&mut stage, 5);
    let quiet = silence(&stage, of_slice(US), 10);
    assert!(order(&mut stage, &quiet).is_empty());
    assert_eq!(stage.book.silences_held(stage.now()).len(), 1);
    let records = down(&mut stage, 14);
    assert_eq!((records[0].because, records[0].notify), (Because::Opened, Notify::None));
    assert_eq!(records[0].silenced_until.as_deref(), Some("2026-11-22T13:16:02Z"));
    let heard: Vec<&AlarmRecord> = records.iter().filter(|record| record.notify != Notify::None).collect();
    let heard = told(&heard.into_iter().cloned().collect::<Vec<_>>());
    assert_eq!(heard.len(), 1, "{:#?}", told(&records));
    assert!(
        heard[0].ends_with("update page firing: US: orders -99 % since 13:05 UTC (no longer silenced)"),
        "{heard:?}"
    );
    let last = records.iter().find(|record| record.notify == Notify::Page).expect("it was heard");
    assert!(
        last.silenced_until.is_none() && last.text.starts_with("PAGE 1  US: orders -99 %"),
        "{}",
        last.text
    );
    assert!(stage.book.silences_held(stage.now()).is_empty());
}

#[test]
fn a_silence_that_ends_after_the_alarm_is_not_told_and_one_ended_by_hand_is() {
    let mut stage = Stage::new();
    well(&mut stage, 5);
    down(&mut stage, 2);
    let quiet = silence(&stage, Silenced::Key { key: "drop/orders/marketplace=US".to_owned() }, 120);
    let told_now = told(&order(&mut stage, &quiet));
    assert!(told_now[0].ends_with("(silenced until 15:08 UTC by ann)"), "{told_now:?}");
    let ended = order(&mut stage, &AlarmOrder::Unsilence { id: 1, by: "bob".to_owned() });
    assert_eq!(ended[0].notify, Notify::Page);
    let again = silence(&stage, of_slice(US), 15);
    assert_eq!(order(&mut stage, &again).len(), 1);
    assert!(order(&mut stage, &AlarmOrder::Unsilence { id: 1, by: "bob".to_owned() }).is_empty());
    let records = back(&mut stage);
    assert!(records.iter().all(|record| record.notify == Notify::None), "{:#?}", told(&records));
    assert!(well(&mut stage, 30).is_empty());
}

#[test]
fn what_spreads_beyond_a_silence_is_heard() {
    let mut stage = Stage::new();
    well(&mut stage, 5);
    let quiet = silence(&stage, of_slice(US), 60);
    order(&mut stage, &quiet);
    down(&mut stage, 3);
    let wider = [("", Drop(20, 1000.0)), (US, Drop(10, 700.0)), (DE, Drop(10, 300.0))];
    let records = stage.minutes(6, &wider);
    let heard = records.iter().find(|record| record.notify != Notify::None);
    let heard = heard.unwrap_or_else(|| panic!("{:#?}", told(&records)));
    assert!(heard.notify == Notify::Page && heard.because == Because::Spread, "{heard:?}");
    assert!(heard.reason.as_deref().is_some_and(|reason| reason.contains("no longer silenced")));
}

#[test]
fn what_is_over_is_known_for_weeks_and_can_be_labelled() {
    let mut stage = Stage::new();
    well(&mut stage, 5);
    down(&mut stage, 5);
    back(&mut stage);
    well(&mut stage, 3 * 1440);
    stage.book.incidents_changed();
    assert_eq!(stage.book.over().len(), 1);
    let about = stage.book.about(1).expect("it is known");
    assert!(about.covers(&slice("marketplace=US,feature=cart")) && !about.covers(&slice(DE)));
    let label = AlarmOrder::Label { no: 1, label: Some(Label::False), by: "ann".to_owned() };
    let record = order(&mut stage, &label).remove(0);
    assert_eq!(record.label.as_deref(), Some("false"));
    assert!(record.text.ends_with(": false by ann"), "{}", record.text);
    let row = stage.book.incidents_changed().pop().expect("it is in the dataset");
    assert_eq!((row.label.as_deref(), row.orders), (Some("false"), record.lost.expect("a loss").orders));
    let state = serde_json::to_string(&stage.book.save()).unwrap();
    let restored = AlarmBook::restore(super::stage::context(), serde_json::from_str(&state).unwrap());
    assert_eq!(restored.unwrap().over(), stage.book.over());
    well(&mut stage, 33 * 1440);
    assert!(stage.book.about(1).is_none() && order(&mut stage, &label).is_empty());
}

#[test]
fn the_rate_counts_pages_that_nobody_called_real() {
    let mut stage = Stage::new();
    assert!(stage.book.achieved(stage.now()).is_none());
    well(&mut stage, 5);
    for _ in 0..3 {
        down(&mut stage, 5);
        back(&mut stage);
        well(&mut stage, 4 * 1440);
    }
    let real = AlarmOrder::Label { no: 2, label: Some(Label::Real), by: "ann".to_owned() };
    order(&mut stage, &real);
    let achieved = stage.book.achieved(stage.now()).expect("it has judged");
    assert_eq!((achieved.pages, achieved.unlabelled), (3, 2));
    assert!((achieved.weeks - 12.0 / 7.0).abs() < 0.01, "{achieved:?}");
    let [low, estimate, high] = achieved.per_week.map(|rate| rate * achieved.weeks);
    assert!((estimate - 2.0).abs() < 1e-9 && (0.3..0.4).contains(&low) && (6.2..6.4).contains(&high));
}
