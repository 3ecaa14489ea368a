//! Sums over rows and different values, column by column: each into the finest cell of its row.
//! What several cells have together is added up at the end ([`Tally::into_counted`]).

use super::prepared::{DistinctOf, HitTest, Prepared, SumOf};
use super::tally::{TOTAL, Tally};
use super::{Places, Rows, finest};
use crate::plan::Plan;

/// The cells of a batch's rows.
enum Cells {
    /// All that are selected have this one.
    One(u32),
    /// By row.
    Each(Vec<u32>),
}

/// In place of a cell: the row is not counted.
const NONE: u32 = u32::MAX;

/// Counts the selected rows of a batch.
pub(super) fn count(tally: &mut Tally, plan: &Plan, prepared: &Prepared<'_>, rows: &Rows) {
    let Some(cells) = cells(tally, plan, rows) else { return };
    let cells = Counted { cells, rows };
    for (at, sum) in prepared.sums.iter().enumerate() {
        match sum {
            SumOf::Hits(test) => cells.count(tally, at, prepared, test),
            SumOf::Amount(..) | SumOf::Having(..) => cells.each(|row, cell| {
                if let Some(amount) = sum.of_hit(prepared.kind(row), row) {
                    tally.add(cell, at, amount);
                }
            }),
            _ => {}
        }
    }
    for (at, distinct) in prepared.distincts.iter().enumerate() {
        cells.add_ids(tally, plan, at, distinct);
    }
}

/// The cells of the rows; none when none of them counts.
fn cells(tally: &mut Tally, plan: &Plan, rows: &Rows) -> Option<Cells> {
    if let (Places::Same(place), true) = (&rows.places, plan.by.is_empty()) {
        let place = (*place)?;
        return rows
            .selected
            .contains(&true)
            .then(|| Cells::One(finest(tally, plan, place.bucket, 0)));
    }
    let cell = |(row, selected): (usize, &bool)| {
        let place = rows.places.at(row).filter(|_| *selected);
        place.map_or(NONE, |place| finest(tally, plan, place.bucket, rows.combination(row)))
    };
    Some(Cells::Each(rows.selected.iter().enumerate().map(cell).collect()))
}

struct Counted<'a> {
    cells: Cells,
    rows: &'a Rows,
}

impl Counted<'_> {
    /// Each row that counts, with its cell.
    fn each(&self, mut take: impl FnMut(usize, u32)) {
        match &self.cells {
            Cells::One(cell) => {
                let selected = self.rows.selected.iter().enumerate();
                selected.filter(|(_, selected)| **selected).for_each(|(row, _)| take(row, *cell));
            }
            Cells::Each(cells) => {
                let cells = cells.iter().enumerate();
                cells.filter(|(_, cell)| **cell != NONE).for_each(|(row, cell)| take(row, *cell));
            }
        }
    }

    fn count(&self, tally: &mut Tally, at: usize, prepared: &Prepared<'_>, test: &HitTest<'_>) {
        if let (Cells::One(cell), Some(kinds)) = (&self.cells, test.of_kinds()) {
            let rows = self.rows.selected.iter().zip(prepared.kinds());
            let count: u32 =
                rows.map(|(selected, kind)| u32::from(*selected & (kind & kinds != 0))).sum();
            return tally.add(*cell, at, f64::from(count));
        }
        self.each(|row, cell| {
            if test.holds(prepared.kind(row), row) {
                tally.add(cell, at, 1.0);
            }
        });
    }

    /// A value goes to the row's cell, to that of all time and to that of everything: what these
    /// have in common counts once there.
    fn add_ids(&self, tally: &mut Tally, plan: &Plan, at: usize, distinct: &DistinctOf<'_>) {
        let mut last: Option<(usize, u32, u32)> = None;
        self.each(|row, cell| {
            let day = self.rows.places.at(row).filter(|_| distinct.daily).map(|place| place.day);
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
