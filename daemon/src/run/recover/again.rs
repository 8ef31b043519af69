//! Whether what is told again comes to what was: each checkpoint that a recovery passes on its way was made from
//! the live state, so the state told again up to there has to be equal to it.
//!
//! In: a journal that nothing is wrong with. Out: what differs, if anything does. Must not know: how either came
//! to be.

use serde::Serialize;
use serde_json::Value;

use super::*;

/// How many checkpoints in the middle of a run were compared.
///
/// # Errors
/// The first difference.
pub(in crate::run) fn compared(left: &journal::Recovered, config: &Config) -> Result<u64, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let mut replay = Replay::new(config, look(left).map_err(|error| told(&error))?);
    // The state of a run's beginning counts what the run before had published beyond its last commit.
    let (mut passed, mut epoch, mut compared): (Option<Checkpoint>, _, _) = (None, 0, 0);
    for segment in left.unbroken() {
        let bytes = left.read(segment).map_err(|error| told(&error))?;
        for frame in bytes.frames() {
            if frame.kind == FrameKind::Checkpoint && replay.begun.is_some() {
                passed = Some(Checkpoint::read(frame.body).map_err(|error| told(&error))?);
            }
            replay.frame(frame, false).map_err(|error| told(&error))?;
            if frame.kind != FrameKind::Boot {
                continue;
            }
            let is_new = std::mem::replace(&mut epoch, frame.epoch) != frame.epoch;
            let Some(checkpoint) = passed.take() else { continue };
            compared += u64::from(!is_new);
            if let Some(what) = replay.differs(&checkpoint, is_new) {
                return Err(format!("segment {}: {what}", segment.number));
            }
        }
    }
    Ok(compared)
}

impl Replay<'_> {
    /// With a new run lanes call series anew: until its first commit says so, the state has the old names.
    fn differs(&mut self, checkpoint: &Checkpoint, is_new: bool) -> Option<String> {
        let commit = self.aggregator.commit();
        let judge = self.begun.as_ref()?.judge.save();
        let files = self.files.positions(&self.aggregator);
        let counts = [json(&self.aggregator.save()), json(&checkpoint.aggregate)];
        let parts = [
            ("verdicts and alarms", [json(&judge), json(&checkpoint.judge)]),
            ("files", [json(&files), json(&checkpoint.files)]),
            ("what was read", [json(&self.reads.save()), json(&checkpoint.reads)]),
            ("senders", [json(&reached(&self.senders.save())), json(&reached(&checkpoint.senders))]),
        ];
        let counts = (!is_new).then_some(("counts", counts));
        let mut all = parts.into_iter().chain(counts);
        all.find(|(_, [again, live])| again != live).map(|(what, [again, live])| {
            let (path, again, live) = first_difference(what.to_owned(), &again, &live);
            format!("{path} told again up to commit {commit} is {again}, live it was {live}")
        })
    }
}

/// How far each sender has come that has sent anything. When it was last heard, and which of its numbers it was
/// told, is known live alone.
fn reached(senders: &[Sender]) -> Vec<(String, Value)> {
    let has_sent = senders.iter().filter(|sender| sender.reached.number > 0);
    has_sent.map(|sender| (sender.id.to_string(), json(&sender.reached))).collect()
}

fn json(part: &impl Serialize) -> Value {
    serde_json::to_value(part).expect("the state holds nothing that JSON cannot say")
}

/// Where two values differ first, and how.
fn first_difference(path: String, a: &Value, b: &Value) -> (String, String, String) {
    let inside = match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().map(|(key, a)| (key.clone(), a, &b[key])).find(|(_, a, b)| a != b)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let all = a.iter().zip(b).enumerate();
            all.map(|(at, (a, b))| (at.to_string(), a, b)).find(|(_, a, b)| a != b)
        }
        _ => None,
    };
    match inside {
        Some((key, a, b)) => first_difference(format!("{path}.{key}"), a, b),
        None => (path, a.to_string(), b.to_string()),
    }
}
