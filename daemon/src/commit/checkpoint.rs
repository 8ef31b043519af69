//! The whole state at one commit, as the journal keeps it.
//!
//! In: the state of aggregator and judge, positions of files, how far rolls have come. Out: JSON, and the same
//! read back. Must not know: how it came to be, what is done with it.

use std::collections::BTreeMap;

use ebbd_core::aggregate::AggregateState;
use ebbd_core::judge::JudgeState;
use ebbd_core::model::TimeUs;
use serde::{Deserialize, Serialize};

use crate::source::{Conversation, FileNote, Position, Read, Sender, Spoken};
use crate::store::RollState;

/// The version written; older ones are read. What is only added leaves it as it is, so that the release
/// before can start on it.
const VERSION: u32 = 1;

/// Everything that goes on after a restart.
#[derive(Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    saved_at: TimeUs,
    /// The counts.
    pub aggregate: AggregateState,
    /// Verdicts and alarms.
    pub judge: JudgeState,
    /// How far files were read.
    pub files: Vec<Position>,
    /// Which connections are files, if the run goes on. Absent in what earlier releases wrote.
    #[serde(default)]
    pub followed: Vec<FileNote>,
    /// Acknowledged senders. Absent in what earlier releases wrote, which acknowledged nobody.
    #[serde(default)]
    pub senders: Vec<Sender>,
    /// Which connections speak for them.
    #[serde(default)]
    pub spoken: Vec<Spoken>,
    /// What was read of senders that do not send again, by source. Earlier releases did not know.
    #[serde(default)]
    pub reads: BTreeMap<String, Read>,
    /// Open conversations that the service manager was to keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptConversation>,
    /// Which rows are in files; of a release that knew no rolls nothing is said.
    #[serde(default)]
    pub rolls: Option<RollState>,
}

/// A conversation with an acknowledged sender whose connection the service manager keeps.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptConversation {
    /// The name under which it keeps it.
    pub name: String,
    /// The name of its source.
    pub source: String,
    /// How that source was read.
    pub facts: String,
    /// Where it stood.
    pub conversation: Conversation,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A later ebbd wrote it.
    #[error("it has version {0}, this ebbd reads up to {VERSION}; start the ebbd that wrote it")]
    Newer(u32),
    /// It is not what was written.
    #[error("{0}")]
    Damaged(#[from] serde_json::Error),
}

/// Only what tells whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

impl Checkpoint {
    /// The state at `saved_at`.
    pub fn new(
        saved_at: TimeUs,
        aggregate: AggregateState,
        judge: JudgeState,
        files: Vec<Position>,
        rolls: RollState,
    ) -> Checkpoint {
        let (senders, spoken, reads, kept) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
        let (version, followed, rolls) = (VERSION, Vec::new(), Some(rolls));
        Checkpoint {
            version,
            saved_at,
            aggregate,
            judge,
            files,
            followed,
            senders,
            spoken,
            reads,
            kept,
            rolls,
        }
    }

    /// The same with what is known of acknowledged senders.
    pub fn with_senders(self, senders: Vec<Sender>, spoken: Vec<Spoken>) -> Checkpoint {
        Checkpoint { senders, spoken, ..self }
    }

    /// The same with what was read.
    pub fn with_reads(self, reads: BTreeMap<String, Read>) -> Checkpoint {
        Checkpoint { reads, ..self }
    }

    /// The same with conversations that are to be gone on with.
    pub fn with_kept(self, kept: Vec<KeptConversation>) -> Checkpoint {
        Checkpoint { kept, ..self }
    }

    /// The same of a run that goes on with these files open.
    pub fn with_followed(self, followed: Vec<FileNote>) -> Checkpoint {
        Checkpoint { followed, ..self }
    }

    /// As the journal keeps it.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("the state holds nothing that JSON cannot say")
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(body: &[u8]) -> Result<Checkpoint, CheckpointError> {
        let head: Head = serde_json::from_slice(body)?;
        if head.version > VERSION {
            return Err(CheckpointError::Newer(head.version));
        }
        Ok(serde_json::from_slice(body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_version_is_refused_and_says_so() {
        let refused = Checkpoint::read(br#"{"version":99,"whatever":1}"#).expect_err("too new");
        assert!(refused.to_string().contains("version 99"), "{refused}");
    }
}
