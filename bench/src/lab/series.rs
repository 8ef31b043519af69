//! Real series: one-minute counts from CSV files, judged as streams of one slice each.

use std::path::Path;
use std::sync::Arc;

use ebbd_core::detect::{DetectKnobs, Detector, Verdict};
use ebbd_core::model::{
    Completeness, Minute, SealedMinute, SealedRows, SeriesKey, StreamId, StreamSpec, TimeUs, Timezones,
    WatchedFilter,
};

use super::{BUDGET, DEEP, DROP, ESCALATED, Minutes};

/// A series of counts; a missing minute is missing, not zero.
pub struct Series {
    /// Its file's name.
    pub name: String,
    /// The first minute.
    pub start: Minute,
    /// Counts, minute by minute.
    pub counts: Vec<Option<u32>>,
    /// Labelled minutes, as somebody marked them.
    pub labels: Vec<bool>,
}

impl Series {
    /// Reads `time,count[,label]` with a head line; times are seconds or milliseconds since 1970.
    /// `None` if it has no such lines.
    pub fn read(path: &Path) -> std::io::Result<Option<Series>> {
        let text = std::fs::read_to_string(path)?;
        let mut points: Vec<(i32, u32, bool)> = text.lines().filter_map(point).collect();
        points.sort_unstable();
        let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else {
            return Ok(None);
        };
        let minutes = (last.0 - first.0) as usize + 1;
        let (mut counts, mut labels) = (vec![None; minutes], vec![false; minutes]);
        for (minute, count, label) in points {
            let at = (minute - first.0) as usize;
            (counts[at], labels[at]) = (Some(count), label);
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Some(Series { name, start: Minute(first.0), counts, labels }))
    }

    /// Counts with gaps filled by what came last: for rules that know no gaps.
    pub fn filled(&self) -> Vec<u32> {
        let mut last = 0;
        let fill = |count: &Option<u32>| {
            last = count.unwrap_or(last);
            last
        };
        self.counts.iter().map(fill).collect()
    }

    /// The detector's flags of every minute.
    pub fn judge(&self) -> Minutes {
        let stream = StreamSpec {
            watched: WatchedFilter::default(),
            watch: vec![vec![]],
            timezones: Timezones { default: "UTC".to_owned(), by: None, zones: Default::default() },
            sums: Vec::new(),
            distincts: Vec::new(),
            ..StreamSpec::example()
        };
        let knobs = DetectKnobs { false_alarms_per_week: BUDGET, max_slices: 1 };
        let mut detector = Detector::new(&stream, &knobs);
        let values = stream.dimensions.iter().map(|_| Arc::from("x")).collect();
        let key = Arc::new(SeriesKey { dimensions: values, currencies: Box::default(), watched: true });
        let judge = |(at, count): (usize, &Option<u32>)| {
            let verdicts = detector.judge(&sealed(self.start.plus(at as i32), *count, &key));
            let flag = |holds: bool, flag: u8| if holds { flag } else { 0 };
            verdicts.first().map_or(0, |verdict| {
                flag(verdict.verdict == Verdict::Drop, DROP)
                    | flag(verdict.escalated, ESCALATED)
                    | flag(verdict.deep, DEEP)
            })
        };
        self.counts.iter().enumerate().map(judge).collect()
    }
}

fn point(line: &str) -> Option<(i32, u32, bool)> {
    let mut fields = line.split(',').map(str::trim);
    let time: f64 = fields.next()?.parse().ok()?;
    let count: f64 = fields.next()?.parse().ok()?;
    let label = fields.next().is_some_and(|label| label.parse().is_ok_and(|label: f64| label > 0.0));
    let seconds = if time > 1e11 { time / 1e3 } else { time };
    (count >= 0.0).then_some(((seconds / 60.0) as i32, count.round() as u32, label))
}

