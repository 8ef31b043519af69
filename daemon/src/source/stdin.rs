//! Sources of type `stdin`: lines on standard input until its end, which ends the source.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::Bound;
use super::connection::{Connection, Turn};
use super::feed::Feed;
use super::left::{Ending, Left, LeftConnection};

/// After a stop, what waits in the pipe is still taken for up to this long.
const DRAIN: Duration = Duration::from_millis(500);

pub(super) fn bind(partial_line: Duration, left: Vec<LeftConnection>) -> io::Result<Bound> {
    let Some(left) = left.into_iter().next() else {
        // A descriptor of its own, so that closing it leaves standard input alone.
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        return Ok(bind_to(input, partial_line));
    };
    let run = move |feed: Feed| {
        let id = feed.opened(left.who.clone());
        match Connection::taken_up(left, &feed, id, 0) {
            Some(connection) => read_to_end(connection, &feed, partial_line),
            None => Left::default(),
        }
    };
    Ok(Bound { address: None, receive_buffer: None, run: Box::new(run) })
}

/// Reads `input` as if it were standard input. Its mode (blocking, usually) is left alone, for others
/// may share it: it is read once each time it is ready.
pub(super) fn bind_to(input: OwnedFd, partial_line: Duration) -> Bound {
    let run = move |feed: Feed| {
        let id = feed.opened("standard input".to_owned());
        let connection = Connection::unspoken(input, id, feed.line());
        read_to_end(connection, &feed, partial_line)
    };
    Bound { address: None, receive_buffer: None, run: Box::new(run) }
}

fn read_to_end(mut connection: Connection, feed: &Feed, partial_line: Duration) -> Left {
    let mut spare = None;
    let mut deadline = None;
    loop {
        let now = Instant::now();
        if feed.is_stopping() && feed.ending() == Ending::LeaveAll {
            let who = feed.forgotten(connection.id());
            let left = connection.leave().map(|left| LeftConnection { who, ..left });
            return Left { connections: left.into_iter().collect(), ..Left::default() };
        }
        if feed.is_stopping() {
            deadline.get_or_insert(now + DRAIN);
        }
        let is_ready = wait(&connection, feed, partial_line, deadline.is_some());
        if is_ready && connection.turn(feed, &mut spare, Instant::now()) == Turn::Ended {
            feed.closed(connection.id());
            return Left::default();
        }
        connection.expire(feed, partial_line, Instant::now());
        if deadline.is_some_and(|deadline| !is_ready || now >= deadline) {
            connection.abandon(feed);
            feed.forgotten(connection.id());
            return Left::default();
        }
    }
}

/// Waits for input, the stop, or the time to give an unfinished line up. Whether there is input.
fn wait(connection: &Connection, feed: &Feed, partial_line: Duration, is_draining: bool) -> bool {
    let stop = feed.stop.as_fd();
    let mut fds = [
        PollFd::from_borrowed_fd(connection.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(stop, if is_draining { PollFlags::empty() } else { PollFlags::IN }),
    ];
    let until = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    let patience =
        connection.deadline(partial_line, Instant::now()).map(|at| until(at) + Duration::from_millis(1));
    let timeout = if is_draining { Some(Duration::ZERO) } else { patience };
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    // Interrupted: the caller comes back.
    poll(&mut fds, timeout.as_ref()).is_ok() && !fds[0].revents().is_empty()
}
