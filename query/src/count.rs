//! Counting rows (DESIGN section 5): a hit metric falls in the bucket of the hit, a visit metric
//! in that of the visit's first hit; a visit counts once for each value that one of its hits has.
//!
//! Takes the rows of one site and date in the order of the table, in batches: a visit's rows stand
//! together, its first is marked `is_entry`, and a batch may end within a visit. Knows no object.

pub(crate) mod columns;
pub(crate) mod filter;
mod hits;
mod keys;
mod places;
mod prepared;
mod tally;
mod texts;
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
use places::Places;
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
            visit_stamps: Vec::new(),
            unique_stamps: Vec::new(),
            pages: kinds(&PAGES),
            unfinished: Unfinished::default(),
        }
    }

    /// Rows of another date follow, of any site of the question.
    pub(crate) fn begin_date(&mut self, plan: &Arc<Plan>) {
        self.plan = Arc::clone(plan);
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tally.bytes()
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
        let places = Places::of(batch, &plan, day)?;
        let mut selected = prepared::selected(batch, &plan, skip)?;
        for filter in &plan.filters {
            filter::apply(batch, &plan, &places, filter, &mut selected)?;
        }
        if plan.needs_moments() {
            places.keep_inside(&mut selected);
        }
        // Nothing to count; but a visit that goes on over batches must be followed.
        let visits_are_whole = !plan.by_visit || plan.needs_whole_visits();
        if visits_are_whole && !selected.contains(&true) {
            return Ok(());
        }
        let picked = picked(&selected);
        let combinations = keys::combinations(batch, &plan, &places, &picked, &mut self.tally)?;
        let prepared = Prepared::of(batch, &plan, &mut self.tally.users)?;
        let rows = Rows { places, selected, picked, combinations };
        hits::count(&mut self.tally, &plan, &prepared, &rows);
        if plan.by_visit {
            self.count_visits(&prepared, &rows, skip);
        }
        Ok(())
    }

    fn count_visits(&mut self, prepared: &Prepared<'_>, rows: &Rows, skip: Option<&[bool]>) {
        for (row, selected) in rows.selected.iter().copied().enumerate() {
            if skip.is_some_and(|skip| skip.get(row).copied().unwrap_or_default()) {
                continue;
            }
            let (place, combination) = (rows.places.at(row), rows.combination(row));
            let of_row = OfRow { row, place, kind: prepared.kind(row), combination, selected };
            self.follow_visit(prepared, &of_row);
            if selected {
                self.count_hit(prepared, &of_row);
                self.count_visit(&of_row);
            }
        }
    }

    /// The rows of a site and date are all counted.
    ///
    /// # Errors
    ///
    /// As [`Counter::count`].
    pub fn end_date(&mut self) -> Result<(), ArrowError> {
        let day = self.unfinished.day();
        if let Some(rest) = self.unfinished.take()? {
            self.count_rows(&rest, day, None)?;
        }
        self.end_visit();
        Ok(())
    }

    /// What was counted.
    #[must_use]
    pub fn into_tally(self) -> Tally {
        self.tally
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
        let (Some(place), true) = (of.place, self.visit.open) else { return };
        let cells = self.cells(place.bucket, of.combination);
        for (at, sum) in prepared.sums.iter().enumerate() {
            self.count_in_visit(at, sum, of, cells);
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
        let cell = finest(&mut self.tally, &self.plan, bucket, combination);
        let all = self.tally.over_all_time(cell);
        match (cell, all) {
            (TOTAL, _) => Cells { cells: [TOTAL; 3], count: 1 },
            (_, TOTAL) => Cells { cells: [TOTAL, cell, TOTAL], count: 2 },
            _ => Cells { cells: [TOTAL, all, cell], count: 3 },
        }
    }
}

/// The cell of one bucket and combination, as far as the question has such.
fn finest(tally: &mut Tally, plan: &Plan, bucket: u32, combination: u32) -> u32 {
    match (plan.by_time, !plan.by.is_empty()) {
        (false, false) => TOTAL,
        (true, false) => tally.cell(bucket, ALL),
        (false, true) => tally.cell(0, combination),
        (true, true) => tally.cell(bucket, combination),
    }
}

/// The numbers of the marked rows, found without a branch that depends on a mark.
fn picked(selected: &[bool]) -> Vec<usize> {
    let mut picked = vec![0; selected.len()];
    let mut count = 0;
    for (row, selected) in selected.iter().enumerate() {
        if let Some(slot) = picked.get_mut(count) {
            *slot = row;
        }
        count += usize::from(*selected);
    }
    picked.truncate(count);
    picked
}

/// What was worked out by row.
struct Rows {
    places: Places,
    selected: Vec<bool>,
    /// The numbers of the selected rows.
    picked: Vec<usize>,
    /// None without dimensions.
    combinations: Vec<u32>,
}

impl Rows {
    fn combination(&self, row: usize) -> u32 {
        self.combinations.get(row).copied().unwrap_or_default()
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
