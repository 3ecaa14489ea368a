//! Raw rows in any order in, rows of the table out: repeated ids dropped, visits worked out,
//! sorted, the visit's columns filled, rows of conversions by pattern added.
//!
//! Merge writes the result; query scans it for the visitors whom waiting hits touch. Knows
//! columns and rules; knows no store and no file.

mod distinct;
mod goals;
mod groups;
mod inputs;
mod outputs;
#[cfg(test)]
mod tests;
mod timings;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::error::ArrowError;

use crate::columns::schema_for_reading;
use crate::goals::Goals;
use crate::visits::{VisitHit, visits};
use groups::Groups;
use inputs::Inputs;

/// Rows of the table, and how many rows were repetitions.
#[derive(Debug)]
pub struct Assembled {
    /// Sorted by site, visitor, visit start, visit, time, arrival or id, with the visit's columns
    /// filled.
    pub rows: RecordBatch,
    /// Rows dropped because an earlier received copy has the same site and id.
    pub duplicates: usize,
    /// Rows that are no hits: conversions by pattern (`is_derived`).
    pub derived: usize,
}

/// Works out the table's rows of one date.
///
/// `raw` has the columns of [`schema_for_reading`]; what stands in its visit columns is ignored,
/// and so are rows that an earlier merge derived. Hits that no merge has seen meet `goals`; what
/// others reached stands in their rows. The result depends on the set of rows only, not on their
/// order; and rows that share no client's id and no fingerprint, directly or through others, do
/// not touch each other: assembled apart they give the same rows.
///
/// # Errors
///
/// When a required column has a null or an unreadable id, or the columns are not the table's.
pub fn assemble(raw: &RecordBatch, goals: &Goals) -> Result<Assembled, ArrowError> {
    let raw = &timings::own(raw)?;
    let inputs = Inputs::read(raw)?;
    let order = distinct::in_order(raw, &inputs)?;
    let duplicates = raw.num_rows() - inputs.derived() - order.len();
    let reached = goals::Sets::read(raw, &inputs, &order, goals)?;

    let mut groups = Groups::default();
    let mut hits: Vec<VisitHit> = Vec::new();
    for of_site in order.chunk_by(|&left, &right| inputs.site(left) == inputs.site(right)) {
        let site = of_site.first().map_or(0, |&row| inputs.site(row));
        hits.clear();
        for &row in of_site {
            hits.push(VisitHit { goals: reached.of(row), ..inputs.hit(row)? });
        }
        groups.add(site, of_site, &hits, visits(site, &hits, reached.sets()));
    }
    drop(hits);
    let timings = timings::Timings::read(raw, &inputs, &order)?;
    drop(order);
    let rows = outputs::Rows::new(raw, groups, &reached, &timings);
    Ok(Assembled { derived: rows.derived(), rows: rows.fill()?, duplicates })
}

/// An empty batch of the table's columns.
#[must_use]
pub fn empty() -> RecordBatch {
    RecordBatch::new_empty(schema_for_reading())
}

/// Row numbers as an index to take by.
fn index(rows: impl Iterator<Item = Option<u32>>) -> UInt32Array {
    rows.collect()
}
