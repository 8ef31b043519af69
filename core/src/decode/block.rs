//! A block of whole lines: the only thing that crosses from a source's thread to a lane.

use crate::model::{ConnId, SourceId, TimeUs};
use crate::sync::Lease;

use super::source::Reading;

/// Whole lines of one connection, file or batch of datagrams. The last line may lack its LF only at
/// the end of a plain stream; datagrams are joined with LF.
#[derive(Debug)]
pub struct Block {
    /// The bytes.
    pub bytes: Lease,
    /// The declared source.
    pub source: SourceId,
    /// The connection, file or socket.
    pub conn: ConnId,
    /// Number of the block's first non-empty line on its connection, from 1.
    pub first_line: u64,
    /// Byte offset behind the block's last byte on its connection or file.
    pub end_offset: u64,
    /// What the source wants to be told again once all up to the block's end is counted, say a checksum of
    /// the bytes so far; 0 if nothing. It means nothing to whoever counts.
    pub check: u32,
    /// When it was received, by the daemon's clock.
    pub arrival: TimeUs,
    /// How its lines are read. A source that says so is told of every line that is refused.
    pub reading: Reading,
}
