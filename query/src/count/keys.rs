//! The combination of dimension values of each row, worked out column by column on codes.

use crate::fast::HashMap;
use arrow::array::{Array, RecordBatch};
use arrow::error::ArrowError;

use super::columns::{Codes, ints};
use super::tally::Tally;
use super::values::{Combination, NULL, Values};
use crate::calendar::{Calendar, Place};
use crate::dimension::{Dimension, Origin, section_of};
use crate::plan::Plan;

/// A code whose value has not been looked up yet.
const UNKNOWN: u32 = u32::MAX;

/// By row: the number of its combination. Only selected rows are looked up.
pub(super) fn combinations(
    batch: &RecordBatch,
    plan: &Plan,
    places: &[Option<Place>],
    selected: &[bool],
    tally: &mut Tally,
) -> Result<Vec<u32>, ArrowError> {
    let mut rows = vec![Combination::default(); batch.num_rows()];
    for (at, (dimension, values)) in plan.by.iter().zip(&mut tally.values).enumerate() {
        let source = Source { batch, plan, places, selected };
        let mut put = |row: usize, id: u32| {
            if let Some(slot) = rows.get_mut(row).and_then(|row| row.get_mut(at)) {
                *slot = id;
            }
        };
        source.look_up(dimension, values, &mut put)?;
    }
    let chosen = rows.into_iter().zip(selected);
    Ok(chosen
        .map(|(row, selected)| if *selected { tally.combinations.id(row) } else { 0 })
        .collect())
}

struct Source<'a> {
    batch: &'a RecordBatch,
    plan: &'a Plan,
    places: &'a [Option<Place>],
    selected: &'a [bool],
}

impl Source<'_> {
    fn look_up(
        &self,
        dimension: &Dimension,
        values: &mut Values,
        put: &mut dyn FnMut(usize, u32),
    ) -> Result<(), ArrowError> {
        match dimension.origin {
            Origin::Text(column) => self.texts(column, |text| text, values, put),
            Origin::Section => {
                let depth = self.plan.section_depth;
                self.texts("path", |path| section_of(path, depth), values, put)
            }
            Origin::Page => self.pages(values, put),
            Origin::Number(column) => self.numbers(column, |number| number.into(), values, put),
            Origin::Band(column, bands) => {
                let ids: Vec<u32> = bands.iter().map(|(_, name)| values.text(name)).collect();
                let numbers = ints(self.batch, column)?;
                for row in self.rows().filter(|row| numbers.is_valid(*row)) {
                    let band = bands.partition_point(|(last, _)| *last < numbers.value(row));
                    put(row, ids.get(band).copied().unwrap_or(NULL));
                }
                Ok(())
            }
            Origin::HourOfDay => {
                self.moments(|_, place| place.hour, values, put);
                Ok(())
            }
            Origin::Site => {
                let id = values.number(self.plan.site.into());
                self.rows().for_each(|row| put(row, id));
                Ok(())
            }
            Origin::Weekday => {
                self.moments(|calendar, place| calendar.weekday(place.day), values, put);
                Ok(())
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        let selected = self.selected.iter().enumerate();
        selected.filter(|(_, selected)| **selected).map(|(row, _)| row)
    }

    fn texts(
        &self,
        column: &str,
        of: impl Fn(&str) -> &str,
        values: &mut Values,
        put: &mut dyn FnMut(usize, u32),
    ) -> Result<(), ArrowError> {
        let codes = Codes::of(self.batch, column)?;
        let mut known = Vec::new();
        for row in self.rows() {
            let Some(code) = codes.code(row) else { continue };
            put(
                row,
                look_up_code(&mut known, code, || {
                    codes.text(code).map_or(NULL, |text| values.text(of(text)))
                }),
            );
        }
        Ok(())
    }

    fn numbers(
        &self,
        column: &str,
        of: impl Fn(i32) -> i64,
        values: &mut Values,
        put: &mut dyn FnMut(usize, u32),
    ) -> Result<(), ArrowError> {
        let numbers = ints(self.batch, column)?;
        for row in self.rows().filter(|row| numbers.is_valid(*row)) {
            put(row, values.number(of(numbers.value(row))));
        }
        Ok(())
    }

    /// Path and query, `path?query` where there is one; each pair of codes is put together once.
    fn pages(
        &self,
        values: &mut Values,
        put: &mut dyn FnMut(usize, u32),
    ) -> Result<(), ArrowError> {
        let paths = Codes::of(self.batch, "path")?;
        let queries = Codes::of(self.batch, "query")?;
        let mut known = Vec::new();
        let mut pairs: HashMap<(usize, usize), u32> = HashMap::default();
        for row in self.rows() {
            let Some(path) = paths.code(row) else { continue };
            let text = paths.text(path).unwrap_or_default();
            let id = match queries.code(row) {
                None => look_up_code(&mut known, path, || values.text(text)),
                Some(query) => *pairs.entry((path, query)).or_insert_with(|| {
                    let query = queries.text(query).unwrap_or_default();
                    values.text(&format!("{text}?{query}"))
                }),
            };
            put(row, id);
        }
        Ok(())
    }

    fn moments(
        &self,
        of: impl Fn(&Calendar, Place) -> i8,
        values: &mut Values,
        put: &mut dyn FnMut(usize, u32),
    ) {
        for row in self.rows() {
            if let Some(place) = self.places.get(row).copied().flatten() {
                put(row, values.number(of(&self.plan.calendar, place).into()));
            }
        }
    }
}

fn look_up_code(known: &mut Vec<u32>, code: usize, look_up: impl FnOnce() -> u32) -> u32 {
    if known.len() <= code {
        known.resize(code + 1, UNKNOWN);
    }
    match known.get_mut(code) {
        Some(id) if *id == UNKNOWN => {
            *id = look_up();
            *id
        }
        Some(id) => *id,
        None => NULL,
    }
}
