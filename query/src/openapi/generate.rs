//! Makes the description out of the tables that questions are read by.

mod parameters;
mod schemas;

use lake::limits::{MAX_ANSWER_VALUES, MAX_QUERY_ID_BYTES, MAX_QUESTION_BYTES, MAX_TEXT_BYTES};
use serde_json::{Map, Value as Json, json};

use super::PATH;
use crate::definitions;
use crate::ledger;
use crate::question::{DEFAULT_METRICS, Format, PARAMETERS};
use crate::report::REPORTS;
pub(super) use parameters::EXAMPLES;
use parameters::{in_body, in_query, own_site, reference};

/// The description.
pub(super) fn document() -> Json {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hitlake metrics API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Page views, visits, downloads and the like of one or several sites, by date and dimension. What the metrics mean stands in docs/DEFINITIONS.md, filters and examples in docs/API.md. Every path that has GET has HEAD too.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [
            {"name": "metrics", "description": "Questions about sites"},
            {"name": "now", "description": "What happens on a site, and what became of its hits"},
            {"name": "people", "description": "Erasure, for tokens that may write"},
            {"name": "open", "description": "Without a token"},
        ],
        "paths": paths(),
        "components": {
            "securitySchemes": {"token": {
                "type": "http", "scheme": "bearer",
                "description": "A token of `hitlake token add`: 32 hex digits. It opens the sites that it was made for, until it is revoked or expires.",
            }},
            "parameters": parameters::components(),
            "headers": headers(),
            "responses": refusals(),
            "schemas": schemas::components(),
        },
    })
}

fn paths() -> Json {
    let mut paths = Map::new();
    paths.insert("/v1/metrics".to_owned(), of_sites());
    let metrics =
        format!("The metrics of a site. Without `metrics`: {}.", DEFAULT_METRICS.join(", "));
    paths.insert("/v1/sites/{site}/metrics".to_owned(), report("metrics", &metrics));
    for (name, filled_in) in REPORTS {
        let pairs: Vec<String> =
            filled_in.iter().map(|(name, value)| format!("`{name}={value}`")).collect();
        let text = format!("A named report: /metrics with {}, where not given.", pairs.join(", "));
        paths.insert(format!("/v1/sites/{{site}}/{name}"), report(name, &text));
    }
    paths.insert("/v1/queries".to_owned(), start_query());
    paths.insert("/v1/queries/{query}".to_owned(), query());
    paths.insert("/v1/sites".to_owned(), sites());
    paths.insert("/v1/sites/{site}/live".to_owned(), live());
    paths.insert(format!("/v1/sites/{{site}}/{}", ledger::NAME), of_ledger());
    paths.insert("/v1/sites/{site}/visitors/{visitor}".to_owned(), erase());
    paths.insert("/v1/erasures/{erasure}".to_owned(), erasure());
    paths.insert("/v1/health".to_owned(), open("health", "Whether the API answers", "Health"));
    let names = "What metrics mean, with their SQL over the table, and which dimensions there are";
    paths.insert(definitions::PATH.to_owned(), open("definitions", names, "Definitions"));
    paths.insert(PATH.to_owned(), open("openapi", "This description", "Document"));
    Json::Object(paths)
}

fn of_sites() -> Json {
    let names: Vec<&str> = PARAMETERS.to_vec();
    let example = json!({
        "sites": [1], "metrics": ["visits", "pageviews"], "by": ["channel"],
        "from": "2026-01-01", "to": "2026-01-31", "filter": "device==mobile", "limit": 10,
    });
    json!({
        "get": {
            "operationId": "metrics_of_sites", "tags": ["metrics"],
            "summary": "The metrics of several sites",
            "parameters": references(&names), "responses": answers(),
        },
        "post": {
            "operationId": "ask_metrics_of_sites", "tags": ["metrics"],
            "summary": "The same question as JSON, for what is too long for a URL",
            "requestBody": {
                "required": true,
                "description": format!("An object of the parameters, {MAX_QUESTION_BYTES} bytes at most; lists where commas stand in a URL."),
                "content": {"application/json": {
                    "schema": in_body(&names),
                    "examples": {"mobile visits by channel": {"value": example}},
                }},
            },
            "responses": with(answers(), &["413"]),
        },
    })
}

