//! Repeated ids out, the rest in the order of the visit rules.

use std::cmp::Ordering;

use arrow::array::{DynComparator, RecordBatch, make_comparator};
use arrow::compute::SortOptions;
use arrow::error::ArrowError;

use super::inputs::Inputs;
use crate::columns::COLUMNS;

/// Columns in which copies of one hit may differ because one of them has been merged.
const KEPT_BY_MERGE: [&str; 3] = ["goals", "is_derived", "own_timings"];

/// Numbers of the rows that are hits, by site and order; of rows with one site and id the
/// earliest received.
pub(super) fn in_order(raw: &RecordBatch, inputs: &Inputs) -> Result<Vec<u32>, ArrowError> {
    let rows = u32::try_from(raw.num_rows()).map_err(|_| {
        ArrowError::ComputeError(format!(
            "{} rows at once; split the date into parts",
            raw.num_rows()
        ))
    })?;
    // Keys beside the row numbers: a sort that looks them up waits for memory at every step.
    let mut by_id: Vec<(i32, u128, u32)> = (0..rows)
        .filter(|&row| !inputs.is_derived(row))
        .map(|row| (inputs.site(row), inputs.id(row), row))
        .collect();
    by_id.sort_unstable();
    let mut kept: Vec<(i32, i64, u32)> = Vec::with_capacity(by_id.len());
    let mut choice = Copies { raw, inputs, columns: Vec::new() };
    for copies in by_id.chunk_by(|left, right| (left.0, left.1) == (right.0, right.1)) {
        if let Some(row) = choice.earliest(copies.iter().map(|copy| copy.2))? {
            kept.push((inputs.site(row), inputs.ts(row), row));
        }
    }
    drop(by_id);
    kept.sort_unstable();
    for ties in kept.chunk_by_mut(|left, right| (left.0, left.1) == (right.0, right.1)) {
        if ties.len() > 1 {
            ties.sort_unstable_by_key(|&(_, _, row)| inputs.order(row));
        }
    }
    Ok(kept.into_iter().map(|(_, _, row)| row).collect())
}

/// Settles which of a hit's copies stays.
struct Copies<'a> {
    raw: &'a RecordBatch,
    inputs: &'a Inputs,
    /// One comparison a column; made when copies first come that were received at once.
    columns: Vec<DynComparator>,
}

impl Copies<'_> {
    /// The earliest received; of several received at once the least by its columns, so that the
    /// choice does not depend on the order of arrival.
    fn earliest(&mut self, copies: impl Iterator<Item = u32>) -> Result<Option<u32>, ArrowError> {
        let mut best: Option<u32> = None;
        for row in copies {
            let Some(than) = best else {
                best = Some(row);
                continue;
            };
            let ordering = match self.inputs.received(row).cmp(&self.inputs.received(than)) {
                Ordering::Equal => self.compare(row, than)?,
                other => other,
            };
            // Of equal ones the one that has met its goals.
            let merged = ordering == Ordering::Equal && self.inputs.is_merged(row);
            if ordering == Ordering::Less || merged {
                best = Some(row);
            }
        }
        Ok(best)
    }

    fn compare(&mut self, left: u32, right: u32) -> Result<Ordering, ArrowError> {
        if self.columns.is_empty() {
            let compared = COLUMNS
                .iter()
                .filter(|column| !column.of_visit && !KEPT_BY_MERGE.contains(&column.name));
            let columns = compared.filter_map(|column| self.raw.column_by_name(column.name));
            self.columns = columns
                .map(|column| make_comparator(column, column, SortOptions::default()))
                .collect::<Result<_, _>>()?;
        }
        let mut orderings = self.columns.iter().map(|of| of(left as usize, right as usize));
        Ok(orderings.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal))
    }
}
