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
