//! Where wanted fields can stand in a record: every spelling of every dotted path, as a small tree of
//! keys whose leaves are numbered slots.
//!
//! `cart.feature` may be the key `cart.feature`, or the key `feature` of the object `cart`; with more
//! dots, any mixture (`attributes` → `http.method`). Each spelling has its own slot, so that a later
//! duplicate of a key replaces exactly what the earlier one brought.

use std::ops::Range;

use super::keys::Keys;
use super::record::{Kind, Record, Value};
use crate::simd::scan::{short_string, string_end};

/// With more dots than this only the two plain spellings are looked for: all in one key, all nested.
const MIXED_DOTS: usize = 4;

/// A wanted field, by its place in the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldId {
    nth: usize,
    /// The slot of its spelling with the fewest keys, which nearly all lines use.
    first: usize,
    /// Whether that spelling is the only one.
    alone: bool,
}

/// A key of an object and what is wanted of its value.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    key: Box<str>,
    /// The slot of the value itself.
    pub(super) slot: Option<usize>,
    /// The node of the value's keys, if it is an object.
    pub(super) child: Option<usize>,
    /// Every slot at or below this key.
    pub(super) beneath: Range<usize>,
}

/// The wanted keys of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    edges: Vec<Edge>,
    /// The edges by their keys, where these make a table.
    keys: Option<Keys>,
    /// By what [`Keys::find_short`] says: those of the edges at even places, nobody elsewhere.
    takers: Box<[Taker]>,
}

impl Node {
    /// The edge of the key that stands in `text` at `at`, `len` bytes long.
    fn find_at(&self, text: &str, at: usize, len: usize) -> Option<&Edge> {
        match &self.keys {
            Some(keys) => self.edges.get(keys.find(text.as_bytes(), at, len)?),
            None => {
                let key = text.get(at..at + len)?;
                self.edges.iter().find(|edge| *edge.key == *key)
            }
        }
    }

    /// Where the key ends that begins at `at` of `text`, and who takes its value. What may end a key and is
    /// no quote is for the caller to see.
    #[inline(always)]
    pub(super) fn key_at(&self, text: &str, at: usize) -> (Taker, usize) {
        let short = short_string(text.as_bytes(), at);
        match (&self.keys, short) {
            (Some(keys), Some((len, bytes))) => (self.takers[keys.find_short(bytes, len)], at + len),
            _ => self.long_key_at(text, at),
        }
    }

    /// [`Node::key_at`] for long keys, and at the end of a block.
    #[inline(never)]
    fn long_key_at(&self, text: &str, at: usize) -> (Taker, usize) {
        let end = string_end(text.as_bytes(), at);
        let edge = self.find_at(text, at, end - at);
        let nth = edge.and_then(|found| self.edges.iter().position(|edge| std::ptr::eq(edge, found)));
        (self.takers[nth.unwrap_or(self.edges.len()) << 1], end)
    }

    /// The edge whose values `taker` takes; `None` if nobody wants them.
    #[inline(always)]
    pub(super) fn edge_of(&self, taker: Taker) -> Option<&Edge> {
        self.edges.get(usize::from(taker.edge))
    }

    /// Makes ready for finding keys: `spare` is a slot that nobody reads.
    fn index(&mut self, spare: usize) {
        self.keys = Keys::new(self.edges.iter().map(|edge| &*edge.key));
        let takers = self.edges.iter().enumerate().map(|(nth, edge)| Taker {
            slot: edge.slot.unwrap_or(spare) as u32,
            edge: nth as u16,
            nests: edge.child.is_some(),
        });
        let nobody = Taker { slot: spare as u32, edge: u16::MAX, nests: false };
        self.takers = takers.chain([nobody]).flat_map(|taker| [taker, nobody]).collect();
    }
}

/// Who takes the value of a key, wanted or not: so that most values go one way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    /// Where a text goes. Nobody reads what goes to [`Layout::slots`].
    pub(super) slot: u32,
    edge: u16,
    /// Whether keys are wanted of an object here, so that an earlier value may have left more than one slot.
    pub(super) nests: bool,
}

