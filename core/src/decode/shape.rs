//! A shape: the bytes that all lines of a kind share, what stands between them, and which column of
//! its stream each value goes to.
//!
//! In: the outline of a line that the general parser has accepted, with its record. Out: the steps in
//! which lines of the same shape are read straight into columns. A line is only read so if every byte of
//! it is accounted for as the general parser would. Must not know: blocks, which shape comes next.

use crate::model::{StreamId, Weight};
use crate::simd::scan::{Literal, WINDOW};

use super::columns::{CURRENCIES_AT, DIMENSIONS_AT, DISTINCTS_AT, IDS_AT, NOWHERE, ORIGIN_AT};
use super::layout::{FieldId, Layout};
use super::mapping::{Destination, Mapping, StreamPlan};
use super::outline::{Class, Outline, PIECES, Piece};
use super::pieces::Flat;
use super::record::{Kind, Record, When};

/// Most steps of a shape: a piece has a few, if it is long or fills several columns.
const STEPS: usize = 4 * PIECES;

/// How the value behind a literal is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// There is none.
    Nothing,
    /// It is the literal itself.
    Itself,
    /// It is the last step's value.
    Again,
    /// The inside of a JSON string.
    Text,
    /// A JSON number.
    Number,
    /// Any JSON value, inside so many containers.
    Any(u8),
    /// A value of a flat format.
    Flat(Flat),
}

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing: it is only checked.
    Skip,
    /// Its text goes to this place of the columns.
    Place(u8),
    /// The amount of a sum.
    Amount { sum: u8, scale: u8, name: u8 },
    /// The currency of a sum, by its place.
    Currency(u8),
    /// When the event happened.
    Time,
}

/// The quick way to do what `take` and `role` say together, where the value is as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Quick {
    /// There is no value.
    Nothing,
    /// A JSON string for two places of the columns.
    Text(u8, u8),
    /// A decimal for a sum, perhaps in quotes.
    Amount { sum: u8, scale: u8, quoted: bool },
    /// Three letters in quotes.
    Currency(u8),
    /// A time as a number.
    Stamp,
    /// A time as a date in quotes.
    Date,
    /// A JSON value that is only checked.
    Any(u8),
    /// A value of a flat format for a place of the columns.
    Flat(Flat, u8),
    /// Three letters of a flat format.
    FlatCurrency(Flat, u8),
    /// A decimal of a flat format for a sum.
    FlatAmount { flat: Flat, sum: u8, scale: u8 },
    /// A flat format's own time.
    FlatTime(Flat),
    /// There is none.
    None,
}

/// One step: these bytes, then a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) literal: Literal,
    pub(super) quick: Quick,
    pub(super) take: Take,
    pub(super) role: Role,
}

/// A learned shape.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) steps: Vec<Step>,
    /// The stream of its lines; `None` where they are ignored.
    pub(super) stream: Option<StreamId>,
    /// Where their time comes from.
    pub(super) when: When,
    pub(super) weight: Weight,
    /// The number under which it was learned; 0 for none.
    pub(super) number: u64,
}

/// What a shape is learned from.
#[derive(Clone, Copy)]
pub(super) struct Lesson<'l> {
    pub(super) line: &'l str,
    pub(super) outline: &'l Outline,
    /// What the parser made of the line.
    pub(super) record: &'l Record,
    pub(super) mapping: &'l Mapping,
    pub(super) destination: Destination,
}

impl Shape {
    /// Learns the shape of a line. `false` if it has none that can be read quickly; the shape is
    /// unusable then.
    pub(super) fn learn(&mut self, lesson: &Lesson<'_>) -> bool {
        self.steps.clear();
        self.steps.reserve(STEPS);
        self.when = lesson.record.when;
        self.weight = lesson.record.weight;
        self.stream = match lesson.destination {
            Destination::Stream(stream) => Some(stream),
            Destination::Ignore => None,
            Destination::Unknown => return false,
        };
        // A time that the line says itself has to be one of the pieces.
        let timed = lesson.outline.has_time() == matches!(self.when, When::At(_));
        timed && lesson.is_aligned() && self.add_pieces(lesson).is_some() && self.steps.len() <= STEPS
    }

