//! The rows of an answer as a stream of Arrow's IPC format: one schema, one batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;

use super::change::{self, Earlier};
use super::rows::{self, Shown};
use super::{Compared, Written};
use crate::calendar::Interval;
use crate::count::{Counted, Value};
use crate::dimension::Dimension;
use crate::metric::Metric;
use crate::plan::Plan;
use crate::question::Question;

/// The same columns as in CSV: text, whole numbers (64 bits) and doubles; no value is null.
///
/// # Errors
///
/// When Arrow refuses the columns, which are all of one length.
pub fn arrow_body(
    question: &Question,
    plan: &Plan,
    counted: &Counted,
    compared: Option<&Compared>,
) -> Result<Written, ArrowError> {
    let zeros = rows::zeros(plan);
    let rows = rows::rows(question, plan, counted, &zeros);
    let shown = &rows.shown;
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    if question.interval != Interval::None {
        let times = StringArray::from_iter_values(shown.iter().map(|row| row.time));
        columns.push(("time".to_owned(), Arc::new(times)));
    }
    for (at, dimension) in question.by.iter().enumerate() {
        columns.push((dimension.name.to_owned(), values(dimension, at, shown)));
    }
    for (at, metric) in question.metrics.iter().enumerate() {
        let of = shown.iter().map(|row| row.metrics.get(at).copied().flatten());
        columns.push((metric.name.to_owned(), numbers(metric.is_whole(), of)));
    }
    if let Some(compared) = compared {
        columns.extend(changes(question, shown, &Earlier::of(compared)));
    }
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )?;
    Ok(rows.written(question, stream(&batch)?))
}

fn stream(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let schema: &Schema = &batch.schema();
    let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
    writer.write(batch)?;
    writer.into_inner()
}

fn values(dimension: &Dimension, at: usize, shown: &[Shown<'_>]) -> ArrayRef {
    let values = shown.iter().map(|row| row.by.get(at));
    if dimension.is_number() {
        let number = |value: Option<&Value>| match value {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        };
        return Arc::new(values.map(number).collect::<Int64Array>());
    }
    let text = |value: Option<&Value>| match value {
        Some(Value::Text(text)) => Some(text.to_string()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    Arc::new(values.map(text).collect::<StringArray>())
}

#[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^53")]
fn numbers(whole: bool, values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    if whole {
        return Arc::new(values.map(|it| it.map(|it| it as i64)).collect::<Int64Array>());
    }
    Arc::new(values.collect::<Float64Array>())
}

/// By metric: previous, change, change rate.
fn changes(
    question: &Question,
    shown: &[Shown<'_>],
    earlier: &Earlier<'_>,
) -> Vec<(String, ArrayRef)> {
    let rows: Vec<Vec<[Option<f64>; 3]>> = shown
        .iter()
        .map(|row| change::numbers(question, row.metrics, earlier.of_row(row)))
        .collect();
    let metrics: &[&Metric] = &question.metrics;
    let of = |(at, metric): (usize, &&Metric)| {
        [0, 1, 2].map(|part| {
            let value =
                |row: &Vec<[Option<f64>; 3]>| row.get(at).and_then(|it| it.get(part).copied());
            numbers(metric.is_whole() && part < 2, rows.iter().map(|row| value(row).flatten()))
        })
    };
    let arrays = metrics.iter().enumerate().flat_map(of);
    change::columns(question).into_iter().zip(arrays).collect()
}