/// A report of one site.
fn report(name: &str, description: &str) -> Json {
    let names: Vec<&str> = PARAMETERS.into_iter().filter(|name| *name != "sites").collect();
    let mut parameters = vec![own_site()];
    parameters.extend(references(&names));
    json!({"get": {
        "operationId": name.replace('-', "_"), "tags": ["metrics"],
        "summary": format!("/{name} of a site"), "description": description,
        "parameters": parameters, "responses": answers(),
    }})
}

fn sites() -> Json {
    json!({"get": {
        "operationId": "sites", "tags": ["metrics"],
        "summary": "The sites that the token opens, with the names that questions may use",
        "responses": with(json_answer("Sites", "By id"), &["400", "503"]),
    }})
}

fn live() -> Json {
    json!({"get": {
        "operationId": "live", "tags": ["now"],
        "summary": "Visitors and page views of the last minutes, and the newest hits",
        "parameters": [own_site()],
        "responses": with(json_answer("Live", "What happens just now"), &["400", "404", "503"]),
    }})
}

fn of_ledger() -> Json {
    let mut parameters = vec![own_site()];
    parameters.extend(references(&ledger::PARAMETERS));
    json!({"get": {
        "operationId": "ledger", "tags": ["now"],
        "summary": "What became of every hit, by hour of receipt",
        "parameters": parameters,
        "responses": with(json_answer("Ledger", "Hours and totals"), &["400", "404", "503"]),
    }})
}

fn erase() -> Json {
    let visitor = json!({
        "name": "visitor", "in": "path", "required": true,
        "description": "The visitor as the column visitor_id shows it, or as the client sends it",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_BYTES},
        "example": "0123456789abcdef",
    });
    let mut done = with(json_answer("Erasure", "The order is given"), &["400", "404", "503"]);
    if let Some(done) = done.as_object_mut()
        && let Some(mut given) = done.shift_remove("200")
    {
        given["headers"]["location"] = reference("headers", "location");
        done.shift_insert(0, "202".to_owned(), given);
    }
    json!({"delete": {
        "operationId": "erase_visitor", "tags": ["people"],
        "summary": "Erase a visitor from everything that is stored; needs a token that may write",
        "parameters": [own_site(), visitor], "responses": done,
    }})
}

fn erasure() -> Json {
    let id = json!({
        "name": "erasure", "in": "path", "required": true,
        "description": "The id that the order was answered with",
        "schema": {"type": "string", "minLength": 1},
    });
    json!({"get": {
        "operationId": "erasure", "tags": ["people"], "summary": "How far an erasure is",
        "parameters": [id],
        "responses": with(json_answer("Erasure", "The receipt"), &["404", "503"]),
    }})
}

fn open(name: &str, summary: &str, schema: &str) -> Json {
    let mut responses = json_answer(schema, summary);
    if let Some(responses) = responses.as_object_mut() {
        responses.retain(|status, _| status == "200" || status == "406");
    }
    json!({"get": {
        "operationId": name, "tags": ["open"], "summary": summary, "security": [],
        "responses": responses,
    }})
}

fn references(names: &[&str]) -> Vec<Json> {
    names.iter().map(|name| in_query(name)).collect()
}

/// The answers of a question.
fn answers() -> Json {
    let mut content = Map::new();
    for (_, format) in Format::NAMES {
        let schema = match format {
            Format::Json => {
                json!({"anyOf": [reference("schemas", "Answer"), reference("schemas", "Linked")]})
            }
            Format::Csv => json!({"type": "string"}),
            Format::Arrow => json!({"contentMediaType": format.media_type()}),
        };
        content.insert(format.media_type().to_owned(), json!({"schema": schema}));
    }
    let named = ["request-id", "etag", "cache-control", "link", "vary", "hitlake-changed"];
    let answer = json!({
        "description": "The rows, in the format asked for by `format` or Accept",
        "headers": named_headers(&named), "content": content,
    });
    let unchanged = json!({
        "description": "The answer is still the one with the ETag of If-None-Match",
        "headers": named_headers(&["request-id", "etag", "cache-control"]),
    });
    let elsewhere = json!({
        "description": "On AWS an answer above 6 MB lies behind a link; fetch it without the token",
        "headers": named_headers(&["request-id", "location"]),
        "content": {"application/json": {"schema": reference("schemas", "Linked")}},
    });
    let all = json!({"200": answer, "202": begun(), "303": elsewhere, "304": unchanged});
    with(all, &["400", "401", "403", "404", "406", "422", "429", "502", "503"])
}

