//! Where the rows of a batch fall: all on one day and in one bucket where the partition decides.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::columns;
use crate::calendar::Place;
use crate::plan::Plan;

/// By row: where it falls; none outside of the question.
pub(super) enum Places {
    Same(Option<Place>),
    Each(Vec<Option<Place>>),
}

impl Places {
    /// Those of a batch of the partition with number `day`.
    pub(super) fn of(
        batch: &RecordBatch,
        plan: &Plan,
        day: Option<u32>,
    ) -> Result<Self, ArrowError> {
        let calendar = &plan.calendar;
        if !calendar.needs_time() {
            return Ok(Self::Same(calendar.place(day, 0)));
        }
        let times = columns::times(batch, "ts")?;
        Ok(Self::Each(times.iter().map(|ts_us| calendar.place(day, *ts_us)).collect()))
    }

    pub(super) fn at(&self, row: usize) -> Option<Place> {
        match self {
            Self::Same(place) => *place,
            Self::Each(places) => places.get(row).copied().flatten(),
        }
    }

    /// Takes the mark from rows outside.
    pub(super) fn keep_inside(&self, selected: &mut [bool]) {
        for (row, selected) in selected.iter_mut().enumerate() {
            *selected &= self.at(row).is_some();
        }
    }
}
