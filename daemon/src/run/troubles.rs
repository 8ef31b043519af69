//! What of ebbd itself may fail, and who knows.

use std::sync::Arc;

use ebbd_core::alarm::{Severity, words};

use crate::journal::JournalHandle;
use crate::judge::{Ailment, Troubles};
use crate::source::AckDesk;
use crate::store::StoreCounters;
use crate::sys::Clock;

/// The wall clock was set when it is so far off.
const STEPPED_US: i64 = 60_000_000;

/// The disk, whichever of the writers it refuses: one trouble. Without the journal a crash loses what it
/// would not have lost; without files what was counted can't be read yet.
pub(super) fn of_disk(journal: JournalHandle, store: Arc<StoreCounters>) -> Troubles {
    let mut troubles = Troubles::default();
    let ailment = |part: &str, error: String, severity| Ailment {
        part: part.to_owned(),
        text: format!("{part} cannot be written: {error}"),
        severity,
    };
    troubles.watch("disk", move || {
        let journal = journal.failing().map(|error| ailment("the journal", error, Severity::Page));
        let files = store.failing().map(|error| ailment("Parquet", error, Severity::Ticket));
        journal.into_iter().chain(files).collect()
    });
    troubles
}

/// The wall clock, when somebody sets it: minutes go by ebbd's own time, which is drawn towards it slowly.
pub(super) fn watch_clock(troubles: &mut Troubles, clock: Arc<dyn Clock>) {
    troubles.watch("clock", move || {
        let step_us = clock.step_us();
        let way = if step_us > 0 { "ahead of" } else { "behind" };
        let apart = words::duration(step_us.abs());
        let ailment = Ailment {
            part: way.to_owned(),
            text: format!("the wall clock is {apart} {way} ebbd's; restart it if the wall is right"),
            severity: Severity::Ticket,
        };
        (step_us.abs() >= STEPPED_US).then_some(ailment).into_iter().collect()
    });
}

/// Senders that share a name: what one of them sends is sent again by the other, for ever.
pub(super) fn watch_senders(troubles: &mut Troubles, desk: Arc<AckDesk>) {
    let ailment = |id: String| Ailment {
        text: format!("two senders use the id {id}, each ends the other's connection"),
        part: id,
        severity: Severity::Ticket,
    };
    troubles.watch("fenced", move || desk.quarrels().into_iter().map(ailment).collect());
}
