//! From what is stored to what is told.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::account::{Account, Marker, Series, Span, Suspect};
use super::series::{self, ByMinute};
use super::{Dossier, sentences, timeline, trust};
use crate::alarm::block::instant;
use crate::alarm::words::{Clock, visible};
use crate::alarm::{Because, Lost, Marks, Severity};
use crate::impact::METHOD;
use crate::model::{MICROS_PER_MINUTE, Minute, Slice, TimeUs};

/// Slices shown beside the incident's own.
const MOST_SERIES: usize = 12;
/// Records that are given whole; of more, mere updates are left out.
const MOST_RECORDS: usize = 200;
/// Letters in the chart.
const LETTERS: usize = 26;

impl Account {
    /// The account of what is stored.
    pub fn of(dossier: &Dossier) -> Account {
        let slices = series::by_slice(&dossier.verdicts);
        let empty = ByMinute::new();
        let own = slices.get(&dossier.slice).unwrap_or(&empty);
        let clock = Clock::utc(dossier.from.start());
        let newest = dossier.records.last();
        let (series, series_left_out) = all_series(dossier, &slices);
        let slice_name = name(&dossier.slice, &dossier.dimensions);
        let markers = markers(dossier);
        let (suspects, suspects_note) = suspects(dossier, &markers);
        let severity = match dossier.records.iter().any(|record| record.severity == Severity::Page) {
            true => Some(Severity::Page),
            false => newest.map(|record| record.severity),
        };
        let mut account = Account {
            record_type: "report",
            v: 1,
            title: sentences::title(dossier, &slice_name, series.first()),
            summary: Vec::new(),
            no: newest.map(|record| record.no),
            id: newest.map(|record| record.id.clone()),
            kind: newest.map_or("drop", |record| record.kind.name()).to_owned(),
            state: newest.map_or("missed", |record| record.state.name()).to_owned(),
            severity: severity.map(|severity| severity.name().to_owned()),
            label: newest.and_then(|record| record.label.clone()),
            host: host(dossier),
            stream: dossier.stream.clone(),
            slice: dossier.slice.clone(),
            slice_name,
            span: span(dossier),
            lost: lost(dossier, own),
            losing: newest.and_then(|record| record.losing.clone()),
            causes: newest.map(|record| record.causes.clone()).unwrap_or_default(),
            unexplained: newest.and_then(|record| record.unexplained),
            suspects,
            suspects_note,
            mended: timeline::way_back(dossier),
            timeline: timeline::of(dossier, &clock),
            markers,
            minutes_per_point: series::step(&dossier.drawn()),
            series,
            series_left_out,
            trust: trust::of(dossier, own),
            records: records(dossier),
        };
        account.summary = sentences::summary(&account, dossier);
        account
    }
}

/// A slice in words, its values in the order of the dimensions.
fn name(slice: &Slice, dimensions: &[String]) -> String {
    let dimensions: Vec<&str> = dimensions.iter().map(String::as_str).collect();
    visible(&slice.title(&dimensions))
}

fn host(dossier: &Dossier) -> String {
    let of_record = dossier.records.last().map(|record| record.host.clone());
    of_record.or_else(|| dossier.verdicts.first().map(|row| row.host.to_string())).unwrap_or_default()
}

fn span(dossier: &Dossier) -> Span {
    let newest = dossier.records.last();
    let opened = dossier.records.iter().find(|record| record.because == Because::Opened);
    let detected = opened.map(|record| record.at.clone());
    let after = detected.as_deref().and_then(instant).map(|at| at.since_us(dossier.from.start()));
    let acked = dossier.records.iter().find(|record| record.because == Because::Acked);
    let shown = dossier.drawn();
    Span {
        onset: newest.and_then(|record| record.onset.clone()),
        from: dossier.from.start().to_rfc3339(),
        to: dossier.to.start().to_rfc3339(),
        is_over: timeline::is_over(dossier),
        minutes: dossier.to.0 - dossier.from.0,
        detected,
        detected_after_min: after.map(|us| us.max(0) / MICROS_PER_MINUTE),
        acked: acked.and_then(|record| record.acked.clone()),
        shown_from: shown.start.start().to_rfc3339(),
        shown_to: shown.end.start().to_rfc3339(),
    }
}

/// What it cost: as the alarm says, or of a missed one by its verdicts.
fn lost(dossier: &Dossier, own: &ByMinute<'_>) -> Option<Lost> {
    if let Some(newest) = dossier.records.last() {
        return newest.lost.clone();
    }
    let loss = series::loss(own, &(dossier.from..dossier.to));
    (loss.expected > 0.0).then(|| Lost {
        through: dossier.to.plus(-1).start().to_rfc3339(),
        orders: Some(loss.orders()),
        amount: BTreeMap::new(),
        customers: None,
        recovered_later: 0.0,
        method: METHOD.to_owned(),
    })
}

