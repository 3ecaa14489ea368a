//! Third pass: sorted runs, and the rows of the table that stand, become one sorted sequence.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use anyhow::Context as _;
use arrow::array::{Array, BooleanArray};
use arrow::compute::filter_record_batch;
use lake::hit::{HitId, Id64};

use super::components::Bits;
use super::gather::{Gather, Pick};
use super::narrow::{Named as _, sites, texts, times};
use super::source::{Columns, Source};
use super::wide::Wide;

/// The order of the table: site, visitor, visit start, visit, time, id (`lake::assemble`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    site: i32,
    visitor: u64,
    start_us: i64,
    visit: u64,
    ts_us: i64,
    id: u128,
}

/// The keys of a batch of the table.
fn keys(batch: &Wide) -> anyhow::Result<Vec<Key>> {
    let (sites, ts) = (sites(batch)?, times(batch, "ts")?);
    let ids = texts(batch, "hit_id")?;
    // Null in all rows of a batch: no row of it belongs to a visit.
    let visitors = batch.named("visitor_id").map(|_| texts(batch, "visitor_id")).transpose()?;
    let starts = batch.named("visit_start").map(|_| times(batch, "visit_start")).transpose()?;
    let visits = batch.named("visit_id").map(|_| texts(batch, "visit_id")).transpose()?;
    let id64 = |text| Id64::parse(text).map(|id| id.0);
    (0..batch.rows)
        .map(|row| {
            let ts_us = ts.value(row);
            let start = starts.filter(|starts| starts.is_valid(row));
            let visit = visits.filter(|visits| visits.is_valid(row));
            let visitor = visitors.filter(|visitors| visitors.is_valid(row));
            Ok(Key {
                site: sites.get(row).copied().unwrap_or_default(),
                visitor: visitor.and_then(|visitors| id64(visitors.value(row))).unwrap_or_default(),
                start_us: start.map_or(ts_us, |starts| starts.value(row)),
                visit: visit.and_then(|visits| id64(visits.value(row))).unwrap_or_default(),
                ts_us,
                id: HitId::parse(ids.value(row)).context("a row has no readable hit_id")?.0,
            })
        })
        .collect()
}

/// Sorted rows, a batch at a time.
pub(super) type Run = Box<dyn Iterator<Item = anyhow::Result<Wide>>>;

/// The rows of the table object that stand, in its order, which is the table's.
pub(super) fn standing(table: &Source, stands: Bits) -> anyhow::Result<Run> {
    let mut ordinal = 0;
    let batches = table.read(Columns::All)?;
    Ok(Box::new(batches.map(move |batch| {
        let batch = batch?;
        let stays: BooleanArray =
            (ordinal..ordinal + batch.num_rows()).map(|row| Some(stands.get(row))).collect();
        ordinal += batch.num_rows();
        Ok(Wide::of(&filter_record_batch(&batch, &stays)?))
    })))
}

struct Cursor {
    run: Run,
    /// Number of its present batch among the held.
    held: usize,
    keys: Vec<Key>,
    row: usize,
}

impl Cursor {
    fn key(&self) -> Option<Key> {
        self.keys.get(self.row).copied()
    }
}

/// Merges runs; at most `output_rows` rows are given out at a time.
pub(super) struct Merger {
    cursors: Vec<Cursor>,
    held: Vec<Wide>,
    picks: Vec<Pick>,
    gather: Gather,
    output_rows: usize,
}

impl Merger {
    pub(super) fn new(runs: Vec<Run>, output_rows: usize) -> Self {
        let cursors =
            runs.into_iter().map(|run| Cursor { run, held: 0, keys: Vec::new(), row: 0 }).collect();
        Self {
            cursors,
            held: Vec::new(),
            picks: Vec::new(),
            gather: Gather::default(),
            output_rows,
        }
    }

    /// Gives all rows in the order of the table to `give`.
    pub(super) fn merge(
        mut self,
        mut give: impl FnMut(&Wide) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut heads = BinaryHeap::new();
        for number in 0..self.cursors.len() {
            heads.extend(self.load(number)?.map(|key| Reverse((key, number))));
        }
        let most_held = self.cursors.len() * 2 + 2;
        while let Some(Reverse((_, number))) = heads.pop() {
            let next = heads.peek().map(|Reverse((key, _))| *key);
            let mut key = None;
            // Rows of one visit follow each other in one run.
            while let Some(cursor) = self.cursors.get_mut(number) {
                self.picks.push((cursor.held, cursor.row));
                cursor.row += 1;
                key = cursor.key();
                if key.is_none() || key > next && next.is_some() {
                    break;
                }
            }
            if key.is_none() {
                key = self.load(number)?;
            }
            heads.extend(key.map(|key| Reverse((key, number))));
            if self.picks.len() >= self.output_rows || self.held.len() > most_held {
                self.flush(&mut give)?;
            }
        }
        self.flush(&mut give)
    }

    /// Loads a cursor's next batch that has rows; its first key.
    fn load(&mut self, number: usize) -> anyhow::Result<Option<Key>> {
        let Some(cursor) = self.cursors.get_mut(number) else { return Ok(None) };
        for batch in cursor.run.by_ref() {
            let batch = batch?;
            if batch.rows > 0 {
                cursor.keys = keys(&batch)?;
                cursor.row = 0;
                cursor.held = self.held.len();
                self.held.push(batch);
                return Ok(cursor.key());
            }
        }
        cursor.keys = Vec::new();
        Ok(None)
    }

    fn flush(&mut self, give: &mut impl FnMut(&Wide) -> anyhow::Result<()>) -> anyhow::Result<()> {
        if !self.picks.is_empty() {
            let held: Vec<&Wide> = self.held.iter().collect();
            for picks in self.picks.chunks(self.output_rows.max(1)) {
                give(&self.gather.rows(&held, picks)?)?;
            }
            self.picks.clear();
        }
        // Only the batches that the cursors stand in are needed on.
        let mut kept = Vec::new();
        for cursor in &mut self.cursors {
            if cursor.key().is_some()
                && let Some(batch) = self.held.get(cursor.held)
            {
                cursor.held = kept.len();
                kept.push(batch.clone());
            }
        }
        self.held = kept;
        Ok(())
    }
}
