//! The rows of an answer: holes filled, put in order, cut to what was asked.

use std::cmp::Ordering;

use crate::fast::{HashMap, HashSet};

use crate::count::{Counted, Value};
use crate::plan::{Plan, Take};
use crate::question::{Cursor, Key, Order, Question};

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown<'a> {
    /// Number of the bucket; 0 without buckets.
    pub(super) bucket: u32,
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
    /// Where the next page begins, if there is one.
    pub(super) next: Option<Cursor>,
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
        let shown = if plan.by_time {
            filled(labels, &[&[]], counted, zeros)
        } else {
            vec![Shown { bucket: 0, time: "", by: &[], metrics: &counted.totals }]
        };
        return page(shown, question, question.order);
    }
    if !plan.by_time {
        let rows = counted.rows.iter();
        let shown = rows.map(|row| of_all_time(&row.by, &row.metrics));
        return page(shown.collect(), question, question.order);
    }
    let all = counted.combinations.iter();
    let top = all.map(|(by, metrics)| of_all_time(by, metrics)).collect();
    let order = question.order.filter(|order| order.key != Key::Time);
    let top = page(top, question, order);
    let combinations: Vec<&[Value]> = top.shown.iter().map(|row| row.by).collect();
    let mut shown = filled(labels, &combinations, counted, zeros);
    sort(&mut shown, question.order);
    Rows { shown, ..top }
}

const fn of_all_time<'a>(by: &'a [Value], metrics: &'a [Option<f64>]) -> Shown<'a> {
    Shown { bucket: 0, time: "", by, metrics }
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
            shown.push(Shown { bucket, time, by, metrics });
        }
    }
    shown
}

/// The page of the rows that was asked for, in order; the rows after it are not put in order.
fn page<'a>(mut rows: Vec<Shown<'a>>, question: &Question, order: Option<Order>) -> Rows<'a> {
    let count = rows.len();
    let mut before = question.offset;
    if let Some(Cursor { time, by, metrics }) = &question.cursor {
        let last = Shown { bucket: 0, time, by, metrics };
        rows.retain(|row| compare(order, row, &last) == Ordering::Greater);
        before = 0;
    }
    let end = before.saturating_add(question.limit);
    let has_more = rows.len() > end;
    if has_more {
        // No two rows are equal.
        rows.select_nth_unstable_by(end, |left, right| compare(order, left, right));
        rows.truncate(end);
    }
    sort(&mut rows, order);
    let shown = rows.split_off(before.min(rows.len()));
    let cursor = |row: &Shown<'_>| Cursor {
        time: row.time.to_owned(),
        by: row.by.to_vec(),
        metrics: row.metrics.to_vec(),
    };
    let next = shown.last().filter(|_| has_more).map(cursor);
    Rows { shown, count, next }
}

fn sort(rows: &mut [Shown<'_>], order: Option<Order>) {
    rows.sort_by(|left, right| compare(order, left, right));
}

/// By what was asked, then time, first metric from the largest, dimensions; null last.
fn compare(order: Option<Order>, left: &Shown<'_>, right: &Shown<'_>) -> Ordering {
    let asked = order.map_or(Ordering::Equal, |order| by_key(order, left, right));
    let first = Order { key: Key::Metric(0), descending: true };
    asked
        .then_with(|| left.time.cmp(right.time))
        .then_with(|| by_key(first, left, right))
        .then_with(|| left.by.cmp(right.by))
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