fn sealed(minute: Minute, count: Option<u32>, key: &Arc<SeriesKey>) -> SealedMinute {
    let mut rows = SealedRows::with_shape(0, 0, 1);
    if let Some(count) = count.filter(|count| *count > 0) {
        rows.add(Arc::clone(key), i64::from(count), std::iter::empty(), |_, _| {});
    }
    SealedMinute {
        stream: StreamId(0),
        minute,
        revision: 0,
        rows,
        earlier: SealedRows::default(),
        completeness: if count.is_some() { Completeness::whole() } else { Completeness::absent() },
        sources: Vec::new(),
        sealed_at: TimeUs(0),
    }
}

/// What a rule did with a labelled series from some minute on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Labelled {
    /// Weeks outside labels.
    pub weeks: f64,
    /// Alarms there.
    pub false_alarms: u32,
    /// Labelled falls.
    pub falls: u32,
    /// Those in which an alarm opened.
    pub found: u32,
}

/// Minutes around a label in which an alarm is neither false nor a hit.
const AROUND: usize = 10;
/// A label is of a fall if its mean is below this share of the hour before.
const FALL: f64 = 0.85;

impl Labelled {
    /// Scores the flags of a series' minutes from `from` on.
    pub fn of(series: &Series, flags: &[u8], from: usize) -> Labelled {
        let (counts, mut score) = (series.filled(), Labelled::default());
        let events: Vec<usize> = super::score::events(flags).into_iter().map(|at| at as usize).collect();
        let near = |at: usize| {
            let range = at.saturating_sub(AROUND)..(at + AROUND + 1).min(series.labels.len());
            series.labels[range].contains(&true)
        };
        score.weeks = (from..flags.len()).filter(|at| !near(*at)).count() as f64 / 10_080.0;
        score.false_alarms = events.iter().filter(|at| **at >= from && !near(**at)).count() as u32;
        for (first, last) in runs(&series.labels).filter(|(first, _)| *first >= from.max(60)) {
            let mean = |range: std::ops::Range<usize>| {
                let length = range.len() as f64;
                counts[range].iter().map(|count| f64::from(*count)).sum::<f64>() / length
            };
            if mean(first..last) < FALL * mean(first - 60..first) {
                score.falls += 1;
                score.found += u32::from(events.iter().any(|at| (first..last + AROUND).contains(at)));
            }
        }
        score
    }

    /// Adds another series.
    pub fn add(&mut self, other: Labelled) {
        self.weeks += other.weeks;
        self.false_alarms += other.false_alarms;
        self.falls += other.falls;
        self.found += other.found;
    }
}

/// First and behind-last of each run of labelled minutes.
fn runs(labels: &[bool]) -> impl Iterator<Item = (usize, usize)> {
    let begins = (0..labels.len()).filter(|at| labels[*at] && (*at == 0 || !labels[at - 1]));
    begins.map(|first| (first, first + labels[first..].iter().take_while(|label| **label).count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_seconds_or_milliseconds() {
        assert_eq!(point("timestamp,value,label"), None);
        assert_eq!(point("600,7,1"), Some((10, 7, true)));
        assert_eq!(point("1600000020000, 7.0"), Some((26_666_667, 7, false)));
        assert_eq!(point("600,-1"), None);
    }

    #[test]
    fn labelled_falls_are_found_or_not_and_the_rest_is_false() {
        let mut counts = vec![Some(100); 1000];
        counts[500..510].fill(Some(10));
        let mut labels = vec![false; 1000];
        labels[500..510].fill(true);
        let series = Series { name: String::new(), start: Minute(0), counts, labels };
        let mut flags = vec![0u8; 1000];
        (flags[200], flags[300], flags[503]) = (DROP, DROP, DROP);
        let score = Labelled::of(&series, &flags, 250);
        assert_eq!((score.falls, score.found, score.false_alarms), (1, 1, 1));
        assert!((score.weeks - 720.0 / 10_080.0).abs() < 1e-9, "{}", score.weeks);
    }
}
