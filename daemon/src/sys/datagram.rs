//! Datagrams by the batch (`recvmmsg`) into memory that is allocated once, and large receive buffers.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;

use nix::libc;
use rustix::net::sockopt;

/// Most datagrams of one system call.
const BATCH: usize = 64;

/// The datagrams of the last [`DatagramBatch::receive`].
#[derive(Debug)]
pub struct DatagramBatch {
    slab: Vec<u8>,
    slots: usize,
    slot_bytes: usize,
    received: usize,
    lengths: [usize; BATCH],
    cut: [bool; BATCH],
}

impl DatagramBatch {
    /// Room for `slots` (at most 64) datagrams of `slot_bytes` each; longer ones are cut.
    pub fn new(slots: usize, slot_bytes: usize) -> DatagramBatch {
        let slots = slots.clamp(1, BATCH);
        DatagramBatch {
            slab: vec![0; slots * slot_bytes],
            slots,
            slot_bytes,
            received: 0,
            lengths: [0; BATCH],
            cut: [false; BATCH],
        }
    }

    /// Takes what waits at `socket`, up to a batch, without blocking. Returns how many datagrams: only
    /// these are in the batch, whatever older ones left in its memory.
    ///
    /// # Errors
    /// Whatever the system says; that nothing waits is no error but 0.
    pub fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        self.received = 0;
        self.received = loop {
            match self.receive_once(socket.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break 0,
                outcome => break outcome?,
            }
        };
        Ok(self.received)
    }

    fn receive_once(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut targets = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];
        for (target, slot) in targets.iter_mut().zip(self.slab.chunks_exact_mut(self.slot_bytes)) {
            *target = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
        }
        // SAFETY: all-zero is a valid `mmsghdr`: null pointers with zero lengths.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for (header, target) in headers.iter_mut().zip(targets.iter_mut()) {
            header.msg_hdr.msg_iov = ptr::from_mut(target);
            header.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: the first `slots` headers point to `targets`, which point to disjoint parts of
        // `slab`; all of them live for the call and nothing else refers to them. The descriptor is
        // borrowed, thus open.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                self.slots as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (at, header) in headers.iter().take(received).enumerate() {
            self.lengths[at] = header.msg_len as usize;
            self.cut[at] = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        }
        Ok(received)
    }

    /// The datagrams received last, each with whether its end was cut off because the slot was too short.
    pub fn datagrams(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let slots = self.slab.chunks_exact(self.slot_bytes).take(self.received);
        slots.zip(self.lengths.iter().zip(&self.cut)).map(|(slot, (&length, &cut))| (&slot[..length], cut))
    }
}

/// What became of a wish for a large receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffer {
    /// Bytes asked for.
    pub asked: usize,
    /// Bytes granted, as read back.
    pub granted: usize,
}

impl ReceiveBuffer {
    /// Whether less was granted than asked for: a burst then loses datagrams sooner.
    pub fn is_short(&self) -> bool {
        self.granted < self.asked
    }
}

/// Asks for a receive buffer of `asked` bytes, past the system's limit where privilege allows it, and
/// reads back what was granted.
///
/// # Errors
/// It is no socket.
pub fn request_receive_buffer(socket: impl AsFd, asked: usize) -> io::Result<ReceiveBuffer> {
    if sockopt::set_socket_recv_buffer_size_force(&socket, asked).is_err() {
        sockopt::set_socket_recv_buffer_size(&socket, asked)?;
    }
    Ok(ReceiveBuffer { asked, granted: granted(&socket)? })
}

/// The kernel doubles a wish to pay for its own headers, and tells the doubled figure.
fn granted(socket: impl AsFd) -> io::Result<usize> {
    Ok(sockopt::socket_recv_buffer_size(socket)? / 2)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn contents(batch: &DatagramBatch) -> Vec<(Vec<u8>, bool)> {
        batch.datagrams().map(|(bytes, cut)| (bytes.to_vec(), cut)).collect()
    }

    #[test]
    fn hands_out_only_what_the_call_returned() {
        let (sender, receiver) = UnixDatagram::pair().expect("a pair");
        let mut batch = DatagramBatch::new(4, 16);
        assert_eq!(batch.receive(&receiver).expect("nothing waits"), 0);
        for text in ["one", "two", "", "this one is longer than a slot", "five"] {
            sender.send(text.as_bytes()).expect("sent");
        }
        assert_eq!(batch.receive(&receiver).expect("four"), 4);
        let expected = [("one", false), ("two", false), ("", false), ("this one is long", true)]
            .map(|(text, cut)| (text.as_bytes().to_vec(), cut));
        assert_eq!(contents(&batch), expected);
        assert_eq!(batch.receive(&receiver).expect("one"), 1);
        assert_eq!(contents(&batch), [(b"five".to_vec(), false)], "stale slots are not handed out again");
        assert_eq!(batch.receive(&receiver).expect("none"), 0);
        assert!(contents(&batch).is_empty());
    }

    #[test]
    fn reads_back_what_was_granted() {
        let (_sender, receiver) = UnixDatagram::pair().expect("a pair");
        let buffer = request_receive_buffer(&receiver, 64 * 1024).expect("granted");
        assert_eq!(buffer, ReceiveBuffer { asked: 64 * 1024, granted: 64 * 1024 });
        assert!(!buffer.is_short() && ReceiveBuffer { asked: 2, granted: 1 }.is_short());
    }
}
