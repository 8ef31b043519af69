//! Accounts of an incident of known figures, and the texts made of them.

use std::sync::Arc;

use super::*;
use crate::alarm::{Because, Severity, State};
use crate::detect::Verdict;
use crate::model::{MICROS_PER_MINUTE, SourceId, SourceMinute, SourceState};
use crate::report::tests::sample;

/// 2026-11-22T13:03:00Z, where the sample's alarm begins; it ends 38 minutes later.
const FROM: Minute = Minute(29_922_543);
const HOSTILE: &str = "</style><script>alert(1)</script>\u{202e}|`*_[x](y)&\u{1b}[2J";

fn us_click() -> Slice {
    Slice::of([("feature", "one-click"), ("marketplace", "US")])
}

fn verdict(minute: Minute, slice: &Arc<Slice>, observed: Option<i64>, expected: f64) -> StoredVerdict {
    let verdict = match observed {
        None => Verdict::NoData,
        Some(observed) if (observed as f64) < expected / 2.0 => Verdict::Drop,
        Some(_) => Verdict::Ok,
    };
    StoredVerdict {
        minute,
        slice: Arc::clone(slice),
        verdict,
        observed,
        observed_max: observed.map(|observed| observed as f64 + 1.0),
        expected: Some(expected),
        low: Some(expected - 40.0),
        high: Some(expected + 40.0),
        completeness: if observed.is_some() { 1.0 } else { 0.0 },
        evidence: 0.0,
        revision: 0,
        judged_at: minute.end(),
        host: Arc::from("web-01"),
    }
}

/// US / one-click is down for 38 minutes, of which 3 have no data; the shop as a whole loses that much.
fn verdicts(name: &str) -> Vec<StoredVerdict> {
    let (own, whole) = (Arc::new(us_click()), Arc::new(Slice::default()));
    let sibling = Arc::new(Slice::of([("feature", name), ("marketplace", "US")]));
    let mut rows = Vec::new();
    for at in -60..68 {
        let minute = FROM.plus(at);
        let is_down = (0..38).contains(&at);
        let blind = (20..23).contains(&at);
        let observed = |usual: i64, down: i64| (!blind).then_some(if is_down { down } else { usual });
        rows.push(verdict(minute, &whole, observed(4000, 3470), 4000.0));
        rows.push(verdict(minute, &own, observed(540, 12), 540.0));
        rows.push(verdict(minute, &sibling, observed(800, 800), 800.0));
    }
    rows
}

fn mark(id: &str, kind: &str, what: &str, seconds: i64) -> Mark {
    Mark {
        id: id.into(),
        kind: kind.into(),
        what: what.into(),
        at: FROM.start().plus_us(seconds * 1_000_000),
        until: None,
        scope: Slice::of([("feature", "one-click")]),
        retracted: false,
        received: FROM.start(),
        by: "shop".into(),
    }
}

fn records() -> Vec<AlarmRecord> {
    let mut taken = sample::later(Because::Acked, "13:09:30", None);
    taken.acked = Some("ann at 13:09 UTC".to_owned());
    let mut silenced = sample::later(Because::Update, "13:10:02", None);
    (silenced.rev, silenced.silenced_until) = (3, Some(sample::utc("14:10:00")));
    let mut records = vec![sample::page(), taken, silenced];
    records.push(sample::later(Because::Blind, "13:24:00", None));
    records.push(sample::later(Because::Recovering, "13:42:02", None));
    records.push(sample::resolved());
    records
}

/// What a daemon would have stored of the sample's alarm.
fn dossier() -> Dossier {
    let mut dossier = Dossier::of(records()).expect("records have minutes");
    dossier.dimensions = vec!["marketplace".to_owned(), "feature".to_owned()];
    dossier.verdicts = verdicts("cart");
    dossier.marks =
        vec![mark("d", "deploy", "checkout v42", -50), mark("r", "rollback", "checkout v41", 35 * 60)];
    let source = |at: i32| SourceRow {
        minute: FROM.plus(at),
        stream: "orders".to_owned(),
        source: SourceMinute {
            source: SourceId(0),
            source_name: "shop".to_owned(),
            origin: "web-03".to_owned(),
            state: SourceState::Silent,
            share: 0.04,
            completeness: 0.0,
            lost_upper: 0.0,
            missing_since: None,
        },
    };
    dossier.sources = [-1, 0, 1, 2, 9].map(source).to_vec();
    dossier
}

fn missed() -> Dossier {
    Dossier { records: Vec::new(), notes: Vec::new(), ..dossier() }
}

