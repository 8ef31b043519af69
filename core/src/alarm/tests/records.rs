//! What holds of every record: its keys, dense numbers, the same again from the same input, across a
//! restart, too.

use super::stage::Says::*;
use super::stage::{Says, Stage, context};
use crate::alarm::{AlarmBook, AlarmRecord, Because, BookState, Severity, State};
use crate::model::MissingOrigin;

/// The keys of interfaces.md, section 6, in its order.
const KEYS: &str = "type v seq no id key rev at host view state kind severity notify because stream slice title \
                    text minute onset ended observed observed_max expected low high since_onset evidence \
                    threshold completeness losing lost causes unexplained changes changes_note early late \
                    durable acked silenced_until label reason config url";

/// A day in the life of a shop: an outage with a marker, a relapse, a silent host, a dark quarter of an
/// hour, full disk. `between` may do something to the book after each minute.
fn day(mut between: impl FnMut(&mut Stage)) -> Vec<AlarmRecord> {
    let mut stage = Stage::new();
    let mut records = Vec::new();
    let scenes: [(usize, Says, Says); 8] = [
        (30, Ok(1000, 1000.0), Ok(140, 140.0)),
        (7, Ok(860, 1000.0), Drop(2, 140.0)),
        (9, Drop(860, 1000.0), Drop(0, 140.0)),
        (5, Worse(300, 1000.0), Drop(0, 140.0)),
        (4, Back(999, 1000.0), Back(139, 140.0)),
        (3, Ok(1000, 1000.0), Ok(140, 140.0)),
        (20, Drop(300, 1000.0), Drop(0, 140.0)),
        (40, Ok(1000, 1000.0), Ok(140, 140.0)),
    ];
    for (at, (minutes, whole, click)) in scenes.into_iter().enumerate() {
        for _ in 0..minutes {
            stage.completeness.no_data = at == 6 && stage.minute.0 % 20 < 5;
            let (whole, click) =
                if stage.completeness.no_data { (NoData(1000.0), NoData(140.0)) } else { (whole, click) };
            records.extend(stage.minute(&[("", whole), ("feature=one-click", click)]));
            between(&mut stage);
        }
        let start = stage.minute.start();
        stage.mark(&at.to_string(), "deploy", start.plus_us(-50_000_000), "feature=one-click");
        let missing = MissingOrigin { origin: "web-03".to_owned(), since: start, share: 0.04 };
        stage.completeness.missing = if at == 2 { vec![missing] } else { Vec::new() };
        let now = stage.now();
        records.extend(stage.book.trouble("disk", "No space left on device", Severity::Ticket, now));
        records.extend((at == 3).then(|| stage.book.trouble_over("disk", now)).flatten());
    }
    records
}

#[test]
fn every_record_has_all_keys_in_order_and_reads_back() {
    for record in day(|_| ()) {
        let value = serde_json::to_value(&record).unwrap();
        let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, KEYS.split_whitespace().collect::<Vec<_>>());
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<AlarmRecord>(&text).unwrap(), record);
    }
}

#[test]
fn numbers_are_dense_and_lives_are_whole() {
    let records = day(|_| ());
    assert!(records.len() > 20, "{}", records.len());
    let seqs: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=records.len() as u64).collect::<Vec<_>>());
    let most = records.iter().map(|record| record.no).max().unwrap();
    for no in 1..=most {
        let own: Vec<&AlarmRecord> = records.iter().filter(|record| record.no == no).collect();
        let revs: Vec<u32> = own.iter().map(|record| record.rev).collect();
        assert_eq!(revs, (1..=own.len() as u32).collect::<Vec<_>>(), "alarm {no}");
        assert_eq!(own[0].because, Because::Opened);
        assert!(own.iter().all(|r| r.id == own[0].id && r.key == own[0].key && !r.text.is_empty()));
    }
    let kinds: std::collections::BTreeSet<&str> = records.iter().map(|r| r.because.name()).collect();
    let lived = ["blind", "escalated", "no longer blind", "opened", "recovering", "resolved", "update"];
    assert!(lived.iter().all(|because| kinds.contains(because)), "{kinds:?}");
}

#[test]
fn the_same_minutes_give_the_same_records() {
    assert_eq!(day(|_| ()), day(|_| ()));
}

#[test]
fn a_restart_after_every_minute_changes_nothing() {
    let restarted = day(|stage| {
        let text = serde_json::to_string(&stage.book.save()).unwrap();
        let state: BookState = serde_json::from_str(&text).unwrap();
        assert_eq!(state, stage.book.save());
        stage.book = AlarmBook::restore(context(), state).unwrap();
    });
    assert_eq!(restarted, day(|_| ()));
}

#[test]
fn a_state_of_a_later_version_is_refused() {
    let mut value = serde_json::to_value(Stage::new().book.save()).unwrap();
    value["version"] = 2.into();
    let state: BookState = serde_json::from_value(value).unwrap();
    assert!(AlarmBook::restore(context(), state).unwrap_err().contains("version 2"));
}

#[test]
fn revisions_of_sealed_minutes_change_no_alarm() {
    let mut stage = Stage::new();
    stage.minutes(3, &[("", Drop(10, 1000.0))]);
    let before = stage.book.save();
    let mut sealed = stage.sealed();
    sealed.revision = 1;
    let (spec, now) = (stage.spec.clone(), stage.now());
    assert!(stage.book.minute(&spec, &sealed, &[], now).is_empty());
    assert_eq!(stage.book.save(), before);
}

#[test]
fn incidents_follow_the_state_of_their_alarm() {
    let mut stage = Stage::new();
    stage.minutes(2, &[("", Ok(1000, 1000.0))]);
    stage.minute(&[("", Drop(10, 1000.0))]);
    let opened = stage.book.incidents_changed();
    assert_eq!(opened.len(), 1);
    assert_eq!(
        (opened[0].state, opened[0].ended, opened[0].orders.unwrap()[1]),
        (State::Firing, None, 990.0)
    );
    assert_eq!(opened[0].money[0].amount[1], 19_800.0);
    assert!(stage.book.incidents_changed().is_empty());
    stage.minutes(4, &[("", Drop(10, 1000.0))]);
    assert!(stage.book.incidents_changed().is_empty(), "updates change no state");
    stage.minute(&[("", Ok(1000, 1000.0))]);
    let ended = stage.book.incidents_changed();
    assert_eq!((ended[0].id.as_str(), ended[0].state), (opened[0].id.as_str(), State::Resolved));
    assert_eq!(ended[0].ended, Some(stage.minute.plus(-1).start()));
    let provisional = ended[0].ended.map(|at| at.plus_us(stage.spec.revise_us));
    assert_eq!(ended[0].provisional_until, provisional);
}

#[test]
fn more_alarms_than_there_is_room_for_are_counted() {
    let mut stage = Stage::new();
    let names: Vec<String> = (0..300).map(|at| format!("marketplace=M{at}")).collect();
    let rows: Vec<(&str, Says)> = names.iter().map(|name| (name.as_str(), Drop(0, 100.0))).collect();
    assert_eq!(stage.minute(&rows).len(), 256);
    assert_eq!(stage.book.refused(), 44);
}
