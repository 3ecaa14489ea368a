//! What was counted as JSON, CSV or Arrow; refusals as problem documents (RFC 9457).

mod arrow;
mod change;
mod rows;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;
use lake::site::Identity;
use serde_json::{Map, Value as Json, json};

use crate::calendar::Interval;
use crate::count::{Counted, Value};
use crate::metric::Metric;
use crate::plan::Plan;
use crate::question::{Question, Refused};
pub use arrow::arrow_body;
use change::Earlier;
use rows::Shown;
pub(crate) use rows::zeros;

/// Version of docs/DEFINITIONS.md.
pub(crate) const DEFINITIONS: &str = "1";

/// The body of an answer.
#[derive(Debug)]
pub struct Written {
    /// Its bytes.
    pub body: Vec<u8>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// Of a page that a cursor asks for: whether the data may be others than those of the first page.
    pub changed: Option<bool>,
}

/// How many values an answer has: rows times columns.
#[must_use]
pub fn values(question: &Question, plan: &Plan, counted: &Counted) -> usize {
    let buckets = if plan.by_time { plan.calendar.labels().len() } else { 1 };
    let rows = match (plan.by.is_empty(), plan.by_time) {
        (true, _) => buckets.min(question.limit),
        (false, true) => counted.combinations.len().min(question.limit).saturating_mul(buckets),
        (false, false) => counted.rows.len().min(question.limit),
    };
    let of_metric = if question.compare.is_some() { 4 } else { 1 };
    rows.saturating_mul(1 + question.by.len() + question.metrics.len() * of_metric)
}

/// What an answer says besides its rows.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The question named its sites: the answer does, too.
    pub by_sites: bool,
    /// Name of the zone of dates and hours; none where sites have different ones.
    pub timezone: Option<&'a str>,
    /// How long the sites may have recognised a visitor of these dates.
    pub identities: &'a [Identity],
    /// Partitions whose hits are not all merged.
    pub waiting: &'a BTreeSet<Date>,
    /// Today in that zone.
    pub today: Date,
    /// Up to when hits are in it, Unix milliseconds.
    pub as_of_ms: i64,
}

/// What was counted of the dates that a question is compared with.
pub struct Compared {
    /// The question of these dates.
    pub question: Question,
    /// Its plan, of the first site.
    pub plan: Arc<Plan>,
    /// Its numbers.
    pub counted: Counted,
}

/// The answer's body as JSON.
#[must_use]
pub fn json_body(
    question: &Question,
    plan: &Plan,
    counted: &Counted,
    compared: Option<&Compared>,
    facts: &Facts<'_>,
) -> Written {
    let zeros = zeros(plan);
    let rows = rows::rows(question, plan, counted, &zeros);
    let earlier = compared.map(Earlier::of);
    let shown = rows.shown.iter().map(|shown| {
        let mut row = row(question, shown);
        if let Some(earlier) = &earlier {
            change::add(&mut row, question, shown.metrics, earlier.of_row(shown));
        }
        Json::Object(row)
    });
    let shown: Vec<Json> = shown.collect();
    let next_cursor = rows.next_cursor(question);
    let mut totals: Map<_, _> = metrics(question, &counted.totals).collect();
    if let Some(compared) = compared {
        let before = Some(compared.counted.totals.as_slice());
        change::add(&mut totals, question, &counted.totals, before);
    }
    let as_of = jiff::Timestamp::from_millisecond(facts.as_of_ms).unwrap_or_default();
    let by: Vec<&str> = question.by.iter().map(|dimension| dimension.name).collect();
    let mut body = json!({
        "site": question.sites.first(),
        "from": question.from.to_string(),
        "to": question.to.to_string(),
        "timezone": facts.timezone,
        "interval": question.interval.name(),
        "by": by,
        "rows": shown,
        "totals": totals,
        "row_count": rows.count,
        "next_cursor": next_cursor,
        "accuracy": accuracy(question, facts.identities),
        "as_of": as_of.to_string(),
        "complete": complete(plan, question.tz.is_some(), facts),
        "definitions": DEFINITIONS,
    });
    if let Some(body) = body.as_object_mut() {
        if facts.by_sites {
            body.shift_remove("site");
            body.shift_insert(0, "sites".to_owned(), json!(question.sites));
        }
        if let (Some(compare), Some(compared)) = (question.compare, compared) {
            let Question { from, to, .. } = &compared.question;
            let with =
                json!({"with": compare.name(), "from": from.to_string(), "to": to.to_string()});
            body.insert("compare".to_owned(), with);
        }
        if let Some(changed) = rows.changed {
            body.insert("changed".to_owned(), json!(changed));
        }
        if question.explain {
            body.insert("explain".to_owned(), plan.work.explained());
        }
    }
    rows.written(question, body.to_string().into_bytes())
}

