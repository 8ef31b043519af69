//! The counting twin: the same counts by a map and a loop, kept for ever as the oracle of the fast path.
//!
//! It decodes each line, looks the key up in a hash map of strings and adds. No lanes, no cuts, no
//! limits, exact sets for distinct values. Tests hold the lanes and the aggregator equal to it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use datasketches::hll::{HllSketch, HllType, HllUnion};

use crate::decode::{Decoded, Decoder, Event, SourceSpec, lines};
use crate::model::{
    Ledger, LedgerKey, Limits, Minute, Reason, RowView, SealedMinute, SourceId, StreamId, StreamSpec, TimeUs,
    Weight,
};

/// A key as plain texts: dimension values and currencies.
type Texts = (Vec<String>, Vec<String>);

/// What one key had in one minute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TwinCell {
    /// Weight in millionths of an event.
    pub weight: i128,
    /// One amount per sum, in minor units.
    pub sums: Vec<i128>,
    /// The distinct values themselves.
    pub distinct: Vec<HashSet<String>>,
}

/// Counts lines the plain way.
#[derive(Debug)]
pub struct Twin {
    specs: Arc<[StreamSpec]>,
    decoders: Vec<Decoder>,
    cells: HashMap<(StreamId, Minute, Texts), TwinCell>,
    ledger: Ledger,
    ids: HashMap<(StreamId, Vec<String>), TimeUs>,
}

impl Twin {
    /// A twin for these streams and sources.
    pub fn new(streams: Arc<[StreamSpec]>, sources: &[SourceSpec], limits: &Limits) -> Twin {
        let decoders = sources.iter().map(|source| Decoder::new(source, &streams, limits)).collect();
        Twin {
            specs: streams,
            decoders,
            cells: HashMap::new(),
            ledger: Ledger::default(),
            ids: HashMap::new(),
        }
    }

    /// Counts every line of `bytes`, which arrived at `arrival`.
    pub fn consume(&mut self, source: SourceId, arrival: TimeUs, bytes: &[u8]) {
        let Twin { specs, decoders, cells, ledger, ids } = self;
        for line in lines(bytes) {
            let mut key =
                LedgerKey { arrival: arrival.minute(), source, origin: String::new(), stream: String::new() };
            match decoders[source.index()].decode(line, arrival) {
                Decoded::Event(event) => {
                    let spec = &specs[event.stream().index()];
                    key.origin = event.origin().to_owned();
                    key.stream = spec.name.clone();
                    let counts = ledger.entry(key);
                    if event.time() > arrival.plus_us(spec.future_us) {
                        counts.reject(Reason::InFuture);
                    } else if event.time() < arrival.plus_us(-spec.lateness_us) {
                        counts.reject(Reason::TooLate);
                    } else if is_duplicate(ids, spec, &event, arrival) {
                        counts.received += 1;
                        counts.duplicate += 1;
                    } else {
                        counts.received += 1;
                        counts.counted += 1;
                        event.bad_fields().for_each(|f| *counts.bad.entry(f.to_owned()).or_default() += 1);
                        add(cells, spec, &event);
                    }
                }
                Decoded::Rejected(reason) => ledger.entry(key).reject(reason),
                Decoded::Heartbeat(heartbeat) => control(ledger, key, &heartbeat.origin),
                Decoded::Goodbye(goodbye) => control(ledger, key, &goodbye.origin),
                Decoded::Mark(_) | Decoded::Ignored => control(ledger, key, ""),
            }
        }
    }

    /// What became of the lines. `late` is always 0: it depends on when minutes were sealed.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Every key and minute that was counted.
    pub fn cells(&self) -> impl Iterator<Item = (StreamId, Minute, &[String], &[String], &TwinCell)> {
        self.cells.iter().map(|((stream, minute, (dimensions, currencies)), cell)| {
            (*stream, *minute, dimensions.as_slice(), currencies.as_slice(), cell)
        })
    }

    /// Compares the sum over all these rows with what was counted here: amounts and whole weights
    /// exactly per key and minute, fractional weights to half an event per key, distinct values within
    /// the sketch's error (exactly below 200).
    ///
    /// # Errors
    /// The first difference, in words.
    pub fn compare(&self, minutes: &[SealedMinute]) -> Result<(), String> {
        let mut rows: HashMap<(StreamId, Minute, Texts), Added> = HashMap::new();
        for minute in minutes {
            for row in &minute.rows {
                let texts = (owned(&row.key.dimensions), owned(&row.key.currencies));
                rows.entry((minute.stream, minute.minute, texts)).or_default().add(row);
            }
        }
        let mut remainders: BTreeMap<(StreamId, Texts), i128> = BTreeMap::new();
        for (key, cell) in &self.cells {
            let added = rows.remove(key).unwrap_or_default();
            added.matches(cell).map_err(|what| format!("{key:?}: {what}"))?;
            let remainder = cell.weight - i128::from(added.count) * i128::from(Weight::SCALE);
            *remainders.entry((key.0, key.2.clone())).or_default() += remainder;
        }
        if let Some((key, added)) = rows.iter().next() {
            return Err(format!("{key:?}: rows say {added:?}, nothing was counted"));
        }
        let half = i128::from(Weight::SCALE / 2);
        match remainders.iter().find(|(_, remainder)| remainder.abs() > half) {
            Some((key, remainder)) => Err(format!("{key:?}: {remainder} millionths of an event are missing")),
            None => Ok(()),
        }
    }
}

