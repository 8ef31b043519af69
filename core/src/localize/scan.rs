//! The scan: the slice whose own fall is the likeliest explanation comes first; what it explains is
//! taken away, and the next is sought. (Expectation-based Poisson scan statistic; a price per
//! condition keeps answers short. The full lattice over leaves comes with a later version.)

use super::gone;
use crate::model::Slice;

/// Most slices named for one shortfall.
const MOST: usize = 5;
/// A further cause has to explain at least this share of the whole shortfall.
const LEAST_SHARE: f64 = 0.05;
/// A slice counts as fallen when its shortfall is this many standard deviations.
const SIGMAS: f64 = 2.5;
/// A slice above counts as fallen itself when it misses this many times what the slice below misses.
const WIDER: f64 = 1.25;
/// What the causes leave unexplained is noise while it is below this many standard deviations.
const REST_SIGMAS: f64 = 2.0;
/// Or below this share of what the rest expects: levels wander by some percent.
const REST_SHARE: f64 = 0.08;
/// Nats that each condition costs: of two equal explanations the shorter one is taken.
const PRICE: f64 = 1.0;

/// One watched slice: its counts over the minutes looked at.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// The slice.
    pub slice: &'a Slice,
    /// Events observed.
    pub observed: f64,
    /// Events expected.
    pub expected: f64,
    /// Predictive variance of the observed count.
    pub variance: f64,
}

impl Cell<'_> {
    /// Events missing, never negative.
    pub fn shortfall(&self) -> f64 {
        (self.expected - self.observed).max(0.0)
    }

    /// Log-likelihood ratio (nats) of its own rate against the expected one, for a fall.
    fn gain(&self) -> f64 {
        if self.observed >= self.expected || self.expected <= 0.0 {
            return 0.0;
        }
        let ratio = self.observed / self.expected;
        let log = if self.observed > 0.0 { self.observed * ratio.ln() } else { 0.0 };
        log + self.expected - self.observed - PRICE * self.slice.0.len() as f64
    }

    fn is_down(&self) -> bool {
        self.shortfall() > SIGMAS * self.variance.max(self.expected).sqrt()
    }
}

/// One slice of an explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The slice.
    pub slice: Slice,
    /// Share of the shortfall that is its own, 0 to 1.
    pub share: f64,
    /// Events observed in it.
    pub observed: f64,
    /// Events expected in it.
    pub expected: f64,
    /// Fraction of it that is gone, `[low, estimate, high]`.
    pub effect: [f64; 3],
}

/// Which slices explain a shortfall, best first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// The slices; disjoint shares, so their sum is at most 1.
    pub causes: Vec<Explained>,
    /// Share of the shortfall that none of them explains.
    pub unexplained: f64,
    /// Whether what they leave unexplained is no more than noise.
    pub rest_is_noise: bool,
    /// The widest slice that has fallen: the one asked about, or one above it that misses clearly more.
    pub widest: Slice,
}

/// Explains the shortfall of `slice`; or of a wider slice that has fallen as one, `slice` being only the
/// part that was noticed first. By the cells inside it, itself among them. Empty when `slice` is not
/// among the cells or has no shortfall.
pub fn explain(cells: &[Cell], slice: &Slice) -> Explanation {
    let own = cells.iter().find(|c| c.slice == slice).filter(|c| c.shortfall() > 0.0);
    let Some(own) = own else {
        let widest = slice.clone();
        return Explanation { causes: Vec::new(), unexplained: 1.0, rest_is_noise: false, widest };
    };
    let wider = fallen_above(cells, own).map(|above| explain_inside(cells, above));
    let as_one = |e: &Explanation| e.causes.first().is_some_and(|cause| cause.slice.contains(slice));
    wider.filter(as_one).unwrap_or_else(|| explain_inside(cells, own))
}

/// The slice above `own` that misses most, if that is clearly more than `own` misses.
fn fallen_above<'c, 'a>(cells: &'c [Cell<'a>], own: &Cell) -> Option<&'c Cell<'a>> {
    let above = cells.iter().filter(|c| c.slice != own.slice && c.slice.contains(own.slice) && c.is_down());
    let above = above.filter(|c| c.shortfall() > WIDER * own.shortfall());
    above.max_by(|a, b| a.shortfall().total_cmp(&b.shortfall()).then(b.slice.cmp(a.slice)))
}

