//! What can be asked of a running daemon over its control socket.

use std::sync::Arc;

use crossbeam::channel::{Sender, bounded};
use ebbd_core::model::Mark;

use super::view::View;
use crate::commit::CommitRequest;
use crate::judge::JudgeMessage;

/// Answers the control socket's requests by asking the stages.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) view: Arc<View>,
    pub(super) boot: String,
    pub(super) requests: Sender<CommitRequest>,
    pub(super) judge: Sender<JudgeMessage>,
}
