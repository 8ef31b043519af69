//! Acknowledged senders over real sockets: every line once, every promise kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use ebbd_core::aggregate::{Aggregator, Delta, LaneCounter};
use ebbd_core::decode::Answer;
use ebbd_core::model::{Limits, StreamSpec};

use super::*;

/// Real lanes, and a committer that does nothing but what acknowledging needs.
pub(super) struct Office {
    pub(super) intake: Intake,
    stop: Arc<AtomicBool>,
    committer: JoinHandle<Aggregator>,
}

pub(super) fn office(most_ids: usize) -> Office {
    office_for(most_ids, config(SourceKind::Stdin).spec)
}

pub(super) fn office_for(most_ids: usize, source: SourceSpec) -> Office {
    let streams: Arc<[StreamSpec]> = Arc::new([StreamSpec::example()]);
    let sources: Arc<[SourceSpec]> = Arc::new([source]);
    let queues: Vec<_> = (0..2).map(|_| Arc::new(LaneQueue::new(8))).collect();
    let (deltas, answers) = unbounded();
    for (index, queue) in queues.iter().enumerate() {
        let counter =
            LaneCounter::new(index as u16, Arc::clone(&streams), Arc::clone(&sources), Limits::default(), 7);
        spawn_lane(index, counter, Arc::clone(queue), deltas.clone()).expect("spawned");
    }
    let intake = Intake {
        lanes: queues.into(),
        pool: Pool::new(24, buffer_bytes(LINE)),
        clock: Arc::new(ManualClock::new(NOW)),
        conns: Arc::new(ConnTable::new()),
        desk: Arc::new(AckDesk::new(most_ids, 1_000_000)),
        reads: Arc::default(),
        line: LINE,
        streams: Arc::new(["orders".to_owned()]),
    };
    let aggregator = Aggregator::new(streams, sources, Limits::default(), 7);
    let stop = Arc::new(AtomicBool::new(false));
    let (own, is_over) = (intake.clone(), Arc::clone(&stop));
    let committer = thread::spawn(move || commit_until(aggregator, &own, &answers, &is_over));
    Office { intake, stop, committer }
}

/// Commits when somebody calls, and now and then.
fn commit_until(
    mut aggregator: Aggregator,
    intake: &Intake,
    answers: &Receiver<LaneDelta<Delta>>,
    is_over: &AtomicBool,
) -> Aggregator {
    loop {
        let is_last = is_over.load(Ordering::Acquire);
        let _ = intake.desk.calls().recv_timeout(Duration::from_millis(3));
        let changes = intake.conns.take_changes().list;
        for queue in intake.lanes.iter() {
            queue.send(if is_last { LaneMessage::Stop(0) } else { LaneMessage::Marker(0) });
        }
        for _ in intake.lanes.iter() {
            aggregator.merge(answers.recv_timeout(PATIENCE).expect("an answer").delta);
        }
        let (samples, refused) = (aggregator.take_samples(), aggregator.take_refused());
        let closed = changes.iter().filter(|change| !change.opened).map(|change| change.conn);
        let acks = intake.desk.merged(NOW, &aggregator, closed, &samples, refused);
        intake.desk.publish(acks);
        if is_last {
            return aggregator;
        }
    }
}

impl Office {
    pub(super) fn unix(&self, dir: &tempfile::TempDir, change: impl Fn(&mut SourceConfig)) -> SourceHandle {
        self.unix_after(dir, Left::default(), change)
    }

    /// A source that goes on with what another one left.
    pub(super) fn unix_after(
        &self,
        dir: &tempfile::TempDir,
        left: Left,
        change: impl Fn(&mut SourceConfig),
    ) -> SourceHandle {
        let before = Before { left, ..Before::default() };
        let mut config = config(SourceKind::Unix(socket_path(dir.path(), "s")));
        config.ack = true;
        change(&mut config);
        spawn(&config, &self.intake, &mut Inherited::none(), before).expect("bound")
    }

    /// Stops all. Gives lines in the ledger: received, of these counted or refused as events, duplicates.
    pub(super) fn finish(self, source: SourceHandle) -> (u64, u64) {
        let (received, duplicates, _) = self.leave(source, Ending::Close);
        (received, duplicates)
    }

