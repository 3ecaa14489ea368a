//! The parameters: their values out of the tables of names, in words what they are.

use lake::limits::{
    DEFAULT_ROW_LIMIT, MAX_FILTER_BYTES, MAX_QUESTION_DIMENSIONS, MAX_SECTION_DEPTH, MAX_SITE_ID,
};
use serde_json::{Map, Value as Json, json};

use crate::calendar::Interval;
use crate::dimension::DIMENSIONS;
use crate::metric::METRICS;
use crate::question::{
    Bots, Compare, DEFAULT_DAYS, DEFAULT_METRICS, Engine, Format, PARAMETERS, PERIODS,
};

/// An example of each parameter that has one by itself. A cursor is of an answer.
pub(in crate::openapi) const EXAMPLES: [(&str, &str); 22] = [
    ("sites", "1,2"),
    ("metrics", "pageviews,visits"),
    ("from", "2026-01-01"),
    ("to", "yesterday"),
    ("period", "month"),
    ("date", "last7"),
    ("interval", "day"),
    ("by", "country,device"),
    ("section", "/news"),
    ("section_depth", "2"),
    ("filter", "country==GB;device==mobile,device==tablet"),
    ("segment", "uk"),
    ("tz", "Europe/Berlin"),
    ("bots", "include"),
    ("compare", "previous"),
    ("order", "-time"),
    ("limit", "10"),
    ("offset", "10"),
    ("format", "csv"),
    ("explain", "true"),
    ("redirect", "false"),
    ("engine", "scan"),
];

/// One of the description's components.
pub(super) fn reference(kind: &str, name: &str) -> Json {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// A parameter of a question in a URL.
pub(super) fn in_query(name: &str) -> Json {
    reference("parameters", name)
}

/// The site in the path.
pub(super) fn own_site() -> Json {
    reference("parameters", "site")
}

/// The parameters that several paths have.
pub(super) fn components() -> Json {
    let mut all = Map::new();
    let site = json!({
        "name": "site", "in": "path", "required": true, "description": "Id of the site",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_SITE_ID}, "example": 1,
    });
    all.insert("site".to_owned(), site);
    for name in PARAMETERS {
        let is_list = matches!(schema(name)["type"].as_str(), Some("array"));
        let mut parameter = json!({
            "name": name, "in": "query", "required": name == "sites",
            "description": description(name), "schema": schema(name),
        });
        if is_list {
            parameter["style"] = json!("form");
            parameter["explode"] = json!(false);
        }
        let example = EXAMPLES.into_iter().find(|(of, _)| *of == name).map(|(_, it)| it);
        if let Some(example) = example {
            parameter["example"] = match schema(name)["type"].as_str() {
                Some("array") => example.split(',').collect(),
                Some("integer") => json!(example.parse::<u64>().unwrap()),
                _ => json!(example),
            };
        }
        all.insert(name.to_owned(), parameter);
    }
    Json::Object(all)
}

/// The same parameters as members of an object: lists, numbers and null besides text.
pub(super) fn in_body(names: &[&str]) -> Json {
    let of = |name: &&str| {
        let schema = match *name {
            "sites" => {
                let id = json!({"type": "integer", "minimum": 1, "maximum": MAX_SITE_ID});
                json!({"anyOf": [schema(name), id, {"type": "array", "minItems": 1, "items": id}]})
            }
            "explain" | "redirect" => {
                json!({"anyOf": [schema(name), {"type": ["boolean", "null"]}]})
            }
            name => match schema(name)["type"].as_str() {
                // A comma list in a text, too.
                Some("array" | "integer") => {
                    json!({"anyOf": [schema(name), {"type": ["string", "null"]}]})
                }
                _ => json!({"anyOf": [schema(name), {"type": "null"}]}),
            },
        };
        ((*name).to_owned(), schema)
    };
    let properties: Map<String, Json> = names.iter().map(of).collect();
    json!({
        "type": "object", "required": ["sites"], "additionalProperties": false,
        "properties": properties,
    })
}

