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

/// By row: the number of its combination. Only selected rows are looked up; without dimensions
/// nothing is.
pub(super) fn combinations(
    batch: &RecordBatch,
    plan: &Plan,
    places: &Places,
    picked: &[usize],
    tally: &mut Tally,
) -> Result<Vec<u32>, ArrowError> {
    let source = Source { batch, plan, places, picked };
    if let ([dimension], [values]) = (plan.by.as_slice(), tally.values.as_mut_slice()) {
        let combinations = &mut tally.combinations;
        return source.look_up(dimension, values, &mut |value| combinations.id_of_one(value));
    }
    let mut ids: Vec<Vec<u32>> = Vec::new();
    for (dimension, values) in plan.by.iter().zip(&mut tally.values) {
        ids.push(source.look_up(dimension, values, &mut |value| value)?);
    }
    let Some((first, others)) = ids.split_first_mut() else { return Ok(Vec::new()) };
    for row in picked.iter().copied() {
        let Some(id) = first.get_mut(row) else { continue };
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
    /// Numbers of the rows that count.
    picked: &'a [usize],
}

impl Source<'_> {
    /// By row: what `of` says of the number of its value; of texts it is asked once for each.
    fn look_up(
        &self,
        dimension: &Dimension,
        values: &mut Values,
        of: &mut dyn FnMut(u32) -> u32,
    ) -> Result<Vec<u32>, ArrowError> {
        let depth = self.plan.section_depth;
        let mut ids = match dimension.origin {
            Origin::Text(column) => return self.texts(column, |text| text, values, of),
            Origin::Section => {
                return self.texts("path", |path| section_of(path, depth), values, of);
            }
            Origin::Page => self.pages(values)?,
            Origin::Number(column) => self.numbers(column, |number| number.into(), values)?,
            Origin::Band(column, bands) => self.bands(column, bands, values)?,
            Origin::HourOfDay => self.moments(|_, place| place.hour, values),
            Origin::Site => vec![values.number(self.plan.site.into()); self.batch.num_rows()],
            Origin::Weekday => self.moments(|calendar, place| calendar.weekday(place.day), values),
        };
        for row in self.picked.iter().copied() {
            ids.get_mut(row).into_iter().for_each(|id| *id = of(*id));
        }
        Ok(ids)
    }

    fn bands(
        &self,
        column: &str,
        bands: &[(i32, &str)],
        values: &mut Values,
    ) -> Result<Vec<u32>, ArrowError> {
        let names: Vec<u32> = bands.iter().map(|(_, name)| values.text(name)).collect();
        let numbers = ints(self.batch, column)?;
        Ok(self.each(NULL, |row| {
            let number = numbers.is_valid(row).then(|| numbers.value(row))?;
            names.get(bands.partition_point(|(last, _)| *last < number)).copied()
        }))
    }

    /// By row: the number that it has, of selected ones, else that of null.
    fn each(&self, null: u32, mut of: impl FnMut(usize) -> Option<u32>) -> Vec<u32> {
        let mut ids = vec![null; self.batch.num_rows()];
        for row in self.picked.iter().copied() {
            if let Some(id) = ids.get_mut(row) {
                *id = of(row).unwrap_or(null);
            }
        }
        ids
    }

    fn texts(
        &self,
        column: &str,
        text_of: impl for<'t> Fn(&'t str) -> &'t str,
        values: &mut Values,
        of: &mut dyn FnMut(u32) -> u32,
    ) -> Result<Vec<u32>, ArrowError> {
        let codes = Codes::of(self.batch, column)?;
        let mut known = known(&codes, self.picked.iter().copied(), text_of, values);
        // A code that no row has gets null's number, which nobody asks for.
        let null = of(NULL);
        for number in &mut known {
            *number = if *number == NULL { null } else { of(*number) };
        }
        Ok(self.each(null, |row| known.get(codes.code(row)?).copied()))
    }

    fn numbers(
        &self,
        column: &str,
        of: impl Fn(i32) -> i64,
        values: &mut Values,
    ) -> Result<Vec<u32>, ArrowError> {
        let numbers = ints(self.batch, column)?;
        Ok(self.each(NULL, |row| {
            let number = numbers.is_valid(row).then(|| numbers.value(row))?;
            Some(values.number(of(number)))
        }))
    }

    /// Path and query, `path?query` where there is one; each pair of codes is put together once.
    fn pages(&self, values: &mut Values) -> Result<Vec<u32>, ArrowError> {
        let paths = Codes::of(self.batch, "path")?;
        let queries = Codes::of(self.batch, "query")?;
        let alone = self.picked.iter().copied().filter(|row| queries.code(*row).is_none());
        let known = known(&paths, alone, |path| path, values);
        let mut pairs: HashMap<(usize, usize), u32> = HashMap::default();
        Ok(self.each(NULL, |row| {
            let path = paths.code(row)?;
            let Some(query) = queries.code(row) else { return known.get(path).copied() };
            Some(*pairs.entry((path, query)).or_insert_with(|| {
                let path = paths.text(path).unwrap_or_default();
                let query = queries.text(query).unwrap_or_default();
                values.text(&format!("{path}?{query}"))
            }))
        }))
    }

    fn moments(&self, of: impl Fn(&Calendar, Place) -> i8, values: &mut Values) -> Vec<u32> {
        self.each(NULL, |row| {
            let place = self.places.at(row)?;
            Some(values.number(of(&self.plan.calendar, place).into()))
        })
    }
}

/// By code: the number of its value, of the codes that some rows have; each is looked up once.
fn known<'a>(
    codes: &Codes<'a>,
    rows: impl Iterator<Item = usize>,
    of: impl Fn(&'a str) -> &'a str,
    values: &mut Values,
) -> Vec<u32> {
    let mut seen = vec![false; codes.texts()];
    let mut wanted = Vec::new();
    for code in rows.filter_map(|row| codes.code(row)) {
        let is_first = seen.get_mut(code).is_some_and(|seen| !std::mem::replace(seen, true));
        if let (true, Some(text)) = (is_first, codes.text(code)) {
            wanted.push((code, of(text)));
        }
    }
    let texts: Vec<&str> = wanted.iter().map(|(_, text)| *text).collect();
    let mut known = vec![NULL; seen.len()];
    for ((code, _), number) in wanted.iter().zip(values.texts(&texts)) {
        known.get_mut(*code).into_iter().for_each(|known| *known = number);
    }
    known
}
