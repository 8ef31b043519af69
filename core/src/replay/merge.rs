//! Streams side by side: their minutes in the order in which they were judged.

use super::Moment;

/// The minutes of one stream, ascending.
pub type Feed<'f, E> = Box<dyn Iterator<Item = Result<Moment, E>> + 'f>;

/// All minutes by when they were judged, then by minute and stream: the daemon's own order. After an error
/// there is nothing more.
pub fn in_order<'f, E: 'f>(feeds: Vec<Feed<'f, E>>) -> impl Iterator<Item = Result<Moment, E>> + 'f {
    let mut feeds: Vec<_> = feeds.into_iter().map(Iterator::peekable).collect();
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let mut best: Option<(usize, Option<_>)> = None;
        for (at, feed) in feeds.iter_mut().enumerate() {
            let Some(head) = feed.peek() else { continue };
            // An error comes before everything.
            let place = head.as_ref().ok().map(|m| (m.now, m.sealed.minute, m.sealed.stream));
            if best.as_ref().is_none_or(|(_, least)| place < *least) {
                best = Some((at, place));
            }
        }
        let next = best.and_then(|(at, _)| feeds[at].next());
        is_over = matches!(next, None | Some(Err(_)));
        next
    })
}
