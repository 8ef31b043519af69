//! Which slices that fell in the same minute are one alarm: those connected by relation.

use crate::model::Slice;

/// Splits slices into groups: two are in one group when they go `together`, or a chain of such
/// relations leads from one to the other. Groups and their slices keep the given order.
pub(super) fn groups<'a>(
    slices: &[&'a Slice],
    together: impl Fn(&Slice, &Slice) -> bool,
) -> Vec<Vec<&'a Slice>> {
    let mut groups: Vec<Vec<&Slice>> = Vec::new();
    for &slice in slices {
        let (mut joined, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|other| together(other, slice)));
        groups = apart;
        let mut group: Vec<&Slice> = joined.drain(..).flatten().collect();
        group.push(slice);
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups<'a>(slices: &[&'a Slice]) -> Vec<Vec<&'a Slice>> {
        super::groups(slices, Slice::related)
    }

    #[test]
    fn chains_of_relation_make_one_group() {
        let us = Slice::of([("marketplace", "US")]);
        let click = Slice::of([("feature", "one-click")]);
        let us_click = Slice::of([("marketplace", "US"), ("feature", "one-click")]);
        let de = Slice::of([("marketplace", "DE")]);
        let whole = Slice::default();
        assert_eq!(groups(&[&us, &de]).len(), 2);
        assert_eq!(groups(&[&us, &click, &de]).len(), 3, "US and one-click only overlap");
        assert_eq!(groups(&[&us, &click, &de, &us_click]).len(), 2);
        assert_eq!(groups(&[&us, &click, &de, &whole]), vec![vec![&us, &click, &de, &whole]]);
    }
}
