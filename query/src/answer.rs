//! What was counted as JSON or CSV; refusals as problem documents (RFC 9457).

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::question::{Question, Refused};
use crate::scan::{Counted, Counts, Key};

/// Version of docs/DEFINITIONS.md.
const DEFINITIONS: &str = "1";

/// The answer's body.
#[must_use]
pub fn json_body(
    site: i32,
    timezone: &str,
    question: &Question,
    counted: &Counted,
    now_ms: i64,
    today: jiff::civil::Date,
) -> Value {
    let rows = ordered(question, counted);
    let shown: Vec<Value> = rows
        .iter()
        .take(question.limit)
        .map(|(key, counts)| Value::Object(row(question, key, counts)))
        .collect();
    let complete: Map<String, Value> = counted
        .merged
        .iter()
        .map(|(dt, merged)| (dt.to_string(), json!(*merged && *dt < today)))
        .collect();
    let as_of = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let window = if question.from == question.to { "exact" } else { "per_day" };
    json!({
        "site": site, "from": question.from, "to": question.to, "timezone": timezone, "interval": question.interval,
        "by": question.by.map(|(name, _)| name).into_iter().collect::<Vec<_>>(),
        "rows": shown, "totals": metrics(question, &counted.totals), "row_count": rows.len(), "next_cursor": null,
        "accuracy": {"visitors": window}, "as_of": as_of.to_string(), "complete": complete, "definitions": DEFINITIONS,
    })
}

/// The same rows as CSV (RFC 4180), formulas defused.
#[must_use]
pub fn csv_body(question: &Question, counted: &Counted) -> String {
    let mut names: Vec<&str> = Vec::new();
    if question.interval != "none" {
        names.push("time");
    }
    names.extend(question.by.map(|(name, _)| name));
    names.extend(&question.metrics);
    let mut out = names.join(",") + "\r\n";
    for (key, counts) in ordered(question, counted).into_iter().take(question.limit) {
        let row = row(question, key, counts);
        let cells: Vec<String> = names.iter().map(|name| cell(row.get(*name))).collect();
        out.push_str(&(cells.join(",") + "\r\n"));
    }
    out
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => {
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
        Some(other) => other.to_string(),
    }
}

/// A refusal's body.
#[must_use]
pub fn problem(status: i64, title: &str, detail: &str, refused: Option<&Refused>) -> Value {
    let mut body =
        json!({"type": "about:blank", "title": title, "status": status, "detail": detail});
    if let (Some(refused), Some(body)) = (refused, body.as_object_mut()) {
        body.insert("parameter".to_owned(), json!(refused.parameter));
        body.insert("value".to_owned(), json!(refused.value));
        body.insert("allowed".to_owned(), json!(refused.allowed));
        body.insert("suggestion".to_owned(), json!(refused.suggestion));
    }
    body
}

fn row(question: &Question, (time, value): &Key, counts: &Counts) -> Map<String, Value> {
    let mut row = Map::new();
    if question.interval != "none" {
        row.insert("time".to_owned(), json!(time));
    }
    if let Some((name, _)) = question.by {
        row.insert(name.to_owned(), json!(value));
    }
    row.extend(metrics(question, counts));
    row
}

fn metrics(question: &Question, counts: &Counts) -> Map<String, Value> {
    question.metrics.iter().map(|name| ((*name).to_owned(), metric(name, counts))).collect()
}

fn metric(name: &str, counts: &Counts) -> Value {
    let of = |name: &str| counts.sums.get(name).copied().unwrap_or_default();
    let rate =
        |part: &str| if of("visits") > 0.0 { json!(of(part) / of("visits")) } else { Value::Null };
    match name {
        "visitors" => json!(counts.visitors.len()),
        "bounce_rate" => rate("bounces"),
        "avg_visit_duration" => rate("visit_duration"),
        "actions_per_visit" => rate("actions"),
        // Counts are whole numbers below 2^53.
        #[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^53")]
        name => json!(of(name) as i64),
    }
}

fn ordered<'a>(question: &Question, counted: &'a Counted) -> Vec<(&'a Key, &'a Counts)> {
    let mut rows: Vec<_> = counted.rows.iter().collect();
    let number = |counts: &Counts, name: &str| metric(name, counts).as_f64();
    let of_value = |left: &Key, right: &Key| {
        left.1.is_none().cmp(&right.1.is_none()).then_with(|| left.1.cmp(&right.1))
    };
    let first = question.metrics.first().copied().unwrap_or("pageviews");
    rows.sort_by(|(left_key, left), (right_key, right)| {
        let asked = match &question.order {
            None => Ordering::Equal,
            Some((name, descending)) => {
                let ordering = match name.as_str() {
                    "time" => left_key.0.cmp(&right_key.0),
                    name if question.metrics.contains(&name) => number(left, name)
                        .partial_cmp(&number(right, name))
                        .unwrap_or(Ordering::Equal),
                    _ => of_value(left_key, right_key),
                };
                if *descending { ordering.reverse() } else { ordering }
            }
        };
        let by_first =
            || number(right, first).partial_cmp(&number(left, first)).unwrap_or(Ordering::Equal);
        asked
            .then_with(|| left_key.0.cmp(&right_key.0))
            .then_with(by_first)
            .then_with(|| of_value(left_key, right_key))
    });
    rows
}
