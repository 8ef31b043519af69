//! UDP and UNIX datagrams: what isn't received or has no room is counted, exactly.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use super::*;
use crate::config::UdpOptions;
use crate::source::datagrams::{DatagramLimits, DatagramSocket, Datagrams};
use crate::source::pace::Pace;
use crate::sys::request_receive_buffer;

fn udp_source(rig: &Rig, options: UdpOptions) -> SourceHandle {
    rig.start(SourceKind::Udp { addr: "127.0.0.1:0".parse().expect("an address"), options })
}

fn sender_to(source: &SourceHandle) -> UdpSocket {
    let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
    sender.connect(source.address.expect("bound")).expect("connected");
    sender
}

/// A pace that lets little gather.
fn pace() -> Pace {
    Pace::new(Duration::from_millis(1), 64, 512)
}

#[test]
fn datagrams_of_one_or_many_lines_arrive() {
    let rig = Rig::new(USUAL);
    let source = udp_source(&rig, UdpOptions::default());
    let sender = sender_to(&source);
    assert!(source.receive_buffer.is_some_and(|buffer| buffer.granted > 0));
    let lines = some_lines("udp", 900);
    for packet in lines.chunks(3) {
        sender.send(packet.join("\n").as_bytes()).expect("sent");
    }
    for odd in ["", "\n", "x\r\n\r\n", "y\n"] {
        sender.send(odd.as_bytes()).expect("sent");
    }
    rig.await_lines(902);
    let (got, told) = rig.finish(source);
    got.assert_numbered();
    let expected: Vec<String> = lines.into_iter().chain(["x".to_owned(), "y".to_owned()]).collect();
    assert_eq!((got.lines(), told.kernel_datagrams), (vec![expected], 0));
}

#[test]
fn unix_datagrams_arrive_and_the_sender_is_held_up() {
    let shape = Shape { lanes: 1, queue: 2, buffers: 4, per_block: Duration::from_millis(1) };
    let rig = Rig::new(shape);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let place = socket_path(dir.path(), "d");
    let source = rig.start(SourceKind::UnixDatagram(place.clone()));
    let sender = UnixDatagram::unbound().expect("made");
    sender.connect(&place.path).expect("connected");
    for line in some_lines("dgram", 5000) {
        sender.send(line.as_bytes()).expect("sent, in the end");
    }
    let long = some_lines("long", 2000).join("\n");
    assert!(long.len() > buffer_bytes(LINE) / 2);
    sender.send(long.as_bytes()).expect("sent");
    rig.await_lines(7000);
    let (got, told) = rig.finish(source);
    got.assert_numbered();
    assert_eq!((got.all_lines().len(), told.dropped_queue_lines), (7000, 0));
}

/// A source whose receive buffer is tiny and whose lanes stand still for a while.
fn bounded_source(rig: &Rig, buffer: usize, patience: Duration) -> (SourceHandle, UdpSocket) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
    socket.set_nonblocking(true).expect("set");
    request_receive_buffer(&socket, buffer).expect("granted");
    let address = socket.local_addr().expect("an address");
    let limits = DatagramLimits { batch: 64, datagram_bytes: 64 * 1024, patience, pace: pace() };
    let socket = DatagramSocket { fd: socket.into(), drops: 0, trains: false };
    let bound = Bound {
        address: Some(address),
        receive_buffer: None,
        run: Box::new(move |feed| {
            Datagrams::new(socket, "here".to_owned(), feed, limits).run();
            Left::default()
        }),
    };
    let config = config(SourceKind::Udp { addr: address, options: UdpOptions::default() });
    let source = start(&config, &rig.intake, bound).expect("started");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
    sender.connect(address).expect("connected");
    (source, sender)
}

#[test]
fn what_the_kernel_drops_is_counted_to_the_last_datagram() {
    let rig = Rig::new(USUAL);
    let (source, sender) = bounded_source(&rig, 4096, PATIENCE);
    for line in some_lines("flood", 20_000) {
        sender.send(line.as_bytes()).expect("sent");
    }
    let (got, told) = rig.finish(source);
    assert_eq!(got.lines + told.kernel_datagrams, 20_000, "sent = received + dropped");
    assert!(told.kernel_datagrams > 0, "the buffer was large enough: the test shows nothing");
    assert_eq!(told.dropped_queue_lines, 0);
}

