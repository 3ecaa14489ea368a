//! Numbers beside those of earlier dates: previous, change, change_rate.
//!
//! Rows are those of the question; buckets stand beside each other by their place in the range.

use serde_json::{Map, Value as Json, json};

use super::rows::{self, Shown};
use super::{Compared, number};
use crate::count::Value;
use crate::fast::HashMap;
use crate::question::Question;

/// The earlier numbers, by row.
pub(super) struct Earlier<'a> {
    rows: HashMap<(u32, &'a [Value]), &'a [Option<f64>]>,
    buckets: usize,
    zeros: Vec<Option<f64>>,
    totals: Option<&'a [Option<f64>]>,
}

impl<'a> Earlier<'a> {
    pub(super) fn of(compared: &'a Compared) -> Self {
        let (plan, counted) = (&compared.plan, &compared.counted);
        let rows = counted.rows.iter();
        let alone = plan.by.is_empty() && !plan.by_time;
        Self {
            rows: rows
                .map(|row| ((row.bucket, row.by.as_slice()), row.metrics.as_slice()))
                .collect(),
            buckets: plan.calendar.labels().len(),
            zeros: rows::zeros(plan),
            totals: alone.then_some(counted.totals.as_slice()),
        }
    }

    /// The numbers beside a row; none where the earlier range has no such bucket.
    pub(super) fn of_row(&self, row: &Shown<'_>) -> Option<&[Option<f64>]> {
        if self.totals.is_some() {
            return self.totals;
        }
        if row.bucket as usize >= self.buckets {
            return None;
        }
        Some(self.rows.get(&(row.bucket, row.by)).copied().unwrap_or(&self.zeros))
    }
}

/// Of one metric: before, the difference, and this by what was before.
fn changed(now: Option<f64>, before: Option<f64>) -> [Option<f64>; 3] {
    let change = now.zip(before).map(|(now, before)| now - before);
    let rate = change.zip(before).filter(|(_, before)| *before != 0.0);
    [before, change, rate.map(|(change, before)| change / before)]
}

/// By metric: its three values.
pub(super) fn numbers(
    question: &Question,
    now: &[Option<f64>],
    before: Option<&[Option<f64>]>,
) -> Vec<[Option<f64>; 3]> {
    let before = |at: usize| before.and_then(|before| before.get(at).copied().flatten());
    let now = now.iter().enumerate().take(question.metrics.len());
    now.map(|(at, now)| changed(*now, before(at))).collect()
}

fn changes(
    question: &Question,
    now: &[Option<f64>],
    before: Option<&[Option<f64>]>,
) -> Vec<[Json; 3]> {
    let of = question.metrics.iter().zip(numbers(question, now, before));
    let shown = of.map(|(metric, [before, change, rate])| {
        [number(metric, before), number(metric, change), json!(rate)]
    });
    shown.collect()
}

/// Adds `previous`, `change` and `change_rate` to a row.
pub(super) fn add(
    row: &mut Map<String, Json>,
    question: &Question,
    now: &[Option<f64>],
    before: Option<&[Option<f64>]>,
) {
    let [mut previous, mut change, mut rates] = [Map::new(), Map::new(), Map::new()];
    for (metric, [before, difference, rate]) in
        question.metrics.iter().zip(changes(question, now, before))
    {
        previous.insert(metric.name.to_owned(), before);
        change.insert(metric.name.to_owned(), difference);
        rates.insert(metric.name.to_owned(), rate);
    }
    row.insert("previous".to_owned(), Json::Object(previous));
    row.insert("change".to_owned(), Json::Object(change));
    row.insert("change_rate".to_owned(), Json::Object(rates));
}

/// Names of the columns in CSV.
pub(super) fn columns(question: &Question) -> Vec<String> {
    let suffixes = ["previous", "change", "change_rate"];
    let of = |name: &str| suffixes.map(|suffix| format!("{name}_{suffix}"));
    question.metrics.iter().flat_map(|metric| of(metric.name)).collect()
}

/// The cells under these.
pub(super) fn cells(
    question: &Question,
    now: &[Option<f64>],
    before: Option<&[Option<f64>]>,
) -> Vec<Json> {
    changes(question, now, before).into_iter().flatten().collect()
}
