//! What a source's thread leaves behind when it ends: sockets and open conversations, for a thread of the same
//! source under another configuration, or for the next process.
//!
//! In: what the thread held. Out: the same, to be taken up; of acknowledged senders also as bytes, for a process
//! that gets the connection from the service manager. Must not know: who keeps it meanwhile.

use std::os::fd::OwnedFd;

use ebbd_core::model::ConnId;
use serde::{Deserialize, Serialize};

use super::acked::Acked;
use super::acks::AckDesk;
use super::cut::Cutter;
use super::datagrams::DatagramSocket;
use super::outbox::Outbox;
use super::socket_path::BoundPath;
use super::stream::Listening;

/// Of a connection that holds more than this, nothing is written down: it is closed, and its sender sends again.
const MOST_WRITTEN: usize = 8 * 1024;

/// How a source is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Ending {
    /// It takes what waits in the kernel, then closes everything.
    #[default]
    Close,
    /// The same, but connections of acknowledged senders stay open.
    LeaveGreeted,
    /// It closes nothing and takes nothing more.
    LeaveAll,
}

impl Ending {
    /// What was kept as a number.
    pub(super) fn of(number: u8) -> Ending {
        let all = [Ending::Close, Ending::LeaveGreeted, Ending::LeaveAll];
        all.into_iter().find(|ending| *ending as u8 == number).unwrap_or_default()
    }
}

/// What a source's thread left.
#[derive(Debug, Default)]
pub struct Left {
    pub(super) listening: Option<Listening>,
    pub(super) sockets: Vec<DatagramSocket>,
    pub(super) path: Option<BoundPath>,
    pub(super) connections: Vec<LeftConnection>,
}

/// A connection that is open and that nobody reads.
#[derive(Debug)]
pub struct LeftConnection {
    pub(super) fd: OwnedFd,
    /// What it was called when its lines were counted.
    pub(super) conn: ConnId,
    /// Who it is, for people.
    pub(super) who: String,
    pub(super) cutter: Cutter,
    pub(super) talk: LeftTalk,
    pub(super) outbox: Outbox,
}

/// What is known of its sender.
#[derive(Debug)]
pub(super) enum LeftTalk {
    Unknown,
    Plain,
    Acked(Box<Acked>),
}

/// A connection of an acknowledged sender, without its descriptor.
#[derive(Debug, Serialize, Deserialize)]
pub struct Conversation {
    who: String,
    cutter: Cutter,
    acked: Box<Acked>,
    outbox: Outbox,
}

impl Left {
    /// Settles open conversations, once all lines that were handed over are counted. Those that can't go on
    /// are closed.
    pub fn settle(&mut self, desk: &AckDesk) {
        self.connections.retain_mut(|connection| match &mut connection.talk {
            LeftTalk::Acked(acked) => acked.settle(desk.told(connection.conn)),
            LeftTalk::Unknown | LeftTalk::Plain => true,
        });
    }

    /// The open conversations with acknowledged senders, each with its descriptor; the rest is closed.
    pub fn into_conversations(self) -> Vec<(OwnedFd, Conversation)> {
        self.connections.into_iter().filter_map(LeftConnection::into_conversation).collect()
    }

    /// Takes up conversations that an earlier process held.
    pub fn of_conversations(conversations: Vec<(OwnedFd, Conversation)>) -> Left {
        let connections = conversations.into_iter().map(|(fd, conversation)| {
            let Conversation { who, cutter, acked, outbox } = conversation;
            LeftConnection { fd, conn: ConnId(0), who, cutter, talk: LeftTalk::Acked(acked), outbox }
        });
        Left { connections: connections.collect(), ..Left::default() }
    }
}

impl Conversation {
    /// The sender's name; empty if it has none.
    pub fn id(&self) -> &str {
        self.acked.id()
    }
}

impl LeftConnection {
    fn into_conversation(self) -> Option<(OwnedFd, Conversation)> {
        let LeftConnection { fd, who, cutter, talk, outbox, .. } = self;
        let LeftTalk::Acked(acked) = talk else { return None };
        let held = cutter.unfinished_bytes() + acked.early_bytes() as u64;
        (held <= MOST_WRITTEN as u64).then_some((fd, Conversation { who, cutter, acked, outbox }))
    }
}
