//! Rows picked out of several batches, with dictionaries that hold no more than the rows need.
//!
//! Arrow's own `interleave` merges dictionaries by looking at all rows once for every batch, which
//! is slow with hundreds of batches; here each value is copied once a batch that it comes from.
//! A column that a batch lacks is null there.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, DictionaryArray, Int32Array, StringArray, StringBuilder, new_null_array,
};
use arrow::compute::interleave;
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use lake::columns::{COLUMNS, Column, Type};

use super::wide::{Wide, dictionary};

/// A row: the number of its batch, and its number there.
pub(super) type Pick = (usize, usize);

/// Picks rows; reused, so that its work space is.
#[derive(Default)]
pub(super) struct Gather {
    codes: Codes,
}

impl Gather {
    /// The picked rows; columns that are null in all of them are left out.
    pub(super) fn rows(&mut self, batches: &[&Wide], picks: &[Pick]) -> Result<Wide, ArrowError> {
        let columns = COLUMNS.iter().enumerate().map(|(number, column)| {
            let found = found(batches, number);
            if found.iter().all(Option::is_none) {
                return Ok(None);
            }
            let picked = self.column(column, &found, batches, picks)?;
            Ok((picked.null_count() < picked.len()).then_some(picked))
        });
        let columns = columns.collect::<Result<_, ArrowError>>()?;
        Ok(Wide { columns, rows: picks.len() })
    }

    fn column(
        &mut self,
        column: &Column,
        found: &[Option<&ArrayRef>],
        batches: &[&Wide],
        picks: &[Pick],
    ) -> Result<ArrayRef, ArrowError> {
        if column.kind == Type::Text {
            return Ok(Arc::new(self.dictionary(found, picks)?));
        }
        let longest = batches.iter().map(|batch| batch.rows).max().unwrap_or(0);
        let length = if found.iter().any(Option::is_none) { longest } else { 0 };
        let absent = new_null_array(&column.kind.arrow_for_reading(), length);
        let arrays: Vec<&dyn Array> =
            found.iter().map(|array| array.map_or(absent.as_ref(), Arc::as_ref)).collect();
        interleave(&arrays, picks)
    }

    fn dictionary(
        &mut self,
        found: &[Option<&ArrayRef>],
        picks: &[Pick],
    ) -> Result<DictionaryArray<Int32Type>, ArrowError> {
        let sources = self.codes.begin(found)?;
        let mut values = StringBuilder::new();
        let keys: Int32Array = picks
            .iter()
            .map(|&pick| self.codes.of(&sources, pick, |text| values.append_value(text)))
            .collect();
        self.codes.end();
        DictionaryArray::try_new(keys, Arc::new(values.finish()))
    }
}

/// A column of each batch.
pub(super) fn found<'a>(batches: &[&'a Wide], number: usize) -> Vec<Option<&'a ArrayRef>> {
    batches.iter().map(|batch| batch.columns.get(number)?.as_ref()).collect()
}

/// A batch's dictionary column, and where its values begin among all.
pub(super) struct Texts<'a> {
    keys: &'a Int32Array,
    texts: &'a StringArray,
    start: usize,
}

/// The new keys of the values of several dictionaries.
#[derive(Default)]
pub(super) struct Codes {
    /// Old key to new key, by batch; -1 where not used yet.
    codes: Vec<i32>,
    used: Vec<usize>,
}

impl Codes {
    /// The dictionaries of a column.
    pub(super) fn begin<'a>(
        &mut self,
        found: &[Option<&'a ArrayRef>],
    ) -> Result<Vec<Option<Texts<'a>>>, ArrowError> {
        let mut total = 0;
        let sources = found.iter().map(|array| {
            let Some(array) = array else { return Ok(None) };
            let (keys, texts) = dictionary(array)?;
            let start = total;
            total += texts.len();
            Ok(Some(Texts { keys, texts, start }))
        });
        let sources = sources.collect::<Result<_, ArrowError>>()?;
        if self.codes.len() < total {
            self.codes.resize(total, -1);
        }
        Ok(sources)
    }

    /// The new key of a row; `add` takes each value when its first row comes.
    #[inline]
    pub(super) fn of(
        &mut self,
        sources: &[Option<Texts<'_>>],
        (batch, row): Pick,
        mut add: impl FnMut(&str),
    ) -> Option<i32> {
        let Texts { keys, texts, start } = sources.get(batch)?.as_ref()?;
        if keys.is_null(row) {
            return None;
        }
        let old = usize::try_from(*keys.values().get(row)?).ok()?;
        let code = self.codes.get_mut(start + old)?;
        if *code < 0 {
            if texts.is_null(old) {
                return None;
            }
            *code = i32::try_from(self.used.len()).ok()?;
            add(texts.value(old));
            self.used.push(start + old);
        }
        Some(*code)
    }

    /// Forgets the keys; how many there were.
    pub(super) fn end(&mut self) -> usize {
        let count = self.used.len();
        for at in self.used.drain(..) {
            if let Some(code) = self.codes.get_mut(at) {
                *code = -1;
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::build::narrow::Named as _;
    use arrow::array::{AsArray as _, RecordBatch};

    fn batch(paths: &[Option<&str>], ids: &[&str]) -> Wide {
        let paths: DictionaryArray<Int32Type> = paths.iter().copied().collect();
        let ids: StringArray = ids.iter().copied().map(Some).collect();
        let columns =
            [("path", Arc::new(paths) as ArrayRef), ("hit_id", Arc::new(ids) as ArrayRef)];
        Wide::of(&RecordBatch::try_from_iter(columns).unwrap())
    }

    #[test]
    fn picks_keep_their_order_and_dictionaries_only_what_is_used() {
        let first = batch(&[Some("/a"), Some("/b"), None], &["1", "2", "3"]);
        let second = batch(&[Some("/b"), Some("/c")], &["4", "5"]);
        let mut bare = second.clone();
        for (column, array) in COLUMNS.iter().zip(&mut bare.columns) {
            *array = array.take().filter(|_| column.name == "hit_id");
        }
        let mut gather = Gather::default();
        for _ in 0..2 {
            let picks = [(1, 0), (0, 2), (2, 1), (0, 1), (1, 0)];
            let picked = gather.rows(&[&first, &second, &bare], &picks).unwrap();
            let paths = picked.named("path").unwrap().as_dictionary::<Int32Type>();
            let texts: Vec<_> = paths.downcast_dict::<StringArray>().unwrap().into_iter().collect();
            assert_eq!(texts, [Some("/b"), None, None, Some("/b"), Some("/b")]);
            assert_eq!(paths.values().len(), 2, "one /b a batch");
            let ids: Vec<_> =
                picked.named("hit_id").unwrap().as_string::<i32>().iter().flatten().collect();
            assert_eq!(ids, ["4", "3", "5", "2", "4"]);
        }
        let nulls = gather.rows(&[&first, &bare], &[(0, 2), (1, 0)]).unwrap();
        assert_eq!(nulls.columns.iter().flatten().count(), 1, "a column of nulls is left out");
    }
}
