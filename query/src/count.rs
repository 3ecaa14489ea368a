//! Counting rows (DESIGN section 5): a hit metric falls in the bucket of the hit, a visit metric
//! in that of the visit's first hit; a visit counts once for each value that one of its hits has.
//!
//! Takes the rows of one site and date in the order of the table, in batches: a visit's rows stand
//! together, its first is marked `is_entry`, and a batch may end within a visit. Knows no object.

pub(crate) mod columns;
pub(crate) mod filter;
mod keys;
mod prepared;
mod tally;
mod values;
mod whole;

use std::sync::Arc;

use crate::fast::HashMap;
use arrow::array::{Array, RecordBatch};
use arrow::error::ArrowError;
use lake::hit::Kind;

use crate::calendar::Place;
use crate::metric::Sum;
use crate::plan::Plan;
use prepared::{Kinds, Prepared, SumOf, kinds};
use tally::{ALL, TOTAL};
pub use tally::{Counted, Row, Tally};
pub use values::Value;
use whole::Unfinished;

const PAGES: [Kind; 2] = [Kind::Pageview, Kind::Search];

/// Counts the rows of one date.
pub struct Counter {
    plan: Arc<Plan>,
    tally: Tally,
    visit: Visit,
    last_cells: Option<(u32, u32, Cells)>,
    /// By cell: the last visit that it counted.
    visit_stamps: Vec<u32>,
    /// By cell and sum: the last visit that it counted.
    unique_stamps: Vec<u32>,
    pages: Kinds,
    /// Where a filter asks for visits: the rows of one that may go on in the next batch.
    unfinished: Unfinished,
}

/// The cells that a bucket and combination is counted in.
#[derive(Debug, Clone, Copy)]
struct Cells {
    cells: [u32; 3],
    count: usize,
}

impl Cells {
    fn iter(&self) -> impl Iterator<Item = u32> + use<> {
        self.cells.into_iter().take(self.count)
    }
}

/// The visit whose rows are being counted.
#[derive(Default)]
struct Visit {
    open: bool,
    number: u32,
    /// Of its first hit.
    place: Option<Place>,
    /// By sum.
    amounts: Vec<f64>,
    converted: bool,
    seen_page: bool,
    /// Combination of its last page so far, where that counts.
    exit: Option<u32>,
    /// Cells that count it.
    touched: Vec<u32>,
    /// By cell and page view: how far it was scrolled.
    scrolled: HashMap<(u32, String), f64>,
}