#[derive(Clone, Debug)]
struct Field {
    path: Box<str>,
    /// Its spellings as numbers of keys and slots, the one with the fewest keys first.
    slots: Vec<(usize, usize)>,
}

/// The wanted fields of a source and their slots.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    nodes: Vec<Node>,
    fields: Vec<Field>,
    slots: usize,
}

impl Layout {
    /// The node of a record's own keys.
    pub(super) const ROOT: usize = 0;

    /// A layout of `paths`; doubles are fine.
    pub(super) fn new<'p>(paths: impl IntoIterator<Item = &'p str>) -> Layout {
        let mut fields: Vec<Field> = Vec::new();
        let mut tree = Tree::default();
        for path in paths {
            if fields.iter().any(|field| *field.path == *path) {
                continue;
            }
            for keys in spellings(path) {
                tree.plant(&keys, fields.len());
            }
            fields.push(Field { path: path.into(), slots: Vec::new() });
        }
        let mut layout = Layout { nodes: Vec::new(), fields, slots: 0 };
        tree.flatten(&mut layout, 1);
        for node in &mut layout.nodes {
            node.index(layout.slots);
        }
        layout.fields.iter_mut().for_each(|field| field.slots.sort_unstable());
        layout
    }

    /// Slots that a record needs.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// The field of a path that was given to [`Layout::new`].
    pub(super) fn field(&self, path: &str) -> Option<FieldId> {
        let nth = self.fields.iter().position(|field| *field.path == *path)?;
        let slots = &self.fields[nth].slots;
        Some(FieldId { nth, first: slots.first()?.1, alone: slots.len() == 1 })
    }

    /// The edge of `key` at `node`. Keys mostly come in one order, so the edge at `hint` is tried first.
    pub(super) fn find(&self, node: usize, hint: usize, key: &str) -> Option<usize> {
        let edges = &self.nodes[node].edges;
        match edges.get(hint) {
            Some(edge) if *edge.key == *key => Some(hint),
            _ => edges.iter().position(|edge| *edge.key == *key),
        }
    }

    /// A node: [`Layout::ROOT`], or an edge's child.
    pub(super) fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// The edge that [`Layout::find`] found.
    pub(super) fn edge(&self, node: usize, at: usize) -> &Edge {
        &self.nodes[node].edges[at]
    }

    /// The slot of a flat key: of formats that don't nest.
    pub(super) fn flat_slot(&self, key: &str) -> Option<usize> {
        self.find(Self::ROOT, 0, key).and_then(|at| self.edge(Self::ROOT, at).slot)
    }

    /// The slot of a field's first spelling that is there.
    pub(super) fn present(&self, record: &Record, field: FieldId) -> Option<usize> {
        let slots = self.fields[field.nth].slots.iter().map(|&(_, slot)| slot);
        slots.into_iter().find(|&slot| record.values[slot].kind != Kind::Missing)
    }

    /// The value of a field: its first spelling that is there.
    #[inline(always)]
    pub(super) fn value(&self, record: &Record, field: FieldId) -> Value {
        let value = record.values[field.first];
        if value.kind != Kind::Missing || field.alone { value } else { self.other_spelling(record, field) }
    }

    fn other_spelling(&self, record: &Record, field: FieldId) -> Value {
        self.present(record, field).map(|slot| record.values[slot]).unwrap_or_default()
    }
}

/// The keys of every spelling of a dotted path: `a.b.c` as `[a.b.c]`, `[a, b.c]`, `[a.b, c]`, `[a, b, c]`.
fn spellings(path: &str) -> Vec<Vec<&str>> {
    let parts: Vec<&str> = path.split('.').collect();
    let dots = parts.len() - 1;
    if dots > MIXED_DOTS {
        return vec![vec![path], parts];
    }
    let mut all: Vec<Vec<&str>> = (0..1u32 << dots).map(|cuts| cut_at(path, cuts)).collect();
    all.sort_by_key(Vec::len);
    all
}

