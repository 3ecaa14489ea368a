//! Columns of a batch, by row: dictionary codes, numbers, texts.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray,
};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

/// The column with this name.
pub(crate) fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("column {name} is missing")))
}

fn of_type<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, ArrowError> {
    let column = column(batch, name)?;
    column.as_any().downcast_ref().ok_or_else(|| {
        ArrowError::SchemaError(format!("column {name} is of type {}", column.data_type()))
    })
}

/// A column of few distinct texts: a code for each row, a text for each code.
pub(crate) struct Codes<'a> {
    keys: &'a Int32Array,
    texts: &'a StringArray,
}

impl<'a> Codes<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: &str) -> Result<Self, ArrowError> {
        let dictionary: &DictionaryArray<Int32Type> = of_type(batch, name)?;
        let texts = dictionary.values().as_string_opt().ok_or_else(|| {
            ArrowError::SchemaError(format!("column {name} is no dictionary of text"))
        })?;
        Ok(Self { keys: dictionary.keys(), texts })
    }

    /// The code of a row; none for null.
    pub(crate) fn code(&self, row: usize) -> Option<usize> {
        if row >= self.keys.len() || self.keys.is_null(row) {
            return None;
        }
        usize::try_from(self.keys.value(row)).ok()
    }

    pub(crate) fn text(&self, code: usize) -> Option<&'a str> {
        (code < self.texts.len() && self.texts.is_valid(code)).then(|| self.texts.value(code))
    }

    pub(crate) fn rows(&self) -> usize {
        self.keys.len()
    }

    /// Whether something holds, asked once for each code and once for null.
    pub(crate) fn test(&self, test: impl Fn(Option<&str>) -> bool) -> ByCode {
        let of_null = test(None);
        let by_code = self.map(|text| test(Some(text)));
        ByCode { by_code: by_code.into_iter().map(|it| it.unwrap_or(of_null)).collect(), of_null }
    }

    /// Takes the mark from rows of which it does not hold.
    pub(crate) fn keep(&self, holds: &ByCode, selected: &mut [bool]) {
        if holds.never() {
            return selected.fill(false);
        }
        let rows = selected.iter_mut().zip(self.keys.values());
        match self.keys.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => rows.for_each(|(selected, key)| *selected &= holds.of(*key)),
            Some(nulls) if nulls.null_count() < nulls.len() => {
                for ((selected, key), valid) in rows.zip(nulls) {
                    *selected &= if valid { holds.of(*key) } else { holds.of_null };
                }
            }
            Some(_) if !holds.of_null => selected.fill(false),
            Some(_) => {}
        }
    }

    /// How many codes there are.
    pub(crate) fn texts(&self) -> usize {
        self.texts.len()
    }

    /// By row: what belongs to its code.
    pub(crate) fn each<T: Copy>(&self, by_code: &[T], of_null: T) -> Vec<T> {
        let of_key = |key: &i32| {
            let code = usize::try_from(*key).unwrap_or(usize::MAX);
            by_code.get(code).copied().unwrap_or(of_null)
        };
        match self.keys.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => self.keys.values().iter().map(of_key).collect(),
            Some(nulls) => {
                let keys = self.keys.values().iter().zip(nulls);
                keys.map(|(key, valid)| if valid { of_key(key) } else { of_null }).collect()
            }
        }
    }

    /// Something for each code.
    pub(crate) fn map<T>(&self, of: impl Fn(&str) -> T) -> Vec<Option<T>> {
        (0..self.texts.len()).map(|code| self.text(code).map(&of)).collect()
    }
}

/// Whether something holds, by code of a dictionary.
pub(crate) struct ByCode {
    by_code: Vec<bool>,
    of_null: bool,
}

impl ByCode {
    fn of(&self, key: i32) -> bool {
        usize::try_from(key).is_ok_and(|code| self.by_code.get(code).copied().unwrap_or_default())
    }

    /// Whether it holds of no entry of the dictionary, and not of null.
    pub(crate) fn never(&self) -> bool {
        !self.of_null && !self.by_code.contains(&true)
    }
}

/// A column of numbers.
pub(crate) enum Numbers<'a> {
    Int(&'a Int32Array),
    Long(&'a Int64Array),
    Double(&'a Float64Array),
    Bool(&'a BooleanArray),
}

impl<'a> Numbers<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: &str) -> Result<Self, ArrowError> {
        let array = column(batch, name)?;
        let int = array.as_primitive_opt::<Int32Type>().map(Self::Int);
        let long = || array.as_primitive_opt::<Int64Type>().map(Self::Long);
        let double = || array.as_any().downcast_ref().map(Self::Double);
        let bool = || array.as_boolean_opt().map(Self::Bool);
        int.or_else(long).or_else(double).or_else(bool).ok_or_else(|| {
            ArrowError::SchemaError(format!("column {name} is {}, no number", array.data_type()))
        })
    }

    // Numbers of hits are milliseconds, seconds and counts, far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(crate) fn get(&self, row: usize) -> Option<f64> {
        match self {
            Self::Int(array) => valid(array, row).then(|| f64::from(array.value(row))),
            Self::Long(array) => valid(array, row).then(|| array.value(row) as f64),
            Self::Double(array) => {
                valid(array, row).then(|| array.value(row)).filter(|number| number.is_finite())
            }
            Self::Bool(array) => valid(array, row).then(|| f64::from(u8::from(array.value(row)))),
        }
    }
}

fn valid(array: &impl Array, row: usize) -> bool {
    row < array.len() && array.is_valid(row)
}

/// A column of yes and no.
pub(crate) struct Flags<'a>(&'a BooleanArray);

impl<'a> Flags<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: &str) -> Result<Self, ArrowError> {
        of_type(batch, name).map(Self)
    }

    pub(crate) fn get(&self, row: usize) -> Option<bool> {
        valid(self.0, row).then(|| self.0.value(row))
    }

    /// Takes the mark from rows whose flag says no; rows without one keep it.
    pub(crate) fn drop_unset(&self, selected: &mut [bool]) {
        let rows = selected.iter_mut().zip(self.0.values());
        match self.0.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => rows.for_each(|(selected, set)| *selected &= set),
            Some(nulls) => {
                rows.zip(nulls).for_each(|((selected, set), valid)| *selected &= set | !valid);
            }
        }
    }
}

/// Whole numbers.
pub(crate) fn ints<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int32Array, ArrowError> {
    of_type(batch, name)
}

/// Texts without a dictionary.
pub(crate) fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, ArrowError> {
    of_type(batch, name)
}

/// Microseconds.
pub(crate) fn times<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [i64], ArrowError> {
    let times = column(batch, name)?.as_primitive_opt::<TimestampMicrosecondType>();
    times
        .map(|times| times.values().as_ref())
        .ok_or_else(|| ArrowError::SchemaError(format!("column {name} is no time in microseconds")))
}
