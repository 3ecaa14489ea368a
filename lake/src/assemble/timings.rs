//! Page timings that a later request of the same page view brings (matomo.md 1.2: `pf_*`).
//!
//! A page view takes each timing from the last request of its page view that says it: Matomo
//! writes what comes later over what it had. As the request stays in the table, the next merge
//! takes the same again, and the order of arrival plays no part.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;

use super::inputs::{Inputs, int, ints, text_column};
use crate::columns::TIMINGS;
use crate::hit::Kind;

type Values = [Option<i32>; TIMINGS.len()];

/// The timings of page views that take some from later requests, by row of the input.
pub(super) struct Timings(HashMap<u32, Values>);

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
                found.insert(row, with(own(row), *more));
            }
        }
        Ok(Self(found))
    }

    /// Whether the column is one of timings.
    pub(super) fn has(name: &str) -> bool {
        TIMINGS.contains(&name)
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
            taken.map_or_else(|| int(column, at), |values| of(values, timing))
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
