//! The figures of a score, as they are shown and written.

use ebbd_core::simulate::trial::Kind;
use serde::Serialize;

use super::score::{Cell, Score};
use super::{BANDS, BUSY};

/// How incidents of a kind were found.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Found {
    /// How many were findable.
    pub findable: u32,
    /// Share of them that was found.
    pub recall: f64,
    /// Minutes from onset to alarm: median and 95th percentile.
    pub delay_min: [f64; 2],
    /// The same in units of the information bound.
    pub slowness: [f64; 2],
}

/// Everything that is said of one judge on some trials.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Slice-weeks that were judged.
    pub slice_weeks: f64,
    /// False alarms per slice-week: of all slices, and of those with 50 orders a minute or more.
    pub false_alarms: [f64; 2],
    /// By band of rate.
    pub false_by_band: Vec<f64>,
    /// False alarms that would wake somebody, per slice-week.
    pub false_pages: f64,
    /// Incidents but lasting shifts, of all slices.
    pub all: Found,
    /// The same by band of rate.
    pub recall_by_band: Vec<f64>,
    /// Outages and halvings, on slices with 50 orders a minute or more.
    pub deep: Found,
    /// On slices with 50 orders a minute or more, by kind.
    pub busy: Vec<(&'static str, Found)>,
    /// On all slices, by kind.
    pub any: Vec<(&'static str, Found)>,
    /// Alarms of dips, blips, late and missing data, ends of promotions, per slice-week.
    pub unwanted: f64,
    /// What nobody wants an alarm of: alarms, and how often it happened.
    pub others: Vec<(&'static str, u32, u32)>,
    /// Incidents within an open alarm that were told of, and how many there were.
    pub inside_told: f64,
    /// See [`Figures::inside_told`].
    pub inside: u32,
    /// Share of calm minutes in alarm.
    pub time_in_alarm: f64,
    /// Findable incidents that began under an open alarm and were never told of.
    pub masked: u32,
}

/// Incidents that count for recall.
const COUNTED: [Kind; 6] = [Kind::Outage, Kind::Half, Kind::Fifth, Kind::Tenth, Kind::Ramp, Kind::Inside];
/// What D7 names.
const UNWANTED: [Kind; 6] =
    [Kind::Dip, Kind::Blip, Kind::Late, Kind::Missing, Kind::NoData, Kind::PromotionEnd];

impl Found {
    fn of(cell: &Cell) -> Found {
        Found {
            findable: cell.findable,
            recall: cell.recall(),
            delay_min: [0.5, 0.95].map(|q| cell.delay(q)),
            slowness: [0.5, 0.95].map(|q| cell.slowness(q)),
        }
    }
}

impl Figures {
    /// The figures of a score.
    pub fn of(score: &Score) -> Figures {
        let (weeks, calm): (f64, f64) = (score.weeks.iter().sum(), score.calm_weeks.iter().sum());
        let count = |kind: &Kind| score.others.get(kind).copied().unwrap_or(0);
        let chances = |kind: &Kind| score.other_chances.get(kind).copied().unwrap_or(0);
        let by_kind = |band: usize| {
            let kinds = Kind::INCIDENTS.iter();
            kinds.map(|kind| (kind.name(), Found::of(&score.cell(&[*kind], band..)))).collect()
        };
        let in_band = |band: usize| {
            let cells = score.cells.iter().filter(|((kind, at), _)| COUNTED.contains(kind) && *at == band);
            let (found, all) = cells.fold((0, 0), |(f, a), (_, c)| (f + c.delays.len(), a + c.findable));
            found as f64 / f64::from(all)
        };
        let others = Kind::OTHERS.iter().map(|kind| (kind.name(), count(kind), chances(kind)));
        let false_in = |band: usize| f64::from(score.false_alarms[band]) / score.calm_weeks[band];
        Figures {
            slice_weeks: weeks,
            false_alarms: [score.false_rate(0..), score.false_rate(BUSY..)],
            false_by_band: (0..=BANDS.len()).map(false_in).collect(),
            false_pages: f64::from(score.false_pages) / calm,
            all: Found::of(&score.cell(&COUNTED, 0..)),
            recall_by_band: (0..=BANDS.len()).map(in_band).collect(),
            deep: Found::of(&score.cell(&[Kind::Outage, Kind::Half], BUSY..)),
            busy: by_kind(BUSY),
            any: by_kind(0),
            unwanted: f64::from(UNWANTED.iter().map(count).sum::<u32>()) / weeks,
            others: others.collect(),
            inside_told: f64::from(score.inside[1]) / f64::from(score.inside[0]),
            inside: score.inside[0],
            time_in_alarm: score.calm_alarm_min / (calm * 10_080.0),
            masked: score.masked,
        }
    }

    /// These figures, with what is said of busy slices from others.
    pub(super) fn with_busy_of(self, other: &Figures) -> Figures {
        let false_alarms = [self.false_alarms[0], other.false_alarms[1]];
        Figures { false_alarms, deep: other.deep, busy: other.busy.clone(), ..self }
    }

    /// How incidents of this kind were found on busy slices.
    pub fn busy(&self, kind: Kind) -> Found {
        let found = self.busy.iter().find(|(name, _)| *name == kind.name());
        found.map_or_else(|| Found::of(&Cell::default()), |(_, found)| *found)
    }
}
