//! Datagrams by the batch (`recvmmsg`) into memory that is allocated once, trains of them (`UDP_GRO`), and
//! large receive buffers.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;

use nix::libc;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::UdpGroSegment;
use rustix::net::sockopt;

/// Most datagrams of one system call.
const BATCH: usize = 64;
/// Slots are this much further apart than they are long: at a distance of a power of two their first lines,
/// the only ones that small datagrams use, would share a few sets of the cache.
const STAGGER: usize = 192;
/// Room for one control message of an `int`, aligned as its header wants.
const CONTROL: usize = 4;

/// The datagrams of the last [`DatagramBatch::receive`].
#[derive(Debug)]
pub struct DatagramBatch {
    slab: Vec<u8>,
    slots: usize,
    slot_bytes: usize,
    /// What a slot has: as many as were received.
    received: usize,
    filled: [Filled; BATCH],
    trains: bool,
}

/// What was received into a slot.
#[derive(Clone, Copy, Debug, Default)]
struct Filled {
    length: usize,
    cut: bool,
    /// Length of each datagram in it but the last; 0 for a single one.
    segment: usize,
}

impl DatagramBatch {
    /// Room for `slots` (at most 64) datagrams of `slot_bytes` each; longer ones are cut.
    pub fn new(slots: usize, slot_bytes: usize) -> DatagramBatch {
        let slots = slots.clamp(1, BATCH);
        DatagramBatch {
            slab: vec![0; slots * (slot_bytes + STAGGER)],
            slots,
            slot_bytes,
            received: 0,
            filled: [Filled::default(); BATCH],
            trains: false,
        }
    }

    /// Takes trains of datagrams apart, at a socket that [`join_datagrams`] was asked of.
    pub fn with_trains(mut self) -> DatagramBatch {
        self.trains = true;
        self
    }

    /// Takes what waits at `socket`, up to a batch, without blocking. Returns how many slots were filled:
    /// only their datagrams are in the batch, whatever older ones left in its memory. Fewer than there
    /// are slots mean that nothing waits any more.
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

    /// Most datagrams, or trains of them, that one call takes.
    pub fn slots(&self) -> usize {
        self.slots
    }

    fn receive_once(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut targets = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];
        for (target, slot) in targets.iter_mut().zip(self.slab.chunks_exact_mut(self.slot_bytes + STAGGER)) {
            *target = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: self.slot_bytes };
        }
        let mut controls = [[0_u64; CONTROL]; BATCH];
        // SAFETY: all-zero is a valid `mmsghdr`: null pointers with zero lengths.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for ((header, target), control) in headers.iter_mut().zip(&mut targets).zip(&mut controls) {
            header.msg_hdr.msg_iov = ptr::from_mut(target);
            header.msg_hdr.msg_iovlen = 1;
            if self.trains {
                // Nowhere else: descriptors that a sender of UNIX datagrams passes would come in this way.
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = size_of_val(control) as _;
            }
        }
        // SAFETY: the first `slots` headers point to `targets`, which point to disjoint parts of
        // `slab`, and to a control buffer of their own or none; all of them live for the call, have the lengths told,
        // and nothing else refers to them. The descriptor is borrowed, thus open.
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
        for (filled, header) in self.filled.iter_mut().zip(headers.iter().take(received)) {
            let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            *filled = Filled { length: header.msg_len as usize, cut, segment: segment(&header.msg_hdr) };
        }
        Ok(received)
    }

    /// The datagrams received last, each with whether its end was cut off because the slot was too short.
    pub fn datagrams(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let slots = self.slab.chunks_exact(self.slot_bytes + STAGGER).take(self.received);
        slots.zip(&self.filled).flat_map(|(slot, filled)| filled.datagrams(slot))
    }
}

impl Filled {
    fn datagrams<'s>(&self, slot: &'s [u8]) -> impl Iterator<Item = (&'s [u8], bool)> {
        let Filled { length, cut, segment } = *self;
        // An empty datagram is one, too.
        let segment = if segment == 0 { length.max(1) } else { segment };
        let ends = (0..length.max(1)).step_by(segment).map(move |from| (from, (from + segment).min(length)));
        ends.map(move |(from, to)| (&slot[from..to], cut && to == length))
    }
}

/// The length of the datagrams that the kernel put into one train (`UDP_GRO`); 0 where it didn't.
fn segment(header: &libc::msghdr) -> usize {
    if header.msg_controllen == 0 {
        return 0;
    }
    // SAFETY: the header was filled in by the kernel, its control buffer lives and is aligned; a message
    // is read only where the macros say that there is one, and an `int` only where one fits.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        let is_train = !message.is_null()
            && (*message).cmsg_level == libc::SOL_UDP
            && (*message).cmsg_type == libc::UDP_GRO
            && (*message).cmsg_len as usize >= libc::CMSG_LEN(size_of::<libc::c_int>() as u32) as usize;
        if !is_train {
            return 0;
        }
        let length = ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::c_int>());
        usize::try_from(length).unwrap_or(0)
    }
}

/// Lets the kernel join datagrams of one sender into trains, which cost little more than one datagram. A
/// train that finds no room counts as one drop, however many datagrams it had.
///
/// # Errors
/// The system doesn't offer it.
pub fn join_datagrams(socket: impl AsFd) -> io::Result<()> {
    Ok(setsockopt(&socket, UdpGroSegment, &true)?)
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

    #[test]
    fn trains_are_taken_apart() {
        use std::net::UdpSocket;
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("bound");
        join_datagrams(&receiver).expect("offered since Linux 5.0");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        sender.connect(receiver.local_addr().expect("an address")).expect("connected");
        setsockopt(&sender, nix::sys::socket::sockopt::UdpGsoSegment, &4).expect("offered since Linux 4.18");
        sender.send(b"aaaabbbbcc").expect("sent");
        setsockopt(&sender, nix::sys::socket::sockopt::UdpGsoSegment, &0).expect("set");
        sender.send(b"single").expect("sent");
        sender.send(b"").expect("sent");
        let mut batch = DatagramBatch::new(8, 64).with_trains();
        let mut all = Vec::new();
        while batch.receive(&receiver).expect("received") > 0 {
            all.extend(contents(&batch));
        }
        let expected = ["aaaa", "bbbb", "cc", "single", ""].map(|t| (t.as_bytes().to_vec(), false));
        assert_eq!(all, expected);
    }
}
