//! What was counted as JSON or CSV; refusals as problem documents (RFC 9457).

mod rows;

use std::collections::BTreeSet;

use jiff::civil::Date;
use lake::site::Identity;
use serde_json::{Map, Value as Json, json};

use crate::calendar::Interval;
use crate::count::{Counted, Value};
use crate::metric::Metric;
use crate::plan::Plan;
use crate::question::{Question, Refused};
use rows::Shown;

/// Version of docs/DEFINITIONS.md.
const DEFINITIONS: &str = "1";

/// What an answer says besides its rows.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The site.
    pub site: i32,
    /// Name of the zone of dates and hours.
    pub timezone: &'a str,
    /// How long the site recognises a visitor.
    pub identity: Identity,
    /// Partitions whose hits are not all merged.
    pub waiting: &'a BTreeSet<Date>,
    /// Today in that zone.
    pub today: Date,
    /// The present moment.
    pub now_ms: i64,
}

/// The answer's body as JSON.
#[must_use]
pub fn json_body(question: &Question, plan: &Plan, counted: &Counted, facts: &Facts<'_>) -> String {
    let zeros = rows::zeros(plan);
    let rows = rows::rows(question, plan, counted, &zeros);
    let shown: Vec<Json> =
        rows.shown.iter().map(|shown| Json::Object(row(question, shown))).collect();
    let as_of = jiff::Timestamp::from_millisecond(facts.now_ms).unwrap_or_default();
    let by: Vec<&str> = question.by.iter().map(|dimension| dimension.name).collect();
    json!({
        "site": facts.site,
        "from": question.from.to_string(),
        "to": question.to.to_string(),
        "timezone": facts.timezone,
        "interval": question.interval.name(),
        "by": by,
        "rows": shown,
        "totals": metrics(question, &counted.totals).collect::<Map<_, _>>(),
        "row_count": rows.count,
        "next_cursor": null,
        "accuracy": accuracy(question, facts.identity),
        "as_of": as_of.to_string(),
        "complete": complete(plan, question.tz.is_some(), facts),
        "definitions": DEFINITIONS,
    })
    .to_string()
}

/// The same rows as CSV (RFC 4180), formulas defused.
#[must_use]
pub fn csv_body(question: &Question, plan: &Plan, counted: &Counted) -> String {
    let time = (question.interval != Interval::None).then_some("time");
    let by = question.by.iter().map(|dimension| dimension.name);
    let metrics = question.metrics.iter().map(|metric| metric.name);
    let names: Vec<&str> = time.into_iter().chain(by).chain(metrics).collect();
    let mut out = names.join(",") + "\r\n";
    let zeros = rows::zeros(plan);
    for shown in rows::rows(question, plan, counted, &zeros).shown {
        let row = row(question, &shown);
        let cells: Vec<String> = row.values().map(cell).collect();
        out.push_str(&(cells.join(",") + "\r\n"));
    }
    out
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
fn accuracy(question: &Question, identity: Identity) -> Map<String, Json> {
    let same = |interval: Interval| interval.first(question.from) == interval.first(question.to);
    let (exact, window) = match identity {
        Identity::Weekly => (same(Interval::Week), "per_week"),
        Identity::Monthly => (same(Interval::Month), "per_month"),
        Identity::Daily | Identity::FirstParty => (question.from == question.to, "per_day"),
    };
    // A day of another zone has parts of two of the site's.
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
