//! The combination of dimension values of each row, worked out column by column on codes.

use crate::fast::HashMap;
use arrow::array::{Array as _, RecordBatch};
use arrow::error::ArrowError;

use super::columns::{Codes, ints};
use super::places::Places;
use super::tally::Tally;
use super::values::{Combination, NULL, Values};
use crate::calendar::{Calendar, Place};
use crate::dimension::{Dimension, Origin, section_of};
use crate::plan::Plan;

/// A code whose value has not been looked up yet.
const UNKNOWN: u32 = u32::MAX;

/// By row: the number of its combination. Only selected rows are looked up; without dimensions
/// nothing is.
pub(super) fn combinations(
    batch: &RecordBatch,
    plan: &Plan,
    places: &Places,
    selected: &[bool],
    tally: &mut Tally,
) -> Result<Vec<u32>, ArrowError> {
    let source = Source { batch, plan, places, selected };
    let mut ids: Vec<Vec<u32>> = Vec::new();
    for (dimension, values) in plan.by.iter().zip(&mut tally.values) {
        ids.push(source.look_up(dimension, values)?);
    }
    let Some((first, others)) = ids.split_first_mut() else { return Ok(Vec::new()) };
    for (row, id) in first.iter_mut().enumerate().filter(|(row, _)| source.counts(*row)) {
        let mut combination = Combination::default();
        let (head, tail) = combination.split_at_mut(1);
        head.fill(*id);
        for (to, ids) in tail.iter_mut().zip(others.iter()) {
            *to = ids.get(row).copied().unwrap_or(NULL);
        }
        *id = tally.combinations.id(combination);
    }
    Ok(ids.swap_remove(0))
}

struct Source<'a> {
    batch: &'a RecordBatch,
    plan: &'a Plan,
    places: &'a Places,
    selected: &'a [bool],
}

impl Source<'_> {
    /// By row: the number of its value.
    fn look_up(&self, dimension: &Dimension, values: &mut Values) -> Result<Vec<u32>, ArrowError> {
        match dimension.origin {
            Origin::Text(column) => self.texts(column, |text| text, values),
            Origin::Section => {
                let depth = self.plan.section_depth;
                self.texts("path", |path| section_of(path, depth), values)
            }
            Origin::Page => self.pages(values),
            Origin::Number(column) => self.numbers(column, |number| number.into(), values),
            Origin::Band(column, bands) => {
                let names: Vec<u32> = bands.iter().map(|(_, name)| values.text(name)).collect();
                let numbers = ints(self.batch, column)?;
                Ok(self.each(|row| {
                    let number = numbers.is_valid(row).then(|| numbers.value(row))?;
                    names.get(bands.partition_point(|(last, _)| *last < number)).copied()
                }))
            }
            Origin::HourOfDay => Ok(self.moments(|_, place| place.hour, values)),
            Origin::Site => {
                let id = values.number(self.plan.site.into());
                Ok(vec![id; self.batch.num_rows()])
            }
            Origin::Weekday => {
                Ok(self.moments(|calendar, place| calendar.weekday(place.day), values))
            }
        }
    }

    fn counts(&self, row: usize) -> bool {
        self.selected.get(row).copied().unwrap_or_default()
    }

    /// By row: the number that it has, of selected ones.
    fn each(&self, mut of: impl FnMut(usize) -> Option<u32>) -> Vec<u32> {
        let rows = self.selected.iter().enumerate();
        rows.map(|(row, selected)| if *selected { of(row).unwrap_or(NULL) } else { NULL }).collect()
    }

    fn texts(
        &self,
        column: &str,
        of: impl Fn(&str) -> &str,
        values: &mut Values,
    ) -> Result<Vec<u32>, ArrowError> {
        let codes = Codes::of(self.batch, column)?;
        let mut known = Vec::new();
        Ok(self.each(|row| {
            let code = codes.code(row)?;
            Some(look_up_code(&mut known, code, || {
                codes.text(code).map_or(NULL, |text| values.text(of(text)))
            }))
        }))
    }

    fn numbers(
        &self,
        column: &str,
        of: impl Fn(i32) -> i64,
        values: &mut Values,
    ) -> Result<Vec<u32>, ArrowError> {
        let numbers = ints(self.batch, column)?;
        Ok(self.each(|row| {
            let number = numbers.is_valid(row).then(|| numbers.value(row))?;
            Some(values.number(of(number)))
        }))
    }

    /// Path and query, `path?query` where there is one; each pair of codes is put together once.
    fn pages(&self, values: &mut Values) -> Result<Vec<u32>, ArrowError> {
        let paths = Codes::of(self.batch, "path")?;
        let queries = Codes::of(self.batch, "query")?;
        let mut known = Vec::new();
        let mut pairs: HashMap<(usize, usize), u32> = HashMap::default();
        Ok(self.each(|row| {
            let path = paths.code(row)?;
            let text = paths.text(path).unwrap_or_default();
            Some(match queries.code(row) {
                None => look_up_code(&mut known, path, || values.text(text)),
                Some(query) => *pairs.entry((path, query)).or_insert_with(|| {
                    let query = queries.text(query).unwrap_or_default();
                    values.text(&format!("{text}?{query}"))
                }),
            })
        }))
    }

    fn moments(&self, of: impl Fn(&Calendar, Place) -> i8, values: &mut Values) -> Vec<u32> {
        self.each(|row| {
            let place = self.places.at(row)?;
            Some(values.number(of(&self.plan.calendar, place).into()))
        })
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
