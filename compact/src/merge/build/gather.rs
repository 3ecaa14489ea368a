//! Rows picked out of several batches, with dictionaries that hold no more than the rows need.
//!
//! Arrow's own `interleave` merges dictionaries by looking at all rows once for every batch, which
//! is slow with hundreds of batches; here each value is copied once a batch that it comes from.
//! A column that a batch lacks is null there.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions,
    StringBuilder, new_null_array,
};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::error::ArrowError;
use lake::columns::schema_for_reading;

/// A row: the number of its batch, and its number there.
pub(super) type Pick = (usize, usize);

/// Picks rows; reused, so that its work space is.
#[derive(Default)]
pub(super) struct Gather {
    /// Old key to new key of one column, by batch; -1 where not used yet.
    keys: Vec<i32>,
    used: Vec<usize>,
}

impl Gather {
    /// The picked rows; columns that are null in all of them are left out.
    pub(super) fn rows(
        &mut self,
        batches: &[&RecordBatch],
        picks: &[Pick],
    ) -> Result<RecordBatch, ArrowError> {
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for field in schema_for_reading().fields() {
            if let Some(column) = self.column(field, batches, picks)? {
                fields.push(Arc::clone(field));
                columns.push(column);
            }
        }
        // The number of rows is said apart, because no row has no column.
        let rows = RecordBatchOptions::new().with_row_count(Some(picks.len()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &rows)
    }

    fn column(
        &mut self,
        field: &Field,
        batches: &[&RecordBatch],
        picks: &[Pick],
    ) -> Result<Option<ArrayRef>, ArrowError> {
        let found: Vec<Option<&ArrayRef>> =
            batches.iter().map(|batch| batch.column_by_name(field.name())).collect();
        if found.iter().flatten().all(|array| array.null_count() == array.len()) {
            return Ok(None);
        }
        let picked: ArrayRef = match field.data_type() {
            DataType::Dictionary(_, _) => Arc::new(self.dictionary(&found, picks)?),
            kind => {
                let longest = batches.iter().map(|batch| batch.num_rows()).max().unwrap_or(0);
                let absent = new_null_array(
                    kind,
                    if found.iter().any(Option::is_none) { longest } else { 0 },
                );
                let arrays: Vec<&dyn Array> =
                    found.iter().map(|array| array.map_or(absent.as_ref(), Arc::as_ref)).collect();
                interleave(&arrays, picks)?
            }
        };
        Ok((picked.null_count() < picked.len()).then_some(picked))
    }

    fn dictionary(
        &mut self,
        found: &[Option<&ArrayRef>],
        picks: &[Pick],
    ) -> Result<DictionaryArray<Int32Type>, ArrowError> {
        let mut starts = Vec::with_capacity(found.len());
        let mut total = 0;
        let mut sources = Vec::with_capacity(found.len());
        for array in found {
            let dictionary = array.map(|array| as_dictionary(array)).transpose()?;
            starts.push(total);
            total += dictionary.map_or(0, |dictionary| dictionary.values().len());
            let values = dictionary.map(|dictionary| as_texts(dictionary.values())).transpose()?;
            sources.push(dictionary.map(DictionaryArray::keys).zip(values));
        }
        if self.keys.len() < total {
            self.keys.resize(total, -1);
        }
        let mut values = StringBuilder::new();
        let mut count = 0;
        let mut key_of = |&(batch, row): &Pick| -> Option<i32> {
            let (keys, texts) = sources.get(batch).copied().flatten()?;
            let old = usize::try_from(keys.is_valid(row).then(|| keys.value(row))?).ok()?;
            if texts.is_null(old) {
                return None;
            }
            let at = starts.get(batch)? + old;
            let key = self.keys.get_mut(at)?;
            if *key < 0 {
                *key = count;
                count += 1;
                values.append_value(texts.value(old));
                self.used.push(at);
            }
            Some(*key)
        };
        let keys: Int32Array = picks.iter().map(&mut key_of).collect();
        for at in self.used.drain(..) {
            if let Some(key) = self.keys.get_mut(at) {
                *key = -1;
            }
        }
        DictionaryArray::try_new(keys, Arc::new(values.finish()))
    }
}

fn as_dictionary(array: &ArrayRef) -> Result<&DictionaryArray<Int32Type>, ArrowError> {
    array.as_dictionary_opt().ok_or_else(|| {
        ArrowError::SchemaError(format!("{} where a dictionary should be", array.data_type()))
    })
}

fn as_texts(array: &ArrayRef) -> Result<&arrow::array::StringArray, ArrowError> {
    array.as_string_opt().ok_or_else(|| {
        ArrowError::SchemaError(format!("{} where text should be", array.data_type()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::StringArray;

    fn batch(paths: &[Option<&str>], ids: &[&str]) -> RecordBatch {
        let paths: DictionaryArray<Int32Type> = paths.iter().copied().collect();
        let ids: StringArray = ids.iter().copied().map(Some).collect();
        RecordBatch::try_from_iter([
            ("path", Arc::new(paths) as ArrayRef),
            ("hit_id", Arc::new(ids) as ArrayRef),
        ])
        .unwrap()
    }

    #[test]
    fn picks_keep_their_order_and_dictionaries_only_what_is_used() {
        let first = batch(&[Some("/a"), Some("/b"), None], &["1", "2", "3"]);
        let second = batch(&[Some("/b"), Some("/c")], &["4", "5"]);
        let bare = second.project(&[1]).unwrap();
        let mut gather = Gather::default();
        for _ in 0..2 {
            let picks = [(1, 0), (0, 2), (2, 1), (0, 1), (1, 0)];
            let picked = gather.rows(&[&first, &second, &bare], &picks).unwrap();
            let paths = picked.column_by_name("path").unwrap().as_dictionary::<Int32Type>();
            let texts: Vec<_> = paths.downcast_dict::<StringArray>().unwrap().into_iter().collect();
            assert_eq!(texts, [Some("/b"), None, None, Some("/b"), Some("/b")]);
            assert_eq!(paths.values().len(), 2, "one /b a batch");
            let ids: Vec<_> = picked
                .column_by_name("hit_id")
                .unwrap()
                .as_string::<i32>()
                .iter()
                .flatten()
                .collect();
            assert_eq!(ids, ["4", "3", "5", "2", "4"]);
        }
        let nulls = gather.rows(&[&first, &bare], &[(0, 2), (1, 0)]).unwrap();
        assert_eq!(nulls.num_columns(), 1, "a column of nulls is left out");
    }
}