    /// Whether both read the same lines in the same way.
    pub(super) fn same_as(&self, other: &Shape) -> bool {
        self.stream == other.stream && self.steps == other.steps
    }

    fn add_pieces(&mut self, lesson: &Lesson<'_>) -> Option<()> {
        let route = lesson.mapping.route_slot(lesson.record);
        let plan = self.stream.and_then(|stream| lesson.mapping.plan(stream));
        let mut done = 0;
        for piece in lesson.outline.pieces()? {
            let named = piece.class == Class::Flat(Flat::Metric) && lesson.mapping.is_by_name();
            let routed = named || (piece.slot.is_some() && piece.slot == route);
            let fixed = piece.class == Class::Fixed || routed;
            let mut roles = Roles::default();
            if piece.class.is_time() {
                roles.add(Role::Time)?;
            }
            if let (Some(plan), Some(slot)) = (plan, piece.slot) {
                roles.find(plan, lesson, slot, if fixed { Class::Fixed } else { piece.class })?;
            }
            if fixed && roles.0.is_empty() {
                continue;
            }
            self.add_literal(lesson.line.get(done..piece.start)?, !fixed);
            if fixed {
                let itself = Literal::new(lesson.line.get(piece.start..piece.end)?.as_bytes())?;
                self.steps.push(Step::new(itself, Take::Itself, Role::Skip));
            }
            self.add_roles(piece, fixed, &roles);
            done = piece.end;
        }
        self.add_literal(lesson.line.get(done..)?, false);
        Some(())
    }

    /// Adds bytes that are the same in all lines; the step of the value that follows them is left open.
    fn add_literal(&mut self, text: &str, value_follows: bool) {
        let mut chunks = text.as_bytes().chunks(WINDOW).peekable();
        let empty = chunks.peek().is_none() && value_follows;
        let chunks = chunks.chain(std::iter::once(&[][..]).filter(|_| empty));
        for literal in chunks.filter_map(Literal::new) {
            self.steps.push(Step::new(literal, Take::Nothing, Role::Skip));
        }
    }

    /// Says in the last step, and in more of them if need be, what becomes of its value.
    fn add_roles(&mut self, piece: &Piece, fixed: bool, roles: &Roles) {
        let Some(last) = self.steps.last_mut() else { return };
        if !fixed {
            last.take = match piece.class {
                Class::Text => Take::Text,
                Class::Number => Take::Number,
                Class::Any(depth) => Take::Any(depth),
                Class::Flat(flat) => Take::Flat(flat),
                Class::Fixed => Take::Itself,
            };
        }
        let (first, others) =
            roles.0.split_first().map_or((Role::Skip, &[][..]), |(&role, others)| (role, others));
        last.role = first;
        last.quick = Quick::of(last.take, first, others);
        if matches!(last.quick, Quick::Text(..)) {
            return;
        }
        if let Some(literal) = Literal::new(b"") {
            self.steps.extend(others.iter().map(|&role| Step::new(literal, Take::Again, role)));
        }
    }
}

impl Step {
    fn new(literal: Literal, take: Take, role: Role) -> Step {
        Step { literal, quick: Quick::of(take, role, &[]), take, role }
    }
}

