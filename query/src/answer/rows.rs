//! The rows of an answer: holes filled, put in order, cut to what was asked.

use std::cmp::Ordering;

use crate::fast::{HashMap, HashSet};

use crate::count::{Counted, Value};
use crate::plan::{Plan, Take};
use crate::question::{Key, Order, Question};

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown<'a> {
    /// The bucket's name; empty without buckets.
    pub(super) time: &'a str,
    /// Values of the dimensions.
    pub(super) by: &'a [Value],
    /// Values of the metrics.
    pub(super) metrics: &'a [Option<f64>],
}

/// The rows of an answer, and how many there are before limit and offset.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    /// Those that are shown.
    pub(super) shown: Vec<Shown<'a>>,
    /// Combinations of values; without dimensions: rows.
    pub(super) count: usize,
}

/// What a row without hits shows: zeros, and no value where that is a rate.
#[must_use]
pub(super) fn zeros(plan: &Plan) -> Vec<Option<f64>> {
    let zero = |take: &Take| (!matches!(take, Take::Ratio(..))).then_some(0.0);
    plan.takes.iter().map(zero).collect()
}

/// The rows of an answer; `zeros` are what rows without hits show.
#[must_use]
pub(super) fn rows<'a>(
    question: &Question,
    plan: &'a Plan,
    counted: &'a Counted,
    zeros: &'a [Option<f64>],
) -> Rows<'a> {
    let labels = plan.calendar.labels();
    if plan.by.is_empty() {
        let mut shown = if plan.by_time {
            filled(labels, &[&[]], counted, zeros)
        } else {
            vec![Shown { time: "", by: &[], metrics: &counted.totals }]
        };
        sort(&mut shown, question.order);
        let count = shown.len();
        return Rows { shown: cut(shown, question), count };
    }
    if !plan.by_time {
        let rows = counted.rows.iter();
        let shown = rows.map(|row| Shown { time: "", by: &row.by, metrics: &row.metrics });
        let mut shown: Vec<_> = shown.collect();
        sort(&mut shown, question.order);
        let count = shown.len();
        return Rows { shown: cut(shown, question), count };
    }
    let all = counted.combinations.iter();
    let mut top: Vec<_> = all.map(|(by, metrics)| Shown { time: "", by, metrics }).collect();
    sort(&mut top, question.order.filter(|order| order.key != Key::Time));
    let count = top.len();
    let top: Vec<&[Value]> = cut(top, question).into_iter().map(|row| row.by).collect();
    let mut shown = filled(labels, &top, counted, zeros);
    sort(&mut shown, question.order);
    Rows { shown, count }
}

/// Every bucket for each combination; without dimensions there is one, of no values.
fn filled<'a>(
    labels: &'a [String],
    combinations: &[&'a [Value]],
    counted: &'a Counted,
    zeros: &'a [Option<f64>],
) -> Vec<Shown<'a>> {
    let wanted: HashSet<&[Value]> = combinations.iter().copied().collect();
    let rows = counted.rows.iter().filter(|row| wanted.contains(row.by.as_slice()));
    let known: HashMap<(u32, &[Value]), &[Option<f64>]> =
        rows.map(|row| ((row.bucket, row.by.as_slice()), row.metrics.as_slice())).collect();
    let mut shown = Vec::with_capacity(labels.len() * combinations.len());
    for (bucket, time) in (0_u32..).zip(labels) {
        for by in combinations.iter().copied() {
            let metrics = known.get(&(bucket, by)).copied().unwrap_or(zeros);
            shown.push(Shown { time, by, metrics });
        }
    }
    shown
}

fn cut<'a>(shown: Vec<Shown<'a>>, question: &Question) -> Vec<Shown<'a>> {
    shown.into_iter().skip(question.offset).take(question.limit).collect()
}

/// By what was asked, then time, first metric from the largest, dimensions; null last.
fn sort(rows: &mut [Shown<'_>], order: Option<Order>) {
    rows.sort_by(|left, right| {
        let asked = order.map_or(Ordering::Equal, |order| by_key(order, left, right));
        let first = Order { key: Key::Metric(0), descending: true };
        asked
            .then_with(|| left.time.cmp(right.time))
            .then_with(|| by_key(first, left, right))
            .then_with(|| left.by.cmp(right.by))
    });
}

fn by_key(order: Order, left: &Shown<'_>, right: &Shown<'_>) -> Ordering {
    let turned = |ordering: Ordering| if order.descending { ordering.reverse() } else { ordering };
    match order.key {
        Key::Time => turned(left.time.cmp(right.time)),
        Key::Metric(at) => {
            let of = |row: &Shown<'_>| row.metrics.get(at).copied().flatten();
            match (of(left), of(right)) {
                (Some(left), Some(right)) => turned(left.total_cmp(&right)),
                (left, right) => left.is_none().cmp(&right.is_none()),
            }
        }
        Key::Dimension(at) => {
            let is_null = |value: Option<&Value>| matches!(value, None | Some(Value::Null));
            let (left, right) = (left.by.get(at), right.by.get(at));
            match (is_null(left), is_null(right)) {
                (false, false) => turned(left.cmp(&right)),
                (left, right) => left.cmp(&right),
            }
        }
    }
}