/// The same rows as CSV (RFC 4180), formulas defused.
#[must_use]
pub fn csv_body(
    question: &Question,
    plan: &Plan,
    counted: &Counted,
    compared: Option<&Compared>,
) -> Written {
    let time = (question.interval != Interval::None).then_some("time".to_owned());
    let by = question.by.iter().map(|dimension| dimension.name.to_owned());
    let metrics = question.metrics.iter().map(|metric| metric.name.to_owned());
    let changes = compared.into_iter().flat_map(|_| change::columns(question));
    let names: Vec<String> = time.into_iter().chain(by).chain(metrics).chain(changes).collect();
    let mut out = names.join(",") + "\r\n";
    let zeros = zeros(plan);
    let earlier = compared.map(Earlier::of);
    let rows = rows::rows(question, plan, counted, &zeros);
    for shown in &rows.shown {
        let mut cells: Vec<String> = row(question, shown).values().map(cell).collect();
        if let Some(earlier) = &earlier {
            let changes = change::cells(question, shown.metrics, earlier.of_row(shown));
            cells.extend(changes.iter().map(cell));
        }
        out.push_str(&(cells.join(",") + "\r\n"));
    }
    rows.written(question, out.into_bytes())
}

fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => {
            // A spreadsheet takes a cell that begins so for a formula.
            let defused = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
                format!("'{text}")
            } else {
                text.clone()
            };
            if defused.contains([',', '"', '\r', '\n']) {
                format!("\"{}\"", defused.replace('"', "\"\""))
            } else {
                defused
            }
        }
        other => other.to_string(),
    }
}

/// A refusal's body.
#[must_use]
pub fn problem(
    status: i64,
    title: &str,
    detail: &str,
    refused: Option<&Refused>,
    request_id: &str,
) -> String {
    let mut body =
        json!({"type": "about:blank", "title": title, "status": status, "detail": detail});
    if let Some(body) = body.as_object_mut() {
        if let Some(refused) = refused {
            body.insert("parameter".to_owned(), json!(refused.parameter));
            body.insert("value".to_owned(), json!(refused.value));
            body.insert("allowed".to_owned(), json!(refused.allowed));
            body.insert("suggestion".to_owned(), json!(refused.suggestion));
        }
        body.insert("request_id".to_owned(), json!(request_id));
    }
    body.to_string()
}

fn row(question: &Question, shown: &Shown<'_>) -> Map<String, Json> {
    let mut row = Map::new();
    if question.interval != Interval::None {
        row.insert("time".to_owned(), json!(shown.time));
    }
    for (dimension, value) in question.by.iter().zip(shown.by) {
        let value = match value {
            Value::Null => Json::Null,
            Value::Number(number) => json!(number),
            Value::Text(text) => json!(text.as_ref()),
        };
        row.insert(dimension.name.to_owned(), value);
    }
    row.extend(metrics(question, shown.metrics));
    row
}

fn metrics(question: &Question, values: &[Option<f64>]) -> impl Iterator<Item = (String, Json)> {
    let pairs = question.metrics.iter().zip(values);
    pairs.map(|(metric, value)| (metric.name.to_owned(), number(metric, *value)))
}

fn number(metric: &Metric, value: Option<f64>) -> Json {
    match value {
        // Sums of whole numbers below 2^53.
        #[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^53")]
        Some(value) if metric.is_whole() => json!(value as i64),
        Some(value) => json!(value),
        None => Json::Null,
    }
}

/// How long a visitor is recognised within the range.
fn accuracy(question: &Question, identities: &[Identity]) -> Map<String, Json> {
    let same = |interval: Interval| interval.first(question.from) == interval.first(question.to);
    let of = |identity: &Identity| match identity {
        Identity::Daily | Identity::FirstParty => (question.from == question.to, 0, "per_day"),
        Identity::Weekly => (same(Interval::Week), 1, "per_week"),
        Identity::Monthly => (same(Interval::Month), 2, "per_month"),
    };
    // Of several the least exact. A day of another zone has parts of two of the site's.
    let (exact, _, window) = identities.iter().map(of).min().unwrap_or((true, 0, "per_day"));
    let word = if exact && question.tz.is_none() { "exact" } else { window };
    let bound = question.metrics.iter().filter(|metric| metric.is_bound_to_identity());
    let names = ["visitors"].into_iter().chain(bound.map(|metric| metric.name));
    names.map(|name| (name.to_owned(), json!(word))).collect()
}

/// By date: over, and nothing waits to be merged.
fn complete(plan: &Plan, in_other_zone: bool, facts: &Facts<'_>) -> Map<String, Json> {
    let waits = |day: Date| {
        let beside = [day.yesterday(), day.tomorrow()];
        let beside = beside.into_iter().flatten().filter(|_| in_other_zone);
        [day].into_iter().chain(beside).any(|day| facts.waiting.contains(&day))
    };
    let days = plan.calendar.days().iter().copied();
    days.map(|day| (day.to_string(), json!(day < facts.today && !waits(day)))).collect()
}
