//! Complaints that could come many times a second.

use std::time::{Duration, Instant};

/// A complaint is repeated no sooner than this.
const APART: Duration = Duration::from_secs(10);

/// Lets a complaint through now and then, however often there is reason for it.
#[derive(Debug, Default)]
pub struct Seldom {
    last: Option<Instant>,
}

impl Seldom {
    /// Whether it is time to complain (again) at `now`.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= APART);
        if due {
            self.last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complains_at_once_and_then_seldom() {
        let (mut seldom, begun) = (Seldom::default(), Instant::now());
        let told = (0..200).filter(|tenth| seldom.is_due(begun + Duration::from_millis(tenth * 100)));
        assert_eq!(told.collect::<Vec<_>>(), [0, 100]);
    }
}
