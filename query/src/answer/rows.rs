//! The rows of an answer: holes filled, put in order, cut to what was asked.

use std::cmp::Ordering;

use super::Written;
use crate::count::{Counted, Value};
use crate::fast::{HashMap, HashSet};
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
    /// Whether the data may be others than those of the first page, where this is a later one.
    pub(super) changed: Option<bool>,
}

impl Rows<'_> {
    /// Where the next page begins, as text.
    pub(super) fn next_cursor(&self, question: &Question) -> Option<String> {
        self.next.as_ref().map(|next| next.write(question))
    }

    /// The answer with this body.
    pub(super) fn written(&self, question: &Question, body: Vec<u8>) -> Written {
        Written { body, next: self.next_cursor(question), changed: self.changed }
    }
}

/// What a row without hits shows: zeros, and no value where that is a rate.
#[must_use]
pub(crate) fn zeros(plan: &Plan) -> Vec<Option<f64>> {
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
        return page(shown, question, question.order, counted);
    }
    if !plan.by_time {
        let rows = counted.rows.iter();
        let shown = rows.map(|row| of_all_time(&row.by, &row.metrics));
        return page(shown.collect(), question, question.order, counted);
    }
    let all = counted.combinations.iter();
    let top = all.map(|(by, metrics)| of_all_time(by, metrics)).collect();
    let order = question.order.filter(|order| order.key != Key::Time);
    let top = page(top, question, order, counted);
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
/// [`Counted::of_all`] says that they are that page already, and how many there are.
fn page<'a>(
    mut rows: Vec<Shown<'a>>,
    question: &Question,
    order: Option<Order>,
    &Counted { of_all, data, .. }: &Counted,
) -> Rows<'a> {
    let count = of_all.unwrap_or(rows.len());
    let mut before = if of_all.is_some() { 0 } else { question.offset };
    if let (Some(Cursor { time, by, metrics, .. }), None) = (&question.cursor, of_all) {
        let last = Shown { bucket: 0, time, by, metrics };
        rows.retain(|row| compare(order, row, &last) == Ordering::Greater);
        before = 0;
    }
    let end = before.saturating_add(question.limit);
    let has_more = match of_all {
        Some(count) => question.offset.saturating_add(rows.len()) < count,
        None => rows.len() > end,
    };
    if let (Some(last), true) = (end.checked_sub(1), rows.len() > end && !timed(&rows)) {
        keep_largest(&mut rows, order.unwrap_or(BY_FIRST), last);
    }
    if rows.len() > end {
        // No two rows are equal.
        rows.select_nth_unstable_by(end, |left, right| compare(order, left, right));
        rows.truncate(end);
    }
    sort(&mut rows, order);
    let shown = rows.split_off(before.min(rows.len()));
    let of_first = question.cursor.as_ref().map(|cursor| cursor.data);
    let differs = |of_first: Option<u64>| of_first.is_none() || of_first != data;
    let cursor = |row: &Shown<'_>| Cursor {
        time: row.time.to_owned(),
        by: row.by.to_vec(),
        metrics: row.metrics.to_vec(),
        data: of_first.unwrap_or(data),
    };
    let next = shown.last().filter(|_| has_more).map(cursor);
    Rows { shown, count, next, changed: of_first.map(differs) }
}

/// Whether rows are put in order by their time, too.
fn timed(rows: &[Shown<'_>]) -> bool {
    rows.iter().any(|row| !row.time.is_empty())
}

/// Leaves out rows that come after the one at place `last` by a metric that they are ordered by alone:
/// the texts of the others, which lie anywhere in memory, need not be compared.
fn keep_largest(rows: &mut Vec<Shown<'_>>, order: Order, last: usize) {
    if !matches!(order.key, Key::Metric(_)) {
        return;
    }
    let (_, last, _) = rows.select_nth_unstable_by(last, |left, right| by_key(order, left, right));
    let last = last.clone();
    rows.retain(|row| by_key(order, row, &last) != Ordering::Greater);
}

/// The order of rows where none is asked for.
const BY_FIRST: Order = Order { key: Key::Metric(0), descending: true };

fn sort(rows: &mut [Shown<'_>], order: Option<Order>) {
    rows.sort_by(|left, right| compare(order, left, right));
}

/// By what was asked, then time, first metric from the largest, dimensions; null last.
fn compare(order: Option<Order>, left: &Shown<'_>, right: &Shown<'_>) -> Ordering {
    let asked = order.map_or(Ordering::Equal, |order| by_key(order, left, right));
    asked
        .then_with(|| left.time.cmp(right.time))
        .then_with(|| by_key(BY_FIRST, left, right))
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
