//! Sums over rows and different values, column by column: each into the finest cell of its row.
//! What several cells have together is added up at the end ([`Tally::into_counted`]).

use std::borrow::Cow;

use super::prepared::{DistinctOf, HitTest, Prepared, SumOf};
use super::tally::{TOTAL, Tally};
use super::{Places, Rows, finest};
use crate::dimension::Origin;
use crate::plan::Plan;

/// Counts the selected rows of a batch.
pub(super) fn count(tally: &mut Tally, plan: &Plan, prepared: &Prepared<'_>, rows: &Rows) {
    let Some(counted) = Counted::of(tally, plan, rows) else { return };
    let mut entries = None;
    for (at, sum) in prepared.sums.iter().enumerate() {
        match sum {
            SumOf::Hits(test) => counted.count(tally, at, prepared, test),
            SumOf::AtEntry(numbers) => {
                let is_entry = |row| prepared.is_entry(row) == Some(true);
                let entries = entries.get_or_insert_with(|| counted.only(is_entry));
                entries.add(tally, at, |row| match numbers {
                    None => Some(1.0),
                    Some(numbers) => numbers.get(row),
                });
            }
            SumOf::Amount(..) | SumOf::Having(..) => {
                counted.add(tally, at, |row| sum.of_hit(prepared.kind(row), row));
            }
            _ => {}
        }
    }
    for (at, distinct) in prepared.distincts.iter().enumerate() {
        counted.add_ids(tally, plan, at, distinct);
    }
}

/// The cells of some rows.
enum Cells {
    /// All have this one.
    One(u32),
    /// By place in the list of rows.
    Each(Vec<u32>),
}

/// Rows that count, and where.
struct Counted<'a> {
    of: &'a Rows,
    /// Their numbers.
    rows: Cow<'a, [usize]>,
    cells: Cells,
}

impl<'a> Counted<'a> {
    /// The selected rows; none when none of them counts.
    fn of(tally: &mut Tally, plan: &Plan, of: &'a Rows) -> Option<Self> {
        let same = plan.by.iter().all(|dimension| dimension.origin == Origin::Site);
        if let (Places::Same(place), true) = (&of.places, same) {
            let (place, first) = ((*place)?, *of.picked.first()?);
            let cells = Cells::One(finest(tally, plan, place.bucket, of.combination(first)));
            return Some(Self { of, rows: Cow::Borrowed(&of.picked), cells });
        }
        let cell = |row: usize| {
            let place = of.places.at(row)?;
            Some((row, finest(tally, plan, place.bucket, of.combination(row))))
        };
        let (rows, cells): (Vec<usize>, Vec<u32>) =
            of.picked.iter().copied().filter_map(cell).unzip();
        Some(Self { of, rows: Cow::Owned(rows), cells: Cells::Each(cells) })
    }

    /// Those of which something holds.
    fn only(&self, holds: impl Fn(usize) -> bool) -> Self {
        let rows = self.rows.iter().copied();
        let (rows, cells): (Vec<usize>, Cells) = match &self.cells {
            Cells::One(cell) => (rows.filter(|row| holds(*row)).collect(), Cells::One(*cell)),
            Cells::Each(cells) => {
                let (rows, cells): (Vec<usize>, Vec<u32>) =
                    rows.zip(cells.iter().copied()).filter(|(row, _)| holds(*row)).unzip();
                (rows, Cells::Each(cells))
            }
        };
        Self { of: self.of, rows: Cow::Owned(rows), cells }
    }

    /// Each row with its cell.
    fn each(&self, mut take: impl FnMut(usize, u32)) {
        match &self.cells {
            Cells::One(cell) => self.rows.iter().for_each(|row| take(*row, *cell)),
            Cells::Each(cells) => {
                self.rows.iter().zip(cells).for_each(|(row, cell)| take(*row, *cell));
            }
        }
    }

    /// Adds to a sum what each row has for it.
    fn add(&self, tally: &mut Tally, at: usize, amount: impl Fn(usize) -> Option<f64>) {
        match &self.cells {
            Cells::One(cell) => {
                let amounts = self.rows.iter().filter_map(|row| amount(*row));
                tally.add(*cell, at, amounts.sum());
            }
            Cells::Each(_) => self.each(|row, cell| {
                if let Some(amount) = amount(row) {
                    tally.add(cell, at, amount);
                }
            }),
        }
    }

    fn count(&self, tally: &mut Tally, at: usize, prepared: &Prepared<'_>, test: &HitTest<'_>) {
        if let (Cells::One(cell), Some(kinds)) = (&self.cells, test.of_kinds()) {
            let rows = self.of.selected.iter().zip(prepared.kinds());
            let count: u32 =
                rows.map(|(selected, kind)| u32::from(*selected & (kind & kinds != 0))).sum();
            return tally.add(*cell, at, f64::from(count));
        }
        self.add(tally, at, |row| test.holds(prepared.kind(row), row).then_some(1.0));
    }

    /// A value goes to the row's cell, to that of all time and to that of everything: what these
    /// have in common counts once there.
    fn add_ids(&self, tally: &mut Tally, plan: &Plan, at: usize, distinct: &DistinctOf<'_>) {
        let mut last: Option<(usize, u32, u32)> = None;
        self.each(|row, cell| {
            let day = self.of.places.at(row).filter(|_| distinct.daily).map(|place| place.day);
            let part = plan.part(day);
            if last.is_some_and(|(earlier, of_cell, of_part)| {
                (of_cell, of_part) == (cell, part) && distinct.same(row, earlier)
            }) {
                return;
            }
            let Some(id) = distinct.id(row) else { return };
            last = Some((row, cell, part));
            tally.add_id(cell, at, part, id);
            if cell != TOTAL {
                let wider = tally.over_all_time(cell);
                if wider != TOTAL {
                    tally.add_id(wider, at, part, id);
                }
                tally.add_id(TOTAL, at, part, id);
            }
        });
    }
}