/// The sum of the rows of one key and minute.
#[derive(Debug, Default)]
struct Added {
    count: i64,
    sums: Vec<i128>,
    sketches: Vec<Option<HllSketch>>,
}

impl Added {
    fn add(&mut self, row: RowView<'_>) {
        self.count += row.count;
        self.sums.resize(row.sums.len(), 0);
        for (sum, amount) in self.sums.iter_mut().zip(row.sums) {
            *sum += i128::from(amount.0);
        }
        self.sketches.resize(row.sketches.len(), None);
        for (mine, bytes) in self.sketches.iter_mut().zip(row.sketches.iter()).filter(|(_, b)| !b.is_empty())
        {
            let sketch = HllSketch::deserialize(bytes).ok();
            *mine = match (mine.take(), sketch) {
                (Some(mine), Some(more)) => united(&mine, &more),
                (mine, more) => mine.or(more),
            };
        }
    }

    fn matches(&self, cell: &TwinCell) -> Result<(), String> {
        let whole = cell.weight % i128::from(Weight::SCALE) == 0;
        let counted = cell.weight / i128::from(Weight::SCALE);
        if whole && (i128::from(self.count) - counted).abs() > 1 {
            return Err(format!("rows say {} events, counted {counted}", self.count));
        }
        let nothing = vec![0; cell.sums.len()];
        let sums = if self.sums.is_empty() { &nothing } else { &self.sums };
        if *sums != cell.sums {
            return Err(format!("rows say amounts {sums:?}, counted {:?}", cell.sums));
        }
        for (at, values) in cell.distinct.iter().enumerate() {
            let estimate = self.sketches.get(at).and_then(Option::as_ref).map_or(0.0, HllSketch::estimate);
            let exact = values.len() as f64;
            let error = if exact < 200.0 { 0.5 } else { exact * 0.08 };
            if (estimate - exact).abs() > error {
                return Err(format!("rows say {estimate} distinct values, counted {exact}"));
            }
        }
        Ok(())
    }
}

fn owned(texts: &[Arc<str>]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

fn united(one: &HllSketch, other: &HllSketch) -> Option<HllSketch> {
    let mut union = HllUnion::new(12).ok()?;
    union.update(one);
    union.update(other);
    Some(union.to_sketch(HllType::Hll4))
}

fn control(ledger: &mut Ledger, mut key: LedgerKey, origin: &str) {
    key.origin = origin.to_owned();
    let counts = ledger.entry(key);
    counts.received += 1;
    counts.control += 1;
}

/// Whether the event's id was counted at most `dedupe` before, by arrival.
fn is_duplicate(
    ids: &mut HashMap<(StreamId, Vec<String>), TimeUs>,
    spec: &StreamSpec,
    event: &Event<'_>,
    arrival: TimeUs,
) -> bool {
    if spec.id.is_empty() {
        return false;
    }
    let id = (event.stream(), (0..spec.id.len()).map(|at| event.id_part(at).to_owned()).collect());
    let repeated = ids.get(&id).is_some_and(|&seen| arrival.since_us(seen).abs() <= spec.dedupe_us);
    if !repeated {
        ids.insert(id, arrival);
    }
    repeated
}

fn add(cells: &mut HashMap<(StreamId, Minute, Texts), TwinCell>, spec: &StreamSpec, event: &Event<'_>) {
    let dimensions = (0..spec.dimensions.len()).map(|at| event.dimension(at).to_owned()).collect();
    let currencies = (0..spec.sums.len()).map(|at| event.currency(at).to_owned()).collect();
    let cell = cells.entry((event.stream(), event.time().minute(), (dimensions, currencies))).or_default();
    cell.weight += i128::from(event.weight().0);
    cell.sums.resize(spec.sums.len(), 0);
    cell.distinct.resize(spec.distincts.len(), HashSet::new());
    for (at, sum) in cell.sums.iter_mut().enumerate() {
        *sum += event.amount(at).map_or(0, |amount| i128::from(amount.0));
    }
    for (at, values) in cell.distinct.iter_mut().enumerate() {
        values.extend(event.distinct(at).map(str::to_owned));
    }
}
