//! Charts as SVG: observed against the expected band, the loss shaded, what is missing hatched and never drawn
//! as zero, markers on the time axis. Colours are the page's.

use std::fmt::Write;
use std::ops::Range;

use super::account::{Account, Point, Series};
use super::{axis, build, pieces};
use crate::alarm::words::{count, percent_down};
use crate::model::{MICROS_PER_MINUTE, Minute};

/// Less than this of a minute's data is shown as incomplete.
const WHOLE: f64 = 0.98;
/// Rows in which letters of markers stand.
const LETTER_ROWS: usize = 3;
/// Room that a letter takes.
const LETTER: f64 = 19.0;

/// The measures of a chart, in its own units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plot {
    width: f64,
    height: f64,
    left: f64,
    top: f64,
    time_ticks: i32,
    value_ticks: usize,
    with_markers: bool,
}

impl Plot {
    /// For a screen or paper.
    pub(super) const WIDE: Plot = Plot {
        width: 1000.0,
        height: 330.0,
        left: 46.0,
        top: 66.0,
        time_ticks: 12,
        value_ticks: 4,
        with_markers: true,
    };
    /// For a telephone.
    pub(super) const NARROW: Plot =
        Plot { width: 360.0, height: 280.0, left: 40.0, time_ticks: 5, ..Plot::WIDE };
    /// One of many.
    pub(super) const SMALL: Plot = Plot {
        width: 300.0,
        height: 116.0,
        left: 34.0,
        top: 8.0,
        time_ticks: 4,
        value_ticks: 2,
        with_markers: false,
    };

    fn right(&self) -> f64 {
        self.width - 8.0
    }

    fn bottom(&self) -> f64 {
        self.height - 22.0
    }
}

/// A chart while it is drawn.
struct Drawing<'a> {
    account: &'a Account,
    series: &'a Series,
    plot: Plot,
    shown: Range<Minute>,
    most: f64,
    svg: String,
}

/// The chart of one series.
pub(super) fn chart(account: &Account, series: &Series, plot: Plot) -> String {
    let shown = build::minute(&account.span.shown_from)..build::minute(&account.span.shown_to);
    let figures = series.points.iter().flat_map(|point| [point.observed, point.high, point.expected]);
    let highest = figures.flatten().fold(0.0, f64::max);
    let ticks = axis::values(highest, plot.value_ticks);
    let most = ticks.last().copied().unwrap_or(1.0);
    let mut drawing = Drawing { account, series, plot, shown, most, svg: String::new() };
    drawing.open();
    drawing.grid(&ticks);
    drawing.incident();
    drawing.band();
    drawing.gaps();
    drawing.loss();
    drawing.line("expected", |point| point.expected);
    drawing.line("observed", |point| point.observed);
    if plot.with_markers {
        drawing.markers();
    }
    drawing.svg + "</svg>\n"
}

/// What a chart shows, in a sentence.
fn in_words(account: &Account, series: &Series) -> String {
    let day = &account.span.from;
    let (from, to) =
        (pieces::minute(&account.span.shown_from, day), pieces::minute(&account.span.shown_to, day));
    let fell = match series.remaining {
        Some(remaining) => format!(
            " During the incident {} against what was expected; lost {}.",
            percent_down(remaining, 1.0),
            series.lost.map_or_else(|| "nothing".to_owned(), |lost| count(lost[1]))
        ),
        None => String::new(),
    };
    let (stream, name) = (&account.stream, &series.name);
    format!("{stream} a minute of {name}, observed against the expected band, {from} to {to} UTC.{fell}")
}

