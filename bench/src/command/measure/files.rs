//! Files to Parquet: `ebbd ingest` against query engines that group the same bytes, one thread each.

use std::collections::BTreeMap;
use std::path::Path;

use ebbd_bench::{ShopLoad, ShopSpec, Truth, WireFormat};

use super::{either, peers};
use crate::command::this_minute;
use crate::kept::{Figure, Outcome};
use crate::rig::{Failure, Ingest, counted_below};

/// CPU ns per event of each round, by tool.
type Others = BTreeMap<String, Vec<f64>>;

/// The series limit: more than there are.
const SERIES: u64 = 200_000;

pub(super) fn measure(quick: bool) -> Result<Outcome, Failure> {
    let events = either(quick, 5_000_000, 1_500_000);
    let (mut all, mut remarks) = (Vec::new(), Vec::new());
    for format in [WireFormat::Ndjson, WireFormat::Influx] {
        let dir = tempfile::tempdir()?;
        let (file, truth) = written(dir.path(), format, ShopSpec::reference(events, this_minute()))?;
        let (ebbd, others) = rounds(&file, format, &truth, either(quick, 5, 3), &mut remarks)?;
        let name = format.name();
        all.push(Figure::new(&format!("{name} file: ebbd ingest"), "CPU ns/event", ebbd.clone()));
        for (tool, ns) in &others {
            all.push(Figure::new(&format!("{name} file: {tool}"), "CPU ns/event", ns.clone()));
            let ratio = Figure::ratio(&format!("{name} file: ebbd ÷ {tool}"), &ebbd, ns);
            all.push(match goal(format, tool) {
                Some(goal) => ratio.goal(goal),
                None => ratio,
            });
        }
        if format == WireFormat::Influx {
            all.extend(against_the_better(&ebbd, &others));
        }
    }
    Ok(Outcome::new("files", all, remarks))
}

fn goal(format: WireFormat, tool: &str) -> Option<&'static str> {
    match (format, tool) {
        (WireFormat::Ndjson, "duckdb") => Some("S2"),
        (WireFormat::Ndjson, "polars") => Some("S3"),
        (WireFormat::Ndjson, "chdb") => Some("S3b"),
        _ => None,
    }
}

/// S4: the better of Polars and DuckDB in each round.
fn against_the_better(ebbd: &[f64], others: &Others) -> Option<Figure> {
    let (duckdb, polars) = (others.get("duckdb")?, others.get("polars")?);
    let better: Vec<f64> = duckdb.iter().zip(polars).map(|(a, b)| a.min(*b)).collect();
    Some(Figure::ratio("influx file: ebbd ÷ the better of both", ebbd, &better).goal("S4"))
}

/// The workload as a file below `dir`.
pub(super) fn written(
    dir: &Path,
    format: WireFormat,
    spec: ShopSpec,
) -> Result<(std::path::PathBuf, Truth), Failure> {
    let mut load = ShopLoad::new(spec);
    let file = dir.join(format!("orders.{}", format.name()));
    std::fs::write(&file, load.text(format))?;
    Ok((file, load.truth().clone()))
}

/// Everybody in turn; the file is read once before, so that it is in memory.
fn rounds(
    file: &Path,
    format: WireFormat,
    truth: &Truth,
    rounds: usize,
    remarks: &mut Vec<String>,
) -> Result<(Vec<f64>, Others), Failure> {
    let (mut ebbd, mut others) = (Vec::new(), Others::new());
    for round in 0..rounds {
        peers::warm(file)?;
        let (ingest, dir) = Ingest::run(file, format, SERIES)?;
        ebbd.push(ingest.spent.ns_each(truth.lines));
        let counted = counted_below(&dir.path().join("data"), format)?;
        counted.must_be(truth, format)?;
        for tool in peers::TOOLS {
            match peers::query(tool, format, file)? {
                Some(answer) => {
                    others.entry(tool.to_owned()).or_default().push(answer.cpu_ns / truth.lines as f64);
                    answer.must_agree(tool, truth, counted.distinct)?;
                }
                None if round == 0 => remarks.push(format!("{tool} is missing: run bench/peers/setup.sh")),
                None => {}
            }
        }
    }
    let agreed = others.keys().cloned().collect::<Vec<_>>().join(", ");
    remarks.push(format!(
        "{}: {} rows, {} events, {} cents; {agreed} agree to the cent, customers within 3 %.",
        format.name(),
        truth.rows,
        truth.events,
        truth.cents
    ));
    Ok((ebbd, others))
}
