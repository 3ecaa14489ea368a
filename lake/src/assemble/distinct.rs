//! Repeated ids out, the rest in the order of the visit rules.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::inputs::Inputs;
use crate::columns::COLUMNS;

/// Columns in which copies of one hit may differ because one of them has been merged.
const KEPT_BY_MERGE: [&str; 2] = ["goals", "is_derived"];

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
    for copies in by_id.chunk_by(|left, right| (left.0, left.1) == (right.0, right.1)) {
        if let Some(row) = earliest(raw, inputs, copies.iter().map(|copy| copy.2))? {
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

/// Of the copies of one hit the earliest received; of several received at once the least by bytes,
/// so that the choice does not depend on the order of arrival.
fn earliest(
    raw: &RecordBatch,
    inputs: &Inputs,
    copies: impl Iterator<Item = u32>,
) -> Result<Option<u32>, ArrowError> {
    let mut best: Option<u32> = None;
    for row in copies {
        let Some(than) = best else {
            best = Some(row);
            continue;
        };
        let ordering = match inputs.received(row).cmp(&inputs.received(than)) {
            Ordering::Equal => compare_bytes(raw, row, than)?,
            other => other,
        };
        let merged = ordering == Ordering::Equal && inputs.is_merged(row);
        if ordering == Ordering::Less || merged {
            best = Some(row);
        }
    }
    Ok(best)
}

fn compare_bytes(raw: &RecordBatch, left: u32, right: u32) -> Result<Ordering, ArrowError> {
    let options = FormatOptions::new().with_null("\0");
    let compared = |name: &str| !KEPT_BY_MERGE.contains(&name);
    for column in COLUMNS.iter().filter(|column| !column.of_visit && compared(column.name)) {
        let Some(array) = raw.column_by_name(column.name) else { continue };
        // A time with a zone cannot be shown without a zone database; its number can be compared.
        let ordering = if let Some(times) = array.as_primitive_opt::<TimestampMicrosecondType>() {
            times.value(left as usize).cmp(&times.value(right as usize))
        } else {
            let format = ArrayFormatter::try_new(Arc::as_ref(array), &options)?;
            let text = |row: u32| format.value(row as usize).to_string();
            text(left).cmp(&text(right))
        };
        if ordering != Ordering::Equal {
            return Ok(ordering);
        }
    }
    Ok(Ordering::Equal)
}
