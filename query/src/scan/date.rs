//! One date: its table objects as one version each, the hits that wait, counted.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::limits::{MAX_COUNTED, QUERY_DATE_ATTEMPTS, QUERY_READ_BYTES};
use lake::orders::Orders;
use object_store::path::Path;

use super::Scanner;
use super::decode::{self, Pending, on_thread, schema_of};
use super::error::ScanError;
use super::list::{self, Objects};
use super::open::{self, Opened};
use super::prune::{Piece, pieces};
use super::waiting::{self, Hidden, Mask, WorkedOut};
use crate::count::{Counter, Tally};
use crate::plan::Plan;

/// Reads of one date that are under way while an earlier one is counted.
const READ_AHEAD: usize = 3;

/// What was counted of one date.
pub(super) struct DateCount {
    pub(super) dt: Date,
    pub(super) tally: Tally,
    /// Hits wait to be merged.
    pub(super) waiting: bool,
}

/// Counts a date; begun again when one of its objects was replaced meanwhile.
pub(super) async fn count(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    (dt, hidden): (Date, &Orders),
    mut objects: Objects,
) -> Result<DateCount, ScanError> {
    let mut attempts = 0;
    loop {
        match try_count(scanner, plan, (dt, hidden), &objects).await {
            Err(ScanError::Replaced(path)) => {
                objects = list_again(scanner, dt, path, &mut attempts).await?;
            }
            done => return done,
        }
    }
}

/// The rows of a date; begun again as [`count`] is.
pub(super) async fn rows(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    (dt, hidden): (Date, &Orders),
    mut objects: Objects,
) -> Result<Vec<RecordBatch>, ScanError> {
    let mut attempts = 0;
    loop {
        match try_rows(scanner, plan, (dt, hidden), &objects).await {
            Err(ScanError::Replaced(path)) => {
                objects = list_again(scanner, dt, path, &mut attempts).await?;
            }
            done => return done,
        }
    }
}

/// The objects that a date has by now; not for ever.
async fn list_again(
    scanner: &Scanner,
    dt: Date,
    replaced: Path,
    attempts: &mut u32,
) -> Result<Objects, ScanError> {
    *attempts += 1;
    if *attempts == QUERY_DATE_ATTEMPTS {
        return Err(ScanError::Replaced(replaced));
    }
    tracing::debug!(%dt, attempts, "{replaced} was replaced; {dt} is read again");
    let mut listed = list::dates(&scanner.store, &[dt]).await?;
    Ok(listed.remove(&dt).unwrap_or_default())
}

/// A date's objects, opened; none where orders cover the whole date.
#[derive(Default)]
struct OpenedDate {
    parts: Vec<Arc<Opened>>,
    /// What hits that wait change; none when none is the site's.
    worked_out: Option<WorkedOut>,
    /// Hits wait to be merged.
    waiting: bool,
}

async fn open_date(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    (dt, hidden): (Date, &Orders),
    objects: &Objects,
) -> Result<OpenedDate, ScanError> {
    if hidden.cover_date(plan.site, dt) {
        return Ok(OpenedDate::default());
    }
    let mut opens = Vec::new();
    for part in &objects.parts {
        opens.push(open::table(&scanner.store, &scanner.footers, part, &plan.work));
    }
    let parts: Vec<Arc<Opened>> =
        futures_util::future::try_join_all(opens).await?.into_iter().map(Arc::new).collect();
    // Of several parts each holds its own sites of a hot object; what one lacks may be the site's.
    let held = |path| !parts.is_empty() && parts.iter().all(|it| it.footer.holds.contains(path));
    let hot: Vec<_> = objects.hot.iter().filter(|path| !held(path)).cloned().collect();
    let waiting = !hot.is_empty();
    let hidden =
        Hidden { dt, in_table: hidden_in(&parts, plan.site, hidden), orders: hidden.clone() };
    let worked_out = waiting::work_out(scanner, plan, &parts, hot, hidden).await?;
    Ok(OpenedDate { parts, worked_out, waiting })
}

async fn try_rows(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    asked: (Date, &Orders),
    objects: &Objects,
) -> Result<Vec<RecordBatch>, ScanError> {
    let OpenedDate { parts, worked_out, .. } = open_date(scanner, plan, asked, objects).await?;
    let read = waiting::read(scanner, plan.site, &parts, &plan.columns, None).await?;
    let mut out = Vec::new();
    for (at, rows) in read.into_iter().enumerate() {
        let skip = worked_out.as_ref().and_then(|worked_out| worked_out.skip.get(at));
        for rows in rows {
            let marks = skip.and_then(|skip| skip.of(rows.first_row, rows.batch.num_rows()));
            out.push(match marks {
                None => rows.batch,
                Some(marks) => {
                    let kept: BooleanArray = marks.iter().map(|mark| Some(!mark)).collect();
                    filter_record_batch(&rows.batch, &kept)?
                }
            });
        }
    }
    out.extend(worked_out.map(|worked_out| worked_out.rows));
    Ok(out)
}