fn names<T>(named: &[(&'static str, T)]) -> Vec<&'static str> {
    named.iter().map(|(name, _)| *name).collect()
}

fn one_of<T>(named: &[(&'static str, T)]) -> Json {
    json!({"type": "string", "enum": names(named)})
}

/// With a default: the first.
fn one_of_or_first<T>(named: &[(&'static str, T)]) -> Json {
    json!({"type": "string", "enum": names(named), "default": names(named).first()})
}

fn schema(name: &str) -> Json {
    // An empty value counts as not given; a spreadsheet with an empty cell sends one.
    let date = json!({"type": "string", "anyOf": [
        {"format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}, {"enum": ["today", "yesterday", ""]},
    ]});
    match name {
        "sites" => {
            json!({"type": "string", "pattern": "^(all|[1-9][0-9]{0,8}(,[1-9][0-9]{0,8})*)$"})
        }
        "metrics" => {
            let metrics: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
            json!({
                "type": "array", "uniqueItems": true, "items": {"type": "string", "enum": metrics},
                "default": DEFAULT_METRICS,
            })
        }
        "by" => {
            let by: Vec<&str> = DIMENSIONS.iter().map(|dimension| dimension.name).collect();
            json!({
                "type": "array", "uniqueItems": true, "maxItems": MAX_QUESTION_DIMENSIONS,
                "items": {"type": "string", "enum": by},
            })
        }
        "from" | "to" => date,
        "period" => one_of(&PERIODS),
        "interval" => one_of_or_first(&Interval::NAMES),
        "bots" => one_of_or_first(&Bots::NAMES),
        "compare" => one_of(&Compare::NAMES),
        "format" => one_of(&Format::NAMES),
        "engine" => one_of_or_first(&Engine::NAMES),
        "explain" => json!({"type": "string", "enum": ["false", "true"], "default": "false"}),
        "redirect" => json!({"type": "string", "enum": ["true", "false"], "default": "true"}),
        "section_depth" => json!({
            "type": "integer", "minimum": 1, "maximum": MAX_SECTION_DEPTH, "default": 1,
        }),
        "limit" => json!({"type": "integer", "minimum": 1}),
        "offset" => json!({"type": "integer", "minimum": 0, "default": 0}),
        "filter" => json!({"type": "string", "maxLength": MAX_FILTER_BYTES}),
        "date" | "section" | "segment" | "tz" | "order" | "cursor" => json!({"type": "string"}),
        other => panic!("{other} has no schema: say here what it may be"),
    }
}

fn description(name: &str) -> String {
    let text = match name {
        "sites" => "Ids of sites, or all that the token opens",
        "metrics" => "What is counted",
        "from" => {
            return format!(
                "First date, in the site's zone or `tz`; without it {DEFAULT_DAYS} dates up to `to`"
            );
        }
        "to" => "Last date, inclusive; without it today",
        "period" => "Instead of from and to: a period that holds `date`, or a range of dates",
        "date" => {
            "today, yesterday, YYYY-MM-DD, lastN or previousN periods; with period=range two dates with a comma between"
        }
        "interval" => "Length of the buckets of time; the column `time` is the first date of each",
        "by" => "Dimensions, for a row for each combination of their values",
        "section" => {
            "A path (/news holds /news and /news/x), or the name of a section in the site's settings"
        }
        "section_depth" => "Levels of the path in by=section",
        "filter" => {
            "Which hits or visits: name, operator (== != < <= > >= =@ !@ =^ =$) and value; `;` is and, `,` is or"
        }
        "segment" => "A filter by its name in the site's settings",
        "tz" => "IANA zone of dates and hours; without it the site's",
        "bots" => "Which hits by the mark of bots",
        "compare" => "Numbers of earlier dates beside each: previous, change, change_rate",
        "order" => "A metric or dimension of the question, or time; - before it for descending",
        "limit" => {
            return format!(
                "Rows at most (with interval and by: combinations); {DEFAULT_ROW_LIMIT} without it where there are dimensions"
            );
        }
        "offset" => "Rows left out at the beginning",
        "cursor" => "next_cursor of an answer to the same question: the page after it",
        "format" => "Instead of Accept",
        "explain" => "Say what the answer took, and the SQL that says the same over the table",
        "engine" => {
            "Who reads the hits: the scan; Athena, over what is merged; or, where the scan would have to read too much, Athena by itself"
        }
        "redirect" => "Whether an answer above 6 MB is 303 to where it lies, or 200 with the link",
        other => panic!("{other} has no description: say here what it is"),
    };
    text.to_owned()
}
