//! A file of NDJSON through sonic-rs into a typed struct that borrows, then per-dimension interning, a dense
//! table, sums and a log of customer hashes that is sorted at the end. No Parquet, no checks of times.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::io::Read;

use hashbrown::HashMap;
use serde::Deserialize;

type Words = HashMap<Vec<u8>, u32, foldhash::fast::RandomState>;

/// Bytes of one read.
const READ_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct Order<'a> {
    #[serde(borrow)]
    ts: Cow<'a, str>,
    #[serde(borrow)]
    marketplace: Cow<'a, str>,
    #[serde(borrow)]
    feature: Cow<'a, str>,
    #[serde(borrow)]
    payment: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    amount: f64,
    #[serde(borrow)]
    customer: Cow<'a, str>,
}

#[derive(Default)]
struct Counts {
    words: [Words; 5],
    cells: HashMap<[u32; 5], u32, foldhash::fast::RandomState>,
    counts: Vec<(u64, u64)>,
    customers: Vec<(u32, u32)>,
    hasher: foldhash::fast::RandomState,
}

impl Counts {
    fn line(&mut self, line: &[u8]) {
        let order: Order = sonic_rs::from_slice(line).expect("the load generator writes JSON");
        let texts = [&order.ts[..16], &order.marketplace, &order.feature, &order.payment, &order.status];
        let mut key = [0; 5];
        for ((code, words), text) in key.iter_mut().zip(&mut self.words).zip(texts) {
            let next = words.len() as u32;
            *code = *words.entry_ref(text.as_bytes()).or_insert(next);
        }
        let next = self.counts.len() as u32;
        let cell = *self.cells.entry(key).or_insert(next);
        if cell == next {
            self.counts.push((0, 0));
        }
        let (events, cents) = &mut self.counts[cell as usize];
        *events += 1;
        *cents += (order.amount * 100.0).round() as u64;
        self.customers.push((cell, self.hasher.hash_one(order.customer.as_bytes()) as u32));
    }
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: sonic-typed FILE");
    let mut file = std::fs::File::open(path).expect("a file");
    let (mut buffer, mut held, mut counts) = (vec![0; READ_BYTES], 0, Counts::default());
    loop {
        let count = file.read(&mut buffer[held..]).expect("readable");
        if count == 0 {
            break;
        }
        let end = held + count;
        let mut start = 0;
        for at in memchr::memchr_iter(b'\n', &buffer[..end]) {
            counts.line(&buffer[start..at]);
            start = at + 1;
        }
        buffer.copy_within(start..end, 0);
        held = end - start;
    }
    counts.customers.sort_unstable();
    counts.customers.dedup();
    let (events, cents) = counts.counts.iter().fold((0, 0), |(e, c), cell| (e + cell.0, c + cell.1));
    let (rows, distinct) = (counts.counts.len(), counts.customers.len());
    println!(r#"{{"rows": {rows}, "events": {events}, "cents": {cents}, "distinct": {distinct}}}"#);
}
