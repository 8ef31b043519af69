//! A period of the past asked about: which directories, which stream, which slice, and what it would have brought.
//!
//! In: what was typed, data directories. Out: a [`Held`]. Must not know: what is made of it.

use std::path::{Path, PathBuf};

use ebbd_core::model::{Minute, Slice, StreamSpec, TimeUs};
use ebbd_core::replay::{Held, Look, Moment, Onsets, in_order};

use super::failure::Failure;
use super::replay::{Past, Span};
use crate::config::Config;
use crate::run::judge_context;

/// The longest period that is asked about at once.
const LONGEST_MINUTES: i32 = 35 * 1440;
/// Minutes behind the period in which orders that were only delayed are looked for: as many as it has, within
/// these.
const AFTER: [i32; 2] = [15, 120];

/// A period of one stream.
pub(super) struct PastPeriod {
    past: Past,
    /// The stream.
    pub(super) spec: StreamSpec,
    /// Its minutes.
    pub(super) minutes: std::ops::Range<Minute>,
    /// What was left out or assumed.
    pub(super) notes: Vec<String>,
}

impl PastPeriod {
    /// Opens directories; those of the configuration if none is named.
    pub(super) fn open(
        dirs: &[PathBuf],
        config: Option<&Path>,
        stream: Option<&str>,
        span: [TimeUs; 2],
    ) -> Result<PastPeriod, Failure> {
        let last = TimeUs(span[1].0.saturating_sub(1)).minute().next();
        let minutes = span[0].minute()..last;
        if span[1] <= span[0] {
            return Err(Failure::usage("--to must lie behind --from"));
        }
        if minutes.end.0 - minutes.start.0 > LONGEST_MINUTES {
            return Err(Failure::usage("ask about 35 days at most"));
        }
        let past = Past::open(&directories(dirs, config)?, config, stream)?;
        let declared = || past.config().streams.iter().map(|s| s.name.clone()).collect::<Vec<_>>().join(", ");
        let id = past
            .only_stream()
            .ok_or_else(|| Failure::usage(format!("say with --stream which one is meant: {}", declared())))?;
        let spec = past.config().streams[id.index()].clone();
        let notes = past.notes().cloned().collect();
        Ok(PastPeriod { past, spec, minutes, notes })
    }

    /// What a slice would have had. `each` sees every minute first, those of the five weeks before and those
    /// behind it too.
    pub(super) fn hold(
        &mut self,
        slice: &Slice,
        all_watched: bool,
        each: &mut dyn FnMut(&Moment),
    ) -> Result<Held, Failure> {
        let mut held = Held::new(&self.spec, slice.clone(), self.minutes.clone(), all_watched)
            .map_err(|name| self.no_dimension(&name))?;
        let after = (self.minutes.end.0 - self.minutes.start.0).clamp(AFTER[0], AFTER[1]);
        self.live(after, &mut |moment| {
            each(moment);
            held.tell(moment);
        })?;
        Ok(held)
    }

    /// What a slice's first minute of the period was judged as.
    pub(super) fn look(&mut self, slice: &Slice) -> Result<Look, Failure> {
        let context = judge_context(self.past.config());
        let settings = (&context.knobs, context.calendar.as_slice());
        let mut look = Look::new(&self.spec, settings, slice.clone(), self.minutes.start)
            .map_err(|name| self.no_dimension(&name))?;
        self.live(0, &mut |moment| look.tell(moment))?;
        Ok(look)
    }

    /// What would have been told in the period if more were watched.
    pub(super) fn onsets(&mut self, more: &[Vec<usize>]) -> Result<Onsets, Failure> {
        let knobs = judge_context(self.past.config()).knobs;
        let mut onsets = Onsets::new(&self.spec, &knobs, more, self.minutes.start);
        self.live(0, &mut |moment| onsets.tell(moment))?;
        Ok(onsets)
    }

    fn no_dimension(&self, name: &str) -> Failure {
        let names = self.spec.dimension_names().join(", ");
        Failure::usage(format!("no dimension is called {name:?} (there are: {names})"))
    }

    /// Every minute from five weeks before the period to so many behind it.
    fn live(&mut self, after: i32, each: &mut dyn FnMut(&Moment)) -> Result<(), Failure> {
        let end = self.minutes.end.plus(after).start();
        let span = Span { from: Some(self.minutes.start.start()), to: Some(end) };
        let mut notes = Vec::new();
        let mut seen = false;
        let feeds = self.past.feeds(self.past.config(), span, &mut notes)?;
        for moment in in_order(feeds) {
            let moment = moment?;
            each(&moment);
            seen |= self.minutes.contains(&moment.sealed.minute);
        }
        self.notes.extend(notes);
        if !seen {
            return Err(Failure::trouble("there is no minute of this stream in the period"));
        }
        Ok(())
    }
}

/// The directories that were named, or the configuration's.
pub(super) fn directories(dirs: &[PathBuf], config: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    if !dirs.is_empty() {
        return Ok(dirs.to_vec());
    }
    let config = Config::load(config).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(vec![config.data_dir])
}
