//! Several sites of one date in one pass: their rows lie beside each other, in the same pages. Only
//! where the table's rows are all that there is to count, and not too many.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use lake::limits::QUERY_READ_BYTES;

use super::Scanner;
use super::date::needed_bytes;
use super::decode::{self, Pending, Rows, of_site, schema_of};
use super::error::ScanError;
use super::open::Opened;
use super::parts::Parts;
use super::pool::Pool;
use super::prune::{Piece, pieces};
use crate::plan::Plan;

/// Counts the date of these sites; false, and nothing counted, where it must be site by site.
pub(super) async fn count(
    scanner: &Scanner,
    plans: &[Arc<Plan>],
    dt: Date,
    parts: &Parts,
    pool: &Arc<Pool>,
) -> Result<bool, ScanError> {
    let Some(plan) = plans.first() else { return Ok(true) };
    let ([part], true) = (parts.table.as_slice(), parts.hot.is_empty()) else { return Ok(false) };
    let pieces = of_sites(part, plans);
    let bytes: u64 = pieces.iter().map(|piece| needed_bytes(&plan.columns, part, piece)).sum();
    if bytes > QUERY_READ_BYTES {
        return Ok(false);
    }
    let columns: Vec<&str> = plan.columns.iter().copied().chain(["site"]).collect();
    let begin = |piece| Pending::new(part, piece, &columns, None);
    let pending = pieces.into_iter().map(begin).collect::<Result<Vec<_>, _>>()?;
    pending.iter().for_each(|_| plan.work.add_row_group());
    let (plans, pool) = (plans.to_vec(), Arc::clone(pool));
    let take = move |rows: Vec<Rows>| {
        for plan in &plans {
            count_site(plan, dt, &rows, &pool)?;
        }
        Ok(true)
    };
    decode::read(scanner, part, pending, (None, &schema_of(&columns)), take).await
}

fn count_site(plan: &Arc<Plan>, dt: Date, rows: &[Rows], pool: &Pool) -> Result<(), ScanError> {
    let day = plan.calendar.day_of_partition(dt);
    let cut = |rows: &Rows| Ok(of_site(&rows.batch, plan.site)?.1);
    let batches = rows.iter().map(cut).collect::<Result<Vec<_>, ScanError>>()?;
    pool.count(plan, |counter| {
        let mut batches = batches.iter().filter(|batch| batch.num_rows() > 0);
        batches.try_for_each(|batch| counter.count(batch, day, None))
    })
}

/// The rows that can belong to any of the sites, of each row group those from the first to the last.
fn of_sites(part: &Opened, plans: &[Arc<Plan>]) -> Vec<Piece> {
    let metadata = part.footer.metadata.metadata();
    let mut groups: BTreeMap<usize, Piece> = BTreeMap::new();
    for piece in plans.iter().flat_map(|plan| pieces(metadata, plan.site)) {
        let known = groups.entry(piece.row_group).or_insert_with(|| piece.clone());
        known.rows = known.rows.start.min(piece.rows.start)..known.rows.end.max(piece.rows.end);
        known.first_row = known.first_row.min(piece.first_row);
        known.exact = false;
    }
    groups.into_values().collect()
}
