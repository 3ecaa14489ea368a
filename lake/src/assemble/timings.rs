//! Page timings that a later request of the same page view brings (matomo.md 1.2: `pf_*`).
//!
//! A page view takes, of each timing, the largest that it or a later request of its page view
//! says. Matomo takes the first; with the largest the order of arrival plays no part, and a page
//! view that took one already takes the same again.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, Int32Array, RecordBatch};
use arrow::error::ArrowError;

use super::inputs::{Inputs, int, ints, text_column};
use crate::hit::Kind;

/// The columns of timings.
pub(super) const TIMINGS: [&str; 6] = [
    "network_ms",
    "server_ms",
    "transfer_ms",
    "dom_processing_ms",
    "dom_completion_ms",
    "on_load_ms",
];

type Values = [Option<i32>; TIMINGS.len()];

/// The timings of page views that took some from later requests, by row of the input.
pub(super) struct Filled(HashMap<u32, Values>);

impl Filled {
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
        let values = |row: u32| -> Values {
            std::array::from_fn(|index| {
                columns.get(index).and_then(|column| int(column, row as usize))
            })
        };
        let mut later: HashMap<_, Values> = HashMap::new();
        for &row in order.iter().filter(|&&row| inputs.kind(row) != Kind::Pageview) {
            let values = values(row);
            if values.iter().any(Option::is_some)
                && let Some(key) = key(row)
            {
                let known = later.entry(key).or_default();
                *known = largest(*known, values);
            }
        }
        let mut filled = HashMap::new();
        for &row in order.iter().filter(|&&row| inputs.kind(row) == Kind::Pageview) {
            if later.is_empty() {
                break;
            }
            if let Some(more) = key(row).and_then(|key| later.get(&key)) {
                filled.insert(row, largest(values(row), *more));
            }
        }
        Ok(Self(filled))
    }

    /// A column of timings, `taken` for the rows `raw` of the input, with what page views took.
    pub(super) fn fill(
        &self,
        index: usize,
        taken: ArrayRef,
        rows: impl Iterator<Item = Option<u32>>,
    ) -> ArrayRef {
        if self.0.is_empty() {
            return taken;
        }
        let own = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int32Type>(&taken);
        let value = |(at, row): (usize, Option<u32>)| {
            let more = row.and_then(|row| self.0.get(&row)?.get(index).copied().flatten());
            more.or_else(|| int(own, at))
        };
        std::sync::Arc::new(rows.enumerate().map(value).collect::<Int32Array>())
    }
}

fn largest(left: Values, right: Values) -> Values {
    std::array::from_fn(|index| {
        let of = |values: &Values| values.get(index).copied().flatten();
        of(&left).max(of(&right))
    })
}
