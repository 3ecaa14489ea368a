//! Hits that the table does not hold yet, and hits that orders of erasure cover: they and whoever
//! they touch are worked out anew by the rules of the merge, without those that are covered; all
//! other rows of the table are read as they stand.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, filter_record_batch, not};
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::assemble::assemble;
use lake::columns::{COLUMNS, Type, schema_for_reading};
use lake::goals::Goals;
use lake::limits::QUERY_SMALL_OBJECT_BYTES;
use lake::orders::Orders;
use lake::parquet_file::adapt;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::file::metadata::ColumnChunkMetaData;
use tokio::sync::SemaphorePermit;

use super::Scanner;
use super::date::needed_of_site;
use super::decode::{self, Pending, Rows, schema_of};
use super::error::ScanError;
use super::links::{LINKS, touched};
use super::memory::{Held, Memory};
use super::open::Opened;
use super::parts::{CONCURRENT_READS, Parts};
use super::prune::{Piece, pieces};
use crate::plan::Plan;

/// Dates whose waiting hits are worked out at once, each with much of a day's hits in memory. Late
/// hits are of the last few dates; imports can be of all.
pub(super) const CONCURRENT_DATES: usize = 4;
/// What an id takes in memory: 32 digits, and where it begins.
const ID_BYTES: usize = 36;
/// The columns that link hits, and those that tell whether an order covers one.
const LINKS_AND_ORDERS: [&str; 7] =
    ["site", "ts", "hit_id", "user_id", "received_at", "fingerprint", "client_id"];

/// What waiting hits change about a date.
pub(super) struct WorkedOut {
    /// The waiting hits and whoever they touch, as the merge would write them.
    pub(super) rows: RecordBatch,
    /// By table object: its rows that these stand for.
    pub(super) skip: Vec<Mask>,
    /// The memory of the rows.
    pub(super) held: Held,
}

/// What answers about a date leave out.
pub(super) struct Hidden {
    pub(super) dt: Date,
    /// What waiting hits are to be looked at for.
    pub(super) orders: Orders,
    /// What the table's rows are to be looked at for.
    pub(super) in_table: Orders,
}

/// Marks on rows of an object, from its row `first` on.
#[derive(Debug, Default)]
pub(super) struct Mask {
    first: usize,
    marks: Vec<bool>,
}

impl Mask {
    /// The marks of `count` rows from number `first_row` on; none where the mask is empty.
    pub(super) fn of(&self, first_row: usize, count: usize) -> Option<&[bool]> {
        let start = first_row.checked_sub(self.first)?;
        self.marks.get(start..start + count)
    }

    fn put(&mut self, first_row: usize, marks: &[bool]) {
        if self.marks.is_empty() {
            self.first = first_row;
        }
        self.marks.resize(first_row.saturating_sub(self.first), false);
        self.marks.extend(marks);
    }

    /// The marked rows of a piece; none when there are none.
    fn selection(&self, piece: &Piece) -> Option<RowSelection> {
        let mut selectors = vec![RowSelector::skip(piece.rows.start)];
        for row in 0..piece.rows.len() {
            let at = (piece.first_row + row).checked_sub(self.first);
            let marked = at.and_then(|at| self.marks.get(at)).copied().unwrap_or_default();
            match selectors.last_mut() {
                Some(last) if last.skip != marked => last.row_count += 1,
                _ if marked => selectors.push(RowSelector::select(1)),
                _ => selectors.push(RowSelector::skip(1)),
            }
        }
        selectors.push(RowSelector::skip(piece.all_rows - piece.rows.end));
        let selection = RowSelection::from(selectors);
        selection.selects_any().then_some(selection)
    }
}

/// Works out what the hot objects and the orders change about the site's rows of a date; nothing
/// when no waiting hit is of the site and no hit is covered. Without a turn it waits for one.
pub(super) async fn work_out(
    (scanner, memory): (&Scanner, &Arc<Memory>),
    plan: &Plan,
    parts: &Parts,
    hidden: Hidden,
    turn: Option<&SemaphorePermit<'_>>,
) -> Result<Option<WorkedOut>, ScanError> {
    let (ours, table) = ((scanner, memory), parts.table.as_slice());
    let Hidden { dt, orders, in_table } = hidden;
    let waiting = async {
        let hot = parts.hot.opened(scanner, plan).await?;
        Ok((hot, read(ours, (plan.site, &LINKS), hot, None).await?))
    };
    let names: &[&str] = if in_table.is_empty() { &LINKS } else { &LINKS_AND_ORDERS };
    let links = || read(ours, (plan.site, names), table, None);
    // Where they are few, the table's links do not wait until it is known that some hits are the site's.
    let are_few = needed_of_site(names, table, plan.site) <= QUERY_SMALL_OBJECT_BYTES;
    let ((hot, (waiting, _waiting_held)), early) = if turn.is_some() && are_few {
        let (waiting, links) = futures_util::future::try_join(waiting, links()).await?;
        (waiting, Some(links))
    } else {
        (waiting.await?, None)
    };
    let waiting = flat(waiting);
    if waiting.is_empty() && in_table.is_empty() {
        return Ok(None);
    }
    // The semaphore is never closed; without a permit the date merely does not wait for its turn.
    let _turn = match turn {
        Some(_) => None,
        None => scanner.waiting.acquire().await.ok(),
    };
    let links = match early {
        Some(links) => links,
        None => links().await?,
    };
    let skip = touched_rows(scanner, links, waiting, (dt, in_table)).await?;
    let Some(skip) = skip else { return Ok(None) };
    // All that hits brought: of copies received at once the least by bytes stays.
    let columns: Vec<&str> =
        COLUMNS.iter().filter(|column| !column.of_visit).map(|column| column.name).collect();
    let (of_table, _table_held) = read(ours, (plan.site, &columns), table, Some(&skip)).await?;
    let (of_hot, _hot_held) = read(ours, (plan.site, &columns), hot, None).await?;
    let raw = [flat(of_table), flat(of_hot)].concat();
    let schema = schema_of(&plan.columns);
    let mut goals = Goals::default();
    goals.add(plan.site, &plan.goals);
    let rows = scanner
        .threads
        .run(move || {
            let whole = schema_for_reading();
            let kept = |batch: &RecordBatch| Ok(orders.apply(dt, adapt(batch, &whole)?)?.0);
            let raw: Vec<RecordBatch> = raw.iter().map(kept).collect::<Result<_, ScanError>>()?;
            let assembled = assemble(&concat_batches(&whole, &raw)?, &goals)?;
            decode::adapt_rows(&assembled.rows, &schema)
        })
        .await?;
    let held = memory.hold(rows.get_array_memory_size())?;
    Ok(Some(WorkedOut { rows, skip, held }))
}