#[test]
fn the_story_is_told_in_a_few_sentences() {
    let account = Account::of(&dossier());
    insta::assert_snapshot!(format!("{}\n{}", account.title, account.summary.join("\n")), @r#"
    US / one-click: orders -98 %, 2026-11-22 13:03 to 13:41 UTC
    From 13:03 to 13:41 UTC on 2026-11-22 (38 min) orders of US / one-click were 98 % below what was expected.
    Lost: about 20,100 [19,400-20,800] orders; 391,000 USD [380,000-402,000] (90 % intervals).
    The alarm (page) came 4 min after the likeliest onset; taken: ann at 13:09 UTC.
    Suspect: deploy "checkout v42" at 13:02:10 (50 s before onset, same scope); no other marker within 30 min.
    Way back: rollback "checkout v41" at 13:38; it came back 3 min later.
    "#);
}

#[test]
fn the_timeline_says_what_was_done_when() {
    let account = Account::of(&dossier());
    let line = |line: &Happening| format!("{} {}: {}", &line.at[11..19], line.word, line.text);
    insta::assert_snapshot!(account.timeline.iter().map(line).collect::<Vec<_>>().join("\n"), @r#"
    13:02:10 deploy: "checkout v42", feature=one-click
    13:03:00 onset: orders begin to fall below what is expected (surely between 13:02 and 13:03)
    13:07:02 alarm: US / one-click: orders -98 % since 13:03 UTC; 12/min of 540 expected; evidence 41.7, bar 17.0
    13:09:30 acked: ann at 13:09 UTC
    13:10:02 silence: silenced until 14:10
    13:24:00 blind: no data: recovery can't be seen
    13:24:00 silence: no longer silenced
    13:38:00 rollback: "checkout v41", feature=one-click; it came back 3 min later
    13:41:00 back: orders are back, 38 min after the onset
    13:42:02 recovering: 12/min of 540 expected
    13:44:02 resolved: back since 13:41
    "#);
}

#[test]
fn an_incident_that_was_missed_is_reckoned_from_its_verdicts() {
    let account = Account::of(&missed());
    assert_eq!((account.state.as_str(), account.no), ("missed", None));
    let lost = account.lost.as_ref().and_then(|lost| lost.orders).expect("a loss");
    // 35 minutes with data, each 528 short of 540.
    assert_eq!(lost[1], 35.0 * 528.0);
    assert!(lost[0] < lost[1] && lost[1] < lost[2]);
    assert_eq!(account.suspects[0].what, "checkout v42");
    assert!(account.summary.iter().any(|said| said == "No alarm was raised."), "{:?}", account.summary);
    assert_eq!(account.mended.as_ref().map(|mended| (mended.recovered, mended.after_min)), Some((true, 3)));
}

#[test]
fn a_rollback_that_mends_nothing_is_said_to() {
    let mut records = records();
    records.truncate(4);
    let open = Dossier::of(records).expect("records");
    let open = Dossier {
        marks: vec![mark("r", "rollback", "checkout v41", 600)],
        verdicts: verdicts("cart"),
        ..open
    };
    let account = Account::of(&open);
    let mended = account.mended.as_ref().expect("a rollback");
    assert_eq!((mended.recovered, mended.after_min), (false, 12));
    assert!(account.timeline.iter().any(|line| line.text.ends_with("not back 12 min later")));
    assert!(account.title.contains("since 2026-11-22 13:03 UTC"), "{}", account.title);
    assert!(
        account.summary.iter().any(|said| said.starts_with("It goes on: 528 orders")),
        "{:?}",
        account.summary
    );
}

#[test]
fn what_is_missing_is_a_gap_and_never_a_zero() {
    let account = Account::of(&dossier());
    assert_eq!(account.trust.no_data_minutes, 3);
    let gaps = account.series[0].points.iter().filter(|point| point.observed.is_none()).count();
    assert_eq!(gaps, 3);
    let absences: Vec<(&str, &str)> =
        account.trust.absences.iter().map(|a| (&a.from[11..16], &a.to[11..16])).collect();
    assert_eq!(absences, [("13:03", "13:06"), ("13:12", "13:13")]);
    let page = html(&account);
    assert_eq!(
        page.matches("<rect class=\"gap\"").count() - 1,
        4,
        "one in each chart, own drawn twice, a legend"
    );
    assert!(page.contains("no data from 13:23"));
    assert!(markdown(&account).contains("3 minutes had no data"));
    // Without verdicts the page says so and draws nothing.
    let bare = Account::of(&Dossier { verdicts: Vec::new(), ..dossier() });
    assert!(
        bare.series.is_empty() && bare.trust.caveats[0].starts_with("No verdict of these minutes is kept")
    );
    assert!(html(&bare).contains("No verdict of these minutes is kept"));
}

#[test]
fn the_same_dossier_gives_the_same_bytes_whatever_its_order() {
    let mut turned = dossier();
    turned.verdicts.reverse();
    let (one, other) = (Account::of(&dossier()), Account::of(&turned));
    assert_eq!(html(&one), html(&other));
    assert_eq!(markdown(&one), markdown(&other));
    assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&other).unwrap());
}