fn explain_inside(cells: &[Cell], whole: &Cell) -> Explanation {
    let (widest, total) = (whole.slice, whole.shortfall());
    let inside: Vec<&Cell> = cells.iter().filter(|c| widest.contains(c.slice) && c.is_down()).collect();
    let mut causes: Vec<Explained> = Vec::new();
    let (mut left, mut rest, mut variance, mut expected) = (1.0, total, whole.variance, whole.expected);
    while causes.len() < MOST && left >= LEAST_SHARE {
        let free = inside.iter().filter(|cell| is_free(cell.slice, &causes));
        let free = free.filter(|cell| cell.shortfall() / total >= LEAST_SHARE);
        let Some(best) = free.max_by(|a, b| better(a, b)) else { break };
        let cause = explained(best, total, left);
        left -= cause.share;
        rest -= best.shortfall();
        variance -= best.variance;
        expected -= best.expected;
        causes.push(cause);
    }
    let rest_is_noise = rest < (REST_SIGMAS * variance.max(1.0).sqrt()).max(REST_SHARE * expected);
    Explanation { causes, unexplained: left.clamp(0.0, 1.0), rest_is_noise, widest: widest.clone() }
}

/// Whether `slice` shares no event with the slices already named.
fn is_free(slice: &Slice, named: &[Explained]) -> bool {
    named.iter().all(|cause| disjoint(&cause.slice, slice))
}

/// Whether no event can be in both: they want different values of one dimension.
fn disjoint(a: &Slice, b: &Slice) -> bool {
    a.0.iter().any(|(dimension, value)| b.0.get(dimension).is_some_and(|other| other != value))
}

/// Order by gain; equal gains go to fewer conditions, then to the canonical text, so that it is stable.
fn better(a: &Cell, b: &Cell) -> std::cmp::Ordering {
    let shorter = b.slice.0.len().cmp(&a.slice.0.len());
    a.gain().total_cmp(&b.gain()).then(shorter).then_with(|| b.slice.cmp(a.slice))
}

fn explained(cell: &Cell, total: f64, left: f64) -> Explained {
    Explained {
        slice: cell.slice.clone(),
        share: (cell.shortfall() / total).min(left),
        observed: cell.observed,
        expected: cell.expected,
        effect: gone(cell.observed, cell.expected),
    }
}