/// The table's rows, by object, that the waiting hits and those that orders cover touch; none where
/// there are no such hits.
async fn touched_rows(
    scanner: &Scanner,
    (standing, _held): (Vec<Vec<Rows>>, Held),
    waiting: Vec<RecordBatch>,
    (dt, covering): (Date, Orders),
) -> Result<Option<Vec<Mask>>, ScanError> {
    let places: Vec<Vec<(usize, usize)>> = standing
        .iter()
        .map(|rows| rows.iter().map(|rows| (rows.first_row, rows.batch.num_rows())).collect())
        .collect();
    let standing = flat(standing);
    let touched = scanner.threads.run(move || {
        let mut seeds = waiting;
        seeds.extend(covered(&covering, dt, &standing)?);
        Ok(if seeds.is_empty() { None } else { Some(touched(&standing, &seeds)?) })
    });
    Ok(touched.await?.map(|touched| masks(&places, &touched)))
}

/// The rows that orders cover.
fn covered(orders: &Orders, dt: Date, rows: &[RecordBatch]) -> Result<Vec<RecordBatch>, ScanError> {
    let mut covered = Vec::new();
    for batch in rows {
        if let Some(keep) = orders.keep(dt, batch)? {
            covered.push(filter_record_batch(batch, &not(&keep)?)?);
        }
    }
    Ok(covered)
}

/// By object: the site's rows of some columns; with masks only the rows that these mark. They are
/// held in memory before they are read, by what the footers say of them, and then as they are.
pub(super) async fn read(
    (scanner, memory): (&Scanner, &Arc<Memory>),
    (site, columns): (i32, &[&str]),
    objects: &[Arc<Opened>],
    chosen: Option<&[Mask]>,
) -> Result<(Vec<Vec<Rows>>, Held), ScanError> {
    let schema = schema_of(columns);
    let mut reads = Vec::new();
    let mut bytes = 0;
    for (at, opened) in objects.iter().enumerate() {
        let mut pending = Vec::new();
        for piece in pieces(opened.footer.metadata.metadata(), site) {
            let selection = match chosen {
                None => None,
                Some(masks) => match masks.get(at).and_then(|mask| mask.selection(&piece)) {
                    None => continue,
                    selection => selection,
                },
            };
            let rows = selection.as_ref().map_or(piece.rows.len(), RowSelection::row_count);
            bytes += decoded_bytes(opened, &piece, columns, rows);
            pending.push(Pending::new(opened, piece, columns, selection)?);
        }
        reads.push(decode::read(scanner, opened, pending, (Some(site), &schema), Ok));
    }
    let mut held = memory.hold(bytes)?;
    let read = futures_util::stream::iter(reads).buffered(CONCURRENT_READS);
    let read: Vec<Vec<Rows>> = read.try_collect().await?;
    held.resize(read.iter().flatten().map(|rows| rows.batch.get_array_memory_size()).sum())?;
    Ok((read, held))
}

/// About what some columns of some rows of a piece take when they are decoded.
fn decoded_bytes(opened: &Opened, piece: &Piece, columns: &[&str], rows: usize) -> usize {
    let groups = opened.footer.metadata.metadata().row_groups();
    let of_group = groups.get(piece.row_group).map(|group| group.columns()).unwrap_or_default();
    let of_column = |column: &ColumnChunkMetaData| {
        let name = column.column_path().parts().first().filter(|it| columns.contains(&it.as_str()));
        let is_id = lake::columns::find(name?)?.kind == Type::Id;
        let all = usize::try_from(column.uncompressed_size()).unwrap_or_default();
        // Ids lie there by what they differ in; other texts are numbers into a dictionary.
        let share = all.saturating_mul(rows) / piece.all_rows.max(1);
        Some(if is_id { rows * ID_BYTES } else { share + rows * size_of::<i32>() })
    };
    of_group.iter().filter_map(of_column).sum()
}

fn flat(rows: Vec<Vec<Rows>>) -> Vec<RecordBatch> {
    rows.into_iter().flatten().map(|rows| rows.batch).collect()
}

/// The marks of `touched`, given by row of all objects' batches, by object.
fn masks(places: &[Vec<(usize, usize)>], touched: &[bool]) -> Vec<Mask> {
    let mut rest = touched;
    let mut mask = |places: &Vec<(usize, usize)>| {
        let mut mask = Mask::default();
        for (first_row, count) in places {
            let (marks, after) = rest.split_at_checked(*count).unwrap_or((rest, &[]));
            mask.put(*first_row, marks);
            rest = after;
        }
        mask
    };
    places.iter().map(&mut mask).collect()
}
