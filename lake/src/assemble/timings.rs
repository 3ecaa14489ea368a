//! Page timings that a later request of the same page view brings (matomo.md 1.2: `pf_*`).
//!
//! A page view takes each timing from the last request of its page view that says it: Matomo
//! writes what comes later over what it had. What the page view said itself stands beside in
//! `own_timings`, so that the next merge begins from that and the order of arrival plays no part.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray,
};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;

use super::inputs::{Inputs, dictionary, int, ints, text_column};
use crate::columns::TIMINGS;
use crate::hit::Kind;

type Values = [Option<i32>; TIMINGS.len()];

/// The column of what page views said themselves.
const OWN: &str = "own_timings";

/// The rows as they were before page views took timings of later requests.
pub(super) fn own(raw: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let said = dictionary(raw, OWN)?;
    let (Some(texts), true) = (said.values().as_string_opt(), said.null_count() < said.len())
    else {
        return Ok(raw.clone());
    };
    let texts: &StringArray = texts;
    let value = |key: usize| texts.is_valid(key).then(|| read(texts.value(key)));
    let own: Vec<Option<Values>> =
        (0..said.len()).map(|row| said.key(row).and_then(value)).collect();
    let columns = raw.schema_ref().fields().iter().zip(raw.columns()).map(|(field, column)| {
        let timing = TIMINGS.iter().position(|timing| timing == field.name());
        match (timing, column.as_primitive_opt::<Int32Type>()) {
            (Some(timing), Some(column)) => {
                let value = |(row, own): (usize, &Option<Values>)| match own {
                    Some(values) => of(values, timing),
                    None => int(column, row),
                };
                Arc::new(own.iter().enumerate().map(value).collect::<Int32Array>())
            }
            _ => Arc::clone(column),
        }
    });
    RecordBatch::try_new(raw.schema(), columns.collect())
}

fn read(text: &str) -> Values {
    let mut values = Values::default();
    for (value, said) in values.iter_mut().zip(text.split(',')) {
        *value = said.parse().ok();
    }
    values
}

fn written(values: Values) -> String {
    values.map(|value| value.map(|ms| ms.to_string()).unwrap_or_default()).join(",")
}

/// The timings of page views that take some from later requests, by row of the input: its own, and
/// those with what it takes.
pub(super) struct Timings(HashMap<u32, (Values, Values)>);

impl Timings {
    pub(super) fn read(
        raw: &RecordBatch,
        inputs: &Inputs,
        order: &[u32],
    ) -> Result<Self, ArrowError> {
        let columns: Vec<Int32Array> =
            TIMINGS.iter().map(|name| ints(raw, name)).collect::<Result<_, _>>()?;
        if columns.iter().all(|column| column.null_count() == column.len()) {
            return Ok(Self(HashMap::new()));
        }
        let page_views = text_column(raw, "page_view")?;
        // The page view's id is only as good as the client: the fingerprint keeps two apart.
        let key = |row: u32| {
            let at = row as usize;
            let id = page_views.is_valid(at).then(|| page_views.value(at))?;
            let id = xxhash_rust::xxh3::xxh3_64(id.as_bytes());
            Some((inputs.site(row), inputs.fingerprint(row)?, id))
        };
        let own = |row: u32| -> Values {
            std::array::from_fn(|timing| int(columns.get(timing)?, row as usize))
        };
        let mut later: HashMap<_, Values> = HashMap::new();
        for &row in order.iter().filter(|&&row| inputs.kind(row) != Kind::Pageview) {
            let values = own(row);
            if values.iter().any(Option::is_some)
                && let Some(key) = key(row)
            {
                let known = later.entry(key).or_default();
                *known = with(*known, values);
            }
        }
        let mut found = HashMap::new();
        for &row in order.iter().filter(|&&row| inputs.kind(row) == Kind::Pageview) {
            if let Some(more) = key(row).and_then(|key| later.get(&key)) {
                let own = own(row);
                let taken = with(own, *more);
                if taken != own {
                    found.insert(row, (own, taken));
                }
            }
        }
        Ok(Self(found))
    }

    /// Whether the column is one of timings.
    pub(super) fn has(name: &str) -> bool {
        TIMINGS.contains(&name)
    }

    /// The column of what page views that took some said themselves.
    pub(super) fn own(
        &self,
        rows: impl Iterator<Item = Option<u32>>,
    ) -> DictionaryArray<Int32Type> {
        let own = rows.map(|row| self.0.get(&row?).map(|(own, _)| written(*own)));
        let texts: Vec<Option<String>> = own.collect();
        texts.iter().map(Option::as_deref).collect()
    }

    /// The column of timings `own`, taken for the rows `rows` of the input, with what page views
    /// take from later requests.
    pub(super) fn fill(
        &self,
        name: &str,
        own: ArrayRef,
        rows: impl Iterator<Item = Option<u32>>,
    ) -> ArrayRef {
        let Some(timing) = TIMINGS.iter().position(|timing| *timing == name) else { return own };
        let (Some(column), false) = (own.as_primitive_opt::<Int32Type>(), self.0.is_empty()) else {
            return own;
        };
        let value = |(at, row): (usize, Option<u32>)| {
            let taken = row.and_then(|row| self.0.get(&row));
            taken.map_or_else(|| int(column, at), |(_, values)| of(values, timing))
        };
        Arc::new(rows.enumerate().map(value).collect::<Int32Array>())
    }
}

fn of(values: &Values, timing: usize) -> Option<i32> {
    values.get(timing).copied().flatten()
}

fn with(before: Values, later: Values) -> Values {
    std::array::from_fn(|timing| of(&later, timing).or_else(|| of(&before, timing)))
}
