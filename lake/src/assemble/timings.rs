//! Page timings that a later request of the same page view brings (matomo.md 1.2: `pf_*`).
//!
//! A page view keeps the timings that it says itself and takes each of the others from the first
//! later request of its page view that says it. Which it took stands in `timings_taken`, so that
//! the next merge begins with its own again and the order of arrival plays no part.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, RecordBatch};
use arrow::error::ArrowError;

use super::inputs::{Inputs, int, ints, text_column};
use crate::hit::Kind;

/// The columns of timings, in the order of the bits of `timings_taken`.
const TIMINGS: [&str; 6] = [
    "network_ms",
    "server_ms",
    "transfer_ms",
    "dom_processing_ms",
    "dom_completion_ms",
    "on_load_ms",
];
const TAKEN: &str = "timings_taken";

type Values = [Option<i32>; TIMINGS.len()];

/// The timings of page views that take, or took, some from later requests, by row of the input;
/// and which they take.
pub(super) struct Timings(HashMap<u32, (Values, i32)>);

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
        let (taken, page_views) = (ints(raw, TAKEN)?, text_column(raw, "page_view")?);
        // The page view's id is only as good as the client: the fingerprint keeps two apart.
        let key = |row: u32| {
            let at = row as usize;
            let id = page_views.is_valid(at).then(|| page_views.value(at))?;
            let id = xxhash_rust::xxh3::xxh3_64(id.as_bytes());
            Some((inputs.site(row), inputs.fingerprint(row)?, id))
        };
        let own = |row: u32| -> Values {
            let taken = int(&taken, row as usize).unwrap_or_default();
            std::array::from_fn(|index| {
                let column = columns.get(index).filter(|_| taken & (1 << index) == 0)?;
                int(column, row as usize)
            })
        };
        let mut later: HashMap<_, Values> = HashMap::new();
        for &row in order.iter().filter(|&&row| inputs.kind(row) != Kind::Pageview) {
            let values = own(row);
            if values.iter().any(Option::is_some)
                && let Some(key) = key(row)
            {
                let known = later.entry(key).or_default();
                *known = filled(*known, values);
            }
        }
        let mut found = HashMap::new();
        for &row in order.iter().filter(|&&row| inputs.kind(row) == Kind::Pageview) {
            let more = key(row).and_then(|key| later.get(&key));
            if more.is_some() || taken.is_valid(row as usize) {
                let own = own(row);
                let values = filled(own, more.copied().unwrap_or_default());
                let took = (0..TIMINGS.len())
                    .filter(|&at| of(&own, at).is_none() && of(&values, at).is_some());
                found.insert(row, (values, took.map(|at| 1 << at).sum()));
            }
        }
        Ok(Self(found))
    }

    /// Whether the column is one of timings.
    pub(super) fn has(name: &str) -> bool {
        name == TAKEN || TIMINGS.contains(&name)
    }

    /// The column of timings `own`, taken for the rows `rows` of the input, with what page views
    /// take from later requests.
    pub(super) fn fill(
        &self,
        name: &str,
        own: ArrayRef,
        rows: impl Iterator<Item = Option<u32>>,
    ) -> ArrayRef {
        if self.0.is_empty() {
            return own;
        }
        let timing = TIMINGS.iter().position(|timing| *timing == name);
        let column = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int32Type>(&own);
        let value = |(at, row): (usize, Option<u32>)| match row.and_then(|row| self.0.get(&row)) {
            Some((values, taken)) => match timing {
                Some(timing) => of(values, timing),
                None => (*taken != 0).then_some(*taken),
            },
            None => int(column, at),
        };
        Arc::new(rows.enumerate().map(value).collect::<Int32Array>())
    }
}

fn of(values: &Values, timing: usize) -> Option<i32> {
    values.get(timing).copied().flatten()
}

fn filled(own: Values, more: Values) -> Values {
    std::array::from_fn(|timing| of(&own, timing).or_else(|| of(&more, timing)))
}
