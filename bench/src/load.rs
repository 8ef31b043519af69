//! The same seeded orders in each format, with late and shuffled lines.

use ebbd_core::model::{Minute, Rng, SplitMix64, StreamSpec};
use ebbd_core::simulate::{Shop, ShopSpec, SimulatedEvent};

/// What the lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WireFormat {
    /// One JSON object a line.
    Ndjson,
    /// InfluxDB line protocol.
    Influx,
    /// DogStatsD counters.
    Statsd,
    /// StatsD counters with the dimensions in their names, for peers that know no tags.
    StatsdPlain,
}

impl WireFormat {
    /// Its name in the daemon's configuration.
    pub fn name(self) -> &'static str {
        match self {
            WireFormat::Ndjson => "ndjson",
            WireFormat::Influx => "influx",
            WireFormat::Statsd | WireFormat::StatsdPlain => "statsd",
        }
    }

    /// Bytes to set aside per line.
    pub fn usual_line_bytes(self) -> usize {
        match self {
            WireFormat::Ndjson => 220,
            WireFormat::Influx => 150,
            WireFormat::Statsd | WireFormat::StatsdPlain => 80,
        }
    }
}

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadSpec {
    /// The same seed gives the same lines.
    pub seed: u64,
    /// How many events.
    pub events: usize,
    /// The first minute of event time.
    pub from: Minute,
    /// Over how many minutes of event time.
    pub minutes: u32,
    /// Share of events that come minutes late, 0 to 1.
    pub late: f64,
}

/// Events in the order in which they are sent.
pub struct Load {
    events: Vec<SimulatedEvent>,
}

impl Load {
    /// Generates the events of `spec`: at most one in a hundred neighbours swapped, the late ones
    /// moved towards the end.
    pub fn new(spec: &LoadSpec) -> Load {
        let minutes = spec.minutes.max(1);
        // Quiet hours come to a fifth of the peak: ask for enough, then cut.
        let per_minute = spec.events as f64 / f64::from(minutes) * 6.0 + 50.0;
        let shop = Shop::new(
            ShopSpec { peak_per_min: per_minute, ..ShopSpec::demo(spec.seed) },
            &StreamSpec::example(),
        );
        let mut rng = SplitMix64::new(spec.seed ^ 0x10AD);
        let mut events = Vec::with_capacity(spec.events);
        for offset in 0..minutes {
            let share = (spec.events - events.len()) / (minutes - offset) as usize;
            let minute = shop.events(spec.from.plus(offset as i32));
            let step = minute.len().max(1) as f64 / share.max(1) as f64;
            let picked =
                (0..share).map(|n| minute[((n as f64 * step) as usize).min(minute.len() - 1)].clone());
            events.extend(picked);
        }
        shuffle(&mut events, spec.late, &mut rng);
        Load { events }
    }

    /// The events in the order of sending.
    pub fn events(&self) -> &[SimulatedEvent] {
        &self.events
    }

    /// All lines as one text.
    pub fn text(&self, format: WireFormat) -> String {
        let mut text = String::with_capacity(self.events.len() * 210);
        self.events.iter().for_each(|event| write_line(event, format, &mut text));
        text
    }

    /// All lines packed into datagrams of at most `bytes` bytes.
    pub fn datagrams(&self, format: WireFormat, bytes: usize) -> Vec<String> {
        let (mut all, mut line) = (vec![String::new()], String::new());
        for event in &self.events {
            line.clear();
            write_line(event, format, &mut line);
            if all[all.len() - 1].len() + line.len() > bytes {
                all.push(String::new());
            }
            let last = all.len() - 1;
            all[last].push_str(&line);
        }
        all
    }
}

fn write_line(event: &SimulatedEvent, format: WireFormat, out: &mut String) {
    match format {
        WireFormat::Ndjson => event.write_ndjson(out),
        WireFormat::Influx => event.write_influx(out),
        WireFormat::Statsd | WireFormat::StatsdPlain => event.write_statsd(out),
    }
}

/// Swaps one in a hundred neighbours and moves the share `late` of events behind later ones.
fn shuffle(events: &mut [SimulatedEvent], late: f64, rng: &mut SplitMix64) {
    let length = events.len();
    for at in 0..length {
        if rng.unit() < 0.01 {
            let other = at + rng.below(100) as usize;
            events.swap(at, other.min(length - 1));
        }
        if rng.unit() < late {
            let other = at + rng.below((length - at) as u64) as usize;
            events.swap(at, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_events_as_asked_and_the_same_in_each_format() {
        let spec = LoadSpec { seed: 3, events: 5_000, from: Minute(29_922_000), minutes: 7, late: 0.02 };
        let load = Load::new(&spec);
        assert_eq!(load.events().len(), 5_000);
        for format in [WireFormat::Ndjson, WireFormat::Influx, WireFormat::Statsd] {
            let text = load.text(format);
            assert_eq!(text.lines().count(), 5_000);
            assert_eq!(load.datagrams(format, 1_400).concat(), text);
            assert!(load.datagrams(format, 1_400).iter().all(|d| d.len() <= 1_400));
        }
        let late = load.events().windows(2).filter(|pair| pair[0].time > pair[1].time).count();
        assert!(late > 50, "{late} inversions");
    }
}
