//! The operating system, as far as the standard library leaves it out: clock, disk, datagrams by the
//! batch, kernel drop counters, peers, inherited sockets, connections that time out, wake-ups. `unsafe` is allowed here only.
//!
//! In: file descriptors and paths. Out: safe calls and the traits [`Clock`] and [`Disk`].
//! Must not know: events, sources, configuration.

mod activation;
mod clock;
mod datagram;
mod descriptors;
mod disk;
mod fault_disk;
mod meminfo;
mod mutant;
mod passing;
mod patient;
mod pause;
mod peer;
#[cfg(test)]
mod results;
mod slot_file;
mod wake;

pub use activation::{Inherited, ListenerKind};
#[cfg(test)]
pub(crate) use clock::Slewed;
pub use clock::{Clock, ManualClock, ScaledClock, WallClock};
pub use datagram::{DatagramBatch, ReceiveBuffer, join_datagrams, request_receive_buffer};
pub use descriptors::raise_descriptors;
pub use disk::{Disk, DiskFile, RealDisk};
pub use fault_disk::{Fault, FaultDisk};
pub use meminfo::socket_drops;
#[cfg(test)]
pub(crate) use mutant::make_mutant;
pub(crate) use mutant::{Mutant, is_made};
pub(crate) use passing::instant;
#[cfg(test)]
pub(crate) use passing::stop_time;
pub use patient::{Patience, PatientStream};
pub use pause::{Pause, PauseWatch};
pub use peer::{Peer, peer_credentials, peer_groups};
#[cfg(test)]
pub(crate) use results::result;
pub use slot_file::{Slot, SlotFile, Slots, WORDS, Words};
pub use wake::Wake;
