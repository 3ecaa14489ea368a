//! One date: its table objects as one version each, the hits that wait, counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::limits::{QUERY_DATE_ATTEMPTS, QUERY_READ_BYTES};
use lake::orders::Orders;
use object_store::path::Path;

use super::Scanner;
use super::decode::{self, Pending, Rows, schema_of};
use super::error::ScanError;
use super::list::{self, Objects};
use super::memory::Memory;
use super::open::Opened;
use super::parts::Parts;
use super::pool::Pool;
use super::prune::{Piece, pieces};
use super::together;
use super::waiting::{self, Hidden, WorkedOut};
use crate::count::Counter;
use crate::plan::Plan;

/// Sites of one date that are read at once.
const CONCURRENT_SITES: usize = 16;
/// Reads of one date that are under way while an earlier one is counted.
const READ_AHEAD: usize = 3;

/// Counts a date of several sites, in one pass where that is possible. Whether hits wait to be merged.
pub(super) async fn count_sites(
    scanner: &Scanner,
    plans: Vec<Arc<Plan>>,
    (dt, hidden): (Date, &BTreeMap<i32, Orders>),
    objects: Objects,
    pool: &Arc<Pool>,
) -> Result<bool, ScanError> {
    let any_hidden = plans.iter().any(|plan| hidden.contains_key(&plan.site));
    let mut parts = None;
    if let (Some(plan), true, false) = (plans.first(), plans.len() > 1, any_hidden) {
        let counted = async {
            let opened = Parts::open(scanner, plan, &objects).await?;
            Ok((together::count(scanner, &plans, dt, &opened, pool).await?, opened))
        };
        match counted.await {
            Ok((true, _)) => return Ok(false),
            // Site by site: hits wait, there is too much, or an object was replaced.
            Ok((false, opened)) => parts = Some(opened),
            Err(ScanError::Replaced(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let none = Orders::default();
    let mut counts = Vec::new();
    for plan in &plans {
        let hidden = hidden.get(&plan.site).unwrap_or(&none);
        counts.push(count(scanner, plan, (dt, hidden), (objects.clone(), parts.clone()), pool));
    }
    let counts = futures_util::stream::iter(counts).buffered(CONCURRENT_SITES);
    let waiting: Vec<bool> = counts.try_collect().await?;
    Ok(waiting.contains(&true))
}

/// Counts a date, of whose objects some may be open; begun again when one of them was replaced
/// meanwhile. Whether hits wait to be merged.
pub(super) async fn count(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    (dt, hidden): (Date, &Orders),
    (mut objects, mut parts): (Objects, Option<Parts>),
    pool: &Arc<Pool>,
) -> Result<bool, ScanError> {
    let mut attempts = 0;
    loop {
        match try_count(scanner, plan, (dt, hidden), (&objects, parts.take()), pool).await {
            Err(ScanError::Replaced(path)) => {
                pool.relist();
                objects = list_again(scanner, dt, path, &mut attempts).await?;
            }
            done => return done,
        }
    }
}

/// The rows of a date, kept in memory until the question is answered; begun again as [`count`] is.
pub(super) async fn rows(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    (dt, hidden): (Date, &Orders),
    mut objects: Objects,
    memory: &Arc<Memory>,
) -> Result<Vec<RecordBatch>, ScanError> {
    let mut attempts = 0;
    loop {
        match try_rows(scanner, plan, (dt, hidden), &objects, memory).await {
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

/// What orders of erasure hide of a site in a date's objects, of which nothing was left out yet.
fn hidden_of(plan: &Plan, parts: &Parts, (dt, hidden): (Date, &Orders)) -> Hidden {
    let in_table = hidden_in(&parts.table, plan.site, hidden);
    Hidden { dt, in_table, orders: hidden.clone() }
}

async fn try_rows(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    asked: (Date, &Orders),
    objects: &Objects,
    memory: &Arc<Memory>,
) -> Result<Vec<RecordBatch>, ScanError> {
    if asked.1.cover_date(plan.site, asked.0) {
        return Ok(Vec::new());
    }
    let parts = Parts::open(scanner, plan, objects).await?;
    let hidden = hidden_of(plan, &parts, asked);
    let worked_out = waiting::work_out((scanner, memory), plan, &parts, hidden, None).await?;
    let columns = (plan.site, plan.columns.as_slice());
    let (read, held) = waiting::read((scanner, memory), columns, &parts.table, None).await?;
    held.keep();
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
    if let Some(WorkedOut { rows, held, .. }) = worked_out {
        held.keep();
        out.push(rows);
    }
    Ok(out)
}

async fn try_count(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    (dt, hidden): (Date, &Orders),
    opened: (&Objects, Option<Parts>),
    pool: &Arc<Pool>,
) -> Result<bool, ScanError> {
    if hidden.cover_date(plan.site, dt) {
        return Ok(false);
    }
    let parts = match opened {
        (_, Some(parts)) => parts,
        (objects, None) => Parts::open(scanner, plan, objects).await?,
    };
    let groups: Vec<Group<'_>> = parts
        .table
        .iter()
        .enumerate()
        .flat_map(|(at, part)| in_groups(plan, part).into_iter().map(move |it| (at, part, it)))
        .collect();
    let date = CountedDate::of(plan, dt);
    let hidden = hidden_of(plan, &parts, (dt, hidden));
    if parts.hot.is_empty() && hidden.in_table.is_empty() {
        count_known(scanner, date, (None, groups), pool).await?;
    } else {
        count_beside(scanner, date, (&parts, hidden), groups, pool).await?;
    }
    Ok(!parts.hot.is_empty())
}

/// Rows that are read together: the number of their table object, the object, their pieces.
type Group<'a> = (usize, &'a Arc<Opened>, Vec<Piece>);
/// Those of a group, read.
type Read = (usize, Vec<Rows>);

/// Counts a date of which not all rows stand as they are. While it is found out which, the first are
/// read: they lie in memory meanwhile, so that only dates whose turn it is do so.
async fn count_beside(
    scanner: &Scanner,
    date: CountedDate,
    (parts, hidden): (&Parts, Hidden),
    mut groups: Vec<Group<'_>>,
    pool: &Arc<Pool>,
) -> Result<(), ScanError> {
    let (plan, turn) = (&date.plan, scanner.waiting.try_acquire().ok());
    let first = turn.as_ref().filter(|_| !groups.is_empty()).map(|_| groups.remove(0));
    let working_out =
        waiting::work_out((scanner, pool.memory()), plan, parts, hidden, turn.as_ref());
    let first = async {
        let Some((at, part, pieces)) = first else { return Ok(None) };
        read(scanner, plan, part, pieces, move |rows| Ok(Some((at, rows)))).await
    };
    let (worked_out, first) = futures_util::future::try_join(working_out, first).await?;
    let date = CountedDate { worked_out: worked_out.map(Arc::new), ..date };
    count_known(scanner, date, (first, groups), pool).await
}

/// Counts a date of which it is known what stands; its first rows may have been read.
async fn count_known(
    scanner: &Scanner,
    date: CountedDate,
    (first, mut groups): (Option<Read>, Vec<Group<'_>>),
    pool: &Arc<Pool>,
) -> Result<(), ScanError> {
    if groups.len() + usize::from(first.is_some()) > 1 {
        return count_apart(scanner, date, (first, groups), pool).await;
    }
    let (plan, pool) = (Arc::clone(&date.plan), Arc::clone(pool));
    if let Some((at, part, pieces)) = groups.pop() {
        let count = move |rows: Vec<Rows>| date.count_whole((at, &rows), &pool);
        return read(scanner, &plan, part, pieces, count).await;
    }
    if first.is_none() && date.worked_out.is_none() {
        return Ok(());
    }
    let (at, rows) = first.unwrap_or_default();
    scanner.threads.run(move || date.count_whole((at, &rows), &pool)).await
}

/// A date whose objects are opened.
#[derive(Clone)]
struct CountedDate {
    plan: Arc<Plan>,
    day: Option<u32>,
    worked_out: Option<Arc<WorkedOut>>,
}

impl CountedDate {
    /// One of which no row is known to stand otherwise than it is.
    fn of(plan: &Arc<Plan>, dt: Date) -> Self {
        let day = plan.calendar.day_of_partition(dt);
        Self { plan: Arc::clone(plan), day, worked_out: None }
    }

    /// Counts all its rows, those of the table being there at once, so that nothing that was counted
    /// must be taken back.
    fn count_whole(&self, (part, rows): (usize, &[Rows]), pool: &Pool) -> Result<(), ScanError> {
        pool.count(&self.plan, |counter| {
            self.count(counter, part, rows)?;
            self.count_worked_out(counter)
        })
    }

    /// Counts rows of the table object with number `part`, but those that were worked out anew.
    fn count(&self, counter: &mut Counter, part: usize, rows: &[Rows]) -> Result<(), ArrowError> {
        let skip = self.worked_out.as_ref().and_then(|worked_out| worked_out.skip.get(part));
        for rows in rows {
            let marks = skip.and_then(|skip| skip.of(rows.first_row, rows.batch.num_rows()));
            counter.count(&rows.batch, self.day, marks)?;
        }
        Ok(())
    }

    fn count_worked_out(&self, counter: &mut Counter) -> Result<(), ArrowError> {
        let rows = self.worked_out.as_ref().map(|worked_out| &worked_out.rows);
        rows.map_or(Ok(()), |rows| counter.count(rows, self.day, None))
    }
}

/// The orders that a table object with rows of the site has not applied.
pub(super) fn hidden_in(parts: &[Arc<Opened>], site: i32, orders: &Orders) -> Orders {
    let of_site = parts
        .iter()
        .filter(|_| !orders.is_empty())
        .filter(|part| !pieces(part.footer.metadata.metadata(), site).is_empty());
    let applied = of_site.map(|part| part.footer.orders.as_ref().clone());
    let by_all = applied.reduce(|left, right| &left & &right);
    by_all.map_or_else(Orders::default, |by_all| orders.not_in(&by_all))
}

/// Counts a date whose rows do not all come at once by a counter of its own, while the next are
/// read: it is forgotten where an object is replaced meanwhile.
async fn count_apart(
    scanner: &Scanner,
    date: CountedDate,
    (first, groups): (Option<Read>, Vec<Group<'_>>),
    pool: &Arc<Pool>,
) -> Result<(), ScanError> {
    let plan = Arc::clone(&date.plan);
    let mut reads = Vec::new();
    for (at, part, pieces) in groups {
        reads.push(read(scanner, &plan, part, pieces, move |rows| Ok((at, rows))));
    }
    let reads = futures_util::stream::iter(reads).buffered(READ_AHEAD);
    let mut reads = futures_util::stream::iter(first.map(Ok)).chain(reads);
    let mut counter = Counter::new(Arc::clone(&date.plan));
    while let Some((at, rows)) = reads.try_next().await? {
        let (date, pool) = (date.clone(), Arc::clone(pool));
        counter = scanner
            .threads
            .run(move || {
                pool.grow(&mut counter, |counter| date.count(counter, at, &rows))?;
                Ok(counter)
            })
            .await?;
    }
    let pool = Arc::clone(pool);
    scanner
        .threads
        .run(move || {
            pool.grow(&mut counter, |counter| {
                date.count_worked_out(counter)?;
                counter.end_date()
            })?;
            pool.add(counter);
            Ok(())
        })
        .await
}

/// The columns of the plan of some pieces, taken as they are decoded.
async fn read<T: Send + 'static>(
    scanner: &Scanner,
    plan: &Arc<Plan>,
    opened: &Arc<Opened>,
    pieces: Vec<Piece>,
    take: impl FnOnce(Vec<Rows>) -> Result<T, ScanError> + Send + 'static,
) -> Result<T, ScanError> {
    let begin = |piece| Ok(Pending::new(opened, piece, &plan.columns, None)?.for_plan(plan));
    let pending = pieces.into_iter().map(begin).collect::<Result<Vec<_>, ScanError>>()?;
    let schema = schema_of(&plan.columns);
    decode::read(scanner, opened, pending, (Some(plan.site), &schema), take).await
}

/// Bytes of some columns in a piece's row group.
pub(super) fn needed_bytes(names: &[&str], opened: &Opened, piece: &Piece) -> u64 {
    let metadata = opened.footer.metadata.metadata();
    let columns = metadata.row_groups().get(piece.row_group).map(|group| group.columns());
    let ours = columns.into_iter().flatten().filter(|column| {
        let path = column.column_path().parts();
        path.first().is_some_and(|name| names.contains(&name.as_str()))
    });
    ours.map(|column| u64::try_from(column.compressed_size()).unwrap_or_default()).sum()
}

/// Bytes of some columns in all row groups that can have the site.
pub(super) fn needed_of_site(names: &[&str], table: &[Arc<Opened>], site: i32) -> u64 {
    let of_part = |part: &Arc<Opened>| -> u64 {
        let pieces = pieces(part.footer.metadata.metadata(), site);
        pieces.iter().map(|piece| needed_bytes(names, part, piece)).sum()
    };
    table.iter().map(of_part).sum()
}

/// Pieces that are read together: about [`QUERY_READ_BYTES`] of the columns that are needed.
fn in_groups(plan: &Plan, opened: &Opened) -> Vec<Vec<Piece>> {
    let mut groups: Vec<Vec<Piece>> = Vec::new();
    let mut room = 0;
    for piece in pieces(opened.footer.metadata.metadata(), plan.site) {
        plan.work.add_row_group();
        let bytes = needed_bytes(&plan.columns, opened, &piece);
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