impl Drawing<'_> {
    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        // A String takes whatever is written.
        let _ = self.svg.write_fmt(arguments);
    }

    fn open(&mut self) {
        let label = pieces::page(&in_words(self.account, self.series));
        let (width, height) = (self.plot.width, self.plot.height);
        self.put(format_args!(
            "<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{label}\">\n"
        ));
    }

    fn x(&self, minutes: f64) -> f64 {
        let span = f64::from(self.shown.end.0 - self.shown.start.0).max(1.0);
        let part = (minutes - f64::from(self.shown.start.0)) / span;
        self.plot.left + part.clamp(0.0, 1.0) * (self.plot.right() - self.plot.left)
    }

    /// The middle of a point.
    fn x_of(&self, at: usize) -> f64 {
        let start = f64::from(self.shown.start.0);
        self.x(start + (at as f64 + 0.5) * f64::from(self.account.minutes_per_point))
    }

    /// The edges of a run of points.
    fn edges(&self, run: &Range<usize>) -> (f64, f64) {
        let (start, step) = (f64::from(self.shown.start.0), f64::from(self.account.minutes_per_point));
        (self.x(start + run.start as f64 * step), self.x(start + run.end as f64 * step))
    }

    fn y(&self, value: f64) -> f64 {
        let (top, bottom) = (self.plot.top, self.plot.bottom());
        bottom - (value / self.most).clamp(0.0, 1.0) * (bottom - top)
    }

    fn grid(&mut self, ticks: &[f64]) {
        let (left, right, bottom) = (self.plot.left, self.plot.right(), self.plot.bottom());
        for &value in ticks {
            let y = self.y(value);
            self.put(format_args!(
                "<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}\"/><text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                left - 6.0,
                y + 4.0,
                count(value)
            ));
        }
        for (minute, label) in axis::times(self.shown.start, self.shown.end, self.plot.time_ticks) {
            let x = self.x(f64::from(minute.0));
            self.put(format_args!(
                "<path class=\"grid\" d=\"M{x:.1} {bottom:.1}v4\"/><text class=\"tick mid\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>\n",
                bottom + 17.0
            ));
        }
    }

    /// Where the incident begins and ends, as lines.
    fn incident(&mut self) {
        let (top, bottom) = (self.plot.top, self.plot.bottom());
        let from = build::minute(&self.account.span.from);
        let to = build::minute(&self.account.span.to);
        let ends = if self.account.span.is_over { vec![from, to] } else { vec![from] };
        for minute in ends {
            let x = self.x(f64::from(minute.0));
            self.put(format_args!("<path class=\"edge\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>\n"));
        }
    }

    /// Runs of neighbouring points that satisfy `is`.
    fn runs(&self, is: impl Fn(usize, &Point) -> bool) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (at, point) in self.series.points.iter().enumerate().filter(|(at, point)| is(*at, point)) {
            debug_assert_eq!(self.series.points[at].minute, point.minute);
            match runs.last_mut() {
                Some(run) if run.end == at => run.end = at + 1,
                _ => runs.push(at..at + 1),
            }
        }
        runs
    }

    /// An area between two figures of each point of a run.
    fn area(&mut self, class: &str, run: Range<usize>, ends: impl Fn(&Point) -> (f64, f64)) {
        let points = &self.series.points[run.clone()];
        let (first, last) = self.edges(&run);
        let corner = |at: usize, value: f64| format!("{:.1} {:.1}", self.x_of(at), self.y(value));
        // The run's outer points reach to its edges: a single minute is an area, too.
        let outer = |x: f64, value: f64| format!("{x:.1} {:.1}", self.y(value));
        let (head, tail) = (ends(&points[0]), ends(&points[points.len() - 1]));
        let mut path = vec![outer(first, head.1)];
        path.extend(points.iter().enumerate().map(|(at, point)| corner(run.start + at, ends(point).1)));
        path.extend([outer(last, tail.1), outer(last, tail.0)]);
        path.extend(points.iter().enumerate().rev().map(|(at, point)| corner(run.start + at, ends(point).0)));
        path.push(outer(first, head.0));
        let path = path.join("L");
        self.put(format_args!("<path class=\"{class}\" d=\"M{path}Z\"/>\n"));
    }

    fn band(&mut self) {
        for run in self.runs(|_, point| point.low.is_some() && point.high.is_some()) {
            self.area("band", run, |point| (point.low.unwrap_or(0.0), point.high.unwrap_or(0.0)));
        }
    }

    /// No data: hatched over the whole height; a part missing: hatched at the foot.
    fn gaps(&mut self) {
        let (top, bottom) = (self.plot.top, self.plot.bottom());
        let day = self.account.span.from.clone();
        let told = |points: &[Point], run: &Range<usize>, what: &str| {
            format!("{what} from {}", pieces::minute(&points[run.start].minute, &day))
        };
        for run in self.runs(|_, point| point.observed.is_none()) {
            let ((from, to), title) = (self.edges(&run), told(&self.series.points, &run, "no data"));
            self.put(format_args!(
                "<rect class=\"gap\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{title}</title></rect>\n",
                to - from,
                bottom - top
            ));
        }
        let is_partial = |point: &Point| point.completeness.is_some_and(|c| c < WHOLE);
        for run in self.runs(|_, point| point.observed.is_some() && is_partial(point)) {
            let ((from, to), title) =
                (self.edges(&run), told(&self.series.points, &run, "a part is missing"));
            self.put(format_args!(
                "<rect class=\"gap\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"7\"><title>{title}</title></rect>\n",
                bottom - 7.0,
                to - from
            ));
        }
    }

    /// What is lost, of a slice that surely lost something: of the others a shade would be chance.
    fn loss(&mut self) {
        if self.series.lost.is_none_or(|[low, _, _]| low <= 0.0) {
            return;
        }
        let step = self.account.minutes_per_point;
        let from = build::minute(&self.account.span.from).0;
        let to = build::minute(&self.account.span.to).0;
        let start = self.shown.start.0;
        let within = move |at: usize| {
            let minute = start + at as i32 * step;
            minute + step > from && minute < to
        };
        let lacks = |point: &Point| point.observed.zip(point.expected).is_some_and(|(o, e)| o < e);
        for run in self.runs(|at, point| within(at) && lacks(point)) {
            let ends = |point: &Point| (point.observed.unwrap_or(0.0), point.expected.unwrap_or(0.0));
            self.area("loss", run, ends);
        }
    }

    fn line(&mut self, class: &str, figure: impl Fn(&Point) -> Option<f64>) {
        for run in self.runs(|_, point| figure(point).is_some()) {
            let value = |at: usize| figure(&self.series.points[at]).unwrap_or(0.0);
            let (first, last) = self.edges(&run);
            let mut path = vec![format!("{first:.1} {:.1}", self.y(value(run.start)))];
            path.extend(run.clone().map(|at| format!("{:.1} {:.1}", self.x_of(at), self.y(value(at)))));
            path.push(format!("{last:.1} {:.1}", self.y(value(run.end - 1))));
            let path = path.join("L");
            self.put(format_args!("<path class=\"{class}\" d=\"M{path}\"/>\n"));
        }
    }

    /// Markers as lines with letters above; where letters would cover one another, only lines.
    fn markers(&mut self) {
        let bottom = self.plot.bottom();
        let mut ends = [f64::MIN; LETTER_ROWS];
        for marker in &self.account.markers {
            let at = crate::alarm::block::instant(&marker.at).unwrap_or_default();
            let minutes = at.0 as f64 / MICROS_PER_MINUTE as f64;
            if !self.shown.contains(&at.minute()) {
                continue;
            }
            let x = self.x(minutes);
            let title = pieces::page(&format!(
                "{} {} at {}",
                marker.kind,
                marker.what,
                pieces::second(&marker.at, &self.account.span.from)
            ));
            let row = ends.iter().position(|end| x - end >= LETTER).zip(marker.letter);
            let y = row.map_or(self.plot.top, |(row, _)| 11.0 + row as f64 * LETTER);
            self.put(format_args!(
                "<g><title>{title}</title><path class=\"mark\" d=\"M{x:.1} {y:.1}V{bottom:.1}\"/>"
            ));
            if let Some((row, letter)) = row {
                ends[row] = x;
                self.put(format_args!(
                    "<circle class=\"badge\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8.5\"/><text class=\"letter\" x=\"{x:.1}\" y=\"{:.1}\">{letter}</text>",
                    y + 4.0
                ));
            }
            self.put(format_args!("</g>\n"));
        }
    }
}