/// The incident's own slice, then those that lost most; and how many found no room.
fn all_series(dossier: &Dossier, slices: &BTreeMap<&Slice, ByMinute<'_>>) -> (Vec<Series>, usize) {
    let incident = dossier.from..dossier.to;
    let of = |slice: &Slice, verdicts: &ByMinute<'_>| {
        series::of(slice, name(slice, &dossier.dimensions), verdicts, &dossier.drawn(), &incident)
    };
    let mut others: Vec<(bool, i64, &Slice, &ByMinute<'_>)> = slices
        .iter()
        .filter(|(slice, _)| ***slice != dossier.slice)
        .map(|(slice, verdicts)| {
            let lost = series::loss(verdicts, &incident).orders()[1];
            (!dossier.needs(slice), -(lost * 1000.0) as i64, *slice, verdicts)
        })
        .collect();
    // The ones above it and its causes are always there; the whole stream comes first of them.
    others.sort_by_key(|(is_aside, lost, slice, _)| {
        (*is_aside, *is_aside as i64 * *lost, slice.0.len(), *slice)
    });
    let left_out = others.len().saturating_sub(MOST_SERIES);
    others.truncate(MOST_SERIES);
    let own = slices.get(&dossier.slice).map(|verdicts| of(&dossier.slice, verdicts));
    (own.into_iter().chain(others.into_iter().map(|(_, _, slice, rows)| of(slice, rows))).collect(), left_out)
}

/// Markers by time; those nearest to the onset have letters.
fn markers(dossier: &Dossier) -> Vec<Marker> {
    let onset = dossier.from.start();
    let mut nearest: Vec<TimeUs> = dossier.marks.iter().map(|mark| mark.at).collect();
    nearest.sort_by_key(|at| at.since_us(onset).abs());
    let widest = nearest.get(LETTERS.saturating_sub(1)).map_or(i64::MAX, |at| at.since_us(onset).abs());
    let mut letters = 'A'..='Z';
    let letter = |at: TimeUs| at.since_us(onset).abs() <= widest;
    let marker = |mark: &crate::model::Mark| Marker {
        letter: if letter(mark.at) { letters.next() } else { None },
        kind: mark.kind.clone(),
        what: mark.what.clone(),
        at: mark.at.to_rfc3339(),
        until: mark.until.map(TimeUs::to_rfc3339),
        scope: mark.scope.clone(),
        by: mark.by.clone(),
    };
    dossier.marks.iter().map(marker).collect()
}

/// Markers near the onset, as the alarm ranked them; of a missed one ranked here.
fn suspects(dossier: &Dossier, markers: &[Marker]) -> (Vec<Suspect>, String) {
    let (changes, note) = match dossier.records.last() {
        Some(newest) => (newest.changes.clone(), newest.changes_note.clone()),
        None => {
            let mut marks = Marks::default();
            dossier.marks.iter().for_each(|mark| marks.add(mark.clone()));
            let found = marks.near([dossier.from; 3], &dossier.slice);
            (found.changes, Some(found.note))
        }
    };
    let latest = dossier.from.start().plus_us(timeline::CURE_US);
    let mut near: Vec<_> = changes
        .into_iter()
        .filter(|change| change.why.contains("ended") || instant(&change.at).is_some_and(|at| at < latest))
        .collect();
    near.sort_by_key(|change| Reverse((change.score * 1e6) as i64));
    let suspect = |(rank, change): (usize, crate::alarm::Change)| {
        let is_same = |marker: &&Marker| marker.what == change.what && marker.at == change.at;
        Suspect {
            rank,
            letter: markers.iter().find(is_same).and_then(|marker| marker.letter),
            kind: change.kind,
            what: change.what,
            at: change.at,
            score: change.score,
            why: change.why,
        }
    };
    let note = note.unwrap_or_else(|| "no marker within 30 min".to_owned());
    ((1..).zip(near).map(suspect).collect(), note)
}

/// The records as they were sent.
fn records(dossier: &Dossier) -> Vec<serde_json::Value> {
    let all = dossier.records.len();
    let is_kept =
        |at: usize| all <= MOST_RECORDS || at + 1 == all || dossier.records[at].because != Because::Update;
    let kept = (0..all).filter(|at| is_kept(*at)).take(MOST_RECORDS);
    kept.filter_map(|at| serde_json::to_value(&dossier.records[at]).ok()).collect()
}

/// The minute that a text names.
pub(super) fn minute(text: &str) -> Minute {
    instant(text).unwrap_or_default().minute()
}
