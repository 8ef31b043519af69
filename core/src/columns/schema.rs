//! A dataset's columns, in order, with the types and Parquet properties they are written with.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use super::ColumnsError;

/// Digits of every decimal column: it stays one 64-bit integer in the file.
pub(super) const DECIMAL_DIGITS: u8 = 18;
const ZSTD_LEVEL: i32 = 3;
/// Sketches are hashes: level 3 takes twice the time of level 1 and gives 8 % smaller files.
const SKETCH_ZSTD_LEVEL: i32 = 1;
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Sketches make rows large: a row group is held in memory until it is whole.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Timestamp in microseconds, UTC.
    Stamp,
    /// String from a small set of values: dictionary, no statistics.
    Word,
    /// String, mostly different in every row.
    Text,
    /// 64-bit signed integer.
    Int64,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit float.
    Double,
    /// Boolean.
    Bool,
    /// Fixed point with this many digits behind the point.
    Decimal(u8),
    /// Serialised sketch: neither dictionary nor statistics.
    Sketch,
}

impl Kind {
    fn arrow(self) -> DataType {
        match self {
            Kind::Stamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Word => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            Kind::Text => DataType::Utf8,
            Kind::Int64 => DataType::Int64,
            Kind::Int32 => DataType::Int32,
            Kind::Double => DataType::Float64,
            Kind::Bool => DataType::Boolean,
            Kind::Decimal(scale) => DataType::Decimal128(DECIMAL_DIGITS, scale.cast_signed()),
            Kind::Sketch => DataType::Binary,
        }
    }
}

/// A column of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: Kind,
    /// Whether NULL is a value it may have.
    pub(super) nullable: bool,
}

/// The columns of a dataset and the order of its rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// In the order of the file.
    pub(super) columns: Vec<Column>,
    /// Positions of the columns by which rows are sorted.
    pub(super) sorted_by: Vec<usize>,
}

impl Layout {
    /// Adds a column that is never NULL.
    pub(super) fn with(mut self, name: impl Into<String>, kind: Kind) -> Layout {
        self.columns.push(Column { name: name.into(), kind, nullable: false });
        self
    }

    /// Adds a column that may be NULL.
    pub(super) fn or_null(mut self, name: impl Into<String>, kind: Kind) -> Layout {
        self.columns.push(Column { name: name.into(), kind, nullable: true });
        self
    }

    /// Adds a column by which rows are sorted, after those named so before it; NULL comes first.
    pub(super) fn sorted(mut self, name: impl Into<String>, kind: Kind, nullable: bool) -> Layout {
        self.sorted_by.push(self.columns.len());
        self.columns.push(Column { name: name.into(), kind, nullable });
        self
    }

    /// Adds many columns.
    pub(super) fn each<T>(self, items: impl IntoIterator<Item = T>, add: fn(Layout, T) -> Layout) -> Layout {
        items.into_iter().fold(self, add)
    }

    /// Whether there is a column of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// The Arrow schema.
    pub(super) fn arrow(&self) -> SchemaRef {
        let field = |column: &Column| Field::new(&column.name, column.kind.arrow(), column.nullable);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// How the file is written: zstd, version 1.0 pages, page statistics, sort order and footer keys. Words
    /// have no statistics: every row's text would be compared twice, which is a sixth of what a row costs,
    /// and rows are sorted by minute first, so next to every page has all words.
    pub(super) fn properties(&self, keys: Vec<KeyValue>) -> Result<WriterProperties, ColumnsError> {
        let sketches = zstd(SKETCH_ZSTD_LEVEL)?;
        let mut properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(zstd(ZSTD_LEVEL)?)
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_sorting_columns(Some(self.sorting()))
            .set_key_value_metadata(Some(keys));
        for column in self.columns.iter().filter(|c| matches!(c.kind, Kind::Sketch | Kind::Word)) {
            let path = ColumnPath::from(column.name.as_str());
            properties = properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
            if column.kind == Kind::Sketch {
                properties = properties
                    .set_column_compression(path.clone(), sketches)
                    .set_column_dictionary_enabled(path, false);
            }
        }
        Ok(properties.build())
    }

    fn sorting(&self) -> Vec<SortingColumn> {
        let stated = |&at: &usize| SortingColumn {
            column_idx: i32::try_from(at).unwrap_or(i32::MAX),
            descending: false,
            nulls_first: true,
        };
        self.sorted_by.iter().map(stated).collect()
    }
}

fn zstd(level: i32) -> Result<Compression, ColumnsError> {
    let level = ZstdLevel::try_new(level).map_err(ColumnsError::parquet("setting the compression"))?;
    Ok(Compression::ZSTD(level))
}
