//! Columns of whatever type a file has, as what we count in: instants, whole numbers, decimals, words.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch};
use arrow_schema::{DataType, TimeUnit};

use super::ColumnsError;
use crate::decode::time_from_text;
use crate::model::{MICROS_PER_SECOND, TimeUs, Weight, parse_decimal};

/// A column of a batch, with what errors say of its place.
pub(super) struct Cells<'a, 'n> {
    name: &'n str,
    column: &'a ArrayRef,
    first_row: u64,
}

/// Words of a file, each kept once; 0 is always `""`.
pub(super) struct Words {
    codes: HashMap<Arc<str>, u32>,
    words: Vec<Arc<str>>,
}

impl Words {
    pub(super) fn new() -> Words {
        let empty: Arc<str> = Arc::from("");
        Words { codes: HashMap::from([(empty.clone(), 0)]), words: vec![empty] }
    }

    /// The code of this word, given to it when it is new.
    pub(super) fn code(&mut self, word: &str) -> u32 {
        if let Some(&code) = self.codes.get(word) {
            return code;
        }
        let kept: Arc<str> = Arc::from(word);
        let code = u32::try_from(self.words.len()).expect("a file has less than 2^32 rows, so words");
        self.words.push(kept.clone());
        self.codes.insert(kept, code);
        code
    }

    /// The word of a code given by [`Words::code`].
    pub(super) fn word(&self, code: u32) -> &Arc<str> {
        &self.words[code as usize]
    }
}

impl<'a, 'n> Cells<'a, 'n> {
    /// The column of this name, `None` if the batch has none; `first_row` is the batch's place in the file.
    pub(super) fn of(batch: &'a RecordBatch, name: &'n str, first_row: u64) -> Option<Cells<'a, 'n>> {
        batch.column_by_name(name).map(|column| Cells { name, column, first_row })
    }

