//! Batches cut at the borders of visits, for filters that ask for visits.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::error::ArrowError;

use super::columns::Flags;

/// The rows of a visit that may go on in the next batch.
#[derive(Default)]
pub(super) struct Unfinished {
    rows: Vec<RecordBatch>,
    day: Option<u32>,
}

impl Unfinished {
    /// Takes a batch of the partition `day`, but the rows that `skip` marks; the visits that are
    /// whole by now, in order.
    pub(super) fn push(
        &mut self,
        batch: &RecordBatch,
        day: Option<u32>,
        skip: Option<&[bool]>,
    ) -> Result<Vec<RecordBatch>, ArrowError> {
        self.day = day;
        let batch = match skip {
            None => batch.clone(),
            Some(skip) => {
                let kept: BooleanArray = skip.iter().map(|skip| Some(!skip)).collect();
                filter_record_batch(batch, &kept)?
            }
        };
        let entries = Flags::of(&batch, "is_entry")?;
        let begins = |row: &usize| entries.get(*row) != Some(false);
        let mut borders = (0..batch.num_rows()).filter(begins);
        let Some(first) = borders.next() else {
            self.rows.push(batch);
            return Ok(Vec::new());
        };
        let last = borders.next_back().unwrap_or(first);
        self.rows.push(batch.slice(0, first));
        let ended = self.take()?;
        self.rows.push(batch.slice(last, batch.num_rows() - last));
        Ok(ended.into_iter().chain([batch.slice(first, last - first)]).collect())
    }

    /// The rows that no more follow.
    pub(super) fn take(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        rows.first().map(|first| concat_batches(first.schema_ref(), &rows)).transpose()
    }

    /// The partition that they belong to.
    pub(super) const fn day(&self) -> Option<u32> {
        self.day
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array as _, BooleanArray as Booleans, Int32Array, cast::AsArray as _};
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn visits_come_whole_and_in_order_however_batches_are_cut(
            entries in proptest::collection::vec(
                prop_oneof![Just(None), Just(Some(true)), Just(Some(false)), Just(Some(false))], 0..40),
            skipped in proptest::collection::vec(any::<bool>(), 40),
            cuts in proptest::collection::vec(0_usize..40, 0..6),
        ) {
            let fields = vec![
                Field::new("is_entry", DataType::Boolean, true),
                Field::new("row", DataType::Int32, false),
            ];
            let rows = Int32Array::from_iter_values((0..).take(entries.len()));
            let columns = vec![Arc::new(Booleans::from(entries.clone())) as _, Arc::new(rows) as _];
            let all = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
            let mut cuts: Vec<usize> =
                cuts.into_iter().map(|cut| cut.min(entries.len())).chain([0, entries.len()]).collect();
            cuts.sort_unstable();
            let mut unfinished = Unfinished::default();
            let mut out = Vec::new();
            for pair in cuts.windows(2) {
                let batch = all.slice(pair[0], pair[1] - pair[0]);
                let skip = &skipped[pair[0]..pair[1]];
                out.extend(unfinished.push(&batch, Some(3), Some(skip)).unwrap());
            }
            out.extend(unfinished.take().unwrap());
            let numbers: Vec<i32> = out
                .iter()
                .flat_map(|batch| batch["row"].as_primitive::<Int32Type>().values().to_vec())
                .collect();
            let kept: Vec<i32> =
                (0_i32..).zip(&entries).filter(|(row, _)| !skipped[*row as usize]).map(|it| it.0).collect();
            prop_assert_eq!(numbers, kept);
            for batch in out.iter().filter(|batch| batch.num_rows() > 0).skip(1) {
                let first = batch["is_entry"].as_boolean();
                prop_assert!(first.is_null(0) || first.value(0), "a visit goes on in another batch");
            }
        }
    }
}
