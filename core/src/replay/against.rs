//! Two runs over the same past: which alarms appear, vanish or move.

use super::{Stories, Story};

/// Onsets further apart than this are of two incidents, in minutes.
const SAME_WITHIN: i32 = 30;

/// How an alarm of one run stands to the other run.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference<'a> {
    /// Only the other run has it.
    Appears(&'a Story),
    /// The other run has it not.
    Vanishes(&'a Story),
    /// Both have it, and it is not the same.
    Moves {
        /// As the first run has it.
        before: &'a Story,
        /// As the other does.
        after: &'a Story,
        /// By how many minutes it opens later (negative: earlier).
        minutes: i32,
    },
}

/// What differs, in the order of openings; and how many alarms are the same in both.
pub fn differences<'a>(before: &'a Stories, after: &'a Stories) -> (Vec<Difference<'a>>, usize) {
    let mut left: Vec<&Story> = after.0.values().collect();
    let (mut found, mut same) = (Vec::new(), 0);
    for story in before.0.values() {
        let nearest = left
            .iter()
            .enumerate()
            .filter_map(|(at, other)| Some((at, distance(story, other)?)))
            .min_by_key(|(_, distance)| *distance);
        let Some((at, _)) = nearest else {
            found.push(Difference::Vanishes(story));
            continue;
        };
        let other = left.remove(at);
        let minutes = opened(other) - opened(story);
        let is_same =
            minutes == 0 && story.severity == other.severity && story.last.slice == other.last.slice;
        match is_same {
            true => same += 1,
            false => found.push(Difference::Moves { before: story, after: other, minutes }),
        }
    }
    found.extend(left.into_iter().map(Difference::Appears));
    found.sort_by_key(|difference| match difference {
        Difference::Appears(story) | Difference::Vanishes(story) => opened(story),
        Difference::Moves { before, .. } => opened(before),
    });
    (found, same)
}

/// How far apart two alarms of one incident are; `None` if they are of two.
fn distance(a: &Story, b: &Story) -> Option<i32> {
    let related = a.slices.iter().any(|one| b.slices.iter().any(|other| one.related(other)));
    let alike = a.stream == b.stream && a.kind == b.kind && (related || a.slices == b.slices);
    let onset = |story: &Story| story.onset().map_or(opened(story), |minute| minute.0);
    let apart = (onset(a) - onset(b)).abs().min((opened(a) - opened(b)).abs());
    (alike && apart <= SAME_WITHIN).then_some(apart)
}

fn opened(story: &Story) -> i32 {
    story.openings.first().map_or(0, |opening| opening.minute.0)
}
