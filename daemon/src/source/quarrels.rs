//! Senders that fence each other for ever: two that share a name.
//!
//! In: each time a connection was fenced for another of the same name. Out: the names for which that goes
//! on. Must not know: connections, alarms.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ebbd_core::decode::SenderId;

/// So many times within [`WITHIN`] is no restart of a sender.
const OFTEN: usize = 6;
/// See [`OFTEN`].
const WITHIN: Duration = Duration::from_secs(60);
/// Names looked after at most; a quarrel of others goes unnoticed until there is room.
const MOST_NAMES: usize = 64;

/// When names were last fenced.
#[derive(Debug, Default)]
pub(super) struct Quarrels(BTreeMap<SenderId, VecDeque<Instant>>);

impl Quarrels {
    /// Somebody who spoke for a name was fenced.
    pub(super) fn fenced(&mut self, id: &SenderId, now: Instant) {
        if !self.0.contains_key(id) && self.0.len() >= MOST_NAMES {
            self.0.retain(|_, times| times.back().is_some_and(|last| is_recent(*last, now)));
            if self.0.len() >= MOST_NAMES {
                return;
            }
        }
        let times = self.0.entry(id.clone()).or_default();
        times.push_back(now);
        times.drain(..times.len().saturating_sub(OFTEN));
    }

    /// The names for which somebody is fenced again and again.
    pub(super) fn lasting(&self, now: Instant) -> Vec<SenderId> {
        let lasts = |times: &VecDeque<Instant>| {
            times.len() == OFTEN && times.front().is_some_and(|first| is_recent(*first, now))
        };
        self.0.iter().filter(|(_, times)| lasts(times)).map(|(id, _)| id.clone()).collect()
    }
}

fn is_recent(time: Instant, now: Instant) -> bool {
    now.saturating_duration_since(time) <= WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SenderId {
        SenderId::new(text).unwrap()
    }

    #[test]
    fn only_who_is_fenced_often_within_a_minute_quarrels() {
        let (begun, mut quarrels) = (Instant::now(), Quarrels::default());
        let after = |seconds| begun + Duration::from_secs(seconds);
        for at in 0..20 {
            quarrels.fenced(&name("calm"), after(at * 15));
            quarrels.fenced(&name("loud"), after(280 + at));
        }
        assert_eq!(quarrels.lasting(after(300)), [name("loud")]);
        assert!(quarrels.lasting(after(400)).is_empty(), "it is over when nobody is fenced any more");
    }

    #[test]
    fn names_that_come_once_take_no_room_for_ever() {
        let (begun, mut quarrels) = (Instant::now(), Quarrels::default());
        (0..10_000).for_each(|n| quarrels.fenced(&name(&format!("n{n}")), begun));
        assert_eq!(quarrels.0.len(), MOST_NAMES);
        quarrels.fenced(&name("late"), begun + 2 * WITHIN);
        assert_eq!(quarrels.0.len(), 1);
    }
}
