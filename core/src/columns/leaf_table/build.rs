//! A leaf table in the making: figures and words come row by row.

use hashbrown::HashMap;

use super::{MAX_LEAF_DIMENSIONS, MAX_LEAVES};
use crate::columns::minute_table::TableProblems;
use crate::localize::{LeafDimension, LeafTable};

/// Which column is what, and the rows so far.
pub(super) struct Build {
    pub(super) observed: usize,
    pub(super) expected: usize,
    /// Column of each dimension.
    pub(super) dimensions: Vec<usize>,
    known: Vec<HashMap<Box<str>, u32, foldhash::fast::RandomState>>,
    table: LeafTable,
}

impl Build {
    /// By the names of the columns.
    pub(super) fn new(columns: &[String], ignored: &[String]) -> Result<Build, TableProblems> {
        let find = |name: &str| columns.iter().position(|column| column == name);
        let need = |name: &str| {
            let all = columns.join(", ");
            find(name).ok_or_else(|| TableProblems::one(0, format!("no column {name}; there are {all}")))
        };
        if let Some(unknown) = ignored.iter().find(|name| find(name).is_none()) {
            let all = columns.join(", ");
            return Err(TableProblems::one(0, format!("no column {unknown} to ignore; there are {all}")));
        }
        let (observed, expected) = (need("observed")?, need("expected")?);
        let is_dimension = |at: &usize| {
            *at != observed && *at != expected && !ignored.iter().any(|name| *name == columns[*at])
        };
        let dimensions: Vec<usize> = (0..columns.len()).filter(is_dimension).collect();
        if dimensions.is_empty() || dimensions.len() > MAX_LEAF_DIMENSIONS {
            let found = dimensions.len();
            let problem =
                format!("{found} dimensions; there must be 1 to {MAX_LEAF_DIMENSIONS} beside the figures");
            return Err(TableProblems::one(0, problem));
        }
        let named = |at: &usize| LeafDimension { name: columns[*at].clone(), ..LeafDimension::default() };
        let table = LeafTable { dimensions: dimensions.iter().map(named).collect(), ..LeafTable::default() };
        let known = dimensions.iter().map(|_| HashMap::default()).collect();
        Ok(Build { observed, expected, dimensions, known, table })
    }

    /// The columns that are needed.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        [self.observed, self.expected].into_iter().chain(self.dimensions.clone())
    }

    /// The figures of the next row.
    pub(super) fn figures(&mut self, observed: f64, expected: f64) -> Result<(), String> {
        for (name, figure) in [("observed", observed), ("expected", expected)] {
            if !figure.is_finite() || figure < 0.0 {
                return Err(format!("{name} {figure} is not a number of at least 0"));
            }
        }
        if self.table.observed.len() >= MAX_LEAVES {
            return Err(format!("more than {MAX_LEAVES} rows: leave dimensions out, or add rows up first"));
        }
        self.table.observed.push(observed);
        self.table.expected.push(expected);
        Ok(())
    }

    /// The value of the dimension at `at` in the next row.
    pub(super) fn word(&mut self, at: usize, word: &str) {
        let dimension = &mut self.table.dimensions[at];
        let code = match self.known[at].get(word) {
            Some(code) => *code,
            None => {
                let code = dimension.values.len() as u32;
                dimension.values.push(word.to_owned());
                self.known[at].insert(word.into(), code);
                code
            }
        };
        dimension.codes.push(code);
    }

    /// The table.
    pub(super) fn done(self) -> Result<LeafTable, TableProblems> {
        if self.table.observed.is_empty() {
            return Err(TableProblems::one(0, "the table has no rows"));
        }
        Ok(self.table)
    }
}
