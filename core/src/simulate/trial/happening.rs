//! What happens in a trial: incidents, and what looks like one.

/// What kind of thing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Incident: nothing comes.
    Outage,
    /// Incident: half is missing.
    Half,
    /// Incident: a fifth is missing.
    Fifth,
    /// Incident: a tenth is missing.
    Tenth,
    /// Incident: down to a half within an hour.
    Ramp,
    /// Incident: nearly nothing comes, in the midst of a drop by 35 %.
    Inside,
    /// Incident of a kind: a lasting fall.
    Shift,
    /// A drop by 35 % around an [`Kind::Inside`]: neither a hit nor a false alarm is counted of it.
    Around,
    /// At most two minutes to a tenth or to nothing.
    Dip,
    /// A few minutes of much more.
    Blip,
    /// A part of a minute's data comes late; its completeness says so.
    Late,
    /// A source is missing; completeness says so.
    Missing,
    /// Nobody is alive to say anything.
    NoData,
    /// A promotion ends.
    PromotionEnd,
    /// A holiday that nobody declared.
    Holiday,
    /// Traffic moves from one slice to another.
    Migration,
    /// The days after payday are over.
    PaydayEnd,
}

impl Kind {
    /// Incidents, in the order they are shown in.
    pub const INCIDENTS: [Kind; 7] =
        [Kind::Outage, Kind::Half, Kind::Fifth, Kind::Tenth, Kind::Ramp, Kind::Inside, Kind::Shift];

    /// What nobody wants an alarm of, in the order it is shown in.
    pub const OTHERS: [Kind; 9] = [
        Kind::Dip,
        Kind::Blip,
        Kind::Late,
        Kind::Missing,
        Kind::NoData,
        Kind::PromotionEnd,
        Kind::Holiday,
        Kind::Migration,
        Kind::PaydayEnd,
    ];

    /// Whether orders are really lost.
    pub fn is_incident(self) -> bool {
        Kind::INCIDENTS.contains(&self)
    }

    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Outage => "outage",
            Kind::Half => "-50 %",
            Kind::Fifth => "-20 %",
            Kind::Tenth => "-10 %",
            Kind::Ramp => "ramp",
            Kind::Inside => "inside",
            Kind::Shift => "shift",
            Kind::Around => "around",
            Kind::Dip => "dip",
            Kind::Blip => "blip",
            Kind::Late => "late",
            Kind::Missing => "missing",
            Kind::NoData => "no data",
            Kind::PromotionEnd => "promotion end",
            Kind::Holiday => "holiday",
            Kind::Migration => "migration",
            Kind::PaydayEnd => "payday end",
        }
    }

    /// What remains of the orders while it lasts.
    pub(super) fn remaining(self) -> f32 {
        match self {
            Kind::Outage => 0.0,
            Kind::Half | Kind::Ramp => 0.5,
            Kind::Fifth => 0.8,
            Kind::Tenth => 0.9,
            Kind::Inside => 0.1,
            Kind::Around => 0.65,
            _ => 1.0,
        }
    }
}

/// Something that happens to some slices for a while. Minutes are counted from the trial's start.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// What.
    pub kind: Kind,
    /// Its first minute.
    pub from: i32,
    /// The first minute after it.
    pub to: i32,
    /// Slices that it hits as a whole.
    pub slices: Vec<usize>,
    /// Slices of which it hits a part that may be noticed.
    pub partly: Vec<usize>,
}
