//! The shapes of answers. What a row can have comes out of the tables of metrics and dimensions.

use serde_json::{Map, Value as Json, json};

use super::parameters::reference;
use crate::dimension::DIMENSIONS;
use crate::metric::METRICS;

pub(super) fn components() -> Json {
    json!({
        "Answer": answer(),
        "Row": row(),
        "Totals": with_changes(metrics()),
        "Numbers": {
            "type": "object", "description": "By metric; null where there is no value",
            "additionalProperties": {"type": ["number", "null"]},
        },
        "Linked": object(&[("link", text()), ("expires_in_s", count())]),
        "Query": object(&[
            ("id", text()),
            ("state", json!({"enum": ["queued", "running", "done", "failed"]})),
        ]),
        "Explained": explained(),
        "Sites": object(&[("sites", list(site()))]),
        "Definitions": definitions(),
        "Live": live(),
        "Minute": counts(true),
        "Counts": counts(false),
        "Ledger": ledger(),
        "Erasure": erasure(),
        "Health": object(&[("status", json!({"const": "ok"}))]),
        "Document": {"type": "object", "required": ["openapi"]},
        "Problem": problem(),
    })
}

/// An object with all of these members and no others.
fn object(members: &[(&str, Json)]) -> Json {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Json> =
        members.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect();
    json!({
        "type": "object", "required": names, "additionalProperties": false,
        "properties": properties,
    })
}

fn text() -> Json {
    json!({"type": "string"})
}

fn count() -> Json {
    json!({"type": "integer", "minimum": 0})
}

fn date() -> Json {
    json!({"type": "string", "format": "date"})
}

fn moment() -> Json {
    json!({"type": "string", "format": "date-time"})
}

fn list(items: Json) -> Json {
    json!({"type": "array", "items": items})
}

fn answer() -> Json {
    let compare = object(&[("with", text()), ("from", date()), ("to", date())]);
    let mut answer = object(&[
        ("from", date()),
        ("to", date()),
        ("timezone", json!({"type": ["string", "null"]})),
        ("interval", text()),
        ("by", list(text())),
        ("rows", list(reference("schemas", "Row"))),
        ("totals", reference("schemas", "Totals")),
        ("row_count", count()),
        ("next_cursor", json!({"type": ["string", "null"]})),
        (
            "accuracy",
            json!({
                "type": "object",
                "additionalProperties": {"enum": ["exact", "per_day", "per_week", "per_month"]},
            }),
        ),
        ("as_of", moment()),
        ("complete", json!({"type": "object", "additionalProperties": {"type": "boolean"}})),
        ("definitions", text()),
    ]);
    let properties = &mut answer["properties"];
    properties["site"] = json!({"type": "integer"});
    properties["sites"] = list(json!({"type": "integer"}));
    properties["changed"] = json!({"type": "boolean"});
    properties["compare"] = compare;
    properties["explain"] = reference("schemas", "Explained");
    answer
}

fn metrics() -> Map<String, Json> {
    let of = |whole: bool| json!({"type": [if whole { "integer" } else { "number" }, "null"]});
    METRICS.iter().map(|metric| (metric.name.to_owned(), of(metric.is_whole()))).collect()
}

fn with_changes(mut members: Map<String, Json>) -> Json {
    for name in ["previous", "change", "change_rate"] {
        members.insert(name.to_owned(), reference("schemas", "Numbers"));
    }
    json!({"type": "object", "additionalProperties": false, "properties": members})
}

fn row() -> Json {
    let mut members = Map::from_iter([("time".to_owned(), text())]);
    for dimension in DIMENSIONS {
        let kind = if dimension.is_number() { "integer" } else { "string" };
        members.insert(dimension.name.to_owned(), json!({"type": [kind, "null"]}));
    }
    members.extend(metrics());
    with_changes(members)
}

fn explained() -> Json {
    json!({
        "type": "object", "required": ["objects", "row_groups", "bytes_read", "phases_ms"],
        "properties": {
            "objects": count(), "row_groups": count(), "bytes_read": count(),
            "phases_ms": {"type": "object", "additionalProperties": {"type": "integer"}},
            "sql": {"type": ["string", "null"]}, "sql_refused": {"type": ["string", "null"]},
        },
    })
}

fn site() -> Json {
    let named = object(&[("id", count()), ("name", text())]);
    object(&[
        ("id", count()),
        ("name", text()),
        ("timezone", text()),
        ("currency", text()),
        ("hosts", list(text())),
        ("sections", list(text())),
        ("segments", list(text())),
        ("goals", list(named.clone())),
        ("dimensions", list(named)),
    ])
}

fn definitions() -> Json {
    let kind = json!({
        "type": ["string", "null"],
        "description": "Only hits of this kind have the dimension; a question by it is about them",
    });
    object(&[
        ("definitions", text()),
        ("metrics", list(object(&[("name", text()), ("meaning", text()), ("sql", text())]))),
        (
            "dimensions",
            list(object(&[
                ("name", text()),
                ("type", json!({"enum": ["text", "number"]})),
                ("kind", kind),
            ])),
        ),
    ])
}

fn counts(with_time: bool) -> Json {
    let time = with_time.then(|| ("time", moment()));
    let counts = [("visitors", count()), ("pageviews", count())];
    object(&time.into_iter().chain(counts).collect::<Vec<_>>())
}

fn live() -> Json {
    let shown = ["kind", "path", "title", "country", "device"];
    let of = |name: &'static str| (name, json!({"type": ["string", "null"]}));
    let hit: Vec<_> = [("ts", moment())].into_iter().chain(shown.map(of)).collect();
    object(&[
        ("last_5", reference("schemas", "Counts")),
        ("last_30", reference("schemas", "Counts")),
        ("minutes", list(reference("schemas", "Minute"))),
        ("hits", list(object(&hit))),
    ])
}

fn ledger() -> Json {
    let figures = json!({"type": "object", "additionalProperties": {"anyOf": [
        {"type": ["integer", "string"]},
        {"type": "object", "additionalProperties": {"type": "integer"}},
    ]}});
    object(&[
        ("site", json!({"type": "integer"})),
        ("from", date()),
        ("to", date()),
        ("timezone", text()),
        ("rows", list(figures.clone())),
        ("totals", figures),
        ("as_of", moment()),
    ])
}

fn erasure() -> Json {
    object(&[
        ("id", text()),
        ("state", json!({"enum": ["running", "done", "failed"]})),
        ("objects_rewritten", count()),
        ("rows_before", count()),
        ("rows_after", count()),
    ])
}

/// RFC 9457.
fn problem() -> Json {
    let mut problem = object(&[
        ("type", json!({"type": "string", "format": "uri-reference"})),
        ("title", text()),
        ("status", json!({"type": "integer", "minimum": 400, "maximum": 599})),
        ("detail", text()),
        ("request_id", text()),
    ]);
    let properties = &mut problem["properties"];
    properties["parameter"] = text();
    properties["value"] = text();
    properties["allowed"] = list(text());
    properties["suggestion"] = json!({"type": ["string", "null"]});
    problem
}