/// Cuts `path` at those dots whose bit is set in `cuts`.
fn cut_at(path: &str, cuts: u32) -> Vec<&str> {
    let (mut keys, mut start) = (Vec::new(), 0);
    for (nth, (at, _)) in path.match_indices('.').enumerate() {
        if cuts & (1 << nth) != 0 {
            keys.push(&path[start..at]);
            start = at + 1;
        }
    }
    keys.push(&path[start..]);
    keys
}

/// The tree while it grows, before slots are numbered.
#[derive(Default)]
struct Tree {
    branches: Vec<(String, Option<usize>, Tree)>,
}

impl Tree {
    fn plant(&mut self, keys: &[&str], field: usize) {
        let Some((key, rest)) = keys.split_first() else { return };
        let at = self.branches.iter().position(|branch| branch.0 == *key).unwrap_or_else(|| {
            self.branches.push(((*key).to_owned(), None, Tree::default()));
            self.branches.len() - 1
        });
        match rest {
            [] => self.branches[at].1 = Some(field),
            _ => self.branches[at].2.plant(rest, field),
        }
    }

    /// Adds this tree's nodes to `layout`, numbering slots so that all beneath a key are neighbours.
    /// `depth` keys lead to its values.
    fn flatten(self, layout: &mut Layout, depth: usize) -> usize {
        let node = layout.nodes.len();
        layout.nodes.push(Node::default());
        for (key, field, below) in self.branches {
            let first = layout.slots;
            let slot = field.map(|field| {
                layout.slots += 1;
                layout.fields[field].slots.push((depth, first));
                first
            });
            let child = (!below.branches.is_empty()).then(|| below.flatten(layout, depth + 1));
            let edge = Edge { key: key.into(), slot, child, beneath: first..layout.slots };
            layout.nodes[node].edges.push(edge);
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_has_its_slot() {
        assert_eq!(spellings("a"), [["a"]]);
        assert_eq!(spellings("a.b"), [vec!["a.b"], vec!["a", "b"]]);
        assert_eq!(spellings("a.b.c").len(), 4);
        assert_eq!(spellings("a.b.c.d.e.f.g").len(), 2);
        let layout = Layout::new(["cart.feature", "ts", "cart", "ts", "cart.id"]);
        assert_eq!(layout.slots(), 6);
        let at = layout.find(Layout::ROOT, 0, "cart").unwrap();
        let cart = layout.edge(Layout::ROOT, at);
        assert_eq!(cart.beneath.len(), 3, "cart itself, its feature, its id");
        assert!(cart.slot.is_some() && layout.find(cart.child.unwrap(), 7, "id").is_some());
        assert_eq!(layout.flat_slot("nothing"), None);
    }

    #[test]
    fn the_first_spelling_that_is_there_is_the_value() {
        let layout = Layout::new(["a.b"]);
        let mut record = Record::new(layout.slots());
        let field = layout.field("a.b").unwrap();
        assert_eq!(layout.value(&record, field).kind, Kind::Missing);
        let nested =
            layout.find(Layout::ROOT, 0, "a").map(|at| layout.edge(Layout::ROOT, at).child.unwrap()).unwrap();
        let slot = layout.edge(nested, layout.find(nested, 0, "b").unwrap()).slot.unwrap();
        record.values[slot].kind = Kind::Bool;
        assert_eq!(layout.value(&record, field).kind, Kind::Bool);
        record.values[layout.flat_slot("a.b").unwrap()].kind = Kind::Text;
        assert_eq!(layout.value(&record, field).kind, Kind::Text);
    }

    #[test]
    fn fewer_keys_go_first_whatever_grew_first() {
        let layout = Layout::new(["a.x", "a.b.c"]);
        let field = layout.field("a.b.c").unwrap();
        let keys: Vec<usize> = layout.fields[field.nth].slots.iter().map(|slot| slot.0).collect();
        assert_eq!(keys, [1, 2, 2, 3]);
    }
}
