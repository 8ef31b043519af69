//! Lines that no prediction fits: `ebbd ingest`, Parquet included, against sonic-rs into a typed struct with
//! the plainest counting behind it.

use ebbd_bench::{ShopSpec, WireFormat};

use super::files::written;
use super::{either, peers};
use crate::command::this_minute;
use crate::kept::{Figure, Outcome};
use crate::rig::{Failure, Ingest, counted_below};

pub(super) fn measure(quick: bool) -> Result<Outcome, Failure> {
    let reference = ShopSpec::reference(either(quick, 3_000_000, 1_000_000), this_minute());
    let dir = tempfile::tempdir()?;
    let spec = ShopSpec { crooked: true, ..reference };
    let (file, truth) = written(dir.path(), WireFormat::Ndjson, spec)?;
    let (mut ebbd, mut sonic) = (Vec::new(), Vec::new());
    for _ in 0..either(quick, 5, 3) {
        peers::warm(&file)?;
        let (ingest, dir) = Ingest::run(&file, WireFormat::Ndjson, 200_000)?;
        counted_below(&dir.path().join("data"), WireFormat::Ndjson)?.must_be(&truth, WireFormat::Ndjson)?;
        ebbd.push(ingest.spent.ns_each(truth.lines));
        sonic.extend(peers::sonic(&file, &truth)?);
    }
    let mut all = vec![Figure::new("crooked ndjson file: ebbd ingest", "CPU ns/event", ebbd.clone())];
    let mut remarks = Vec::new();
    if sonic.is_empty() {
        remarks.push("sonic-rs is not built: run bench/peers/setup.sh".to_owned());
    } else {
        all.push(Figure::new("crooked ndjson file: sonic-rs, counted", "CPU ns/event", sonic.clone()));
        all.push(Figure::ratio("crooked ndjson file: ebbd ÷ sonic-rs", &ebbd, &sonic).goal("S7"));
        remarks.push(
            "Whole processes: read, parse, intern, count, sum, distinct; ours writes Parquet too.".to_owned(),
        );
    }
    Ok(Outcome::new("crooked", all, remarks))
}