/// Athena is at it.
fn begun() -> Json {
    json!({
        "description": "Athena answers: ask there again after as many seconds as it says",
        "headers": named_headers(&["request-id", "location", "retry-after"]),
        "content": {"application/json": {"schema": reference("schemas", "Query")}},
    })
}

fn start_query() -> Json {
    let names: Vec<&str> = PARAMETERS.to_vec();
    let mut responses = answers();
    if let Some(responses) = responses.as_object_mut() {
        responses.retain(|status, _| !["200", "303", "304"].contains(&status.as_str()));
    }
    json!({"post": {
        "operationId": "start_query", "tags": ["metrics"],
        "summary": "Have Athena answer a question, whatever it reads; what is merged is in the answer",
        "requestBody": {
            "required": true, "description": "As that of `POST /v1/metrics`",
            "content": {"application/json": {"schema": in_body(&names)}},
        },
        "responses": with(responses, &["413"]),
    }})
}

fn query() -> Json {
    let id = json!({
        "name": "query", "in": "path", "required": true,
        "description": "The id that the question was answered with; it is for the token that asked",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_QUERY_ID_BYTES},
    });
    let mut responses = answers();
    if let Some(responses) = responses.as_object_mut() {
        responses.shift_remove("304");
    }
    json!({"get": {
        "operationId": "query", "tags": ["metrics"],
        "summary": "The answer of a query, or how far it is",
        "parameters": [id, in_query("format"), in_query("redirect")], "responses": responses,
    }})
}

/// An answer as JSON alone, and the refusals that all have.
fn json_answer(schema: &str, description: &str) -> Json {
    let answer = json!({
        "description": description, "headers": named_headers(&["request-id"]),
        "content": {"application/json": {"schema": reference("schemas", schema)}},
    });
    with(json!({"200": answer}), &["401", "403", "406", "429"])
}

fn with(mut responses: Json, statuses: &[&str]) -> Json {
    if let Some(responses) = responses.as_object_mut() {
        for status in statuses {
            responses.insert((*status).to_owned(), reference("responses", status));
        }
        responses.sort_keys();
    }
    responses
}

fn named_headers(names: &[&str]) -> Json {
    let of = |name: &&str| ((*name).to_owned(), reference("headers", name));
    Json::Object(names.iter().map(of).collect())
}

fn headers() -> Json {
    let header = |text: &str| json!({"description": text, "schema": {"type": "string"}});
    json!({
        "request-id": header("The id of the request, also in the logs"),
        "etag": header("The version of the answer: it changes when the data, the settings or the day do"),
        "cache-control": header("An answer may be kept, and asked for again with If-None-Match"),
        "link": header("rel=\"next\": the next page, relative to this URL; absent on the last"),
        "hitlake-changed": header("Of a page that a cursor asks for: whether the data may be others than those of the first"),
        "location": header("Where to ask how far it is, or for the answer"),
        "vary": header("Headers that decide about the answer"),
        "allow": header("The methods that there are"),
        "retry-after": header("Seconds to wait"),
        "www-authenticate": header("Bearer"),
    })
}

/// Refusals by status.
fn refusals() -> Json {
    let too_large = format!(
        "The answer would have more than {MAX_ANSWER_VALUES} values, or counting takes too much memory"
    );
    let texts = [
        ("400", "A parameter is wrong: which, what it may be, and the nearest right name", None),
        ("401", "No token, or one that is not known or no longer", Some("www-authenticate")),
        ("403", "The token does not open the site, whether there is one or not", None),
        ("404", "There is no such site, report, erasure or query", None),
        ("406", "None of the formats is one that the client accepts", None),
        ("413", "The body is too long", None),
        ("422", too_large.as_str(), None),
        (
            "429",
            "The token asks more often than it may, or Athena has too much to do",
            Some("retry-after"),
        ),
        ("502", "Athena failed; the detail says whether to ask again", None),
        ("503", "The store or Athena could not be read; ask again", None),
    ];
    let of = |(status, text, header): (&str, &str, Option<&str>)| {
        let names: Vec<&str> = ["request-id"].into_iter().chain(header).collect();
        let refusal = json!({
            "description": text, "headers": named_headers(&names),
            "content": {"application/problem+json": {"schema": reference("schemas", "Problem")}},
        });
        (status.to_owned(), refusal)
    };
    Json::Object(texts.into_iter().map(of).collect())
}
