//! ebbd's own troubles: what fails, how that is told, and when it is over.
//!
//! In: what those who know say when they are asked. Out: alarm records of kind `ebbd`, one alarm for each
//! trouble however many parts of it fail. Must not know: disks, sockets, who hears of alarms.

use ebbd_core::alarm::{AlarmRecord, Severity};
use ebbd_core::judge::Judge;
use ebbd_core::model::TimeUs;

/// A part of a trouble that fails at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ailment {
    /// What fails; the alarm is told anew when other parts fail than before, not when they fail otherwise.
    pub part: String,
    /// The same with the reason, as a person reads it.
    pub text: String,
    /// How loud it is.
    pub severity: Severity,
}

/// Says what fails at present; nothing if all is well.
type Look = Box<dyn Fn() -> Vec<Ailment> + Send>;

struct Watched {
    /// The alarm's short name: `disk`.
    what: &'static str,
    look: Look,
    /// The parts that failed when it was last looked at. Unknown at the start: an earlier run may have left
    /// an alarm open.
    failing: Option<Vec<String>>,
}

/// What is looked at.
#[derive(Default)]
pub struct Troubles(Vec<Watched>);

impl Troubles {
    /// From now on this is looked at; `what` names its alarm.
    pub fn watch(&mut self, what: &'static str, look: impl Fn() -> Vec<Ailment> + Send + 'static) {
        self.0.push(Watched { what, look: Box::new(look), failing: None });
    }

    /// Looks at everything; gives the records of what changed since the last time.
    pub fn look(&mut self, judge: &mut Judge, now: TimeUs) -> Vec<AlarmRecord> {
        self.0.iter_mut().filter_map(|watched| watched.look(judge, now)).collect()
    }
}

impl Watched {
    fn look(&mut self, judge: &mut Judge, now: TimeUs) -> Option<AlarmRecord> {
        let ailments = (self.look)();
        let failing = || ailments.iter().map(|ailment| &ailment.part);
        if self.failing.as_ref().is_some_and(|before| before.iter().eq(failing())) {
            return None;
        }
        self.failing = Some(failing().cloned().collect());
        let texts: Vec<&str> = ailments.iter().map(|ailment| ailment.text.as_str()).collect();
        let is_page = ailments.iter().any(|ailment| ailment.severity == Severity::Page);
        let severity = if is_page { Severity::Page } else { Severity::Ticket };
        match ailments.is_empty() {
            true => judge.trouble_over(self.what, now),
            false => judge.trouble(self.what, &texts.join("; "), severity, now),
        }
    }
}