#[test]
fn no_foreign_word_is_taken_for_markup() {
    let mut dossier = dossier();
    for record in &mut dossier.records {
        record.host = HOSTILE.to_owned();
        record.title = HOSTILE.to_owned();
        record.reason = Some(HOSTILE.to_owned());
        record.acked = Some(HOSTILE.to_owned());
        record.label = Some(HOSTILE.to_owned());
        record.changes_note = Some(HOSTILE.to_owned());
        record.stream = HOSTILE.to_owned();
        record.causes.iter_mut().for_each(|cause| cause.slice = Slice::of([(HOSTILE, HOSTILE)]));
        record.changes.iter_mut().for_each(|change| {
            (change.kind, change.what, change.why) =
                (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
        });
    }
    dossier.stream = HOSTILE.to_owned();
    dossier.notes.push(HOSTILE.to_owned());
    dossier.verdicts.extend(verdicts(HOSTILE));
    dossier.marks.iter_mut().for_each(|mark| {
        (mark.kind, mark.what, mark.by) = (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
        mark.scope = Slice::of([("feature", HOSTILE)]);
    });
    dossier.sources.iter_mut().for_each(|row| row.source.origin = HOSTILE.to_owned());
    let account = Account::of(&dossier);
    let page = html(&account);
    assert!(!page.contains("<script") && !page.contains("</style><") && !page.contains('\u{202e}'));
    assert!(!page.replace('\n', "").contains(crate::report::is_hidden));
    assert_eq!(page.matches("<style>").count(), 1);
    let text = markdown(&account);
    assert!(!text.replace("\\<", "").contains('<') && !text.contains("[x](y)"), "{text}");
    assert!(!text.replace('\n', "").contains(crate::report::is_hidden));
}

#[test]
fn a_long_incident_is_brought_down_to_means() {
    let long = Dossier { to: FROM.plus(3 * 1440), ..missed() };
    let account = Account::of(&long);
    assert_eq!(account.minutes_per_point, 10);
    assert!(account.series[0].points.len() <= 720);
    assert!(html(&account).contains("Each point is the mean of 10 minutes."));
}

#[test]
fn markers_have_letters_by_time_and_the_slices_that_fell_come_first() {
    let mut many = dossier();
    many.marks = (0..40).map(|at| mark(&at.to_string(), "flag", &format!("f{at}"), at * 60 - 1200)).collect();
    let account = Account::of(&many);
    let letters: String = account.markers.iter().filter_map(|marker| marker.letter).collect();
    assert_eq!(letters, ('A'..='Z').collect::<String>());
    let names: Vec<&str> = account.series.iter().map(|series| series.name.as_str()).collect();
    assert_eq!(names, ["US / one-click", "all", "US / cart"]);
}

#[test]
fn dossiers_want_what_is_related() {
    let dossier = dossier();
    let of = |conditions: &[(&str, &str)]| Slice::of(conditions.iter().copied());
    for wanted in [
        &[][..],
        &[("marketplace", "US")],
        &[("feature", "cart"), ("marketplace", "US")],
        &[("feature", "one-click"), ("marketplace", "US"), ("payment", "card")],
    ] {
        assert!(dossier.wants(&of(wanted)), "{wanted:?}");
    }
    for other in [&[("marketplace", "DE")][..], &[("feature", "cart"), ("marketplace", "DE")]] {
        assert!(!dossier.wants(&of(other)), "{other:?}");
    }
    assert_eq!(dossier.shown(), FROM.plus(-60)..FROM.plus(68));
    assert_eq!(dossier.from.start().plus_us(38 * MICROS_PER_MINUTE), dossier.to.start());
    assert_eq!(Account::of(&dossier).severity.as_deref(), Some(Severity::Page.name()));
    assert_eq!(dossier.records.last().map(|record| record.state), Some(State::Resolved));
}
