//! The kernel's own count of datagrams that it dropped at a socket.

#![allow(unsafe_code)]

use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

/// Words that `SO_MEMINFO` may give (the kernel has nine).
const WORDS: usize = 16;
/// Which of them counts drops.
const SK_MEMINFO_DROPS: usize = 8;

/// How many datagrams the kernel has dropped at this socket since it was made, because its buffer was
/// full or a checksum was wrong; wraps at 2^32. Exact and up to date, unlike `SO_RXQ_OVFL`, which
/// rides on the next datagram.
///
/// # Errors
/// It is no socket, or the kernel is older than 4.12.
pub fn socket_drops(socket: impl AsFd) -> io::Result<u32> {
    let mut words = [0_u32; WORDS];
    let mut bytes = size_of_val(&words) as libc::socklen_t;
    // SAFETY: `words` lives for the call and is as long as `bytes` says; the kernel writes at most
    // that much and tells how much it wrote. The descriptor is borrowed, thus open.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    if (bytes as usize) < (SK_MEMINFO_DROPS + 1) * size_of::<u32>() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(words[SK_MEMINFO_DROPS])
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::sys::request_receive_buffer;

    #[test]
    fn sent_is_received_plus_dropped() {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("bound");
        request_receive_buffer(&receiver, 4096).expect("a small buffer");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let to = receiver.local_addr().expect("an address");
        for _ in 0..500 {
            sender.send_to(&[b'x'; 200], to).expect("sent");
        }
        receiver.set_nonblocking(true).expect("set");
        let mut received = 0;
        while receiver.recv(&mut [0; 256]).is_ok() {
            received += 1;
        }
        let dropped = socket_drops(&receiver).expect("a count");
        assert!(dropped > 0 && received > 0);
        assert_eq!(received + dropped, 500);
    }

    #[test]
    fn a_file_has_no_drops() {
        assert!(socket_drops(std::fs::File::open("/dev/null").expect("a file")).is_err());
    }
}
