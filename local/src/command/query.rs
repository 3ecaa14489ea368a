//! `hitlake query`: the metrics API's own handler, asked in this process.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::cli::{Format, QueryArgs};
use crate::error::Usage;
use crate::place::Place;

/// Asks and prints.
///
/// # Errors
///
/// When the question is refused (exit code 2) or the store cannot be read.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub async fn run(place: &Place, args: &QueryArgs) -> anyhow::Result<()> {
    let format = match args.format {
        Some(Format::Csv) => "csv",
        _ => "json",
    };
    let text = ask(place, args, format).await?;
    if args.format.is_none() && std::io::stdout().is_terminal() {
        println!("{}", table(&serde_json::from_str(&text).context("reading the answer")?));
    } else {
        println!("{}", text.trim_end());
    }
    Ok(())
}

async fn ask(place: &Place, args: &QueryArgs, format: &str) -> anyhow::Result<String> {
    get(place, format!("/v1/sites/{}/metrics", args.site), query_string(args, format)?).await
}

/// The body of the metrics API's answer.
pub(super) async fn get(place: &Place, path: String, query: String) -> anyhow::Result<String> {
    let mut event = ApiGatewayV2httpRequest::default();
    event.raw_path = Some(path);
    event.raw_query_string = Some(query);
    let answer = place.query().answer_as_owner(event).await;
    let text = match answer.body {
        Some(Body::Text(text)) => text,
        Some(Body::Binary(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => String::new(),
    };
    match answer.status_code {
        200 => Ok(text),
        202 => Err(Usage(
            "Athena's answers need a token; ask the metrics API, or leave engine out".to_owned(),
        )
        .into()),
        400..=499 => Err(Usage(problem(&text)).into()),
        status => {
            anyhow::bail!("the question was answered with status {status}: {}", problem(&text))
        }
    }
}

fn query_string(args: &QueryArgs, format: &str) -> anyhow::Result<String> {
    let named = [
        ("metrics", Some(args.metrics.as_str())),
        ("from", args.from.as_deref()),
        ("to", args.to.as_deref()),
        ("interval", args.interval.as_deref()),
        ("by", args.by.as_deref()),
        ("section", args.section.as_deref()),
        ("section_depth", args.section_depth.as_deref()),
        ("filter", args.filter.as_deref()),
        ("segment", args.segment.as_deref()),
        ("tz", args.tz.as_deref()),
        ("compare", args.compare.as_deref()),
        ("bots", args.bots.as_deref()),
        ("order", args.order.as_deref()),
        ("limit", args.limit.as_deref()),
        ("offset", args.offset.as_deref()),
        ("cursor", args.cursor.as_deref()),
        ("explain", args.explain.then_some("true")),
        ("format", Some(format)),
    ];
    let mut pairs: Vec<(&str, &str)> =
        named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    // Nobody could fetch Athena's answer here: its id is sealed to a token, and an owner has none.
    if !args.params.iter().any(|param| param.starts_with("engine=")) {
        pairs.push(("engine", "scan"));
    }
    for param in &args.params {
        let pair = param
            .split_once('=')
            .ok_or_else(|| Usage(format!("--param {param} has no =; write NAME=VALUE")))?;
        pairs.push(pair);
    }
    Ok(encode(&pairs))
}

/// A query string.
pub(super) fn encode(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| {
        format!("{}={}", name, utf8_percent_encode(value, NON_ALPHANUMERIC))
    };
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// The problem document in words.
fn problem(text: &str) -> String {
    let Ok(problem) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let of = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut words = of("detail").or_else(|| of("title")).unwrap_or_else(|| text.to_owned());
    if let Some(suggestion) = of("suggestion") {
        words.push_str(&format!(" (did you mean {suggestion}?)"));
    }
    words
}

/// The answer's rows and totals as a table.
pub(super) fn table(answer: &Value) -> Table {
    let rows = answer.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
    let rows: Vec<Value> = rows.iter().filter_map(Value::as_object).map(flat).collect();
    let totals = answer.get("totals").and_then(Value::as_object).map(flat).unwrap_or_default();
    let totals = totals.as_object().cloned().unwrap_or_default();
    let mut names: Vec<String> = rows
        .first()
        .and_then(Value::as_object)
        .map(|row| row.keys().cloned().collect())
        .unwrap_or_default();
    names.extend(totals.keys().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(&names);
    for row in &rows {
        table.add_row(names.iter().map(|name| cell(row.get(name))));
    }
    let total = names.iter().enumerate().map(|(index, name)| match totals.get(name) {
        None if index == 0 => "total".to_owned(),
        value => cell(value),
    });
    table.add_row(total);
    table
}

/// A row with the numbers of a comparison beside its own, named as in CSV.
fn flat(row: &Map<String, Value>) -> Value {
    let mut flat = Map::new();
    for (name, value) in row {
        match value.as_object() {
            None => drop(flat.insert(name.clone(), value.clone())),
            Some(of) => {
                let named = of.iter().map(|(metric, it)| (format!("{metric}_{name}"), it.clone()));
                flat.extend(named);
            }
        }
    }
    Value::Object(flat)
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.escape_debug().to_string(),
        Some(Value::Number(number)) if number.is_f64() => {
            format!("{:.4}", number.as_f64().unwrap_or_default())
        }
        Some(other) => other.to_string(),
    }
}