async fn try_count(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    (dt, hidden): (Date, &Orders),
    objects: &Objects,
) -> Result<DateCount, ScanError> {
    let opened = open_date(scanner, plan, (dt, hidden), objects).await?;
    let OpenedDate { parts, worked_out, waiting } = opened;
    let day = plan.calendar.day_of_partition(dt);
    let mut counter = Counter::new(Arc::clone(plan));
    for (at, part) in parts.iter().enumerate() {
        let skip = worked_out.as_ref().and_then(|worked_out| worked_out.skip.get(at));
        counter = count_table(scanner, plan, part, (day, skip), counter).await?;
    }
    let tally = on_thread(&scanner.cpu, move || {
        if let Some(worked_out) = worked_out {
            counter.count(&worked_out.rows, day, None)?;
        }
        Ok(counter.finish()?)
    })
    .await?;
    Ok(DateCount { dt, tally, waiting })
}

/// The orders that a table object with rows of the site has not applied.
fn hidden_in(parts: &[Arc<Opened>], site: i32, orders: &Orders) -> Orders {
    let of_site = parts
        .iter()
        .filter(|_| !orders.is_empty())
        .filter(|part| !pieces(part.footer.metadata.metadata(), site).is_empty());
    let applied = of_site.map(|part| part.footer.orders.as_ref().clone());
    let by_all = applied.reduce(|left, right| &left & &right);
    by_all.map_or_else(Orders::default, |by_all| orders.not_in(&by_all))
}

/// Counts the site's rows of a table object, while the next are read.
async fn count_table(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    opened: &Arc<Opened>,
    (day, skip): (Option<u32>, Option<&Mask>),
    mut counter: Counter,
) -> Result<Counter, ScanError> {
    let schema = schema_of(&plan.columns);
    let mut reads = Vec::new();
    for group in in_groups(plan, opened) {
        let begin = |piece| Pending::new(opened, piece, &plan.columns, None);
        let pending = group.into_iter().map(begin).collect::<Result<Vec<_>, _>>()?;
        let (store, cpu) = (&scanner.store, &scanner.cpu);
        reads.push(decode::read(store, cpu, opened, pending, plan.site, &schema));
    }
    let mut reads = futures_util::stream::iter(reads).buffered(READ_AHEAD);
    while let Some(rows) = reads.try_next().await? {
        let marked = |rows: decode::Rows| {
            let marks = skip.and_then(|skip| skip.of(rows.first_row, rows.batch.num_rows()));
            (rows.batch, marks.map(<[bool]>::to_vec))
        };
        let batches: Vec<_> = rows.into_iter().map(marked).collect();
        counter = on_thread(&scanner.cpu, move || {
            for (batch, marks) in batches {
                counter.count(&batch, day, marks.as_deref())?;
            }
            Ok(counter)
        })
        .await?;
        if counter.size() > MAX_COUNTED {
            return Err(ScanError::TooLarge { limit: MAX_COUNTED });
        }
    }
    Ok(counter)
}

/// Pieces that are read together: about [`QUERY_READ_BYTES`] of the columns that are needed.
fn in_groups(plan: &Plan, opened: &Opened) -> Vec<Vec<Piece>> {
    let metadata = opened.footer.metadata.metadata();
    let needed = |piece: &Piece| -> u64 {
        let columns = metadata.row_groups().get(piece.row_group).map(|group| group.columns());
        let ours = columns.into_iter().flatten().filter(|column| {
            let path = column.column_path().parts();
            path.first().is_some_and(|name| plan.columns.contains(&name.as_str()))
        });
        ours.map(|column| u64::try_from(column.compressed_size()).unwrap_or_default()).sum()
    };
    let mut groups: Vec<Vec<Piece>> = Vec::new();
    let mut room = 0;
    for piece in pieces(metadata, plan.site) {
        plan.work.add_row_group();
        let bytes = needed(&piece);
        match groups.last_mut() {
            Some(group) if bytes <= room => group.push(piece),
            _ => {
                room = QUERY_READ_BYTES;
                groups.push(vec![piece]);
            }
        }
        room = room.saturating_sub(bytes);
    }
    groups
}