    /// Stops all like that; gives what was left, too.
    pub(super) fn leave(self, source: SourceHandle, ending: Ending) -> (u64, u64, Left) {
        source.stop(ending);
        let told = Arc::clone(&source.counters);
        let mut left = source.join().expect("the source panicked");
        self.stop.store(true, Ordering::Release);
        let aggregator = self.committer.join().expect("the committer ends");
        let received = aggregator.ledger().0.values().map(|counts| counts.received).sum();
        left.settle(&self.intake.desk);
        (received, told.drain().duplicate_lines, left)
    }
}

/// A sender that listens.
pub(super) struct Talker {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Talker {
    pub(super) fn new(dir: &tempfile::TempDir, first: &str) -> Talker {
        let to = UnixStream::connect(dir.path().join("s")).expect("connected");
        to.set_read_timeout(Some(PATIENCE)).expect("set");
        let from = BufReader::new(to.try_clone().expect("cloned"));
        let mut talker = Talker { to, from };
        talker.say(first);
        talker
    }

    pub(super) fn say(&mut self, text: &str) {
        self.to.write_all(text.as_bytes()).expect("sent");
    }

    /// The next answer; nothing at the end.
    pub(super) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("heard");
        line.trim_end().to_owned()
    }

    /// Asks for an acknowledgement and waits for that of `number`.
    pub(super) fn await_ack(&mut self, number: u64) {
        self.say("\n");
        loop {
            match Answer::read(&self.hear()) {
                Some(Answer::Ack(acked)) if acked == number => return,
                Some(Answer::Ack(acked)) => assert!(acked < number, "{acked} is too far"),
                Some(Answer::Rejected(..)) => {}
                other => panic!("{other:?} instead of ACK {number}"),
            }
        }
    }

    /// Half-closes and gives the last word.
    pub(super) fn bye(mut self) -> String {
        self.to.shutdown(Shutdown::Write).expect("half-closed");
        let mut rest = String::new();
        self.from.read_to_string(&mut rest).expect("heard");
        rest.lines().last().unwrap_or_default().to_owned()
    }
}

/// Lines numbered `from` to `to`.
pub(super) fn lines(from: u64, to: u64) -> String {
    (from..=to).map(|n| event(&n.to_string())).collect()
}

fn event(customer: &str) -> String {
    format!("{{\"ts\":\"2026-11-22T13:04:05Z\",\"marketplace\":\"US\",\"customer\":\"c{customer}\"}}\n")
}

#[test]
fn the_same_file_twice_is_counted_once() {
    let (office, dir) = (office(8), tempfile::tempdir().expect("a directory"));
    let source = office.unix(&dir, |_| {});
    let text = lines(1, 500) + "{\"bad\n" + &lines(502, 1000);
    let mut first = Talker::new(&dir, &format!("EBBD/1 id=shop-7\n{text}"));
    assert_eq!(first.hear(), "OK 0");
    assert_eq!(first.bye(), "BYE 1000 counted=999 rejected=1 duplicate=0");
    let mut again = Talker::new(&dir, &format!("EBBD/1 id=shop-7\n{text}{}", lines(1001, 1010)));
    assert_eq!(again.hear(), "OK 1000");
    assert_eq!(again.bye(), "BYE 1010 counted=10 rejected=0 duplicate=1000");
    let mut further = Talker::new(&dir, "EBBD/1 id=shop-7 from=1011\r\n");
    assert_eq!(further.hear(), "OK 1010");
    further.say(&(lines(1011, 1012) + "\r\n\n" + &lines(1013, 1013) + "no end"));
    assert_eq!(further.bye(), "BYE 1013 counted=3 rejected=0 duplicate=0 partial=6");
    assert_eq!(office.finish(source), (1013, 1000));
}

