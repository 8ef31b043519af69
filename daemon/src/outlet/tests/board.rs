//! The board's bounds.

use ebbd_core::judge::SliceRow;
use ebbd_core::model::{StreamId, TimeUs};

use super::*;
use crate::outlet::tests::verdict;

/// A minute of so many slices, the last of which is down.
pub fn minute(at: i32, slices: usize) -> JudgedMinute {
    let row = |n: usize| SliceRow {
        slice: Arc::new(if n == 0 {
            Slice::default()
        } else {
            Slice::of([("marketplace", format!("{n:05}"))])
        }),
        verdict: verdict(at.into(), if n == slices - 1 { Verdict::Drop } else { Verdict::Ok }),
    };
    JudgedMinute {
        stream: StreamId(0),
        minute: Minute(at),
        revision: 0,
        rows: (0..slices).map(row).collect(),
        records: Vec::new(),
        judged_at: Minute(at).end(),
    }
}

fn board() -> (Arc<Board>, StreamSpec) {
    (Board::new(Arc::new(Telemetry::new(&[], &["orders"], 1))), StreamSpec::example())
}

#[test]
fn six_hours_are_kept_and_no_more() {
    let (board, spec) = board();
    for at in 0..500 {
        board.judged(&spec, &minute(at, 2));
    }
    let points = board.minutes("orders", &Slice::default()).unwrap();
    assert_eq!((points.len(), points[0].minute, points[359].minute), (360, Minute(140), Minute(499)));
    board.revised("orders", Minute(300), &Slice::default(), &verdict(7, Verdict::Ok));
    let points = board.minutes("orders", &Slice::default()).unwrap();
    assert_eq!((points[159].observed, points[160].observed), (Some(299), Some(7)));
}

#[test]
fn slices_beyond_the_bounds_are_counted_and_drops_come_first() {
    let (board, spec) = board();
    board.judged(&spec, &minute(1, 3_000));
    let stream = board.streams().remove("orders").unwrap();
    assert_eq!((stream.latest.len(), stream.latest[0].point.verdict), (TOLD_SLICES, Some(Verdict::Drop)));
    assert_eq!((stream.verdicts["ok"], stream.verdicts["drop"]), (2_999, 1));
    assert_eq!(board.telemetry.http.slices_unkept.get(), 3_000 - KEPT_SLICES as i64);
    let early = Slice::of([("marketplace", "00200")]);
    assert!(board.minutes("orders", &early).is_some());
    // Six hours later others have their room.
    board.judged(&spec, &minute(1 + BOARD_MINUTES as i32, 10));
    assert!(board.minutes("orders", &early).is_none());
    board.judged(&spec, &minute(2 + BOARD_MINUTES as i32, 200));
    assert_eq!(board.telemetry.http.slices_unkept.get(), 0);
}

#[test]
fn a_marker_is_replaced_taken_back_and_forgotten() {
    let (board, _) = board();
    let mark = |id: usize, at: i32, retracted| Mark {
        id: id.to_string(),
        kind: "deploy".to_owned(),
        what: "v1".to_owned(),
        at: Minute(at).start(),
        until: None,
        scope: Slice::default(),
        retracted,
        received: TimeUs(0),
        by: "test".to_owned(),
    };
    board.marked(&mark(1, 30, false));
    board.marked(&mark(2, 10, false));
    board.marked(&mark(1, 20, false));
    let at: Vec<i32> = board.marks(Minute(0)).iter().map(|mark| mark.at.minute().0).collect();
    assert_eq!(at, [10, 20]);
    board.marked(&mark(2, 10, true));
    assert_eq!(board.marks(Minute(0)).len(), 1);
    assert_eq!(board.marks(Minute(21)).len(), 0);
    (0..2 * MARKS).for_each(|id| board.marked(&mark(id, 100, false)));
    assert_eq!(board.marks(Minute(0)).len(), MARKS);
}
