//! What goes on from one configuration to the next, and from one process to the next.
//!
//! In: what ended sources left, what the service manager kept. Out: the same for those who come after them.
//! Must not know: how a source does its work.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use ebbd_core::judge::Judge;

use super::outlets::Outlets;
use super::recover::Recovered;
use super::stages::seed;
use super::view::View;
use crate::commit::KeptConversation;
use crate::config::Config;
use crate::service::ServiceManager;
use crate::source::{Conversation, Left};
use crate::sys::Inherited;

/// How the names begin under which the service manager keeps connections.
const NAME: &str = "ebbd-sender.";

/// What goes on.
#[derive(Default)]
pub struct Kept {
    /// By the name of the source.
    pub(super) sources: BTreeMap<String, Left>,
    /// Subscribers, control and HTTP, if nothing was changed there.
    pub(super) outlets: Option<Outlets>,
    /// The figures so far.
    pub(super) view: Option<Arc<View>>,
    /// What was learnt ahead of the groupings that are watched anew.
    pub(super) taught: Option<Judge>,
    /// Connections that the service manager has kept since the last process, by name.
    pub(super) connections: Vec<(String, OwnedFd)>,
}

impl Kept {
    /// What the service manager kept for this process.
    pub fn by_manager(inherited: &mut Inherited) -> Kept {
        Kept { connections: inherited.take_named(NAME), ..Kept::default() }
    }

    /// With what was learnt ahead for the next configuration.
    pub fn with_taught(self, taught: Option<Judge>) -> Kept {
        Kept { taught, ..self }
    }

    /// Puts the connections that the service manager kept together with what was said on them. Others are closed.
    pub(super) fn reunite(&mut self, state: &mut Recovered, config: &Config, service: &ServiceManager) {
        let mut known: BTreeMap<String, KeptConversation> =
            state.kept.drain(..).map(|kept| (kept.name.clone(), kept)).collect();
        let mut by_source: BTreeMap<String, Vec<(OwnedFd, Conversation)>> = BTreeMap::new();
        for (name, fd) in self.connections.drain(..) {
            // From here on it is read: to a later start it would tell half a story.
            service.let_go(&name);
            let found = known.remove(&name);
            let found = found.filter(|kept| config.source_facts(&kept.source).as_ref() == Some(&kept.facts));
            if let Some(KeptConversation { source, conversation, .. }) = found {
                by_source.entry(source).or_default().push((fd, conversation));
            }
        }
        let lefts = by_source.into_iter();
        self.sources.extend(lefts.map(|(name, found)| (name, Left::of_conversations(found))));
    }
}

/// Connections that are to be handed to the service manager, each with its name.
pub(super) struct ToKeep(Vec<(String, OwnedFd)>);

impl ToKeep {
    /// The open conversations of `sources`, at most `room`, and what has to be written down of them.
    pub(super) fn of(
        sources: Vec<(String, Left)>,
        config: &Config,
        room: usize,
    ) -> (ToKeep, Vec<KeptConversation>) {
        let stop = seed();
        let (mut fds, mut written) = (Vec::new(), Vec::new());
        let all = sources.into_iter().flat_map(|(source, left)| {
            left.into_conversations()
                .into_iter()
                .map(move |(fd, conversation)| (source.clone(), fd, conversation))
        });
        for (number, (source, fd, conversation)) in all.take(room).enumerate() {
            let Some(facts) = config.source_facts(&source) else { continue };
            let name = format!("{NAME}{}.{stop:016x}.{number}", conversation.id());
            fds.push((name.clone(), fd));
            written.push(KeptConversation { name, source, facts, conversation });
        }
        (ToKeep(fds), written)
    }

    /// Hands them over: what was written of them is durable.
    pub(super) fn hand_over(self, service: &ServiceManager) {
        for (name, fd) in &self.0 {
            if let Err(error) = service.keep(name, fd.as_fd()) {
                return tracing::warn!("the service manager cannot keep connections: {error}");
            }
        }
    }
}