/// How much of `slice`'s shortfall `cause` accounts for, 0 to 1: what both have in common, if that is
/// watched. `None` when it is not known.
pub fn share_of(slice: &Slice, cause: &Slice, cells: &[Cell]) -> Option<f64> {
    if cause.contains(slice) {
        return Some(1.0);
    }
    if disjoint(cause, slice) {
        return Some(0.0);
    }
    let both = Slice(cause.0.iter().chain(&slice.0).map(|(d, v)| (d.clone(), v.clone())).collect());
    let shortfall = |wanted: &Slice| cells.iter().find(|c| c.slice == wanted).map(Cell::shortfall);
    match (shortfall(&both), shortfall(slice)) {
        (Some(shared), Some(own)) if own > 0.0 => Some((shared / own).min(1.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shop of two marketplaces (US 80 %, DE 20 %) and two features, 1,000 events expected; `rate`
    /// says what is left of each (marketplace, feature).
    fn shop(rate: impl Fn(&str, &str) -> f64) -> Vec<(Slice, f64, f64)> {
        let mut cells = vec![(Slice::default(), 0.0, 0.0)];
        for (market, feature, expected) in [
            ("US", "cart", 600.0),
            ("US", "one-click", 200.0),
            ("DE", "cart", 150.0),
            ("DE", "one-click", 50.0),
        ] {
            let leaf = [("marketplace", market), ("feature", feature)];
            for slice in [Slice::default(), Slice::of([leaf[0]]), Slice::of([leaf[1]]), Slice::of(leaf)] {
                let observed = expected * rate(market, feature);
                match cells.iter_mut().find(|c| c.0 == slice) {
                    Some(cell) => (cell.1, cell.2) = (cell.1 + observed, cell.2 + expected),
                    None => cells.push((slice, observed, expected)),
                }
            }
        }
        cells
    }

    fn told(cells: &[(Slice, f64, f64)], widest: &Slice) -> (Vec<(String, f64)>, f64) {
        let explanation = explain(&as_cells(cells), widest);
        let causes = explanation.causes.iter().map(|c| (c.slice.key(), (c.share * 100.0).round())).collect();
        (causes, (explanation.unexplained * 100.0).round())
    }

    fn as_cells(cells: &[(Slice, f64, f64)]) -> Vec<Cell<'_>> {
        let cell = |c: &'_ (Slice, f64, f64)| (c.1, c.2, c.2 * 1.2);
        cells
            .iter()
            .map(|c| (&c.0, cell(c)))
            .map(|(slice, (observed, expected, variance))| Cell { slice, observed, expected, variance })
            .collect()
    }

    #[test]
    fn the_narrowest_slice_that_holds_is_named() {
        let whole = Slice::default();
        let one_leaf = shop(|m, f| if (m, f) == ("US", "one-click") { 0.02 } else { 1.0 });
        assert_eq!(
            told(&one_leaf, &whole),
            (vec![("feature=one-click,marketplace=US".to_owned(), 100.0)], 0.0)
        );
        let feature = shop(|_, f| if f == "one-click" { 0.0 } else { 1.0 });
        assert_eq!(told(&feature, &whole), (vec![("feature=one-click".to_owned(), 100.0)], 0.0));
        let all = shop(|_, _| 0.5);
        assert_eq!(told(&all, &whole), (vec![(String::new(), 100.0)], 0.0));
    }

    #[test]
    fn the_part_noticed_first_does_not_hide_the_whole() {
        let all = shop(|_, _| 0.1);
        let click = Slice::of([("feature", "one-click")]);
        assert_eq!(told(&all, &click), (vec![(String::new(), 100.0)], 0.0));
        let elsewhere = shop(|m, f| match (m, f) {
            ("US", "cart") => 0.0,
            ("DE", "one-click") => 0.1,
            _ => 1.0,
        });
        let leaf = Slice::of([("feature", "one-click"), ("marketplace", "DE")]);
        assert_eq!(told(&elsewhere, &leaf).0[0].0, leaf.key(), "another's fall is not this one's");
    }

    #[test]
    fn what_noise_adds_is_told_apart() {
        let mut cells = shop(|m, f| if (m, f) == ("DE", "one-click") { 0.0 } else { 1.0 });
        cells[0].1 -= 20.0;
        let explanation = explain(&as_cells(&cells), &Slice::default());
        assert!(explanation.causes[0].share < 0.8 && explanation.rest_is_noise);
        cells[0].1 -= 200.0;
        assert!(!explain(&as_cells(&cells), &Slice::default()).rest_is_noise);
    }

    #[test]
    fn two_causes_are_both_named() {
        let two = shop(|m, f| match (m, f) {
            ("US", "one-click") => 0.0,
            ("DE", "cart") => 0.2,
            _ => 1.0,
        });
        let (causes, unexplained) = told(&two, &Slice::default());
        assert_eq!(causes.len(), 2, "{causes:?}");
        assert_eq!(causes[0].0, "feature=one-click,marketplace=US");
        assert_eq!(causes[1].0, "feature=cart,marketplace=DE");
        assert_eq!(unexplained, 0.0);
    }

    #[test]
    fn nothing_is_named_without_a_shortfall_or_inside_the_noise() {
        let well = shop(|_, _| 1.0);
        assert!(told(&well, &Slice::default()).0.is_empty());
        let noise = shop(|m, _| if m == "US" { 0.97 } else { 1.0 });
        assert!(told(&noise, &Slice::default()).0.is_empty());
        assert!(told(&noise, &Slice::of([("marketplace", "FR")])).0.is_empty());
    }

    #[test]
    fn shares_of_overlapping_slices() {
        let feature = shop(|_, f| if f == "one-click" { 0.0 } else { 1.0 });
        let cells = as_cells(&feature);
        let (click, us) = (Slice::of([("feature", "one-click")]), Slice::of([("marketplace", "US")]));
        assert_eq!(share_of(&us, &click, &cells), Some(1.0));
        assert_eq!(share_of(&Slice::of([("feature", "cart")]), &click, &cells), Some(0.0));
        assert_eq!(share_of(&us, &Slice::of([("payment", "card")]), &cells), None);
    }
}
