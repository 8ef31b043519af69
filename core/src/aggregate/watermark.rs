//! How much of a minute has arrived, by what is known of each sender at the minute's seal.

use super::arrivals::Arrivals;
use super::sources::{Inventory, LONGEST_LAG_US, Origin, OriginKey};
use crate::model::{
    Completeness, MICROS_PER_MINUTE, Minute, MissingOrigin, SourceMinute, SourceState, StreamId, TimeUs,
};

/// What is asked about a minute of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) stream: StreamId,
    pub(super) minute: Minute,
    pub(super) now: TimeUs,
    /// Lines counted of the minute.
    pub(super) lines: u64,
    /// Whether the stream ever had an event.
    pub(super) ever_seen: bool,
    /// For how much of the minute the daemon itself was down, 0 to 1.
    pub(super) down: f64,
}

/// What one sender was doing in the minute.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Standing {
    state: SourceState,
    /// The fraction of the minute that it is believed to have delivered.
    covered: f64,
    /// Until when it was alive, if it is missing.
    since: Option<TimeUs>,
}

/// The senders of a minute and its completeness.
pub(super) fn assess(
    inventory: &Inventory,
    arrivals: &Arrivals,
    question: &Question,
) -> (Vec<SourceMinute>, Completeness) {
    let origins: Vec<(&OriginKey, &Origin)> = inventory.of_stream(question.stream).collect();
    let alone =
        origins.iter().filter(|(_, origin)| !origin.has_left() && origin.last_arrival.is_some()).count() == 1;
    let standings: Vec<Standing> =
        origins.iter().map(|(key, origin)| standing(inventory, key, origin, question, alone)).collect();
    let rate = |origin: &Origin| {
        if origin.has_left() {
            0.0
        } else {
            origin.habits.get(&question.stream).map_or(0.0, |habit| habit.rate)
        }
    };
    let total: f64 = origins.iter().map(|(_, origin)| rate(origin)).sum();
    let shares: Vec<f64> =
        origins.iter().map(|(_, origin)| if total > 0.0 { rate(origin) / total } else { 0.0 }).collect();
    let mut rows: Vec<SourceMinute> = Vec::with_capacity(origins.len());
    for ((&(key, _), standing), &share) in origins.iter().zip(&standings).zip(&shares) {
        let spec = &inventory.specs[key.0.index()];
        rows.push(SourceMinute {
            source: key.0,
            source_name: spec.name.clone(),
            origin: key.1.to_string(),
            state: standing.state,
            share,
            completeness: standing.covered,
            lost_upper: 0.0,
            missing_since: standing.since,
        });
    }
    let lost = spread_losses(&mut rows, inventory, arrivals, question);
    let completeness = completeness(&rows, arrivals, question, lost);
    (rows, completeness)
}

/// What a sender was doing in a minute.
fn standing(
    inventory: &Inventory,
    key: &OriginKey,
    origin: &Origin,
    question: &Question,
    alone: bool,
) -> Standing {
    let alive = |covered: f64| Standing { state: SourceState::Alive, covered, since: None };
    let end = question.minute.end();
    if origin.through.is_some_and(|through| through >= end) {
        return alive(1.0);
    }
    if origin.has_left() {
        return Standing { state: SourceState::Left, covered: 1.0, since: None };
    }
    let Some(last) = origin.last_arrival else {
        return Standing { state: SourceState::NeverSeen, covered: 0.0, since: None };
    };
    let up = 1.0 - question.down;
    let missing = |state: SourceState, reach: TimeUs| {
        let covered = reached(question.minute, reach).min(up);
        if reach >= end { alive(covered) } else { Standing { state, covered, since: Some(reach) } }
    };
    let lag = if alone { LONGEST_LAG_US } else { origin.lag_us() };
    let closed = inventory.connections[key.0.index()].all_closed_since().filter(|&at| last <= at);
    match closed {
        Some(at) if question.now.since_us(at.max(inventory.started)) > origin.lag_us() => {
            return missing(SourceState::Closed, at);
        }
        _ => {}
    }
    if question.now.since_us(last) > lag {
        // While ebbd did not run it heard nobody: who was not heard since is neither missed yet nor proven.
        if question.now.since_us(inventory.started) <= lag {
            return alive(reached(question.minute, last).min(up));
        }
        return missing(SourceState::Silent, last);
    }
    // It sends, but what it sends is old: what it has of this minute is still to come.
    match origin.habits.get(&question.stream) {
        Some(habit) if habit.delay_us > LONGEST_LAG_US => missing(SourceState::Silent, habit.latest_event),
        _ => alive(up),
    }
}

/// The fraction of a minute before `reach`.
fn reached(minute: Minute, reach: TimeUs) -> f64 {
    (reach.since_us(minute.start()) as f64 / MICROS_PER_MINUTE as f64).clamp(0.0, 1.0)
}

/// Books the lines that were lost with the unnamed origin of their source, or else its first. Returns
/// the lines lost and those refused.
fn spread_losses(
    rows: &mut [SourceMinute],
    inventory: &Inventory,
    arrivals: &Arrivals,
    question: &Question,
) -> (u64, u64) {
    let (mut lost, mut refused) = (0, 0);
    for spec in inventory.specs.iter().filter(|spec| inventory.feeds(spec.id, question.stream)) {
        let of_source = arrivals.lost(question.minute, spec.id);
        lost += of_source;
        refused += arrivals.refused(question.minute, spec.id);
        // Origins are sorted, the unnamed one is the first.
        if let Some(row) = rows.iter_mut().find(|row| row.source == spec.id) {
            row.lost_upper = of_source as f64;
        }
    }
    (lost, refused)
}

fn completeness(
    rows: &[SourceMinute],
    arrivals: &Arrivals,
    question: &Question,
    (dropped, rejected): (u64, u64),
) -> Completeness {
    let proven = rows.iter().any(|row| row.state == SourceState::Alive && row.completeness > 0.0);
    let no_data = question.lines == 0 && (!question.ever_seen || !proven);
    let shares: f64 = rows.iter().map(|row| row.share).sum();
    let covered: f64 = rows.iter().map(|row| row.share * row.completeness).sum();
    let arrived = if shares > 0.0 { covered / shares } else { 1.0 - question.down };
    // Refused lines are told, but not counted as lost: some senders always send some rubbish, and only
    // who knows what is usual (the judge) can tell a jump.
    let lines = question.lines as f64;
    let not_lost = if dropped > 0 { lines / (lines + dropped as f64) } else { 1.0 };
    let missing = rows.iter().filter(|row| row.state.is_missing()).map(|row| MissingOrigin {
        origin: if row.origin.is_empty() { row.source_name.clone() } else { row.origin.clone() },
        since: row.missing_since.unwrap_or(question.minute.start()),
        share: row.share,
    });
    Completeness {
        fraction: if no_data { 0.0 } else { arrived * not_lost },
        late: arrivals.late(question.minute, question.stream),
        dropped,
        rejected,
        missing: missing.collect(),
        no_data,
    }
}
