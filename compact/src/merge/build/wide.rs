//! Rows with every column of the table by its number, so that none is looked up by its name for
//! each of thousands of blocks. A column that has no value in all of the rows is left out.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, NullBufferBuilder, RecordBatch,
    StringArray, new_null_array,
};
use arrow::compute::concat;
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use lake::columns::{COLUMNS, Type, schema_for_reading};

use super::narrow::Named;

/// Some rows.
#[derive(Debug, Clone)]
pub(super) struct Wide {
    /// One for each of [`COLUMNS`].
    pub(super) columns: Vec<Option<ArrayRef>>,
    pub(super) rows: usize,
}

impl Named for Wide {
    fn named(&self, name: &str) -> Option<&ArrayRef> {
        let number = COLUMNS.iter().position(|column| column.name == name)?;
        self.columns.get(number)?.as_ref()
    }
}

impl Wide {
    /// The columns of a batch that are the table's.
    pub(super) fn of(batch: &RecordBatch) -> Self {
        let fields = batch.schema_ref().fields();
        // Files have their columns in the order of the table.
        let mut next = 0;
        let columns = COLUMNS.iter().map(|column| {
            let is_here = fields.get(next).is_some_and(|field| field.name() == column.name);
            let at = if is_here {
                next
            } else {
                fields.iter().position(|field| field.name() == column.name)?
            };
            next = at + 1;
            let array = batch.columns().get(at)?;
            (array.null_count() < array.len()).then(|| Arc::clone(array))
        });
        Self { columns: columns.collect(), rows: batch.num_rows() }
    }

    /// The rows with all columns of the table.
    pub(super) fn batch(&self) -> Result<RecordBatch, ArrowError> {
        let schema = schema_for_reading();
        let columns = schema.fields().iter().zip(&self.columns).map(|(field, column)| {
            let absent = || new_null_array(field.data_type(), self.rows);
            column.clone().unwrap_or_else(absent)
        });
        let columns = columns.collect();
        RecordBatch::try_new(schema, columns)
    }

    /// All rows of several, one after the other.
    pub(super) fn together(parts: &[Self]) -> Result<Self, ArrowError> {
        let columns = COLUMNS.iter().enumerate().map(|(number, column)| {
            let found: Vec<(Option<&ArrayRef>, usize)> = parts
                .iter()
                .map(|part| (part.columns.get(number).and_then(Option::as_ref), part.rows))
                .collect();
            if found.iter().all(|(array, _)| array.is_none()) {
                return Ok(None);
            }
            let array: ArrayRef = if column.kind == Type::Text {
                Arc::new(dictionaries(&found)?)
            } else {
                let kind = column.kind.arrow_for_reading();
                let arrays: Vec<ArrayRef> = found
                    .iter()
                    .map(|(array, rows)| {
                        array.map_or_else(|| new_null_array(&kind, *rows), Arc::clone)
                    })
                    .collect();
                concat(&arrays.iter().map(AsRef::as_ref).collect::<Vec<_>>())?
            };
            Ok(Some(array))
        });
        let columns = columns.collect::<Result<_, ArrowError>>()?;
        Ok(Self { columns, rows: parts.iter().map(|part| part.rows).sum() })
    }
}

/// Columns with dictionaries as one, whose dictionary has all values of all of them.
fn dictionaries(
    found: &[(Option<&ArrayRef>, usize)],
) -> Result<DictionaryArray<Int32Type>, ArrowError> {
    let rows = found.iter().map(|(_, rows)| rows).sum();
    let mut keys: Vec<i32> = Vec::with_capacity(rows);
    let mut nulls = NullBufferBuilder::new(rows);
    let mut values: Vec<&dyn Array> = Vec::with_capacity(found.len());
    let mut offset = 0;
    for (array, rows) in found {
        let Some(array) = array else {
            keys.resize(keys.len() + rows, 0);
            nulls.append_n_nulls(*rows);
            continue;
        };
        let (own, texts) = dictionary(array)?;
        keys.extend(own.values().iter().map(|key| key.wrapping_add(offset)));
        match own.nulls() {
            Some(own) => nulls.append_buffer(own),
            None => nulls.append_n_non_nulls(*rows),
        }
        offset = i32::try_from(texts.len())
            .ok()
            .and_then(|count| offset.checked_add(count))
            .ok_or(ArrowError::DictionaryKeyOverflowError)?;
        values.push(texts);
    }
    DictionaryArray::try_new(Int32Array::try_new(keys.into(), nulls.finish())?, concat(&values)?)
}

/// Keys and texts of a column with a dictionary.
pub(super) fn dictionary(array: &ArrayRef) -> Result<(&Int32Array, &StringArray), ArrowError> {
    let wrong = || ArrowError::SchemaError(format!("{} for a dictionary", array.data_type()));
    let dictionary = array.as_dictionary_opt::<Int32Type>().ok_or_else(wrong)?;
    Ok((dictionary.keys(), dictionary.values().as_string_opt::<i32>().ok_or_else(wrong)?))
}
