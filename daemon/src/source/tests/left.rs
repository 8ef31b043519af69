//! What a source leaves goes on at the next one, and its senders notice nothing.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use super::acked::{Office, Talker, lines, office};
use super::*;

/// An office that knows the senders of an earlier one.
fn successor(earlier: Vec<Sender>) -> Office {
    let office = office(8);
    office.intake.desk.restore(earlier);
    office
}

/// As the journal and the service manager keep it.
fn written_down(left: Left) -> Left {
    let kept: Vec<(OwnedFd, Conversation)> = left.into_conversations();
    let again = kept.into_iter().map(|(fd, conversation)| {
        let text = serde_json::to_vec(&conversation).expect("it can be written");
        (fd, serde_json::from_slice(&text).expect("it can be read"))
    });
    Left::of_conversations(again.collect())
}

/// Opens conversations in all states, lets the source leave by `ending`, and goes on with what it left.
fn goes_on(ending: Ending, kept: impl Fn(Left) -> Left) {
    let (first, dir) = (office(8), tempfile::tempdir().expect("a directory"));
    let source = first.unix(&dir, |_| {});
    let mut named = Talker::new(&dir, "EBBD/1 id=named\n");
    named.say(&(lines(1, 3) + "nonsense\n"));
    assert_eq!(named.hear(), "OK 0");
    named.await_ack(4);
    named.say("{\"ts\":\"2026-11-22T13:0");
    let mut nameless = Talker::new(&dir, "EBBD/1\n");
    assert_eq!(nameless.hear(), "OK 0");
    nameless.say(&lines(1, 2));
    nameless.await_ack(2);
    let mut eager = Talker::new(&dir, "EBBD/1 id=eager\n");
    assert_eq!(eager.hear(), "OK 0");
    eager.say(&lines(1, 7));
    let mut again = Talker::new(&dir, "EBBD/1 id=again\n");
    assert_eq!(again.hear(), "OK 0");
    again.say(&lines(1, 5));
    again.await_ack(5);
    let mut again = Talker::new(&dir, "EBBD/1 id=again\n");
    assert_eq!(again.hear(), "OK 5");
    again.say(&lines(1, 2));
    thread::sleep(Duration::from_millis(30));
    let desk = Arc::clone(&first.intake.desk);
    let (received, duplicates, left) = first.leave(source, ending);
    assert_eq!(left.connections.len(), 4);

    let second = successor(desk.save());
    let source = second.unix_after(&dir, kept(left), |_| {});
    named.say("4:05Z\",\"marketplace\":\"US\"}\n");
    named.await_ack(5);
    assert_eq!(named.bye(), "BYE 5 counted=4 rejected=1 duplicate=0");
    nameless.say(&lines(3, 3));
    assert_eq!(nameless.bye(), "BYE 3 counted=3 rejected=0 duplicate=0");
    eager.await_ack(7);
    assert_eq!(eager.bye(), "BYE 7 counted=7 rejected=0 duplicate=0");
    again.say(&lines(3, 6));
    assert_eq!(again.bye(), "BYE 6 counted=1 rejected=0 duplicate=5");
    let (more, more_duplicates) = second.finish(source);
    assert_eq!((received + more, duplicates + more_duplicates), (21, 5));
}

#[test]
fn conversations_go_on_under_another_configuration() {
    goes_on(Ending::LeaveAll, |left| left);
}

#[test]
fn conversations_go_on_in_another_process() {
    goes_on(Ending::LeaveGreeted, written_down);
}

#[test]
fn a_conversation_that_nobody_knows_of_is_closed_and_one_that_began_anew_fences_it() {
    let (first, dir) = (office(8), tempfile::tempdir().expect("a directory"));
    let source = first.unix(&dir, |_| {});
    let mut unknown = Talker::new(&dir, "EBBD/1 id=unknown\n");
    unknown.say(&lines(1, 2));
    assert_eq!(unknown.hear(), "OK 0");
    unknown.await_ack(2);
    let mut known = Talker::new(&dir, "EBBD/1 id=known\n");
    known.say(&lines(1, 2));
    assert_eq!(known.hear(), "OK 0");
    known.await_ack(2);
    let desk = Arc::clone(&first.intake.desk);
    let (_, _, left) = first.leave(source, Ending::LeaveAll);
    let senders = desk.save().into_iter().filter(|sender| sender.id.as_str() == "known").collect();
    let second = successor(senders);
    let source = second.unix_after(&dir, left, |_| {});
    assert_eq!(unknown.hear(), "", "closed: it greets again");
    let mut unknown = Talker::new(&dir, "EBBD/1 id=unknown\n");
    assert_eq!(unknown.hear(), "OK 0");
    let mut anew = Talker::new(&dir, "EBBD/1 id=known\n");
    assert_eq!(known.hear(), "ERR fenced");
    assert_eq!(anew.hear(), "OK 2");
    second.finish(source);
}

#[test]
fn a_conversation_under_another_limit_is_closed() {
    let (first, dir) = (office(8), tempfile::tempdir().expect("a directory"));
    let source = first.unix(&dir, |_| {});
    let mut talker = Talker::new(&dir, "EBBD/1 id=a\n");
    assert_eq!(talker.hear(), "OK 0");
    let (_, _, left) = first.leave(source, Ending::LeaveAll);
    let mut second = office(8);
    second.intake.line *= 2;
    let source = second.unix_after(&dir, left, |_| {});
    assert_eq!(talker.hear(), "");
    second.finish(source);
}

#[test]
fn plain_connections_and_datagrams_go_on_with_what_was_not_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let (stream, datagram) = (socket_path(dir.path(), "s"), socket_path(dir.path(), "d"));
    let kinds = [SourceKind::Unix(stream.clone()), SourceKind::UnixDatagram(datagram.clone())];
    let rig = Rig::new(USUAL);
    let sources: Vec<SourceHandle> = kinds.iter().map(|kind| rig.start(kind.clone())).collect();
    let mut plain = std::os::unix::net::UnixStream::connect(&stream.path).expect("connected");
    let sender = UnixDatagram::unbound().expect("a socket");
    std::io::Write::write_all(&mut plain, b"one\ntw").expect("sent");
    sender.send_to(b"first", &datagram.path).expect("sent");
    rig.await_lines(2);
    sources.iter().for_each(|source| source.stop(Ending::LeaveAll));
    let lefts: Vec<Left> = sources.into_iter().map(|source| source.join().expect("it ends")).collect();
    // Nobody is there, and nobody is refused.
    std::io::Write::write_all(&mut plain, b"o\nthree\n").expect("sent");
    let mut waiting = std::os::unix::net::UnixStream::connect(&stream.path).expect("connected");
    std::io::Write::write_all(&mut waiting, b"four\n").expect("sent");
    sender.send_to(b"second", &datagram.path).expect("sent");
    let go_on = |(kind, left): (SourceKind, Left)| {
        let before = Before { left, ..Before::default() };
        spawn(&config(kind), &rig.intake, &mut Inherited::none(), before).expect("bound")
    };
    let sources: Vec<SourceHandle> = kinds.into_iter().zip(lefts).map(go_on).collect();
    rig.await_lines(6);
    for source in sources {
        source.stop(Ending::Close);
        assert!(source.join().is_some());
    }
    assert!(!stream.path.exists() && !datagram.path.exists(), "removed at the end");
    let got = rig.got.lock().expect("no test panics in here").all_lines();
    assert_eq!(got, ["first", "four", "one", "second", "three", "two"]);
}