#[test]
fn what_finds_no_room_is_shed_and_counted_in_lines() {
    for (queue, buffers) in [(1, 24), (100, 2)] {
        let shape = Shape { lanes: 1, queue, buffers, per_block: Duration::from_millis(20) };
        let rig = Rig::new(shape);
        let (source, sender) = bounded_source(&rig, 4 << 20, Duration::from_millis(1));
        let lines = some_lines("shed", 6000);
        for packet in lines.chunks(4) {
            sender.send(packet.join("\n").as_bytes()).expect("sent");
            thread::sleep(Duration::from_micros(100));
        }
        let (got, told) = rig.finish(source);
        assert_eq!(got.lines + told.dropped_queue_lines + 4 * told.kernel_datagrams, 6000);
        assert!(told.dropped_queue_lines > 0, "nothing was shed: the test shows nothing");
    }
}

#[test]
fn a_datagram_that_is_too_long_loses_its_last_line_only() {
    let rig = Rig::new(USUAL);
    let (sender, receiver) = UnixDatagram::pair().expect("a pair");
    let limits = DatagramLimits { batch: 4, datagram_bytes: 64, patience: PATIENCE, pace: pace() };
    let socket = DatagramSocket { fd: receiver.into(), drops: 0, trains: false };
    let bound = Bound {
        address: None,
        receive_buffer: None,
        run: Box::new(move |feed| {
            Datagrams::new(socket, "here".to_owned(), feed, limits).run();
            Left::default()
        }),
    };
    let kind = SourceKind::UnixDatagram(socket_path(Path::new("/nowhere"), "d"));
    let source = start(&config(kind), &rig.intake, bound).expect("started");
    sender.send(format!("first\nsecond {}", "x".repeat(80)).as_bytes()).expect("sent");
    sender.send(&[b'y'; 100]).expect("sent");
    sender.send(b"last").expect("sent");
    rig.await_lines(2);
    let (got, told) = rig.finish(source);
    assert_eq!((got.all_lines().join(" "), told.too_long_lines), ("first last".to_owned(), 2));
}

#[test]
fn many_sockets_at_one_port_count_as_one_source() {
    let rig = Rig::new(USUAL);
    let source = udp_source(&rig, UdpOptions { receivers: 3, gro: false });
    let lines = some_lines("shared", 3000);
    // A sender's datagrams all go to the same socket: which one is the kernel's choice.
    let senders: Vec<UdpSocket> = (0..24).map(|_| sender_to(&source)).collect();
    for (at, line) in lines.iter().enumerate() {
        senders[at % senders.len()].send(line.as_bytes()).expect("sent");
    }
    let open = rig.intake.conns.open();
    assert_eq!(open.len(), 3, "a position for each socket");
    rig.await_lines(3000);
    let (got, told) = rig.finish(source);
    got.assert_numbered();
    assert!(got.blocks.len() > 1, "all went to one socket");
    let mut lines = lines;
    lines.sort();
    assert_eq!((got.all_lines(), told.kernel_datagrams), (lines, 0));
}

#[test]
fn trains_of_datagrams_arrive_as_their_datagrams() {
    use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
    let rig = Rig::new(USUAL);
    let source = udp_source(&rig, UdpOptions { receivers: 1, gro: true });
    let sender = sender_to(&source);
    let lines: Vec<String> = (0..4000).map(|at| format!("line-{at:07}")).collect();
    setsockopt(&sender, UdpGsoSegment, &12).expect("offered since Linux 4.18");
    for train in lines.chunks(40) {
        sender.send(train.concat().as_bytes()).expect("sent");
    }
    rig.await_lines(4000);
    let (got, told) = rig.finish(source);
    got.assert_numbered();
    assert_eq!((got.lines(), told.kernel_datagrams), (vec![lines], 0));
}

#[test]
fn what_several_sockets_drop_is_summed() {
    let mut rig = Rig::new(Shape { lanes: 1, queue: 1, buffers: 2, per_block: Duration::from_millis(5) });
    let source = udp_source(&rig, UdpOptions { receivers: 2, gro: false });
    let senders: Vec<UdpSocket> = (0..8).map(|_| sender_to(&source)).collect();
    // More than both buffers hold while the lane dawdles.
    let packet = some_lines("sum", 20).join("\n") + &"y".repeat(30_000);
    let sent = 3_000;
    for at in 0..sent {
        senders[at % senders.len()].send(packet.as_bytes()).expect("sent");
    }
    let lost = |told: &SourceTold| told.dropped_queue_lines + 20 * told.kernel_datagrams;
    rig.await_told(&source, |told| told.delivered_lines + lost(told) >= 20 * sent as u64);
    let (got, told) = rig.finish(source);
    assert_eq!(got.lines + lost(&told), 20 * sent as u64, "sent = received + dropped");
    assert!(told.kernel_datagrams > 0, "the buffers were large enough: the test shows nothing");
}