#[test]
fn lines_are_acknowledged_refused_ones_told() {
    let (office, dir) = (office(8), tempfile::tempdir().expect("a directory"));
    let source = office.unix(&dir, |_| {});
    let mut talker = Talker::new(&dir, "EBBD/1\n");
    assert_eq!(talker.hear(), "OK 0");
    talker.say(&(lines(1, 3) + "nonsense\n" + &lines(5, 7) + "\n"));
    let mut heard = vec![talker.hear(), talker.hear()];
    heard.sort();
    assert_eq!(heard, ["ACK 7", "REJ 4 bad_syntax"]);
    talker.say(&lines(8, 9));
    talker.await_ack(9);
    talker.say(&"x".repeat(LINE * 500));
    talker.say(&("\n".to_owned() + &lines(11, 11)));
    talker.await_ack(11);
    assert_eq!(
        talker.bye(),
        "BYE 11 counted=9 rejected=2 duplicate=0",
        "a line that is too long has a number"
    );
    assert_eq!(office.finish(source), (11, 0));
}

#[test]
fn a_new_connection_fences_the_older_one() {
    let (office, dir) = (office(8), tempfile::tempdir().expect("a directory"));
    let source = office.unix(&dir, |_| {});
    let mut old = Talker::new(&dir, "EBBD/1 id=a\n");
    assert_eq!(old.hear(), "OK 0");
    old.say(&lines(1, 5));
    old.await_ack(5);
    old.say(&lines(6, 8));
    let mut new = Talker::new(&dir, "EBBD/1 id=a from=6\n");
    let said = new.hear();
    let known: u64 = said.strip_prefix("OK ").expect("granted").parse().expect("a number");
    assert!((5..=8).contains(&known), "{said}");
    let mut rest = String::new();
    old.from.read_to_string(&mut rest).expect("the end");
    assert!(rest.ends_with("ERR fenced\n"), "{rest}");
    new.say(&lines(6, 20));
    new.await_ack(20);
    assert_eq!(new.bye(), format!("BYE 20 counted={} rejected=0 duplicate={}", 20 - known, known - 5));
    // Many at once: one of them speaks in the end.
    let mut crowd: Vec<Talker> = (0..50).map(|_| Talker::new(&dir, "EBBD/1 id=a\n")).collect();
    let mut last = crowd.pop().expect("fifty");
    assert_eq!(last.hear(), "OK 20");
    last.say(&lines(1, 25));
    assert_eq!(last.bye(), "BYE 25 counted=5 rejected=0 duplicate=20");
    for mut other in crowd {
        let mut rest = String::new();
        other.from.read_to_string(&mut rest).expect("the end");
        assert!(rest.ends_with("ERR fenced\n"), "{rest}");
    }
    assert_eq!(office.finish(source).0, 25);
}

#[test]
fn whoever_cannot_be_served_is_told_why() {
    let (office, dir) = (office(2), tempfile::tempdir().expect("a directory"));
    let source = office.unix(&dir, |_| {});
    let told = |greeting: &str, text: &str| {
        let mut talker = Talker::new(&dir, greeting);
        // It may be turned down before it has sent all.
        let _ = talker.to.write_all(text.as_bytes());
        let mut all = String::new();
        talker.to.shutdown(Shutdown::Write).expect("half-closed");
        talker.from.read_to_string(&mut all).expect("heard");
        all.lines().last().unwrap_or_default().to_owned()
    };
    assert!(told("EBBD/1 id=a\n", &lines(1, 10)).starts_with("BYE 10"));
    assert_eq!(told("EBBD/1 id=a from=12\n", ""), "ERR gap 10");
    assert_eq!(told("EBBD/1 id=b from=2\n", ""), "ERR gap 0");
    assert_eq!(told("EBBD/1 id=a\n", &(lines(1, 9) + &lines(11, 30))), "ERR diverged 10");
    assert_eq!(told("EBBD/1 id=a from=0\n", ""), "ERR bad_greeting");
    assert_eq!(told("EBBD/1 id=ä\n", ""), "ERR bad_greeting");
    assert!(told("EBBD/1 id=b\n", &lines(1, 1)).starts_with("BYE 1 "));
    assert_eq!(told("EBBD/1 id=c\n", &lines(1, 1)), "ERR too_many_ids");
    assert!(told("EBBD/1 id=a\n", &lines(1, 11)).starts_with("BYE 11 counted=1 rejected=0 duplicate=10"));
    assert_eq!(told("plain\n", ""), "", "a plain sender is never written to");
    let (received, duplicates) = office.finish(source);
    assert_eq!((received, duplicates), (10 + 1 + 1 + 1, 10 + 10));
}

