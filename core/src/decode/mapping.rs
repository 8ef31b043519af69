//! What a source's streams want of a record: which fields, for which column, and which stream it is.

use crate::model::{Limits, StreamId, StreamRoute, StreamSpec};

use super::layout::{FieldId, Layout};
use super::record::Record;
use super::source::SourceSpec;

/// The key that marks a control record.
pub(super) const CONTROL_KEY: &str = "ebbd";

/// Where a sum's digits and currency are.
#[derive(Clone, Copy, Debug)]
pub(super) struct SumPlan {
    pub(super) field: FieldId,
    pub(super) scale: u8,
    pub(super) currency: Option<FieldId>,
}

/// What one stream takes from a record, in column order.
#[derive(Clone, Debug)]
pub(super) struct StreamPlan {
    pub(super) id: StreamId,
    pub(super) time: FieldId,
    pub(super) dimensions: Vec<FieldId>,
    pub(super) sums: Vec<SumPlan>,
    pub(super) distincts: Vec<FieldId>,
    pub(super) origin: Option<FieldId>,
    pub(super) ids: Vec<FieldId>,
    /// Names for bad fields: dimensions, sums, currencies, distincts.
    pub(super) names: Vec<Box<str>>,
}

impl StreamPlan {
    /// Place in [`StreamPlan::names`] of sum `i`.
    pub(super) fn sum_name(&self, i: usize) -> usize {
        self.dimensions.len() + i
    }

    /// Place in [`StreamPlan::names`] of the currency of sum `i`.
    pub(super) fn currency_name(&self, i: usize) -> usize {
        self.dimensions.len() + self.sums.len() + i
    }

    /// Place in [`StreamPlan::names`] of distinct `i`.
    pub(super) fn distinct_name(&self, i: usize) -> usize {
        self.dimensions.len() + 2 * self.sums.len() + i
    }
}

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// To this stream.
    Stream(StreamId),
    /// Nowhere, as configured.
    Ignore,
    /// It names no declared stream.
    Unknown,
}

/// The mapping of one source.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) layout: Layout,
    route: StreamRoute,
    route_field: Option<FieldId>,
    /// By stream id; `None` for streams that this source never feeds.
    plans: Vec<Option<StreamPlan>>,
}

impl Mapping {
    /// The union of what the source's streams want.
    pub(super) fn new(source: &SourceSpec, streams: &[StreamSpec]) -> Mapping {
        let fed = fed_streams(&source.route);
        let taken = |id: &usize| fed.contains(&StreamId(*id as u16));
        let mut paths = vec![CONTROL_KEY];
        if let StreamRoute::ByField { field, .. } = &source.route {
            paths.push(field);
        }
        for (_, spec) in streams.iter().enumerate().filter(|(id, _)| taken(id)) {
            paths.extend(wanted_paths(spec));
        }
        let layout = Layout::new(paths);
        let plans = streams.iter().enumerate();
        let plans =
            plans.map(|(id, spec)| taken(&id).then(|| plan(&layout, StreamId(id as u16), spec))).collect();
        let route_field = match &source.route {
            StreamRoute::ByField { field, .. } => layout.field(field),
            _ => None,
        };
        Mapping { layout, route: source.route.clone(), route_field, plans }
    }

    /// What a stream takes from a record.
    pub(super) fn plan(&self, stream: StreamId) -> Option<&StreamPlan> {
        self.plans.get(stream.index())?.as_ref()
    }

    /// Whether the name of a record decides where it goes.
    pub(super) fn is_by_name(&self) -> bool {
        matches!(self.route, StreamRoute::ByName(_))
    }

    /// The slot whose value decides where this record goes, if one does.
    pub(super) fn route_slot(&self, record: &Record) -> Option<usize> {
        self.layout.present(record, self.route_field?)
    }

    /// Where this record goes.
    pub(super) fn destination(&self, record: &Record, line: &str) -> Destination {
        match &self.route {
            StreamRoute::Fixed(stream) => Destination::Stream(*stream),
            StreamRoute::ByName(names) => names
                .get(record.text(line, record.name))
                .map_or(Destination::Unknown, |s| Destination::Stream(*s)),
            StreamRoute::ByField { routes, other, .. } => {
                let value =
                    self.route_field.map(|field| self.layout.value(record, field)).unwrap_or_default();
                let listed = routes.get(record.text(line, value.span));
                match listed.or(other.as_ref()) {
                    Some(Some(stream)) => Destination::Stream(*stream),
                    Some(None) => Destination::Ignore,
                    None => Destination::Unknown,
                }
            }
        }
    }
}

fn fed_streams(route: &StreamRoute) -> Vec<StreamId> {
    match route {
        StreamRoute::Fixed(stream) => vec![*stream],
        StreamRoute::ByField { routes, other, .. } => {
            routes.values().chain(other.iter()).flatten().copied().collect()
        }
        StreamRoute::ByName(names) => names.values().copied().collect(),
    }
}

fn wanted_paths(spec: &StreamSpec) -> impl Iterator<Item = &str> {
    std::iter::once(spec.time.as_str())
        .chain(spec.dimensions.iter().map(|d| d.field.as_str()))
        .chain(spec.sums.iter().map(|s| s.field.as_str()))
        .chain(spec.sums.iter().filter_map(|s| s.currency.as_deref()))
        .chain(spec.distincts.iter().map(|d| d.field.as_str()))
        .chain(spec.origin.as_deref())
        .chain(spec.id.iter().map(String::as_str))
}

fn known(layout: &Layout, path: &str) -> FieldId {
    layout.field(path).expect("the layout is made of every path that a plan names")
}

fn plan(layout: &Layout, id: StreamId, spec: &StreamSpec) -> StreamPlan {
    let field = |path: &str| known(layout, path);
    let sums = spec.sums.iter().map(|sum| SumPlan {
        field: field(&sum.field),
        scale: sum.scale,
        currency: sum.currency.as_deref().map(field),
    });
    let names = spec.dimensions.iter().map(|d| d.name.as_str().into());
    let names = names.chain(spec.sums.iter().map(|s| s.name.as_str().into()));
    let names = names.chain(spec.sums.iter().map(|s| format!("{}_currency", s.name).into()));
    debug_assert!(spec.dimensions.len() <= Limits::DIMENSIONS && spec.sums.len() <= Limits::SUMS);
    StreamPlan {
        id,
        time: field(&spec.time),
        dimensions: spec.dimensions.iter().map(|d| field(&d.field)).collect(),
        sums: sums.collect(),
        distincts: spec.distincts.iter().map(|d| field(&d.field)).collect(),
        origin: spec.origin.as_deref().map(field),
        ids: spec.id.iter().map(|path| field(path)).collect(),
        names: names.chain(spec.distincts.iter().map(|d| d.name.as_str().into())).collect(),
    }
}
