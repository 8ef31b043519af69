//! How far an account can be trusted: what was missing, late, revised, or not kept.

use std::collections::BTreeMap;

use super::Dossier;
use super::account::{Absence, Trust};
use super::series::ByMinute;
use crate::alarm::words::{escape, exact, share};
use crate::columns::SourceRow;
use crate::detect::Verdict;
use crate::model::Minute;

/// Less than this is said to be incomplete.
const WHOLE: f64 = 0.98;
/// Most absences that are told one by one.
const MOST_ABSENCES: usize = 12;

/// What is to be said of the data behind the incident.
pub(super) fn of(dossier: &Dossier, verdicts: &ByMinute<'_>) -> Trust {
    let within = || verdicts.range(dossier.from..dossier.to).map(|(_, verdict)| *verdict);
    let minutes = usize::try_from(dossier.to.0 - dossier.from.0).unwrap_or(0);
    let without = within().filter(|verdict| verdict.verdict == Verdict::NoData).count();
    let unknown = minutes.saturating_sub(within().count());
    let incomplete = within().filter(|v| v.verdict != Verdict::NoData && v.completeness < WHOLE).count();
    let (absences, more) = absences(&dossier.sources, dossier);
    let mut caveats = dossier.notes.clone();
    caveats.extend(minutes_told(minutes, without, unknown, incomplete));
    if more > 0 {
        caveats.push(format!("{more} more sources were missing for a while."));
    }
    caveats.extend(record_caveats(dossier));
    let revised = within().filter(|verdict| verdict.revision > 0).count();
    if revised > 0 {
        caveats.push(format!(
            "{} were judged again after late data; the figures here are the later ones.",
            counted(revised)
        ));
    }
    if within().any(|verdict| verdict.verdict == Verdict::Learning) {
        caveats.push("Some of the minutes were judged while the slice was still being learnt.".to_owned());
    }
    if caveats.is_empty() && absences.is_empty() {
        caveats.push("Every minute of it was complete when it was judged.".to_owned());
    }
    Trust { caveats, no_data_minutes: without + unknown, incomplete_minutes: incomplete, absences }
}

fn counted(minutes: usize) -> String {
    match minutes {
        1 => "1 minute".to_owned(),
        n => format!("{} minutes", exact(n as u64)),
    }
}

fn minutes_told(minutes: usize, without: usize, unknown: usize, incomplete: usize) -> Vec<String> {
    let mut told = Vec::new();
    if unknown == minutes {
        told.push(
            "No verdict of these minutes is kept: there is no chart, and no loss by minute.".to_owned(),
        );
    } else if unknown > 0 {
        told.push(format!("Of {} no verdict is kept; they are hatched, not zero.", counted(unknown)));
    }
    if without > 0 {
        told.push(format!(
            "{} had no data: orders may have come and not been seen. They are hatched, not zero, and count \
             towards no loss.",
            counted(without)
        ));
    }
    if incomplete > 0 {
        told.push(format!(
            "In {} a part of the data was missing; the interval allows for it.",
            counted(incomplete)
        ));
    }
    told
}

fn record_caveats(dossier: &Dossier) -> Vec<String> {
    let mut told = Vec::new();
    let Some(newest) = dossier.records.last() else { return told };
    let quality = &newest.completeness;
    if quality.dropped > 0 {
        told.push(format!(
            "Up to {} events were lost on the way; figures allow for them.",
            exact(quality.dropped)
        ));
    }
    if quality.rejected > 0 {
        told.push(format!("{} lines were rejected in its last minute.", exact(quality.rejected)));
    }
    if dossier.records.first().is_some_and(|first| first.rev > 1) {
        told.push(
            "Its first records are no longer kept: the beginning of the timeline is missing.".to_owned(),
        );
    }
    if newest.view == "part" {
        told.push(format!("Seen by {} alone, which has a part of the shop's events.", escape(&newest.host)));
    }
    told
}

/// Minutes in which a source was missing.
struct Run {
    from: Minute,
    to: Minute,
    share: f64,
}

/// Sources that were missing in minutes of the incident, run by run, the larger shares first; and how many
/// there are besides.
fn absences(rows: &[SourceRow], dossier: &Dossier) -> (Vec<Absence>, usize) {
    let mut runs: BTreeMap<(String, String), Vec<Run>> = BTreeMap::new();
    let within = rows.iter().filter(|row| row.minute >= dossier.from && row.minute < dossier.to);
    for row in within.filter(|row| row.source.state.is_missing()) {
        let (minute, share) = (row.minute, row.source.share);
        let of_source = runs.entry((row.source.source_name.clone(), row.source.origin.clone())).or_default();
        match of_source.last_mut() {
            Some(run) if run.to == minute => {
                run.to = minute.next();
                run.share = run.share.max(share);
            }
            _ => of_source.push(Run { from: minute, to: minute.next(), share }),
        }
    }
    let absence = |(source, origin): &(String, String), run: &Run| Absence {
        source: source.clone(),
        origin: origin.clone(),
        from: run.from.start().to_rfc3339(),
        to: run.to.start().to_rfc3339(),
        share: run.share,
    };
    let mut all: Vec<Absence> =
        runs.iter().flat_map(|(key, runs)| runs.iter().map(move |run| absence(key, run))).collect();
    all.sort_by(|a, b| {
        b.share.total_cmp(&a.share).then_with(|| (&a.from, &a.origin).cmp(&(&b.from, &b.origin)))
    });
    let more = all.len().saturating_sub(MOST_ABSENCES);
    all.truncate(MOST_ABSENCES);
    (all, more)
}

impl Absence {
    /// `web-03 (4 % of orders)`.
    pub(super) fn name(&self, stream: &str) -> String {
        let name = if self.origin.is_empty() { &self.source } else { &self.origin };
        format!("{} ({} of {})", escape(name), share(self.share), escape(stream))
    }
}
