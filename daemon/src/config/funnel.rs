//! `[funnel.NAME]`: what one stream should bring in another.

use ebbd_core::model::{FunnelDimension, FunnelSpec, MICROS_PER_MINUTE, StreamId, StreamSpec};

use super::checked::{FunnelConfig, StreamNames};
use super::written::{Item, Section};
use super::{names, route, watching};

impl FunnelConfig {
    /// As the core uses it; `None` when the streams are not these.
    pub fn spec(&self, streams: &[StreamSpec]) -> Option<FunnelSpec> {
        let place = |name: &str| streams.iter().position(|stream| stream.name == name);
        let (from, to) = (place(&self.from)?, place(&self.to)?);
        let dimension = |name: &String| {
            let place = |at: usize| streams[at].dimensions.iter().position(|d| d.name == *name);
            Some(FunnelDimension { name: name.clone(), from: place(from)?, to: place(to)? })
        };
        Some(FunnelSpec {
            name: self.name.clone(),
            from: StreamId(u16::try_from(from).ok()?),
            to: StreamId(u16::try_from(to).ok()?),
            by: self.by.iter().map(dimension).collect::<Option<_>>()?,
            within_min: u32::try_from(self.within_us / MINUTE).ok()?,
        })
    }
}

const MINUTE: i64 = MICROS_PER_MINUTE;

/// All funnels in the order of the file.
pub(super) fn read_all(
    root: &Section<'_>,
    streams: &[StreamSpec],
    names: &StreamNames<'_>,
) -> Vec<FunnelConfig> {
    let section = root.section("funnel");
    section.entries().iter().filter_map(|entry| read(entry, streams, names)).collect()
}

fn read(entry: &Item<'_>, streams: &[StreamSpec], names: &StreamNames<'_>) -> Option<FunnelConfig> {
    names::check_name("funnel name", &entry.key, &entry.key_span, entry.findings);
    let funnel = entry.section(&format!("[funnel.{}]", entry.key));
    let from = end(&funnel, "from", names);
    let to = end(&funnel, "to", names);
    let by_item = funnel.get("by");
    let by = by_item.as_ref().map(|by| by.texts("by = [\"marketplace\"]")).unwrap_or_default();
    let within_us = funnel.duration_us("within", 240 * MINUTE, MINUTE..=90 * 24 * 60 * MINUTE);
    funnel.finish();
    let (from, to) = (&streams[from?], &streams[to?]);
    for (stream, (name, span)) in
        [from, to].into_iter().flat_map(|stream| by.iter().map(move |b| (stream, b)))
    {
        let place = entry.section(&format!("the stream \"{}\"", stream.name));
        watching::dimension_at(&place, &stream.dimensions, name, span);
    }
    let by = by.iter().map(|(name, _)| (*name).to_owned()).collect();
    Some(FunnelConfig {
        name: entry.key.clone(),
        from: from.name.clone(),
        to: to.name.clone(),
        by,
        within_us,
    })
}

/// The stream at one end.
fn end(funnel: &Section<'_>, key: &'static str, names: &StreamNames<'_>) -> Option<usize> {
    let Some(item) = funnel.get(key) else {
        let hint = format!("add {key} = \"{}\"", names.keys().next().unwrap_or(&"orders"));
        funnel.findings.error(&funnel.span, format!("{} has no `{key}`", funnel.name), hint);
        return None;
    };
    route::stream(funnel, names, item.text()?, &item.span).map(|id| id.index())
}