impl Quick {
    /// The quick way for a value that is taken so, for its first role and the others it has.
    fn of(take: Take, first: Role, others: &[Role]) -> Quick {
        const NOBODY: u8 = NOWHERE as u8;
        match (take, first, others) {
            (Take::Nothing, ..) => Quick::Nothing,
            (Take::Any(depth), ..) => Quick::Any(depth),
            (Take::Text, Role::Skip, []) => Quick::Text(NOBODY, NOBODY),
            (Take::Text, Role::Place(place), []) => Quick::Text(place, NOBODY),
            (Take::Text, Role::Place(place), [Role::Place(other)]) => Quick::Text(place, *other),
            (Take::Text, Role::Currency(place), []) => Quick::Currency(place),
            (Take::Text | Take::Number, Role::Amount { sum, scale, .. }, []) => {
                Quick::Amount { sum, scale, quoted: take == Take::Text }
            }
            (Take::Number, Role::Time, []) => Quick::Stamp,
            (Take::Text, Role::Time, []) => Quick::Date,
            (Take::Flat(flat), Role::Time, []) if flat.is_time() => Quick::FlatTime(flat),
            (Take::Flat(flat), Role::Skip, []) => Quick::Flat(flat, NOBODY),
            (Take::Flat(flat), Role::Place(place), []) => Quick::Flat(flat, place),
            (Take::Flat(flat), Role::Currency(place), []) => Quick::FlatCurrency(flat, place),
            (Take::Flat(flat), Role::Amount { sum, scale, .. }, []) => Quick::FlatAmount { flat, sum, scale },
            _ => Quick::None,
        }
    }
}

impl Lesson<'_> {
    /// Whether the outline has exactly the values that the parser found, each once and of one kind.
    fn is_aligned(&self) -> bool {
        let Some(pieces) = self.outline.pieces() else { return false };
        let values = self.record.values.iter().enumerate();
        values.into_iter().all(|(slot, value)| {
            let mut there = pieces.iter().filter(|piece| piece.slot == Some(slot));
            let fits = |class: Class| match value.kind {
                Kind::Text => class.is_text(),
                Kind::Number => class.is_number(),
                Kind::Bool => class == Class::Fixed,
                Kind::Missing | Kind::Composite => false,
            };
            match (value.kind, there.next(), there.next()) {
                (Kind::Missing, None, None) => true,
                (_, Some(piece), None) => fits(piece.class),
                _ => false,
            }
        })
    }
}

/// What one value is for.
#[derive(Default)]
struct Roles(arrayvec::ArrayVec<Role, 8>);

impl Roles {
    /// Finds what the value of `slot` is for; `None` if there is something that only the general way
    /// can do with it.
    fn find(&mut self, plan: &StreamPlan, lesson: &Lesson<'_>, slot: usize, class: Class) -> Option<()> {
        let (layout, record): (&Layout, _) = (&lesson.mapping.layout, lesson.record);
        let here = |field: FieldId| layout.present(record, field) == Some(slot);
        let is_number = class.is_text() || class.is_number();
        for (i, _) in plan.dimensions.iter().enumerate().filter(|(_, field)| here(**field)) {
            self.add(place(DIMENSIONS_AT, i, CURRENCIES_AT)?)?;
        }
        for (i, sum) in plan.sums.iter().enumerate() {
            if here(sum.field) {
                let amount =
                    Role::Amount { sum: i as u8, scale: sum.scale, name: plan.sum_name(i).try_into().ok()? };
                self.add(Some(amount).filter(|_| is_number && i < DISTINCTS_AT - CURRENCIES_AT)?)?;
            }
            if sum.currency.is_some_and(here) {
                let Role::Place(place) = place(CURRENCIES_AT, i, DISTINCTS_AT)? else { return None };
                self.add(Some(Role::Currency(place)).filter(|_| class.is_text())?)?;
            }
        }
        for (i, _) in plan.distincts.iter().enumerate().filter(|(_, field)| here(**field)) {
            self.add(place(DISTINCTS_AT, i, ORIGIN_AT)?)?;
        }
        if plan.origin.is_some_and(here) {
            self.add(Role::Place(ORIGIN_AT as u8))?;
        }
        for (i, _) in plan.ids.iter().enumerate().filter(|(_, field)| here(**field)) {
            self.add(place(IDS_AT, i, NOWHERE)?)?;
        }
        if here(plan.time) && record.when == When::Field {
            self.add(Some(Role::Time).filter(|_| is_number)?)?;
        }
        Some(())
    }

    fn add(&mut self, role: Role) -> Option<()> {
        self.0.try_push(role).ok()
    }
}

/// Place `i` of those from `first` to `end`.
fn place(first: usize, i: usize, end: usize) -> Option<Role> {
    (first + i < end).then_some(Role::Place((first + i) as u8))
}