#[test]
fn a_source_that_does_not_acknowledge_says_so() {
    let (office, dir) = (office(2), tempfile::tempdir().expect("a directory"));
    let source = office.unix(&dir, |config| config.ack = false);
    let mut talker = Talker::new(&dir, "EBBD/1 id=a\n");
    assert_eq!((talker.hear(), talker.hear()), ("ERR not_acked".to_owned(), String::new()));
    assert_eq!(office.finish(source).0, 0);
}

#[test]
fn a_greeting_in_pieces_over_tcp() {
    let office = office(2);
    let mut config = config(SourceKind::Tcp { addr: "127.0.0.1:0".parse().expect("an address") });
    config.ack = true;
    let source = spawn(&config, &office.intake, &mut Inherited::none(), Before::default()).expect("bound");
    let mut to = TcpStream::connect(source.address.expect("bound")).expect("connected");
    to.set_nodelay(true).expect("set");
    to.set_read_timeout(Some(PATIENCE)).expect("set");
    let text = format!("EBBD/1 id=slow from=1\r\n{}", lines(1, 3));
    for piece in text.as_bytes().chunks(3) {
        to.write_all(piece).expect("sent");
        thread::sleep(Duration::from_micros(300));
    }
    to.shutdown(Shutdown::Write).expect("half-closed");
    let mut all = String::new();
    to.read_to_string(&mut all).expect("heard");
    assert!(all.starts_with("OK 0\n") && all.ends_with("BYE 3 counted=3 rejected=0 duplicate=0\n"), "{all}");
    assert_eq!(office.finish(source).0, 3);
}

#[test]
fn a_sender_that_never_reads_or_hangs_up_harms_nobody() {
    let (office, dir) = (office(8), tempfile::tempdir().expect("a directory"));
    let source = office.unix(&dir, |config| config.partial_line_ms = 50);
    let mut deaf = Talker::new(&dir, "EBBD/1 id=deaf\n");
    for n in 0..2_000 {
        deaf.say(&(lines(n + 1, n + 1) + "\n"));
    }
    let mut gone = Talker::new(&dir, "EBBD/1 id=gone\n");
    gone.say("{\"no end");
    drop(gone);
    let mut lazy = Talker::new(&dir, "EBBD/1 id=lazy\n");
    lazy.say("{\"no end");
    assert_eq!((lazy.hear(), lazy.hear()), ("OK 0".to_owned(), String::new()), "closed without a goodbye");
    let mut other = Talker::new(&dir, "EBBD/1 id=other\n");
    assert_eq!(other.hear(), "OK 0");
    other.say(&lines(1, 1));
    other.await_ack(1);
    drop(deaf);
    let mut again = Talker::new(&dir, "EBBD/1 id=deaf from=2001\n");
    assert_eq!(again.hear(), "OK 2000");
    assert_eq!(again.bye(), "BYE 2000 counted=0 rejected=0 duplicate=0");
    assert_eq!(office.finish(source).0, 2001);
}

#[test]
fn while_held_acknowledged_senders_wait_and_plain_ones_do_not() {
    let (office, dir) = (office(8), tempfile::tempdir().expect("a directory"));
    let source = office.unix(&dir, |_| {});
    let mut talker = Talker::new(&dir, "EBBD/1 id=a\n");
    assert_eq!(talker.hear(), "OK 0");
    office.intake.desk.hold(true);
    talker.say(&lines(1, 4));
    Talker::new(&dir, &lines(1, 1));
    let deadline = Instant::now() + PATIENCE;
    let mut delivered = 0;
    while delivered == 0 {
        assert!(Instant::now() < deadline, "the plain one waits");
        delivered += source.counters.drain().delivered_lines;
    }
    thread::sleep(Duration::from_millis(30));
    assert_eq!(source.counters.drain().delivered_lines, 0);
    office.intake.desk.hold(false);
    talker.await_ack(4);
    assert_eq!(office.finish(source).0, 5);
}
