//! File descriptors: senders must not take those that alarms, figures and files need.

use super::checked::Config;

/// Subscribers, HTTP and control at their bounds, files being read and written.
const OTHERS: u64 = 512;

impl Config {
    /// Lowers `connections` of stream sources so that what is left of `limit` descriptors is enough for
    /// everything else; in words what was lowered, none if all of it fits.
    pub fn fit_descriptors(&mut self, limit: u64) -> Option<String> {
        let streams = self.sources.iter().filter(|source| source.kind.is_stream());
        let wanted: u64 = streams.map(|source| source.connections as u64).sum();
        // With very few, both sides get by with half.
        let available = limit - OTHERS.min(limit / 2);
        if wanted <= available {
            return None;
        }
        let mut lowered = Vec::new();
        for source in self.sources.iter_mut().filter(|source| source.kind.is_stream()) {
            let share = source.connections as u128 * u128::from(available) / u128::from(wanted);
            source.connections = usize::try_from(share).unwrap_or(usize::MAX).max(1);
            lowered.push(format!("{} to {}", source.spec.name, source.connections));
        }
        Some(format!(
            "{limit} file descriptors are too few for {wanted} connections: `connections` is lowered for \
             {}; raise LimitNOFILE",
            lowered.join(", ")
        ))
    }
}