    /// Instants: timestamps of any unit (without zone: UTC), dates, unix times, text.
    pub(super) fn times(&self) -> Result<Vec<Option<TimeUs>>, ColumnsError> {
        const NO_TIME: &str = "no time, or out of range";
        match self.column.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => self.stamps::<TimestampSecondType>(MICROS_PER_SECOND),
            DataType::Timestamp(TimeUnit::Millisecond, _) => self.stamps::<TimestampMillisecondType>(1000),
            DataType::Timestamp(TimeUnit::Microsecond, _) => self.stamps::<TimestampMicrosecondType>(1),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                let nanos = self.column.as_primitive::<TimestampNanosecondType>();
                Ok(nanos.iter().map(|v| v.map(|nanos| TimeUs(nanos.div_euclid(1000)))).collect())
            }
            DataType::Date32 => {
                let days = self.column.as_primitive::<Date32Type>();
                let start = |days: i32| TimeUs(i64::from(days) * 86_400 * MICROS_PER_SECOND);
                Ok(days.iter().map(|v| v.map(start)).collect())
            }
            _ => self.parsed(NO_TIME, parse_time),
        }
    }

    /// Whole numbers, also written as decimals: `12`, `12.0`.
    pub(super) fn wholes(&self) -> Result<Vec<Option<i64>>, ColumnsError> {
        match self.column.data_type() {
            DataType::Int64 => Ok(self.column.as_primitive::<Int64Type>().iter().collect()),
            DataType::Int32 => {
                Ok(self.column.as_primitive::<Int32Type>().iter().map(|v| v.map(i64::from)).collect())
            }
            _ => self.parsed("no whole number", parse_whole),
        }
    }

    /// Decimals in minor units at `scale`, rounded half away from zero where there are more digits.
    pub(super) fn decimals(&self, scale: u8) -> Result<Vec<Option<i64>>, ColumnsError> {
        match self.column.data_type() {
            DataType::Decimal128(_, own) if *own == scale.cast_signed() => {
                let values = self.column.as_primitive::<Decimal128Type>();
                values.iter().enumerate().map(|(row, v)| self.narrowed(row, v)).collect()
            }
            _ => self.parsed("no decimal, or too large", |t| parse_decimal(t.as_bytes(), scale).ok()),
        }
    }

    /// Fractions and other figures.
    pub(super) fn doubles(&self) -> Result<Vec<Option<f64>>, ColumnsError> {
        match self.column.data_type() {
            DataType::Float64 => Ok(self.column.as_primitive::<Float64Type>().iter().collect()),
            _ => self.parsed("no number", |text| text.parse().ok().filter(|v: &f64| v.is_finite())),
        }
    }

    /// Words as codes; NULL is `""`. Numbers and truth values are words by their text.
    pub(super) fn words(&self, words: &mut Words) -> Result<Vec<u32>, ColumnsError> {
        let DataType::Dictionary(..) = self.column.data_type() else {
            let code = |text: Option<String>| text.map_or(0, |text| words.code(&text));
            return Ok(self.texts()?.into_iter().map(code).collect());
        };
        let (keys, values) = self.dictionary()?;
        let codes: Vec<u32> = values.iter().map(|value| value.map_or(0, |value| words.code(value))).collect();
        let of = |key: Option<i32>| key.and_then(|key| codes.get(key as usize)).copied().unwrap_or(0);
        Ok(keys.iter().map(of).collect())
    }

    /// Byte strings; NULL is empty.
    pub(super) fn bytes(&self) -> Result<Vec<&'a [u8]>, ColumnsError> {
        match self.column.as_binary_opt::<i32>() {
            Some(values) => Ok(values.iter().map(Option::unwrap_or_default).collect()),
            None => Err(self.wrong(&format!("{} where bytes were expected", self.column.data_type()))),
        }
    }

    fn stamps<T: ArrowPrimitiveType<Native = i64>>(
        &self,
        micros: i64,
    ) -> Result<Vec<Option<TimeUs>>, ColumnsError> {
        let scaled = |value: i64| TimeUs(value.saturating_mul(micros));
        Ok(self.column.as_primitive::<T>().iter().map(|v| v.map(scaled)).collect())
    }

    fn narrowed(&self, row: usize, value: Option<i128>) -> Result<Option<i64>, ColumnsError> {
        let too_large = |_| self.at(row, "is too large");
        value.map(i64::try_from).transpose().map_err(too_large)
    }

    fn parsed<T>(
        &self,
        refusal: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<Option<T>>, ColumnsError> {
        let cell = |(row, text): (usize, Option<String>)| match text.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => match parse(text) {
                Some(value) => Ok(Some(value)),
                None => Err(self.at(row, &format!("{text:?} is {refusal}"))),
            },
        };
        self.texts()?.into_iter().enumerate().map(cell).collect()
    }

    /// Anything by its text.
    pub(super) fn texts(&self) -> Result<Vec<Option<String>>, ColumnsError> {
        let column = self.column;
        Ok(match column.data_type() {
            DataType::Int8 => numbers::<Int8Type>(column),
            DataType::Int16 => numbers::<Int16Type>(column),
            DataType::Int32 => numbers::<Int32Type>(column),
            DataType::Int64 => numbers::<Int64Type>(column),
            DataType::UInt8 => numbers::<UInt8Type>(column),
            DataType::UInt16 => numbers::<UInt16Type>(column),
            DataType::UInt32 => numbers::<UInt32Type>(column),
            DataType::UInt64 => numbers::<UInt64Type>(column),
            DataType::Float32 => numbers::<Float32Type>(column),
            DataType::Float64 => numbers::<Float64Type>(column),
            DataType::Boolean => column.as_boolean().iter().map(|v| v.map(|v| v.to_string())).collect(),
            DataType::Decimal128(..) => {
                let values = column.as_primitive::<Decimal128Type>();
                (0..values.len())
                    .map(|row| values.is_valid(row).then(|| values.value_as_string(row)))
                    .collect()
            }
            DataType::Dictionary(..) => {
                let (keys, values) = self.dictionary()?;
                let text = |key: i32| values.get(key as usize).copied().flatten().map(str::to_owned);
                keys.iter().map(|key| key.and_then(text)).collect()
            }
            other => return Err(self.wrong(&format!("{other} can't be read here"))),
        })
    }

    fn dictionary(&self) -> Result<(&'a arrow_array::Int32Array, Vec<Option<&'a str>>), ColumnsError> {
        let refused = || self.wrong(&format!("{} where words were expected", self.column.data_type()));
        let dictionary = self.column.as_dictionary_opt::<Int32Type>().ok_or_else(refused)?;
        let values = dictionary.values().as_string_opt::<i32>().ok_or_else(refused)?;
        Ok((dictionary.keys(), values.iter().collect()))
    }

    fn wrong(&self, problem: &str) -> ColumnsError {
        ColumnsError::Shape(format!("column {}: {problem}", self.name))
    }

    fn at(&self, row: usize, problem: &str) -> ColumnsError {
        ColumnsError::Shape(format!(
            "row {}, column {}: {problem}",
            self.first_row + row as u64 + 1,
            self.name
        ))
    }
}

fn numbers<T: ArrowPrimitiveType>(column: &ArrayRef) -> Vec<Option<String>>
where
    T::Native: Display,
{
    column.as_primitive::<T>().iter().map(|value| value.map(|value| value.to_string())).collect()
}

/// An instant as tables write it: RFC 3339, a civil date and time (UTC then), a unix time.
pub(super) fn parse_time(text: &str) -> Option<TimeUs> {
    time_from_text(text).or_else(|| {
        let offset = text.parse::<jiff::Timestamp>().ok();
        // Text with a zone's name but no offset is not guessed at.
        let civil = || if text.contains('[') { None } else { text.parse::<jiff::civil::DateTime>().ok() };
        let stamp = offset.or_else(|| civil()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp()));
        stamp.map(|stamp| TimeUs(stamp.as_microsecond()))
    })
}

/// A whole number, also written with a fraction of zeros.
pub(super) fn parse_whole(text: &str) -> Option<i64> {
    if let Ok(whole) = text.parse() {
        return Some(whole);
    }
    let millionths = parse_decimal(text.as_bytes(), 6).ok()?;
    (millionths % Weight::SCALE == 0).then_some(millionths / Weight::SCALE)
}
