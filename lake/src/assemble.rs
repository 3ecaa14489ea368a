//! Raw rows in any order in, rows of the table out: repeated ids dropped, visits worked out,
//! sorted, the visit's columns filled.
//!
//! Merge writes the result; query scans it for the visitors whom waiting hits touch. Knows
//! columns and rules; knows no store and no file.

mod inputs;
mod outputs;

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::columns::{COLUMNS, schema_for_reading};
use crate::visits::{VisitHit, Visits, visits};
use inputs::Inputs;

/// Rows of the table, and how many rows were repetitions.
#[derive(Debug)]
pub struct Assembled {
    /// Sorted by site, visitor, visit start, visit, time, id, with the visit's columns filled.
    pub rows: RecordBatch,
    /// Rows dropped because an earlier received copy has the same site and id.
    pub duplicates: usize,
}

/// Works out the table's rows of one date.
///
/// `raw` has the columns of [`schema_for_reading`]; what stands in its visit columns is ignored.
/// The result depends on the set of rows only, not on their order.
///
/// # Errors
///
/// When a required column has a null or an unreadable id, or the columns are not the table's.
pub fn assemble(raw: &RecordBatch) -> Result<Assembled, ArrowError> {
    let inputs = Inputs::read(raw)?;
    let order = distinct_in_time_order(raw, &inputs)?;
    let duplicates = raw.num_rows() - order.len();

    let mut placed = outputs::Rows::default();
    for of_site in order.chunk_by(|&left, &right| inputs.site(left) == inputs.site(right)) {
        let hits: Vec<VisitHit> = of_site.iter().map(|&row| inputs.hit(row)).collect();
        let site = of_site.first().map_or(0, |&row| inputs.site(row));
        let Visits { visits, visit_of, time_on_page_s } = visits(site, &hits);
        placed.add(site, of_site, &hits, visits, &visit_of, &time_on_page_s);
    }
    placed.sort();
    let rows: UInt32Array = placed.order().collect();
    let sorted = take_record_batch(raw, &rows)?;
    Ok(Assembled { rows: placed.fill(raw, &sorted)?, duplicates })
}

/// An empty batch of the table's columns.
#[must_use]
pub fn empty() -> RecordBatch {
    RecordBatch::new_empty(schema_for_reading())
}

/// Row numbers by site, time and id; of rows with one site and id the earliest received stays.
fn distinct_in_time_order(raw: &RecordBatch, inputs: &Inputs) -> Result<Vec<u32>, ArrowError> {
    let rows = u32::try_from(raw.num_rows()).map_err(|_| {
        ArrowError::ComputeError(format!(
            "{} rows at once; split the date into parts",
            raw.num_rows()
        ))
    })?;
    let mut order: Vec<u32> = (0..rows).collect();
    order
        .sort_unstable_by_key(|&row| (inputs.site(row), inputs.id(row), inputs.received(row), row));
    let mut kept = Vec::with_capacity(order.len());
    for copies in
        order.chunk_by(|&a, &b| (inputs.site(a), inputs.id(a)) == (inputs.site(b), inputs.id(b)))
    {
        kept.extend(earliest(raw, inputs, copies)?);
    }
    kept.sort_unstable_by_key(|&row| (inputs.site(row), inputs.ts(row), inputs.id(row)));
    Ok(kept)
}

/// Of the copies of one hit the earliest received; of several received at once the least by bytes,
/// so that the choice does not depend on the order of arrival.
fn earliest(raw: &RecordBatch, inputs: &Inputs, copies: &[u32]) -> Result<Option<u32>, ArrowError> {
    let Some(&first) = copies.first() else { return Ok(None) };
    let tied =
        copies.iter().copied().take_while(|&row| inputs.received(row) == inputs.received(first));
    let mut best = first;
    for row in tied.skip(1) {
        if compare_bytes(raw, row, best)? == Ordering::Less {
            best = row;
        }
    }
    Ok(Some(best))
}

fn compare_bytes(raw: &RecordBatch, left: u32, right: u32) -> Result<Ordering, ArrowError> {
    let options = FormatOptions::new().with_null("\0");
    for column in COLUMNS.iter().filter(|column| !column.of_visit) {
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