impl Counter {
    /// A counter of one date.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            tally: Tally::new(&plan),
            visit: Visit { amounts: vec![0.0; plan.sums.len()], ..Visit::default() },
            plan,
            last_cells: None,
            visit_stamps: Vec::new(),
            unique_stamps: Vec::new(),
            pages: kinds(&PAGES),
            unfinished: Unfinished::default(),
        }
    }

    /// How much memory it takes, in cells and ids.
    #[must_use]
    pub fn size(&self) -> usize {
        self.tally.size()
    }

    /// Counts a batch of the partition with number `day`, but the rows that `skip` marks.
    ///
    /// # Errors
    ///
    /// When the batch lacks a column of the plan.
    pub fn count(
        &mut self,
        batch: &RecordBatch,
        day: Option<u32>,
        skip: Option<&[bool]>,
    ) -> Result<(), ArrowError> {
        if !self.plan.needs_whole_visits() {
            return self.count_rows(batch, day, skip);
        }
        for visits in self.unfinished.push(batch, day, skip)? {
            self.count_rows(&visits, day, None)?;
        }
        Ok(())
    }

    fn count_rows(
        &mut self,
        batch: &RecordBatch,
        day: Option<u32>,
        skip: Option<&[bool]>,
    ) -> Result<(), ArrowError> {
        let plan = Arc::clone(&self.plan);
        let places = places(batch, &plan, day)?;
        let mut selected = prepared::selected(batch, &plan, skip)?;
        for filter in &plan.filters {
            filter::apply(batch, &plan, &places, filter, &mut selected)?;
        }
        if plan.needs_moments() {
            let places = selected.iter_mut().zip(&places);
            places.for_each(|(selected, place)| *selected &= place.is_some());
        }
        // Nothing to count; but a visit that goes on over batches must be followed.
        let visits_are_whole = !plan.by_visit || plan.needs_whole_visits();
        if visits_are_whole && !selected.contains(&true) {
            return Ok(());
        }
        let combinations = keys::combinations(batch, &plan, &places, &selected, &mut self.tally)?;
        let prepared = Prepared::of(batch, &plan, &mut self.tally.users)?;
        let rows = places.into_iter().zip(selected).zip(combinations).enumerate();
        for (row, ((place, selected), combination)) in rows {
            if skip.is_some_and(|skip| skip.get(row).copied().unwrap_or_default()) {
                continue;
            }
            let of_row = OfRow { row, place, kind: prepared.kind(row), combination, selected };
            if plan.by_visit {
                self.follow_visit(&prepared, &of_row);
            }
            if selected {
                self.count_hit(&prepared, &of_row);
                self.count_visit(&of_row);
            }
        }
        Ok(())
    }

    /// What was counted.
    ///
    /// # Errors
    ///
    /// As [`Counter::count`].
    pub fn finish(mut self) -> Result<Tally, ArrowError> {
        let day = self.unfinished.day();
        if let Some(rest) = self.unfinished.take()? {
            self.count_rows(&rest, day, None)?;
        }
        self.end_visit();
        Ok(self.tally)
    }

    fn follow_visit(&mut self, prepared: &Prepared<'_>, of: &OfRow) {
        match prepared.is_entry(of.row) {
            None => self.end_visit(),
            Some(false) if self.visit.open => {}
            Some(_) => {
                self.end_visit();
                self.begin_visit(prepared, of);
            }
        }
        let visit = &mut self.visit;
        if !visit.open {
            return;
        }
        visit.converted |= prepared.is_conversion(of.row);
        if of.kind & self.pages == 0 {
            return;
        }
        let counts = of.selected && prepared.has_path(of.row);
        visit.exit = counts.then_some(of.combination);
        let first = !std::mem::replace(&mut visit.seen_page, true);
        if first && counts {
            let bucket = visit.place.map(|place| place.bucket);
            self.add_once(&Sum::Entries, bucket, of.combination);
        }
    }

    fn begin_visit(&mut self, prepared: &Prepared<'_>, of: &OfRow) {
        let visit = &mut self.visit;
        visit.open = true;
        visit.number += 1;
        visit.place = of.place;
        visit.converted = false;
        visit.seen_page = false;
        visit.exit = None;
        for (amount, sum) in visit.amounts.iter_mut().zip(&prepared.sums) {
            *amount = match sum {
                SumOf::Visits(None) => 1.0,
                SumOf::Visits(Some(numbers)) => numbers.get(of.row).unwrap_or_default(),
                _ => 0.0,
            };
        }
    }

    fn end_visit(&mut self) {
        if !std::mem::take(&mut self.visit.open) {
            return;
        }
        let plan = Arc::clone(&self.plan);
        for cell in self.visit.touched.drain(..) {
            for (at, sum) in plan.sums.iter().enumerate() {
                let amount = match sum {
                    Sum::Visits(_) => self.visit.amounts.get(at).copied().unwrap_or_default(),
                    Sum::Converted => f64::from(u8::from(self.visit.converted)),
                    _ => continue,
                };
                self.tally.add(cell, at, amount);
            }
        }
        for ((cell, _), furthest) in self.visit.scrolled.drain() {
            for (at, sum) in plan.sums.iter().enumerate() {
                match sum {
                    Sum::Scrolled => self.tally.add(cell, at, furthest),
                    Sum::ScrolledViews => self.tally.add(cell, at, 1.0),
                    _ => {}
                }
            }
        }
        if let Some(combination) = self.visit.exit {
            self.add_once(&Sum::Exits, self.visit.place.map(|place| place.bucket), combination);
        }
    }

    /// Adds one to a sum, where the question has it.
    fn add_once(&mut self, sum: &Sum, bucket: Option<u32>, combination: u32) {
        let at = self.plan.sums.iter().position(|known| known == sum);
        let (Some(at), Some(bucket)) = (at, bucket) else { return };
        for cell in self.cells(bucket, combination).iter() {
            self.tally.add(cell, at, 1.0);
        }
    }

    fn count_hit(&mut self, prepared: &Prepared<'_>, of: &OfRow) {
        let Some(place) = of.place else { return };
        let cells = self.cells(place.bucket, of.combination);
        for (at, sum) in prepared.sums.iter().enumerate() {
            if let Some(amount) = sum.of_hit(of.kind, of.row) {
                cells.iter().for_each(|cell| self.tally.add(cell, at, amount));
            } else if self.visit.open {
                self.count_in_visit(at, sum, of, cells);
            }
        }
        for (at, distinct) in prepared.distincts.iter().enumerate() {
            let Some(id) = distinct.id(of.row) else { continue };
            let part = self.plan.part(distinct.daily.then_some(place.day));
            cells.iter().for_each(|cell| self.tally.add_id(cell, at, part, id));
        }
    }

    fn count_in_visit(&mut self, at: usize, sum: &SumOf<'_>, of: &OfRow, cells: Cells) {
        match sum {
            SumOf::Unique(test) if test.holds(of.kind, of.row) => {
                for cell in cells.iter() {
                    let stamp = cell as usize * self.plan.sums.len() + at;
                    if fresh(&mut self.unique_stamps, stamp, self.visit.number) {
                        self.tally.add(cell, at, 1.0);
                    }
                }
            }
            SumOf::Scrolled(numbers, page_views) => {
                let Some(percent) = numbers.get(of.row) else { return };
                let known = page_views.is_valid(of.row).then(|| page_views.value(of.row));
                for cell in cells.iter() {
                    let key = (cell, known.unwrap_or_default().to_owned());
                    let furthest = self.visit.scrolled.entry(key).or_default();
                    *furthest = furthest.max(percent);
                }
            }
            _ => {}
        }
    }

    /// Remembers which cells count the visit.
    fn count_visit(&mut self, of: &OfRow) {
        let (true, Some(place)) = (self.visit.open, self.visit.place) else { return };
        for cell in self.cells(place.bucket, of.combination).iter() {
            if fresh(&mut self.visit_stamps, cell as usize, self.visit.number) {
                self.visit.touched.push(cell);
            }
        }
    }

    fn cells(&mut self, bucket: u32, combination: u32) -> Cells {
        match self.last_cells {
            Some((last_bucket, last_combination, cells))
                if (last_bucket, last_combination) == (bucket, combination) =>
            {
                return cells;
            }
            _ => {}
        }
        let (timed, grouped) = (self.plan.by_time, !self.plan.by.is_empty());
        let cells = match (timed, grouped) {
            (false, false) => Cells { cells: [TOTAL; 3], count: 1 },
            (true, false) => {
                Cells { cells: [TOTAL, self.tally.cell(bucket, ALL), TOTAL], count: 2 }
            }
            (false, true) => {
                Cells { cells: [TOTAL, self.tally.cell(0, combination), TOTAL], count: 2 }
            }
            (true, true) => {
                let all = self.tally.cell(ALL, combination);
                Cells { cells: [TOTAL, all, self.tally.cell(bucket, combination)], count: 3 }
            }
        };
        self.last_cells = Some((bucket, combination, cells));
        cells
    }
}

/// What is known of a row.
struct OfRow {
    row: usize,
    place: Option<Place>,
    kind: Kinds,
    combination: u32,
    selected: bool,
}

/// Whether `number` stands there for the first time.
fn fresh(stamps: &mut Vec<u32>, at: usize, number: u32) -> bool {
    if stamps.len() <= at {
        stamps.resize(at + 1, 0);
    }
    stamps.get_mut(at).is_some_and(|stamp| std::mem::replace(stamp, number) != number)
}

/// By row: where it falls.
fn places(
    batch: &RecordBatch,
    plan: &Plan,
    day: Option<u32>,
) -> Result<Vec<Option<Place>>, ArrowError> {
    let calendar = &plan.calendar;
    if !calendar.needs_time() {
        return Ok(vec![calendar.place(day, 0); batch.num_rows()]);
    }
    let times = columns::times(batch, "ts")?;
    Ok(times.iter().map(|ts_us| calendar.place(day, *ts_us)).collect())
}
